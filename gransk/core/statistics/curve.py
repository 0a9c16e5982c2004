"""ROC curves, operating points, and the mean of a reader and an AI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from gransk.core.errors import InvalidValueError
from gransk.core.statistics.figure import BoolArray, Figure, FloatArray
from gransk.core.statistics.shares import proportion


@dataclass(frozen=True)
class Curve:
    """An empirical ROC curve; every limit is a score, called positive from it on.

    Parameters
    ----------
    limits : ndarray, shape (n,)
        Falling, from infinity (nothing is positive).
    sensitivity, false_positive : ndarray, shape (n,)
        Shares, rising.
    """

    limits: FloatArray
    sensitivity: FloatArray
    false_positive: FloatArray

    @property
    def area(self) -> float:
        """By trapezoids: the Mann-Whitney statistic, ties half."""
        return float(np.trapezoid(self.sensitivity, self.false_positive))


@dataclass(frozen=True)
class Point:
    """What a limit, or a reader, called positive.

    Parameters
    ----------
    positive : Figure
        Share of all.
    sensitivity, specificity : Figure
    """

    positive: Figure
    sensitivity: Figure
    specificity: Figure


def curve(score: FloatArray, disease: BoolArray) -> Curve:
    """The curve of a score.

    Raises
    ------
    InvalidValueError
        Where either kind is missing.
    """
    _both_kinds(disease)
    order = np.argsort(-score, kind="stable")
    ranked, truth = score[order], disease[order]
    last = np.flatnonzero(np.append(np.diff(ranked) != 0, True))
    hits, called = np.cumsum(truth)[last], last + 1
    return Curve(
        limits=np.append(np.inf, ranked[last]),
        sensitivity=np.append(0.0, hits / truth.sum()),
        false_positive=np.append(0.0, (called - hits) / (~truth).sum()),
    )


def point(positive: BoolArray, disease: BoolArray) -> Point:
    """Sensitivity and specificity of calls, with exact intervals.

    Raises
    ------
    InvalidValueError
        Where either kind is missing.
    """
    _both_kinds(disease)
    return Point(
        positive=proportion(int(positive.sum()), len(positive)),
        sensitivity=proportion(int((positive & disease).sum()), int(disease.sum())),
        specificity=proportion(int((~positive & ~disease).sum()), int((~disease).sum())),
    )


def limit_at_specificity(score: FloatArray, disease: BoolArray, least: float) -> float:
    """The lowest score that, called positive from it on, reaches a specificity.

    Infinity where not even the highest score does.
    """
    drawn = curve(score, disease)
    reached = 1 - drawn.false_positive >= least - 1e-12
    return float(drawn.limits[np.flatnonzero(reached)[-1]])


def limit_at_sensitivity(score: FloatArray, disease: BoolArray, least: float) -> float:
    """The highest score that, called positive from it on, reaches a sensitivity."""
    drawn = curve(score, disease)
    reached = drawn.sensitivity >= least - 1e-12
    return float(drawn.limits[np.flatnonzero(reached)[0]])


def hybrid(reader: FloatArray, ai: FloatArray, weight: float) -> FloatArray:
    """Mean of a reader's probability and an AI's (Wu 2020, IEEE Trans Med Imaging 39:1184).

    Parameters
    ----------
    reader, ai : ndarray, shape (n,)
        Probabilities.
    weight : float
        Of the AI, 0 to 1.
    """
    if not 0 <= weight <= 1:
        raise InvalidValueError("weight", weight, "0 to 1")
    return (1 - weight) * reader + weight * ai


def hybrid_areas(
    reader: FloatArray, ai: FloatArray, disease: BoolArray, weights: Sequence[float]
) -> FloatArray:
    """Area of the mean of reader and AI at each weight, shape (weights,)."""
    return np.array([area(hybrid(reader, ai, weight), disease) for weight in weights])


def area(score: FloatArray, disease: BoolArray) -> float:
    """Mann-Whitney's area alone, ties half: fast, for draws.

    Raises
    ------
    InvalidValueError
        Where either kind is missing.
    """
    _both_kinds(disease)
    count, others = int(disease.sum()), int((~disease).sum())
    ranks = stats.rankdata(score)
    return float((ranks[disease].sum() - count * (count + 1) / 2) / (count * others))


def _both_kinds(disease: BoolArray) -> None:
    if disease.all() or not disease.any():
        counts = (int(disease.sum()), int((~disease).sum()))
        raise InvalidValueError("disease", counts, "some with and some without")
