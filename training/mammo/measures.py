"""How well marks and scores are: FROC and AUC, with intervals by patient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logit
from scipy.stats import rankdata

from gransk.core.statistics import bootstrap
from training.mammo.films import Film

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Marked:
    """One mark on a film: which of its lesions it hits (its centre in the box), or None."""

    probability: float
    malignancy: float
    hits: int | None


@dataclass(frozen=True)
class Read:
    """A film as it was read by a network that never saw its patient.

    Parameters
    ----------
    film : Film
    marks : tuple of Marked
    malignancy : float
        Of the film.
    """

    film: Film
    marks: tuple[Marked, ...]
    malignancy: float


def auc(scores: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """Area under the ROC curve (Mann-Whitney); ties count half. NaN without both kinds."""
    truth = np.asarray(positive, dtype=bool)
    ranks = rankdata(np.asarray(scores, dtype=float))
    count = int(truth.sum())
    others = len(truth) - count
    if not count or not others:
        return float("nan")
    return float((ranks[truth].sum() - count * (count + 1) / 2) / (count * others))


def sensitivity(
    reads: Sequence[Read], false_marks: float, malignant: bool, benign: bool = True
) -> float:
    """Share of lesions marked where the limit lets through ``false_marks`` a film.

    Parameters
    ----------
    reads : sequence of Read
    false_marks : float
        On average, over every film.
    malignant : bool
        False: marks rank by ``probability``, every lesion is looked for, and a mark on any is
        no false one. True: marks rank by ``malignancy``, lesions of malignant films are looked
        for, and a mark on a benign one is false.
    benign : bool
        False: a mark on a benign lesion is neither found nor false, as some count.
    """
    hits: list[float] = []
    false: list[float] = []
    lesions = 0
    for read in reads:
        wanted = not malignant or read.film.malignant
        best = [0.0] * (len(read.film.boxes) if wanted else 0)
        for mark in read.marks:
            score = mark.malignancy if malignant else mark.probability
            if mark.hits is not None and wanted:
                best[mark.hits] = max(best[mark.hits], score)
            elif mark.hits is None or benign:
                false.append(score)
        lesions += len(best)
        hits += best
    allowed = int(false_marks * len(reads))
    ranked = np.sort(np.array(false))[::-1]
    limit = ranked[allowed] if allowed < len(ranked) else 0.0
    return float((np.array(hits) > limit).sum() / max(lesions, 1))


def by_breast(reads: Sequence[Read]) -> tuple[FloatArray, FloatArray]:
    """Log-odds of each breast, the mean of its views, and whether any film is malignant."""
    groups: dict[str, list[Read]] = {}
    for read in reads:
        groups.setdefault(read.film.breast, []).append(read)
    scores = [np.mean([logit(r.malignancy) for r in group]) for group in groups.values()]
    truth = [any(r.film.malignant for r in group) for group in groups.values()]
    return np.array(scores), np.array(truth, dtype=float)


def breast_auc(reads: Sequence[Read]) -> float:
    """AUC of malignant against benign breasts."""
    return auc(*by_breast(reads))


def film_auc(reads: Sequence[Read]) -> float:
    """AUC of malignant against benign films."""
    return auc([r.malignancy for r in reads], [r.film.malignant for r in reads])


def interval(
    reads: Sequence[Read], measure: Callable[[Sequence[Read]], float], seed: int = 1
) -> tuple[float, float]:
    """95 % interval of a measure by drawing patients with replacement."""
    who = [read.film.patient for read in reads]
    return bootstrap.interval(who, lambda rows: measure([reads[n] for n in rows]), seed)


def summary(reads: Sequence[Read]) -> dict[str, float]:
    """The figures that training watches."""
    return {
        "all at 1": sensitivity(reads, 1, malignant=False),
        "malignant at 1": sensitivity(reads, 1, malignant=True),
        "malignant at 0.1": sensitivity(reads, 0.1, malignant=True),
        "film AUC": film_auc(reads),
        "breast AUC": breast_auc(reads),
    }
