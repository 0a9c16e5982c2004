"""From marks and opinions of four images to a probability of malignancy by view, breast, exam."""

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
    opinion : float
        Malignancy anywhere in the image.
    marks : tuple of float
        Malignancy of each of its marks.
    """

    laterality: Laterality
    opinion: float
    marks: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for value in (self.opinion, *self.marks):
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
    rest : float
        The share that no mark makes: the opinion of the whole images.
    """

    views: tuple[float, ...]
    breasts: Mapping[Laterality, float]
    exam: float
    shares: tuple[tuple[float, ...], ...]
    rest: float


def score(evidence: Sequence[ViewEvidence]) -> Scores:
    """Score an exam.

    A view is the mean, in log-odds, of the opinion of the whole image and of its most
    suspicious mark; a breast the mean of its views; the exam the higher breast. Half of a
    view's share goes to its marks, each by its odds; the other half is the rest, and so is all
    of it where there is no mark.

    Raises
    ------
    InvalidValueError
        Where there is no view.
    """
    if not evidence:
        raise InvalidValueError("score", "no view", "at least one")
    odds = [_view(one) for one in evidence]
    sides = sorted({one.laterality for one in evidence}, reverse=True)
    breasts = {
        side: float(
            np.mean([o for o, e in zip(odds, evidence, strict=True) if e.laterality == side])
        )
        for side in sides
    }
    worst = max(breasts, key=lambda side: breasts[side])
    count = sum(one.laterality == worst for one in evidence)
    shares = tuple(
        _shares(one.marks, 0.5 / count if one.laterality == worst else 0.0) for one in evidence
    )
    return Scores(
        views=tuple(float(expit(o)) for o in odds),
        breasts={side: float(expit(o)) for side, o in breasts.items()},
        exam=float(expit(breasts[worst])),
        shares=shares,
        rest=1 - sum(map(sum, shares)),
    )


def _view(one: ViewEvidence) -> float:
    opinion = float(logit(np.clip(one.opinion, LEAST, MOST)))
    if not one.marks:
        return opinion
    return (opinion + float(logit(np.clip(max(one.marks), LEAST, MOST)))) / 2


def _shares(marks: tuple[float, ...], whole: float) -> tuple[float, ...]:
    weights = [m / (1 - min(m, MOST)) for m in marks]
    total = sum(weights)
    return tuple(whole * w / total if total else 0.0 for w in weights)
