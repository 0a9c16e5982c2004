"""Tables of alarms: what is wrong, what is news of it, and what is told to whom."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gransk.site.database import Base, UtcDateTime


class AlarmKind(StrEnum):
    """The closed list of alarms. A value never changes meaning."""

    DRIFT = "drift"
    """A distribution left its limits."""
    CALIBRATION = "calibration"
    """More or fewer cancers came than scores said."""
    OPERATING_POINT = "operating_point"
    """Another share of exams, or of cancers, is flagged than before."""
    QUEUE_LONG = "queue_long"
    DESTINATION_DOWN = "destination_down"
    DISK_FULL = "disk_full"
    NO_WORKER = "no_worker"
    SERVICE_FAULT = "service_fault"
    """Something of the suite itself fails, as its name says."""


class Alarm(Base):
    """Something that is wrong, from when it was seen until it is well again."""

    __tablename__ = "alarm"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[AlarmKind] = mapped_column(String(24), index=True)
    about: Mapped[str] = mapped_column(String(255))
    """What it is about: names of the configuration and of charts, parted by ``/``."""
    open_about: Mapped[str | None] = mapped_column(String(255), index=True, unique=True)
    """Kind and ``about`` while it lasts, so that there is one; null once it has ended."""
    figures: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Numbers, instants and codes: what is told. No patient data, no key of a study."""
    shown: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Texts of images' headers: shown on pages, and in no message."""
    studies: Mapped[list[str]] = mapped_column(JSON)
    """Keys of those that tell most, the first the most; shown to who may see each."""
    since: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    """When it began, as far as can be told."""
    raised_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime, index=True)
    seen_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    seen_by: Mapped[str | None] = mapped_column(String(64))


class AlarmNews(Base):
    """That an alarm was raised or ended; rows are added, in the order of the event log."""

    __tablename__ = "alarm_news"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    alarm: Mapped[str] = mapped_column(ForeignKey("alarm.id"), index=True)
    ended: Mapped[bool]
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class AlarmMessage(Base):
    """One summary for one receiver: its content is made once, and sent until it is taken."""

    __tablename__ = "alarm_message"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    """The same at every try, so that a receiver knows a repeat."""
    receiver: Mapped[str] = mapped_column(String(64), index=True)
    until: Mapped[int]
    """The last piece of news that it tells."""
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    made_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    next_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    tries: Mapped[int]
    error: Mapped[str] = mapped_column(Text)
    sent_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime, index=True)
