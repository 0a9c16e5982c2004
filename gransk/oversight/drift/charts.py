"""Control charts of one fact: numbers by sums and averages, categories by exact tests of batches.

Nothing here knows a database or a clock. A chart is made anew of all its values each time, so the
same values give the same chart.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from scipy import special, stats

from gransk.core.statistics.control import cusum_limit, deviation, ewma_limit, reference_value
from gransk.core.statistics.figure import FloatArray

WEIGHT = 0.05
"""Of the newest study in the moving average: soonest for shifts of half a deviation (Lucas and
Saccucci 1990, Technometrics 32:1, table 3)."""
CAP = 1.25
"""A sum grows to so many times its limit at most, so that it comes back when it is well again."""
CALM = 0.5
"""An alarm ends where the statistic falls below this share of its limit; of an average, where it
crosses 0."""
FEW_VALUES = 12
"""Numbers of no more different values are watched as categories."""
LEAST_DAYS = 10
"""Days of a reference from which on days are held to differ more than by chance."""
YEAR_DAYS = 365.25
SMALLEST_SHARE = 1e-4
"""In the population stability index, of a category that is not there."""


class Statistic(StrEnum):
    """What a chart draws."""

    CUSUM = "cusum"
    EWMA = "ewma"
    BATCH = "batch"


@dataclass(frozen=True)
class Design:
    """How charts are made.

    Parameters
    ----------
    shift : float
        In standard deviations, that is looked for.
    false_alarms : float
        Wanted of this chart in a year.
    a_year : float
        Studies in a year.
    batch : int
        Studies that are tested together where categories are watched.
    """

    shift: float
    false_alarms: float
    a_year: float
    batch: int


class Point(NamedTuple):
    """A place on a chart: the last study of a day, or a batch.

    Parameters
    ----------
    last : int
        Number of its last study among those after the reference.
    studies : int
        Studies since the point before.
    value : float
        Their mean, or the share of the category that differs most.
    of_limit : float
        The statistic over its limit; below 0 downwards.
    named : str
        The category that differs most; empty where numbers are watched.
    psi : float, optional
        Population stability index of the batch.
    """

    last: int
    studies: int
    value: float
    of_limit: float
    named: str = ""
    psi: float | None = None


class Episode(NamedTuple):
    """A time out of control.

    Parameters
    ----------
    since, signal : int
        Numbers of the studies where it began, as far as can be told, and where the limit was
        passed.
    until : int, optional
        Where it was well again; None while it lasts.
    up : bool
    """

    since: int
    signal: int
    until: int | None
    up: bool


@dataclass(frozen=True)
class Chart:
    """A chart of one fact.

    Parameters
    ----------
    statistic : Statistic
    reference : float
        Mean of the reference; share of the category that differs most.
    limit : float
        In the statistic's own unit.
    points : tuple of Point
    episodes : tuple of Episode
    weights : ndarray, shape (n,)
        How far each study after the reference pulls upwards, in standard deviations; of
        categories 1 for the one that differs most in the last batch, else 0.
    """

    statistic: Statistic
    reference: float
    limit: float
    points: tuple[Point, ...]
    episodes: tuple[Episode, ...]
    weights: FloatArray

    @property
    def alarm(self) -> Episode | None:
        """The time out of control that lasts."""
        last = self.episodes[-1] if self.episodes else None
        return last if last is not None and last.until is None else None


def is_number(values: Sequence[str | float]) -> bool:
    """Are these watched as numbers? Not texts, and not few different values."""
    return all(isinstance(one, float | int) for one in values) and len(set(values)) > FEW_VALUES


def chart_numbers(
    reference: Sequence[float],
    values: Sequence[float],
    reference_days: Sequence[int],
    days: Sequence[int],
    statistic: Statistic,
    design: Design,
) -> Chart:
    """A chart of numbers.

    Each number counts as the normal deviate of its rank in the reference, so that no shape of a
    distribution alarms by itself; days that differ more than by chance make all count less.

    Parameters
    ----------
    reference, values : sequence of float
        In the order in which they are counted.
    reference_days, days : sequence of int
        Any numbers of their days.
    statistic : Statistic
        ``CUSUM`` or ``EWMA``.
    design : Design
    """
    base = np.asarray(reference, float)
    scale = _Deviates(base)
    spread = math.sqrt(_inflation(scale(base), np.asarray(reference_days)))
    deviates = scale(np.asarray(values, float)) / spread
    cases = max(2, round(len(base) / spread**2))
    a_year = _rounded(design.a_year)
    wanted = min(design.false_alarms, 0.9)
    if statistic is Statistic.CUSUM:
        k = reference_value(design.shift / spread, cases)
        limit = cusum_limit(round(k, 4), cases, a_year, wanted)
        of_limit, began = _sums(deviates, k, limit)
    else:
        limit = ewma_limit(WEIGHT, cases, a_year, wanted) * deviation(WEIGHT)
        of_limit, began = _averages(deviates, limit)
    return Chart(
        statistic=statistic,
        reference=float(base.mean()),
        limit=limit,
        points=tuple(_by_day(np.asarray(values, float), days, of_limit)),
        episodes=tuple(_episodes(of_limit, began, CALM if statistic is Statistic.CUSUM else 0.0)),
        weights=deviates,
    )


class _Deviates:
    """From numbers to normal deviates of their ranks in a reference, of mean 0 and deviation 1."""

    def __init__(self, reference: FloatArray) -> None:
        self._sorted = np.sort(reference)
        found = self._raw(reference)
        self._mean, self._deviation = float(found.mean()), max(float(found.std(ddof=1)), 1e-9)

    def __call__(self, values: FloatArray) -> FloatArray:
        found: FloatArray = (self._raw(values) - self._mean) / self._deviation
        return found

    def _raw(self, values: FloatArray) -> FloatArray:
        below = np.searchsorted(self._sorted, values, side="left")
        upto = np.searchsorted(self._sorted, values, side="right")
        found: FloatArray = special.ndtri(((below + upto) / 2 + 0.5) / (len(self._sorted) + 1))
        return found


def _inflation(
    deviates: FloatArray, days: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
) -> float:
    """By how much days vary more than their studies would by chance; 1 where they do not."""
    found, place = np.unique(days, return_inverse=True)
    if len(found) < LEAST_DAYS:
        return 1.0
    counts = np.bincount(place)
    means = np.bincount(place, weights=deviates) / counts
    # Expected to be 1 of independent studies, whatever the days' counts.
    return max(1.0, float(np.sum(counts * means**2) / (len(found) - 1)))


def _sums(deviates: FloatArray, k: float, limit: float) -> tuple[FloatArray, list[tuple[int, int]]]:
    """Two-sided cumulative sum over its limit, and where each side last left 0."""
    up = down = 0.0
    from_up = from_down = 0
    shown, began = np.zeros(len(deviates)), []
    for n, one in enumerate(deviates):
        if up <= 0:
            from_up = n
        if down <= 0:
            from_down = n
        up = min(max(0.0, up + float(one) - k), CAP * limit)
        down = min(max(0.0, down - float(one) - k), CAP * limit)
        shown[n] = (up if up >= down else -down) / limit
        began.append((from_up, from_down))
    return shown, began


def _averages(deviates: FloatArray, limit: float) -> tuple[FloatArray, list[tuple[int, int]]]:
    """Moving average over its limit, and where it last crossed 0."""
    average = 0.0
    crossed = 0
    shown, began = np.zeros(len(deviates)), []
    for n, one in enumerate(deviates):
        following = (1 - WEIGHT) * average + WEIGHT * float(one)
        if following * average <= 0:
            crossed = n
        average = following
        shown[n] = average / limit
        began.append((crossed, crossed))
    return shown, began


def _episodes(of_limit: FloatArray, began: Sequence[tuple[int, int]], calm: float) -> list[Episode]:
    found: list[Episode] = []
    out = False
    for n, value in enumerate(of_limit):
        if not out and abs(value) > 1:
            up = bool(value > 0)
            found.append(Episode(began[n][0 if up else 1], n, None, up))
            out = True
        elif out and (value if found[-1].up else -value) <= calm:
            found[-1] = found[-1]._replace(until=n)
            out = False
    return found


def _by_day(values: FloatArray, days: Sequence[int], of_limit: FloatArray) -> list[Point]:
    found: list[Point] = []
    start = 0
    for n in range(len(values)):
        if n + 1 == len(values) or days[n + 1] != days[n]:
            mean = float(values[start : n + 1].mean())
            found.append(Point(n, n + 1 - start, mean, float(of_limit[n])))
            start = n + 1
    return found


def chart_categories(
    reference: Sequence[str],
    values: Sequence[str],
    reference_weeks: Sequence[int],
    weeks: Sequence[int],
    design: Design,
) -> Chart:
    """A chart of categories: batches of whole weeks against the reference.

    Of each category a batch's share is compared with the reference's by Fisher's exact test; the
    smallest p-value counts so often as there are categories (Bonferroni). Where weeks of the
    reference differ more than by chance, all counts weigh less (Rao and Scott 1981, J Am Stat
    Assoc 76:221). The limit is the share of batches that may alarm.
    """
    base = Counter(reference)
    weight = 1 / _design_effect(reference, reference_weeks, base)
    batches = list(_batches(weeks, design.batch))
    a_year = max(design.a_year / _mean_size(batches, len(values), design.batch), 1.0)
    level = min(design.false_alarms, 0.9) / a_year
    limit = -math.log10(min(level, 0.5))
    points: list[Point] = []
    for start, end in batches:
        counts = Counter(values[start:end])
        named, p = _most_moved(counts, base, weight)
        share = counts[named] / (end - start)
        sign = 1 if share >= base[named] / len(reference) else -1
        points.append(
            Point(
                end - 1,
                end - start,
                share,
                sign * -math.log10(max(p, 1e-300)) / limit,
                named,
                _psi(counts, base),
            )
        )
    named = points[-1].named if points else ""
    return Chart(
        statistic=Statistic.BATCH,
        reference=base[named] / len(reference),
        limit=limit,
        points=tuple(points),
        episodes=tuple(_batch_episodes(points, batches)),
        weights=np.array([1.0 if one == named else 0.0 for one in values]),
    )


def _batches(weeks: Sequence[int], least: int) -> list[tuple[int, int]]:
    """Whole weeks put together until there are enough studies; a week that is not over waits."""
    found: list[tuple[int, int]] = []
    start = 0
    for n in range(1, len(weeks)):
        if weeks[n] != weeks[n - 1] and n - start >= least:
            found.append((start, n))
            start = n
    return found


def _mean_size(batches: Sequence[tuple[int, int]], count: int, least: int) -> float:
    return (batches[-1][1] / len(batches)) if batches else max(count, least)


def _most_moved(counts: Counter[str], base: Counter[str], weight: float) -> tuple[str, float]:
    """The category whose share differs most from the reference's, and the corrected p-value."""
    names = sorted({*counts, *base})
    here, there = sum(counts.values()), sum(base.values())
    found = []
    for name in names:
        a, b = round(counts[name] * weight), round(base[name] * weight)
        rest_a, rest_b = round(here * weight) - a, round(there * weight) - b
        table = [[a, max(rest_a, 0)], [b, max(rest_b, 0)]]
        found.append((float(stats.fisher_exact(table)[1]), name))
    p, name = min(found)
    return name, min(1.0, p * len(names))


