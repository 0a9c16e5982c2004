"""Random kills of the real processes while studies stream in: the harness and its table."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from harness_suite import ENDED, Suite
from pydicom import dcmread
from sqlalchemy import func, select

from gransk.archive.tables import SeenStudy
from gransk.pipeline.workitems import Work
from gransk.results.tables import Delivery, DeliveryState, Report, Workitem, WorkState

MUST_HIT = frozenset(
    {
        ("orthanc", "receiving"),
        ("orthanc", "fetching"),
        ("orthanc", "delivering"),
        ("service", "receiving"),
        ("service", "settling"),
        ("worker", "fetching"),
        ("worker", "analysing"),
        ("worker", "writing"),
        ("worker", "delivering"),
    }
)
"""Whom a kill can hit in which step, between first C-STORE and last delivery."""

OPEN_AT_ONCE = 4
"""The modality sends the next study when fewer are open, so that every step goes on throughout."""

AIM_SECONDS = 15.0

OPEN_LINES = (DeliveryState.WAITING, DeliveryState.RECALL)

WRITING = ("pictures", "objects")
FETCHING = ("start", "fetch", "select", "digest")


@dataclass(frozen=True)
class Kill:
    """One SIGKILL: when (seconds after the first C-STORE), whom, and what it was doing."""

    at: float
    victim: str
    steps: frozenset[str]
    back_after: float | None

    @property
    def hits(self) -> set[tuple[str, str]]:
        """Kind of victim and step, for each step it was hit in."""
        return {(self.victim.split("-")[0], step) for step in self.steps}


@dataclass
class Sender:
    """A modality that sends studies one after another and repeats what was not taken."""

    suite: Suite
    studies: Sequence[Path]
    sending: bool = False
    done: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        for study in self.studies:
            files = sorted(study.glob("*.dcm"))
            self.sending = True
            while files and not self.done.is_set():
                status = self.suite.store(files)
                files = [file for file, code in zip(files, status, strict=True) if code != 0]
                if files:
                    time.sleep(0.5)
            self.sending = False
            while self._open() >= OPEN_AT_ONCE:
                if self.done.wait(0.5):
                    return
        self.done.set()

    def _open(self) -> int:
        """Studies sent and not yet ended."""
        with self.suite.database.read() as session:
            seen = session.scalar(select(func.count()).select_from(SeenStudy)) or 0
            ended = select(func.count()).select_from(Workitem).where(Workitem.state.in_(ENDED))
            return seen - (session.scalar(ended) or 0)


class Chaos:
    """One run: studies stream in, processes are killed, and everything must come out right.

    Parameters
    ----------
    suite : Suite
        Running.
    studies : sequence of Path
        One folder each.
    seed : int
        Decides when and whom.
    victims : sequence of str
        Names of processes; one is drawn for each kill.
    back : (float, float) or None
        Seconds after which the victim is started again, drawn from this span;
        None: never.
    wanted : frozenset of (str, str)
        Kinds of victim and steps; each kill waits up to ``AIM_SECONDS`` for one of them
        that this run has not hit yet.
    """

    def __init__(
        self,
        suite: Suite,
        studies: Sequence[Path],
        seed: int,
        victims: Sequence[str],
        back: tuple[float, float] | None,
        wanted: frozenset[tuple[str, str]] = frozenset(),
    ) -> None:
        self.suite = suite
        self.random = random.Random(seed)
        self.victims = victims
        self.back = back
        self.wanted = wanted
        self.sender = Sender(suite, studies)
        self.kills: list[Kill] = []
        self.began = 0.0

    def run(self, kills: int, span: float, patience: float) -> None:
        """Kill at an instant of each equal part of ``span``; wait until all is delivered.

        Parameters
        ----------
        kills : int
            As many parts has the span, and in each an instant is drawn.
        span : float
            Seconds from the first C-STORE.
        patience : float
            Seconds to wait for the last delivery after the last kill.

        Raises
        ------
        TimeoutError
            Where something is stuck.
        """
        instants = [(part + self.random.random()) * span / kills for part in range(kills)]
        self.began = time.monotonic()
        thread = threading.Thread(target=self.sender.run, daemon=True)
        thread.start()
        try:
            for instant in instants:
                self._wait_until(instant)
                if self._finished():
                    break
                self._kill()
            self.suite.until(self._finished, patience, "every study to be delivered")
        finally:
            self.sender.done.set()
            thread.join(60)

    def _wait_until(self, instant: float) -> None:
        while (rest := self.began + instant - time.monotonic()) > 0:
            time.sleep(min(rest, 0.2))

    def _kill(self) -> None:
        spared = self._spared()
        alive = [n for n in self.victims if self.suite.pid(n) is not None and n not in spared]
        if not alive:
            return
        victim = self._aim(alive) or self.random.choice(alive)
        steps = frozenset(step for who, step in self.steps() if who == victim)
        self.suite.kill(victim)
        back = None if self.back is None else self.random.uniform(*self.back)
        self.kills.append(Kill(time.monotonic() - self.began, victim, steps, back))
        if back is not None:
            time.sleep(back)
            self.suite.restart(victim)

    def _spared(self) -> frozenset[str]:
        """Workers whose study died so often that once more would set it aside, as it should."""
        allowed = self.suite.config.workers.max_deaths
        items = [i for i in self.suite.items() if i.deaths >= allowed - 1 and i.state not in ENDED]
        owners = _owners(self.suite) if items else {}
        return frozenset(owners.get(Work.of(item).workflow_id, "nobody") for item in items)

    def _aim(self, alive: Sequence[str]) -> str | None:
        """The first who is seen in a wanted step; None where nobody is in time."""
        missed = self.wanted - set(hits([self]))
        deadline = time.monotonic() + AIM_SECONDS
        while missed and time.monotonic() < deadline and not self._finished():
            for who, step in sorted(self.steps()):
                if who in alive and (who.split("-")[0], step) in missed:
                    return who
            time.sleep(0.02)
        return None

    def steps(self) -> frozenset[tuple[str, str]]:
        """Who is in the middle of what at this instant."""
        found: set[tuple[str, str]] = set()
        workers = [name for name in self.suite.names if name.startswith("worker")]
        lines = select(func.count()).select_from(Delivery)
        reports = select(func.count()).select_from(Report)
        studies = select(func.count()).select_from(SeenStudy)
        with self.suite.database.read() as session:
            pending = session.scalar(studies.where(SeenStudy.pending))
            items = session.scalars(
                select(Workitem).where(Workitem.state == WorkState.RUNNING)
            ).all()
            waiting = session.scalar(lines.where(Delivery.state.in_(OPEN_LINES)))
            held = session.scalar(reports.where(Report.released_at.is_(None)))
        if self.sender.sending:
            found |= {("orthanc", "receiving"), ("service", "receiving")}
        if pending:
            found.add(("service", "settling"))
        if waiting or held:
            found |= {(name, "delivering") for name in ("orthanc", *workers)}
        owners = _owners(self.suite) if items else {}
        for item in items:
            phase = _phase(item.step)
            found.add((owners.get(Work.of(item).workflow_id, "nobody"), phase))
            if phase == "fetching":
                found.add(("orthanc", phase))
        return frozenset(found)

    def _finished(self) -> bool:
        """Has every study been sent, analysed and delivered?"""
        if not self.sender.done.is_set():
            return False
        items = self.suite.items()
        return (
            len(items) >= len(self.sender.studies)
            and all(item.state in ENDED for item in items)
            and not self.steps()
        )

    def table(self) -> str:
        """The kills, one a line, and how often each step was hit."""
        lines = [f"{'s':>7}  {'victim':<9} {'back after':>10}  hit"]
        for kill in self.kills:
            back = "never" if kill.back_after is None else f"{kill.back_after:.1f} s"
            hit = ", ".join(sorted(kill.steps)) or "nothing of its own"
            lines.append(f"{kill.at:7.1f}  {kill.victim:<9} {back:>10}  {hit}")
        return "\n".join(lines)


def hits(runs: Sequence[Chaos]) -> Counter[tuple[str, str]]:
    """How many kills hit each kind of process in each step."""
    return Counter(hit for run in runs for kill in run.kills for hit in kill.hits)


def _owners(suite: Suite) -> dict[str, str]:
    """Name of the worker that executes each workflow, from the queue's own table."""
    url = suite.config.database.workflows_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(f"file:{url}?mode=ro", uri=True, timeout=30)) as queue:
        rows = queue.execute(
            "select workflow_uuid, executor_id from workflow_status where status = 'PENDING'"
        ).fetchall()
    return {uuid: f"worker-{str(owner).rsplit('-', 1)[1]}" for uuid, owner in rows if owner}


