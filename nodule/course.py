"""A nodule's course: its looks over all dates, how it grew, the category it had before."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gransk.core.findings import Finding, Measurement, Note
from gransk.core.followup import Comparison, Lesion, Outcome
from gransk.core.reasons import Reason
from nodule.growth.change import UNKNOWN_KERNEL, Sized, compare
from nodule.growth.classes import GrowthClass, classify
from nodule.guidelines.engine import advise
from nodule.guidelines.situation import Look, Situation
from nodule.guidelines.table import Guideline
from nodule.risk.profile import Course as Told

# Fleischner 2017 measures in the plane of greatest dimensions, the others in the axial one.
GREATEST_PLANE = ("fleischner-2017",)
# The comparison judged whether two scans compare soundly; the engine is told its verdict alone.
LIKE_THICKNESS_MM, LIKE_KERNEL = 1.0, "soft"


@dataclass(frozen=True)
class Course:
    """What is known of a nodule over all dates.

    Parameters
    ----------
    looks : tuple of Look
        Oldest first, the current one last; none where it has no size.
    is_new : bool or None
        Did an earlier scan show that it was not there before its first look? None where an
        earlier scan cannot tell.
    growth : GrowthClass or None
        By the guideline's rule.
    withheld : tuple of Note
        Why there is none, where there are two looks.
    """

    looks: tuple[Look, ...]
    is_new: bool | None = False
    growth: GrowthClass | None = None
    withheld: tuple[Note, ...] = ()

    @property
    def told(self) -> Told | None:
        """Where in its course it is, as risk models ask; None where that is not known."""
        if len(self.looks) < 2:
            return Told.NEW if self.is_new else None
        if self.growth is None:
            return None
        return Told.GROWING if self.growth is GrowthClass.GROWTH else Told.STABLE


def earlier(
    comparisons: Sequence[Comparison], exam: datetime.date
) -> tuple[list[Comparison], list[Note]]:
    """Comparisons with studies before this one, oldest first, one a day; and what is left out."""
    before = [one for one in comparisons if one.prior_date < exam]
    notes = []
    for code, left_out in (
        ("later_study_left_out", [one for one in comparisons if one.prior_date > exam]),
        ("same_day_left_out", [one for one in comparisons if one.prior_date == exam]),
    ):
        if left_out:
            notes.append(Note(code=code, values={"count": len(left_out)}))
    before.sort(key=lambda one: (one.prior_date, one.refused is not None, one.prior_study))
    days = itertools.groupby(before, key=lambda one: one.prior_date)
    return [next(same) for _, same in days], notes


def course_of(
    finding: Finding,
    exam: datetime.date,
    comparisons: Sequence[Comparison],
    guideline: Guideline | None,
) -> Course:
    """A finding's course.

    Parameters
    ----------
    finding : Finding
        Of the current study.
    exam : date
        Of the current study.
    comparisons : sequence of Comparison
        From :func:`earlier`.
    guideline : Guideline or None
        Whose growth rule and plane count.
    """
    rule = None if guideline is None else guideline.growth
    seen = [(one.prior_date, _outcome(one, finding), _lesion(one, finding)) for one in comparisons]
    matched = [(date, lesion) for date, what, lesion in seen if what is Outcome.MATCHED and lesion]
    chosen = _judged(matched, None if rule is None else rule.compared_with)
    now = chosen.current.measurements if chosen and chosen.current else finding.measurements
    sides = [(date, one.prior.measurements) for date, one in matched if one.prior is not None]
    plane = _plane(guideline, [*(values for _, values in sides), now])
    sound = {date: not one.withheld for date, one in matched}
    looks = [_look(date, values, plane, sound[date]) for date, values in sides]
    current = _look(exam, now, plane, True)
    if current is None:
        return Course(())
    found = tuple(look for look in looks if look is not None)
    before = [what for date, what, _ in seen if not found or date < found[0].date]
    course = Course((*found, current), _is_new(before))
    if not found or rule is None:
        return course
    if chosen is not None and chosen.withheld:
        return dataclasses.replace(course, withheld=chosen.withheld)
    first = course.looks[0 if rule.compared_with == "baseline" else -2]
    change = compare(first.sized, current.sized)
    classed = classify(change, rule)
    why = tuple(Note(code=code.value) for code in classed.withheld)
    # A diameter may rise by a trifle where the volume fell: that is no growth.
    fell = change.no_growth and classed.growth is GrowthClass.BELOW_THRESHOLD
    growth = GrowthClass.NO_GROWTH if fell else classed.growth
    return dataclasses.replace(course, growth=growth, withheld=why)


def category_before(guideline: Guideline, situation: Situation) -> Situation:
    """The same situation with the category that the course gave it before, and since when.

    Categories are found again by walking the course from its first look.
    """
    if not guideline.categories:
        return situation
    category: str | None = None
    since: datetime.date | None = None
    for count in range(1, len(situation.looks)):
        part = dataclasses.replace(
            situation,
            exam=situation.looks[count - 1].date,
            looks=situation.looks[:count],
            previous_category=category,
            category_since=since,
            clear_growth=None,
        )
        outcome = advise(guideline, part, explain=False)
        known = {(option.category, option.since) for option in outcome.options}
        category, since = known.pop() if len(known) == 1 else (None, None)
        if category is not None and guideline.modifier:
            category = category.removesuffix(guideline.modifier)
    return dataclasses.replace(situation, previous_category=category, category_since=since)


def _lesion(comparison: Comparison, finding: Finding) -> Lesion | None:
    return comparison.of(finding.tracking_uid)


def _outcome(comparison: Comparison, finding: Finding) -> Outcome | None:
    """What became of it; None where the study is not of this patient, so tells nothing."""
    if comparison.refused is Reason.PRIOR_IDENTITY_MISMATCH:
        return None
    lesion = _lesion(comparison, finding)
    return Outcome.UNCERTAIN if lesion is None else lesion.outcome


def _judged(
    matched: Sequence[tuple[datetime.date, Lesion]], compared_with: str | None
) -> Lesion | None:
    """The comparison that growth is judged by."""
    if not matched:
        return None
    return matched[0 if compared_with == "baseline" else -1][1]


def _is_new(before: Sequence[Outcome | None]) -> bool | None:
    known = [what for what in before if what is not None]
    if Outcome.NEW in known:
        return True
    return None if known else False


def _plane(guideline: Guideline | None, sides: Sequence[Sequence[Measurement]]) -> str:
    """Prefix of the sizes that count: those of one plane, known at every look."""
    if guideline is None or guideline.id not in GREATEST_PLANE:
        return ""
    name = "greatest_plane_mean_diameter_mm"
    return "greatest_plane_" if all(name in _values(side) for side in sides) else ""


def _values(side: Sequence[Measurement]) -> Mapping[str, float]:
    return {one.name: one.value for one in side}


def _look(date: datetime.date, side: Sequence[Measurement], plane: str, sound: bool) -> Look | None:
    """One look for the engine; None where neither volume nor diameter was measured."""
    values = _values(side)
    volume = values.get("volume_mm3")
    diameter = values.get(f"{plane}mean_diameter_mm")
    volume, diameter = (v if v is not None and v > 0 else None for v in (volume, diameter))
    if volume is None and diameter is None:
        return None
    sized = Sized(
        date,
        volume,
        diameter,
        thickness_mm=LIKE_THICKNESS_MM if sound else None,
        kernel=LIKE_KERNEL if sound else UNKNOWN_KERNEL,
        contrast=False,
    )
    return Look(
        sized,
        _part(values.get("solid_part_mean_diameter_mm"), diameter),
        _part(values.get("solid_part_volume_mm3"), volume),
    )


def _part(solid: float | None, whole: float | None) -> float | None:
    """A solid part is no larger than its nodule, however both were rounded."""
    if solid is None or solid < 0:
        return None
    return solid if whole is None else min(solid, whole)
