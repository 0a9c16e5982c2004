"""The grid that every network reads."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import breast

from gransk.core.errors import InvalidValueError, RefusalError
from gransk.core.raster import resized
from gransk.core.reasons import Reason
from mammo.image.grid import SPACING_MM, find_breast, prepare


@pytest.mark.parametrize("right", [False, True])
def test_the_chest_wall_is_turned_to_the_left(right: bool) -> None:
    prepared = prepare(breast(right=right), (SPACING_MM, SPACING_MM))
    assert prepared.mirrored is right
    columns = prepared.breast.sum(axis=0)
    assert columns[:50].mean() > 3 * columns[-50:].mean()


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("spacing", [(0.2, 0.2), (0.1, 0.1), (0.3, 0.19)])
def test_a_mass_is_found_where_the_native_image_has_it(
    right: bool, spacing: tuple[float, float]
) -> None:
    image = breast(right=right)
    shape = (round(1000 * 0.2 / spacing[0]), round(700 * 0.2 / spacing[1]))
    prepared = prepare(resized(image, shape), spacing)
    column = 700 - 320 if right else 320
    native = (column * 0.2 / spacing[1], 520 * 0.2 / spacing[0])
    place = prepared.from_native(native)
    assert np.allclose(prepared.to_native(place), native)
    x, y = place.astype(int)
    assert prepared.grey[y - 10 : y + 10, x - 10 : x + 10].mean() > prepared.grey.mean() + 0.3


def test_greys_do_not_depend_on_the_range_of_the_pixels() -> None:
    image = breast()
    once, again = prepare(image, (0.2, 0.2)), prepare(image * 13 + 500, (0.2, 0.2))
    assert once.grey.shape == again.grey.shape
    assert np.abs(once.grey - again.grey).max() < 0.01
    assert once.grey.min() == 0
    assert once.grey.max() == 1


def test_a_label_and_a_white_frame_are_no_breast() -> None:
    image = breast()
    bare = prepare(image, (0.2, 0.2))
    image[30:90, 550:680] = 1000
    image[-12:] = 1000
    image[:, :8] = 1000
    prepared = prepare(image, (0.2, 0.2))
    assert abs(int(prepared.breast.sum()) - int(bare.breast.sum())) < 0.03 * bare.breast.sum()
    assert prepared.grey.shape[0] < 900


def test_at_shrinks_by_area() -> None:
    prepared = prepare(breast(), (0.2, 0.2))
    half = prepared.at(0.4)
    assert half.shape == tuple(round(n / 2) for n in prepared.grey.shape)
    assert abs(float(half.mean()) - float(prepared.grey.mean())) < 0.005


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((900, 600), np.float32),
        np.full((900, 600), 7, np.float32),
        np.pad(np.ones((20, 20), np.float32), 300),
        np.ones((10, 10), np.float32),
    ],
)
def test_what_holds_no_breast_is_refused(image: np.ndarray) -> None:
    with pytest.raises(RefusalError) as refused:
        prepare(image, (0.2, 0.2))
    assert refused.value.reason is Reason.NO_BREAST


def test_impossible_spacing_is_refused() -> None:
    with pytest.raises(InvalidValueError):
        prepare(breast(), (0.0, 0.2))


def test_an_empty_overview_holds_nothing() -> None:
    assert not find_breast(np.zeros((50, 40), np.float32)).any()
