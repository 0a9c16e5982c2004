"""The workflow *tell*: one message to one system, the kept bytes each time, in order.

Of each destination only the oldest message that waits is sent: the next follows when that one
is acknowledged, or was refused so often that a person must look at it. A destination that is
down is tried until it answers, and holds up no other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from dbos import DBOS
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from gransk.core.errors import GranskError, place
from gransk.core.patients import ExamIdentity
from gransk.core.waiting import backoff
from gransk.delivery.destination import RefusedError, UnavailableError
from gransk.delivery.hl7.outgoing import Announced, Made, OrderIdentity
from gransk.delivery.trying import FIRST_WAIT_SECONDS, GROWTH, LIFE, REFUSALS, Result
from gransk.results.blobs import BlobStore, keep
from gransk.results.decisions import Decision, decision_of
from gransk.results.message_tables import (
    Announcement,
    AnnouncementKind,
    ExamOrder,
    MessageState,
    OutgoingMessage,
)
from gransk.results.starter import RESTARTED_OFTEN, Open, Starter
from gransk.results.told_reports import PriorityTold, ReportTold, Status
from gransk.site.config import Config
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM, EventKind, record
from gransk.site.live import InForce, in_force
from gransk.site.workflows import QueueName, workflow

log = logging.getLogger(__name__)

NAME = "tell"
LONGEST_WAIT_SECONDS = 60.0

AnyNews = Announced[Decision] | Announced[ReportTold] | Announced[PriorityTold]
Identify = Callable[[Session, str], ExamIdentity | None]
"""Whose exam a study key is; None where it is not known any more."""
Urgent = Callable[[Session, str], bool]
"""Is a study urgent still?"""


class System(Protocol):
    """A system that is told something."""

    def make(self, told: AnyNews) -> Made:
        """The message, from what it tells alone."""

    def send(self, control_id: str, content: bytes) -> bytes:
        """Send the message; its acknowledgement.

        Raises
        ------
        UnavailableError
            Where the system does not answer now.
        RefusedError
            Where it answers that it will not take the message.
        """


class Outbox:
    """What sends the messages of the outbox.

    Parameters
    ----------
    settings : Config or InForce
    database : Database
    blobs : BlobStore
    systems : mapping of str to System
        By name of the destination.
    identify : Identify
    urgent : Urgent
        Asked before a priority is sent for the first time; without it each is sent.
    """

    def __init__(
        self,
        settings: Config | InForce,
        database: Database,
        blobs: BlobStore,
        systems: Mapping[str, System],
        identify: Identify,
        urgent: Urgent | None = None,
    ) -> None:
        self._live = in_force(settings)
        self.database = database
        self.blobs = blobs
        self.systems = systems
        self.identify = identify
        self.urgent = urgent

    @property
    def zone(self) -> ZoneInfo | None:
        """In which instants are told."""
        return self._live.config.zone

    def register(self) -> None:
        """Make the workflow known to DBOS; call it before DBOS is launched."""

        @DBOS.step(name="tell_once")
        def once(message: str, attempt: int) -> dict[str, Any]:
            result, tries = self.send_once(message, attempt)
            return {"result": result.value, "tries": tries}

        @DBOS.step(name="tell_on")
        def go_on(message: str, attempt: int) -> None:
            self._renew(message, attempt)

        @workflow(NAME)
        def tell(message: str, attempt: int) -> str:
            for _ in range(LIFE):
                answer = once(message, attempt)
                result = Result(answer["result"])
                if result not in (Result.UNAVAILABLE, Result.REFUSED):
                    return result.value
                DBOS.sleep(wait_seconds(answer["tries"]))
            go_on(message, attempt)
            return "goes on"

    def send_once(self, message_id: str, attempt: int) -> tuple[Result, int]:
        """Try once; whatever can go wrong is an answer. How often it was tried stands beside."""
        try:
            made, destination = self._made(message_id, attempt)
            if made is None:
                return Result.UNWANTED, 0
            system = self.systems.get(destination)
            if system is None:
                raise RefusedError(f"no destination is called {destination!r}")
            answer = system.send(made.control_id, made.content)
            return self._sent(message_id, attempt, answer), 0
        except (UnavailableError, OperationalError, OSError) as error:
            return self._note(message_id, attempt, Result.UNAVAILABLE, _said(error))
        except GranskError as error:
            return self._note(message_id, attempt, Result.REFUSED, str(error))
        except Exception as error:  # noqa: BLE001
            log.error("message %s: %s", message_id, place(error))
            return self._note(message_id, attempt, Result.REFUSED, type(error).__name__)

    def _made(self, message_id: str, attempt: int) -> tuple[Made | None, str]:
        """The message's bytes, made where they are not yet; None where it waits no more."""
        with self.database.begin() as session:
            row = _waiting(session, message_id, attempt)
            if row is None or self._overtaken(session, row):
                return None, ""
        with self.database.read() as session:
            row = _waiting(session, message_id, attempt)
            if row is None:
                return None, ""
            if row.sha256 is not None:
                return Made(str(row.control_id), self.blobs.get(row.sha256)), row.destination
            system = self.systems.get(row.destination)
            if system is None:
                raise RefusedError(f"no destination is called {row.destination!r}")
            made = system.make(self._announced(session, row))
        stored = self.blobs.put(made.content)
        with self.database.begin() as session:
            row = _waiting(session, message_id, attempt)
            if row is None or self._overtaken(session, row):
                return None, ""
            if row.sha256 is None:
                keep(session, [stored])
                row.sha256, row.control_id = stored.sha256, made.control_id
                return made, row.destination
        # Another made it meanwhile: its bytes count.
        return self._made(message_id, attempt)

    def _overtaken(self, session: Session, row: OutgoingMessage) -> bool:
        """Does what a message tells hold no more, and was it never tried? Then it is replaced."""
        if row.sha256 is not None:
            return False
        told = session.get_one(Announcement, row.announcement)
        if told.kind == AnnouncementKind.FINDINGS:
            over = not _holds(session, row, told)
        elif told.kind == AnnouncementKind.PRIORITY:
            over = self.urgent is not None and not self.urgent(session, row.study_key)
        else:
            over = False
        if over:
            row.state, row.error = MessageState.REPLACED, ""
        return over

    def _announced(self, session: Session, row: OutgoingMessage) -> AnyNews:
        told = session.get_one(Announcement, row.announcement)
        exam = self.identify(session, row.study_key)
        if exam is None:
            raise RefusedError("whose exam it is is not known any more")
        return announced(session, told, exam, self.zone, row.destination)

    def _sent(self, message_id: str, attempt: int, answer: bytes) -> Result:
        stored = self.blobs.put(answer)
        with self.database.begin() as session:
            row = _waiting(session, message_id, attempt)
            if row is None:
                return Result.UNWANTED
            keep(session, [stored])
            row.state, row.error = MessageState.SENT, ""
            row.answer_sha256, row.sent_at = stored.sha256, utcnow()
            row.tries += 1
            data = {"destination": row.destination, "control_id": row.control_id}
            record(session, SYSTEM, EventKind.MESSAGE_SENT, row.study_key, data)
        return Result.SENT

    def _note(
        self, message_id: str, attempt: int, result: Result, error: str
    ) -> tuple[Result, int]:
        """Show why a message waits still; one that is refused too often fails."""
        try:
            with self.database.begin() as session:
                row = _waiting(session, message_id, attempt)
                if row is None:
                    return Result.UNWANTED, 0
                row.tries += 1
                row.refusals += result is Result.REFUSED
                row.error = error[:500]
                if row.refusals >= REFUSALS:
                    _fail(session, row)
                    return Result.UNWANTED, 0
                return result, row.tries
        except OperationalError:
            log.warning("message %s: its error could not be noted", message_id)
            return result, 1

    def _renew(self, message_id: str, attempt: int) -> None:
        with self.database.begin() as session:
            row = _waiting(session, message_id, attempt)
            if row is not None:
                row.attempt += 1


