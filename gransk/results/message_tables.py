"""Tables of messages: what was announced, the outbox, what was received."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gransk.site.database import Base, UtcDateTime


class AnnouncementKind(StrEnum):
    """What is announced."""

    DECISION = "decision"
    """Of a screening exam."""
    FINDINGS = "findings"
    """A report of an application, or that one was withdrawn."""
    PRIORITY = "priority"
    """That a study moved up."""


class Announcement(Base):
    """Something that the systems around are told; never changed."""

    __tablename__ = "announcement"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Rises in the order of commits: the cursor of ``GET /api/decisions``."""
    id: Mapped[str] = mapped_column(String(32), unique=True)
    kind: Mapped[AnnouncementKind] = mapped_column(String(16))
    study_key: Mapped[str] = mapped_column(String(32), index=True)
    application: Mapped[str] = mapped_column(String(64))
    """Whose report it tells of; empty of a decision."""
    entry: Mapped[int] = mapped_column(index=True)
    """Number of the ledger's entry that it tells; 0 of what is no decision."""
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class ToldReport(Base):
    """What was last announced of a study and application, so that what became of it is told too."""

    __tablename__ = "told_report"

    workitem_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    report_key: Mapped[str] = mapped_column(String(64))
    announcement: Mapped[int] = mapped_column(ForeignKey("announcement.number"))
    final: Mapped[bool]
    """Whether a signed report was ever told."""
    withdrawn: Mapped[bool]


class MessageState(StrEnum):
    """Where a message is on its way to one destination."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    """Refused again and again: a person must look at it."""
    REPLACED = "replaced"
    """Never sent: what it told holds no more."""


class OutgoingMessage(Base):
    """The outbox of messages: one announcement to one destination."""

    __tablename__ = "outgoing_message"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    announcement: Mapped[int] = mapped_column(ForeignKey("announcement.number"))
    study_key: Mapped[str] = mapped_column(String(32), index=True)
    destination: Mapped[str] = mapped_column(String(64))
    state: Mapped[MessageState] = mapped_column(String(16))
    attempt: Mapped[int]
    """Of the workflow that sends it."""
    tries: Mapped[int]
    """Since it was made, or a person let it be tried again."""
    refusals: Mapped[int]
    """Of these tries, those that the destination refused."""
    error: Mapped[str] = mapped_column(Text)
    """Of the last try, without patient data."""
    control_id: Mapped[str | None] = mapped_column(String(64))
    sha256: Mapped[str | None] = mapped_column(ForeignKey("blob.sha256"))
    """Of the bytes: made once, sent each time."""
    answer_sha256: Mapped[str | None] = mapped_column(ForeignKey("blob.sha256"))
    """Of the acknowledgement."""
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        UniqueConstraint("announcement", "destination"),
        Index("ix_outgoing_message_open", "state", "destination", "announcement"),
    )


class ReceivedMessage(Base):
    """A message that came in: its sender's control id, and how it was answered."""

    __tablename__ = "received_message"

    sender: Mapped[str] = mapped_column(String(64), primary_key=True)
    control_id: Mapped[str] = mapped_column(String(199), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    """Of what it said; the bytes are not kept."""
    kind: Mapped[str] = mapped_column(String(16))
    taken: Mapped[bool]
    refusal: Mapped[str | None] = mapped_column(String(32))
    detail: Mapped[str] = mapped_column(Text)
    """Names of fields and codes, no patient data."""
    times: Mapped[int]
    first_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_received_message_refused", "taken", "last_at"),)


class ExamOrder(Base):
    """How the ordering system knows an exam: what results repeat (ORC-2, ORC-3, OBR-4)."""

    __tablename__ = "exam_order"

    accession_number: Mapped[str] = mapped_column(String(64), primary_key=True)
    sender: Mapped[str] = mapped_column(String(64))
    placer_order: Mapped[str] = mapped_column(String(64))
    filler_order: Mapped[str] = mapped_column(String(64))
    service: Mapped[list[str]] = mapped_column(JSON)
    """Value, meaning and scheme; empty where it is not told."""
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
