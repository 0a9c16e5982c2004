"""Tables of analyses that are made to be compared with the results in use, and are none."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gransk.site.database import Base, UtcDateTime


class RunState(StrEnum):
    """Where one study is with one comparison."""

    WAITING = "waiting"
    RUNNING = "running"
    READY = "ready"
    REFUSED = "refused"
    """Not analysed under these settings, for the reason given."""
    FAILED = "failed"
    GONE = "gone"
    """The archive holds its images no more."""
    STOPPED = "stopped"
    """Whoever may ask stopped it before it began."""


class BesideAsk(Base):
    """That somebody asked for past studies to be analysed under other settings."""

    __tablename__ = "beside_ask"

    number: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    application: Mapped[str] = mapped_column(String(64))
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    unit: Mapped[str] = mapped_column(String(64))
    """Of whose exams; empty: of all."""
    first: Mapped[datetime.date]
    last: Mapped[datetime.date]
    """Study dates, both days included."""
    studies: Mapped[int]
    """How many were asked for."""
    reason: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    stopped_by: Mapped[str | None] = mapped_column(String(64))
    ended_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)


class BesideRun(Base):
    """One study of one comparison."""

    __tablename__ = "beside_run"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    """Digest of study, application, name and settings."""
    name: Mapped[str] = mapped_column(String(64))
    """Of the shadow, or of what was asked for."""
    study_key: Mapped[str] = mapped_column(String(32), index=True)
    application: Mapped[str] = mapped_column(String(64))
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Laid over those that the result in use was made under."""
    settings_digest: Mapped[str] = mapped_column(String(64))
    ask: Mapped[int | None] = mapped_column(ForeignKey("beside_ask.number"), index=True)
    """None: by a shadow of the configuration."""
    state: Mapped[RunState] = mapped_column(String(16), index=True)
    reason: Mapped[str | None] = mapped_column(String(64))
    detail: Mapped[str] = mapped_column(Text)
    """Technical detail without patient data."""
    attempt: Mapped[int]
    deaths: Mapped[int]
    active_analysis: Mapped[str] = mapped_column(String(64))
    """The analysis that was in use, which it is compared with."""
    own_analysis: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_beside_run_of", "name", "settings_digest"),)
