"""Logs of processes that write to them all the time: kept to a size, some older ones beside them.

A process holds its log open, and appends. So the log is copied aside and emptied, as logrotate's
``copytruncate`` does, and the process goes on at its start.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MOST_BYTES = 20 << 20
KEPT = 5


def rotate(log: Path, most_bytes: int = MOST_BYTES, kept: int = KEPT) -> bool:
    """Put a log aside where it has become too large.

    Parameters
    ----------
    log : Path
        Written by a process that appends.
    most_bytes : int
    kept : int
        How many older ones stay: ``name.1.log`` is the newest.

    Returns
    -------
    bool
        Whether it was put aside.

    Raises
    ------
    OSError
        Where the disk is full; the log is as it was then.
    """
    try:
        if log.stat().st_size <= most_bytes:
            return False
    except FileNotFoundError:
        return False
    draft = log.with_suffix(".new.log")
    try:
        shutil.copyfile(log, draft)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    draft.chmod(0o600)
    for number in range(kept - 1, 0, -1):
        older = _older(log, number)
        if older.exists():
            older.replace(_older(log, number + 1))
    draft.replace(_older(log, 1))
    os.truncate(log, 0)
    return True


def _older(log: Path, number: int) -> Path:
    return log.with_suffix(f".{number}.log")
