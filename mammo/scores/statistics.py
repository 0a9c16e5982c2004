"""Figures of a score against an outcome: discrimination, proportions, logistic calibration."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from gransk.core.errors import InvalidValueError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

Z95 = 1.959964
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


def auc(score: FloatArray, disease: BoolArray) -> tuple[float, float, float]:
    """Chance that a diseased exam scores above another, ties half, and its 95 % interval.

    DeLong 1988 (Biometrics 44:837), by midranks as in Sun and Xu 2014 (IEEE Signal Processing
    Letters 21:1389); the interval is Wald's on the logit, so that it stays within 0 and 1.

    Raises
    ------
    InvalidValueError
        Where there are fewer than two with, or without, disease.
    """
    yes, no = score[disease], score[~disease]
    m, n = len(yes), len(no)
    if min(m, n) < 2:
        raise InvalidValueError("auc", (m, n), "at least two exams with and without disease")
    ranks = stats.rankdata(np.concatenate([yes, no]))
    above = (ranks[:m] - stats.rankdata(yes)) / n
    below = 1 - (ranks[m:] - stats.rankdata(no)) / m
    area = float(above.mean())
    variance = float(above.var(ddof=1) / m + below.var(ddof=1) / n)
    if variance <= 0 or not 0 < area < 1:
        return area, area, area
    reach = Z95 * np.sqrt(variance) / (area * (1 - area))
    low, high = special.expit(special.logit(area) + np.array([-reach, reach]))
    return area, float(low), float(high)


def proportion(hits: int, cases: int) -> tuple[float, float, float]:
    """A share and Clopper and Pearson's exact 95 % interval.

    Raises
    ------
    InvalidValueError
        Where there are no cases.
    """
    if not 0 <= hits <= cases or cases == 0:
        raise InvalidValueError("proportion", (hits, cases), "hits among at least one case")
    found = stats.binomtest(hits, cases).proportion_ci(0.95, method="exact")
    return hits / cases, float(found.low), float(found.high)


def brier(probability: FloatArray, disease: BoolArray) -> float:
    """Mean squared difference of probability and outcome."""
    return float(np.mean((probability - disease) ** 2))
