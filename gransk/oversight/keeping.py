"""Backup and retention never run at once: what one copies the other must not remove."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from gransk.core.errors import ConfigurationError

FILE = "keeping.lock"


@contextmanager
def alone(data_folder: Path, patience_seconds: float = 60.0) -> Iterator[None]:
    """Hold the data folder against another backup, restore or retention.

    Raises
    ------
    ConfigurationError
        Where another holds it longer than one waits.
    """
    lock = FileLock(data_folder / FILE, timeout=patience_seconds)
    try:
        lock.acquire()
    except Timeout as error:
        raise ConfigurationError(
            f"another backup or retention works on {data_folder}; wait until it has ended"
        ) from error
    try:
        yield
    finally:
        lock.release()
