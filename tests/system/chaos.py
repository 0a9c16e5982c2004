"""Random kills of the real processes while studies stream in: the harness and its table."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness_suite import ENDED, Suite
from pydicom import dcmread
from sqlalchemy import func, select

from gransk.archive.tables import SeenStudy
from gransk.results.tables import Delivery, DeliveryState, Report, Workitem, WorkState

STEPS = (
    "receiving",
    "settling",
    "waiting",
    "fetching",
    "analysing",
    "writing",
    "delivering",
)
"""Where a study can be between its first C-STORE and its last delivery."""

WRITING = ("pictures", "objects")
FETCHING = ("start", "fetch", "select", "digest")


@dataclass(frozen=True)
class Kill:
    """One SIGKILL: when (seconds after the first C-STORE), whom, and what it hit."""

    at: float
    victim: str
    steps: frozenset[str]
    back_after: float | None


@dataclass
class Sender:
    """A modality that sends studies one after another and repeats what was not taken."""

    suite: Suite
    studies: Sequence[Path]
    pause: float
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
            if self.done.wait(self.pause):
                return
        self.done.set()


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
    """

    def __init__(
        self,
        suite: Suite,
        studies: Sequence[Path],
        seed: int,
        victims: Sequence[str],
        back: tuple[float, float] | None,
    ) -> None:
        self.suite = suite
        self.random = random.Random(seed)
        self.victims = victims
        self.back = back
        self.sender = Sender(suite, studies, pause=0.5)
        self.kills: list[Kill] = []
        self.began = 0.0

    def run(self, kills: int, span: float, patience: float) -> None:
        """Kill at instants drawn evenly from ``span`` seconds; wait until all is delivered.

        Raises
        ------
        TimeoutError
            Where something is stuck.
        """
        instants = sorted(self.random.uniform(0, span) for _ in range(kills))
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
        alive = [name for name in self.victims if self.suite.pid(name) is not None]
        if not alive:
            return
        victim = self.random.choice(alive)
        steps = self.steps()
        self.suite.kill(victim)
        back = None if self.back is None else self.random.uniform(*self.back)
        self.kills.append(Kill(time.monotonic() - self.began, victim, steps, back))
        if back is not None:
            time.sleep(back)
            self.suite.restart(victim)

    def steps(self) -> frozenset[str]:
        """The steps in which studies are at this instant."""
        found = {"receiving"} if self.sender.sending else set()
        with self.suite.database.read() as session:
            unsettled = session.scalar(
                select(func.count())
                .select_from(SeenStudy)
                .where(SeenStudy.deleted_at.is_(None))
                .where(SeenStudy.settled_fingerprint != SeenStudy.fingerprint)
            )
            items = session.execute(select(Workitem.state, Workitem.step)).all()
            open_lines = session.scalar(
                select(func.count())
                .select_from(Delivery)
                .where(Delivery.state == DeliveryState.WAITING)
            )
            held = session.scalar(
                select(func.count()).select_from(Report).where(Report.released_at.is_(None))
            )
        if unsettled:
            found.add("settling")
        if open_lines or held:
            found.add("delivering")
        for state, step in items:
            if state == WorkState.WAITING:
                found.add("waiting")
            elif state == WorkState.RUNNING:
                found.add(_phase(step))
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
            hit = ", ".join(sorted(kill.steps)) or "nothing open"
            lines.append(f"{kill.at:7.1f}  {kill.victim:<9} {back:>10}  {hit}")
        return "\n".join(lines)


def hits(runs: Sequence[Chaos]) -> Counter[str]:
    """How many kills hit each step."""
    return Counter(step for run in runs for kill in run.kills for step in kill.steps)


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
    stuck = [line.state for line in lines if line.state != DeliveryState.SENT]
    assert all(state == DeliveryState.CANCELLED for state in stuck), f"deliveries: {stuck}"
    _check_archive(suite, [line.sop_instance_uid for line in lines if line.sent_at is not None])


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
