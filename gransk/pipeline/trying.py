"""One try at one piece of work in a child, and what the workers' workflows work with."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy.orm import Session

from gransk.core.reasons import Reason
from gransk.core.waiting import backoff
from gransk.pipeline import protocol
from gransk.pipeline.jobs import attempted, scratch_of
from gransk.pipeline.room import insist
from gransk.pipeline.supervise import Callbacks, Ended, How, Nursery, run_child
from gransk.results.blobs import BlobStore
from gransk.site.config import Config
from gransk.site.database import Database
from gransk.site.live import InForce, in_force

log = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 60.0
LIMITS = (Reason.MEMORY_LIMIT, Reason.TIME_LIMIT)
OUTAGE_HOURS = 24.0


class Busy:
    """Counts the tries that are under way, so that a worker ends between them."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            self._count += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def wait_for_none(self, seconds: float) -> bool:
        """Wait until no try is under way; False where one still is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count == 0, seconds)


@dataclass(frozen=True)
class Tools:
    """What a workflow works with.

    ``stopping`` is set when the worker shall end; ``no_device`` too where it ends because models
    cannot be run on this host's device; ``look`` tells the starters that there may be something
    to start.
    """

    settings: Config | InForce
    database: Database
    blobs: BlobStore
    nursery: Nursery
    stopping: threading.Event = field(default_factory=threading.Event)
    no_device: threading.Event = field(default_factory=threading.Event)
    look: threading.Event = field(default_factory=threading.Event)
    busy: Busy = field(default_factory=Busy)

    @property
    def config(self) -> Config:
        """The configuration of now."""
        return in_force(self.settings).config


class Try(ABC):
    """One try at one piece of work.

    Parameters
    ----------
    tools : Tools
    name : str
        Of its workflow.
    """

    def __init__(self, tools: Tools, name: str) -> None:
        self.tools = tools
        self.name = name

    @abstractmethod
    def start(self, scratch: Path) -> protocol.Job | tuple[How, str]:
        """Say that the work runs, which counts a death; the job, or why there is none."""

    @abstractmethod
    def in_child(self, job: protocol.Job, scratch: Path) -> tuple[How, str]:
        """Have the job done by a child, and keep what comes of it."""

    @abstractmethod
    def clear_deaths(self, session: Session) -> None:
        """Forget the death that `start` counted."""

    def run(self) -> tuple[How, str]:
        """Try once; whatever goes wrong is an answer."""
        return attempted(self._run, self.name)

    def _run(self) -> tuple[How, str]:
        if self.tools.stopping.is_set():
            return How.STOPPED, ""
        # Made before a death is counted: a disk without room for it is no death.
        with scratch_of(self.tools.config, self.name) as scratch:
            job = self.start(scratch)
            return self.in_child(job, scratch) if isinstance(job, protocol.Job) else job

    def child(self, job: protocol.Job, callbacks: Callbacks) -> Ended:
        """Run a child to its end.

        A worker whose device is lost ends: its work goes to another, or waits for its next life.
        """
        seconds = self.tools.config.workers.time_limit_seconds
        ended = None
        try:
            ended = run_child(self.tools.nursery, job, seconds, callbacks, self.tools.stopping)
        finally:
            # Only a child that died by itself, or a worker that is no more, leaves its count.
            if ended is None or ended.how != How.DIED:
                insist(self.tools.database, self.clear_deaths, self.tools.stopping)
        if ended.how == How.NO_DEVICE:
            log.error("work %s: %s", self.name, ended.detail)
            for event in (self.tools.no_device, self.tools.stopping, self.tools.look):
                event.set()
            return replace(ended, how=How.STOPPED)
        return ended


@dataclass
class Patience:
    """How often and how long a workflow tries again; the same where it is run again.

    Parameters
    ----------
    retries : int
        After so many faults it gives up; deaths have a count of their own, which the next try
        looks at.
    retry_seconds : float
        Before the second try, and twice as long before each that follows.
    """

    retries: int
    retry_seconds: float
    _faults: int = 0
    _outage_since: float = 0.0

    def pause(self, how: How, at: float) -> float | None:
        """Seconds until the next try, after one that ended so at an instant; None: no more."""
        if how == How.UNREACHABLE:
            self._outage_since = self._outage_since or at
            outage = at - self._outage_since
            over = outage > OUTAGE_HOURS * 3600
            return None if over else min(max(1.0, outage), LONGEST_WAIT_SECONDS / 4)
        self._outage_since, self._faults = 0.0, self._faults + 1
        if how == How.DIED:
            return 0.0
        if self._faults > self.retries:
            return None
        return backoff(self.retry_seconds, self._faults - 1, LONGEST_WAIT_SECONDS)
