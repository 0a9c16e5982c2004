"""Shares, rates and ratios of counts, with exact intervals."""

from __future__ import annotations

import math

from scipy import special, stats

from gransk.core.errors import InvalidValueError
from gransk.core.statistics.figure import LEVEL, Figure


def proportion(hits: int, cases: int) -> Figure:
    """A share and Clopper and Pearson's exact 95 % interval, by quantiles of the beta.

    Raises
    ------
    InvalidValueError
        Where there are no cases.
    """
    if not 0 <= hits <= cases or cases == 0:
        raise InvalidValueError("proportion", (hits, cases), "hits among at least one case")
    tail = (1 - LEVEL) / 2
    low = special.betaincinv(hits, cases - hits + 1, tail) if hits else 0.0
    high = special.betaincinv(hits + 1, cases - hits, 1 - tail) if hits < cases else 1.0
    return Figure(hits / cases, float(low), float(high))


def rate(events: int, exposure: float, per: float = 1000) -> Figure:
    """Events per so many of an exposure, with Garwood's exact Poisson interval.

    Garwood 1936 (Biometrika 28:437), by quantiles of chi-squared.

    Parameters
    ----------
    events : int
    exposure : float
        Women, exams or women-years.
    per : float, optional

    Raises
    ------
    InvalidValueError
        Where there is no exposure.
    """
    if events < 0 or not exposure > 0:
        raise InvalidValueError("rate", (events, exposure), "events of an exposure above 0")
    tail = (1 - LEVEL) / 2
    low = stats.chi2.ppf(tail, 2 * events) / 2 if events else 0.0
    high = stats.chi2.ppf(1 - tail, 2 * (events + 1)) / 2
    return Figure(events, float(low), float(high)).times(per / exposure)


def ratio(one: int, other: int) -> Figure:
    """One count to another of the same people, such as benign to malignant operations.

    The share of the first among both has Clopper and Pearson's interval; the ratio is its odds.

    Raises
    ------
    InvalidValueError
        Where the second count is none.
    """
    if one < 0 or other < 1:
        raise InvalidValueError("ratio", (one, other), "a count to a count of at least one")
    _, low, high = proportion(one, one + other)
    return Figure(one / other, low / (1 - low), high / (1 - high) if high < 1 else math.inf)
