"""Time and disk stand still: two runs of a programme then differ in nothing but the AI."""

from __future__ import annotations

import datetime
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from gransk.site import database

REAL = database.utcnow
DISK = shutil.disk_usage("/")


class Clock:
    """Stands where the programme puts it, in every module that asks the time.

    Meanwhile the disk is as full as it was at first, whatever else this machine does.
    """

    def __init__(self, at: datetime.datetime) -> None:
        self.at = at

    def __call__(self) -> datetime.datetime:
        return self.at

    @contextmanager
    def running(self) -> Iterator[Clock]:
        """Let every module of Gransk ask this clock."""
        asked = [
            module
            for name, module in list(sys.modules.items())
            if name.startswith("gransk.") and getattr(module, "utcnow", None) is REAL
        ]
        for module in asked:
            module.utcnow = self  # type: ignore[attr-defined]
        try:
            with patch.object(shutil, "disk_usage", return_value=DISK):
                yield self
        finally:
            for module in asked:
                module.utcnow = REAL  # type: ignore[attr-defined]
