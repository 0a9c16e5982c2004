"""Women, readers and the AI: who has cancer, and what each would make of each exam.

Everybody sees an exam through the same difficulty of the case and through noise of their own.
On the scale of an observer exams of healthy women are normal with mean 0 and deviation 1, those
with cancer normal with mean a/b and deviation 1/b: a binormal ROC curve with intercept a and
slope b, so that sensitivity at a limit t is Phi(a - b t) (Dorfman and Alf 1969, J Math Psychol
6:487). The shared difficulty gives each two observers the correlation that was measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from bench.programme import sources
from gransk.core.statistics.figure import BoolArray, FloatArray, IntArray

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
"""Quadrature over the difficulty of a case, which is standard normal."""


class Curve(NamedTuple):
    """A binormal ROC curve: intercept and slope on normal axes."""

    a: float
    b: float

    @property
    def area(self) -> float:
        """Under the curve."""
        return float(norm.cdf(self.a / math.hypot(1, self.b)))

    def sensitivity(self, limit: float) -> float:
        """At a limit of the observer's scale."""
        return float(norm.cdf(self.a - self.b * limit))


class Loading(NamedTuple):
    """How far an observer follows the difficulty of the case, in women with cancer and without."""

    cancer: float
    healthy: float


class Observer(NamedTuple):
    """Somebody, or something, that looks at exams."""

    curve: Curve
    loading: Loading
    limit: float

    def recalls(self, difficulty: FloatArray, cancer: bool) -> FloatArray:
        """How probably a recall, by the difficulty of the case."""
        loading = self.loading.cancer if cancer else self.loading.healthy
        limit = self.curve.a - self.curve.b * self.limit if cancer else -self.limit
        found: FloatArray = norm.cdf((limit + loading * difficulty) / math.sqrt(1 - loading**2))
        return found

    def sees(self, difficulty: FloatArray, noise: FloatArray, cancer: BoolArray) -> FloatArray:
        """What the observer sees of exams, on the own scale."""
        loading = np.where(cancer, self.loading.cancer, self.loading.healthy)
        standard = loading * difficulty + np.sqrt(1 - loading**2) * noise
        a, b = self.curve
        found: FloatArray = np.where(cancer, (a + standard) / b, standard)
        return found


def mean_over_cases(values: FloatArray) -> float:
    """Mean of a function of the difficulty, given at `NODES`."""
    return float(WEIGHTS @ values)


READER_LOADING = Loading(
    math.sqrt(sources.READERS_CANCER), math.sqrt(sources.READERS_HEALTHY)
)  # fmt: skip
AI_LOADING = Loading(
    sources.AI_CANCER / READER_LOADING.cancer, sources.AI_HEALTHY / READER_LOADING.healthy
)
READER_LIMIT = float(norm.isf(1 - sources.READER_SPECIFICITY))


def ai_curve() -> Curve:
    """Through the two points that were published."""
    (sens, spec), (other_sens, other_spec) = (
        sources.AI_AT_READER_SPECIFICITY,
        sources.AI_AT_READER_SENSITIVITY,
    )
    true, other_true = norm.ppf([sens, other_sens])
    false, other_false = norm.ppf([1 - spec, 1 - other_spec])
    b = float((other_true - true) / (other_false - false))
    return Curve(float(true - b * false), b)


def reader_curves(readers: int = sources.READERS) -> list[Curve]:
    """Curves that differ as those of the reader study, of the published sensitivity in the mean."""
    apart = sources.READER_SPREAD * norm.ppf((np.arange(readers) + 0.5) / readers)
    b = sources.READER_SLOPE

    def short(a: float) -> float:
        reached = norm.cdf(a + apart - b * READER_LIMIT).mean()
        return float(reached - sources.READER_SENSITIVITY)

    middle = brentq(short, -5, 10)
    return [Curve(float(middle + one), b) for one in apart]


@cache
def readers() -> tuple[Observer, ...]:
    """The unit's readers."""
    return tuple(Observer(curve, READER_LOADING, READER_LIMIT) for curve in reader_curves())


@cache
def arbiters() -> tuple[Observer, ...]:
    """The same people as third readers.

    A third reader knows that opinions differ, sees both with their marks and the earlier images,
    and is another person. That is a limit and a gain of their own, the same for all: those that
    make double reading with arbitration what was published, and nothing else is fitted.
    """
    return tuple(
        Observer(Curve(one.curve.a + _gain(), one.curve.b), one.loading, _arbiter_limit())
        for one in readers()
    )


