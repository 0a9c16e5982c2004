"""Settings as YAML: exported, imported, and a host's own file that was edited by hand.

A host's file is compared with what it said when it was last taken in. The keys that differ are
the change; it is laid over the settings in force and goes the way of every draft. What was
changed on the pages since, to something else, is refused, and the settings in force stay.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.errors import ConfigurationError
from gransk.core.keys import digest
from gransk.site.answering import SHELL
from gransk.site.config import parse_config
from gransk.site.config_files import SECTIONS, with_files
from gransk.site.database import Database, utcnow
from gransk.site.differences import differences, merge
from gransk.site.events import SYSTEM, EventKind, record, take_turn
from gransk.site.faults import read_yaml
from gransk.site.settings import record_settings
from gransk.site.settings_acts import close, propose
from gransk.site.settings_drafts import (
    Draft,
    DraftState,
    completed,
    content_of,
    one_draft,
    settings_now,
)
from gransk.site.settings_refusals import SettingsError, SettingsRefusal
from gransk.site.settings_tables import Origin, SettingFile
from gransk.site.site_keys import Content, Host, code_of, site_content

LOOK_SECONDS = 3.0
AGAIN_SECONDS = 60.0
"""So often a file that is as it was is read whole: files that it names may have changed."""
AGAIN = (SettingsRefusal.CONFLICT, SettingsRefusal.MODEL_NOT_ACTIVE)
"""Refusals of a file whose remedy may lie elsewhere: it is judged again at each look."""
log = logging.getLogger(__name__)


def export_settings(content: Mapping[str, Any]) -> str:
    """Site keys as YAML, complete and in the order of the documented file."""
    return yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=100)


def import_settings(
    session: Session, host: Host, text: str, author: str, reason: str, origin: Origin = Origin.FILE
) -> Draft:
    """Draft what a YAML text of site keys says; a key that it leaves out has its default.

    For who may read this machine's files: those that the text names are read.

    Raises
    ------
    SettingsError
        ``UNREADABLE``, ``NO_CHANGE`` for what `export_settings` gave, and as `propose`.
    """
    values = read_settings(text)
    try:
        for key in SECTIONS:
            if isinstance(values.get(key), Mapping):
                values[key] = with_files(values[key], host.folder, key)
    except ConfigurationError as error:
        raise SettingsError(SettingsRefusal.INVALID, str(error)) from error
    return propose(session, host, values, author, reason, origin)


def read_settings(text: str) -> dict[str, Any]:
    """Keys and values of a YAML text.

    Raises
    ------
    SettingsError
        ``UNREADABLE``.
    """
    try:
        values = read_yaml(text, "settings")
    except ConfigurationError as error:
        raise SettingsError(SettingsRefusal.UNREADABLE, str(error)) from error
    if not isinstance(values, dict):
        raise SettingsError(SettingsRefusal.UNREADABLE, f"got {type(values).__name__}, wants keys")
    return values


@dataclass(frozen=True)
class Taken:
    """What became of a host's file.

    Parameters
    ----------
    changed : bool
        It says something else than when it was looked at last.
    draft : Draft, optional
        What its change became.
    refusal : SettingsRefusal, optional
        Why it is not taken in.
    detail : str
    """

    changed: bool = False
    draft: Draft | None = None
    refusal: SettingsRefusal | None = None
    detail: str = ""


class HostFile:
    """A host's file, taken in when it was edited.

    Parameters
    ----------
    path : Path
    host : Host
        As its process started.
    database : Database
    """

    def __init__(self, path: Path, host: Host, database: Database) -> None:
        self.path = path
        self.host = host
        self._database = database
        self._source = source_of(path)

    def take_in(self) -> Taken:
        """Look at the file; what differs is drafted, or refused with a code.

        The database keeps what it said and why it was refused, once for each edit.
        """
        try:
            said = self._said()
        except SettingsError as error:
            with self._database.begin() as session:
                take_turn(session)
                return self._refused(session, error, digest(str(error)))
        read = digest(said)
        with self._database.read() as session:
            last = _last(session, self._source)
            if last is not None and last.read == read and last.refusal not in AGAIN:
                known = None if last.refusal is None else SettingsRefusal(last.refusal)
                return Taken(refusal=known, detail=last.detail)
        try:
            with self._database.begin() as session:
                take_turn(session)
                return self._take(session, said, read)
        except SettingsError as error:
            with self._database.begin() as session:
                take_turn(session)
                return self._refused(session, error, read)

    def keep_looking(self, stop: threading.Event) -> None:
        """Take the file in whenever it was edited, until told to stop.

        One that is otherwise at each look is still being written: half of it says that keys are
        to have their defaults.
        """
        last = seen = self._stamp()
        waited = 0.0
        while not stop.wait(LOOK_SECONDS):
            before, last = last, self._stamp()
            stamp, waited = last, waited + LOOK_SECONDS
            if stamp != before or (stamp == seen and waited < AGAIN_SECONDS):
                continue
            seen, waited = stamp, 0.0
            try:
                tell(self.take_in())
            except Exception as error:  # noqa: BLE001 the next look may go well
                log.warning("the file of settings was not taken in: %s", type(error).__name__)

    def _stamp(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except OSError:
            return (0, 0)
        return (found.st_mtime_ns, found.st_size)

    def _said(self) -> Content:
        """The site keys that the file says, complete."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8"
            raise SettingsError(SettingsRefusal.UNREADABLE, f"{self.path.name}: {why}") from error
        read_settings(text)
        try:
            config = parse_config(text, self.path)
        except ConfigurationError as error:
            cause = error.__cause__
            code = code_of(cause) if isinstance(cause, ValidationError) else SettingsRefusal.INVALID
            raise SettingsError(code, str(error)) from error
        return self.host.complete(site_content(config))

    def _take(self, session: Session, said: Content, read: str) -> Taken:
        now = settings_now(session, self.host)
        base = self._base(session, said, now.content)
        merged, conflicts = merge(base, said, now.content)
        if conflicts:
            raise SettingsError(SettingsRefusal.CONFLICT, ", ".join(conflicts))
        draft = None
        self._replace_waiting(session)
        if now.number == 0:
            record_settings(session, self.host.config_of(said), SYSTEM, _reason(self.path))
        elif merged != now.content:
            reason = _reason(self.path)
            draft = propose(session, self.host, merged, self._editor(), reason, Origin.FILE)
        self._note(session, said, read, draft=draft)
        return Taken(True, draft)

    def _base(self, session: Session, said: Content, now: Content) -> Content:
        """What the file said when it was last taken in.

        A site that came from an earlier release has no row: there the file was the settings.
        Of another host's file, seen for the first time, nothing is a change. A change that
        never came into force is still to be made.
        """
        pending: int | None = None
        for row in _rows(session, self._source):
            if row.refusal is not None:
                continue
            draft = None if row.draft is None else one_draft(session, row.draft)
            if draft is None or draft.state is DraftState.IN_FORCE:
                return completed(self.host, row.content)
            pending = draft.row.base
        if pending is not None:
            return content_of(session, self.host, pending)
        if session.scalar(select(SettingFile.number).limit(1)) is None:
            return now
        if said != now:
            # Keys alone: what a file says may be secret.
            log.warning(
                "the file of settings %s is seen for the first time: where it differs from the "
                "settings in force they stay; what is to change is changed on the pages: %s",
                self.path,
                ", ".join(change.key for change in differences(now, said)),
            )
        return said

    def _replace_waiting(self, session: Session) -> None:
        """What the file said before is no longer wanted, where it still waits."""
        for row in _rows(session, self._source):
            draft = None if row.draft is None else one_draft(session, row.draft)
            if draft is not None and draft.state is DraftState.WAITING:
                close(session, draft, SYSTEM, "the file was edited again")

    def _refused(self, session: Session, error: SettingsError, read: str) -> Taken:
        last = _last(session, self._source)
        if last is not None and last.read == read:
            return Taken(refusal=error.refusal, detail=error.detail)
        base = last.content if last is not None else settings_now(session, self.host).content
        self._note(session, base, read, error=error)
        data = {"code": error.refusal.value, "file": self._source}
        record(session, SYSTEM, EventKind.SETTINGS_REFUSED, "settings", data)
        return Taken(True, None, error.refusal, error.detail)

    def _note(
        self,
        session: Session,
        content: Content,
        read: str,
        draft: Draft | None = None,
        error: SettingsError | None = None,
    ) -> None:
        last = session.scalar(
            select(SettingFile.number).order_by(SettingFile.number.desc()).limit(1)
        )
        session.add(
            SettingFile(
                number=(last or 0) + 1,
                source=self._source,
                read=read,
                content=content,
                refusal=None if error is None else error.refusal.value,
                detail="" if error is None else error.detail,
                draft=None if draft is None else draft.number,
                at=utcnow(),
            )
        )

    def _editor(self) -> str:
        """Whose file it is, as nobody else can be asked."""
        try:
            return f"{SHELL}{self.path.owner()}"[:64]
        except (KeyError, OSError):
            return SYSTEM


