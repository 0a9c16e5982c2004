"""Versions of the settings: which one was in force when.

A version holds the site keys (`gransk.site.site_keys`). It is made from a draft
(`gransk.site.settings_drafts`), which is where changes begin; only the very first is what a
machine's file says. While everything runs, `gransk.site.live.Live` tells the newest.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.errors import InvalidValueError
from gransk.core.keys import digest as digest_of
from gransk.site.config import Config
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record
from gransk.site.settings_tables import SettingDraft
from gransk.site.site_keys import Host, site_content, site_digest, site_part
from gransk.site.tables import Event, SettingVersion


def record_settings(
    session: Session, config: Config, author: str, reason: str, draft: int | None = None
) -> int:
    """Keep the site keys of a configuration as a new version where they differ from the last.

    Parameters
    ----------
    session : Session
        Of `Database.begin`.
    config : Config
    author, reason : str
        Who changed it, and why.
    draft : int, optional
        From which it was made.

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
    content = site_content(config)
    digest = site_digest(content)
    last = latest_settings(session)
    if last is not None and last.digest == digest:
        return last.number
    number = last.number + 1 if last else 1
    # The event first: on PostgreSQL its lock makes writers of versions wait for each other.
    record(
        session,
        author,
        EventKind.SETTINGS_CHANGED,
        "settings",
        {"number": number, "digest": digest, "draft": draft},
    )
    session.add(
        SettingVersion(
            number=number,
            at=utcnow(),
            author=author,
            reason=reason.strip(),
            digest=digest,
            content=content,
            draft=draft,
        )
    )
    session.flush()
    return number


def latest_settings(session: Session) -> SettingVersion | None:
    """The version in force, or None before the first."""
    return session.scalar(select(SettingVersion).order_by(SettingVersion.number.desc()).limit(1))


def latest_number(session: Session) -> int:
    """Number of the version in force; 0 before the first."""
    query = select(SettingVersion.number).order_by(SettingVersion.number.desc()).limit(1)
    return session.scalar(query) or 0


def config_in_force(session: Session, host: Host) -> tuple[Config, int]:
    """A host's configuration under the version in force, and its number.

    Before the first version it is what the host's file says, as version 0.

    Raises
    ------
    SettingsError
        Where the version cannot be used on this host.
    """
    last = latest_settings(session)
    if last is None:
        return host.config, 0
    return host.config_of(site_part(last.content)), last.number


def changed_settings(session: Session) -> list[int]:
    """Numbers of versions that are not what the event log says was recorded."""
    return _changed(session, EventKind.SETTINGS_CHANGED, SettingVersion)


def changed_drafts(session: Session) -> list[int]:
    """Numbers of drafts that are not what the event log says was drafted."""
    return _changed(session, EventKind.SETTINGS_DRAFTED, SettingDraft)


def _changed(
    session: Session, kind: EventKind, table: type[SettingVersion | SettingDraft]
) -> list[int]:
    recorded = {
        int(data["number"]): str(data["digest"])
        for data in session.scalars(select(Event.data).where(Event.kind == kind.value))
    }
    rows = session.execute(select(table.number, table.digest, table.content))
    kept = {
        number: digest if digest_of(content) == digest else None for number, digest, content in rows
    }
    return sorted(
        number for number in {*recorded, *kept} if kept.get(number) != recorded.get(number, "")
    )
