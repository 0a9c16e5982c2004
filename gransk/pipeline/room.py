"""Room on the disk: work waits for it, and a full disk is no input's fault."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import TypeVar

from dbos import DBOS
from sqlalchemy import Engine, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from gransk.core.errors import GranskError
from gransk.site.config import Config
from gransk.site.database import Database
from gransk.site.free_disk import least_free_disk

T = TypeVar("T")

WAIT_SECONDS = 1.0
MB = 1024 * 1024
NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
"""What SQLite answers where its files cannot grow."""


class QueueWaitsError(GranskError):
    """The queue's database cannot grow just now; DBOS knows by the text that it may wait."""

    def __init__(self) -> None:
        super().__init__("database is locked: the disk is full or cannot be written; make room")


def has_room(config: Config) -> bool:
    """Is there as much room where the data lie as intake wants, too, before it takes work in?"""
    try:
        free = least_free_disk(config).free
    except OSError:
        return False
    return config.data_folder.is_dir() and free >= config.intake.min_free_disk_mb * MB


def wait_for_room(config: Config, stopping: threading.Event) -> bool:
    """Wait until there is room to begin; False where the worker shall end first."""
    while not stopping.is_set():
        if has_room(config):
            return True
        stopping.wait(WAIT_SECONDS)
    return False


def insist(database: Database, change: Callable[[Session], T], stopping: threading.Event) -> T:
    """Commit a change that must not be missed, however long the database refuses it.

    Raises
    ------
    OperationalError
        Where the worker shall end first.
    """
    while True:
        try:
            with database.begin() as session:
                return change(session)
        except OperationalError:
            if stopping.wait(WAIT_SECONDS):
                raise


def let_workflows_wait(url: str) -> None:
    """Make a workflow wait where the queue's SQLite file cannot grow.

    DBOS repeats what a locked database refuses, and ends a workflow with any other
    error of it, as though the fault were the workflow's own.

    Parameters
    ----------
    url : str
        Of the queue's database.
    """
    file = make_url(url).database

    @event.listens_for(Engine, "handle_error")
    def refused(context: ExceptionContext) -> None:
        error = context.original_exception
        if not isinstance(error, sqlite3.OperationalError) or DBOS.workflow_id is None:
            return
        ours = context.engine is not None and context.engine.url.database == file
        if ours and error.sqlite_errorcode & 0xFF in NO_ROOM:
            raise QueueWaitsError from error
