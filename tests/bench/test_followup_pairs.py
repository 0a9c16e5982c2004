"""Pairs: what the truth says is what the two scans show."""

from __future__ import annotations

import csv
import datetime

import numpy as np
import pytest
from followup_host import LUNG, TISSUE, cutouts, host, offers

from bench.followup.hosts import NODULES_OF, PARTS, SCANS, find_folders, names
from bench.followup.lesions import Growth
from bench.followup.pairs import Pair, make_pair
from bench.followup.studies import FIRST_DAY, study_of
from gransk.core.ct import read_volume
from gransk.core.errors import InvalidValueError
from gransk.core.followup import Outcome
from gransk.core.volume import Volume
from training.nodule.split import cases

DAYS = 182


def pair(seed: int, kind: str = "follow-up") -> Pair:
    return make_pair(host(), offers(), cutouts(), seed, kind, DAYS)


def filled_mm3(volume: Volume, middle: tuple[float, float, float], radius: float) -> float:
    """Soft tissue in a ball."""
    index = volume.geometry.to_index(middle)
    reach = np.ceil(radius / np.asarray(volume.geometry.spacing)).astype(int) + 1
    low = np.maximum(np.round(index).astype(int) - reach, 0)
    box = tuple(slice(a, a + 2 * r + 1) for a, r in zip(low, reach, strict=True))
    part = volume.hu[box]
    grid = np.argwhere(np.ones(part.shape)) + low - index
    near = np.linalg.norm(grid * volume.geometry.spacing, axis=1).reshape(part.shape) <= radius
    share = (part.astype(np.float64) - LUNG) / (TISSUE - LUNG)
    return float(share[near].sum() * volume.geometry.voxel_volume_mm3)


def test_solid_bodies_grow_by_the_stated_ratio():
    """Free and solid ones, measured as soft tissue in a ball: both scans, and their ratio."""
    tried = 0
    for seed in range(6):
        made = pair(seed)
        if made.settings.unlike:
            continue
        for one in made.lesions:
            free = one.place in ("inner", "own") and one.texture == "solid"
            if one.outcome is not Outcome.MATCHED or not free:
                continue
            reach = one.diameter_mm / 2 * max(1.0, one.ratio ** (1 / 3)) + 5.0
            before = filled_mm3(made.prior.volume, one.prior_mm, reach)
            after = filled_mm3(made.current.volume, one.current_mm, reach)
            assert after / before == pytest.approx(one.ratio, rel=0.15), (seed, one)
            if one.prior_mm3 is not None:
                assert after == pytest.approx(one.current_mm3, rel=0.15)
                assert one.current_mm3 / one.prior_mm3 == pytest.approx(one.ratio)
            tried += 1
    assert tried >= 8


def test_new_and_resolved_nodules_are_in_one_scan_alone():
    seen = set()
    for seed in range(6):
        made = pair(seed)
        for one in made.lesions:
            if one.outcome not in (Outcome.NEW, Outcome.RESOLVED) or one.place != "inner":
                continue
            seen.add(one.outcome)
            if one.outcome is Outcome.NEW:
                assert one.prior_mm is None
                there, place = made.current.volume, one.current_mm
                other, gone = made.prior.volume, made.motion.pull(np.asarray(one.current_mm))
            else:
                assert one.current_mm is None
                there, place = made.prior.volume, one.prior_mm
                other, gone = made.current.volume, made.motion.push(np.asarray(one.prior_mm))
            with_it = filled_mm3(there, place, one.diameter_mm / 2)
            without = filled_mm3(other, tuple(gone), one.diameter_mm / 2)
            assert without < 0.3 * with_it, one
    assert seen == {Outcome.NEW, Outcome.RESOLVED}


