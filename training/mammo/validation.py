"""Reading films with a network that never saw their patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import expit

from mammo.detector import APART_MM, LEAST, LIMIT, page
from mammo.grid import SPACING_MM, Prepared
from mammo.peaks import peaks
from mammo.score import ViewEvidence, score
from mammo.view import Laterality
from training.mammo.curves import Curves, Line
from training.mammo.export import malignancy
from training.mammo.films import Film
from training.mammo.measures import Marked, Read
from training.mammo.network import STRIDE, Detector


@dataclass(frozen=True)
class RawMark:
    """A mark in the network's own log-odds, and the lesion that it hits."""

    mass: float
    malignancy: float
    hits: int | None


@dataclass(frozen=True)
class Raw:
    """A film in the network's own log-odds."""

    film: Film
    marks: tuple[RawMark, ...]
    opinion: float

    def read(self, curves: Curves) -> Read:
        """With probabilities by these curves."""
        marks = tuple(
            Marked(_on(m.mass, curves.mass), _on(m.malignancy, curves.malignancy), m.hits)
            for m in self.marks
        )
        evidence = ViewEvidence(
            Laterality(self.film.side),
            _on(self.opinion, curves.film),
            tuple(mark.malignancy for mark in marks),
        )
        return Read(self.film, marks, score([evidence]).exam)


def _on(odds: float, curve: Line) -> float:
    return float(expit(curve[0] * odds + curve[1]))


@torch.no_grad()
def read_raw(net: Detector, film: Film, spacing_mm: float, prepared: Prepared | None = None) -> Raw:
    """Marks and opinion of one film, the mean of it and its mirror image up and down."""
    prepared = prepared or film.prepared()
    whole = page(prepared.at(spacing_mm))
    both = torch.from_numpy(np.stack([whole, whole[::-1]]))[:, None]
    with torch.autocast("cpu", torch.bfloat16):
        seen = net(both.contiguous(memory_format=torch.channels_last))
    mass = seen.mass.float()
    bad = malignancy(mass, seen.malignant.float(), seen.suspicion.float())
    heat, suspect = ((m[0] + m[1].flip(0)) / 2 for m in (mass.sigmoid(), bad))
    boxes = film.boxes_on(prepared)
    step = STRIDE * spacing_mm
    marks = []
    for column, row, value in peaks(heat.numpy(), APART_MM / step, LEAST, LIMIT):
        x, y = column * step / SPACING_MM, row * step / SPACING_MM
        hit = [n for n, b in enumerate(boxes) if b[0] <= x <= b[2] and b[1] <= y <= b[3]]
        odds = float(np.log(value / (1 - value)))
        marks.append(RawMark(odds, float(suspect[int(row), int(column)]), hit[0] if hit else None))
    return Raw(film, tuple(marks), float(seen.film.float().mean()))
