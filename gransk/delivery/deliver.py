"""The workflow *deliver*: one object to one destination, the kept bytes each time.

Destinations wait for each other nowhere: each has its own share of the queue.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Protocol

from dbos import DBOS
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from gransk.core.errors import GranskError
from gransk.results.starter import Open, Starter
from gransk.results.store import BlobStore
from gransk.results.tables import Delivery, DeliveryState, Report, ReportObject, Workitem
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM, EventKind, record
from gransk.site.workflows import QueueName, workflow

log = logging.getLogger(__name__)

NAME = "deliver"
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
PATIENCE_HOURS = 72.0
REFUSALS = 5
FALLEN = (
    DeliveryState.CANCELLED,
    DeliveryState.RECALL,
    DeliveryState.RECALLED,
    DeliveryState.HIDDEN,
    DeliveryState.KEPT,
)
"""What becomes of a line whose report is superseded or withdrawn."""


class UnavailableError(GranskError):
    """The destination does not answer now; the same bytes may pass later."""


class RefusedError(GranskError):
    """The destination answers that it will not take the object."""


class Destination(Protocol):
    """Somewhere results are sent."""

    def send(self, sop_instance_uid: str, content: bytes) -> None:
        """Deliver one DICOM object; the same bytes there already are a success.

        Raises
        ------
        UnavailableError
            Where it does not answer now.
        RefusedError
            Where it will not take the object.
        """

    def remove(self, sop_instance_uid: str) -> None:
        """Take away one DICOM object of ours; one that is not there is a success.

        Raises
        ------
        UnavailableError
            Where it does not answer now.
        RefusedError
            Where it will not remove the object.
        """


class Result(StrEnum):
    """What one try gave."""

    SENT = "sent"
    RECALLED = "recalled"
    UNWANTED = "unwanted"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"


def register(database: Database, blobs: BlobStore, destinations: Mapping[str, Destination]) -> None:
    """Make the workflow known to DBOS; call it before DBOS is launched."""

    @DBOS.step(name="deliver_once")
    def once(delivery: str, attempt: int) -> dict[str, Any]:
        result, error = send_once(database, blobs, destinations, delivery, attempt)
        return {"result": result.value, "error": error, "at": time.time()}

    @DBOS.step(name="deliver_give_up")
    def give_up(delivery: str, attempt: int, error: str) -> None:
        with database.begin() as session:
            fail(session, delivery, attempt, error)

    @workflow(NAME)
    def deliver(delivery: str, attempt: int) -> str:
        return try_until_ended(delivery, attempt, once, give_up)


def try_until_ended(
    delivery: str,
    attempt: int,
    once: Callable[[str, int], dict[str, Any]],
    give_up: Callable[[str, int, str], None],
) -> str:
    """The body of a workflow about one line of the outbox, made of its two steps."""
    tries, refusals, first = 0, 0, 0.0
    while True:
        answer = once(delivery, attempt)
        result = Result(answer["result"])
        if result not in (Result.UNAVAILABLE, Result.REFUSED):
            return result.value
        first = first or float(answer["at"])
        tries += 1
        refusals += result == Result.REFUSED
        if refusals >= REFUSALS or answer["at"] - first > PATIENCE_HOURS * 3600:
            give_up(delivery, attempt, answer["error"])
            return "failed"
        DBOS.sleep(min(FIRST_WAIT_SECONDS * 1.5 ** min(tries - 1, 20), LONGEST_WAIT_SECONDS))


def send_once(
    database: Database,
    blobs: BlobStore,
    destinations: Mapping[str, Destination],
    delivery_id: str,
    attempt: int,
) -> tuple[Result, str]:
    """Try once to deliver."""

    def send() -> Result:
        with database.read() as session:
            delivery = _wanted(session, delivery_id, attempt)
            if delivery is not None:
                made = session.get_one(ReportObject, delivery.sop_instance_uid)
        if delivery is None:
            # An earlier life of this try may have sent it, and ended before it could say so.
            with database.begin() as session:
                recall(session, delivery_id, (DeliveryState.CANCELLED,))
            return Result.UNWANTED
        destination = named(destinations, delivery.destination)
        destination.send(made.sop_instance_uid, blobs.get(made.sha256))
        with database.begin() as session:
            return _sent(session, delivery_id, attempt)

    return answered(database, delivery_id, attempt, DeliveryState.WAITING, send)


def named(destinations: Mapping[str, Destination], name: str) -> Destination:
    """The destination of a name.

    Raises
    ------
    RefusedError
        Where the configuration has none of it.
    """
    if name not in destinations:
        raise RefusedError(f"no destination is called {name!r}")
    return destinations[name]


def answered(
    database: Database,
    delivery_id: str,
    attempt: int,
    state: DeliveryState,
    act: Callable[[], Result],
) -> tuple[Result, str]:
    """Try once; whatever can go wrong is an answer, not an error."""
    try:
        return act(), ""
    except (UnavailableError, OperationalError, OSError) as error:
        note(database, delivery_id, attempt, state, error)
        return Result.UNAVAILABLE, str(error)
    except GranskError as error:
        note(database, delivery_id, attempt, state, error)
        return Result.REFUSED, str(error)
    except Exception as error:
        log.exception("delivery %s, %s", delivery_id, state)
        return Result.REFUSED, type(error).__name__


def fail(
    session: Session,
    delivery_id: str,
    attempt: int,
    error: str,
    state: DeliveryState = DeliveryState.WAITING,
) -> bool:
    """The delivery goes to the dead letters, where a person sees it.

    False where it has left its state, or is of another attempt.
    """
    delivery = open_line(session, delivery_id, attempt, state)
    if delivery is None:
        return False
    delivery.state = DeliveryState.FAILED
    delivery.error = error[:2000]
    data = {"destination": delivery.destination, "error": error[:500]}
    record(session, SYSTEM, EventKind.DELIVERY_FAILED, study_of(session, delivery), data)
    return True


def rerun(session: Session, delivery_id: str, actor: str) -> bool:
    """Try a failed delivery, or removal, again; False where it is none."""
    delivery = session.get(Delivery, delivery_id, with_for_update=True)
    if delivery is None or delivery.state != DeliveryState.FAILED:
        return False
    report = session.get_one(Report, delivery.report_key)
    item = session.get_one(Workitem, report.workitem_id)
    stands = report.withdrawn_at is None and item.report_key == report.key
    delivery.state = DeliveryState.WAITING if stands else DeliveryState.RECALL
    delivery.attempt += 1
    delivery.error, delivery.commit_by = "", None
    data = {"destination": delivery.destination}
    record(session, actor, EventKind.DELIVERY_RETRIED, item.study_key, data)
    return True


def starter(database: Database) -> Starter:
    """Starts a workflow for every waiting line of the outbox."""
    return Starter(database, QueueName.DELIVER, NAME, open_rows, lost)


def open_rows(session: Session) -> list[Open]:
    """The waiting deliveries, oldest first."""
    query = (
        select(Delivery.id, Delivery.attempt, Delivery.destination)
        .where(Delivery.state == DeliveryState.WAITING)
        .order_by(Delivery.created_at)
    )
    return [
        Open(f"deliver-{row.id}-{row.attempt}", (row.id, row.attempt), partition=row.destination)
        for row in session.execute(query)
    ]


def lost(session: Session, row: Open, status: str) -> bool:
    """A workflow ended and left its delivery open: a person must look at it."""
    delivery, attempt = row.arguments
    return fail(session, str(delivery), int(attempt), f"workflow ended as {status}")


def open_line(
    session: Session, delivery_id: str, attempt: int, state: DeliveryState
) -> Delivery | None:
    """The line of the outbox, where it is of this attempt and in this state."""
    delivery = session.get(Delivery, delivery_id, populate_existing=True)
    if delivery is None or delivery.attempt != attempt or delivery.state != state:
        return None
    return delivery


def recall(session: Session, delivery_id: str, states: tuple[DeliveryState, ...]) -> None:
    """Have an object removed that may be at its destination though its report fell."""
    delivery = session.get(Delivery, delivery_id, with_for_update=True, populate_existing=True)
    if delivery is not None and delivery.state in states:
        delivery.state = DeliveryState.RECALL
        delivery.attempt += 1
        delivery.sent_at = utcnow()


def _wanted(session: Session, delivery_id: str, attempt: int) -> Delivery | None:
    """The delivery, where it still waits for this attempt and its report stands."""
    delivery = open_line(session, delivery_id, attempt, DeliveryState.WAITING)
    if delivery is None:
        return None
    report = session.get_one(Report, delivery.report_key)
    released = report.released_at is not None and report.withdrawn_at is None
    return delivery if released else None


def _sent(session: Session, delivery_id: str, attempt: int) -> Result:
    session.get(Delivery, delivery_id, with_for_update=True)
    delivery = _wanted(session, delivery_id, attempt)
    if delivery is None:
        recall(session, delivery_id, FALLEN)
        return Result.UNWANTED
    delivery.state = DeliveryState.SENT
    delivery.error = ""
    delivery.sent_at = utcnow()
    data = {"destination": delivery.destination, "object": delivery.sop_instance_uid}
    record(session, SYSTEM, EventKind.OBJECT_DELIVERED, study_of(session, delivery), data)
    return Result.SENT


def note(
    database: Database, delivery_id: str, attempt: int, state: DeliveryState, error: Exception
) -> None:
    """Show why a line is open still; missing that is no reason to fail."""
    try:
        with database.begin() as session:
            delivery = open_line(session, delivery_id, attempt, state)
            if delivery is not None:
                delivery.error = str(error)[:2000]
    except OperationalError:
        log.warning("delivery %s: its error could not be noted", delivery_id)


def study_of(session: Session, delivery: Delivery) -> str:
    """Key of the study that a delivery is about."""
    report = session.get_one(Report, delivery.report_key)
    return session.get_one(Workitem, report.workitem_id).study_key
