"""From scores to probabilities: logistic curves on films that a network never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from training.mammo.measures import Read

if TYPE_CHECKING:
    from training.mammo.validation import Raw

Line = tuple[float, float]


@dataclass(frozen=True)
class Curves:
    """Slope and intercept of each curve, on the network's log-odds."""

    mass: Line = (1.0, 0.0)
    malignancy: Line = (1.0, 0.0)


def fitted(raw: Sequence[Raw]) -> Curves:
    """Curves of marks: is it a mass, is it a malignant one?"""
    marks = [(mark, one.film.malignant) for one in raw for mark in one.marks]
    hits = np.array([mark.hits is not None for mark, _ in marks])
    bad = hits & np.array([malignant for _, malignant in marks])
    return Curves(
        mass=_logistic(np.array([mark.mass for mark, _ in marks]), hits),
        malignancy=_logistic(np.array([mark.malignancy for mark, _ in marks]), bad),
    )


def _logistic(odds: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_]) -> Line:
    """Greatest likelihood of two numbers."""

    def loss(line: npt.NDArray[np.float64]) -> float:
        share = np.clip(expit(line[0] * odds + line[1]), 1e-9, 1 - 1e-9)
        return float(-np.where(truth, np.log(share), np.log(1 - share)).mean())

    slope, intercept = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return round(float(slope), 4), round(float(intercept), 4)


def threshold(reads: Sequence[Read], false_marks: float) -> float:
    """Least probability at which so many false marks a film are shown on average."""
    false = sorted((m.probability for r in reads for m in r.marks if m.hits is None), reverse=True)
    place = min(len(false) - 1, int(false_marks * len(reads)))
    return round(false[place], 4)
