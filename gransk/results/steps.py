"""Tables of the worklist for other systems: procedure steps, who is told of them, what happened."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gransk.results.step_rules import StepState
from gransk.site.database import Base, UtcDateTime


class StepKind(StrEnum):
    """What a workitem asks for."""

    READ = "read"
    """What the reading room gave a person."""
    SIGNATURE = "signature"
    """A released report that nobody has signed."""
    ANALYSIS = "analysis"
    """A client asks for an installed application."""
    OTHER = "other"
    """A client's own."""


class Step(Base):
    """A workitem: a Unified Procedure Step. Patient and study stand where they always do.

    Of our own the room's tables are the truth and the row follows them (`gransk.reading.steps`);
    what clients add is in ``attributes``.
    """

    __tablename__ = "procedure_step"

    uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[StepKind] = mapped_column(String(16))
    study_key: Mapped[str | None] = mapped_column(String(32), index=True)
    study_instance_uid: Mapped[str] = mapped_column(String(64))
    """That a client named; empty of our own."""
    application: Mapped[str] = mapped_column(String(64))
    account: Mapped[str] = mapped_column(String(64), index=True)
    """Whose list it is on; empty where it is nobody's."""
    task: Mapped[str] = mapped_column(String(64))
    """What it stands for: round and kind of a read, key of a report, id of a row."""
    given_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    """With ``task`` names it; null where it stands for nothing any more."""
    creator: Mapped[str] = mapped_column(String(80))
    """``person:`` or ``machine:`` and a name; ``gransk`` of our own."""
    state: Mapped[StepState] = mapped_column(String(16))
    transaction_uid: Mapped[str | None] = mapped_column(String(64))
    performer: Mapped[str] = mapped_column(String(80))
    """Who claimed it, named as the creator; empty before."""
    taken_back: Mapped[bool]
    """Cancelled since the room gave it to somebody else, or to nobody."""
    attributes: Mapped[dict[str, Any]] = mapped_column(JSON)
    scheduled_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    """From when it may be done: of a read when the exam arrived, whatever it is read for."""
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    """By who performs it; ``scheduled_at`` before."""

    __table_args__ = (
        UniqueConstraint("study_key", "account", "task", "given_at"),
        Index("ix_procedure_step_open", "state", "kind"),
        Index("ix_procedure_step_order", "scheduled_at", "uid"),
    )


class StepEvent(Base):
    """Something that subscribers are told of (PS3.4 CC.2.4)."""

    __tablename__ = "procedure_step_event"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    uid: Mapped[str] = mapped_column(ForeignKey("procedure_step.uid"), index=True)
    kind: Mapped[int]
    """Event Type ID (PS3.4 Table CC.2.4-1)."""
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    only_for: Mapped[str] = mapped_column(String(100))
    """One channel, where only that is told; empty where all subscribers are."""
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, index=True)


class StepSubscription(Base):
    """Who wants to be told of which workitems (PS3.4 CC.2.3)."""

    __tablename__ = "procedure_step_subscription"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    channel: Mapped[str] = mapped_column(String(100))
    """Caller and AE title."""
    uid: Mapped[str] = mapped_column(String(64))
    """A workitem, or a well-known UID for all or for some."""
    filter: Mapped[list[list[str]]] = mapped_column(JSON)
    locked: Mapped[bool]
    """Deletion Lock: always granted, since workitems are kept."""
    off: Mapped[bool]
    """The one workitem is left out of what is subscribed to otherwise."""
    suspended_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    """Workitems that came later are not subscribed to."""

    __table_args__ = (UniqueConstraint("channel", "uid"),)


class StepChannel(Base):
    """How far a subscriber was told."""

    __tablename__ = "procedure_step_channel"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    told: Mapped[int]
    """Number of the last event."""
    service: Mapped[str] = mapped_column(String(32))
    """The run of the service that told it: another one has restarted."""
