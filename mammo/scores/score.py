"""From the marks of four images to a probability of malignancy by view, breast and exam."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from gransk.core.errors import InvalidValueError
from mammo.view import Laterality

LEAST, MOST = 1e-4, 1 - 1e-4


@dataclass(frozen=True)
class ViewEvidence:
    """What the detector says of one view.

    Parameters
    ----------
    laterality : Laterality
    marks : tuple of float
        Malignancy of each of its marks.
    """

    laterality: Laterality
    marks: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for value in self.marks:
            if not 0 <= value <= 1:
                raise InvalidValueError("ViewEvidence", value, "probabilities of 0 to 1")


@dataclass(frozen=True)
class Scores:
    """Probabilities of malignancy, not those of screening: see the card.

    Parameters
    ----------
    views : tuple of float
        In the order of the evidence.
    breasts : mapping of Laterality to float
    exam : float
    shares : tuple of tuple of float
        Of each view, of each mark: the share of the exam's score that it makes, 0 to 1.
    by_marks : bool
        False where a model of the exam made the score: then there is none of views, no share of
        marks, and breasts only where that model tells of them.
    """

    views: tuple[float, ...]
    breasts: Mapping[Laterality, float]
    exam: float
    shares: tuple[tuple[float, ...], ...]
    by_marks: bool = True


def score(evidence: Sequence[ViewEvidence]) -> Scores:
    """Score an exam.

    A view is as suspicious as its most suspicious mark, a breast the mean of its views in
    log-odds, the exam the more suspicious breast. So the most suspicious mark of each view of
    that breast makes the score: the shares are in proportion to their probabilities, and a mark
    that would change nothing if it were not there has none.

    Raises
    ------
    InvalidValueError
        Where there is no view.
    """
    if not evidence:
        raise InvalidValueError("score", "no view", "at least one")
    views = [float(np.clip(max(one.marks, default=0.0), LEAST, MOST)) for one in evidence]
    breasts: dict[Laterality, float] = {}
    for side in sorted({one.laterality for one in evidence}, reverse=True):
        own = [v for v, one in zip(views, evidence, strict=True) if one.laterality is side]
        breasts[side] = float(expit(np.mean(logit(own))))
    worst = max(breasts, key=lambda side: breasts[side])
    weights = [
        v if one.laterality is worst and one.marks else 0.0
        for v, one in zip(views, evidence, strict=True)
    ]
    whole = sum(weights) or 1.0
    return Scores(
        views=tuple(views),
        breasts=breasts,
        exam=breasts[worst],
        shares=tuple(
            _shares(one.marks, weight / whole)
            for one, weight in zip(evidence, weights, strict=True)
        ),
    )


def _shares(marks: tuple[float, ...], share: float) -> tuple[float, ...]:
    """All of a view's share goes to its most suspicious mark."""
    if not marks:
        return ()
    first = marks.index(max(marks))
    return tuple(share if n == first else 0.0 for n in range(len(marks)))
