"""What became of each mark between two exams of one patient."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from drawn import breast
from mammo_follow_up import PLACE, SPACING, exam, image
from pydantic import BaseModel

from gransk.core.application import Context, Examined
from gransk.core.errors import RefusalError
from gransk.core.followup import Comparison, Lesion, Outcome
from gransk.core.models import ModelLibrary
from gransk.core.reasons import Reason
from mammo.image.grid import prepare
from mammo.marks.outlining import middle
from mammo.tracking.change import Growth
from mammo.tracking.comparison import By, compare, growth_in
from mammo.tracking.pictures import comparison_pictures
from mammo.tracking.settings import TrackingSettings
from mammo.tracking.side import Side, Spot

BY = By("mammo", "1.0.0", TrackingSettings())
VIEW = "L CC"
SHIFT = (25, 10)
MOVED = (PLACE[0] + SHIFT[1], PLACE[1] + SHIFT[0], PLACE[2])


class Nothing(BaseModel):
    """No settings."""


def compared(current: Examined, prior: Examined) -> Comparison:
    return compare(current, prior, Context(ModelLibrary(Path("nowhere")), Nothing()), BY)


def the_one(comparison: Comparison) -> Lesion:
    (lesion,) = comparison.lesions
    return lesion


@pytest.fixture(scope="module")
def prior() -> Examined:
    return exam("20230105", {VIEW: (image(PLACE), [PLACE])})


@pytest.fixture(scope="module")
def clean() -> Examined:
    return exam("20230105", {VIEW: (image(None), [])})


@pytest.fixture(scope="module")
def current() -> Examined:
    return exam("20260105", {VIEW: (image(PLACE, SHIFT, seed=1), [MOVED])})


def test_an_unchanged_mass_is_matched_and_stable(current: Examined, prior: Examined) -> None:
    comparison = compared(current, prior)
    assert comparison.refused is None
    lesion = the_one(comparison)
    assert lesion.outcome is Outcome.MATCHED
    assert lesion.current_uid == current.findings.findings[0].tracking_uid
    assert lesion.prior_uid == prior.findings.findings[0].tracking_uid
    assert growth_in(lesion) is Growth.STABLE
    change = lesion.changed("diameter_change_mm")
    assert change is not None
    assert change.interval is not None
    assert change.interval[0] < 0 < (change.interval[1] or 0)
    assert lesion.current is not None
    assert lesion.current.measured("diameter_mm") == pytest.approx(12, abs=2)
    assert lesion.current.region is not None
    centre = middle(lesion.current.region.points)
    assert np.hypot(*np.subtract(centre, MOVED[:2])) * SPACING < 2


def test_a_larger_mass_has_grown_and_the_interval_is_above_zero(prior: Examined) -> None:
    large = (*PLACE[:2], 9.0)
    now = exam("20260105", {VIEW: (image(large, SHIFT, 1), [(*MOVED[:2], 9.0)])})
    lesion = the_one(compared(now, prior))
    assert growth_in(lesion) is Growth.GROWN
    change = lesion.changed("diameter_change_mm")
    assert change is not None
    assert change.value == pytest.approx(6, abs=2)
    assert change.interval is not None
    assert change.interval[0] > 0
    back = the_one(compared(prior, now))
    assert growth_in(back) is Growth.GROWN, "from the earlier to the later, whichever is current"
    assert back.changed("diameter_change_mm") == change
    assert (back.current_uid, back.prior_uid) == (lesion.prior_uid, lesion.current_uid)


def test_a_mass_that_was_not_there_is_new(current: Examined, clean: Examined) -> None:
    lesion = the_one(compared(current, clean))
    assert lesion.outcome is Outcome.NEW
    assert lesion.current_uid == current.findings.findings[0].tracking_uid
    assert not lesion.changes
    assert the_one(compared(clean, current)).outcome is Outcome.RESOLVED


def test_a_mass_that_is_gone_is_resolved(prior: Examined) -> None:
    now = exam("20260105", {VIEW: (image(None, SHIFT, 1), [])})
    lesion = the_one(compared(now, prior))
    assert lesion.outcome is Outcome.RESOLVED
    assert lesion.prior_uid == prior.findings.findings[0].tracking_uid


def test_what_the_prior_shows_but_did_not_report_is_not_new(current: Examined) -> None:
    silent = exam("20230105", {VIEW: (image(PLACE), [])})
    lesion = the_one(compared(current, silent))
    assert lesion.outcome is Outcome.MATCHED
    assert "seen_unreported" in {note.code for note in lesion.notes}
    assert lesion.prior is not None
    assert lesion.prior.region is not None
    centre = middle(lesion.prior.region.points)
    assert np.hypot(*np.subtract(centre, PLACE[:2])) * SPACING < 2.5
    assert lesion.prior.measured("diameter_mm") == pytest.approx(12, abs=2.5)


def test_places_beyond_the_image_are_not_covered() -> None:
    prepared = prepare(breast(), (SPACING, SPACING))
    side = Side(prepared, ())
    rows, columns = prepared.grey.shape
    assert side.covers((2.0, rows / 2))
    assert not side.covers((-2.0, rows / 2)), "behind the chest wall"
    assert side.covers((columns - 2.0, rows / 2)), "just under the skin"
    assert side.covers((columns + 3 / SPACING, rows / 2)), "as near as registration errs"
    assert not side.covers((columns + 12 / SPACING, rows / 2))
    other = Side(prepare(breast(right=True), (SPACING, SPACING)), ())
    assert other.covers((2.0, rows / 2))
    assert not other.covers((-2.0, rows / 2))


def test_a_view_of_one_exam_alone_is_not_covered(current: Examined) -> None:
    two = exam("20230105", {VIEW: (image(PLACE), [PLACE]), "L MLO": (image(PLACE), [PLACE])})
    comparison = compared(current, two)
    by_prior = {one.prior_uid: one for one in comparison.lesions}
    alone = by_prior[two.findings.findings[1].tracking_uid]
    assert alone.outcome is Outcome.NOT_COVERED
    assert {note.code for note in comparison.notes} == {"compared_views", "views_in_one_study"}


def test_no_common_view_is_refused(current: Examined) -> None:
    other = exam("20230105", {"R CC": (image(PLACE)[:, ::-1], [])})
    comparison = compared(current, other)
    assert comparison.refused is Reason.NO_SUITABLE_SERIES
    assert comparison.lesions == ()


def test_an_exam_without_a_date_is_refused(current: Examined) -> None:
    undated = exam("", {VIEW: (image(PLACE), [])})
    with pytest.raises(RefusalError) as refused:
        compared(current, undated)
    assert refused.value.reason is Reason.NO_DATE


def test_an_unknown_scale_withholds_the_change(current: Examined) -> None:
    film = exam("20230105", {VIEW: (image(PLACE), [PLACE])}, scanned=True)
    lesion = the_one(compared(current, film))
    assert lesion.outcome is Outcome.MATCHED
    assert not lesion.changes
    assert [note.code for note in lesion.withheld] == ["scale_unknown"]


def test_an_outline_by_hand_stays_and_the_other_is_sized_by_it(prior: Examined) -> None:
    large = (*PLACE[:2], 9.0)
    # Drawn too small: the mass has 18 mm.
    now = exam("20260105", {VIEW: (image(large, SHIFT, 1), [(*MOVED[:2], 7.0)])})
    (mark,) = now.findings.findings
    by_hand = mark.model_copy(update={"origin": "person"})
    drawn = dataclasses.replace(
        now, findings=now.findings.model_copy(update={"findings": (by_hand,)})
    )
    lesion = the_one(compared(drawn, prior))
    assert lesion.current is not None
    assert lesion.prior is not None
    assert lesion.current.region is not None
    assert lesion.current.measured("diameter_mm") == pytest.approx(14, abs=0.3)
    assert len(lesion.current.region.points) == len(mark.regions[0].points)
    ratio = 14 / (lesion.prior.measured("diameter_mm") or 1)
    assert ratio == pytest.approx(1.5, rel=0.15)


def test_an_outline_is_made_as_large_as_it_is_measured() -> None:
    square = ((0.0, 0.0), (50.0, 0.0), (50.0, 50.0), (0.0, 50.0))
    spot = Spot("1", (25.0, 25.0), square, mean_mm=3.0).sized(20.0)
    assert spot.diameter_mm == pytest.approx(20)
    assert middle(spot.outline) == pytest.approx((25, 25))


def test_views_that_tell_otherwise_say_so(prior: Examined) -> None:
    large = (*PLACE[:2], 9.0)
    earlier = exam("20230105", {VIEW: (image(PLACE), [PLACE]), "L MLO": (image(PLACE), [PLACE])})
    now = exam(
        "20260105",
        {VIEW: (image(PLACE), [PLACE]), "L MLO": (image(large), [large])},
        lesion=True,
    )
    lesions = compared(now, earlier).lesions
    assert {growth_in(one) for one in lesions} == {Growth.STABLE, Growth.GROWN}
    assert all("views_disagree" in {n.code for n in one.notes} for one in lesions)


def test_both_sides_are_pictured_in_one_scale(current: Examined, prior: Examined) -> None:
    comparison = compared(current, prior)
    first, second = comparison_pictures(current.study, prior.study, comparison)
    assert first.spacing_mm == second.spacing_mm
    assert first.pixels.shape == second.pixels.shape
    assert "2023-01-05" in first.caption["en"]
    assert "05.01.2026" in second.caption["da"]
    for picture in (first, second):
        centre = middle(picture.outlines[0])
        assert np.hypot(*np.subtract(centre, np.array(picture.pixels.shape) / 2)) < 20
        row, column = (int(v) for v in picture.pixels.shape)
        mass = picture.pixels[row // 2 - 10 : row // 2 + 10, column // 2 - 10 : column // 2 + 10]
        assert mass.mean() > picture.pixels[picture.pixels > 0].mean() + 20
