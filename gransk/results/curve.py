"""A lesion's course as a curve: where its points and ticks lie, for any way of drawing it."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass

from gransk.core.followup import Point

STEPS = (1, 2, 5)
"""Of the ticks on the logarithmic axis."""


@dataclass(frozen=True)
class Dot:
    """One point, 0 to 1 from the left and from the bottom.

    ``low`` and ``high`` are the ends of its interval; an end beyond the picture lies at its rim.
    """

    x: float
    y: float
    low: float
    high: float
    point: Point


@dataclass(frozen=True)
class Curve:
    """A curve over dates with a logarithmic scale, on which steady doubling is a line.

    Parameters
    ----------
    dots : tuple of Dot
        Oldest first.
    ticks : tuple of (float, str)
        Height, 0 to 1, and number.
    """

    dots: tuple[Dot, ...]
    ticks: tuple[tuple[float, str], ...]


def curve(points: Sequence[Point]) -> Curve | None:
    """The curve of a course; None where there are not two dates with a size."""
    sized = [point for point in points if point.value > 0]
    if len({point.date for point in sized}) < 2:
        return None
    ends = [end for point in sized for end in _ends(point)]
    low, high = math.log(min(ends)), math.log(max(ends))
    room = max(0.1 * (high - low), 0.1)
    low, high = low - room, high + room
    first, last = sized[0].date, sized[-1].date
    days = max(1, (last - first).days)

    def height(value: float) -> float:
        return (math.log(value) - low) / (high - low)

    dots = tuple(
        Dot(
            x=0.06 + 0.88 * _days(first, point.date) / days,
            y=height(point.value),
            low=height(_ends(point)[0]),
            high=height(_ends(point)[-1]),
            point=point,
        )
        for point in sized
    )
    ticks = tuple((height(value), f"{value:g}") for value in _ticks(math.exp(low), math.exp(high)))
    return Curve(dots, ticks)


def _days(first: datetime.date, then: datetime.date) -> int:
    return (then - first).days


def _ends(point: Point) -> tuple[float, ...]:
    """Low end, value and high end, as far as they are positive."""
    low, high = point.interval or (point.value, point.value)
    ends = (low, point.value, point.value if high is None else high)
    return tuple(end if end > 0 else point.value for end in ends)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between two; every power of ten alone where there would be many."""
    found = [
        step * 10.0**power
        for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for step in STEPS
    ]
    inside = [value for value in found if low <= value <= high]
    if len(inside) > 6:
        return [value for value in inside if math.log10(value).is_integer()]
    if len(inside) >= 2:
        return inside
    middle = math.exp((math.log(low) + math.log(high)) / 2)
    return sorted({*inside, float(f"{middle:.1g}")})
