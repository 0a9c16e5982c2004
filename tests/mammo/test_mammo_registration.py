"""One view laid over another."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import breast
from scipy import ndimage

from gransk.core.errors import RefusalError
from gransk.core.reasons import Reason
from mammo.image.grid import SPACING_MM, Prepared, prepare
from mammo.image.registration import register

MATRIX = np.array([[1.03, 0.04], [-0.03, 0.97]])


def bent(pixels: np.ndarray) -> np.ndarray:
    """Turned, stretched and darker: its pixel p shows `shown` (p) of the first."""
    down, across = np.mgrid[0 : pixels.shape[0], 0 : pixels.shape[1]].astype(float)
    at = shown(np.stack([across + 0.5, down + 0.5], axis=-1)) - 0.5
    return ndimage.map_coordinates(pixels, [at[..., 1], np.maximum(at[..., 0], 0)], order=1) ** 1.2


def shown(places: np.ndarray) -> np.ndarray:
    return (places - (0, 500)) @ MATRIX.T + (10, 490)


@pytest.fixture(scope="module")
def pair() -> tuple[Prepared, Prepared]:
    pixels = breast()
    size = (SPACING_MM, SPACING_MM)
    return prepare(pixels, size), prepare(bent(pixels), size)


def test_places_are_found_again(pair: tuple[Prepared, Prepared]) -> None:
    first, second = pair
    found = register(first, second)
    assert found.overlap > 0.95
    native = np.array([(x, y) for x in (100, 220, 340) for y in (350, 500, 650)], dtype=float)
    wanted = first.from_native(shown(native))
    got = found.back(second.from_native(native))
    assert np.median(np.hypot(*(got - wanted).T)) * SPACING_MM < 2.5
    again = found.forth(got)
    assert np.abs(again - second.from_native(native)).max() * SPACING_MM < 0.3


def test_the_second_view_comes_to_lie_over_the_first(pair: tuple[Prepared, Prepared]) -> None:
    first, second = pair
    found = register(first, second)
    over = found.laid_over(second, first)
    inside = ndimage.binary_erosion(first.breast, iterations=30) & (over > 0)
    straight = second.at(SPACING_MM)[: first.grey.shape[0], : first.grey.shape[1]]
    straight = np.pad(
        straight, [(0, a - b) for a, b in zip(first.grey.shape, straight.shape, strict=True)]
    )
    like = [np.corrcoef(first.grey[inside], image[inside])[0, 1] for image in (over, straight)]
    assert like[0] > 0.6
    assert like[0] > like[1] + 0.3


def test_the_same_images_give_the_same_answer(pair: tuple[Prepared, Prepared]) -> None:
    one, other = register(*pair), register(*pair)
    assert np.array_equal(one.displacement, other.displacement)
    assert np.array_equal(one.matrix, other.matrix)


def test_shapes_that_do_not_fit_are_refused() -> None:
    size = (SPACING_MM, SPACING_MM)
    whole = prepare(breast(), size)
    grey = np.random.default_rng(0).uniform(0.3, 0.9, (130, 900)).astype(np.float32)
    flat = Prepared(grey, grey > 0, (130, 900), size, (0.0, 0.0), False)
    with pytest.raises(RefusalError) as refused:
        register(whole, flat)
    assert refused.value.reason is Reason.REGISTRATION_FAILED
