"""The suite's figures as Prometheus reads them.

Gauges are counted from the tables at each reading; counters from the event log, which only
grows, so they are true of every process and outlast a restart. No label names a study or person.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry
from sqlalchemy import func, select
from sqlalchemy.orm import Session

import gransk
from gransk.archive.status import Status
from gransk.oversight.running import Running
from gransk.site.events import EventKind
from gransk.site.tables import Event

COUNTED = (
    EventKind.SERVICE_STARTED, EventKind.WORKER_STARTED, EventKind.WORKER_LOST,
    EventKind.WORK_TAKEN_OVER, EventKind.STUDY_SEEN, EventKind.STUDY_READY,
    EventKind.STUDY_INCOMPLETE, EventKind.INTAKE_PAUSED, EventKind.ARCHIVE_CHANGED,
    EventKind.ANALYSIS_QUEUED, EventKind.SIGN_IN_FAILED, EventKind.ACCOUNT_LOCKED,
    EventKind.ACCESS_REFUSED, EventKind.MESSAGE_TAKEN, EventKind.MESSAGE_REFUSED,
    EventKind.SETTINGS_CHANGED, EventKind.ALARM_RAISED,
)  # fmt: skip
"""Events that tell nothing of what an analysis or a reader said."""


class EventCounts:
    """How many events of each kind the log holds; each reading looks at the new ones alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0
        self._counts: Counter[str] = Counter()

    def __call__(self, session: Session) -> dict[str, int]:
        with self._lock:
            last = session.scalar(select(func.max(Event.number))) or 0
            query = (
                select(Event.kind, func.count())
                .where(Event.number > self._until, Event.number <= last)
                .where(Event.kind.in_([kind.value for kind in COUNTED]))
                .group_by(Event.kind)
            )
            self._counts.update({kind: count for kind, count in session.execute(query)})
            self._until = last
            return {kind.value: self._counts[kind.value] for kind in COUNTED}


class Figures(Collector):
    """One reading, as metric families."""

    def __init__(
        self,
        found: Running,
        intake: Status | None = None,
        settings_version: int = 0,
        events: dict[str, int] | None = None,
        alarms: Iterable[tuple[str, int]] = (),
    ) -> None:
        self.found = found
        self.intake = intake
        self.settings_version = settings_version
        self.events = events
        self.alarms = tuple(alarms)

    def collect(self) -> Iterator[Metric]:
        """Every family; empty ones too, so that a query finds its name."""
        yield _gauge("build_info", "Version of Gransk.", ["version"], [((gransk.__version__,), 1)])
        yield _gauge(
            "settings_version", "Version of the settings in force.", [],
            [((), self.settings_version)],
        )  # fmt: skip
        if self.intake is not None:
            state = [((self.intake.cause.value,), int(not self.intake.cause))]
            yield _gauge("intake_up", "Whether studies are taken in; why not.", ["cause"], state)
        yield from self._work()
        yield from self._steps()
        yield from self._outside()
        yield _gauge(
            "alarms_open", "Alarms that last.", ["kind"], [((k,), n) for k, n in self.alarms]
        )
        if self.events is not None:
            counted = CounterMetricFamily(
                "gransk_events", "Events of the log, by kind.", labels=["kind"]
            )
            for kind, count in self.events.items():
                counted.add_metric([kind], count)
            yield counted

    def _work(self) -> Iterator[Metric]:
        found = self.found
        states = [
            ((one.application, state), count)
            for one in found.queues
            for state, count in (("waiting", one.waiting), ("running", one.running))
        ]
        yield _gauge("queue_studies", "Studies whose analysis has not ended.",
                     ["application", "state"], states)  # fmt: skip
        ages = [
            ((one.application,), (found.at - one.oldest).total_seconds() if one.oldest else 0.0)
            for one in found.queues
        ]
        yield _gauge("queue_oldest_seconds", "Since the last image of what waits longest.",
                     ["application"], ages)  # fmt: skip
        ended = [((one.application, one.state.value, one.reason), one.count) for one in found.ended]
        yield _gauge("studies_ended", "Studies that ended in the last 24 hours, by reason code.",
                     ["application", "state", "reason"], ended)  # fmt: skip
        yield _gauge("workers", "Workers that are heard of.", [],
                     [((), sum(one.alive for one in found.workers))])  # fmt: skip

    def _steps(self) -> Iterator[Metric]:
        rows = [
            ((one.of, one.step.value, quantile), value)
            for one in self.found.latencies
            for quantile, value in (("0.5", one.median), ("0.95", one.percentile_95))
        ]
        yield _gauge("step_seconds", "Latency by step in the last 24 hours.",
                     ["of", "step", "quantile"], rows)  # fmt: skip
        counts = [((one.of, one.step.value), one.count) for one in self.found.latencies]
        yield _gauge("step_studies", "Of how many its quantiles are.", ["of", "step"], counts)

    def _outside(self) -> Iterator[Metric]:
        found = self.found
        objects = [
            ((one.name, state), count)
            for one in found.destinations
            for state, count in (
                ("waiting", one.waiting), ("failed", one.failed), ("sent", one.sent),
                ("uncommitted", one.uncommitted),
            )
        ]  # fmt: skip
        yield _gauge(
            "destination_objects", "Objects by destination.", ["destination", "state"], objects
        )
        ages = [
            ((one.name,), (found.at - one.oldest).total_seconds() if one.oldest else 0.0)
            for one in found.destinations
        ]
        yield _gauge("destination_oldest_seconds", "Since when the first object waits.",
                     ["destination"], ages)  # fmt: skip
        messages = [
            ((one.destination, state), count)
            for one in found.messages
            for state, count in (("waiting", one.waiting), ("failed", one.failed))
        ]
        yield _gauge(
            "messages", "Messages that are not delivered.", ["destination", "state"], messages
        )
        if found.disk is not None:
            room = [(("free",), found.disk.free), (("total",), found.disk.total)]
            yield _gauge("disk_bytes", "Disk of Gransk's data.", ["kind"], room)


def written(figures: Figures, accept: str) -> tuple[bytes, str]:
    """The figures in the format that ``Accept`` asks for, and its content type."""
    registry = CollectorRegistry()
    registry.register(figures)
    encode, kind = choose_encoder(accept)
    return encode(registry), kind


def _gauge(
    name: str,
    meaning: str,
    labels: Sequence[str],
    rows: Iterable[tuple[tuple[str, ...], float]],
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"gransk_{name}", meaning, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family
