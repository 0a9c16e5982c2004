"""How the suite runs: work, latency by step, refusals, destinations, messages, disk.

Counted from the tables that several processes write, so it is true of all of them.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from sqlalchemy import ColumnElement, SQLColumnExpression, case, false, func, select
from sqlalchemy.orm import Session

from gransk.archive.priors import prior_keys
from gransk.delivery.overview import Hides, Standing, standings
from gransk.oversight.room import Room, room
from gransk.results.message_tables import MessageState, OutgoingMessage
from gransk.results.tables import Analysis, Delivery, Report, Workitem, WorkState
from gransk.site.config import Config
from gransk.site.events import EventKind, last_at
from gransk.site.executors import KINDS
from gransk.site.tables import Executor

ENDED = (WorkState.READY, WorkState.NOT_ANALYSED, WorkState.FAILED)
QUEUED = (
    EventKind.ANALYSIS_QUEUED, EventKind.ANALYSIS_RETRIED, EventKind.STUDY_RETURNED,
    EventKind.PROFILE_ANSWERED, EventKind.PRIOR_ARRIVED, EventKind.LESIONS_JOINED,
)  # fmt: skip
"""Events by which a study waits for its analysis, the first time or again."""
MOST = 20_000
"""Rows that one figure is made of: the newest."""


class Step(StrEnum):
    """A part of a study's way, by two instants that the tables hold."""

    QUEUE = "queue"
    """From its last image to the start of its analysis."""
    ANALYSIS = "analysis"
    """From the start of its analysis to the sealed report."""
    INFERENCE = "inference"
    """Of that, what the application itself took."""
    RELEASE = "release"
    """From the sealed report to its release: held while a policy or a person holds it."""
    DELIVERY = "delivery"
    """From an object's place in the outbox to its arrival."""
    WHOLE = "whole"
    """From a study's last image to the release of its report."""


@dataclass(frozen=True)
class Latency:
    """Seconds of one step: of how many, median and 95th percentile."""

    of: str
    """Application, or destination where the step is delivery."""
    step: Step
    count: int
    median: float
    percentile_95: float


@dataclass(frozen=True)
class Queue:
    """Work of one application that has not ended; ``oldest`` is since when the first waits: its
    last image, or that it was asked for again."""

    application: str
    waiting: int
    running: int
    urgent: int
    oldest: datetime.datetime | None


@dataclass(frozen=True)
class Ended:
    """How many studies of an application ended so in the window; ``reason`` of a refusal."""

    application: str
    state: WorkState
    reason: str
    count: int


@dataclass(frozen=True)
class WorkerSeen:
    """An executor that was not stopped, and whether it is heard of."""

    id: str
    heartbeat: datetime.datetime
    alive: bool


@dataclass(frozen=True)
class MessagesOpen:
    """Messages to one system that wait or failed; ``oldest`` is since when the first waits."""

    destination: str
    waiting: int
    failed: int
    oldest: datetime.datetime | None


@dataclass(frozen=True)
class Running:
    """How the suite runs at an instant, as far as who asks may see."""

    at: datetime.datetime
    since: datetime.datetime
    queues: Sequence[Queue]
    ended: Sequence[Ended]
    latencies: Sequence[Latency]
    hours: Sequence[tuple[datetime.datetime, int]]
    """Start of each hour of the window, and how many studies ended in it."""
    workers: Sequence[WorkerSeen]
    destinations: Sequence[Standing]
    messages: Sequence[MessagesOpen]
    disk: Room | None


def running(
    session: Session,
    config: Config,
    hides: Hides,
    now: datetime.datetime,
    hours: int = 24,
    waiting_hides: Hides | None = None,
) -> Running:
    """How the suite runs.

    Parameters
    ----------
    session : Session
    config : Config
    hides : callable
        What who asks may not see: neither counted nor timed.
    now : datetime
        Aware.
    hours : int
        Length of the window that ended work is counted in.
    waiting_hides : callable, optional
        Instead of ``hides`` for work that has not ended.
    """
    since = now - datetime.timedelta(hours=hours)
    return Running(
        at=now,
        since=since,
        queues=queues(session, waiting_hides or hides),
        ended=_ended(session, hides, since),
        latencies=[*_of_studies(session, hides, since), *_of_deliveries(session, hides, since)],
        hours=_hours(session, hides, since, hours),
        workers=workers(session, config, now),
        destinations=standings(session, config.destinations, hides),
        messages=messages(session, hides),
        disk=_disk(config),
    )


