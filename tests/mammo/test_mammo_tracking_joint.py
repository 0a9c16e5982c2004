"""Outlines of one mark in two exams, drawn as one."""

from __future__ import annotations

import numpy as np
import pytest
from mammo_follow_up import PLACE, SPACING, image

from mammo.image.grid import Prepared, prepare
from mammo.image.registration import Registration
from mammo.marks.outlining import diameters_mm, middle
from mammo.tracking.joint import Both, drawn

STILL = Registration(np.eye(2), np.zeros(2), np.zeros((4, 4, 2), np.float32))


def view(radius_mm: float | None, seed: int = 0) -> Prepared:
    mass = None if radius_mm is None else (*PLACE[:2], radius_mm)
    return prepare(image(mass, seed=seed), (SPACING, SPACING))


def place_in(prepared: Prepared) -> tuple[float, float]:
    column, row = prepared.from_native(PLACE[:2])
    return float(column), float(row)


def both(one: Prepared, other: Prepared) -> Both:
    found = drawn(one, other, STILL, place_in(one), place_in(other))
    assert found is not None
    return found


@pytest.mark.parametrize(("first", "second"), [(6.0, 6.0), (6.0, 8.0), (8.0, 6.0), (5.0, 8.0)])
def test_the_ratio_is_that_of_the_masses(first: float, second: float) -> None:
    found = both(view(first), view(second, seed=1))
    # Greys are cut above, so that edges of the brightest lie a little outside.
    assert np.exp(found.log_ratio) == pytest.approx(second / first, rel=0.12)
    assert diameters_mm(found.earlier)[1] == pytest.approx(2 * first, abs=1.5)
    assert diameters_mm(found.later)[1] == pytest.approx(2 * second, abs=1.5)


def test_both_orders_give_the_same_ratio() -> None:
    one, other = view(6.0), view(8.0, seed=1)
    assert both(other, one).log_ratio == pytest.approx(-both(one, other).log_ratio, abs=0.03)


def test_rays_are_carried_by_the_registration() -> None:
    one = view(6.0)
    wide = Registration(np.diag([1.3, 1.3]), np.zeros(2), np.zeros((4, 4, 2), np.float32))
    place = place_in(one)
    # The image is the same, so that what registration stretches the growth takes back.
    found = drawn(one, one, wide, place, place)
    assert found is not None
    assert found.log_ratio == pytest.approx(0, abs=0.05)
    assert np.hypot(*np.subtract(middle(found.later), place)) * SPACING < 1


def test_where_grey_falls_nowhere_nothing_is_drawn() -> None:
    flat = view(None)
    grey = np.where(flat.breast, 0.5, 0).astype(np.float32)
    even = Prepared(
        grey, flat.breast, flat.native_shape, flat.native_spacing_mm, flat.offset_px, flat.mirrored
    )
    place = place_in(even)
    assert drawn(even, even, STILL, place, place) is None
