"""Quadrant, depth and distance from the nipple."""

from __future__ import annotations

import numpy as np
import pytest

from mammo.image.anatomy import Anatomy
from mammo.image.place import place_of, quadrant
from mammo.view import Projection


def anatomy(line_end: tuple[float, float] = (0.0, 500.0)) -> Anatomy:
    """Nipple at the right, 80 mm from the chest wall in the straight case."""
    return Anatomy(np.zeros((1000, 450), dtype=bool), (), (400.0, 500.0), True, line_end)


@pytest.mark.parametrize(
    ("centre", "projection", "half", "depth"),
    [
        ((350.0, 300.0), Projection.MLO, "upper", "anterior"),
        ((200.0, 700.0), Projection.MLO, "lower", "middle"),
        ((50.0, 300.0), Projection.CC, "outer", "posterior"),
        ((200.0, 700.0), Projection.CC, "inner", "middle"),
        ((200.0, 520.0), Projection.CC, "", "middle"),
    ],
)
def test_half_and_depth(
    centre: tuple[float, float], projection: Projection, half: str, depth: str
) -> None:
    place = place_of(centre, anatomy(), projection)
    assert (place.half, place.depth) == (half, depth)


def test_distances_are_in_mm() -> None:
    place = place_of((100.0, 100.0), anatomy(), Projection.CC)
    assert place.nipple_mm == pytest.approx(100)
    assert place.behind_mm == pytest.approx(60)


def test_the_line_of_an_oblique_view_slopes() -> None:
    sloping = anatomy((0.0, 200.0))
    assert place_of((200.0, 350.0), sloping, Projection.MLO).half == ""
    assert place_of((200.0, 500.0), sloping, Projection.MLO).half == "lower"


@pytest.mark.parametrize(
    ("halves", "name"),
    [
        (("outer", "upper"), "upper_outer"),
        (("inner", "lower"), "lower_inner"),
        (("outer",), "outer"),
        (("", "upper"), "upper"),
        (("", ""), "central"),
        (("",), ""),
    ],
)
def test_quadrants(halves: tuple[str, ...], name: str) -> None:
    assert quadrant(halves) == name