def tell(taken: Taken) -> None:
    """Say in the log what became of a file that was edited."""
    if not taken.changed:
        return
    if taken.refusal is not None:
        log.error(
            "the file of settings is not taken in (%s); the settings in force stay: %s",
            taken.refusal.value,
            taken.detail,
        )
    elif taken.draft is not None:
        log.info("the file of settings became draft %d: %s", taken.draft.number, taken.draft.state)


def refused_file(session: Session, path: Path) -> SettingFile | None:
    """The last row of a host's file where it was not taken in; None where it was."""
    last = _last(session, source_of(path))
    return last if last is not None and last.refusal is not None else None


def refused_files(session: Session) -> list[SettingFile]:
    """The last row of every host's file that was not taken in."""
    newest: dict[str, SettingFile] = {}
    for row in session.scalars(select(SettingFile).order_by(SettingFile.number)):
        newest[row.source] = row
    return [row for row in newest.values() if row.refusal is not None]


def source_of(path: Path) -> str:
    """By what a host's file is known in the database."""
    return digest([socket.gethostname(), str(path.resolve())])


def _last(session: Session, source: str) -> SettingFile | None:
    return next(iter(_rows(session, source, 1)), None)


def _rows(session: Session, source: str, most: int | None = None) -> list[SettingFile]:
    """What was seen of a file, the newest first."""
    query = select(SettingFile).where(SettingFile.source == source)
    return list(session.scalars(query.order_by(SettingFile.number.desc()).limit(most)))


def _reason(path: Path) -> str:
    return f"as the file {path.name} says"[:1000]
