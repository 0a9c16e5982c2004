"""What a person points at, outlined and measured."""

from __future__ import annotations

import numpy as np
import pytest
from mammo_follow_up import PLACE, SPACING, exam, image

from gransk.core.application import Examined, Place
from gransk.core.errors import RefusalError
from gransk.core.reasons import Reason
from mammo.marks.outlining import middle, outlined
from mammo.presentation import image_name
from mammo.tracking.pointing import measured_at


@pytest.fixture(scope="module")
def examined() -> Examined:
    return exam("20260105", {"L MLO": (image(PLACE), [])})


def place(examined: Examined, column: float, row: float) -> Place:
    return Place(examined.findings.frames[0].sop_instance_uid, column, row)


def test_a_mass_is_outlined_where_it_lies(examined: Examined) -> None:
    finding = measured_at(
        examined.study, examined.findings, place(examined, PLACE[0] + 8, PLACE[1] - 6)
    )
    assert finding.origin == "person"
    assert finding.measured("size_mm") == pytest.approx(12, abs=2.5)
    assert image_name(finding) == "L MLO"
    centre = middle(finding.regions[0].points)
    assert np.hypot(*np.subtract(centre, PLACE[:2])) * SPACING < 1.5
    again = measured_at(
        examined.study, examined.findings, place(examined, PLACE[0] + 8, PLACE[1] - 6)
    )
    assert again == finding


def test_an_outline_of_a_network_is_taken_where_it_is_given(examined: Examined) -> None:
    def square(prepared, point):
        x, y = point
        return ((x - 50, y - 50), (x + 50, y - 50), (x + 50, y + 50), (x - 50, y + 50))

    finding = measured_at(examined.study, examined.findings, place(examined, *PLACE[:2]), square)
    assert finding.measured("size_mm") == pytest.approx(100 * SPACING * 2**0.5, abs=0.1)


def test_air_and_other_images_are_refused(examined: Examined) -> None:
    with pytest.raises(RefusalError) as refused:
        measured_at(examined.study, examined.findings, place(examined, 690, 20))
    assert refused.value.reason is Reason.NOTHING_TO_OUTLINE
    with pytest.raises(RefusalError) as refused:
        measured_at(examined.study, examined.findings, Place("1.2.3", 300, 500))
    assert refused.value.reason is Reason.NOTHING_TO_OUTLINE


def test_nothing_is_outlined_where_grey_only_rises_outwards() -> None:
    from mammo.image.grid import prepare

    down, across = np.mgrid[0:900, 0:600].astype(float)
    far = np.hypot(across - 250, down - 450)
    inside = (across < 500) & (np.abs(down - 450) < 400)
    prepared = prepare(np.where(inside, 300 + far, 0), (SPACING, SPACING))
    column, row = prepared.from_native((250.0, 450.0))
    with pytest.raises(RefusalError):
        outlined(prepared, (float(column), float(row)))
