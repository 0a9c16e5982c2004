import numpy as np
import pytest
from nodule_synthetic import Ball, block, chest, index_of

from gransk.core.errors import InvalidValueError
from nodule.lungs import segment_lungs
from nodule.segmentation import segment

SPACINGS = [(0.7, 0.6, 0.6), (1.25, 0.7, 0.7), (2.5, 0.75, 0.75), (3.0, 0.9, 0.9)]


def full(volume, mask):
    out = np.zeros(volume.hu.shape, bool)
    array, (k, j, i) = mask.to_array(), mask.origin
    out[k : k + array.shape[0], j : j + array.shape[1], i : i + array.shape[2]] = array
    return out


def ball_mask(volume, ball):
    at = np.indices(volume.hu.shape).T - index_of(volume, ball)
    return (ball.diameter_mm / 2) ** 2 >= ((at * volume.geometry.spacing) ** 2).sum(axis=-1).T


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("diameter", [6.0, 10.0, 20.0])
@pytest.mark.parametrize("hu", [30.0, -600.0])
def test_balls_are_outlined_from_a_point_beside_the_middle(spacing, diameter, hu):
    ball = Ball((0.4, -0.3, 0.2), diameter, hu)
    volume = block(ball, spacing)
    k, j, i = index_of(volume, ball)
    mask = segment(volume, (k, j + 1.0 / spacing[1], i))
    assert dice(full(volume, mask), ball_mask(volume, ball)) > (0.75 if diameter < 8 else 0.88)


def test_a_nodule_on_the_wall_does_not_spill_into_it():
    ball = Ball((0.0, 0.0, -110.0), 16)
    volume = chest([ball], vessels=0)
    lungs = segment_lungs(volume)
    mask = full(volume, segment(volume, index_of(volume, ball), lungs))
    assert mask.sum() < 1.5 * ball_mask(volume, ball).sum()
    assert not (mask & ~lungs).any()


def test_in_the_wall_the_size_stays_bounded():
    volume = chest(vessels=0)
    k, j, i = index_of(volume, Ball((0, 0, -130), 1))
    mask = segment(volume, (k, j, i))
    size = np.array(mask.shape) * volume.geometry.spacing
    assert size.max() <= 70


def test_a_vessel_through_a_ball_is_cut():
    ball = Ball((0.0, 0.0, 0.0), 12)
    volume = block(ball, (1.0, 0.7, 0.7))
    middle = [(n - 1) / 2 for n in volume.hu.shape]
    k, j, _ = np.indices(volume.hu.shape)
    vessel = np.hypot((k - middle[0]) * 1.0, (j - middle[1]) * 0.7) < 1.6
    volume.hu[vessel] = 30
    mask = full(volume, segment(volume, index_of(volume, ball)))
    assert dice(mask, ball_mask(volume, ball)) > 0.85


def test_empty_lung_gives_at_least_one_voxel():
    volume = block(Ball((0, 0, 0), 4, -850.0), (2.5, 0.7, 0.7))
    mask = segment(volume, (1.0, 3.0, 3.0))
    assert mask.to_array().sum() >= 1


@pytest.mark.parametrize("centre", [(-3.0, 5.0, 5.0), (2.0, 2.0, 1e6)])
def test_a_centre_outside_the_scan_is_refused(centre):
    volume = block(Ball((0, 0, 0), 4), (2.5, 0.7, 0.7))
    with pytest.raises(InvalidValueError):
        segment(volume, centre)
