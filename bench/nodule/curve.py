"""Free-response curve (FROC) of marks on scans, its mean sensitivity (CPM), and intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from bench.nodule.truth import Nodule
from nodule.detector import Candidate
from training.nodule.marks import Truth, read

FloatArray = npt.NDArray[np.float64]
Interval = tuple[float, float]

CPM_RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
RESAMPLES = 2000


@dataclass(frozen=True)
class Target:
    """A nodule to be found, and the probability of the best mark on it; -1 where none."""

    nodule: Nodule
    probability: float


@dataclass(frozen=True)
class Scored:
    """The marks on one scan.

    Parameters
    ----------
    group : str
        Scans of one group (patient, or scan that nodules were put into) are resampled
        together.
    targets : tuple of Target
    false : tuple of float
        Probabilities of marks that lie on no nodule.
    """

    group: str
    targets: tuple[Target, ...]
    false: tuple[float, ...]


def score(group: str, candidates: Sequence[Candidate], nodules: Sequence[Nodule]) -> Scored:
    """Marks against the nodules of one scan.

    A mark hits a nodule where it lies within half the nodule's diameter of its
    centre. Further marks on a found nodule, and marks on nodules that are not
    counted, are neither hit nor false.
    """
    marks = read(candidates, [Truth(n.centre_lps_mm, n.diameter_mm, n.counted) for n in nodules])
    counted = [n for n in nodules if n.counted]
    targets = (Target(n, p) for n, p in zip(counted, marks.found, strict=True))
    return Scored(group, tuple(targets), marks.false)


class Curve:
    """Sensitivity against false marks a scan.

    Parameters
    ----------
    scans : sequence of Scored
        At least one.
    """

    def __init__(self, scans: Sequence[Scored]) -> None:
        self.groups = sorted({scan.group for scan in scans})
        number = {group: n for n, group in enumerate(self.groups)}
        self.scans = np.bincount([number[s.group] for s in scans], minlength=len(self.groups))
        false = [(p, number[s.group]) for s in scans for p in s.false]
        false.sort(reverse=True)
        self._false = np.array([p for p, _ in false])
        self._false_group = np.array([n for _, n in false], int)
        targets = [(t, number[s.group]) for s in scans for t in s.targets]
        self.nodules = tuple(t.nodule for t, _ in targets)
        self.found = np.array([t.probability for t, _ in targets])
        self._group = np.array([n for _, n in targets], int)

    def limit(self, rate: float, weights: npt.ArrayLike = 1) -> float:
        """Marks above this probability give at most so many false marks a scan.

        Of several false marks of equal probability all count or none. Minus one
        half where every mark may be kept: a missed nodule has -1.
        """
        per_group = np.broadcast_to(weights, len(self.groups))
        allowed = rate * float(per_group @ self.scans)
        over = np.cumsum(per_group[self._false_group]) > allowed + 1e-9
        return float(self._false[int(np.argmax(over))]) if over.any() else -0.5

    def hits(self, limit: float) -> npt.NDArray[np.bool_]:
        """Which nodules have a mark above a probability."""
        hit: npt.NDArray[np.bool_] = self.found > limit
        return hit

    def sensitivities(
        self, weights: npt.ArrayLike = 1, rates: Sequence[float] = CPM_RATES
    ) -> FloatArray:
        """Sensitivity at most so many false marks a scan; NaN where there is no nodule.

        Parameters
        ----------
        weights : array_like
            How often each group counts.
        """
        of_nodule = np.broadcast_to(weights, len(self.groups))[self._group].astype(float)
        total = float(of_nodule.sum())
        if total == 0:
            return np.full(len(rates), np.nan)
        return np.array([of_nodule[self.hits(self.limit(r, weights))].sum() / total for r in rates])

    def cpm(self, weights: npt.ArrayLike = 1) -> float:
        """Mean of the sensitivities at 1/8 to 8 false marks a scan."""
        return float(self.sensitivities(weights).mean())

    def at(self, threshold: float, weights: npt.ArrayLike = 1) -> tuple[float, float]:
        """Sensitivity and false marks a scan of marks at or above a threshold."""
        per_group = np.broadcast_to(weights, len(self.groups)).astype(float)
        of_nodule = per_group[self._group]
        found = float(of_nodule[self.found >= threshold].sum())
        false = float(per_group[self._false_group[self._false >= threshold]].sum())
        share = found / float(of_nodule.sum()) if of_nodule.sum() else float("nan")
        return share, false / float(per_group @ self.scans)

    def bootstrap(
        self, statistic: Callable[[npt.NDArray[np.int64]], FloatArray], seed: int = 0
    ) -> FloatArray:
        """95 % percentile interval of a statistic of the groups' weights.

        Groups are drawn with replacement, whole. Draws without any nodule are left out.

        Returns
        -------
        ndarray, shape (2, n)
            Low and high; NaN where there is one group alone.
        """
        count = len(self.groups)
        if count < 2:
            return np.full((2, len(statistic(np.ones(count, int)))), np.nan)
        rng = np.random.default_rng(seed)
        draws = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
        values = np.array([statistic(weights) for weights in draws])
        interval: FloatArray = np.nanpercentile(values, [2.5, 97.5], axis=0)
        return interval


def proportion_interval(hits: int, cases: int) -> Interval:
    """Clopper and Pearson's exact 95 % interval."""
    interval = stats.binomtest(hits, cases).proportion_ci(0.95, method="exact")
    return float(interval.low), float(interval.high)


def rate_interval(count: int, scans: int) -> Interval:
    """Exact 95 % interval of a Poisson rate a scan."""
    low = stats.chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    return float(low / scans), float(stats.chi2.ppf(0.975, 2 * count + 2) / 2 / scans)
