"""Lungs laid over each other: known movements are found again."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nodule_synthetic import chest

from bench.nodule.registration import Motion, errors_mm, moved
from bench.nodule.scans import find_scan
from gransk.core.errors import RefusalError
from gransk.core.reasons import Reason
from nodule.lungs import segment_lungs
from nodule.tracking.registration import Lungs, register


def with_lungs(volume) -> Lungs:
    return Lungs(volume, segment_lungs(volume))


@pytest.fixture(scope="module")
def still() -> Lungs:
    return with_lungs(chest())


@pytest.fixture(scope="module")
def breath(still):
    rng = np.random.default_rng(5)
    motion = Motion.drawn(rng, still, 0.7)
    return motion, with_lungs(moved(still.volume, motion, 3.0, rng))


@pytest.fixture(scope="module")
def found(still, breath):
    return register(still, breath[1])


def test_a_known_movement_is_found(still, breath, found):
    motion, other = breath
    away = errors_mm(found, motion, other, 1)
    assert np.linalg.norm(motion.shift) > 20
    # A synthetic lung has few vessels to hold on to.
    assert np.median(away) < 2.5
    assert np.percentile(away, 95) < 6
    assert found.overlap > 0.95
    assert found.likeness > 0.6


def test_the_movement_itself_goes_there_and_back(still, breath):
    motion, _ = breath
    points = still.volume.geometry.to_lps(np.argwhere(still.mask)[::50000])
    assert np.allclose(motion(motion.back(points)), points, atol=0.01)


def test_there_and_back(breath, found):
    _, other = breath
    inside = np.argwhere(other.mask)[::50000]
    points = other.volume.geometry.to_lps(inside)
    assert np.allclose(found.forth(found.back(points)), points, atol=0.3)
    assert np.allclose(found.back(points[0]), found.back(points)[0])


def test_threads_do_not_change_the_answer(still, breath, found):
    again = register(still, breath[1], threads=2)
    assert np.array_equal(again.displacement, found.displacement)
    assert np.array_equal(again.matrix, found.matrix)
    assert np.array_equal(again.shift, found.shift)


def test_a_scan_that_ends_early_is_laid_where_it_belongs(still):
    whole = still.volume
    kept = whole.hu[45:]
    origin = np.add(whole.geometry.to_lps((45, 0, 0)), (10, -15, 200))
    geometry = replace(whole.geometry, shape=kept.shape, origin=tuple(float(v) for v in origin))
    cut = replace(whole, hu=kept, geometry=geometry)
    part = with_lungs(cut)
    registration = register(still, part)
    points = cut.geometry.to_lps(np.argwhere(part.mask)[::5000])
    away = np.linalg.norm(registration.back(points) - (points - (10, -15, 200)), axis=1)
    assert np.percentile(away, 95) < 4


def test_lungs_of_another_are_refused(still):
    with pytest.raises(RefusalError) as refusal:
        register(still, with_lungs(chest(seed=8)))
    assert refusal.value.reason is Reason.REGISTRATION_FAILED
    assert "likeness" in refusal.value.detail


def test_a_real_scan_moved_by_a_known_deformation():
    """Other breath, table, slices and noise; a quarter of the chest's resolution to be quick."""
    folder = Path(os.environ.get("GRANSK_DATA", "")) / "ct" / "LIDC-IDRI-0001"
    if not folder.is_dir():
        pytest.skip("GRANSK_DATA holds no ct/LIDC-IDRI-0001")
    volume = find_scan(folder).volume()
    g = volume.geometry
    hu = np.ascontiguousarray(volume.hu[:, ::2, ::2])
    coarse = replace(g, shape=hu.shape, spacing=(g.spacing[0], 2 * g.spacing[1], 2 * g.spacing[2]))
    first = with_lungs(replace(volume, hu=hu, geometry=coarse))
    rng = np.random.default_rng(11)
    motion = Motion.drawn(rng, first, 1.0)
    second = with_lungs(moved(first.volume, motion, 3.0, rng))
    away = errors_mm(register(first, second), motion, second, 1)
    assert np.mean(away) < 2.5
    assert np.percentile(away, 95) < 6
