import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nodule_synthetic import Ball, block, chest, index_of

from nodule.detector import Candidate
from nodule.lungs import segment_lungs
from training.nodule import sources
from training.nodule.cutouts import Cutout, paste
from training.nodule.everything import commands
from training.nodule.lesions import LESIONS, own_lesions
from training.nodule.marks import Read, Truth, false_marks, read, sensitivity, threshold_for
from training.nodule.samples import from_scan, places_in, synthetic
from training.nodule.split import SPLIT, cases
from training.nodule.table import Table, of_scans, of_share
from training.nodule.validation import (
    Host,
    Target,
    by_kind,
    cpm,
    cpm_interval,
    judged,
    sensitivity_at,
    with_nodules,
)

WHOLE_SCANS = {"LIDC-IDRI-0001", "LIDC-IDRI-0003", "LIDC-IDRI-0063", "LIDC-IDRI-0181"}
KEPT_BACK = {"LIDC-IDRI-0002", "LIDC-IDRI-0476", "LIDC-IDRI-1011"}


def mark(place, probability):
    return Candidate((0.0, 0.0, 0.0), place, 3.0, probability, None)


def test_no_patient_is_in_two_parts_and_test_patients_are_never_trained_on():
    with SPLIT.open(newline="") as file:
        rows = [(r["source"], r["case"]) for r in csv.DictReader(file)]
    assert len(rows) == len(set(rows))
    test = set(cases("LIDC-IDRI", "test"))
    assert test > WHOLE_SCANS
    used = set(cases("LIDC-IDRI", "train")) | set(cases("LIDC-IDRI", "val"))
    assert not used & (test | KEPT_BACK)


def ball_cutout(diameter_mm):
    ball = Ball((0.0, 0.0, 0.0), diameter_mm)
    source = block(ball, (2.0, 0.8, 0.8))
    inside = source.hu > -400
    used = np.flatnonzero(inside.any(axis=(1, 2)))
    slices = slice(used[0], used[-1] + 1)
    hu = source.hu[slices].copy()
    part = replace(source, hu=hu, geometry=replace(source.geometry, shape=hu.shape))
    return Cutout("ball", "", part, inside[slices], 4, float(diameter_mm), 3.0, 5.0)


def test_a_pasted_ball_keeps_its_size_and_the_scan_is_not_changed():
    cutout = ball_cutout(10)
    scan = chest(vessels=0)
    before = scan.hu.copy()
    lungs = segment_lungs(scan)
    rng = np.random.default_rng(0)
    done = paste(cutout, scan, lungs, places_in(lungs, rng), rng)
    assert done is not None
    assert np.array_equal(scan.hu, before)
    box = tuple(slice(a, a + n) for a, n in zip(done.start, done.hu.shape, strict=True))
    grown = ((done.hu > -400) & (before[box] < -400)).sum() * scan.geometry.voxel_volume_mm3
    assert grown == pytest.approx(np.pi / 6 * 1000, rel=0.3)


def test_hits_and_false_marks_are_counted_once_and_uncounted_nodules_are_neither():
    truths = [Truth((0, 0, 0), 10, counted=True), Truth((50, 0, 0), 10, counted=False)]
    marks = [
        mark((1, 0, 0), 0.9),
        mark((2, 0, 0), 0.8),
        mark((51, 0, 0), 0.7),
        mark((0, 6, 0), 0.6),
    ]
    one = read(marks, truths)
    assert one.found == (0.9,)
    assert one.false == (0.6,)
    assert sensitivity([one], 0.85) == (1, 1)
    assert sensitivity([one], 0.95) == (0, 1)
    assert false_marks([one], 0.5) == 1


def test_the_threshold_keeps_the_wanted_rate_of_false_marks():
    marks = [mark((100.0 * n, 0, 0), 0.99 - n / 20) for n in range(20)]
    one = read(marks, [Truth((0, 500, 0), 10, counted=True)])
    for wanted in (0.0, 1.0, 5.0):
        assert false_marks([one], threshold_for([one], wanted)) == wanted
    assert threshold_for([one], 100) == 0


