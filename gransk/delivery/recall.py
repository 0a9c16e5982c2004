"""The workflow *recall*: an object whose report fell leaves its destination.

A superseded report goes once the one in its place has arrived, so that there is
never nothing; a withdrawn one goes at once. The result store keeps the bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbos import DBOS
from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session, aliased

from gransk.delivery.deliver import (
    Answer,
    Destination,
    Result,
    answered,
    fail,
    named,
    open_line,
    renew,
    study_of,
    try_until_ended,
)
from gransk.results.starter import Open, Starter
from gransk.results.tables import Delivery, DeliveryState, Report, Workitem
from gransk.site.database import Database
from gransk.site.events import SYSTEM, EventKind, record
from gransk.site.workflows import QueueName, workflow

NAME = "recall"


def register(database: Database, destinations: Mapping[str, Destination]) -> None:
    """Make the workflow known to DBOS; call it before DBOS is launched."""

    @DBOS.step(name="recall_once")
    def once(delivery: str, attempt: int) -> dict[str, Any]:
        return remove_once(database, destinations, delivery, attempt).told

    @DBOS.step(name="recall_give_up")
    def give_up(delivery: str, attempt: int, error: str) -> None:
        with database.begin() as session:
            fail(session, delivery, attempt, error, DeliveryState.RECALL)

    @DBOS.step(name="recall_on")
    def go_on(delivery: str, attempt: int) -> None:
        with database.begin() as session:
            renew(session, delivery, attempt, DeliveryState.RECALL)

    @workflow(NAME)
    def recall(delivery: str, attempt: int) -> str:
        return try_until_ended(delivery, attempt, once, give_up, go_on)


def remove_once(
    database: Database,
    destinations: Mapping[str, Destination],
    delivery_id: str,
    attempt: int,
) -> Answer:
    """Try once to remove."""

    def remove() -> Answer:
        with database.read() as session:
            delivery = open_line(session, delivery_id, attempt, DeliveryState.RECALL)
        if delivery is None:
            return Answer(Result.UNWANTED)
        named(destinations, delivery.destination).remove(delivery.sop_instance_uid)
        with database.begin() as session:
            return Answer(_removed(session, delivery_id, attempt))

    return answered(database, delivery_id, attempt, DeliveryState.RECALL, remove)


def starter(database: Database) -> Starter:
    """Starts a workflow for every object that may be removed."""
    return Starter(database, QueueName.DELIVER, NAME, open_rows, lost)


def open_rows(session: Session) -> list[Open]:
    """Lines to be recalled, of withdrawn reports and of those whose successor has arrived."""
    current, line = aliased(Report), aliased(Delivery)
    unsent = exists().where(
        line.report_key == current.key,
        line.destination == Delivery.destination,
        line.state != DeliveryState.SENT,
    )
    arrived = and_(current.key != Report.key, current.released_at.is_not(None), ~unsent)
    query = (
        select(Delivery.id, Delivery.attempt, Delivery.destination)
        .join(Report, Report.key == Delivery.report_key)
        .join(Workitem, Workitem.id == Report.workitem_id)
        .join(current, current.key == Workitem.report_key)
        .where(Delivery.state == DeliveryState.RECALL)
        .where(or_(current.withdrawn_at.is_not(None), arrived))
        .order_by(Delivery.created_at)
    )
    return [
        Open(f"recall-{row.id}-{row.attempt}", (row.id, row.attempt), partition=row.destination)
        for row in session.execute(query)
    ]


def lost(session: Session, row: Open, status: str) -> bool:
    """A workflow ended and left its line open: a person must look at it."""
    delivery, attempt = row.arguments
    error = f"workflow ended as {status}"
    return fail(session, str(delivery), int(attempt), error, DeliveryState.RECALL)


def _removed(session: Session, delivery_id: str, attempt: int) -> Result:
    now = session.get_one(Delivery, delivery_id, with_for_update=True, populate_existing=True)
    if now.state in (DeliveryState.WAITING, DeliveryState.SENT):
        # The report was restored meanwhile: what was sent may be what is now removed.
        now.state, now.sent_at = DeliveryState.WAITING, None
        now.attempt += 1
    if now.state != DeliveryState.RECALL or now.attempt != attempt:
        return Result.UNWANTED
    now.state, now.error = DeliveryState.RECALLED, ""
    data = {"destination": now.destination, "object": now.sop_instance_uid}
    record(session, SYSTEM, EventKind.OBJECT_RECALLED, study_of(session, now), data)
    return Result.RECALLED