def announced(
    session: Session,
    told: Announcement,
    exam: ExamIdentity,
    zone: ZoneInfo | None,
    destination: str,
) -> AnyNews:
    """What a destination is told, with whose exam it is and the order that it answers."""
    order, at = _order(session, exam), told.at.astimezone(zone)
    if told.kind == AnnouncementKind.PRIORITY:
        news = PriorityTold.model_validate(told.content)
        return Announced(told.number, news, exam, order, at)
    if told.kind == AnnouncementKind.FINDINGS:
        report = ReportTold.model_validate(told.content)
        return Announced(told.number, report, exam, order, at, _before(session, told, destination))
    return announced_decision(session, told, exam, zone)


def announced_decision(
    session: Session, told: Announcement, exam: ExamIdentity, zone: Any = None
) -> Announced[Decision]:
    """The same of a decision."""
    at = told.at.astimezone(zone)
    return Announced(told.number, decision_of(told), exam, _order(session, exam), at)


def _order(session: Session, exam: ExamIdentity) -> OrderIdentity:
    order = session.get(ExamOrder, exam.accession_number) if exam.accession_number else None
    if order is None:
        return OrderIdentity()
    return OrderIdentity(order.placer_order, order.filler_order, tuple(order.service))


def _before(session: Session, told: Announcement, destination: str) -> list[ReportTold]:
    """The reports that a destination may have, the oldest first.

    That is the last one that it acknowledged, which said what of those before held no more, and
    whatever was sent since: what it refused, or did not answer, may have arrived.
    """
    made = _told_there(told, destination).where(
        Announcement.number < told.number, OutgoingMessage.sha256.is_not(None)
    )
    query = made.add_columns(OutgoingMessage.state).order_by(Announcement.number.desc())
    found = []
    for one, state in session.execute(query):
        report = ReportTold.model_validate(one.content)
        if report.status is not Status.WITHDRAWN:
            found.append(report)
        if state == MessageState.SENT:
            break
    return found[::-1]


