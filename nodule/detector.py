"""Nodule candidates: what the search found, judged by a second network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from gransk.core.errors import InvalidValueError
from gransk.core.models import Model
from gransk.core.volume import Volume
from nodule.grid import VIEW_SIZE, VIEW_STEPS_MM, views
from nodule.search import Search, Spot

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]

MODEL_ID = "nodule-detector"
BATCH = 16
# Three more looks at so many spots cost a second; they are more than any reader reads.
LOOKED_AT_AGAIN = 60
SEARCH_SHARE = 0.4
# A network that is quite sure does not overrule the other.
SMALLEST_SHARE = 1e-6


@dataclass(frozen=True)
class Candidate:
    """A place that may be a nodule.

    Parameters
    ----------
    index : tuple of float
        Centre, fractional (k, j, i) in voxels of the scan.
    centre_lps_mm : tuple of float
        Centre in the patient, mm, LPS.
    radius_mm : float
        Rough radius of the spot; measurement needs a segmentation.
    probability : float
        What both networks give, 0 to 1; ranks marks and is not a risk of cancer.
    malignancy : float or None
        0 to 1, how suspicious readers found nodules that look alike; None where
        the model gives none.
    """

    index: tuple[float, float, float]
    centre_lps_mm: tuple[float, float, float]
    radius_mm: float
    probability: float
    malignancy: float | None


class Detector:
    """Finds nodules from 3 mm in the lungs of a CT.

    Parameters
    ----------
    search : Search
        Finds the spots to be judged.
    model : Model
        The model ``nodule-detector``: ``views`` in, ``probability`` and
        ``malignancy`` out.
    threshold : float, optional
        Least probability that is returned; the card's operating point where it
        is not given.

    Raises
    ------
    ModelError
        Where neither the card nor the caller gives a threshold.
    InvalidValueError
        Where the threshold is not within 0 and 1.
    """

    def __init__(self, search: Search, model: Model, threshold: float | None = None) -> None:
        if threshold is None:
            threshold = model.threshold
        if not 0 <= threshold <= 1:
            raise InvalidValueError("threshold", threshold, "a number from 0 to 1")
        self.threshold = threshold
        self.search = search
        self._model = model

    def detect(
        self,
        volume: Volume,
        lungs: BoolArray,
        progress: Callable[[float], None] = lambda _: None,
    ) -> list[Candidate]:
        """Candidates at or above the threshold, most probable first.

        Parameters
        ----------
        volume : Volume
            Axial CT in HU.
        lungs : ndarray of bool, shape (slices, rows, columns)
            From :func:`nodule.lungs.segment_lungs`.
        progress : callable
            Told the share done, 0 to 1.

        Raises
        ------
        InvalidValueError
            Where lungs and volume differ in shape or lungs are empty.
        """
        if lungs.shape != volume.hu.shape or not lungs.any():
            raise InvalidValueError("lungs", lungs.shape, "a mask of the volume, not empty")
        spots = self.search.find(volume, lungs, lambda share: progress(SEARCH_SHARE * share))
        found = self.judge(
            volume, spots, lambda share: progress(SEARCH_SHARE + (1 - SEARCH_SHARE) * share)
        )
        return apart([c for c in found if c.probability >= self.threshold])

    def judge(
        self,
        volume: Volume,
        spots: Sequence[Spot],
        progress: Callable[[float], None] = lambda _: None,
    ) -> list[Candidate]:
        """Every spot as a candidate, in the order of the spots.

        The most probable are looked at again in three mirrors; theirs is the mean
        of the four looks. A candidate's odds are the geometric mean of those that
        the search and this network give.
        """
        outputs = np.zeros((len(spots), 2))
        seen = np.empty((len(spots), len(VIEW_STEPS_MM), *(VIEW_SIZE,) * 3), np.float32)
        again = min(LOOKED_AT_AGAIN, len(spots))
        looks = len(spots) + 3 * again
        for start, batch in _batches(volume, spots):
            part = slice(start, start + len(batch))
            seen[part] = batch
            outputs[part] = self._outputs(batch)
            progress(part.stop / looks)
        likely = np.argsort(-outputs[:, 0], kind="stable")[:again]
        for start in range(0, again, BATCH):
            rows = likely[start : start + BATCH]
            mirrored = [self._outputs(np.flip(seen[rows], axis)) for axis in (2, 3, 4)]
            outputs[rows] = np.mean([outputs[rows], *mirrored], axis=0)
            progress((len(spots) + 3 * min(again, start + BATCH)) / looks)
        outputs[:, 0] = _agreed(outputs[:, 0], np.array([s.strength for s in spots]))
        return [_candidate(volume, s, out) for s, out in zip(spots, outputs, strict=True)]

    def _outputs(self, batch: FloatArray) -> npt.NDArray[np.float64]:
        """Probability and malignancy, NaN where the model gives none, shape (n, 2)."""
        out = self._model.run({"views": np.ascontiguousarray(batch)})
        probability = np.asarray(out["probability"], float)
        malignancy = out.get("malignancy", np.full(len(batch), np.nan))
        return np.stack([probability, np.asarray(malignancy, float)], axis=1)


def _agreed(
    one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The share whose odds are the geometric mean of the odds of two shares."""
    pair = np.clip([one, other], SMALLEST_SHARE, 1 - SMALLEST_SHARE)
    agreed: npt.NDArray[np.float64] = expit(logit(pair).mean(axis=0))
    return agreed


def _batches(volume: Volume, spots: Sequence[Spot]) -> Iterator[tuple[int, FloatArray]]:
    """The first spot's number and the views of each batch; later ones are made meanwhile."""
    starts = range(0, len(spots), BATCH)
    with ThreadPoolExecutor(1) as pool:
        batches = pool.map(lambda n: _views(volume, spots[n : n + BATCH]), starts)
        yield from zip(starts, batches, strict=True)


def _views(volume: Volume, spots: Sequence[Spot]) -> FloatArray:
    return np.stack([views(volume, spot.index) for spot in spots])


def _candidate(volume: Volume, spot: Spot, outputs: npt.NDArray[np.float64]) -> Candidate:
    x, y, z = (float(v) for v in volume.geometry.to_lps(spot.index))
    probability, malignancy = (float(v) for v in outputs)
    return Candidate(
        index=spot.index,
        centre_lps_mm=(x, y, z),
        radius_mm=spot.radius_mm,
        probability=probability,
        malignancy=None if np.isnan(malignancy) else malignancy,
    )


def apart(candidates: Sequence[Candidate]) -> list[Candidate]:
    """By falling probability, without those inside the ball of a more probable one."""
    kept: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda c: -c.probability):
        place = np.asarray(candidate.centre_lps_mm)
        if all(
            np.linalg.norm(place - other.centre_lps_mm)
            > max(4.0, 1.2 * other.radius_mm, 1.2 * candidate.radius_mm)
            for other in kept
        ):
            kept.append(candidate)
    return kept
