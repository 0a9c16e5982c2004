"""Who saw which study: noted as it is answered, written into the event log some seconds later.

A view is recorded once for a person or machine, a study and a way of looking in an hour: what a
page fetches for itself is no further view. The event log gives a turn to one writer at a time, so
no answer waits for it: what was seen is first appended to a file of the data folder, and taken into
the log with everything else of those seconds. What a killed service had not yet taken is taken by
the next one; what a power failure takes away are the seconds before it.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from gransk.archive.tables import SeenStudy
from gransk.reading.tables import FollowUpRow
from gransk.results.steps import Step
from gransk.results.tables import Workitem
from gransk.site.database import Database, utcnow
from gransk.site.events import EventKind, record
from gransk.site.tables import Event

FILE = "views"
AGAIN_SECONDS = 3600.0
FLUSH_SECONDS = 2.0
MOST_WAITING = 2000
"""Views that wait for a writer; where none runs, the one that would be more writes them."""
REMEMBERED = 100_000

log = logging.getLogger(__name__)


class Way(StrEnum):
    """How somebody looked at a study. The closed list."""

    CASE = "case"
    PICTURES = "pictures"
    VIEWER = "viewer"
    IMAGES = "images"
    """By DICOMweb, in our viewer or another."""
    READING = "reading"
    HISTORY = "history"
    PROFILE = "profile"
    PATIENT = "patient"
    FOLLOW_UP = "follow_up"
    WORKITEM = "workitem"
    FHIR = "fhir"
    REST = "rest"
    FACTS = "facts"
    COMPARISON = "comparison"
    """Its analyses under two models, side by side."""
    RULES = "rules"
    """What the site's rules would do with it."""


class Named(StrEnum):
    """By what an address names a study."""

    KEY = "key"
    WORKITEM = "workitem"
    UID = "uid"
    ACCESSION = "accession"
    STEP = "step"
    FOLLOW_UP = "follow_up"


@dataclass(frozen=True)
class Seen:
    """What somebody was shown: studies by one name, or a list."""

    actor: str
    what: str
    named: str
    name: str


