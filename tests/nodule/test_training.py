import csv
from dataclasses import replace

import numpy as np
import pytest
from nodule_synthetic import Ball, block, chest

from nodule.detector import Candidate
from nodule.lungs import segment_lungs
from training.nodule.cutouts import Cutout, paste
from training.nodule.marks import Truth, false_marks, read, sensitivity, threshold_for
from training.nodule.samples import places_in, synthetic
from training.nodule.split import SPLIT, cases

TEST_SCANS = {"LIDC-IDRI-0001", "LIDC-IDRI-0003", "LIDC-IDRI-0063", "LIDC-IDRI-0181"}
KEPT_BACK = {"LIDC-IDRI-0002", "LIDC-IDRI-0476", "LIDC-IDRI-1011"}


def mark(place, probability):
    return Candidate((0.0, 0.0, 0.0), place, 3.0, probability, None)


def test_no_patient_is_in_two_parts_and_test_patients_are_never_trained_on():
    with SPLIT.open(newline="") as file:
        rows = [(r["source"], r["case"]) for r in csv.DictReader(file)]
    assert len(rows) == len(set(rows))
    assert set(cases("LIDC-IDRI", "test")) == TEST_SCANS
    used = set(cases("LIDC-IDRI", "train")) | set(cases("LIDC-IDRI", "val"))
    assert not used & (TEST_SCANS | KEPT_BACK)


def test_a_pasted_ball_keeps_its_size_and_the_scan_is_not_changed():
    ball = Ball((0.0, 0.0, 0.0), 10)
    source = block(ball, (2.0, 0.8, 0.8))
    inside = source.hu > -400
    used = np.flatnonzero(inside.any(axis=(1, 2)))
    slices = slice(used[0], used[-1] + 1)
    hu = source.hu[slices].copy()
    part = replace(source, hu=hu, geometry=replace(source.geometry, shape=hu.shape))
    cutout = Cutout("ball", "", part, inside[slices], 4, 10.0, 3.0)
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
