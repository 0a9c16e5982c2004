"""What was decided for one exam before anybody reads it: how many people, and what they see.

A plan is made once, from the site's policies, what is known of the exam and the sealed opinion
of the AI (`gransk.reading.policy`). It stands in the exam's ledger, and no reader sees it before
the first opinions are recorded.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class PolicyKind(StrEnum):
    """What part the AI has in the reading of an exam."""

    DOUBLE_READING = "double_reading"
    """Two people; the AI has none."""
    REPLACE_READER = "replace_reader"
    """The AI is one of two blinded reads."""
    TRIAGE = "triage"
    """The score decides between one reader and two."""
    SAFETY_NET = "safety_net"
    """The AI is shown after both people have read."""
    DECISION_SUPPORT = "decision_support"
    """Marks beside a normal double reading."""
    SHADOW = "shadow"
    """Kept and shown to nobody: for local validation before use."""


COUNTING = frozenset({PolicyKind.REPLACE_READER, PolicyKind.TRIAGE})
"""Kinds in which the AI's opinion is a reading, or spares one."""


class Differing(StrEnum):
    """When two opinions differ. Each counts as differing what those before it do."""

    VERDICT = "verdict"
    BREAST = "breast"
    """Recalls that share no breast differ too."""
    LESION = "lesion"
    """Recalls that share no lesion differ too."""


class Arbitration(StrEnum):
    """Who decides where opinions differ."""

    THIRD_READER = "third_reader"
    CONSENSUS = "consensus"


class PlanReason(StrEnum):
    """Why an exam is read as it is: a closed list."""

    POLICY = "policy"
    """The policy as it stands."""
    SCORE_LOW = "score_low"
    SCORE_HIGH = "score_high"
    NO_POLICY = "no_policy"
    """No rule of the site covers the exam."""
    NOT_SCREENING = "not_screening"
    """Clinical or high-risk programme: the AI never counts."""
    PROGRAMME_UNKNOWN = "programme_unknown"
    RULE_UNKNOWN = "rule_unknown"
    """Which rule covers the exam depends on something that nobody said."""
    INCOMPLETE = "incomplete"
    IMPLANT = "implant"
    IMPLANT_UNKNOWN = "implant_unknown"
    TREATED = "treated"
    TREATED_UNKNOWN = "treated_unknown"
    DECLINED = "declined"
    """The woman declines AI."""
    DECLINE_UNKNOWN = "decline_unknown"
    REFUSED = "refused"
    """The AI has no opinion."""
    LATE = "late"
    """The AI's opinion was not sealed when the exam opened."""
    NOT_CALIBRATED = "not_calibrated"
    NOT_VALIDATED = "not_validated"
    """No signed local validation of this model at this unit."""
    RESEARCH_MODEL = "research_model"
    PAUSED = "paused"
    """The unit's AI is paused."""
    RETURNED = "returned"
    """A person gave the exam to two people."""


class StudyKind(StrEnum):
    """What lets a model count that is research, or not validated at the unit."""

    SIMULATION = "simulation"
    """No decision reaches a patient."""
    APPROVED_STUDY = "approved_study"
    """A study that the authorities approved."""


class Plan(BaseModel):
    """How one exam is read.

    Parameters
    ----------
    policy : str
        Name of the policy; empty where none covers the exam.
    version : int
        Of the site's policies and rules; 0 where there is none.
    kind : PolicyKind
    human_reads : int
        People whose first opinion is required: 1 or 2.
    ai_counts : bool
        Whether the AI's opinion is one of the first opinions.
    shows_marks : bool
        Whether readers see the AI's marks while they read.
    shows_ai_after : bool
        Whether the AI is shown once people agreed that an exam is normal (safety net).
    experienced : bool
        Whether a person who reads alone must be experienced.
    differing : Differing
    arbitration : Arbitration
    study : StudyKind, optional
        Where the exam is part of one.
    arbitrates_single_recall : bool
        Whether a recall by one person who reads alone goes to arbitration, and counts only then.
    reasons : tuple of PlanReason
        Why it is so; at least one, in the order of the list.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: str = Field(max_length=64)
    version: int = Field(ge=0)
    kind: PolicyKind
    human_reads: Literal[1, 2]
    ai_counts: bool
    shows_marks: bool = False
    shows_ai_after: bool = False
    experienced: bool = False
    differing: Differing = Differing.VERDICT
    arbitration: Arbitration = Arbitration.THIRD_READER
    study: StudyKind | None = None
    arbitrates_single_recall: bool = False
    reasons: tuple[PlanReason, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Plan:
        if self.ai_counts and self.kind not in COUNTING:
            raise ValueError(f"the AI never counts under {self.kind}")
        if self.human_reads == 1 and self.kind not in COUNTING:
            raise ValueError(f"two people read under {self.kind}")
        if self.human_reads == 1 and self.kind is PolicyKind.REPLACE_READER and not self.ai_counts:
            raise ValueError("one person alone replaces no reader")
        return self