def test_synthetic_samples_repeat_with_their_seed():
    first, again = (synthetic(np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first.view, again.view)
    assert first.view.shape == (2, 32, 32, 32)


def test_own_lesions_are_listed_for_scans_of_training_and_validation_only():
    with LESIONS.open(newline="") as file:
        listed = {r["case"] for r in csv.DictReader(file)}
    with SPLIT.open(newline="") as file:
        parts = {r["case"]: r["part"] for r in csv.DictReader(file) if r["source"] != "LIDC-IDRI"}
    assert listed <= set(parts)
    assert set(parts.values()) == {"train", "val"}


def test_an_own_lesion_lies_where_its_slice_row_and_column_say():
    scan = chest(vessels=0)
    with LESIONS.open(newline="") as file:
        row = next(r for r in csv.DictReader(file) if r["case"] == "Case_009")
    (lesion,) = own_lesions("Case_009", scan)
    place = [float(row[name]) for name in ("slice", "row", "column")]
    assert scan.geometry.to_index(lesion.centre_lps_mm) == pytest.approx(place)
    assert lesion.diameter_mm == 2 * float(row["radius_mm"])
    assert not lesion.counted
    assert own_lesions("nobody", scan) == []


def test_spots_on_own_lesions_are_no_negatives(search):
    ball = Ball((20.0, 10.0, 70.0), 12)
    scan = chest([ball], vessels=2)
    lesion = Truth(tuple(scan.geometry.to_lps(index_of(scan, ball))), 12.0, counted=False)

    def spots(own):
        rng = np.random.default_rng(0)
        made = from_scan("chest", scan, own, [ball_cutout(8)], 0, search, rng)
        return [s for s in made if s.kind == "spot"]

    every, kept = spots([]), spots([lesion])
    assert 0 < len(kept) < len(every)

    def balls(samples):
        # Only the ball fills a cube of 4 mm with tissue.
        return sum(bool((s.view[0, 14:18, 14:18, 14:18] > 150).all()) for s in samples)

    assert balls(every) >= 1
    assert balls(kept) == 0


def test_pasted_nodules_lie_apart_from_each_other_and_from_own_lesions():
    scan = chest(vessels=0)
    own = Truth(tuple(scan.geometry.to_lps(index_of(scan, Ball((0, 0, 70.0), 20)))), 20.0, False)
    host = Host.of("chest", scan, [own])
    pasted = with_nodules(host, [ball_cutout(10)] * 12, 6, np.random.default_rng(2))
    places = [t.truth.centre_lps_mm for t in pasted.targets]
    assert len(places) >= 3
    for number, place in enumerate(places):
        assert np.linalg.norm(np.subtract(place, own.centre_lps_mm)) > 15
        k, j, i = np.round(pasted.volume.geometry.to_index(place)).astype(int)
        assert pasted.volume.hu[k, j, i] > -200
        for other in places[:number]:
            assert np.linalg.norm(np.subtract(place, other)) > 20
    marks = [mark(places[0], 0.9), mark(own.centre_lps_mm, 0.8), mark((0, 0, 999.0), 0.7)]
    assert judged(pasted, marks).false == (0.7,)
    assert sorted(judged(pasted, marks).found)[-1] == 0.9


def test_the_curve_is_read_at_the_rates_of_false_marks():
    reads = [
        Read(found=(0.95, 0.55, -1.0, 0.15), false=(0.9, 0.5), diameters_mm=(5, 5, 5, 5)),
        Read(found=(0.85, 0.45, 0.35, 0.05), false=(0.8, 0.4), diameters_mm=(5, 5, 5, 5)),
    ]
    assert sensitivity_at(reads, 0.125) == pytest.approx(1 / 8)
    assert sensitivity_at(reads, 0.5) == pytest.approx(2 / 8)
    assert sensitivity_at(reads, 1) == pytest.approx(3 / 8)
    assert sensitivity_at(reads, 8) == pytest.approx(7 / 8)
    value = cpm(reads)
    assert value == pytest.approx((1 + 1 + 2 + 3 + 7 + 7 + 7) / 7 / 8)
    low, high = cpm_interval(reads)
    assert low < value < high


def test_targets_are_counted_by_size_texture_and_place():
    def target(diameter_mm, texture, wall):
        return Target(Truth((0, 0, 0), diameter_mm, counted=True), texture, wall)

    targets = [target(4, 5, True), target(8, 1, False), target(8, 3, False)]
    rows = {r["kind"]: (r["hits"], r["cases"]) for r in by_kind(targets, [True, False, True])}
    assert rows["all"] == (2, 3)
    assert rows["3 to 6 mm"] == (1, 1)
    assert rows["6 to 10 mm"] == (1, 2)
    assert rows["ground glass"] == (0, 1)
    assert rows["part-solid"] == (1, 1)
    assert rows["at a wall"] == (1, 1)
    assert rows["inside"] == (1, 2)


def test_a_share_of_the_patients_keeps_scans_and_is_nested(tmp_path):
    rng = np.random.default_rng(0)
    patient_of = {f"n{n}": f"p{n // 2}" for n in range(40)}
    made = [replace(synthetic(rng), kind="cutout", source=name) for name in patient_of]
    made.append(replace(made[0], kind="spot", source="scan", nodule=False))
    Table.of(made).save(tmp_path / "samples.npz")
    table = Table.read(tmp_path / "samples.npz")
    assert np.array_equal(table.views[3], made[3].view)
    small, large = (table.part(of_share(table, patient_of, s, 1)) for s in (0.25, 0.5))
    assert len(small) == 1 + 10
    assert len(large) == 1 + 20
    assert set(small.source) < set(large.source)


def test_a_number_of_scans_keeps_what_lies_in_no_scan_and_is_nested():
    rng = np.random.default_rng(0)
    sample = synthetic(rng)
    made = [replace(sample, kind="spot", host=f"scan{n % 5}") for n in range(20)]
    table = Table.of([*made, sample])
    few, more = (table.part(of_scans(table, n, 1)) for n in (2, 4))
    assert (len(few), len(more)) == (1 + 8, 1 + 16)
    assert len(set(few.host)) == 3
    assert set(few.host) < set(more.host)


def test_every_model_is_trained_in_the_order_they_build_on_each_other(tmp_path):
    parser = argparse.ArgumentParser()
    sources.add_arguments(parser)
    given = ["--data", "d", "--scans", "s", "--more", "m", "--seed", "3"]
    arguments = parser.parse_args(given)
    arguments.out = tmp_path
    made = commands(arguments)
    names = ["nodule-search", "nodule-detector", "nodule-segmenter", "nodule-morphology"]
    assert [Path(c[c.index("--out") + 1]).name for c in made] == names
    assert all(c[c.index("--seed") + 1] == "3" for c in made)
    for command in (made[1], made[3]):
        assert command[command.index("--models") + 1] == str(tmp_path)
    models = Path(__file__).parents[2] / "onnx_models"
    shipped = {p.parent.name for p in models.glob("nodule-*/card.yaml")}
    assert shipped == set(names)
