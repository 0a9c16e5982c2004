"""Funnels of groups and trends of periods: which lie further out than chance would put them."""

from __future__ import annotations

from collections.abc import Sequence

from gransk.core.errors import InvalidValueError
from gransk.core.findings import Frozen
from gransk.core.statistics.limits import INNER, OUTER, band
from gransk.reading.indicators.counting import Indicator, Kind
from gransk.reading.indicators.table import Row

STEPS = 80
"""Sizes at which the lines of a funnel are drawn."""
RUN = 8
"""So many periods in a row on one side of the mean are a shift (Montgomery, Western Electric)."""


class Mark(Frozen):
    """A group or period with its limits by chance.

    Parameters
    ----------
    name : str
    cases : int
    value, low, high : float
        As the indicator is shown.
    inner, outer : (float, float)
        95 % and 99.8 % limits around the target.
    run : bool
        Part of a run on one side of the mean: trends only.
    """

    name: str
    cases: int
    value: float
    low: float
    high: float
    inner: tuple[float, float]
    outer: tuple[float, float]
    run: bool = False

    @property
    def outside(self) -> str:
        """``outer`` or ``inner`` where the value lies beyond those limits; else empty."""
        if not self.outer[0] <= self.value <= self.outer[1]:
            return "outer"
        return "" if self.inner[0] <= self.value <= self.inner[1] else "inner"


class Chart(Frozen):
    """An indicator of several groups, or over periods.

    Parameters
    ----------
    indicator : Indicator
    round : str
    kind : Kind
    target : float
        What the limits are drawn around: a target, or the share of all groups together.
    marks : tuple of Mark
    lines : tuple of (cases, inner low, inner high, outer low, outer high)
        Of a funnel; empty for a trend.
    """

    indicator: Indicator
    round: str
    kind: Kind
    target: float
    marks: tuple[Mark, ...]
    lines: tuple[tuple[float, float, float, float, float], ...] = ()


def funnel(rows: Sequence[Row], target: float | None = None) -> Chart:
    """Groups by their size against limits by chance.

    Parameters
    ----------
    rows : sequence of Row
        Of one indicator, a share or a rate, and one round.
    target : float, optional
        As the indicator is shown; else the share of all groups together.

    Raises
    ------
    InvalidValueError
        Where rows are of several indicators or rounds, or hold nothing to draw.
    """
    told = _told(rows)
    per = _per(told[0])
    middle = _pooled(told) if target is None else target / per
    largest = max(row.cases for row in told)
    sizes = sorted({max(1, round(largest * 1.1 * n / STEPS)) for n in range(1, STEPS + 1)})
    lines = []
    for size in sizes:
        inner, outer = band(middle, size, INNER), band(middle, size, OUTER)
        lines.append((float(size), *(v * per for v in (*inner, *outer))))
    marks = tuple(_mark(row, middle, per) for row in told)
    return _chart(told[0], middle * per, marks).model_copy(update={"lines": tuple(lines)})


def trend(rows: Sequence[Row], target: float | None = None) -> Chart:
    """Periods in order against control limits of their own size.

    Raises
    ------
    InvalidValueError
        As `funnel` does.
    """
    told = sorted(_told(rows), key=lambda row: row.group)
    per = _per(told[0])
    middle = _pooled(told) if target is None else target / per
    marks = [_mark(row, middle, per) for row in told]
    above = [mark.value > middle * per for mark in marks]
    for end in range(RUN, len(marks) + 1):
        if len(set(above[end - RUN : end])) == 1:
            for n in range(end - RUN, end):
                marks[n] = marks[n].model_copy(update={"run": True})
    return _chart(told[0], middle * per, tuple(marks))


def _told(rows: Sequence[Row]) -> list[Row]:
    about = {(row.indicator, row.round, row.category, row.kind) for row in rows}
    told = [row for row in rows if row.figure is not None and row.hits is not None and row.cases]
    if len(about) != 1 or not told:
        raise InvalidValueError("rows", len(about), "one indicator of one round, with figures")
    if told[0].kind not in (Kind.SHARE, Kind.PER_1000):
        raise InvalidValueError("rows", str(told[0].kind), "a share or a rate")
    return told


def _per(row: Row) -> float:
    return 1000.0 if row.kind is Kind.PER_1000 else 1.0


def _pooled(rows: Sequence[Row]) -> float:
    return sum(row.hits or 0 for row in rows) / sum(row.cases for row in rows)


def _mark(row: Row, middle: float, per: float) -> Mark:
    value, low, high = row.figure or (0.0, 0.0, 0.0)
    inner, outer = band(middle, row.cases, INNER), band(middle, row.cases, OUTER)
    return Mark(
        name=" / ".join(row.group),
        cases=row.cases,
        value=value,
        low=low,
        high=high,
        inner=(inner.low * per, inner.high * per),
        outer=(outer.low * per, outer.high * per),
    )


def _chart(row: Row, target: float, marks: tuple[Mark, ...]) -> Chart:
    return Chart(
        indicator=row.indicator, round=row.round, kind=row.kind, target=target, marks=marks
    )
