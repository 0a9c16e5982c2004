"""What the loops of earlier studies share: how they go on, and whom they tell."""

from __future__ import annotations

import datetime
import logging
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from sqlalchemy.orm import Session

from gransk.archive.intake import place
from gransk.core.application import KnownStudy
from gransk.core.study import Study
from gransk.core.waiting import backoff
from gransk.site.database import Database, utcnow

log = logging.getLogger(__name__)

FAULT_SECONDS = 5.0
FIRST_RETRY_SECONDS = 15.0
LONGEST_RETRY_SECONDS = 900.0


class Pipeline(Protocol):
    """What the search asks and tells; `gransk.pipeline.handlers.Handlers` answers."""

    def priors_wanted(self, headers: Study, known: list[KnownStudy]) -> list[str]:
        """Study Instance UIDs of those to compare with, most wanted first."""

    def priors_changed(
        self, session: Session, study_key: str, added: Iterable[str], gone: bool
    ) -> None:
        """Other earlier studies are usable than before."""

    def in_work(self, session: Session, study_keys: Iterable[str]) -> bool:
        """Is any of the studies in work?"""

    def show_waiting(self, database: Database) -> None:
        """Write into the rows which of them wait for earlier studies."""


def retry_at(attempts: int) -> datetime.datetime:
    """When to try again after so many tries."""
    pause = backoff(FIRST_RETRY_SECONDS, attempts - 1, LONGEST_RETRY_SECONDS)
    return utcnow() + datetime.timedelta(seconds=pause)


def keep_on(work: Callable[[], object], stop: threading.Event, pause: float, what: str) -> None:
    """Do something again and again until told to stop; a fault is logged once and outlasted."""
    said = ""
    while not stop.is_set():
        fault = ""
        try:
            work()
        except Exception as error:  # noqa: BLE001 (the next try may succeed; logged)
            fault = place(error)
        if fault and fault != said:
            log.error("%s: %s", what, fault)
        said = fault
        stop.wait(max(pause, FAULT_SECONDS) if fault else pause)
