"""Tables of the site: people, machines, settings, events, executors."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gransk.site.database import Base, UtcDateTime


class Role(StrEnum):
    """The closed list of roles."""

    RADIOLOGIST = "radiologist"
    ARBITER = "arbiter"
    TRAINEE = "trainee"
    RADIOGRAPHER = "radiographer"
    NURSE = "nurse"
    COORDINATOR = "coordinator"
    RESPONSIBLE_RADIOLOGIST = "responsible_radiologist"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"


class Account(Base):
    """A person."""

    __tablename__ = "account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    full_name: Mapped[str] = mapped_column(String(128))
    roles: Mapped[list[str]] = mapped_column(JSON)
    password_hash: Mapped[str | None] = mapped_column(String(256))
    language: Mapped[str] = mapped_column(String(2))
    active: Mapped[bool]
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    locked_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    """Since when no password opens it."""
    identity: Mapped[str | None] = mapped_column(String(64), index=True, unique=True)
    """Digest of the provider's issuer and subject, where the person signs in by it."""


class SignInLink(Base):
    """A link that signs a person in once; only its hash is kept."""

    __tablename__ = "sign_in_link"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)


class WebSession(Base):
    """A signed-in browser; only the token's hash is kept."""

    __tablename__ = "web_session"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    csrf: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    browser: Mapped[str | None] = mapped_column(String(256))
    """What the browser calls itself."""
    id_token: Mapped[str | None] = mapped_column(Text)
    """The provider's token, by which its own session is ended."""


class MachineToken(Base):
    """A machine that may call us; only the token's hash is kept."""

    __tablename__ = "machine_token"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    active: Mapped[bool]
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class SettingVersion(Base):
    """One version of the site keys that is or was in force; never changed."""

    __tablename__ = "setting_version"

    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    author: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(64))
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    """`gransk.site.site_keys.Content`; releases before 0.7.0 kept machine keys beside it."""
    draft: Mapped[int | None]
    """The draft that came into force; None where a machine's file was the first to speak."""


class Event(Base):
    """One entry of the append-only, hash-chained log."""

    __tablename__ = "event"

    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(64), index=True)
    subject: Mapped[str] = mapped_column(String(64), index=True)
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64), unique=True)


class Executor(Base):
    """A process that runs workflows, and when it was last heard of."""

    __tablename__ = "executor"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    host: Mapped[str] = mapped_column(String(128))
    pid: Mapped[int]
    started_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    heartbeat_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, index=True)
    stopped_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
