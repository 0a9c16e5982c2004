"""Reading films with a network that never saw their patients."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from mammo.grid import SPACING_MM, Prepared
from mammo.peaks import peaks
from training.mammo.films import Film
from training.mammo.measures import Marked, Read
from training.mammo.network import STRIDE, Detector

APART_MM = 8.0
LIMIT = 20


@torch.no_grad()
def read(net: Detector, film: Film, spacing_mm: float, prepared: Prepared | None = None) -> Read:
    """Marks and malignancy of one film, the mean of it and its mirror image up and down."""
    prepared = prepared or film.prepared()
    grey = prepared.at(spacing_mm)
    rows, columns = (-(-n // 32) * 32 for n in grey.shape)
    page = np.zeros((rows, columns), dtype=np.float32)
    page[: grey.shape[0], : grey.shape[1]] = grey
    both = torch.from_numpy(np.stack([page, page[::-1]]))[:, None]
    with torch.autocast("cpu", torch.bfloat16):
        seen = net(both.contiguous(memory_format=torch.channels_last))
    mass, malignant, suspicion = (
        (m[0] + m[1].flip(0)) / 2
        for m in (seen.mass.float(), seen.malignant.float(), seen.suspicion.float())
    )
    heat = mass.sigmoid().numpy()
    boxes = film.boxes_on(prepared)
    step = STRIDE * spacing_mm
    marks = []
    for column, row, value in peaks(heat, APART_MM / step, 0.005, LIMIT):
        near = (int(row), int(column))
        x, y = column * step / SPACING_MM, row * step / SPACING_MM
        hit = next(
            (n for n, b in enumerate(boxes) if b[0] <= x <= b[2] and b[1] <= y <= b[3]), None
        )
        suspect = float(suspicion[near].sigmoid())
        bad = float(malignant[near].sigmoid())
        marks.append(Marked(value, float(np.sqrt(value * suspect * bad)), hit))
    return Read(film, tuple(marks), float(seen.film.float().mean().sigmoid()))


def read_all(net: Detector, films: Iterable[Film], spacing_mm: float) -> list[Read]:
    """Every film."""
    return [read(net, film, spacing_mm) for film in films]
