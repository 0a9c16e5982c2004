"""Tables of reading: exams, the entries they are made of, what people were given, readers."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gransk.reading.entries import TaskKind
from gransk.reading.exam import State, TaskState
from gransk.site.database import Base, UtcDateTime


class ExamRow(Base):
    """An exam in the reading room: what its entries fold to, kept for lists."""

    __tablename__ = "reading_exam"

    study_key: Mapped[str] = mapped_column(String(32), primary_key=True)
    unit: Mapped[str] = mapped_column(String(64))
    application: Mapped[str] = mapped_column(String(64))
    state: Mapped[State] = mapped_column(String(24))
    plan: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    images: Mapped[str] = mapped_column(String(64))
    """Digest of the images as the ledger knows them."""
    arrived_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    opens_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    opened_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime, index=True)
    decided_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime, index=True)
    verdict: Mapped[str | None] = mapped_column(String(16))
    drawn_first: Mapped[str | None] = mapped_column(String(64))
    drawn_second: Mapped[str | None] = mapped_column(String(64))
    """Drawn for every exam, and asked only where the plan wants two."""
    sealed_as: Mapped[str | None] = mapped_column(String(64))
    """Analysis key or reason of the opinion that is sealed or kept as shadow; null before."""
    missing: Mapped[str] = mapped_column(String(16), index=True)
    """What nobody is there for: a `TaskKind`; empty where all is given."""
    reports_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    """From when its reports may leave the result store; null while they are held."""
    alerts: Mapped[int]
    entries: Mapped[int]
    """How many it was folded of: rises with every change."""

    __table_args__ = (
        Index("ix_reading_exam_board", "unit", "state", "arrived_at"),
        Index("ix_reading_exam_open", "state", "opens_at"),
    )


class EntryRow(Base):
    """One entry of an exam's ledger; added and never changed."""

    __tablename__ = "reading_entry"

    number: Mapped[int] = mapped_column(primary_key=True)
    study_key: Mapped[str] = mapped_column(ForeignKey("reading_exam.study_key"))
    place: Mapped[int]
    """Among the entries of the exam, from 1."""
    kind: Mapped[str] = mapped_column(String(24), index=True)
    actor: Mapped[str] = mapped_column(String(64), index=True)
    role: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(Text)
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    salt: Mapped[str] = mapped_column(String(32))
    """So that the digest in the event log does not tell a short content."""

    __table_args__ = (UniqueConstraint("study_key", "place"),)


class TaskRow(Base):
    """What a person was given of an exam: the look-up of "my list"."""

    __tablename__ = "reading_task"

    study_key: Mapped[str] = mapped_column(ForeignKey("reading_exam.study_key"), primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[TaskKind] = mapped_column(String(16), primary_key=True)
    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    state: Mapped[TaskState] = mapped_column(String(16))
    unit: Mapped[str] = mapped_column(String(64))
    arrived_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    """Of the exam: lists are in this order alone."""
    given_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime, index=True)
    looked_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    """When the person opened it; of no entry."""

    __table_args__ = (
        Index("ix_reading_task_list", "account", "state", "arrived_at"),
        Index("ix_reading_task_load", "unit", "kind", "given_at"),
        Index("ix_reading_task_open", "state", "unit", "account", "kind", "arrived_at"),
    )


class ReaderRow(Base):
    """What a person may do in a unit's reading; changes are events."""

    __tablename__ = "reader"

    unit: Mapped[str] = mapped_column(String(64), primary_key=True)
    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    reads: Mapped[bool]
    arbitrates: Mapped[bool]
    experienced: Mapped[bool]
    trainee: Mapped[bool]
    active: Mapped[bool]
    blind_since: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    """Before it the person may have seen undecided exams."""
    changed_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    changed_by: Mapped[str] = mapped_column(String(64))