def _told_there(told: Announcement, destination: str) -> Select[Announcement]:
    """Announcements of the same study's findings that have a message to a destination."""
    return (
        select(Announcement)
        .join(OutgoingMessage, OutgoingMessage.announcement == Announcement.number)
        .where(
            OutgoingMessage.destination == destination,
            Announcement.study_key == told.study_key,
            Announcement.kind == AnnouncementKind.FINDINGS,
            Announcement.application == told.application,
        )
    )


def _holds(session: Session, row: OutgoingMessage, told: Announcement) -> bool:
    """Is a report that was never sent to a destination to be told there still?

    Not where its withdrawal is announced too; and the withdrawal is told to whom findings of the
    study were sent, or may have arrived, since the last withdrawal.
    """
    report = ReportTold.model_validate(told.content)
    of_report = _told_there(told, row.destination)
    if report.status is Status.WITHDRAWN:
        tried = of_report.where(
            Announcement.number < told.number, OutgoingMessage.sha256.is_not(None)
        )
        last = session.scalars(tried.order_by(Announcement.number.desc()).limit(1)).first()
        return last is not None and not _withdraws(last)
    later = session.scalars(of_report.where(Announcement.number > told.number))
    return not any(_withdraws(one, report.report_key) for one in later)


def _withdraws(told: Announcement, report_key: str | None = None) -> bool:
    report = ReportTold.model_validate(told.content)
    return report.status is Status.WITHDRAWN and report_key in (None, report.report_key)


def wait_seconds(tries: int) -> float:
    """How long to wait after so many tries."""
    return backoff(FIRST_WAIT_SECONDS, tries - 1, LONGEST_WAIT_SECONDS, GROWTH)


def starter(database: Database) -> Starter:
    """Starts a workflow for the first waiting message of each destination."""
    return Starter(database, QueueName.DELIVER, NAME, open_rows, lost)