def _design_effect(reference: Sequence[str], weeks: Sequence[int], base: Counter[str]) -> float:
    """How much more weeks' shares vary than by chance, of the category where it is most."""
    found, place = np.unique(np.asarray(weeks), return_inverse=True)
    if len(found) < 4:
        return 1.0
    counts = np.bincount(place).astype(float)
    effect = 1.0
    for name, total in base.items():
        share = total / len(reference)
        if share in (0.0, 1.0):
            continue
        hits = np.bincount(place, weights=np.array([one == name for one in reference], float))
        chi = np.sum((hits - counts * share) ** 2 / (counts * share * (1 - share)))
        effect = max(effect, float(chi / (len(found) - 1)) if total >= 2 * len(found) else 1.0)
    return effect


def _psi(counts: Counter[str], base: Counter[str]) -> float:
    """Population stability index: sum of (p - q) ln(p / q)."""
    here, there = sum(counts.values()), sum(base.values())
    total = 0.0
    for name in {*counts, *base}:
        p = max(counts[name] / here, SMALLEST_SHARE)
        q = max(base[name] / there, SMALLEST_SHARE)
        total += (p - q) * math.log(p / q)
    return total


def _batch_episodes(points: Sequence[Point], batches: Sequence[tuple[int, int]]) -> list[Episode]:
    found: list[Episode] = []
    out = False
    for point, (start, _) in zip(points, batches, strict=True):
        if not out and abs(point.of_limit) > 1:
            found.append(Episode(start, point.last, None, point.of_limit > 0))
            out = True
        elif out and abs(point.of_limit) < CALM:
            found[-1] = found[-1]._replace(until=point.last)
            out = False
    return found


def _rounded(a_year: float) -> float:
    """To two figures: limits are kept, and no more of them are looked for than needed."""
    return float(f"{max(a_year, 1.0):.1e}")
