"""How probabilities agree with outcomes: logistic regression, bins, squared error."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import special

from gransk.core.errors import InvalidValueError
from gransk.core.statistics.figure import Z95, BoolArray, Figure, FloatArray
from gransk.core.statistics.shares import proportion

CLIP = 1e-6
"""Probabilities are kept so far from 0 and 1 before their logit is taken."""
STEPS = 100


@dataclass(frozen=True)
class Logistic:
    """A fitted logistic regression: log-odds = intercept + slope * x (+ offset).

    Parameters
    ----------
    coefficients : ndarray, shape (1,) or (2,)
        Intercept, then slope where one was fitted.
    covariance : ndarray
        Inverse of the Fisher information.
    """

    coefficients: FloatArray = field(repr=False)
    covariance: FloatArray = field(repr=False)

    @property
    def errors(self) -> FloatArray:
        """Standard errors of the coefficients."""
        found: FloatArray = np.sqrt(np.diag(self.covariance))
        return found

    def interval(self, index: int) -> tuple[float, float]:
        """Wald's 95 % interval of a coefficient."""
        reach = Z95 * float(self.errors[index])
        centre = float(self.coefficients[index])
        return centre - reach, centre + reach


def logit(probability: npt.ArrayLike) -> FloatArray:
    """Log-odds, of probabilities kept `CLIP` away from 0 and 1."""
    found: FloatArray = special.logit(np.clip(np.asarray(probability, float), CLIP, 1 - CLIP))
    return found


def logistic(
    disease: BoolArray, x: FloatArray | None = None, offset: FloatArray | None = None
) -> Logistic | None:
    """Maximum likelihood by Newton's method; None where there is no finite maximum.

    Parameters
    ----------
    disease : ndarray of bool, shape (n,)
    x : ndarray, shape (n,), optional
        Without it the intercept alone is fitted.
    offset : ndarray, shape (n,), optional
        Added to the log-odds with coefficient 1.
    """
    ones = np.ones(len(disease))
    design = ones[:, None] if x is None else np.stack([ones, x], axis=1)
    fixed = np.zeros(len(disease)) if offset is None else offset
    if disease.all() or not disease.any():
        return None
    beta = np.zeros(design.shape[1])
    for _ in range(STEPS):
        expected = special.expit(design @ beta + fixed)
        weight = expected * (1 - expected)
        information = design.T @ (design * weight[:, None])
        try:
            covariance = np.linalg.inv(information)
        except np.linalg.LinAlgError:
            return None
        step = covariance @ (design.T @ (disease - expected))
        # Far from the maximum a whole step may overshoot.
        beta = beta + step * min(1.0, 4.0 / max(float(np.abs(step).max()), 1e-12))
        if not np.isfinite(beta).all() or float(np.abs(beta).max()) > 1e3:
            return None
        if float(np.abs(step).max()) < 1e-9:
            return Logistic(beta, covariance)
    return None


def brier(probability: FloatArray, disease: BoolArray) -> float:
    """Mean squared difference of probability and outcome."""
    return float(np.mean((probability - disease) ** 2))


@dataclass(frozen=True)
class Bin:
    """Rows of neighbouring probabilities: how many, what was said, what came."""

    rows: int
    said: float
    came: Figure


@dataclass(frozen=True)
class Agreement:
    """How far probabilities are off (Van Calster 2016, J Clin Epidemiol 74:167).

    Parameters
    ----------
    in_the_large : Figure
        Log-odds by which the mean is too low (above 0) or too high (below 0).
    slope : Figure
        1: spread as it should be; below 1: too extreme; above 1: too timid.
    brier : float
    brier_of_prevalence : float
        Of the share of disease given to everybody: what a useful probability must beat.
    """

    in_the_large: Figure
    slope: Figure
    brier: float
    brier_of_prevalence: float


def agreement(probability: FloatArray, disease: BoolArray) -> Agreement:
    """Calibration in the large, slope and Brier score.

    Raises
    ------
    InvalidValueError
        Where disease is in all or none, or the probabilities part both kinds whole.
    """
    odds = logit(probability)
    mean, spread = logistic(disease, offset=odds), logistic(disease, odds)
    if mean is None or spread is None:
        raise InvalidValueError(
            "agreement", int(disease.sum()), "kinds that overlap in probability"
        )
    return Agreement(
        in_the_large=Figure(float(mean.coefficients[0]), *mean.interval(0)),
        slope=Figure(float(spread.coefficients[1]), *spread.interval(1)),
        brier=brier(probability, disease),
        brier_of_prevalence=brier(np.full(len(disease), disease.mean()), disease),
    )


def bins(probability: FloatArray, disease: BoolArray, count: int = 10) -> tuple[Bin, ...]:
    """Rows in equal groups by probability; equal probabilities are never parted."""
    if count < 1 or not len(probability):
        raise InvalidValueError("bins", (count, len(probability)), "bins of at least one row")
    ordered = np.sort(probability)
    edges = np.unique(ordered[[-(-k * len(ordered) // count) for k in range(1, count)]])
    place = np.searchsorted(edges, probability, side="right")
    found = []
    for one in np.unique(place):
        here = place == one
        came = proportion(int(disease[here].sum()), int(here.sum()))
        found.append(Bin(int(here.sum()), float(probability[here].mean()), came))
    return tuple(found)
