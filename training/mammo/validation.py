"""Reading films with networks that never saw their patients, as the application does."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from scipy.special import expit, logit

from mammo.image.grid import Prepared
from mammo.marks import detector
from mammo.marks.detector import Networks
from mammo.scores.score import ViewEvidence, score
from mammo.view import Laterality
from training.mammo.curves import Curves, Line
from training.mammo.export import FILE, OUTPUTS, write_onnx
from training.mammo.films import Film
from training.mammo.measures import Marked, Read
from training.mammo.network import Detector

EDGE = 1e-7


class Packed:
    """A network as it ships, in 8 bits, as `mammo.marks.detector.Detector` runs one.

    So what is measured is what ships.
    """

    def __init__(self, net: Detector) -> None:
        with tempfile.TemporaryDirectory() as folder:
            write_onnx([net], Curves(), Path(folder))
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = torch.get_num_threads()
            self._session = onnxruntime.InferenceSession(
                str(Path(folder) / FILE), options, providers=["CPUExecutionProvider"]
            )

    def run(self, inputs: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """The maps, as the shipped file gives them, without its curves."""
        return dict(zip(OUTPUTS, self._session.run(list(OUTPUTS), inputs), strict=True))


def reader(nets: Sequence[tuple[Detector, float]]) -> detector.Detector:
    """The application's detector over networks and the spacing that each reads, mm."""
    return detector.Detector([Networks(Packed(net), spacing) for net, spacing in nets])


@dataclass(frozen=True)
class RawMark:
    """A mark in the networks' own log-odds, and the lesion that it hits."""

    mass: float
    malignancy: float
    hits: int | None


@dataclass(frozen=True)
class Raw:
    """A film in the networks' own log-odds."""

    film: Film
    marks: tuple[RawMark, ...]

    def read(self, curves: Curves) -> Read:
        """With probabilities by these curves."""
        marks = tuple(
            Marked(_on(m.mass, curves.mass), _on(m.malignancy, curves.malignancy), m.hits)
            for m in self.marks
        )
        evidence = ViewEvidence(
            Laterality(self.film.side), tuple(mark.malignancy for mark in marks)
        )
        return Read(self.film, marks, score([evidence]).exam)


def _on(odds: float, curve: Line) -> float:
    return float(expit(curve[0] * odds + curve[1]))


def read_raw(by: detector.Detector, film: Film, prepared: Prepared | None = None) -> Raw:
    """Marks of one film, by a detector whose curves are none."""
    prepared = prepared or film.prepared()
    boxes = film.boxes_on(prepared)
    marks = []
    for mark in by.detect(prepared, 0).marks:
        x, y = mark.centre
        hit = [n for n, b in enumerate(boxes) if b[0] <= x <= b[2] and b[1] <= y <= b[3]]
        odds = [
            float(logit(np.clip(p, EDGE, 1 - EDGE))) for p in (mark.probability, mark.malignancy)
        ]
        marks.append(RawMark(odds[0], odds[1], hit[0] if hit else None))
    return Raw(film, tuple(marks))
