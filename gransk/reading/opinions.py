"""Opinions of an exam: what a person or the AI says of it, the seal, and when two differ."""

from __future__ import annotations

import datetime
import hmac
import math
from enum import StrEnum
from typing import Literal

from pydantic import Field, field_validator, model_validator

from gransk.core.findings import Frozen
from gransk.core.keys import digest
from gransk.core.reasons import Reason
from gransk.core.screening import (
    Breast,
    FindingType,
    TechnicalReason,
    Verdict,
    View,
)
from gransk.reading.plan import Differing

WORDS = 500
"""Most characters of a comment."""

NOT_CALIBRATED = "not_calibrated"
"""Why there is no opinion where the site has not calibrated the score."""


class DifferenceReason(StrEnum):
    """Why opinions differed, as who decided saw it: a closed list."""

    OVERLOOKED = "overlooked"
    """One of them did not see it."""
    JUDGED_BENIGN = "judged_benign"
    """Both saw it, and one took it for benign."""
    SUPERPOSITION = "superposition"
    """Tissue that lies over tissue looked like a finding."""
    UNCHANGED = "unchanged"
    """It stands as in earlier images."""
    KNOWN = "known"
    """It is known from elsewhere, such as a biopsied lesion or a scar."""
    AI_MARK_WRONG = "ai_mark_wrong"
    """The AI marked what is nothing."""
    AI_MARK_MISSED = "ai_mark_missed"
    """The AI has no mark where there is something."""
    TECHNICAL = "technical"
    """The images do not tell."""
    OTHER = "other"


class Place(Frozen):
    """Where on an image something is.

    Parameters
    ----------
    sop_instance_uid : str
        The image.
    centre_px : (float, float)
        Column and row; the centre of the top left pixel is (0.5, 0.5) (PS3.3 C.18.6).
    radius_px : float
        Half of its greatest extent; 0 for a point.
    """

    sop_instance_uid: str = Field(pattern=r"^[0-9.]{1,64}$")
    centre_px: tuple[float, float]
    radius_px: float = Field(default=0.0, ge=0)

    def meets(self, other: Place) -> bool | None:
        """Does the centre of one lie within the other? None where they are on two images."""
        if self.sop_instance_uid != other.sop_instance_uid:
            return None
        return math.dist(self.centre_px, other.centre_px) <= max(self.radius_px, other.radius_px)


class Suspect(Frozen):
    """One thing that an opinion points at.

    Parameters
    ----------
    breast : Breast
    view : View, optional
        None where it is told of the breast as a whole.
    finding_type : FindingType
    suspicion : int, optional
        On the site's scale; a person gives one, the AI none.
    place : Place, optional
    lesion_uid : str
        Of the AI's mark that is meant; empty where none is.
    """

    breast: Breast
    view: View | None = None
    finding_type: FindingType
    suspicion: int | None = Field(default=None, ge=0, le=10)
    place: Place | None = None
    lesion_uid: str = Field(default="", pattern=r"^[0-9.]{0,64}$")


class Technical(Frozen):
    """Which images must be made again, and why.

    Parameters
    ----------
    views : tuple of (Breast, View)
    reason : TechnicalReason
    """

    views: tuple[tuple[Breast, View], ...] = Field(min_length=1, max_length=4)
    reason: TechnicalReason

    @field_validator("views")
    @classmethod
    def _once(cls, views: tuple[tuple[Breast, View], ...]) -> tuple[tuple[Breast, View], ...]:
        if len(set(views)) < len(views):
            raise ValueError("each view is named once")
        return views


class Opinion(Frozen):
    """What one person says of an exam.

    Parameters
    ----------
    verdict : Verdict
    suspects : tuple of Suspect
        At least one for a recall, each with a suspicion; none for a normal exam.
    technical : Technical, optional
        For a technical repeat, and for it alone.
    comment : str
        The person's own words.
    """

    verdict: Verdict
    suspects: tuple[Suspect, ...] = Field(default=(), max_length=20)
    technical: Technical | None = None
    comment: str = Field(default="", max_length=WORDS)

    @model_validator(mode="after")
    def _check(self) -> Opinion:
        if self.verdict is Verdict.RECALL and not self.suspects:
            raise ValueError("a recall says what is suspect: at least one finding with its side")
        if self.verdict is Verdict.NORMAL and self.suspects:
            raise ValueError("a normal exam has no suspect finding")
        if (self.technical is not None) != (self.verdict is Verdict.TECHNICAL):
            raise ValueError("a technical repeat, and it alone, names views and why")
        if any(suspect.suspicion is None for suspect in self.suspects):
            raise ValueError("a person gives each finding a suspicion on the site's scale")
        return self


