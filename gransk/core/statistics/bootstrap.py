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
    """95 % bootstrap interval of a ratio of two sums, people drawn with replacement."""
    kinds = np.unique(np.column_stack([numerator, denominator]), axis=0, return_inverse=True)[1]
    return Draws(who, kinds.ravel(), seed).ratio(numerator, denominator)


class Draws:
    """People drawn with replacement, once for many figures of the same rows.

    How many rows of each kind are drawn is kept, not which: fast for a whole programme.

    Parameters
    ----------
    who : sequence of str
        The person of each row.
    kinds : array of int, shape (rows,)
        Rows of one kind, numbered from 0, are alike in every value that is asked for.
    seed : int, optional
    """

    def __init__(self, who: Sequence[str], kinds: IntArray, seed: int = 0) -> None:
        owner = np.unique(np.asarray(who), return_inverse=True)[1]
        people = int(owner.max()) + 1
        self._first = np.unique(kinds, return_index=True)[1]
        self._counts = np.empty((RESAMPLES, len(self._first)))
        rng = np.random.default_rng(seed)
        for n in range(RESAMPLES):
            times = np.bincount(rng.integers(people, size=people), minlength=people)
            self._counts[n] = np.bincount(kinds, times[owner], len(self._first))

    def ratio(self, numerator: FloatArray, denominator: FloatArray) -> tuple[float, float]:
        """95 % interval of a ratio of two sums over the rows."""
        above = self._counts @ numerator[self._first]
        below = self._counts @ denominator[self._first]
        values = np.divide(above, below, out=np.full(RESAMPLES, np.nan), where=below != 0)
        low, high = np.nanpercentile(values, [2.5, 97.5])
        return float(low), float(high)
