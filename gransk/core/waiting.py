"""How long to wait between tries."""

from __future__ import annotations

DOUBLINGS = 64
"""More change no wait that anybody sets, and a number stays a number."""


def backoff(first: float, times: int, longest: float, growth: float = 2.0) -> float:
    """Seconds until the next try: longer after each that failed, and never over the longest.

    Parameters
    ----------
    first : float
        Seconds after the first, where ``times`` is 0.
    times : int
        How often it failed before; any number, as some things fail for weeks.
    longest : float
        Seconds.
    growth : float
        By which each wait is longer than the one before.
    """
    return min(first * growth ** min(max(times, 0), DOUBLINGS), longest)
