"""Reports and priority as the systems around are told them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from enum import StrEnum

from pydantic import AwareDatetime, Field

from gransk.core.codes import Code
from gransk.core.findings import Finding, Findings, Measurement, Quality
from gransk.core.followup import Advice, FollowUp, Lesion, Outcome, Risk
from gransk.results.announcing import Told
from gransk.results.report_content import ReportContent
from gransk.results.urgency import Level


class Status(StrEnum):
    """How a report stands."""

    PRELIMINARY = "preliminary"
    """Nobody has signed it."""
    FINAL = "final"
    CORRECTED = "corrected"
    """It takes the place of one that was told as final."""
    WITHDRAWN = "withdrawn"


class ObjectTold(Told):
    """A DICOM object of a report."""

    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str


class RiskTold(Told):
    """What a risk model says of a finding: least and most probability, 0 to 1."""

    model: str
    version: str
    least: float = Field(ge=0, le=1)
    most: float = Field(ge=0, le=1)


class AdviceTold(Told):
    """What a guideline advises: a code of the application, its words, and the interval."""

    guideline: str
    version: str
    action: str
    text: str
    due: tuple[datetime.date, datetime.date] | None = None
    proposal: bool = False


class FindingTold(Told):
    """One finding in short: what and where it is, its size, what became of it, what is advised."""

    name: str
    tracking_uid: str
    kind: Code
    site: Code
    qualities: tuple[Quality, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    changes: tuple[Measurement, ...] = ()
    """Since the latest earlier study."""
    outcome: Outcome | None = None
    growth: str = ""
    suspicion: float | None = None
    suspicion_concept: Code | None = None
    risks: tuple[RiskTold, ...] = ()
    advice: AdviceTold | None = None
    by_person: bool = False


class ReportTold(Told):
    """A released report in short, or that it was withdrawn.

    Of a withdrawn one nothing is told but that: what was told before is in `Announcement`.
    """

    study_key: str = Field(min_length=1, max_length=32)
    application: str
    report_key: str
    status: Status
    at: AwareDatetime
    """When it was released, signed or withdrawn."""
    incomplete: bool = False
    research: bool = False
    notices: tuple[str, ...] = ()
    """What every reader of it must know, such as that it is for research."""
    models: tuple[str, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    qualities: tuple[Quality, ...] = ()
    findings: tuple[FindingTold, ...] = ()
    advice: AdviceTold | None = None
    """Of the study as a whole."""
    line: str = ""
    text: str = ""
    objects: tuple[ObjectTold, ...] = ()
    identity: str = Field(default="", exclude_if=lambda value: not value)
    """Digest of the identity under which it is told again, and after which announcement."""


class PriorityTold(Told):
    """That a study moved up, and by which of the site's rules."""

    study_key: str = Field(min_length=1, max_length=32)
    application: str
    report_key: str
    level: Level
    rule: str
    words: str
    at: AwareDatetime


def findings_told(
    content: ReportContent, sizes: Mapping[str, str], qualities: tuple[str, ...], language: str
) -> tuple[FindingTold, ...]:
    """Standing findings in short.

    Parameters
    ----------
    content : ReportContent
    sizes : mapping of str to str
        `Presentation.sizes` of the application.
    qualities : tuple of str
        Names of the properties that are told.
    language : str
        Of the advice.
    """
    told = content.follow_up or FollowUp()
    return tuple(
        _finding(one, content.findings, told, sizes, qualities, language)
        for one in content.findings.standing
    )


def study_advice(told: FollowUp | None, language: str) -> AdviceTold | None:
    """What is advised for the study and for no finding."""
    assessment = told.assessment if told is not None else None
    found = (one for one in (assessment.advice if assessment else ()) if one.tracking_uid is None)
    return _first_advice(found, language)


def _finding(
    one: Finding,
    findings: Findings,
    told: FollowUp,
    sizes: Mapping[str, str],
    qualities: tuple[str, ...],
    language: str,
) -> FindingTold:
    lesion = _lesion(told, findings.study_instance_uid, one.tracking_uid)
    assessment = told.assessment
    uid = one.tracking_uid
    named = dict.fromkeys(sizes.values())
    return FindingTold(
        name=one.tracking_id,
        tracking_uid=uid,
        kind=one.kind,
        site=one.site,
        qualities=tuple(q for q in one.qualities if q.name in qualities),
        measurements=tuple(m for m in one.measurements if m.name in named),
        changes=lesion.changes if lesion else (),
        outcome=lesion.outcome if lesion else None,
        growth=assessment.growth.get(uid, "") if assessment else "",
        suspicion=one.malignancy,
        suspicion_concept=None if one.malignancy is None else one.malignancy_concept,
        risks=tuple(_risks(assessment.risks if assessment else (), uid)),
        advice=_first_advice(
            (a for a in (assessment.advice if assessment else ()) if a.tracking_uid == uid),
            language,
        ),
        by_person=one.origin == "person",
    )


def _lesion(told: FollowUp, study: str, uid: str) -> Lesion | None:
    """What became of a finding since the latest earlier study."""
    earlier = (
        one
        for one in told.comparisons
        if one.current_study == study and one.prior_date < one.current_date and not one.refused
    )
    compared = next(earlier, None)
    return None if compared is None else compared.of(uid)


def _risks(risks: tuple[Risk, ...], uid: str) -> Iterator[RiskTold]:
    for one in risks:
        if one.tracking_uid == uid and one.probability is not None:
            least, most = one.probability
            yield RiskTold(model=one.model, version=one.version, least=least, most=most)


def _first_advice(found: Iterator[Advice], language: str) -> AdviceTold | None:
    one = next(found, None)
    if one is None:
        return None
    return AdviceTold(
        guideline=one.guideline,
        version=one.version,
        action=one.action,
        text=one.text.get(language, ""),
        due=one.due,
        proposal=one.proposal,
    )