class Views:
    """Notes what is seen, and writes it into the event log.

    Parameters
    ----------
    database : Database
    folder : Path
        The data folder.
    clock : callable
        Seconds, for tests.
    """

    def __init__(
        self, database: Database, folder: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._file = folder / FILE
        self._taken = folder / f"{FILE}.taken"
        self._clock = clock
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._known: dict[Seen, float] = {}
        self._waiting = 0

    def is_new(self, seen: Seen) -> bool:
        """Is it the first time within an hour? It is remembered from then on."""
        now = self._clock()
        with self._lock:
            last = self._known.get(seen)
            if last is not None and now - last < AGAIN_SECONDS:
                return False
            if len(self._known) >= REMEMBERED:
                old = [key for key, at in self._known.items() if now - at >= AGAIN_SECONDS]
                for key in old or list(self._known)[: REMEMBERED // 10]:
                    del self._known[key]
            self._known[seen] = now
            return True

    def note_new(self, seen: Seen) -> None:
        """Note it where it is the first time within an hour."""
        if self.is_new(seen):
            self.note(seen)

    def note(self, seen: Seen) -> None:
        """Append to the file what was seen; it outlasts this process from then on."""
        at = utcnow().isoformat(timespec="milliseconds")
        try:
            keys = [""] if not seen.named else self._keys(seen)
            lines = [
                json.dumps({"actor": seen.actor, "what": seen.what, "key": key, "at": at}
                           | ({"asked": seen.name} if not seen.named else {}))
                for key in keys
            ]  # fmt: skip
            if not lines:
                return
            with self._lock:
                with open(self._file, "a", encoding="utf-8", opener=_private) as file:
                    file.writelines(f"{line}\n" for line in lines)
                self._waiting += len(lines)
                many = self._waiting >= MOST_WAITING
        except (OSError, SQLAlchemyError) as error:
            log.error("what %s saw is not noted: %s", seen.actor, type(error).__name__)
            with self._lock:
                self._known.pop(seen, None)
            return
        if many:
            self.write()

    def write(self) -> int:
        """Take what was noted into the event log; returns how many events that made."""
        with self._writing:
            with self._lock:
                self._waiting = 0
                left = self._taken.exists()
                if not left:
                    if not self._file.exists():
                        return 0
                    self._file.replace(self._taken)
            made = _together(_read(self._taken))
            with self._database.begin() as session:
                # Who was killed just before the file was removed had written it.
                written = left and any(_is_written(session, key, one) for key, one in made.items())
                if not written:
                    for key, one in made.items():
                        _record(session, key, one)
            self._taken.unlink()
            return 0 if written else len(made)

    def keep(self, stop: threading.Event, seconds: float = FLUSH_SECONDS) -> None:
        """Write every few seconds until told to stop, and once more then."""
        while True:
            ended = stop.wait(seconds)
            try:
                self.write()
            except (OSError, SQLAlchemyError) as error:
                log.error("what people saw waits for the event log: %s", type(error).__name__)
            if ended:
                return

    def _keys(self, seen: Seen) -> list[str]:
        if seen.named == Named.KEY:
            query = select(SeenStudy.key).where(SeenStudy.key == seen.name)
        elif seen.named == Named.UID:
            query = select(SeenStudy.key).where(SeenStudy.study_instance_uid == seen.name)
        elif seen.named == Named.ACCESSION:
            query = select(SeenStudy.key).where(SeenStudy.accession_number == seen.name)
        elif seen.named == Named.FOLLOW_UP:
            query = select(FollowUpRow.study_key).where(FollowUpRow.id == seen.name)
        elif seen.named == Named.STEP:
            query = select(SeenStudy.key).join(Step, Step.study_key == SeenStudy.key)
            query = query.where(Step.uid == seen.name)
        else:
            query = select(Workitem.study_key).where(Workitem.id == seen.name)
        with self._database.read() as session:
            return list(session.scalars(query))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _read(path: Path) -> Iterable[Mapping[str, str]]:
    """What was noted; a last line that a power failure cut is passed over, and told."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            log.error("a line of %s cannot be read: what somebody saw is lost", path.name)
            continue
        if isinstance(found, dict) and {"actor", "what", "key", "at"} <= set(found):
            yield found


@dataclass
class _View:
    """When it was first seen, and in which ways."""

    at: str
    ways: list[str] = field(default_factory=list)


Group = tuple[str, str, str, str]
"""Actor, study key, and of a search the list and the names of its keys."""


def _record(session: Session, of: Group, one: _View) -> None:
    actor, key, what, asked = of
    if key:
        data: dict[str, Any] = {"ways": one.ways, "at": one.at}
        record(session, actor, EventKind.STUDY_VIEWED, key, data)
        return
    data = {"in": what, "at": one.at}
    if asked:
        data["keys"] = asked.split()
    record(session, actor, EventKind.STUDIES_SEARCHED, actor, data)


def _is_written(session: Session, of: Group, one: _View) -> bool:
    """Is this view in the event log? Its first instant, to the millisecond, tells it."""
    actor, key, _, _ = of
    query = select(Event.data).where(
        Event.kind == (EventKind.STUDY_VIEWED if key else EventKind.STUDIES_SEARCHED),
        Event.subject == (key or actor),
        Event.actor == actor,
    )
    return any(data.get("at") == one.at for data in session.scalars(query))


def _together(noted: Iterable[Mapping[str, str]]) -> dict[Group, _View]:
    """One event for each person and study, with every way of looking; one for each search."""
    found: dict[Group, _View] = {}
    for one in noted:
        search = ("", "") if one["key"] else (one["what"], one.get("asked", ""))
        view = found.setdefault((one["actor"], one["key"], *search), _View(one["at"]))
        if one["what"] not in view.ways:
            view.ways.append(one["what"])
    return found
