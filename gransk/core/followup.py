"""A study beside earlier ones: what became of each finding, its risk, and what is advised.

Part of the one finding model: reports, pages, API and command line are views of it.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import Field, model_validator

from gransk.core.findings import Finding, Findings, FrameRef, Frozen, Measurement, Note, Region
from gransk.core.reasons import Reason


class Outcome(StrEnum):
    """What became of a lesion between two studies."""

    MATCHED = "matched"
    NEW = "new"
    RESOLVED = "resolved"
    NOT_COVERED = "not_covered"
    """The other study does not show its place."""
    UNCERTAIN = "uncertain"
    """Several pairings are about as likely, or the place cannot be told well enough."""


class Look(Frozen):
    """One lesion on one study, measured as the comparison asks.

    Parameters
    ----------
    study_instance_uid, series_instance_uid : str
        Where it was measured.
    date : date
        Of the study.
    measurements : tuple of Measurement
        Sizes in that series, by today's version.
    centre_lps_mm : (float, float, float), optional
        In that study's own patient coordinates.
    frame, region : optional
        The image of its largest area, and its outline there.
    """

    study_instance_uid: str = Field(pattern=r"^[0-9.]{1,64}$")
    series_instance_uid: str = Field(pattern=r"^[0-9.]{1,64}$")
    date: datetime.date
    measurements: tuple[Measurement, ...] = ()
    centre_lps_mm: tuple[float, float, float] | None = None
    frame: FrameRef | None = None
    region: Region | None = None

    def measured(self, name: str) -> float | None:
        """Value of the measurement called ``name``, or None."""
        return next((m.value for m in self.measurements if m.name == name), None)


class Lesion(Frozen):
    """One lesion in a comparison of two studies.

    Parameters
    ----------
    outcome : Outcome
    current_uid : str, optional
        Tracking UID of the finding of the current study, as given to the comparison. Of a
        lesion that the analysis of a study did not report and the comparison found in its
        images, a UID that study and place decide; a note then says so.
    prior_uid : str, optional
        The same of the other study.
    candidates : tuple of str
        Tracking UIDs of the other study that an uncertain pairing may mean.
    certainty : float, optional
        Probability that the pairing is right.
    current, prior : Look, optional
        Measured alike in the pair of series that was compared. Of an unmatched lesion the
        one side alone; of an uncertain one the likeliest other side too.
    changes : tuple of Measurement
        Change of volume (%), change of diameter (mm), volume-doubling time (days), each from
        the earlier to the later of the two studies.
    withheld : tuple of Note
        Why doubling time and growth class are not given; empty where they are.
    notes : tuple of Note
        What a reader must know of this pairing.
    """

    outcome: Outcome
    current_uid: str | None = Field(default=None, pattern=r"^[0-9.]{1,64}$")
    prior_uid: str | None = Field(default=None, pattern=r"^[0-9.]{1,64}$")
    candidates: tuple[str, ...] = ()
    certainty: float | None = Field(default=None, ge=0, le=1)
    current: Look | None = None
    prior: Look | None = None
    changes: tuple[Measurement, ...] = ()
    withheld: tuple[Note, ...] = ()
    notes: tuple[Note, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Lesion:
        sides = (self.current_uid is not None, self.prior_uid is not None)
        wanted = {
            Outcome.MATCHED: ((True, True),),
            Outcome.NEW: ((True, False),),
            Outcome.RESOLVED: ((False, True),),
            Outcome.NOT_COVERED: ((True, False), (False, True)),
            Outcome.UNCERTAIN: ((True, False), (False, True)),
        }[self.outcome]
        if sides not in wanted:
            raise ValueError(f"a {self.outcome} lesion cannot have the sides {sides}")
        if self.changes and self.outcome is not Outcome.MATCHED:
            raise ValueError("only a matched lesion has changes")
        return self

    def changed(self, name: str) -> Measurement | None:
        """The change called ``name``, or None."""
        return next((m for m in self.changes if m.name == name), None)


class Comparison(Frozen):
    """A study compared with one other study of the same patient.

    Parameters
    ----------
    application, application_version : str
        Who compared.
    current_study, prior_study : str
        Study Instance UIDs. ``prior`` is the other study; it may be the later one where
        studies arrive out of the order of their dates.
    current_date, prior_date : date
    current_series, prior_series : str
        The pair of series in which sizes were measured.
    lesions : tuple of Lesion
        Every finding of either study once.
    refused : Reason, optional
        Why nothing was compared; then there are no lesions.
    notes : tuple of Note
        Warnings about the whole comparison.
    key : str
        Under which it is sealed; empty for one that is not kept.
    """

    application: str
    application_version: str
    current_study: str
    prior_study: str
    current_date: datetime.date
    prior_date: datetime.date
    current_series: str | None = None
    prior_series: str | None = None
    lesions: tuple[Lesion, ...] = ()
    refused: Reason | None = None
    notes: tuple[Note, ...] = ()
    key: str = ""

    @model_validator(mode="after")
    def _check(self) -> Comparison:
        if self.refused is not None and self.lesions:
            raise ValueError("a refused comparison has no lesions")
        for side in ("current_uid", "prior_uid"):
            named = [uid for one in self.lesions if (uid := getattr(one, side)) is not None]
            if len(named) != len(set(named)):
                raise ValueError(f"a {side} stands twice")
        return self

    def of(self, tracking_uid: str) -> Lesion | None:
        """What became of a finding of the current study; None where it was not compared."""
        return next((one for one in self.lesions if one.current_uid == tracking_uid), None)


class Contribution(Frozen):
    """What one term of a risk model adds to the log-odds, least and most."""

    input: str
    value: float | str | tuple[float, float] | None = None
    log_odds: tuple[float, float]


class Risk(Frozen):
    """One risk model for one finding.

    Parameters
    ----------
    tracking_uid : str
        The finding.
    model, version : str
    probability : (float, float), optional
        Least and most, 0 to 1; equal where nothing is unknown. None where the model refused.
    contributions : tuple of Contribution
        Every term of the model, the constant first.
    warnings : tuple of Note
        What a reader must know.
    refused : Note, optional
        Why there is no probability.
    calculated_by : str
        The model that answered, where it is another than the one that was asked.
    """

    tracking_uid: str
    model: str
    version: str
    probability: tuple[float, float] | None = None
    contributions: tuple[Contribution, ...] = ()
    warnings: tuple[Note, ...] = ()
    refused: Note | None = None
    calculated_by: str = ""


class Advice(Frozen):
    """What a guideline advises for one finding, or for the study where none is named.

    Parameters
    ----------
    tracking_uid : str, optional
    guideline, version, source_state : str
        Which rules, and whether their source was read (``primary``) or is ``secondary``.
    status : str
        ``advice``, ``guideline_silent``, ``not_applicable`` ..; a closed list of the application.
    row : str, optional
        Id of the guideline's row; None where several or none is reached.
    action : str
        Code of what is advised first; empty where a person must decide.
    due : (date, date), optional
        First and last day of the interval.
    proposal : bool
        True where it rests on what a person has not confirmed yet.
    text : mapping of language to str
        The advice as a sentence.
    reason : mapping of language to str
        The measurement and the answers that chose the row.
    detail : dict
        Everything the application knows of it: options, what would have changed it, notices.
    """

    tracking_uid: str | None = None
    guideline: str
    version: str
    source_state: str
    status: str
    row: str | None = None
    action: str = ""
    due: tuple[datetime.date, datetime.date] | None = None
    proposal: bool = False
    text: Mapping[str, str]
    reason: Mapping[str, str]
    detail: dict[str, Any] = Field(default_factory=dict)


class Assessment(Frozen):
    """Risk and advice for one study, made from findings, comparisons and profile alone.

    Parameters
    ----------
    risks : tuple of Risk
    advice : tuple of Advice
        Of every finding, most pressing first.
    growth : mapping of tracking UID to str
        Growth class by the chosen guideline, where there is one.
    withheld : mapping of tracking UID to tuple of Note
        Why there is none.
    unknown : tuple of str
        Keys of the profile that nobody answered.
    notes : tuple of Note
        What a reader must know.
    """

    risks: tuple[Risk, ...] = ()
    advice: tuple[Advice, ...] = ()
    growth: dict[str, str] = Field(default_factory=dict)
    withheld: dict[str, tuple[Note, ...]] = Field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def most_pressing(self) -> Advice | None:
        """The advice that the patient's next step follows."""
        return self.advice[0] if self.advice else None


