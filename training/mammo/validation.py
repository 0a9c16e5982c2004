"""Reading films with networks that never saw their patients, as the application does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit, logit

from mammo.image.grid import Prepared
from mammo.marks import detector
from mammo.marks.detector import Networks
from mammo.scores.score import ViewEvidence, score
from mammo.view import Laterality
from training.mammo.curves import Curves, Line
from training.mammo.export import OUTPUTS, Exported
from training.mammo.films import Film
from training.mammo.measures import Marked, Read
from training.mammo.network import Detector

EDGE = 1e-7


class Fitted:
    """A network that was fitted, as `mammo.marks.detector.Detector` runs one."""

    def __init__(self, net: Detector) -> None:
        self._net = Exported([net.eval()], Curves()).to(memory_format=torch.channels_last)

    @torch.no_grad()
    def run(self, inputs: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """The maps, as the shipped file gives them."""
        film = torch.from_numpy(inputs["film"]).contiguous(memory_format=torch.channels_last)
        told = self._net(film)
        return {name: maps.numpy() for name, maps in zip(OUTPUTS, told, strict=True)}


def reader(nets: Sequence[tuple[Detector, float]]) -> detector.Detector:
    """The application's detector over networks and the spacing that each reads, mm."""
    return detector.Detector([Networks(Fitted(net), spacing) for net, spacing in nets])


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