def _phase(step: str) -> str:
    if step in WRITING:
        return "writing"
    return "fetching" if step in FETCHING else "analysing"


def check(suite: Suite, studies: Sequence[Path]) -> None:
    """Every study once: one row, one report that stands, each object once in the archive.

    Raises
    ------
    AssertionError
        Says what is lost, doubled or stuck.
    """
    sent = {str(dcmread(next(s.glob("*.dcm")), stop_before_pixels=True).StudyInstanceUID): s
            for s in studies}  # fmt: skip
    with suite.database.read() as session:
        seen = {s.study_instance_uid: s.key for s in session.scalars(select(SeenStudy))}
        items = list(session.scalars(select(Workitem)))
        reports = list(session.scalars(select(Report)))
        lines = list(session.scalars(select(Delivery)))
    assert set(seen) == set(sent), "studies lost"
    rows = Counter(item.study_key for item in items)
    assert rows == {key: 1 for key in seen.values()}, "a study without exactly one row"
    wrong = [(i.state, i.reason, i.detail) for i in items if i.state != WorkState.READY]
    assert not wrong, f"not ready: {wrong}"
    replaced = {report.supersedes for report in reports}
    standing = Counter(r.workitem_id for r in reports if r.key not in replaced)
    assert standing == {item.id: 1 for item in items}, "a study without exactly one report"
    assert len({r.analysis_key for r in reports}) == len(reports), "one input analysed twice"
    ended = {DeliveryState.SENT, DeliveryState.CANCELLED, DeliveryState.RECALLED}
    stuck = [line.state for line in lines if line.state not in ended]
    assert not stuck, f"deliveries: {stuck}"
    there = [line.sop_instance_uid for line in lines if line.state == DeliveryState.SENT]
    _check_archive(suite, there)


def _check_archive(suite: Suite, sent: Sequence[str]) -> None:
    """The archive holds just the objects that were sent, beside the images."""
    archive = suite.orthanc.client
    ours = Counter[str]()
    for study in archive.study_ids():
        kinds = {
            series["ID"]: series["MainDicomTags"].get("Modality")
            for series in archive.study_series(study)
        }
        for instance in archive.instances(study):
            if kinds[instance.series_id] != "CT":
                ours[instance.sop_instance_uid] += 1
    assert ours == Counter(set(sent)), "objects in the archive are not those that were sent"
