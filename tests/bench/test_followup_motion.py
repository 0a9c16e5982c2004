"""A follow-up's map: points go where it says, and swellings change volumes by what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bench.followup.motion import Breathing, Motion, Swelling, resample
from gransk.core.errors import InvalidValueError
from gransk.core.volume import Geometry, Volume

SPACING = (1.5, 0.9, 0.9)
SHAPE = (70, 120, 110)
GEOMETRY = Geometry(SHAPE, (-50.0, -54.0, -400.0), SPACING)
MIDDLE = GEOMETRY.to_lps((np.array(SHAPE) - 1) / 2)
LUNG, TISSUE = -850.0, 40.0


def ball(centre: np.ndarray, radius: float) -> Volume:
    """A soft-edged ball in lung: the sum of its shares is its volume."""
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1)
    away = np.linalg.norm(GEOMETRY.to_lps(grid) - centre, axis=-1)
    share = np.clip((radius - away) / 1.5 + 0.5, 0, 1)
    return Volume((LUNG + (TISSUE - LUNG) * share).astype(np.float32), GEOMETRY)


def filled_mm3(volume: Volume) -> float:
    share = (volume.hu.astype(np.float64) - LUNG) / (TISSUE - LUNG)
    return float(share.sum() * volume.geometry.voxel_volume_mm3)


def breathing(depth_mm: float, wave_mm: float = 0.0) -> Breathing:
    rng = np.random.default_rng(0)
    return Breathing(
        top_mm=-300.0, base_mm=-400.0, middle_mm=0.0, depth_mm=depth_mm, widen=depth_mm / 300,
        waves=2 * np.pi / 120 * np.array([[0.6, 0.0, 0.8], [0.0, 1.0, 0.0]]),
        phases=rng.uniform(0, 6, (2, 3)), amplitudes_mm=np.full((2, 3), wave_mm),
    )  # fmt: skip


def motion(depth_mm: float = 9.0, wave_mm: float = 0.8, degrees: float = 3.0) -> Motion:
    turn = Rotation.from_euler("xyz", [degrees, -degrees, degrees], degrees=True).as_matrix()
    return Motion(turn, MIDDLE, np.array([4.0, -3.0, 25.0]), breathing(depth_mm, wave_mm))


def test_a_breath_moves_the_base_and_not_the_apex():
    still = Motion(np.eye(3), MIDDLE, np.zeros(3), breathing(10.0))
    points = np.array([[0.0, 0.0, -300.0], [0.0, 0.0, -350.0], [0.0, 0.0, -400.0]])
    moved = still.pull(points) - points
    assert moved[:, 2] == pytest.approx([0.0, 5.0, 10.0])
    assert moved[:, :2] == pytest.approx(np.zeros((3, 2)))


def test_pushing_finds_what_is_pulled():
    body = motion()
    place = body.push(MIDDLE)
    swollen = replace(body, swellings=(Swelling(MIDDLE, place, 1.3, 5.0),))
    for wanted in MIDDLE + np.random.default_rng(1).uniform(-40, 40, (25, 3)):
        assert swollen.pull(swollen.push(wanted)) == pytest.approx(wanted, abs=1e-4)


def test_nothing_folds():
    body = motion()
    swollen = replace(body, swellings=(Swelling(MIDDLE, body.push(MIDDLE), 3 ** (1 / 3), 9.0),))
    at = body.push(MIDDLE) + np.random.default_rng(2).uniform(-35, 35, (4000, 3))
    steps = [(swollen.pull(at + 0.01 * e) - swollen.pull(at - 0.01 * e)) / 0.02 for e in np.eye(3)]
    assert np.linalg.det(np.stack(steps, axis=-1)).min() > 0.02


@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.7, 3.0])
def test_a_ball_swells_by_the_stated_ratio(ratio):
    scan = ball(MIDDLE + 1.3, 6.0)
    body = motion()
    place = body.push(MIDDLE + 1.3)
    swollen = replace(body, swellings=(Swelling(MIDDLE + 1.3, place, ratio ** (1 / 3), 7.0),))
    corner = place - (MIDDLE - np.array(GEOMETRY.origin))
    grid = Geometry(SHAPE, tuple(float(v) for v in corner + 0.3), SPACING)
    seen = resample(scan, swollen, grid)
    assert filled_mm3(seen) / filled_mm3(scan) == pytest.approx(ratio, rel=0.02)
    share = (seen.hu - LUNG) / (TISSUE - LUNG)
    middle = (np.argwhere(share > 0.02) * share[share > 0.02][:, None]).sum(0)
    middle = middle / share[share > 0.02].sum()
    assert grid.to_lps(middle) == pytest.approx(place, abs=0.1)


def test_without_a_swelling_breathing_alone_changes_the_volume():
    """What swellings are for: the same ball, not held rigid."""
    scan = ball(MIDDLE, 6.0)
    body = motion(depth_mm=20.0)
    corner = body.push(MIDDLE) - (MIDDLE - np.array(GEOMETRY.origin))
    seen = resample(scan, body, Geometry(SHAPE, tuple(float(v) for v in corner), SPACING))
    assert abs(filled_mm3(seen) / filled_mm3(scan) - 1) > 0.05


def test_a_swelling_has_a_size():
    with pytest.raises(InvalidValueError, match="Swelling"):
        Swelling(MIDDLE, MIDDLE, 0.0, 5.0)
