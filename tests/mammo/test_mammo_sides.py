"""The left breast against the right one."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import breast

from mammo.image.grid import SPACING_MM, Prepared, prepare
from mammo.marks.mark import Kind, Mark
from mammo.marks.sides import (
    NO_COUNTERPART,
    Sides,
    compare_sides,
    exam_measurement,
    mark_measurement,
    note,
    without_counterpart,
)
from mammo.tracking.texts import TEXTS
from mammo.view import Projection


def view(right: bool = False, mass: tuple[float, float, float] | None = None) -> Prepared:
    return prepare(breast(right=right, mass=mass), (SPACING_MM, SPACING_MM))


def mark_on(prepared: Prepared, column: float, row: float, radius_mm: float = 7.0) -> Mark:
    x, y = prepared.from_native((column, row))
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    outline = tuple(
        (
            float(x + radius_mm / SPACING_MM * np.cos(a)),
            float(y + radius_mm / SPACING_MM * np.sin(a)),
        )
        for a in angles
    )
    return Mark(0, Kind.MASS, (float(x), float(y)), outline, 2 * radius_mm, 0.8, 0.5)


@pytest.fixture(scope="module")
def one_sided() -> Sides:
    return compare_sides(view(mass=(220.0, 420.0, 7.0)), view(right=True))


def test_mirror_images_are_symmetric(one_sided: Sides) -> None:
    alike = compare_sides(view(), view(right=True))
    assert 3 * alike.asymmetry < one_sided.asymmetry


def test_a_mass_of_one_side_has_no_counterpart(one_sided: Sides) -> None:
    mark = mark_on(one_sided.left, 220.0, 420.0)
    ((asymmetry, alone),) = without_counterpart(one_sided, [mark], [], of_left=True)
    assert asymmetry is not None
    assert asymmetry >= NO_COUNTERPART
    assert alone
    rows, columns = np.unravel_index(np.argmax(one_sided.map), one_sided.map.shape)
    at = np.array([columns + 0.5, rows + 0.5]) / SPACING_MM
    assert np.hypot(*(at - mark.centre)) * SPACING_MM < 5


def test_a_mark_at_the_mirrored_place_is_its_counterpart(one_sided: Sides) -> None:
    mark = mark_on(one_sided.left, 220.0, 420.0)
    other = mark_on(one_sided.right, 700 - 220.0, 420.0)
    assert without_counterpart(one_sided, [mark], [other], of_left=True)[0][1] is False


def test_the_same_mass_on_both_sides_is_no_asymmetry() -> None:
    mass = (220.0, 420.0, 7.0)
    sides = compare_sides(view(mass=mass), view(right=True, mass=mass))
    mark = mark_on(sides.right, 700 - 220.0, 420.0)
    ((asymmetry, alone),) = without_counterpart(sides, [mark], [], of_left=False)
    assert asymmetry is not None
    assert abs(asymmetry) < 0.1
    assert not alone


def test_what_is_told_of_marks_and_exam(one_sided: Sides) -> None:
    assert mark_measurement(0.4567).value == 0.46
    of_exam = exam_measurement(one_sided, Projection.CC)
    assert of_exam.name == "asymmetry_cc"
    assert of_exam.value == pytest.approx(one_sided.asymmetry, abs=0.001)
    text = TEXTS[note(["Mark 1", "Mark 3"]).code]["en"]
    assert text.format(**note(["Mark 1", "Mark 3"]).values).startswith("Mark 1, Mark 3:")


def test_a_place_maps_to_its_mirror_image(one_sided: Sides) -> None:
    place = mark_on(one_sided.left, 320.0, 400.0).centre
    wanted = mark_on(one_sided.right, 700 - 320.0, 400.0).centre
    found = one_sided.mirrored(place, of_left=True)
    assert np.hypot(*np.subtract(found, wanted)) * SPACING_MM < 3
    back = one_sided.mirrored(found, of_left=False)
    assert np.hypot(*np.subtract(back, place)) * SPACING_MM < 0.5