def queues(session: Session, hides: Hides) -> list[Queue]:
    """Work of each application that has not ended."""
    queued = last_at(Workitem.study_key, QUEUED)
    since = case((queued > Workitem.images_at, queued), else_=Workitem.images_at)
    rows = (
        select(
            Workitem.application, Workitem.state, (Workitem.priority > 0).label("urgent"),
            since.label("since"),
        )
        .where(Workitem.state.in_([WorkState.WAITING, WorkState.RUNNING]))
        .where(Workitem.study_key.not_in(prior_keys()), ~hides(Workitem.study_key))
        .subquery()
    ).c  # fmt: skip
    parts = (rows.application, rows.state, rows.urgent)
    query = select(*parts, func.count(), func.min(rows.since)).group_by(*parts)
    counts: dict[str, Counter[str]] = {}
    oldest: dict[str, datetime.datetime] = {}
    for application, state, urgent, count, first in session.execute(query):
        mine = counts.setdefault(application, Counter())
        mine[state] += count
        if state == WorkState.WAITING:
            mine["urgent"] += count if urgent else 0
            oldest[application] = min(oldest.get(application, first), first)
    return [
        Queue(
            name, mine[WorkState.WAITING], mine[WorkState.RUNNING], mine["urgent"], oldest.get(name)
        )
        for name, mine in sorted(counts.items())
    ]


def _ended(session: Session, hides: Hides, since: datetime.datetime) -> list[Ended]:
    reason = func.coalesce(Workitem.reason, "")
    query = (
        select(Workitem.application, Workitem.state, reason, func.count())
        .where(Workitem.state.in_(ENDED), Workitem.finished_at >= since)
        .where(~hides(Workitem.study_key))
        .group_by(Workitem.application, Workitem.state, reason)
        .order_by(Workitem.application, Workitem.state, reason)
    )
    return [Ended(name, WorkState(state), why, n) for name, state, why, n in session.execute(query)]


def _of_studies(session: Session, hides: Hides, since: datetime.datetime) -> list[Latency]:
    """Of first reports alone: what is made or tried again waited for something else."""
    query = (
        select(
            Workitem.application, Workitem.images_at, Workitem.started_at, Workitem.finished_at,
            Report.released_at, Analysis.seconds, Analysis.sealed_at,
        )
        .join(Report, Report.key == Workitem.report_key)
        .join(Analysis, Analysis.key == Report.analysis_key)
        .where(Workitem.state == WorkState.READY, Workitem.finished_at >= since)
        .where(Report.supersedes.is_(None), ~hides(Workitem.study_key))
        .where(last_at(Workitem.study_key, [EventKind.ANALYSIS_RETRIED]).is_(None))
        .order_by(Workitem.finished_at.desc())
        .limit(MOST)
    )  # fmt: skip
    found: dict[tuple[str, Step], list[float]] = {}

    def add(name: str, step: Step, seconds: float) -> None:
        found.setdefault((name, step), []).append(max(0.0, seconds))

    for name, images, started, finished, released, seconds, sealed in session.execute(query):
        if started is None or finished is None:
            continue
        add(name, Step.QUEUE, (started - images).total_seconds())
        add(name, Step.ANALYSIS, (finished - started).total_seconds())
        if started <= sealed <= finished:
            add(name, Step.INFERENCE, seconds)
        if released is not None:
            add(name, Step.RELEASE, (released - finished).total_seconds())
            add(name, Step.WHOLE, (released - images).total_seconds())
    return _latencies(found)


