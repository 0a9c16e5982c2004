"""Alarms about how the suite runs: no worker, a long queue, a silent destination, little room."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from gransk.archive.status import State, Status
from gransk.delivery.overview import standings
from gransk.oversight.alarm_tables import AlarmKind
from gransk.oversight.alarms import Figure, end_alarm, open_alarms, raise_alarm
from gransk.oversight.room import RoomLevel, room
from gransk.oversight.running import alive, last_heard, messages, nothing_hidden, queues, workers
from gransk.site.config import Config
from gransk.site.database import Database, utcnow

KINDS = (
    AlarmKind.NO_WORKER, AlarmKind.QUEUE_LONG, AlarmKind.DESTINATION_DOWN, AlarmKind.DISK_FULL,
    AlarmKind.SERVICE_FAULT,
)  # fmt: skip
"""Alarms that are raised and ended here alone."""


@dataclass(frozen=True)
class Fault:
    """Something that is wrong now.

    Parameters
    ----------
    kind : AlarmKind
    about : str
        Application, destination or part of the suite.
    since : datetime
    figures : mapping
    """

    kind: AlarmKind
    about: str
    since: datetime.datetime
    figures: Mapping[str, Figure] = field(default_factory=dict)


class OperatingWatcher:
    """Looks how the suite runs; for one caller at a time.

    Parameters
    ----------
    database : Database
    config : callable
        The configuration of now.
    intake : callable
        How the intake is.
    """

    def __init__(
        self, database: Database, config: Callable[[], Config], intake: Callable[[], Status]
    ) -> None:
        self._database = database
        self._config = config
        self._intake = intake
        self._began = utcnow()

    def run_once(self) -> int:
        """Look once; how many alarms last. Where nobody is to look, none does."""
        now, config = utcnow(), self._config()
        on = config.monitoring.operation.enabled
        with self._database.read() as session:
            lasting = {
                (one.kind, one.about): one.figures
                for one in open_alarms(session)
                if one.kind in KINDS
            }
            faults = self._faults(session, config, now) if on else []
            wrong = {(one.kind, one.about): one for one in faults}
        if lasting == {key: fault.figures for key, fault in wrong.items()}:
            return len(wrong)
        with self._database.begin() as session:
            _settle(session, wrong, lasting)
        return len(wrong)

    def _faults(self, session: Session, config: Config, now: datetime.datetime) -> Iterable[Fault]:
        # It asks how long work waits, never how it ended: nothing is hidden from it.
        limits = config.monitoring.operation
        heard = last_heard(session) or self._began
        lost = datetime.timedelta(seconds=config.workers.lost_after_seconds)
        if not alive(workers(session, config, now)) and now - max(heard, self._began) > lost:
            yield Fault(AlarmKind.NO_WORKER, "workers", heard)
        longest = datetime.timedelta(minutes=limits.queue_minutes)
        for queue in queues(session, nothing_hidden):
            if queue.oldest is not None and queue.application and now - queue.oldest > longest:
                yield Fault(AlarmKind.QUEUE_LONG, queue.application, queue.oldest)
        longest = datetime.timedelta(minutes=limits.destination_minutes)
        sent_to = standings(session, config.destinations, nothing_hidden)
        waiting = [(one.name, one.oldest) for one in sent_to]
        waiting += [(one.destination, one.oldest) for one in messages(session, nothing_hidden)]
        for name, oldest in waiting:
            if oldest is not None and now - oldest > longest:
                yield Fault(AlarmKind.DESTINATION_DOWN, name, oldest)
        here = room(config)
        if here.level is not RoomLevel.GOOD:
            figures = {"free_mb": _rounded(here.free_mb), "least_mb": here.least_mb}
            yield Fault(AlarmKind.DISK_FULL, "data", now, figures)
        status = self._intake()
        longest = datetime.timedelta(minutes=limits.intake_minutes)
        if status.state not in (State.STARTING, State.RUNNING) and now - status.since > longest:
            yield Fault(
                AlarmKind.SERVICE_FAULT, "intake", status.since, {"cause": status.cause.value}
            )


def _settle(
    session: Session,
    wrong: Mapping[tuple[AlarmKind, str], Fault],
    lasting: Iterable[tuple[AlarmKind, str]],
) -> None:
    before = set(lasting)
    for _, fault in sorted(wrong.items()):
        raise_alarm(session, fault.kind, fault.about, fault.figures, since=fault.since)
    for kind, about in sorted(before - set(wrong)):
        end_alarm(session, AlarmKind(kind), about)


def _rounded(megabytes: int) -> int:
    """To two figures, so that an alarm is not brought up to date at each look."""
    return int(float(f"{megabytes:.1e}"))
