"""Marks against known nodules: hits, false marks, and their curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nodule.detector import Candidate


@dataclass(frozen=True)
class Truth:
    """A known nodule.

    Parameters
    ----------
    centre_lps_mm : tuple of float
        mm, LPS.
    diameter_mm : float
        Longest axial diameter.
    counted : bool
        Whether it is to be found; marks on others are neither hit nor false.
    """

    centre_lps_mm: tuple[float, float, float]
    diameter_mm: float
    counted: bool


@dataclass(frozen=True)
class Read:
    """One scan read by the detector.

    Parameters
    ----------
    found : tuple of float
        For each counted nodule the best probability of a mark on it; -1 where none.
    false : tuple of float
        Probabilities of marks that lie on no nodule.
    diameters_mm : tuple of float
        Of the counted nodules.
    """

    found: tuple[float, ...]
    false: tuple[float, ...]
    diameters_mm: tuple[float, ...]


def read(candidates: Sequence[Candidate], truths: Sequence[Truth]) -> Read:
    """A mark hits a nodule where its centre lies within half the longest axial diameter."""
    best = [-1.0] * len(truths)
    false = []
    for candidate in candidates:
        on = [
            n
            for n, truth in enumerate(truths)
            if np.linalg.norm(np.subtract(candidate.centre_lps_mm, truth.centre_lps_mm))
            <= truth.diameter_mm / 2
        ]
        for n in on:
            best[n] = max(best[n], candidate.probability)
        if not on:
            false.append(candidate.probability)
    counted = [n for n, truth in enumerate(truths) if truth.counted]
    return Read(
        found=tuple(best[n] for n in counted),
        false=tuple(sorted(false, reverse=True)),
        diameters_mm=tuple(truths[n].diameter_mm for n in counted),
    )


def sensitivity(reads: Sequence[Read], threshold: float) -> tuple[int, int]:
    """Counted nodules found at a threshold, and all of them."""
    values = [p for r in reads for p in r.found]
    return sum(p >= threshold for p in values), len(values)


def false_marks(reads: Sequence[Read], threshold: float) -> float:
    """False marks a scan at a threshold."""
    return sum(p >= threshold for r in reads for p in r.false) / len(reads)


def threshold_for(reads: Sequence[Read], marks: float) -> float:
    """The lowest threshold with at most so many false marks a scan."""
    values = sorted((p for r in reads for p in r.false), reverse=True)
    allowed = int(marks * len(reads))
    if allowed >= len(values):
        return 0.0
    return min(1.0, float(np.nextafter(values[allowed], 2.0)))