def test_what_is_not_covered_lies_outside_the_scan_that_was_cut():
    """Of these seeds one cuts the follow-up, the other the first scan."""
    cut = set()
    for seed in (25, 29):
        made = pair(seed)
        for one in made.lesions:
            if one.outcome is not Outcome.NOT_COVERED:
                continue
            cut.add(made.cut)
            if one.prior_mm is None:
                assert made.cut == "prior"
                k = made.prior.volume.geometry.to_index(made.motion.pull(np.array(one.current_mm)))
                count = made.prior.volume.hu.shape[0]
            else:
                assert made.cut == "current"
                k = made.current.volume.geometry.to_index(made.motion.push(np.array(one.prior_mm)))
                count = made.current.volume.hu.shape[0]
            assert k[0] < -0.5 or k[0] > count - 0.5
    assert cut == {"prior", "current"}


def test_a_repeat_changes_nothing_but_how_the_patient_lies_and_the_noise():
    made = pair(3, "repeat")
    assert {one.outcome for one in made.lesions} == {Outcome.MATCHED}
    assert {one.ratio for one in made.lesions} == {1.0}
    assert made.settings.thickness_mm[0] == made.settings.thickness_mm[1]
    assert made.settings.kernel[0] == made.settings.kernel[1]
    moved = [np.subtract(one.current_mm, one.prior_mm) for one in made.lesions]
    assert np.linalg.norm(moved, axis=1).min() > 0.5
    assert made.prior.volume.hu.shape != made.current.volume.hu.shape


def test_equal_seeds_make_equal_pairs():
    one, other = pair(5), pair(5)
    assert one.lesions == other.lesions
    assert np.array_equal(one.current.volume.hu, other.current.volume.hu)
    assert one.lesions != pair(6).lesions


def test_growth_holds_every_kind_of_change():
    rng = np.random.default_rng(0)
    ratios = np.array([Growth(365).ratio((0.4, 5.0), rng) for _ in range(600)])
    assert ((ratios == 1).mean(), (ratios < 1).mean()) == pytest.approx((1 / 3, 1 / 6), abs=0.06)
    assert ratios.min() >= 0.4
    assert ratios.max() == 5.0
    assert Growth(365, still=True).ratio((0.4, 5.0), rng) == 1.0


def test_a_study_gives_back_the_scan_and_its_settings():
    made = pair(1)
    late = FIRST_DAY + datetime.timedelta(days=DAYS)
    study = study_of(made.current, "made", late, "1", "current")
    assert len(study.series) == 1
    volume, _ = read_volume(study.instances, 4096)
    assert np.abs(volume.hu - made.current.volume.hu).max() <= 0.501
    assert volume.geometry.origin == pytest.approx(made.current.volume.geometry.origin, abs=1e-5)
    assert volume.geometry.spacing == pytest.approx(made.current.volume.geometry.spacing, rel=1e-5)
    header = study.instances[0].header
    assert header.StudyDate == late.strftime("%Y%m%d")
    assert float(header.SliceThickness) == made.current.thickness_mm
    assert header.ConvolutionKernel == made.current.kernel
    assert study.uid != study_of(made.current, "made", late, "2", "current").uid


def test_every_scan_is_on_one_side_alone():
    with SCANS.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len({row["scan"] for row in rows}) == len(rows)
    assert {row["part"] for row in rows} == set(PARTS)
    assert not set(names("setting")) & set(names("measuring"))
    lidc = {name for name in names("measuring") if name.startswith("LIDC")}
    assert lidc <= set(cases("LIDC-IDRI", "test"))


def test_pasted_nodules_are_of_other_patients_on_each_side():
    setting, measuring = (set(cases("LIDC-IDRI", NODULES_OF[part])) for part in PARTS)
    assert not setting & measuring
    assert setting
    assert measuring


def test_scans_must_be_there(tmp_path):
    with pytest.raises(InvalidValueError, match="scans"):
        find_folders("setting", [tmp_path])
    (tmp_path / "R01-001").mkdir()
    assert find_folders("setting", [tmp_path]) == {"R01-001": tmp_path / "R01-001"}
