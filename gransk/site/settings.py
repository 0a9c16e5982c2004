"""Versions of the configuration: which one was in force when."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.errors import InvalidValueError
from gransk.core.keys import digest as digest_of
from gransk.site.config import Config
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record
from gransk.site.tables import Event, SettingVersion


def record_settings(session: Session, config: Config, author: str, reason: str) -> int:
    """Keep the configuration as a new version where it differs from the last.

    Passwords in database URLs are masked before anything is kept.

    Parameters
    ----------
    session : Session
        Of `Database.begin`.
    config : Config
    author, reason : str
        Who changed it, and why.

    Returns
    -------
    int
        Number of the version in force.

    Raises
    ------
    InvalidValueError
        Where there is no reason.
    """
    if not reason.strip():
        raise InvalidValueError("reason", reason, "why the configuration changed")
    last = latest_settings(session)
    digest = config.digest
    if last is not None and last.digest == digest:
        return last.number
    number = last.number + 1 if last else 1
    # The event first: on PostgreSQL its lock makes writers of versions wait for each other.
    record(
        session,
        author,
        EventKind.SETTINGS_CHANGED,
        "settings",
        {"number": number, "digest": digest},
    )
    session.add(
        SettingVersion(
            number=number,
            at=utcnow(),
            author=author,
            reason=reason.strip(),
            digest=digest,
            content=config.content(),
        )
    )
    session.flush()
    return number


def latest_settings(session: Session) -> SettingVersion | None:
    """The version in force, or None before the first."""
    return session.scalar(select(SettingVersion).order_by(SettingVersion.number.desc()).limit(1))


def changed_settings(session: Session) -> list[int]:
    """Numbers of versions that are not what the event log says was recorded."""
    recorded = {
        int(data["number"]): str(data["digest"])
        for data in session.scalars(
            select(Event.data).where(Event.kind == EventKind.SETTINGS_CHANGED.value)
        )
    }
    kept = {
        version.number: version.digest if digest_of(version.content) == version.digest else None
        for version in session.scalars(select(SettingVersion))
    }
    return sorted(
        number for number in {*recorded, *kept} if kept.get(number) != recorded.get(number, "")
    )
