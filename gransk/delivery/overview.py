"""How each destination stands: what waits, what failed, what is not committed, what fell."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVarTuple

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, case, func, select
from sqlalchemy.orm import Session

from gransk.delivery import deliver
from gransk.results.tables import (
    Blob,
    Delivery,
    DeliveryState,
    Report,
    ReportObject,
    Workitem,
)
from gransk.site.config_destinations import Destination, DicomDestination
from gransk.site.database import Database
from gransk.site.events import EventKind, last_at

Columns = TypeVarTuple("Columns")
Hides = Callable[[SQLColumnExpression[str]], ColumnElement[bool]]
"""Says of a study key whether who asks may not see it."""

OPENS = (
    EventKind.DELIVERY_RETRIED, EventKind.REPORT_SUPERSEDED, EventKind.REPORT_WITHDRAWN,
)  # fmt: skip
"""Events by which what was sent or had failed waits anew."""
OPEN = (DeliveryState.FAILED, DeliveryState.WAITING, DeliveryState.RECALL)


@dataclass(frozen=True)
class Standing:
    """One destination.

    Parameters
    ----------
    name, kind : str
        ``kind`` is empty where the configuration has the destination no more.
    waiting : int
        Objects to be sent, and to be hidden or removed.
    oldest : datetime or None
        Since when the first of them waits.
    failed : int
    sent : int
        Objects that are there and stand.
    last_sent : datetime or None
    commits : bool
        Whether it is asked for storage commitment.
    uncommitted : int
        Of what was sent, what it has not committed.
    hidden, kept, removed : int
        Objects of superseded and withdrawn reports.
    error : str
        The newest of what waits or failed.
    """

    name: str
    kind: str
    waiting: int = 0
    oldest: datetime.datetime | None = None
    failed: int = 0
    sent: int = 0
    last_sent: datetime.datetime | None = None
    commits: bool = False
    uncommitted: int = 0
    hidden: int = 0
    kept: int = 0
    removed: int = 0
    error: str = ""


@dataclass(frozen=True)
class Undelivered:
    """A line of the outbox that is open: the object that it is about, and whose."""

    line: Delivery
    kind: str
    study_key: str


def standings(
    session: Session, destinations: Sequence[Destination], hides: Hides
) -> list[Standing]:
    """Every destination as it stands, counting what may be seen alone."""
    found: dict[str, dict[DeliveryState, _Count]] = {}
    uncommitted = func.sum(case((Delivery.committed_at.is_(None), 1), else_=0))
    query = _visible(
        select(
            Delivery.destination,
            Delivery.state,
            func.count().label("objects"),
            func.min(_waits_since()).label("oldest"),
            func.max(Delivery.sent_at).label("last"),
            uncommitted.label("uncommitted"),
        ),
        hides,
    ).group_by(Delivery.destination, Delivery.state)
    for row in session.execute(query):
        one = _Count(row.objects, row.oldest, row.last, row.uncommitted or 0)
        found.setdefault(row.destination, {})[DeliveryState(row.state)] = one
    errors = _errors(session, hides)
    known = {one.name: one for one in destinations}
    return [
        _standing(name, known.get(name), found.get(name, {}), errors.get(name, ""))
        for name in (*known, *sorted(found.keys() - known.keys()))
    ]


def _waits_since() -> ColumnElement[datetime.datetime]:
    """Since when a line waits: it was made, its report fell, or a person had it tried again."""
    again = last_at(Workitem.study_key, OPENS)
    return case(
        (Delivery.state.not_in((DeliveryState.WAITING, DeliveryState.RECALL)), Delivery.created_at),
        (again > Delivery.created_at, again),
        else_=Delivery.created_at,
    )


def undelivered(session: Session, limit: int, hides: Hides) -> list[Undelivered]:
    """Open lines, those that failed first, then the oldest."""
    failed_first = case((Delivery.state == DeliveryState.FAILED, 0), else_=1)
    query = (
        _visible(select(Delivery, ReportObject.kind, Workitem.study_key), hides)
        .join(ReportObject, ReportObject.sop_instance_uid == Delivery.sop_instance_uid)
        .where(Delivery.state.in_(OPEN))
        .order_by(failed_first, Delivery.created_at, Delivery.id)
        .limit(limit)
    )
    return [Undelivered(*row) for row in session.execute(query)]


def failed_at(session: Session, destination: str, hides: Hides) -> Sequence[str]:
    """Ids of the lines that failed at a destination and may be seen."""
    query = _visible(select(Delivery.id), hides).where(
        Delivery.destination == destination, Delivery.state == DeliveryState.FAILED
    )
    return session.scalars(query.order_by(Delivery.created_at, Delivery.id)).all()


def rerun_all(database: Database, ids: Sequence[str], actor: str) -> int:
    """Try failed lines again; how many were put back.

    Each in its own transaction: a line that is locked after an event was recorded of another
    would wait for whom waits for the log.
    """
    count = 0
    for one in ids:
        with database.begin() as session:
            count += deliver.rerun(session, one, actor)
    return count


def never_sent(
    session: Session, destination: str, since: datetime.datetime, limit: int, hides: Hides
) -> Sequence[str]:
    """Keys of reports that stand, were released since, and have no line to a destination."""
    has = select(Delivery.id).where(
        Delivery.report_key == Report.key, Delivery.destination == destination
    )
    query = (
        select(Report.key)
        .join(Workitem, Workitem.report_key == Report.key)
        .where(Report.released_at >= since, Report.withdrawn_at.is_(None))
        .where(~has.exists(), ~hides(Workitem.study_key))
        .order_by(Report.released_at.desc(), Report.key)
        .limit(limit)
    )
    return session.scalars(query).all()


@dataclass(frozen=True)
class Fallen:
    """A report of a study that stands no more, and where its objects are.

    Parameters
    ----------
    report : Report
    replaced_by : Report or None
        None where it was withdrawn.
    lines : sequence of (ReportObject, Delivery)
        Of what destinations hold, or held.
    removed_at : datetime or None
        When the bytes of its objects were removed here, their time over.
    """

    report: Report
    replaced_by: Report | None
    lines: Sequence[tuple[ReportObject, Delivery]]
    removed_at: datetime.datetime | None = None


def lines_of(session: Session, report_key: str | None) -> list[tuple[ReportObject, Delivery]]:
    """A report's objects and where they go, by destination and kind."""
    query = (
        select(ReportObject, Delivery)
        .join(Delivery, Delivery.sop_instance_uid == ReportObject.sop_instance_uid)
        .where(ReportObject.report_key == report_key)
        .order_by(Delivery.destination, ReportObject.kind, ReportObject.sop_instance_uid)
    )
    return [(made, line) for made, line in session.execute(query)]


