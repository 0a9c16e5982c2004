"""Wall seconds by step, for `gransk.core.findings.Findings.seconds`."""

from __future__ import annotations

import time


class Seconds:
    """Seconds between marks, by the step that each mark ends."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def mark(self, step: str) -> None:
        """A step ends here."""
        now = time.perf_counter()
        self.seconds[step] = round(now - self._last, 3)
        self._last = now
