"""The workflow *recall*: what becomes of an object at a destination once its report fell.

The destination's policy says it: the object stays (``keep``), is taken out of sight by a
rejection note (``hide``), or is removed (``delete``). A superseded report goes once the one in
its place has arrived, so that there is never nothing; a withdrawn one goes at once. The result
store keeps the bytes, and a report that stands again is sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dbos import DBOS
from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session, aliased

from gransk.delivery.destination import Destination
from gransk.delivery.hiding import Hider
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
from gransk.results.blobs import BlobStore
from gransk.results.starter import RESTARTED_OFTEN, Open, Starter
from gransk.results.store import send_anew
from gransk.results.tables import Delivery, DeliveryState, Report, Workitem
from gransk.site.config_destinations import Superseded
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM, EventKind, record
from gransk.site.workflows import QueueName, workflow

NAME = "recall"

BECOMES: dict[Superseded, tuple[DeliveryState, EventKind]] = {
    "keep": (DeliveryState.KEPT, EventKind.OBJECT_KEPT),
    "hide": (DeliveryState.HIDDEN, EventKind.OBJECT_HIDDEN),
    "delete": (DeliveryState.RECALLED, EventKind.OBJECT_RECALLED),
}
"""State and event of a line that was dealt with by each policy."""


class Recaller:
    """What deals with fallen objects at the destinations.

    Parameters
    ----------
    database : Database
    blobs : BlobStore
    destinations : mapping of str to Destination
    policies : mapping of str to str
        By name of the destination: ``keep``, ``hide`` or ``delete``.
    language : str or callable
        Of rejection notes; a callable tells it each time.
    paces : mapping of str to Pace, optional
        By name of the destination; removals and notes take turns with what is sent.
    """

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        destinations: Mapping[str, Destination],
        policies: Mapping[str, Superseded],
        language: str | Callable[[], str] = "en",
        paces: Mapping[str, Pace] | None = None,
    ) -> None:
        self.database = database
        self.destinations = destinations
        self.policies = policies
        self.paces = paces or {}
        self.hider = Hider(database, blobs, language)

    def register(self) -> None:
        """Make the workflow known to DBOS; call it before DBOS is launched."""

        @DBOS.step(name="recall_once")
        def once(delivery: str, attempt: int) -> dict[str, Any]:
            return self.once(delivery, attempt).told

        @DBOS.step(name="recall_give_up")
        def give_up(delivery: str, attempt: int, error: str) -> None:
            with self.database.begin() as session:
                fail(session, delivery, attempt, error, DeliveryState.RECALL)

        @DBOS.step(name="recall_others")
        def others(delivery: str, since: str) -> bool:
            with self.database.read() as session:
                return takes_others(session, delivery, since)

        @DBOS.step(name="recall_on")
        def go_on(delivery: str, attempt: int) -> None:
            with self.database.begin() as session:
                renew(session, delivery, attempt, DeliveryState.RECALL)

        @workflow(NAME)
        def recall(delivery: str, attempt: int) -> str:
            return try_until_ended(delivery, attempt, once, give_up, go_on, others)

    def once(self, delivery_id: str, attempt: int) -> Answer:
        """Try once."""
        pace, since = Pace(), ""

        def act() -> Answer:
            nonlocal pace, since
            with self.database.begin() as session:
                since = tried_since(session, delivery_id)
                line = self._begin(session, delivery_id, attempt)
            if isinstance(line, Answer):
                return line
            pace = self.paces.get(line.destination, pace)
            destination = named(self.destinations, line.destination)
            policy = self.policies[line.destination]
            if policy == "delete":
                destination.remove(line.sop_instance_uid)
            elif policy == "hide" and not self.hider.hide(destination, line):
                return Answer(Result.UNWANTED)
            with self.database.begin() as session:
                return Answer(_done(session, delivery_id, attempt, policy))

        answer = answered(self.database, delivery_id, attempt, DeliveryState.RECALL, act)
        return doubted(answer, since)._replace(longest=pace.longest_wait_seconds)

    def _begin(self, session: Session, delivery_id: str, attempt: int) -> Delivery | Answer:
        """The line, where it is its turn; what is kept asks nothing of the destination."""
        session.get(Delivery, delivery_id, with_for_update=True)
        line = open_line(session, delivery_id, attempt, DeliveryState.RECALL)
        if line is None:
            return Answer(Result.UNWANTED)
        pace = self.paces.get(line.destination)
        if pace is not None and pace.per_minute and self.policies.get(line.destination) != "keep":
            seconds = turn(session, line.destination, pace.per_minute)
            if seconds:
                return Answer(Result.NOT_YET, after=seconds)
        line.tried_at = utcnow()
        return line


def starter(database: Database) -> Starter:
    """Starts a workflow for every object that may be dealt with."""
    return Starter(database, QueueName.DELIVER, NAME, open_rows, lost)


def open_rows(session: Session) -> list[Open]:
    """Lines to be recalled, of withdrawn reports and of those whose successor has arrived.

    A report that was withdrawn goes at once even where its row has no report any more; so does
    one that stands again and is held.
    """
    current, line = aliased(Report), aliased(Delivery)
    unsent = exists().where(
        line.report_key == current.key,
        line.destination == Delivery.destination,
        line.state != DeliveryState.SENT,
    )
    gone = or_(Report.withdrawn_at.is_not(None), Report.released_at.is_(None))
    arrived = and_(current.key != Report.key, current.released_at.is_not(None), ~unsent)
    query = (
        select(Delivery.id, Delivery.attempt, Delivery.destination)
        .join(Report, Report.key == Delivery.report_key)
        .join(Workitem, Workitem.id == Report.workitem_id)
        .outerjoin(current, current.key == Workitem.report_key)
        .where(Delivery.state == DeliveryState.RECALL)
        .where(or_(gone, current.withdrawn_at.is_not(None), arrived))
        .order_by(Delivery.created_at)
    )
    return [
        Open(f"recall-{row.id}-{row.attempt}", (row.id, row.attempt), partition=row.destination)
        for row in session.execute(query)
    ]


def lost(session: Session, row: Open, status: str) -> bool:
    """A workflow ended and left its line open: a person must look at it."""
    delivery, attempt = str(row.arguments[0]), int(row.arguments[1])
    if status == RESTARTED_OFTEN:
        renew(session, delivery, attempt, DeliveryState.RECALL)
        return False
    error = f"workflow ended as {status}"
    return fail(session, delivery, attempt, error, DeliveryState.RECALL)


def _done(session: Session, delivery_id: str, attempt: int, policy: Superseded) -> Result:
    now = session.get_one(Delivery, delivery_id, with_for_update=True, populate_existing=True)
    state, kind = BECOMES[policy]
    if now.state in (DeliveryState.WAITING, DeliveryState.SENT):
        # The report was restored meanwhile: what was sent may be what is now removed or hidden.
        now.state = state
        send_anew(now)
    if now.state != DeliveryState.RECALL or now.attempt != attempt:
        return Result.UNWANTED
    now.state, now.error = state, ""
    data = {"destination": now.destination, "object": now.sop_instance_uid}
    record(session, SYSTEM, kind, study_of(session, now), data)
    return Result.RECALLED
