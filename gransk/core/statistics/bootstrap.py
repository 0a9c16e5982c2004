"""Intervals by drawing people: what is of one person is alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from gransk.core.statistics.figure import FloatArray, IntArray

RESAMPLES = 1000


def interval(
    who: Sequence[str], figure: Callable[[IntArray], float], seed: int = 0
) -> tuple[float, float]:
    """95 % bootstrap interval of a figure of rows, people drawn with replacement.

    Parameters
    ----------
    who : sequence of str
        The person of each row.
    figure : callable
        Gives the figure of some rows, NaN where they have none.
    seed : int, optional
        Of the draw.
    """
    rng = np.random.default_rng(seed)
    names, owner = np.unique(np.asarray(who), return_inverse=True)
    rows = [np.flatnonzero(owner == n) for n in range(len(names))]
    values = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate([rows[n] for n in rng.integers(len(rows), size=len(rows))])
        values.append(figure(drawn))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def mean_interval(who: Sequence[str], values: FloatArray) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of one value a row."""
    return interval(who, lambda rows: float(values[rows].mean()))


def ratio_interval(
    who: Sequence[str], numerator: FloatArray, denominator: FloatArray, seed: int = 0
) -> tuple[float, float]:
    """95 % bootstrap interval of a ratio of two sums, people drawn with replacement.

    Sums of each person are drawn, not rows: fast for a whole programme.
    """
    owner = np.unique(np.asarray(who), return_inverse=True)[1]
    people = int(owner.max()) + 1
    above, below = np.bincount(owner, numerator, people), np.bincount(owner, denominator, people)
    rng = np.random.default_rng(seed)
    values = np.full(RESAMPLES, np.nan)
    for n in range(RESAMPLES):
        drawn = rng.integers(people, size=people)
        total = below[drawn].sum()
        if total:
            values[n] = above[drawn].sum() / total
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