def _double(one: FloatArray, other: FloatArray, third: FloatArray) -> float:
    """Share recalled where two read and a third decides where they differ."""
    return mean_over_cases(one * other + (one + other - 2 * one * other) * third)


@cache
def _arbiter_limit() -> float:
    reader = readers()[0]
    alone = reader.recalls(NODES, cancer=False)

    def over(limit: float) -> float:
        third = Observer(reader.curve, reader.loading, limit).recalls(NODES, cancer=False)
        return _double(alone, alone, third) - (1 - sources.DOUBLE_SPECIFICITY)

    return float(brentq(over, -5, 5))


@cache
def _gain() -> float:
    alone = [reader.recalls(NODES, cancer=True) for reader in readers()]

    def over(gain: float) -> float:
        thirds = [
            Observer(Curve(one.curve.a + gain, one.curve.b), one.loading, _arbiter_limit())
            for one in readers()
        ]
        third = np.mean([one.recalls(NODES, cancer=True) for one in thirds], axis=0)
        found = [_double(one, other, third) for one, other in combinations(alone, 2)]
        return float(np.mean(found)) - sources.DOUBLE_SENSITIVITY

    return float(brentq(over, -5, 5))


@cache
def ai(false_positives: float) -> Observer:
    """The AI with the limit that gives a share of false positives."""
    return Observer(ai_curve(), AI_LOADING, float(norm.isf(false_positives)))


@dataclass(frozen=True)
class Programme:
    """Women of one exam each, and what everybody would see of them.

    Parameters
    ----------
    seed : int
    first, cancer, inadequate, left : ndarray of bool, shape (women,)
        Round, truth, no adequate image data for AI, and in which breast anything is.
    ai : ndarray, shape (women,)
        What the AI sees, on its own scale.
    score : ndarray of int, shape (women,)
        Exam scores: each of 1 to 10 has a tenth of the healthy.
    readers, with_marks, arbiters : ndarray, shape (women, readers)
        What each reader sees; the same with the AI's opinion beside it; and as third reader.
    """

    seed: int
    first: BoolArray = field(repr=False)
    cancer: BoolArray = field(repr=False)
    inadequate: BoolArray = field(repr=False)
    left: BoolArray = field(repr=False)
    ai: FloatArray = field(repr=False)
    score: IntArray = field(repr=False)
    readers: FloatArray = field(repr=False)
    with_marks: FloatArray = field(repr=False)
    arbiters: FloatArray = field(repr=False)

    @property
    def women(self) -> int:
        return len(self.cancer)


def programme(women: int = sources.WOMEN, seed: int = 1) -> Programme:
    """Draw a programme; the same seed draws the same."""
    rng = np.random.default_rng(seed)
    first = rng.random(women) < sources.SHARE_FIRST
    detected = np.where(first, sources.DETECTED_FIRST, sources.DETECTED_LATER)
    cancer = rng.random(women) < detected / sources.DOUBLE_SENSITIVITY
    difficulty = rng.standard_normal(women)
    noise = rng.standard_normal((women, len(readers()) + 1))
    looks = ai(1 - sources.READER_SPECIFICITY).sees(difficulty, noise[:, -1], cancer)

    def seen(by: tuple[Observer, ...]) -> FloatArray:
        columns = [one.sees(difficulty, noise[:, n], cancer) for n, one in enumerate(by)]
        return np.stack(columns, axis=1)

    alone = seen(readers())
    return Programme(
        seed=seed,
        first=first,
        cancer=cancer,
        inadequate=rng.random(women) < sources.INADEQUATE,
        left=rng.integers(2, size=women) == 1,
        ai=looks,
        score=np.minimum(10, 1 + np.floor(10 * norm.cdf(looks))).astype(np.int64),
        readers=alone,
        with_marks=together(alone, looks[:, None], sources.HALF),
        arbiters=seen(arbiters()),
    )


def together(reader: FloatArray, network: FloatArray, weight: float) -> FloatArray:
    """Reader and AI in one, on the reader's scale: as many false positives at the same limit."""
    shared = 2 * weight * (1 - weight) * sources.AI_HEALTHY
    apart = (1 - weight) ** 2 + weight**2 + shared
    found: FloatArray = ((1 - weight) * reader + weight * network) / math.sqrt(apart)
    return found
