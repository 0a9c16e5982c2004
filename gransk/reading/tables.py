"""Tables of the reading room: the follow-up list."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Date, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gransk.site.database import Base, UtcDateTime


class FollowUpState(StrEnum):
    """Where a patient's follow-up stands. *Overdue* is no state: the clock decides it."""

    PROPOSED = "proposed"
    """Advised by a report that nobody signed yet."""
    DUE = "due"
    BOOKED = "booked"
    LOST = "lost"
    """The patient cannot be reached."""
    MOVED = "moved"
    DIED = "died"
    CLOSED = "closed"


class Closing(StrEnum):
    """Why a follow-up is closed."""

    NEW_STUDY = "new_study"
    """A newer study of the patient was reported."""
    NO_ADVICE = "no_advice"
    """The report of the same study advises no further control."""
    OTHER_PATIENT = "other_patient"
    """The study turned out to be another patient's."""
    MERGED = "merged"
    """Two identifiers are one patient's, whose newer follow-up stands."""
    DONE_ELSEWHERE = "done_elsewhere"
    DECLINED = "declined"
    NOT_FIT = "not_fit"
    TAKEN_OVER = "taken_over"
    """Another department follows the patient."""
    ERROR = "error"
    """The patient should not have been on the list."""


BY_PERSON = (
    Closing.DONE_ELSEWHERE,
    Closing.DECLINED,
    Closing.NOT_FIT,
    Closing.TAKEN_OVER,
    Closing.ERROR,
)
"""Reasons that a person may give; the others are the suite's own."""

OPEN = (FollowUpState.PROPOSED, FollowUpState.DUE, FollowUpState.BOOKED)
"""States in which somebody has to do something."""


class FollowUpRow(Base):
    """One patient's follow-up in one application: what was advised last, and what became of it."""

    __tablename__ = "follow_up"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    application: Mapped[str] = mapped_column(String(64))
    patient_key: Mapped[str] = mapped_column(String(64))
    """Digest of identifier, issuer, birth date and sex."""
    study_key: Mapped[str] = mapped_column(String(32), index=True)
    """The study whose report advises."""
    study_date: Mapped[datetime.date | None] = mapped_column(Date)
    report_key: Mapped[str] = mapped_column(String(64))
    advice: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    due_from: Mapped[datetime.date | None] = mapped_column(Date)
    due_to: Mapped[datetime.date | None] = mapped_column(Date)
    signed: Mapped[bool]
    """Whether a person signed the report that advises."""
    state: Mapped[FollowUpState] = mapped_column(String(16))
    closing: Mapped[Closing | None] = mapped_column(String(32))
    responsible: Mapped[str] = mapped_column(String(64))
    """Name of an account; empty where nobody is."""
    next_step: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)
    booked_on: Mapped[datetime.date | None] = mapped_column(Date)
    told_overdue: Mapped[datetime.date | None] = mapped_column(Date)
    """The last day for which the event log was told that it is overdue."""
    changed_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    changed_by: Mapped[str] = mapped_column(String(64))
    version: Mapped[int]
    """Rises with every change, so that two people do not undo each other's."""

    __table_args__ = (
        UniqueConstraint("patient_key", "application"),
        Index("ix_follow_up_open", "state", "due_to"),
    )
