"""Models that are not ours, in the roles of detector, segmenter and judge of candidates."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from gransk.core.contracts.scan import ScanFrame
from gransk.core.contracts.volume_boxes import VolumeBox, VolumeBoxes
from gransk.core.contracts.volume_false_positive import VolumeFalsePositive
from gransk.core.contracts.volume_segmenter import VolumeSegmenter
from gransk.core.errors import InvalidValueError
from gransk.core.findings import Mask
from gransk.core.models import Model
from gransk.core.volume import Volume, interpolated
from nodule.detector import Candidate, Detector, apart
from nodule.search import Search
from nodule.segmentation import checked_centre, segment
from nodule.segmenter import (
    LUNG_EDGE_MM,
    Outlined,
    Outliner,
    Segmenter,
    cropped,
    is_cut,
    middle_part,
    near_lungs,
)

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]

# An outline that reaches farther from its place is none of a nodule.
REACH_MM = 40.0


def detector_of(models: dict[str, Model], threshold: float | None) -> Detector | BoxDetector:
    """The detector that the models by role make."""
    model = models["detector"]
    if isinstance(model.card.contract, VolumeBoxes):
        return BoxDetector(model.card.contract, model, threshold)
    return Detector(Search(models["search"]), model, threshold)


def outliner_of(model: Model) -> Outliner:
    """The segmenter that a model makes."""
    if isinstance(model.card.contract, VolumeSegmenter):
        return ContractSegmenter(model.card.contract, model)
    return Segmenter(model)


class BoxDetector:
    """Finds nodules by a model that gives boxes, in place of search and detector.

    Parameters
    ----------
    contract : VolumeBoxes
    model : Model
    threshold : float, optional
        Least probability that is returned; the card's operating point where it is not given.
    """

    def __init__(self, contract: VolumeBoxes, model: Model, threshold: float | None = None) -> None:
        self.threshold = model.threshold if threshold is None else threshold
        if not 0 <= self.threshold <= 1:
            raise InvalidValueError("threshold", threshold, "a number from 0 to 1")
        self._contract, self._model = contract, model

    def detect(
        self,
        volume: Volume,
        lungs: BoolArray,
        progress: Callable[[float], None] = lambda _: None,
    ) -> list[Candidate]:
        """Candidates at or above the threshold whose middle lies in the lungs or at their edge.

        Raises
        ------
        RefusalError
            Where the model's answer is not what its card says.
        """
        boxes = self._contract.find(self._model, volume, lungs, progress)
        return apart(
            [
                _candidate(volume, box)
                for box in boxes
                if box.score >= self.threshold and _at_lungs(volume, lungs, box)
            ]
        )


def _candidate(volume: Volume, box: VolumeBox) -> Candidate:
    x, y, z = (float(v) for v in volume.geometry.to_lps(box.index))
    radius = float(np.prod(box.sides_mm)) ** (1 / 3) / 2
    return Candidate(box.index, (x, y, z), radius, box.score, None)


def _at_lungs(volume: Volume, lungs: BoolArray, box: VolumeBox) -> bool:
    reach = np.ceil(LUNG_EDGE_MM / np.array(volume.geometry.spacing)).astype(int)
    middle = np.rint(box.index).astype(int)
    part = tuple(slice(max(0, m - r), m + r + 1) for m, r in zip(middle, reach, strict=True))
    return bool(lungs[part].any())


class ContractSegmenter:
    """Outlines nodules by a model that says of every voxel whether it is one.

    What is more probable than the contract's threshold and hangs together with the place is the
    nodule, no farther than 3 mm outside the lungs. The classical outline takes over where the
    model gives nothing there, or what it gives reaches beyond 40 mm or its window.

    Parameters
    ----------
    contract : VolumeSegmenter
    model : Model
    """

    def __init__(self, contract: VolumeSegmenter, model: Model) -> None:
        self._contract, self._model = contract, model
        self._whole: tuple[Volume, FloatArray, ScanFrame] | None = None
        self.classical = 0

    def segment(
        self,
        volume: Volume,
        centre_index: tuple[float, float, float],
        lungs: BoolArray | None = None,
    ) -> Mask:
        """The nodule at a point, as `Segmenter.segment`.

        Raises
        ------
        RefusalError
            Where the model's answer is not what its card says.
        """
        centre = checked_centre(volume, centre_index, lungs)
        shares, frame = self._shares(volume, centre_index, lungs)
        spacing = np.asarray(volume.geometry.spacing)
        low = np.maximum(np.ceil(centre - REACH_MM / spacing), 0).astype(int)
        high = np.minimum(np.floor(centre + REACH_MM / spacing) + 1, volume.hu.shape).astype(int)
        inside = _seen(shares, frame, low, high) > self._contract.threshold
        if lungs is not None:
            box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
            inside &= near_lungs(lungs[box], spacing)
        part = middle_part(inside, centre - low, spacing)
        if part is None or self._cut(part, low, frame, volume):
            self.classical += 1
            return segment(volume, centre_index, lungs)
        return cropped(Outlined(part, low, 0.0, False))

    def _shares(
        self, volume: Volume, index: tuple[float, float, float], lungs: BoolArray | None
    ) -> tuple[FloatArray, ScanFrame]:
        if self._contract.of == "place":
            return self._contract.at(self._model, volume, index)
        if self._whole is None or self._whole[0] is not volume:
            shares, frame = self._contract.whole(self._model, volume, lungs)
            self._whole = (volume, shares, frame)
        return self._whole[1], self._whole[2]

    def _cut(
        self, part: BoolArray, low: npt.NDArray[np.int64], frame: ScanFrame, volume: Volume
    ) -> bool:
        """Does it reach the end of what was looked at, where the scan goes on?"""
        spacing = np.asarray(volume.geometry.spacing)
        if is_cut(part, low, volume.hu.shape, spacing):
            return True
        used = np.argwhere(part) + low
        at = frame.from_scan(np.stack([used.min(axis=0), used.max(axis=0)]))
        ends = (at.min(axis=0) < 0.5) | (at.max(axis=0) > np.array(frame.shape) - 1.5)
        return bool(self._contract.of == "place" and ends.any())


def _seen(
    shares: FloatArray, frame: ScanFrame, low: npt.NDArray[np.int64], high: npt.NDArray[np.int64]
) -> FloatArray:
    """Probabilities at the voxels of a box of the scan; 0 where the model did not look."""
    at = []
    for t, axis in enumerate(frame.axes):
        along = np.arange(low[axis], high[axis])
        at.append((along - frame.start[t]) / frame.step[t])
    out = interpolated(shares, at)
    for t, (points, count) in enumerate(zip(at, frame.shape, strict=True)):
        np.moveaxis(out, t, 0)[(points < -0.5) | (points > count - 0.5)] = 0
    return np.ascontiguousarray(out.transpose(np.argsort(frame.axes)))


class Judge:
    """Tells nodules among candidates by a model of false positives.

    Parameters
    ----------
    model : Model
        Of the contract ``volume-false-positive``; its card's operating point decides.
    """

    def __init__(self, model: Model) -> None:
        contract = model.card.contract
        if not isinstance(contract, VolumeFalsePositive):
            raise InvalidValueError("model", model.card.id, "the contract volume-false-positive")
        self._contract, self._model = contract, model

    @property
    def threshold(self) -> float:
        """Candidates of a lower score are dropped."""
        return self._model.threshold

    def scores(self, volume: Volume, candidates: Sequence[Candidate]) -> list[float]:
        """0 to 1 of each candidate.

        Raises
        ------
        RefusalError
            Where the model's answer is not what its card says.
        """
        places = [candidate.index for candidate in candidates]
        return self._contract.scores(self._model, volume, places)