class AiSaid(StrEnum):
    """What the AI says of an exam by a policy."""

    NORMAL = "normal"
    RECALL = "recall"
    SCORE = "score"
    """A score, and no verdict: the policy has no limit for one."""
    NO_OPINION = "no_opinion"


class AiOpinion(Frozen):
    """What the AI says of an exam, to be sealed before anybody reads it.

    Parameters
    ----------
    said : AiSaid
    reason : str
        Why it has no opinion: a code of `gransk.core.reasons`, or ``not_calibrated``; else empty.
    exam_score : float, optional
        On the scale of the application, such as 1 to 10.
    category : str, optional
        ``low`` or ``high``, by the limit of the site's calibration.
    probability : float, optional
        0 to 1, as the application gives it.
    research : bool
        Whether the card of any model says so.
    marks : tuple of Suspect
        Most probable first.
    analysis_key, report_key : str
        Where it comes from; empty without an analysis.
    models : dict of str to str
        SHA-256 of each model by its id.
    application, application_version : str
    policy : str
        Policy by which it says so.
    policy_version : int
    sealed_at : datetime
    """

    said: AiSaid
    reason: str = ""
    exam_score: float | None = None
    category: Literal["low", "high"] | None = None
    research: bool = True
    probability: float | None = Field(default=None, ge=0, le=1)
    marks: tuple[Suspect, ...] = ()
    analysis_key: str = ""
    report_key: str = ""
    models: dict[str, str] = Field(default_factory=dict)
    application: str
    application_version: str = ""
    policy: str = ""
    policy_version: int = Field(default=0, ge=0)
    sealed_at: datetime.datetime

    @model_validator(mode="after")
    def _check(self) -> AiOpinion:
        if (self.said is AiSaid.NO_OPINION) != bool(self.reason):
            raise ValueError("no opinion, and it alone, has a reason")
        if self.reason and self.reason != NOT_CALIBRATED and self.reason not in set(Reason):
            raise ValueError(f"{self.reason!r} is no code of the closed list of reasons")
        if self.said is not AiSaid.NO_OPINION and not self.analysis_key:
            raise ValueError("an opinion comes from an analysis")
        if self.sealed_at.tzinfo is None:
            raise ValueError("sealed_at needs a time zone")
        return self


def seal(opinion: AiOpinion) -> str:
    """SHA-256 of an opinion's canonical JSON."""
    return digest(opinion.model_dump(mode="json"))


def verify(sealed: str, opinion: AiOpinion) -> bool:
    """Is the opinion the one that was sealed?"""
    return hmac.compare_digest(sealed, seal(opinion))


class Difference(StrEnum):
    """In what two opinions differ."""

    TECHNICAL = "technical"
    """One asks for a technical repeat."""
    VERDICT = "verdict"
    BREAST = "breast"
    LESION = "lesion"


def differ(
    one: Opinion | AiOpinion, other: Opinion | AiOpinion, by: Differing
) -> Difference | None:
    """In what two opinions differ; None where they agree.

    Where a recall gives no finding, or places that cannot be compared (two images, or none), it
    is not held against it.

    Parameters
    ----------
    one, other : Opinion or AiOpinion
        An AI's that says normal or recall.
    by : Differing
        What counts as differing at the site.
    """
    verdicts = (_verdict(one), _verdict(other))
    if verdicts[0] is not verdicts[1]:
        return Difference.TECHNICAL if Verdict.TECHNICAL in verdicts else Difference.VERDICT
    if verdicts[0] is not Verdict.RECALL or by is Differing.VERDICT:
        return None
    pairs = [(a, b) for a in _suspects(one) for b in _suspects(other)]
    if not pairs:
        return None
    if not any(a.breast is b.breast for a, b in pairs):
        return Difference.BREAST
    if by is Differing.LESION and not any(_may_be_one(a, b) for a, b in pairs):
        return Difference.LESION
    return None


def _verdict(opinion: Opinion | AiOpinion) -> Verdict:
    if isinstance(opinion, Opinion):
        return opinion.verdict
    return Verdict(opinion.said.value)


def _suspects(opinion: Opinion | AiOpinion) -> tuple[Suspect, ...]:
    return opinion.suspects if isinstance(opinion, Opinion) else opinion.marks


def _may_be_one(one: Suspect, other: Suspect) -> bool:
    """May two marks mean one lesion?"""
    if one.breast is not other.breast:
        return False
    if one.lesion_uid and one.lesion_uid == other.lesion_uid:
        return True
    if one.place is None or other.place is None:
        return True
    return one.place.meets(other.place) is not False
