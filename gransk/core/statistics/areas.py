"""Areas under ROC curves: one, several of the same people, and their differences.

DeLong 1988 (Biometrics 44:837), by midranks as in Sun and Xu 2014 (IEEE Signal Processing Letters
21:1389). Where people have several rows, such as two breasts, Obuchowski 1997 (Biometrics 53:567)
sums the same components by person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from gransk.core.errors import InvalidValueError
from gransk.core.statistics.figure import LEVEL, Z95, BoolArray, Figure, FloatArray, IntArray


@dataclass(frozen=True)
class Areas:
    """Areas of several scores of the same rows.

    Parameters
    ----------
    values : ndarray, shape (k,)
    covariance : ndarray, shape (k, k)
    """

    values: FloatArray
    covariance: FloatArray


class Difference(Figure):
    """A difference of two areas with Wald's 95 % interval."""

    @property
    def p(self) -> float:
        """Two-sided p of no difference; 1 where the two never differ."""
        error = (self.high - self.low) / (2 * Z95)
        if error == 0:
            return 1.0 if self.value == 0 else 0.0
        return float(2 * stats.norm.sf(abs(self.value) / error))


def auc(score: FloatArray, disease: BoolArray, who: Sequence[str] | None = None) -> Figure:
    """Chance that a diseased row scores above another, ties half, and its 95 % interval.

    The interval is Wald's on the logit, so that it stays within 0 and 1.

    Parameters
    ----------
    score : ndarray, shape (n,)
    disease : ndarray of bool, shape (n,)
    who : sequence of str, optional
        The person of each row, where people may have several.

    Raises
    ------
    InvalidValueError
        Where there are fewer than two with, or without, disease.
    """
    found = areas([score], disease, who)
    return _on_logit(float(found.values[0]), float(found.covariance[0, 0]))


def areas(
    scores: Sequence[FloatArray], disease: BoolArray, who: Sequence[str] | None = None
) -> Areas:
    """Areas of several scores of the same rows, and how they vary together.

    Raises
    ------
    InvalidValueError
        Where there are fewer than two rows, or people, with or without disease.
    """
    m, n = int(disease.sum()), int((~disease).sum())
    if min(m, n) < 2:
        raise InvalidValueError("auc", (m, n), "at least two exams with and without disease")
    parts = [_components(np.asarray(score, float), disease) for score in scores]
    above = np.array([part[0] for part in parts])
    below = np.array([part[1] for part in parts])
    values = above.mean(axis=1)
    if who is None:
        covariance = np.atleast_2d(np.cov(above)) / m + np.atleast_2d(np.cov(below)) / n
    else:
        owners = np.unique(np.asarray(who), return_inverse=True)[1]
        covariance = _by_person(above - values[:, None], below - values[:, None], owners, disease)
    return Areas(values, covariance)


def difference(found: Areas, one: int = 0, other: int = 1) -> Difference:
    """One area less another of the same rows."""
    value = float(found.values[one] - found.values[other])
    spread = found.covariance
    variance = spread[one, one] + spread[other, other] - 2 * spread[one, other]
    reach = Z95 * float(np.sqrt(max(variance, 0.0)))
    return Difference(value, value - reach, value + reach)


def mean_area(found: Areas, *, of_all_readers: bool = False) -> Figure:
    """Mean of the areas of several readers of the same rows.

    Parameters
    ----------
    found : Areas
    of_all_readers : bool, optional
        False: of these readers, whatever cases they meet. True: of readers like these; Obuchowski
        and Rockette's model of one test with Hillis' degrees of freedom (Hillis 2014, Stat Med
        33:330).
    """
    k = len(found.values)
    mean = float(found.values.mean())
    if not of_all_readers or k < 2:
        return _on_logit(mean, float(found.covariance.mean()))
    between = float(found.values.var(ddof=1))
    together = max(float(found.covariance[~np.eye(k, dtype=bool)].mean()), 0.0)
    whole = between + k * together
    if whole == 0:
        return Figure(mean, mean, mean)
    freedom = np.inf if between == 0 else whole**2 / (between**2 / (k - 1))
    reach = float(stats.t.ppf((1 + LEVEL) / 2, freedom) * np.sqrt(whole / k))
    return Figure(mean, max(0.0, mean - reach), min(1.0, mean + reach))


def _components(score: FloatArray, disease: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Share of the others below each diseased row, and of the diseased above each other row."""
    yes, no = score[disease], score[~disease]
    m, n = len(yes), len(no)
    ranks = stats.rankdata(np.concatenate([yes, no]))
    above = (ranks[:m] - stats.rankdata(yes)) / n
    below = 1 - (ranks[m:] - stats.rankdata(no)) / m
    return above, below


def _by_person(
    above: FloatArray, below: FloatArray, owners: IntArray, disease: BoolArray
) -> FloatArray:
    """Obuchowski's covariance, from deviations of the components."""
    people = int(owners.max()) + 1
    yes, no = owners[disease], owners[~disease]
    m, n = len(yes), len(no)
    with_disease, without = len(np.unique(yes)), len(np.unique(no))
    if min(with_disease, without) < 2:
        raise InvalidValueError("auc", (with_disease, without), "two people of each kind")
    x = np.array([np.bincount(yes, row, people) for row in above]) / m
    y = np.array([np.bincount(no, row, people) for row in below]) / n
    mixed = x @ y.T * people / (people - 1)
    found: FloatArray = (
        x @ x.T * with_disease / (with_disease - 1)
        + y @ y.T * without / (without - 1)
        + mixed
        + mixed.T
    )
    return found


def _on_logit(area: float, variance: float) -> Figure:
    if variance <= 0 or not 0 < area < 1:
        return Figure(area, area, area)
    reach = Z95 * np.sqrt(variance) / (area * (1 - area))
    ends: npt.NDArray[np.float64] = special.expit(special.logit(area) + np.array([-reach, reach]))
    return Figure(area, float(ends[0]), float(ends[1]))
