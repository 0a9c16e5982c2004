"""When findings are urgent: conditions on the one finding model and the follow-up beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field, model_validator

from gransk.core.findings import Finding, Findings, Frozen
from gransk.core.followup import Advice, FollowUp, Outcome

EXAM_SCORE = "exam_score"
"""Measurement of the study that is the score of a screening exam."""
DOUBLING_TIME = "vdt_days"
"""Change of a lesion that is its volume-doubling time, days."""

Share = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class RiskFrom(Frozen):
    """A risk of at least ``least`` by one model, the least of what it says counting.

    Parameters
    ----------
    model : str
        Id of the risk model.
    least : float
        0 to 1.
    """

    model: str = Field(min_length=1, max_length=64)
    least: Share


class Conditions(Frozen):
    """What must hold of a report, all of it; what speaks of a finding of one and the same finding.

    Parameters
    ----------
    exam_score_from : float, optional
        Of a screening exam, on the site's scale.
    suspicion_from : float, optional
        Estimate of malignancy of a finding, 0 to 1.
    diameter_mm_from, volume_mm3_from : float, optional
        Sizes that the application calls so (`Presentation.sizes`).
    doubling_days_below : float, optional
        Volume-doubling time since the latest earlier study; a finding that shrinks has none.
    outcomes : tuple of Outcome
        What became of a finding since the latest earlier study.
    growth : tuple of str
        Growth classes of the chosen guideline.
    risk : RiskFrom, optional
    advice : tuple of str
        Codes of what is advised first, for the finding or for the whole study.
    """

    exam_score_from: Positive | None = None
    suspicion_from: Share | None = None
    diameter_mm_from: Positive | None = None
    volume_mm3_from: Positive | None = None
    doubling_days_below: Positive | None = None
    outcomes: tuple[Outcome, ...] = ()
    growth: tuple[str, ...] = ()
    risk: RiskFrom | None = None
    advice: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _some(self) -> Conditions:
        if self == Conditions.model_construct():
            raise ValueError("at least one condition")
        return self

    @property
    def of_findings(self) -> bool:
        """Does it ask for a finding, not for the exam alone?"""
        only_exam = {"exam_score_from", "advice"}
        return any(getattr(self, name) for name in type(self).model_fields if name not in only_exam)


def hold(
    conditions: Conditions,
    findings: Findings,
    follow_up: FollowUp | None,
    sizes: Mapping[str, str],
) -> bool:
    """Do the conditions hold of a report? What a person rejected counts for nothing.

    Parameters
    ----------
    conditions : Conditions
    findings : Findings
        As people left them, under the tracking UIDs of ``follow_up``.
    follow_up : FollowUp, optional
    sizes : mapping of str to str
        Names of the measurements that are ``diameter`` and ``volume``.
    """
    score = findings.measured(EXAM_SCORE)
    wanted = conditions.exam_score_from
    if wanted is not None and (score is None or score < wanted):
        return False
    told = follow_up or FollowUp()
    if not conditions.of_findings:
        uids = {None, *(one.tracking_uid for one in findings.standing)}
        return _advised(conditions, told, uids)
    return any(_of(one, conditions, findings, told, sizes) for one in findings.standing)


def _of(
    finding: Finding,
    wanted: Conditions,
    findings: Findings,
    told: FollowUp,
    sizes: Mapping[str, str],
) -> bool:
    return (
        _least(finding.malignancy, wanted.suspicion_from)
        and _least(_size(finding, sizes, "diameter"), wanted.diameter_mm_from)
        and _least(_size(finding, sizes, "volume"), wanted.volume_mm3_from)
        and _compared(finding, wanted, findings, told)
        and _assessed(finding, wanted, told)
        and _advised(wanted, told, {None, finding.tracking_uid})
    )


def _size(finding: Finding, sizes: Mapping[str, str], name: str) -> float | None:
    return finding.measured(sizes[name]) if name in sizes else None


def _least(value: float | None, wanted: float | None) -> bool:
    return wanted is None or (value is not None and value >= wanted)


def _compared(finding: Finding, wanted: Conditions, findings: Findings, told: FollowUp) -> bool:
    earlier = next(
        (
            one
            for one in told.comparisons
            if one.refused is None
            and one.current_study == findings.study_instance_uid
            and one.prior_date < one.current_date
        ),
        None,
    )
    lesion = earlier.of(finding.tracking_uid) if earlier else None
    if wanted.outcomes and (lesion is None or lesion.outcome not in wanted.outcomes):
        return False
    if wanted.doubling_days_below is None:
        return True
    doubling = lesion.changed(DOUBLING_TIME) if lesion else None
    return doubling is not None and 0 < doubling.value < wanted.doubling_days_below


def _assessed(finding: Finding, wanted: Conditions, told: FollowUp) -> bool:
    assessment = told.assessment
    uid = finding.tracking_uid
    if wanted.growth and (assessment is None or assessment.growth.get(uid) not in wanted.growth):
        return False
    risk = wanted.risk
    if risk is None:
        return True
    return any(
        one.tracking_uid == uid and one.model == risk.model and one.probability is not None
        and one.probability[0] >= risk.least
        for one in (assessment.risks if assessment else ())
    )  # fmt: skip


def _advised(wanted: Conditions, told: FollowUp, uids: set[str | None]) -> bool:
    return not wanted.advice or any(
        one.tracking_uid in uids and one.action in wanted.advice for one in _advice(told)
    )


def _advice(told: FollowUp) -> Iterator[Advice]:
    yield from told.assessment.advice if told.assessment else ()
