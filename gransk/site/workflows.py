"""Durable work on DBOS: who enqueues, who executes, and who takes over.

What waits stands in tables of the result store; the service and the command line
write rows there and never touch the queue. Worker processes *execute*: they import
the modules that define workflows, call `configure`, then `launch`, and start a
workflow for each open row. Each worker also watches the others and takes over the
work of one that is lost.

A workflow runs at least once, and its steps may run again after a crash, so a
step writes by key, and writing twice is the same as once. Of two processes that
run the same workflow (one was paused and declared lost), DBOS lets only the
present owner record steps and the outcome; `Seat.fence` guards our own tables.

Arguments and results are keys: short JSON values, never arrays, DICOM or names.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from enum import StrEnum
from typing import ParamSpec, TypeVar

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer
from sqlalchemy import make_url

from gransk.core.errors import GranskError
from gransk.site.anchor import try_to_advance
from gransk.site.config import Config
from gransk.site.config_machine import Takes
from gransk.site.database import Database
from gransk.site.events import EventKind, record
from gransk.site.executors import KINDS, LostExecutorError, Seat, Watch, still_silent
from gransk.site.tables import Executor

P = ParamSpec("P")
R = TypeVar("R")

NAME = "gransk"

PROTOCOL = "1"
"""Version of the workflows' steps. It stays the same while waiting work can be
finished by newer code, so that work survives an upgrade; raise it never, write a
new workflow under a new name instead."""

MAX_RECOVERIES = 10
"""DBOS's own limit of starts; the pipeline counts deaths and gives up earlier."""

POLL_SECONDS = 0.5
"""How often a worker looks into each queue."""

EXIT_LOST = 75
"""Exit status of a worker that was declared lost: start it again."""

_log = logging.getLogger(__name__)


class QueueName(StrEnum):
    """The queues. A workflow never waits for another in its own queue.

    Each worker takes analyses from one of the first two (`Takes`), and what runs beside.
    """

    ANALYSE = "analyse"
    ANALYSE_GPU = "analyse-gpu"
    BESIDE = "beside"
    RELEASE = "release"
    DELIVER = "deliver"


ANALYSES = {Takes.ORDINARY: QueueName.ANALYSE, Takes.GPU: QueueName.ANALYSE_GPU}
"""Where a worker takes analyses from; one queue alone, so that it makes one at a time."""


def workflow(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function as the workflow of that name, which never changes."""
    return DBOS.workflow(name=name, max_recovery_attempts=MAX_RECOVERIES)


class Worker:
    """This process as an executor of workflows; made by `configure`."""

    def __init__(
        self, config: Config, database: Database, seat: Seat, on_lost: Callable[[], None]
    ) -> None:
        self.seat = seat
        self._config = config
        self._database = database
        self._on_lost = on_lost
        self._watch = Watch(seat.id, config.workers.lost_after_seconds)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, name="heartbeat", daemon=True)

    def launch(self) -> None:
        """Begin to execute: own work left by the last life of this seat first."""
        DBOS.launch()
        register_queues(self._config)
        self._thread.start()

    def stop(self, patience_seconds: int = 0) -> None:
        """Stop in good order; what is not done in time is done by the next to start."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(10)
        DBOS.destroy(workflow_completion_timeout_sec=patience_seconds)
        self.seat.leave(self._database)
        try_to_advance(self._database, self._config.data_folder)

    def take_over(self) -> int:
        """Take over the work of executors that are lost; returns how many workflows.

        The lost one's row stays locked meanwhile: of two that take over, the
        second finds nothing left, and a worker that starts again under the lost
        id waits and then finds its work given away.
        """
        taken = 0
        for silent in self._watch.silent(self._database):
            if _pending(silent) or silent.stopped_at is None:
                taken += self._take_over_from(silent)
        return taken

    def _take_over_from(self, silent: Executor) -> int:
        with self._database.begin() as session:
            if not still_silent(session, silent, self.seat.id):
                return 0
            handles = DBOS._recover_pending_workflows([silent.id])
            if handles:
                record(
                    session,
                    self.seat.id,
                    EventKind.WORK_TAKEN_OVER,
                    silent.id,
                    {"workflows": len(handles)},
                )
            return len(handles)

    def _live(self) -> None:
        """Beat and watch until stopped. A database that fails is tried again."""
        while not self._stop.wait(self._config.workers.heartbeat_seconds):
            try:
                self.seat.beat(self._database)
                self.take_over()
                try_to_advance(self._database, self._config.data_folder)
            except LostExecutorError as error:
                _log.error("%s", error)
                self._on_lost()
                return
            except Exception as error:  # noqa: BLE001 (a heart that stops beating is worse)
                _log.warning("heartbeat of %s failed: %s", self.seat.id, type(error).__name__)


def configure(
    config: Config,
    database: Database,
    slot: int | None = None,
    on_lost: Callable[[], None] | None = None,
) -> Worker:
    """Make this process an executor; `Worker.launch` begins.

    Call it after importing every module that defines workflows.

    Parameters
    ----------
    config : Config
    database : Database
        Ours, migrated.
    slot : int, optional
        From 0; None takes the first free slot of this machine.
    on_lost : callable, optional
        Called in the heartbeat's thread when another has declared this process
        lost. Must end the process at once; by default it exits with `EXIT_LOST`.

    Raises
    ------
    ConfigurationError
        Where the slot is taken.
    """
    kind = KINDS[config.workers.takes]
    seat = Seat.take(database, config.data_folder / "locks", kind, slot)
    _prepare(config.database.workflows_url)
    settings: DBOSConfig = {
        "name": NAME,
        "system_database_url": config.database.workflows_url,
        "application_version": PROTOCOL,
        "executor_id": seat.id,
        "serializer": DBOSPortableJSONSerializer(),
        "log_level": "WARNING",
        "run_migrations": False,
    }
    DBOS(config=settings)
    mine = ANALYSES[config.workers.takes]
    taken = (mine, QueueName.BESIDE, QueueName.RELEASE, QueueName.DELIVER)
    DBOS.listen_queues([queue.value for queue in taken])
    return Worker(config, database, seat, on_lost or _exit_lost)


def register_queues(config: Config) -> None:
    """The queues and how many of each a worker runs at once.

    Deliveries are divided by destination (the partition key), so that one which
    does not answer holds up no other.
    """
    for queue in (*ANALYSES.values(), QueueName.BESIDE, QueueName.RELEASE):
        DBOS.register_queue(
            queue.value,
            worker_concurrency=1,
            polling_interval_sec=POLL_SECONDS,
            on_conflict="always_update",
        )
    DBOS.register_queue(
        QueueName.DELIVER.value,
        partition_worker_concurrency=config.workers.deliveries,
        polling_interval_sec=POLL_SECONDS,
        on_conflict="always_update",
    )


def _prepare(url: str) -> None:
    """Bring the queue's own database up to date; safe when several processes start."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        # Kept by the file: readers and the one writer then do not wait for each other.
        connection = sqlite3.connect(parsed.database, timeout=60)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            raise GranskError(f"database.workflows_url: {error}; wants a writable file") from error
        finally:
            connection.close()
    DBOS.migrate(url)


def _pending(executor: Executor) -> bool:
    return bool(
        DBOS.list_workflows(
            status="PENDING",
            executor_id=executor.id,
            limit=1,
            load_input=False,
            load_output=False,
        )
    )


def _exit_lost() -> None:
    os._exit(EXIT_LOST)
