"""Side, lobe and contact with the pleura in a synthetic chest."""

from __future__ import annotations

import numpy as np
import pytest
from nodule_synthetic import Ball, chest, index_of

from gransk.core.errors import InvalidValueError
from nodule.lungs import segment_lungs
from nodule.measurement import measure
from nodule.place import Answer, Lobe, LungMap, Place, Side
from nodule.segmentation import segment

FREE = Ball((0.0, 0.0, -68.0), 12)
WALL = Ball((0.0, 0.0, 68.0 + 46.0), 12)


@pytest.fixture(scope="module")
def volume():
    return chest([FREE, WALL], vessels=0)


@pytest.fixture(scope="module")
def lungs(volume):
    return segment_lungs(volume)


@pytest.fixture(scope="module")
def lung_map(volume, lungs):
    return LungMap(lungs, volume.geometry)


def test_every_voxel_of_a_lung_lies_on_its_side(volume, lungs, lung_map):
    points = np.argwhere(lungs)[::997]
    middle = volume.geometry.to_lps((np.array(volume.hu.shape) - 1) / 2)[0]
    for point in volume.geometry.to_lps(points):
        if abs(point[0] - middle) > 15:
            assert lung_map.side(tuple(point)) is (Side.LEFT if point[0] > middle else Side.RIGHT)


def test_lobes_lie_where_anatomy_has_them(volume, lung_map):
    size = np.array(volume.hu.shape) - 1
    middle, top = volume.geometry.to_lps(size / 2), volume.geometry.to_lps(size)[2]
    half = top - middle[2]

    def lobe(x, depth, height):
        return lung_map.lobe((middle[0] + x, middle[1] + depth, middle[2] + height * half))

    assert lobe(-68, 0, 0.6) is Lobe.UPPER
    assert lobe(68, 0, 0.6) is Lobe.UPPER
    assert lobe(-68, 55, -0.5) is Lobe.LOWER
    assert lobe(68, 55, -0.5) is Lobe.LOWER
    assert lobe(-68, -60, -0.22) is Lobe.MIDDLE
    assert lobe(68, -60, -0.22) is Lobe.UPPER
    low = (middle[0] - 68, middle[1] - 20, middle[2] - 0.3 * half)
    assert lung_map.upper_lobe(low) is Answer.NO
    high = (middle[0] - 68, middle[1], middle[2] + 0.6 * half)
    assert lung_map.upper_lobe(high) is Answer.YES
    heights = np.linspace(-0.7, 0.7, 141)
    assert Lobe.UNCERTAIN in [lobe(68, 0, h) for h in heights]


def test_a_nodule_at_the_wall_touches_and_a_free_one_does_not(volume, lungs, lung_map):
    for ball, touches in ((WALL, Answer.YES), (FREE, Answer.NO)):
        mask = segment(volume, index_of(volume, ball), lungs)
        place = measure(volume, mask, lungs, lung_map).place
        assert place.juxtapleural is touches
        assert (place.pleural_contact > 0) == (touches is Answer.YES)
        assert place.side is (Side.LEFT if ball is WALL else Side.RIGHT)


def test_without_lungs_nothing_is_claimed(volume):
    place = measure(volume, segment(volume, index_of(volume, FREE))).place
    assert place == Place()
    assert (place.side, place.upper_lobe) == (None, Answer.UNCERTAIN)
    assert place.juxtapleural is Answer.NOT_ASSESSED


def test_wrong_lungs_are_refused(volume, lungs):
    with pytest.raises(InvalidValueError):
        LungMap(lungs[1:], volume.geometry)
    with pytest.raises(InvalidValueError):
        LungMap(np.zeros_like(lungs), volume.geometry)
    with pytest.raises(InvalidValueError):
        measure(volume, segment(volume, index_of(volume, FREE)), lungs[1:])
