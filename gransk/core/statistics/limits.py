"""Limits around a target: funnels of units and readers, control charts of periods.

Limits are quantiles of the exact binomial distribution, interpolated, as Spiegelhalter 2005 (Stat
Med 24:1185) proposes for rare events, where the normal approximation goes below 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from gransk.core.errors import InvalidValueError

INNER, OUTER = 0.95, 0.998
"""Two and three standard deviations of a normal distribution, as funnels are drawn."""


class Band(NamedTuple):
    """Limits of a share by chance alone."""

    low: float
    high: float


def band(target: float, cases: int, level: float = INNER) -> Band:
    """Where a share of so many cases lies by chance, if its true value is the target.

    Parameters
    ----------
    target : float
        True share, 0 to 1.
    cases : int
    level : float, optional
        Share of units that chance leaves within.

    Raises
    ------
    InvalidValueError
        Where there are no cases, or the target is no share.
    """
    if not 0 <= target <= 1 or cases < 1 or not 0 < level < 1:
        raise InvalidValueError("band", (target, cases, level), "a share of at least one case")
    if target in (0, 1):
        return Band(target, target)
    tail = (1 - level) / 2
    return Band(_quantile(target, cases, tail), _quantile(target, cases, 1 - tail))


def _quantile(target: float, cases: int, level: float) -> float:
    """Spiegelhalter's interpolated quantile of a binomial share."""
    whole = int(stats.binom.ppf(level, cases, target))
    weight = stats.binom.cdf(whole, cases, target) - level
    mass = stats.binom.pmf(whole, cases, target)
    return float(np.clip((whole - weight / mass) / cases, 0, 1)) if mass else whole / cases
