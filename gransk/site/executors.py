"""Executors: processes that run workflows, how they are told apart and found dead.

An executor's id is its host, kind and slot. A slot is held by a lock on a file,
which the kernel frees when the process ends, so a restarted worker gets the same
id and finds its own work again. A heartbeat in the table ``executor`` tells the
others that it lives. Who is not heard of is declared lost in that row, and a
process that finds itself declared lost (it was paused, say) must end: its work
belongs to another.
"""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import os
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.orm import Session

import gransk
from gransk.core.errors import ConfigurationError, GranskError
from gransk.site.config_machine import Takes
from gransk.site.database import Database, utcnow
from gransk.site.events import EventKind, record
from gransk.site.tables import Executor

MAX_SLOTS = 256

KINDS = {Takes.ORDINARY: "worker", Takes.GPU: "gpu-worker"}
"""Kinds of executors, by the analyses that they take."""


def heard_of(lost_after_seconds: float) -> ColumnElement[bool]:
    """Is an executor a worker that was not stopped and was heard of so lately?"""
    since = utcnow() - datetime.timedelta(seconds=lost_after_seconds)
    return and_(
        Executor.kind.in_(KINDS.values()),
        Executor.heartbeat_at > since,
        Executor.stopped_at.is_(None),
    )


class LostExecutorError(GranskError):
    """This process was declared lost, and another may do its work: it must end."""

    def __init__(self, executor_id: str) -> None:
        super().__init__(
            f"{executor_id} was declared lost while it was silent; its work was given to others, "
            "so this process ends and may be started again"
        )


@dataclass
class Seat:
    """An executor's place: id and lock, held until `leave` or the end of the process.

    Parameters
    ----------
    id : str
        Host, kind and slot.
    kind : str
        One of `KINDS`.
    host : str
    started_at : datetime
        When this process took the seat; with the id it names this life of it.
    """

    id: str
    kind: str
    host: str
    started_at: datetime.datetime
    _lock: IO[str] = field(repr=False)

    @classmethod
    def take(cls, database: Database, folder: Path, kind: str, slot: int | None = None) -> Seat:
        """Lock a slot and enter it in the table.

        Parameters
        ----------
        database : Database
        folder : Path
            Where lock files lie; on a local disk.
        kind : str
        slot : int, optional
            From 0; None takes the first free one.

        Raises
        ------
        ConfigurationError
            Where the slot is held by another process, or none is free.
        """
        host = socket.gethostname()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for number in range(MAX_SLOTS) if slot is None else (slot,):
            executor_id = _executor_id(host, kind, number)
            lock = _lock(folder / f"{executor_id}.lock")
            if lock is not None:
                seat = cls(executor_id, kind, host, utcnow(), lock)
                seat._enter(database)
                return seat
        which = "every slot" if slot is None else f"slot {slot}"
        raise ConfigurationError(
            f"{which} of {kind} on this machine is held by a running process; stop it first, "
            "or choose another slot"
        )

    def beat(self, database: Database) -> None:
        """Say that this process lives.

        Raises
        ------
        LostExecutorError
        """
        with database.begin() as session:
            beaten = session.execute(
                update(Executor)
                .where(
                    Executor.id == self.id,
                    Executor.started_at == self.started_at,
                    Executor.stopped_at.is_(None),
                )
                .values(heartbeat_at=utcnow())
            )
            if beaten.rowcount != 1:  # type: ignore[attr-defined]
                raise LostExecutorError(self.id)

    def fence(self, session: Session) -> None:
        """Let a transaction pass only while this process holds its seat.

        Called first in a transaction that writes what only the owner of the work
        may write: nobody can declare the seat lost before it ends.

        Raises
        ------
        LostExecutorError
        """
        row = session.execute(
            select(Executor.started_at, Executor.stopped_at)
            .where(Executor.id == self.id)
            .with_for_update(read=True)
        ).first()
        if row is None or row.stopped_at is not None or row.started_at != self.started_at:
            raise LostExecutorError(self.id)

    def leave(self, database: Database) -> None:
        """Enter that this process stopped in good order, and free the slot."""
        with database.begin() as session:
            row = session.get(Executor, self.id)
            if row is not None and row.started_at == self.started_at and row.stopped_at is None:
                row.stopped_at = utcnow()
                record(session, self.id, EventKind.WORKER_STOPPED, self.id)
        self._lock.close()

    def _enter(self, database: Database) -> None:
        with database.begin() as session:
            row = session.get(Executor, self.id, with_for_update=True)
            crashed = row is not None and row.stopped_at is None
            if row is None:
                row = Executor(id=self.id)
                session.add(row)
            row.kind, row.host, row.pid = self.kind, self.host, os.getpid()
            row.started_at, row.heartbeat_at, row.stopped_at = self.started_at, utcnow(), None
            data = {"after_crash": crashed, "version": gransk.__version__}
            record(session, self.id, EventKind.WORKER_STARTED, self.id, data)


class Watch:
    """Who has been silent for how long, by this process's own steady clock.

    The clocks of hosts may differ, and a machine may sleep, so a heartbeat is
    never compared with our time: what counts is how long it stayed the same
    while we watched.
    """

    def __init__(self, own_id: str, lost_after_seconds: float) -> None:
        self._own_id = own_id
        self._lost_after = lost_after_seconds
        self._seen: dict[str, tuple[datetime.datetime, float]] = {}

    def silent(self, database: Database) -> list[Executor]:
        """Other executors whose heartbeat has not moved for ``lost_after_seconds``."""
        with database.read() as session:
            rows = session.scalars(select(Executor).where(Executor.id != self._own_id)).all()
        now = time.monotonic()
        for row in rows:
            if self._seen.get(row.id, (None, 0.0))[0] != row.heartbeat_at:
                self._seen[row.id] = (row.heartbeat_at, now)
        return [row for row in rows if now - self._seen[row.id][1] >= self._lost_after]


def still_silent(session: Session, seen: Executor, by: str) -> bool:
    """Lock a silent executor's row, look again, and declare it lost.

    Until the transaction ends it can neither beat nor start again under its id,
    so what was its work may be given away.

    Returns
    -------
    bool
        False where it was heard of since.
    """
    row = session.get(Executor, seen.id, with_for_update=True)
    if row is None or row.heartbeat_at != seen.heartbeat_at or row.started_at != seen.started_at:
        return False
    if row.stopped_at is None:
        row.stopped_at = utcnow()
        record(session, by, EventKind.WORKER_LOST, row.id)
    return True


def gpu_worker_expected(session: Session, wait_minutes: float) -> bool:
    """Does a worker live that takes work for a GPU, or may one come back in time?

    Parameters
    ----------
    session : Session
    wait_minutes : float
        How long one that stopped or was lost is waited for. Where there never was one, none
        is waited for.
    """
    query = select(Executor.stopped_at).where(Executor.kind == KINDS[Takes.GPU])
    since = utcnow() - datetime.timedelta(minutes=wait_minutes)
    return any(end is None or end > since for end in session.scalars(query))


def _executor_id(host: str, kind: str, number: int) -> str:
    if len(host) > 40:
        host = f"{host[:31]}-{hashlib.sha256(host.encode()).hexdigest()[:8]}"
    return f"{host}-{kind}-{number}"


def _lock(path: Path) -> IO[str] | None:
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
