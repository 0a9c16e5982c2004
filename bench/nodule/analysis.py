"""The application's own steps on a volume, for benchmarks that change volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gransk.core.models import ModelLibrary
from gransk.core.volume import Volume
from nodule.detector import MODEL_ID, Candidate, Detector
from nodule.lungs import segment_lungs
from nodule.measurement import NoduleMeasurement, measure
from nodule.search import MODEL_ID as SEARCH_ID
from nodule.search import Search
from nodule.segmenter import MODEL_ID as SEGMENTER_ID
from nodule.segmenter import Segmenter

MODELS = Path("onnx_models")


@dataclass(frozen=True)
class Found:
    """What the detector proposed in a volume, most probable first."""

    volume: Volume
    lungs: npt.NDArray[np.bool_]
    candidates: tuple[Candidate, ...]
    segmenter: Segmenter

    def on(self, centre_lps_mm: Sequence[float], radius_mm: float) -> Candidate | None:
        """The most probable candidate within a radius of a point, or None."""
        for candidate in self.candidates:
            away = np.subtract(candidate.centre_lps_mm, centre_lps_mm)
            if np.linalg.norm(away) <= radius_mm:
                return candidate
        return None

    def measure(self, candidate: Candidate) -> NoduleMeasurement:
        """Outline and measure as the application does."""
        mask = self.segmenter.segment(self.volume, candidate.index, self.lungs)
        return measure(self.volume, mask, self.lungs)


class Analyser:
    """Finds everything the detector proposes, at any probability.

    Parameters
    ----------
    models : Path
        Folder of models.
    threads : int

    Raises
    ------
    ModelError
        Where the detector's card has no operating point.
    """

    def __init__(self, models: Path = MODELS, threads: int = 2) -> None:
        library = ModelLibrary(models, threads=threads)
        model = library.load(MODEL_ID)
        self.operating_point = model.threshold
        self._detector = Detector(Search(library.load(SEARCH_ID)), model, threshold=0.0)
        self._segmenter = Segmenter(library.load(SEGMENTER_ID))

    def find(self, volume: Volume) -> Found:
        """Lungs and candidates of a volume."""
        lungs = segment_lungs(volume)
        return Found(volume, lungs, tuple(self._detector.detect(volume, lungs)), self._segmenter)