def open_rows(session: Session) -> list[Open]:
    """Of each destination the waiting message that was announced first."""
    first = (
        select(OutgoingMessage.destination, func.min(OutgoingMessage.announcement).label("first"))
        .where(OutgoingMessage.state == MessageState.WAITING)
        .group_by(OutgoingMessage.destination)
        .subquery()
    )
    query = (
        select(OutgoingMessage)
        .join(first, OutgoingMessage.destination == first.c.destination)
        .where(OutgoingMessage.announcement == first.c.first)
        .order_by(OutgoingMessage.announcement)
    )
    return [
        Open(f"{NAME}-{row.id}-{row.attempt}", (row.id, row.attempt),
             partition=f"{NAME}:{row.destination}")
        for row in session.scalars(query)
    ]  # fmt: skip


def lost(session: Session, row: Open, status: str) -> bool:
    """A workflow ended and left its message waiting: a person must look at it."""
    message, attempt = row.arguments
    found = _waiting(session, str(message), int(attempt))
    if found is None:
        return False
    if status == RESTARTED_OFTEN:
        found.attempt += 1
        return False
    found.error = f"workflow ended as {status}"
    _fail(session, found)
    return True


def undelivered(
    session: Session, limit: int = 500, *conditions: ColumnElement[bool]
) -> Sequence[OutgoingMessage]:
    """Messages that are not acknowledged, the oldest first."""
    open_states = (MessageState.WAITING, MessageState.FAILED)
    query = select(OutgoingMessage).where(OutgoingMessage.state.in_(open_states), *conditions)
    return session.scalars(query.order_by(OutgoingMessage.announcement).limit(limit)).all()


def kinds(session: Session, rows: Iterable[OutgoingMessage]) -> dict[int, AnnouncementKind]:
    """Of what messages tell, by the number of their announcements."""
    numbers = {row.announcement for row in rows}
    query = select(Announcement.number, Announcement.kind).where(Announcement.number.in_(numbers))
    return {number: AnnouncementKind(kind) for number, kind in session.execute(query)}


def only_of(kind: AnnouncementKind) -> ColumnElement[bool]:
    """Are messages of a kind? A condition of `undelivered`."""
    of_kind = select(Announcement.number).where(Announcement.kind == kind)
    return OutgoingMessage.announcement.in_(of_kind)


def rerun(session: Session, message_id: str, actor: str) -> bool:
    """Try a failed message again; False where it is none.

    One that a later one of the same kind and exam has overtaken is never sent: a system that
    took the later would read the earlier as the newest.
    """
    row = session.get(OutgoingMessage, message_id, with_for_update=True)
    if row is None or row.state != MessageState.FAILED:
        return False
    told = session.get_one(Announcement, row.announcement)
    later = (
        select(OutgoingMessage.id)
        .join(Announcement, Announcement.number == OutgoingMessage.announcement)
        .where(
            OutgoingMessage.study_key == row.study_key,
            OutgoingMessage.destination == row.destination,
            OutgoingMessage.announcement > row.announcement,
            Announcement.kind == told.kind,
            Announcement.application == told.application,
        )
    )
    overtaken = session.scalar(later.limit(1)) is not None
    row.state = MessageState.REPLACED if overtaken else MessageState.WAITING
    row.attempt += 1
    row.tries = row.refusals = 0
    row.error = ""
    data = {"destination": row.destination, "state": row.state}
    record(session, actor, EventKind.MESSAGE_RETRIED, row.study_key, data)
    return True


def _waiting(session: Session, message_id: str, attempt: int) -> OutgoingMessage | None:
    """The message, where it waits for this attempt still."""
    row = session.get(OutgoingMessage, message_id, with_for_update=True, populate_existing=True)
    if row is None or row.attempt != attempt or row.state != MessageState.WAITING:
        return None
    return row


def _fail(session: Session, row: OutgoingMessage) -> None:
    row.state = MessageState.FAILED
    data = {"destination": row.destination, "error": row.error[:200]}
    record(session, SYSTEM, EventKind.MESSAGE_FAILED, row.study_key, data)


def _said(error: Exception) -> str:
    """What went wrong; a database's own words repeat values."""
    return type(error).__name__ if isinstance(error, OperationalError) else str(error)