class NotCompared(Frozen):
    """An earlier study that was known and is not compared, and why."""

    study_date: datetime.date | None = None
    reason: Reason
    detail: str = ""


class FollowUp(Frozen):
    """What a report tells beside the findings of its own study.

    Parameters
    ----------
    comparisons : tuple of Comparison
        One for each other study, latest first.
    not_compared : tuple of NotCompared
    assessment : Assessment, optional
    profile : dict, optional
        The answers that the assessment stands on, by the application's schema.
    text : dict of language to str
        The plain report, ready to paste.
    """

    comparisons: tuple[Comparison, ...] = ()
    not_compared: tuple[NotCompared, ...] = ()
    assessment: Assessment | None = None
    profile: dict[str, Any] | None = None
    text: dict[str, str] = Field(default_factory=dict)


class Point(Frozen):
    """One value of a lesion's course.

    Parameters
    ----------
    date : date
    value : float
    interval : (float, float or None), optional
        95 %.
    current : bool
        Of the study that the report is about.
    """

    date: datetime.date
    value: float
    interval: tuple[float, float | None] | None = None
    current: bool = False


def course(follow_up: FollowUp, tracking_uid: str, measure: str) -> tuple[Point, ...]:
    """A measurement of a lesion on every date that it was compared with, oldest first.

    The current value is the one that was measured for the latest comparison.
    """
    points: dict[datetime.date, Point] = {}
    for comparison in sorted(follow_up.comparisons, key=lambda one: one.prior_date):
        lesion = comparison.of(tracking_uid)
        for look, current in ((lesion.prior, False), (lesion.current, True)) if lesion else ():
            found = look and next((m for m in look.measurements if m.name == measure), None)
            if look and found:
                points[look.date] = Point(
                    date=look.date, value=found.value, interval=found.interval, current=current
                )
    return tuple(points[date] for date in sorted(points))


def course_unit(follow_up: FollowUp, measure: str) -> str:
    """UCUM unit of the measurement whose course is drawn; empty where nobody measured it."""
    looks = (
        look
        for comparison in follow_up.comparisons
        for lesion in comparison.lesions
        for look in (lesion.current, lesion.prior)
        if look is not None
    )
    found = (one.unit.value for look in looks for one in look.measurements if one.name == measure)
    return next(found, "")


def renamed(findings: Findings, tracking: Mapping[str, str]) -> Findings:
    """The same findings under the tracking UIDs that they inherited.

    Parameters
    ----------
    tracking : mapping of str to str
        From the UID that the analysis gave to the lesion's own.
    """

    def one(finding: Finding) -> Finding:
        uid = tracking.get(finding.tracking_uid, finding.tracking_uid)
        return finding.model_copy(update={"tracking_uid": uid})

    return findings.model_copy(update={"findings": tuple(map(one, findings.findings))})
