import numpy as np
import pytest
from nodule_synthetic import Ball, block, index_of

from gransk.core.errors import InvalidValueError
from gransk.core.findings import Mask
from gransk.core.volume import Geometry, Volume
from nodule.measurement import Texture, axes, measure, outlines
from nodule.segmentation import segment

SPACINGS = [(0.7, 0.6, 0.6), (1.25, 0.7, 0.7), (2.5, 0.75, 0.75), (3.0, 0.9, 0.9)]


def measured(ball, spacing):
    volume = block(ball, spacing)
    return volume, measure(volume, segment(volume, index_of(volume, ball)))


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize(
    ("diameter", "share"), [(6, 0.2), (8, 0.15), (12, 0.1), (20, 0.07), (30, 0.05)]
)
def test_balls_have_their_volume_and_diameters(diameter, share, spacing):
    ball = Ball((0.3, 0.2, -0.1), diameter)
    volume, found = measured(ball, spacing)
    assert found.volume_mm3 == pytest.approx(np.pi / 6 * diameter**3, rel=share)
    pixel = spacing[1]
    assert found.long_axis.length_mm == pytest.approx(diameter, abs=1.2 * pixel)
    assert found.short_axis.length_mm == pytest.approx(diameter, abs=1.8 * pixel)
    assert found.short_axis.length_mm <= found.long_axis.length_mm
    centre = volume.geometry.to_lps(index_of(volume, ball))
    assert np.abs(np.subtract(found.centre_lps_mm, centre)).max() < spacing[0] / 2 + 0.1


@pytest.mark.parametrize("spacing", SPACINGS[:2])
def test_thin_slices_measure_three_and_four_mm(spacing):
    for diameter, share in ((3, 0.5), (4, 0.2)):
        _, found = measured(Ball((0.0, 0.0, 0.0), diameter), spacing)
        assert found.volume_mm3 == pytest.approx(np.pi / 6 * diameter**3, rel=share)


def test_an_ellipse_has_its_axes_wherever_it_points():
    j, i = np.indices((80, 80)) - 39.5
    for angle in np.radians([0, 25, 45, 70, 90]):
        u, v = np.cos(angle) * i + np.sin(angle) * j, np.cos(angle) * j - np.sin(angle) * i
        plane = (u / 30) ** 2 + (v / 15) ** 2 <= 1
        long_axis, short_axis = axes(plane, (0.5, 0.5), (0, 0))
        assert long_axis.length_mm == pytest.approx(30, abs=0.5)
        assert short_axis.length_mm == pytest.approx(15, abs=0.6)
        ends = np.subtract(long_axis.end, long_axis.start)
        across = np.subtract(short_axis.end, short_axis.start)
        assert abs(ends @ across) / np.linalg.norm(ends) / np.linalg.norm(across) < 0.01


def test_pixels_that_are_not_square_measure_in_mm():
    j, i = np.indices((81, 41))
    plane = ((j - 40) * 0.5 / 12) ** 2 + ((i - 20) * 1.0 / 12) ** 2 <= 1
    long_axis, short_axis = axes(plane, (0.5, 1.0), (0, 0))
    assert long_axis.length_mm == pytest.approx(24, abs=1)
    assert short_axis.length_mm == pytest.approx(24, abs=1)


def test_texture_follows_density():
    spacing = (1.25, 0.7, 0.7)
    assert measured(Ball((0, 0, 0), 14, 30.0), spacing)[1].texture is Texture.SOLID
    assert measured(Ball((0, 0, 0), 14, -620.0), spacing)[1].texture is Texture.GROUND_GLASS
    assert measured(Ball((0, 0, 0), 3, 30.0), spacing)[1].texture is None


def test_one_pixel_is_outlined_round_its_centre_in_dicom_coordinates():
    mask = Mask.from_array(np.ones((1, 1, 1), bool), (4, 10, 20))
    (outline,) = outlines(mask)
    assert outline.slice_index == 4
    points = np.array(outline.points)
    assert points.mean(axis=0) == pytest.approx((20.5, 10.5))
    assert np.abs(points - (20.5, 10.5)).max() <= 0.5
    assert not outline.hole
    assert outline.points[0] != outline.points[-1]


def test_a_hole_is_told_from_an_edge():
    plane = np.ones((1, 9, 9), bool)
    plane[0, 4, 4] = False
    kinds = [o.hole for o in outlines(Mask.from_array(plane, (0, 0, 0)))]
    assert sorted(kinds) == [False, True]


def test_a_single_voxel_is_measured():
    volume = Volume(
        np.full((3, 3, 3), -850, np.float32), Geometry((3, 3, 3), (0.0, 0.0, 0.0), (2.0, 1.0, 1.0))
    )
    found = measure(volume, Mask.from_array(np.ones((1, 1, 1), bool), (1, 1, 1)))
    assert found.volume_mm3 == pytest.approx(2.0)
    assert found.long_axis.length_mm > 0
    assert found.texture is None


def test_masks_beyond_the_volume_and_empty_masks_are_refused():
    volume = block(Ball((0, 0, 0), 4), (2.5, 0.7, 0.7))
    with pytest.raises(InvalidValueError):
        measure(volume, Mask.from_array(np.ones((2, 2, 2), bool), (999, 0, 0)))
    with pytest.raises(InvalidValueError):
        measure(volume, Mask.from_array(np.zeros((2, 2, 2), bool), (0, 0, 0)))
