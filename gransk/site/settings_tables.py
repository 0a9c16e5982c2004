"""Tables of changes to the settings: drafts, approvals, what was turned down, files taken in."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gransk.site.database import Base, UtcDateTime


class Origin(StrEnum):
    """Where a draft came from."""

    PAGE = "page"
    REST = "rest"
    FILE = "file"
    """A file: of the host, edited by hand, or imported."""
    UNDO = "undo"


class SettingDraft(Base):
    """A change of the site keys that somebody wants; never changed."""

    __tablename__ = "setting_draft"

    number: Mapped[int] = mapped_column(primary_key=True)
    base: Mapped[int]
    """The version in force that it was made against; 0: there was none."""
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Every site key as the draft would have it."""
    digest: Mapped[str] = mapped_column(String(64))
    units: Mapped[list[str]] = mapped_column(JSON)
    """Units that must approve it; "" stands for a site without units."""
    origin: Mapped[Origin] = mapped_column(String(8))
    undoes: Mapped[int | None]
    """The version that it undoes."""
    author: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class SettingApproval(Base):
    """That a unit's responsible radiologist approves a draft; never changed."""

    __tablename__ = "setting_approval"

    number: Mapped[int] = mapped_column(primary_key=True)
    draft: Mapped[int] = mapped_column(ForeignKey("setting_draft.number"), index=True)
    unit: Mapped[str] = mapped_column(String(64))
    account: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)

    __table_args__ = (UniqueConstraint("draft", "unit"),)


class SettingTurnedDown(Base):
    """That a draft is not to be, and why: by a person, or by the system; never changed."""

    __tablename__ = "setting_turned_down"

    draft: Mapped[int] = mapped_column(ForeignKey("setting_draft.number"), primary_key=True)
    account: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class SettingFile(Base):
    """What a host's file said when it was looked at; the last row of a source counts."""

    __tablename__ = "setting_file"

    number: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(String(64), index=True)
    """Digest of host and path."""
    read: Mapped[str] = mapped_column(String(64))
    """Digest of what was read, so that it is not judged twice."""
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Its site keys when it was last taken in: where the next change begins."""
    refusal: Mapped[str | None] = mapped_column(String(32))
    """`gransk.site.settings_refusals.SettingsRefusal`, where it is not taken in."""
    detail: Mapped[str] = mapped_column(Text)
    draft: Mapped[int | None]
    """The draft that its change became."""
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
