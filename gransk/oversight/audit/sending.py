"""Telling the site's audit repository of the event log: in order, at least once, from a cursor.

The cursor moves when the repository has read what was sent; a process that is killed before sends
that batch again. Events are numbered without gaps in the order in which they are committed, so
none is passed over.
"""

from __future__ import annotations

import datetime
import logging
import socket
import threading
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from gransk.core.errors import place
from gransk.core.waiting import backoff
from gransk.oversight.audit.kinds import SHAPES
from gransk.oversight.audit.message import Told, audit_message
from gransk.oversight.audit.studies import Studies
from gransk.oversight.audit.syslog import NOTICE, WARNING, Entry, RepositoryError, deliver
from gransk.oversight.audit.tables import AuditCursor
from gransk.site.config_audit import AuditRepository, AuditSection
from gransk.site.database import Database, utcnow
from gransk.site.events import EventKind, head
from gransk.site.tables import Account, Event

NAME = "repository"
BATCH = 200
PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 300.0

log = logging.getLogger(__name__)


class Sender:
    """Sends what the repository has not been told of.

    Parameters
    ----------
    database : Database
    section : callable
        The section of the configuration that is in force, asked before each batch.
    public_url : str
        Of our service: the domain in names of people, and where we are in the network.
    """

    def __init__(
        self, database: Database, section: Callable[[], AuditSection], public_url: str
    ) -> None:
        self._database = database
        self._section = section
        self._host = urlsplit(public_url).hostname or socket.gethostname()
        self._said = ""

    def run(self, stop: threading.Event) -> None:
        """Send until told to stop; a repository that is away is tried again and again."""
        tries = 0
        while not stop.is_set():
            settings = self._section().repository
            pause, count = PAUSE_SECONDS, 0
            try:
                if settings is not None:
                    count, more = self.run_once(settings)
                    pause = 0.0 if more else PAUSE_SECONDS
                    tries = 0
            except Exception as error:  # noqa: BLE001 (whatever it is, it is told and tried again)
                tries += 1
                pause = backoff(PAUSE_SECONDS, tries, LONGEST_PAUSE_SECONDS)
                self._note(error)
            if settings is not None and settings.per_minute:
                pause = max(pause, count * 60.0 / settings.per_minute)
            stop.wait(pause)

    def run_once(self, settings: AuditRepository) -> tuple[int, bool]:
        """Send one batch.

        Returns
        -------
        (int, bool)
            Messages that were sent, and whether there is more to send.

        Raises
        ------
        RepositoryError
            Where the repository has not got it; the cursor stays, and bears why.
        """
        limit = min(BATCH, settings.per_minute or BATCH)
        began = self._began()
        with self._database.read() as session:
            events = events_after(session, began, limit)
            told = _told(session, events)
        if not events:
            return 0, False
        try:
            entries = [entry for one in told if (entry := self._entry(one, settings)) is not None]
            if entries:
                deliver(settings, entries)
        except Exception as error:
            self._failed(_words(error))
            raise
        self._moved(began, events[-1].number, len(entries))
        return len(entries), len(events) == limit

    def _entry(self, told: Told, settings: AuditRepository) -> Entry | None:
        content = audit_message(told, settings, self._host)
        if content is None:
            return None
        shape = SHAPES[told.kind]
        severity = WARNING if shape is not None and shape.outcome else NOTICE
        return Entry(utcnow(), self._host, settings.source_id, content, severity)

    def _began(self) -> int:
        """Where the cursor stands; of a repository that is new, the end of the log."""
        with self._database.read() as session:
            row = session.get(AuditCursor, NAME)
        if row is not None:
            return row.number
        with self._database.begin() as session:
            row = session.get(AuditCursor, NAME)
            if row is None:
                row = AuditCursor(name=NAME, number=head(session)[0], sent=0, sent_at=None,
                                  error="", failing_since=None)  # fmt: skip
                session.add(row)
            return row.number

    def _moved(self, began: int, number: int, count: int) -> None:
        with self._database.begin() as session:
            row = session.get_one(AuditCursor, NAME, with_for_update=True)
            row.error, row.failing_since, self._said = "", None, ""
            if count:
                row.sent, row.sent_at = row.sent + count, utcnow()
            if row.number == began:
                # Not where a person set it back in the meantime: then it goes on from there.
                row.number = number

    def _failed(self, error: str) -> None:
        with self._database.begin() as session:
            row = session.get_one(AuditCursor, NAME, with_for_update=True)
            row.error = error
            row.failing_since = row.failing_since or utcnow()

    def _note(self, error: Exception) -> None:
        said = _words(error)
        if said != self._said:
            log.error("the audit repository is not told: %s", said)
        self._said = said


def _words(error: Exception) -> str:
    """What is told of a fault; of one of ours the place alone, as its text may hold anything."""
    if isinstance(error, RepositoryError):
        return str(error)
    return type(error).__name__ if isinstance(error, SQLAlchemyError) else place(error)


def events_after(session: Session, number: int, limit: int) -> Sequence[Event]:
    """Events that follow one, in order."""
    query = select(Event).where(Event.number > number).order_by(Event.number).limit(limit)
    return session.scalars(query).all()


def _told(session: Session, events: Sequence[Event]) -> list[Told]:
    """Events, with the studies and people that they name."""
    studies = Studies(session, events)
    wanted = {name for event in events for name in (event.actor, event.subject)}
    query = select(Account.name, Account.full_name).where(Account.name.in_(wanted))
    people = {name: full for name, full in session.execute(query)}
    return [
        Told(
            event.number,
            event.at,
            event.actor,
            EventKind(event.kind),
            event.subject,
            event.data,
            studies.of(event),
            people,
        )
        for event in events
    ]


def send_again(session: Session, number: int) -> int:
    """Set the cursor so that the event of a number is the next that is sent.

    Returns
    -------
    int
        How many events are to be sent.
    """
    last = head(session)[0]
    number = max(0, min(number - 1, last))
    row = session.get(AuditCursor, NAME, with_for_update=True)
    if row is None:
        row = AuditCursor(name=NAME, number=number, sent=0, sent_at=None, error="",
                          failing_since=None)  # fmt: skip
        session.add(row)
    row.number = number
    return last - number


def waiting(session: Session, at: datetime.datetime) -> tuple[AuditCursor | None, int, float]:
    """The cursor, how many events come after it, and since how many seconds sending fails."""
    row = session.get(AuditCursor, NAME)
    if row is None:
        return None, 0, 0.0
    since = row.failing_since
    return row, head(session)[0] - row.number, (at - since).total_seconds() if since else 0.0
