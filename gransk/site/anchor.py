"""Where the event log ended, noted outside the database.

A chain alone does not tell that its end was cut off. So each process that writes events notes
the last one in a file of the data folder, seconds later; a copy of that file elsewhere tells
even against someone who can write there.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy.exc import SQLAlchemyError

from gransk.site.database import Database
from gransk.site.events import hash_of, head

FILE = "event_head"
SECONDS = 5.0
PATIENCE_SECONDS = 0.2
"""A heartbeat waits no longer for a process that may stand still while it holds the lock."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Anchor:
    """An event that was once the last: its number and hash."""

    number: int
    hash: str


def read_anchor(folder: Path) -> Anchor | None:
    """What was noted; None where nothing was, or nothing that can be read.

    Read it before a session looks at the log: the note of a later event would seem a cut.
    """
    return read_anchor_file(folder / FILE)


def read_anchor_file(path: Path) -> Anchor | None:
    """What a note or a copy of one says; None where it cannot be read."""
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    match = re.fullmatch(r"(\d{1,18}) ([0-9a-f]{64})\n", text)
    return Anchor(int(match[1]), match[2]) if match else None


def advance(database: Database, folder: Path, patience_seconds: float = 10) -> bool:
    """Note the last event, unless the log no longer holds the one noted before.

    Returns
    -------
    bool
        False where the log was cut or rewritten: the note stays, as evidence.

    Raises
    ------
    OSError
        Where the note cannot be written.
    filelock.Timeout
        Where another process is about to write it.
    """
    with FileLock(folder / f"{FILE}.lock", timeout=patience_seconds):
        noted = read_anchor(folder)
        with database.read() as session:
            last = Anchor(*head(session))
            if noted == last:
                return True
            if noted is not None and hash_of(session, noted.number) != noted.hash:
                return False
        _write(folder / FILE, last)
    return True


def keep(database: Database, folder: Path, stop: threading.Event, seconds: float = SECONDS) -> None:
    """Note the last event every few seconds until told to stop."""
    while not stop.wait(seconds):
        try_to_advance(database, folder)


def try_to_advance(database: Database, folder: Path) -> None:
    """Note the last event; what keeps us from it now is logged and may be gone next time."""
    try:
        if not advance(database, folder, PATIENCE_SECONDS):
            _log.error("the event log does not hold the event noted in %s", folder / FILE)
    except Timeout:
        _log.debug("another process notes the end of the event log")
    except (OSError, SQLAlchemyError) as error:
        _log.warning("the end of the event log is not noted: %s", type(error).__name__)


def _write(path: Path, anchor: Anchor) -> None:
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        with draft.open("w", encoding="ascii") as file:
            os.chmod(draft, 0o600)
            file.write(f"{anchor.number} {anchor.hash}\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
