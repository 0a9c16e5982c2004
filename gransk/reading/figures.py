"""Figures of a site's past, counted beside the service's answers and kept until the past changes.

Whoever asks waits a moment; what takes longer is asked for again until it is there.
"""

from __future__ import annotations

import datetime
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from typing import Any, NamedTuple, TypeVar

from sqlalchemy.orm import Session

from gransk.core.errors import GranskError
from gransk.reading.past_keeping import Closed
from gransk.reading.site_past import SitePast
from gransk.site.database import Database

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 0.1
"""How long an answer waits for its figures."""
KEPT = 64
"""Figures that are kept, of the last that were asked for."""
AT_ONCE = 2
"""Questions that are counted at a time, so that connections are left for every other page."""
THREAD = "figures"
"""What the threads are called that count."""
FRESH_SECONDS = 5.0
"""How long figures that came too late for an answer wait to be asked for again."""

T = TypeVar("T")
Make = Callable[[Session, list[Closed]], T]


class NotYetCountedError(GranskError):
    """Figures that are being counted: ask again."""


class Asker(NamedTuple):
    """Who asks, and when.

    Parameters
    ----------
    account : str
    oversees : bool
        Whether the person's roles let them see undecided exams.
    today : date
    """

    account: str
    oversees: bool
    today: datetime.date


class _Job:
    """Figures that are being counted for one person."""

    def __init__(self) -> None:
        self.future: Future[Any] = Future()
        self.ended = 0.0

    @property
    def stale(self) -> bool:
        """Did nobody come for them?"""
        return self.future.done() and time.monotonic() - self.ended > FRESH_SECONDS


class Figures:
    """Counts on threads of its own, each question once.

    Parameters
    ----------
    database : Database
    past : SitePast

    Attributes
    ----------
    patience_seconds : float
        How long an answer waits for its figures.
    """

    def __init__(self, database: Database, past: SitePast) -> None:
        self._database = database
        self._past = past
        self.patience_seconds = PATIENCE_SECONDS
        self._lock = threading.Lock()
        self._turns = threading.Semaphore(AT_ONCE)
        self._jobs: dict[Hashable, _Job] = {}
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()

    def __call__(
        self,
        asker: Asker,
        what: Hashable,
        make: Make[T],
        until_there: bool = False,
    ) -> T:
        """What is counted of the exams that a person may count.

        Parameters
        ----------
        asker : Asker
        what : hashable
            Names the figures: where it is equal, and the exams are, so are they.
        make : callable
            Counts them, of a session and the exams.
        until_there : bool, optional
            Whether to wait until they are.

        Raises
        ------
        NotYetCountedError
            Where they are not there in time; they go on being counted.
        """
        key = (asker, what)
        with self._lock:
            job = self._jobs.get(key)
            if job is None or job.stale:
                job = self._jobs[key] = _Job()
                self._start(job, asker, what, make)
        if not wait([job.future], None if until_there else self.patience_seconds).done:
            raise NotYetCountedError("the figures are being counted: ask again")
        with self._lock:
            if self._jobs.get(key) is job:
                del self._jobs[key]
        found: T = job.future.result()
        return found

    def warm(self, today: datetime.date) -> None:
        """Convert the past before anybody asks for it."""
        self._start(_Job(), Asker("", oversees=False, today=today), "warm", _nothing)

    def _start(self, *arguments: Any) -> None:
        threading.Thread(target=self._work, args=arguments, name=THREAD, daemon=True).start()

    def _work(self, job: _Job, asker: Asker, what: Hashable, make: Make[Any]) -> None:
        try:
            found = self._counted(asker, what, make)
        except Exception as error:  # whoever asks is told; nobody may
            log.exception("figures could not be counted")
            job.ended = time.monotonic()
            job.future.set_exception(error)
        else:
            job.ended = time.monotonic()
            job.future.set_result(found)
        self._sweep()

    def _counted(self, asker: Asker, what: Hashable, make: Make[T]) -> T:
        with self._turns, self._database.read() as session:
            seen = self._past(session, *asker)
            key = (seen.mark, what)
            with self._lock:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    kept: T = self._kept[key]
                    return kept
            found = make(session, seen.closed)
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found

    def _sweep(self) -> None:
        """Forget what nobody came for."""
        with self._lock:
            for key in [key for key, job in self._jobs.items() if job.stale]:
                del self._jobs[key]


def _nothing(_session: Session, _closed: list[Closed]) -> None:
    return None
