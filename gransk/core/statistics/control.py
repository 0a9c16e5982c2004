"""Control charts of a mean: how long they run, and limits for the false alarms that are wanted.

Run lengths solve the charts' integral equations by Nystroem's method on Gauss and Legendre's
nodes: Goel and Wu 1971 (Technometrics 13:221) and Vance 1986 (J Qual Technol 18:189) for the
cumulative sum, Crowder 1987 (Technometrics 29:401) for the moving average. Observations are of a
standard normal distribution, whose mean may have shifted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
from scipy import optimize, special

from gransk.core.errors import InvalidValueError
from gransk.core.statistics.figure import FloatArray

NODES = 30
"""Least nodes of a quadrature."""
NODES_PER_DEVIATION = 2
"""Nodes for each standard deviation of the kernel that the range is wide."""
ERRORS = 9
"""Nodes over which a reference's error is averaged."""
OVERSHOOT = 1.166
"""By how much a sum of normal observations passes its limit, for both ends, as Siegmund has it."""
LARGEST_EXPONENT = 60.0
WIDEST = 400.0
"""No limit is looked for beyond."""

RunLength = Callable[[float, float], float]
"""Average run length, of a limit and a shift of the mean."""


def cusum_run_length(h: float, k: float, shift: float = 0.0) -> float:
    """Average run length of a two-sided cumulative sum that starts at 0.

    Parameters
    ----------
    h : float
        Decision interval, in standard deviations of an observation.
    k : float
        Reference value: half of the shift that is to be found soonest.
    shift : float, optional
        Of the mean.

    Notes
    -----
    Of two one-sided sums 1 / L = 1 / L+ + 1 / L- (Lucas and Crosier 1982, Technometrics 24:199).
    """
    return 1 / (1 / one_sided_run_length(h, k, shift) + 1 / one_sided_run_length(h, k, -shift))


def siegmund_run_length(h: float, k: float, shift: float = 0.0) -> float:
    """The same as `cusum_run_length` in closed form, by Siegmund's approximation.

    L = (exp(-2 d b) + 2 d b - 1) / (2 d^2) of one side, where d = shift - k and b = h + 1.166
    (Siegmund 1985, as Montgomery 2013, Introduction to Statistical Quality Control, 9.6).
    """
    return 1 / (1 / _siegmund(h, shift - k) + 1 / _siegmund(h, -shift - k))


def _siegmund(h: float, drift: float) -> float:
    b = h + OVERSHOOT
    if abs(drift) < 1e-6:
        return b * b
    exponent = min(-2 * drift * b, LARGEST_EXPONENT)
    return (math.exp(exponent) + 2 * drift * b - 1) / (2 * drift * drift)


def one_sided_run_length(h: float, k: float, shift: float = 0.0) -> float:
    """Average run length of S = max(0, S + x - k) until S is above h."""
    if not h > 0 or k < 0:
        raise InvalidValueError("cusum", (h, k), "a limit above 0 and a value of at least 0")
    nodes, weights = _nodes(0.0, h, 1.0)
    starts = np.concatenate([[0.0], nodes])
    kernel = _density(nodes[None, :] + k - shift - starts[:, None]) * weights[None, :]
    at_zero = special.ndtr(k - shift - starts)
    matrix = np.eye(len(starts))
    matrix[:, 0] -= at_zero
    matrix[:, 1:] -= kernel
    return _positive(np.linalg.solve(matrix, np.ones(len(starts)))[0])


def ewma_run_length(limit: float, weight: float, shift: float = 0.0) -> float:
    """Average run length of z = (1 - weight) z + weight x, from 0 until abs(z) is above the limit.

    Parameters
    ----------
    limit : float
        In standard deviations of the settled moving average: sqrt(weight / (2 - weight)).
    weight : float
        Of the newest observation, above 0 to 1.
    shift : float, optional
        Of the mean.
    """
    if not limit > 0 or not 0 < weight <= 1:
        raise InvalidValueError("ewma", (limit, weight), "a limit above 0 and a weight up to 1")
    edge = limit * deviation(weight)
    nodes, weights = _nodes(-edge, edge, weight)
    starts = np.concatenate([[0.0], nodes])
    arrived = (nodes[None, :] - (1 - weight) * starts[:, None]) / weight - shift
    matrix = np.eye(len(starts))
    matrix[:, 1:] -= _density(arrived) / weight * weights[None, :]
    return _positive(np.linalg.solve(matrix, np.ones(len(starts)))[0])


