import numpy as np
import pytest
from nodule_synthetic import Ball, chest, index_of

from gransk.core.errors import RefusalError
from gransk.core.reasons import Reason
from gransk.core.volume import Geometry, Volume
from nodule.lungs import segment_lungs

LUNGS_ML = 2 * 4 / 3 * np.pi * 115 * 80 * 50 / 1000


def millilitres(volume, mask):
    return mask.sum() * volume.geometry.voxel_volume_mm3 / 1000


@pytest.mark.parametrize(
    "spacing", [(2.5, 1.2, 1.2), (5.0, 0.9, 0.9), (1.0, 1.6, 1.6), (3.0, 2.0, 2.0)]
)
def test_lungs_have_their_volume_on_any_grid(spacing):
    volume = chest(spacing=spacing)
    mask = segment_lungs(volume)
    assert mask.shape == volume.hu.shape
    assert mask.dtype == bool
    assert millilitres(volume, mask) == pytest.approx(LUNGS_ML, rel=0.08)


def test_lungs_are_the_same_prone_and_mirrored():
    volume = chest()
    expected = segment_lungs(volume)
    turned = Volume(np.ascontiguousarray(volume.hu[:, ::-1, ::-1]), volume.geometry)
    mask = segment_lungs(turned)[:, ::-1, ::-1]
    assert (mask & expected).sum() * 2 / (mask.sum() + expected.sum()) > 0.97


def test_padding_below_air_changes_nothing():
    volume = chest()
    hu = volume.hu.copy()
    j, i = np.indices(hu.shape[1:])
    away = np.hypot(j - hu.shape[1] / 2, i - hu.shape[2] / 2) > 0.55 * hu.shape[1]
    hu[:, away] = -3024
    padded = segment_lungs(Volume(hu, volume.geometry))
    assert millilitres(volume, padded) == pytest.approx(LUNGS_ML, rel=0.08)


def test_a_nodule_on_the_wall_lies_inside():
    ball = Ball((0, 0, -112), 14)
    volume = chest([ball])
    assert segment_lungs(volume)[tuple(np.round(index_of(volume, ball)).astype(int))]


def test_no_lungs_are_refused():
    volume = chest()
    solid = Volume(np.where(volume.hu > -950, 40, -1000).astype(np.float32), volume.geometry)
    with pytest.raises(RefusalError) as caught:
        segment_lungs(solid)
    assert caught.value.reason is Reason.NO_LUNGS


def test_air_alone_is_refused():
    empty = Volume(
        np.full((40, 64, 64), -1024, np.float32), Geometry((40, 64, 64), (0, 0, 0), (5, 5, 5))
    )
    with pytest.raises(RefusalError) as caught:
        segment_lungs(empty)
    assert caught.value.reason is Reason.NO_LUNGS


def test_a_short_part_of_the_lungs_is_refused():
    volume = chest()
    hu = volume.hu[40:80]
    part = Volume(hu, Geometry(hu.shape, volume.geometry.origin, volume.geometry.spacing))
    with pytest.raises(RefusalError) as caught:
        segment_lungs(part)
    assert caught.value.reason is Reason.COVERAGE_INCOMPLETE