def _of_deliveries(session: Session, hides: Hides, since: datetime.datetime) -> list[Latency]:
    query = (
        select(Delivery.destination, Delivery.created_at, Delivery.sent_at)
        .join(Report, Report.key == Delivery.report_key)
        .join(Workitem, Workitem.id == Report.workitem_id)
        .where(Delivery.sent_at >= since, ~hides(Workitem.study_key))
        .order_by(Delivery.sent_at.desc())
        .limit(MOST)
    )
    found: dict[tuple[str, Step], list[float]] = {}
    for name, created, sent in session.execute(query):
        if sent is None:
            continue
        found.setdefault((name, Step.DELIVERY), []).append((sent - created).total_seconds())
    return _latencies(found)


def _latencies(found: dict[tuple[str, Step], list[float]]) -> list[Latency]:
    order = list(Step)
    return [
        Latency(name, step, len(seconds), *map(float, np.percentile(seconds, [50, 95])))
        for (name, step), seconds in sorted(
            found.items(), key=lambda item: (item[0][0], order.index(item[0][1]))
        )
    ]


def _hours(
    session: Session, hides: Hides, since: datetime.datetime, hours: int
) -> list[tuple[datetime.datetime, int]]:
    query = select(Workitem.finished_at).where(
        Workitem.state.in_(ENDED), Workitem.finished_at >= since, ~hides(Workitem.study_key)
    )
    ended = Counter(_hour(at) for at in session.scalars(query) if at is not None)
    starts = (_hour(since) + datetime.timedelta(hours=n) for n in range(1, hours + 1))
    return [(start, ended[start]) for start in starts]


def _hour(at: datetime.datetime) -> datetime.datetime:
    return at.astimezone(datetime.UTC).replace(minute=0, second=0, microsecond=0)


def workers(session: Session, config: Config, now: datetime.datetime) -> list[WorkerSeen]:
    """Those that were not stopped in good order; of the silent ones those of the last day."""
    query = select(Executor).where(
        Executor.kind.in_(KINDS.values()),
        Executor.stopped_at.is_(None),
        Executor.heartbeat_at > now - datetime.timedelta(days=1),
    )
    lost = datetime.timedelta(seconds=config.workers.lost_after_seconds)
    return [
        WorkerSeen(one.id, one.heartbeat_at, now - one.heartbeat_at < lost)
        for one in session.scalars(query.order_by(Executor.id))
    ]


def last_heard(session: Session) -> datetime.datetime | None:
    """When any worker was last heard of; None where there never was one."""
    query = select(func.max(func.coalesce(Executor.stopped_at, Executor.heartbeat_at)))
    return session.scalar(query.where(Executor.kind.in_(KINDS.values())))


def messages(session: Session, hides: Hides) -> list[MessagesOpen]:
    """Messages of each system that wait or failed."""
    again = last_at(OutgoingMessage.study_key, [EventKind.MESSAGE_RETRIED])
    made = OutgoingMessage.created_at
    query = (
        select(
            OutgoingMessage.destination, OutgoingMessage.state, func.count(),
            func.min(case((again > made, again), else_=made)),
        )
        .where(OutgoingMessage.state.in_([MessageState.WAITING, MessageState.FAILED]))
        .where(~hides(OutgoingMessage.study_key))
        .group_by(OutgoingMessage.destination, OutgoingMessage.state)
    )  # fmt: skip
    counts: dict[str, Counter[str]] = {}
    oldest: dict[str, datetime.datetime] = {}
    for destination, state, count, first in session.execute(query):
        counts.setdefault(destination, Counter())[state] = count
        if state == MessageState.WAITING:
            oldest[destination] = first
    return [
        MessagesOpen(name, mine[MessageState.WAITING], mine[MessageState.FAILED], oldest.get(name))
        for name, mine in sorted(counts.items())
    ]


def _disk(config: Config) -> Room | None:
    try:
        return room(config)
    except OSError:
        return None


def alive(workers: Iterable[WorkerSeen]) -> int:
    """How many workers are heard of."""
    return sum(one.alive for one in workers)


def nothing_hidden(_key: SQLColumnExpression[str]) -> ColumnElement[bool]:
    """For who may see everything that is asked."""
    return false()