def deviation(weight: float) -> float:
    """Standard deviation of a settled moving average of independent observations."""
    return math.sqrt(weight / (2 - weight))


def alarms_a_year(run_length: RunLength, limit: float, cases: int, a_year: float) -> float:
    """Expected number of years in a hundred, over a hundred, in which a chart alarms falsely.

    The reference's own mean is known from so many cases only: its error is a shift, over whose
    normal distribution is averaged (Jones, Champ and Rigdon 2004, Technometrics 46:187).

    Parameters
    ----------
    run_length : callable
    limit : float
    cases : int
        Of the reference.
    a_year : float
        Observations in a year.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(ERRORS)
    shares = weights / weights.sum()
    spread = 1 / math.sqrt(cases)
    # Both sides are alike: half of the nodes tell the whole.
    found = sum(
        share * (1 - math.exp(-a_year / run_length(limit, abs(node) * spread)))
        for node, share in zip(nodes, shares, strict=True)
        if node <= 1e-9
    )
    middle = 1 - math.exp(-a_year / run_length(limit, 0.0))
    return float(2 * found - shares[ERRORS // 2] * middle)


def reference_value(shift: float, cases: int) -> float:
    """Half of the shift that is looked for; more where the reference is too small for it.

    Below three standard errors of the reference's mean its own error would count as a shift.
    """
    return max(shift / 2, 3 / math.sqrt(cases))


@lru_cache(maxsize=4096)
def cusum_limit(k: float, cases: int, a_year: float, wanted: float) -> float:
    """The decision interval with which so many false alarms a year are expected.

    By Siegmund's approximation, which for sums that run so long is off by less than a hundredth.

    Parameters
    ----------
    k : float
    cases : int
        Of the reference.
    a_year : float
        Observations in a year.
    wanted : float
        False alarms a year, above 0 and below 1.
    """
    return _limit(partial(_cusum, k), cases, a_year, wanted)


@lru_cache(maxsize=4096)
def ewma_limit(weight: float, cases: int, a_year: float, wanted: float) -> float:
    """The limit of a moving average, likewise; in its standard deviations."""
    return _limit(partial(_ewma, weight), cases, a_year, wanted)


def _cusum(k: float, limit: float, shift: float) -> float:
    return siegmund_run_length(limit, k, shift)


def _ewma(weight: float, limit: float, shift: float) -> float:
    return ewma_run_length(limit, weight, shift)


def _limit(run_length: RunLength, cases: int, a_year: float, wanted: float) -> float:
    if cases < 2 or not a_year > 0 or not 0 < wanted < 1:
        raise InvalidValueError("limit", (cases, a_year, wanted), "cases, a year, 0 to 1 alarms")

    def beyond(limit: float) -> float:
        return alarms_a_year(run_length, limit, cases, a_year) - wanted

    low, high = 0.5, 4.0
    while beyond(high) > 0:
        if high > WIDEST:
            return high
        low, high = high, high * 1.5
    if beyond(low) <= 0:
        return low
    return float(optimize.brentq(beyond, low, high, xtol=0.01))


def _nodes(low: float, high: float, width: float) -> tuple[FloatArray, FloatArray]:
    """Gauss and Legendre's nodes and weights, close enough for a kernel of that width."""
    count = max(NODES, math.ceil(NODES_PER_DEVIATION * (high - low) / width))
    nodes, weights = np.polynomial.legendre.leggauss(count)
    half = (high - low) / 2
    return low + half * (nodes + 1), weights * half


def _density(x: FloatArray) -> FloatArray:
    found: FloatArray = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return found


def _positive(found: float) -> float:
    """A run so long that no number holds it comes out as anything: then it is without end."""
    return float(found) if 0 < found < 1e13 else 1e13
