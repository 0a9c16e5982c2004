"""Tables of policies: versions of the room, pauses, local validations, outcomes."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import JSON, Date, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gransk.results.tables import FactSource
from gransk.site.database import Base, UtcDateTime


class RoomVersion(Base):
    """One version of a site's policies and rules, approved or not; never changed."""

    __tablename__ = "room_version"

    version: Mapped[int] = mapped_column(primary_key=True)
    document: Mapped[dict[str, Any]] = mapped_column(JSON)
    """`gransk.reading.policy.Room`."""
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the document."""
    valid_from: Mapped[datetime.date] = mapped_column(Date)
    author: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    base: Mapped[int]
    """The version in force that it was drafted against; 0: there was none."""
    restores: Mapped[int | None]
    """The version whose document it repeats, where it undoes what came after."""
    units: Mapped[list[str]] = mapped_column(JSON)
    """Units for which it changes something: each must approve it."""
    evidence: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """`gransk.reading.room_changes.Evidence`: what was simulated of changed limits."""
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class RoomApproval(Base):
    """That a unit's responsible radiologist approves a version; never changed."""

    __tablename__ = "room_approval"

    number: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(ForeignKey("room_version.version"), index=True)
    unit: Mapped[str] = mapped_column(String(64))
    account: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)

    __table_args__ = (UniqueConstraint("version", "unit"),)


class AiPause(Base):
    """That a unit's AI is paused, or goes on; rows are added, the last counts."""

    __tablename__ = "ai_pause"

    number: Mapped[int] = mapped_column(primary_key=True)
    unit: Mapped[str] = mapped_column(String(64), index=True)
    paused: Mapped[bool]
    actor: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(32))
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class Validation(Base):
    """A signed local validation of models at a unit; rows are added, the last counts."""

    __tablename__ = "validation"

    number: Mapped[int] = mapped_column(primary_key=True)
    unit: Mapped[str] = mapped_column(String(64), index=True)
    application: Mapped[str] = mapped_column(String(64))
    models: Mapped[dict[str, list[str]]] = mapped_column(JSON)
    """Version and SHA-256 by model id."""
    exams: Mapped[int]
    cancers: Mapped[int]
    report: Mapped[dict[str, Any]] = mapped_column(JSON)
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the report as it was signed."""
    signed_by: Mapped[str] = mapped_column(String(64))
    signed_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class OutcomeStatement(Base):
    """What became of a woman after an exam; rows are added, the last about an exam counts."""

    __tablename__ = "outcome"

    number: Mapped[int] = mapped_column(primary_key=True)
    accession_number: Mapped[str] = mapped_column(String(64), index=True)
    """Empty where it is about one study."""
    study_instance_uid: Mapped[str] = mapped_column(String(64), index=True)
    """Empty where it is about an accession number."""
    cancer: Mapped[bool]
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    """`gransk.reading.outcomes.Outcome`."""
    source: Mapped[FactSource] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
