"""The workflow *deliver*: one object to one destination, the kept bytes each time.

Destinations wait for each other nowhere: each has its own share of the queue, and one that is
down is tried until it answers. Within a destination reports of a study go in order of release:
while one is under way no other is begun, so that what replaces a report never arrives before it.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from dbos import DBOS
from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from gransk.delivery.destination import Destination, RefusedError, UnclearError
from gransk.delivery.pacing import Pace, turn
from gransk.delivery.trying import (
    Answer,
    Result,
    answered,
    doubted,
    fail,
    named,
    open_line,
    renew,
    study_of,
    takes_others,
    tried_since,
    try_until_ended,
)
from gransk.results.blobs import BlobError, BlobStore
from gransk.results.starter import RESTARTED_OFTEN, Open, Starter
from gransk.results.tables import Delivery, DeliveryState, Report, ReportObject, Workitem
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM, EventKind, record
from gransk.site.workflows import QueueName, workflow

NAME = "deliver"
QUEUED = 500
"""Most deliveries of one destination that are in the queue at once."""
DEALT_WITH = (
    DeliveryState.RECALL,
    DeliveryState.RECALLED,
    DeliveryState.HIDDEN,
    DeliveryState.KEPT,
)
"""What becomes of a line that was sent, once its report fell."""


def register(
    database: Database,
    blobs: BlobStore,
    destinations: Mapping[str, Destination],
    paces: Mapping[str, Pace] | None = None,
) -> None:
    """Make the workflow known to DBOS; call it before DBOS is launched."""

    @DBOS.step(name="deliver_once")
    def once(delivery: str, attempt: int) -> dict[str, Any]:
        return send_once(database, blobs, destinations, delivery, attempt, paces or {}).told

    @DBOS.step(name="deliver_give_up")
    def give_up(delivery: str, attempt: int, error: str) -> None:
        with database.begin() as session:
            fail(session, delivery, attempt, error)

    @DBOS.step(name="deliver_others")
    def others(delivery: str, since: str) -> bool:
        with database.read() as session:
            return takes_others(session, delivery, since)

    @DBOS.step(name="deliver_on")
    def go_on(delivery: str, attempt: int) -> None:
        with database.begin() as session:
            renew(session, delivery, attempt)

    @workflow(NAME)
    def deliver(delivery: str, attempt: int) -> str:
        return try_until_ended(delivery, attempt, once, give_up, go_on, others)


def send_once(
    database: Database,
    blobs: BlobStore,
    destinations: Mapping[str, Destination],
    delivery_id: str,
    attempt: int,
    paces: Mapping[str, Pace] = MappingProxyType({}),
) -> Answer:
    """Try once to deliver."""
    name, since = "", ""

    def send() -> Answer:
        nonlocal name, since
        with database.begin() as session:
            line = session.get(Delivery, delivery_id, with_for_update=True, populate_existing=True)
            since, before = tried_since(session, delivery_id), line.tried_at if line else None
            begun = _begin(session, delivery_id, attempt, paces)
            if isinstance(begun, Answer):
                return begun
            made = session.get_one(ReportObject, begun.sop_instance_uid)
            name = begun.destination
        try:
            content = blobs.get(made.sha256)
            named(destinations, name).send(made.sop_instance_uid, content)
        except (BlobError, RefusedError) as error:
            if not isinstance(error, UnclearError):
                _not_taken(database, delivery_id, before)
            raise
        with database.begin() as session:
            return Answer(_sent(session, delivery_id, attempt))

    answer = doubted(answered(database, delivery_id, attempt, DeliveryState.WAITING, send), since)
    pace = paces.get(name)
    return answer if pace is None else answer._replace(longest=pace.longest_wait_seconds)


def _begin(
    session: Session, delivery_id: str, attempt: int, paces: Mapping[str, Pace]
) -> Delivery | Answer:
    """The delivery, locked by the caller, noted as under way; else why it is not to be sent now.

    What is noted stands until a workflow says how it went: one that died is begun again.
    """
    delivery = _wanted(session, delivery_id, attempt)
    if delivery is None:
        # An earlier life of this try may have sent it, and ended before it could say so.
        _left(session, delivery_id, attempt)
        return Answer(Result.UNWANTED)
    if delivery.trying not in (None, attempt) or session.scalar(
        select(exists().where(Delivery.id == delivery_id, held()))
    ):
        delivery.attempt += 1
        return Answer(Result.AFTER)
    pace = paces.get(delivery.destination)
    if pace is not None and pace.per_minute:
        seconds = turn(session, delivery.destination, pace.per_minute)
        if seconds:
            return Answer(Result.NOT_YET, after=seconds)
    delivery.trying, delivery.tried_at = attempt, utcnow()
    return delivery


def _not_taken(database: Database, delivery_id: str, before: datetime.datetime | None) -> None:
    """The object is not at its destination by this try; by one before it may be."""
    with database.begin() as session:
        session.get_one(Delivery, delivery_id, with_for_update=True).tried_at = before


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
    """Deliveries that may be sent now, oldest first; and what was under way as its report fell."""
    waits = and_(Delivery.state == DeliveryState.WAITING, Delivery.trying.is_(None), ~held())
    by_age = (Delivery.created_at, Delivery.id)
    place = func.row_number().over(partition_by=Delivery.destination, order_by=by_age)
    some = (
        select(
            Delivery.id,
            Delivery.attempt,
            Delivery.trying,
            Delivery.destination,
            place.label("place"),
        )
        .where(or_(waits, Delivery.trying.is_not(None)))
        .order_by(*by_age)
        .subquery()
    )
    found = []
    for row in session.execute(select(some).where(some.c.place <= QUEUED).order_by(some.c.place)):
        attempt = row.attempt if row.trying is None else row.trying
        found.append(
            Open(f"{NAME}-{row.id}-{attempt}", (row.id, attempt), partition=row.destination)
        )
    return found


def held() -> ColumnElement[bool]:
    """Must a delivery wait for another report of its study at its destination?

    For what of another report is under way, and for what waits of one that was released before.
    """
    report, item = aliased(Report), aliased(Workitem)
    line, other, row = aliased(Delivery), aliased(Report), aliased(Workitem)
    before = or_(
        other.released_at < report.released_at,
        and_(other.released_at == report.released_at, other.key < report.key),
    )
    return exists(
        select(line.id)
        .join(other, other.key == line.report_key)
        .join(row, row.id == other.workitem_id)
        .join(item, item.study_key == row.study_key)
        .join(report, report.workitem_id == item.id)
        .where(report.key == Delivery.report_key, other.key != report.key)
        .where(line.destination == Delivery.destination)
        .where(
            or_(line.trying.is_not(None), and_(line.state == DeliveryState.WAITING, before)),
        )
        .correlate(Delivery)
    )


def lost(session: Session, row: Open, status: str) -> bool:
    """A workflow ended and left its delivery open: a person must look at it.

    One that slept through more restarts of workers than a workflow may have goes on in another:
    a destination may be away for as long as it takes.
    """
    delivery, attempt = str(row.arguments[0]), int(row.arguments[1])
    if status == RESTARTED_OFTEN:
        renew(session, delivery, attempt)
        return False
    failed = fail(session, delivery, attempt, f"workflow ended as {status}")
    if not failed:
        _left(session, delivery, attempt)
    return failed


def recall(session: Session, delivery_id: str, states: tuple[DeliveryState, ...]) -> None:
    """Have an object removed that may be at its destination though its report fell."""
    delivery = session.get(Delivery, delivery_id, with_for_update=True, populate_existing=True)
    if delivery is not None and delivery.state in states:
        delivery.state = DeliveryState.RECALL
        delivery.attempt += 1
        delivery.sent_at = utcnow()


def _left(session: Session, delivery_id: str, attempt: int) -> None:
    """A try is over whose delivery is not wanted any more: what it may have sent is recalled."""
    delivery = session.get(Delivery, delivery_id, with_for_update=True, populate_existing=True)
    if delivery is None:
        return
    if delivery.trying == attempt:
        delivery.trying = None
    if delivery.tried_at is not None:
        recall(session, delivery_id, (DeliveryState.CANCELLED,))


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
        _left(session, delivery_id, attempt)
        recall(session, delivery_id, DEALT_WITH)
        return Result.UNWANTED
    delivery.state = DeliveryState.SENT
    delivery.error = ""
    delivery.sent_at = utcnow()
    delivery.trying = None
    data = {"destination": delivery.destination, "object": delivery.sop_instance_uid}
    record(session, SYSTEM, EventKind.OBJECT_DELIVERED, study_of(session, delivery), data)
    return Result.SENT