def fallen_of(session: Session, item: Workitem) -> list[Fallen]:
    """Released reports of a row that were superseded or withdrawn, the newest first.

    A report that returned to its place is superseded by none.
    """
    reports = session.scalars(
        select(Report)
        .where(Report.workitem_id == item.id, Report.released_at.is_not(None))
        .order_by(Report.released_at.desc(), Report.key)
    ).all()
    standing = next((one for one in reports if one.key == item.report_key), None)
    by_key = {one.supersedes: one for one in reports if one.supersedes is not None}
    found = []
    for one in reports:
        if one is standing and one.withdrawn_at is None:
            continue
        after = None if one.withdrawn_at is not None else by_key.get(one.key, standing)
        found.append(Fallen(one, after, lines_of(session, one.key), _removed_at(session, one.key)))
    return found


def _removed_at(session: Session, report_key: str) -> datetime.datetime | None:
    """When the last bytes of a report's objects were removed; None where all are kept."""
    query = (
        select(Blob.removed_at)
        .join(ReportObject, ReportObject.sha256 == Blob.sha256)
        .where(ReportObject.report_key == report_key, Blob.removed_at.is_not(None))
        .order_by(Blob.removed_at.desc())
    )
    return session.scalars(query.limit(1)).first()


@dataclass(frozen=True)
class _Count:
    count: int = 0
    oldest: datetime.datetime | None = None
    last: datetime.datetime | None = None
    uncommitted: int = 0


def _standing(
    name: str, known: Destination | None, found: dict[DeliveryState, _Count], error: str
) -> Standing:
    none = _Count()
    waiting = [
        found[state] for state in (DeliveryState.WAITING, DeliveryState.RECALL) if state in found
    ]
    sent = found.get(DeliveryState.SENT, none)
    commits = isinstance(known, DicomDestination) and known.commitment
    return Standing(
        name=name,
        kind="" if known is None else known.kind,
        waiting=sum(one.count for one in waiting),
        oldest=min((one.oldest for one in waiting if one.oldest is not None), default=None),
        failed=found.get(DeliveryState.FAILED, none).count,
        sent=sent.count,
        last_sent=max((one.last for one in found.values() if one.last is not None), default=None),
        commits=commits,
        uncommitted=sent.uncommitted if commits else 0,
        hidden=found.get(DeliveryState.HIDDEN, none).count,
        kept=found.get(DeliveryState.KEPT, none).count,
        removed=found.get(DeliveryState.RECALLED, none).count,
        error=error,
    )


def _errors(session: Session, hides: Hides) -> dict[str, str]:
    """By destination, what was said last of an open line."""
    newest = func.max(func.coalesce(Delivery.tried_at, Delivery.created_at))
    last = (
        _visible(select(Delivery.destination, newest.label("at")), hides)
        .where(Delivery.error != "", Delivery.state.in_((*OPEN, DeliveryState.SENT)))
        .group_by(Delivery.destination)
        .subquery()
    )
    query = (
        _visible(select(Delivery.destination, Delivery.error), hides)
        .join(last, last.c.destination == Delivery.destination)
        .where(func.coalesce(Delivery.tried_at, Delivery.created_at) == last.c.at)
        .where(Delivery.error != "", Delivery.state.in_((*OPEN, DeliveryState.SENT)))
        .order_by(Delivery.id)
    )
    return {destination: error for destination, error in session.execute(query)}


def _visible(query: Select[*Columns], hides: Hides) -> Select[*Columns]:
    return (
        query.join(Report, Report.key == Delivery.report_key)
        .join(Workitem, Workitem.id == Report.workitem_id)
        .where(~hides(Workitem.study_key))
    )
