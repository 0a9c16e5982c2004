"""Drawn exams that the recogniser takes for mammograms, as studies in memory."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from mammo_exam import image
from mammogram_phantom import PIXEL_MM, drawn
from pydicom import Dataset

from gransk.core.study import Instance, Study
from mammo.view import STANDARD, Laterality, Projection

Slot = tuple[Laterality, Projection]


def likely(
    side: Laterality,
    view: Projection,
    study: str = "likely",
    mass: tuple[float, float] | None = (60.0, 90.0),
) -> Dataset:
    """One view, 12 bits; a mass of 6 mm radius at (column, row) in mm from the chest wall."""
    muscle = (45.0, 100.0) if view is Projection.MLO else None
    seed = STANDARD.index((side, view))
    grey = drawn(muscle=muscle, texture=0.06, seed=seed)
    if mass is not None:
        down, across = np.indices(grey.shape) * PIXEL_MM
        far = np.hypot(across - mass[0], down - mass[1])
        grey = grey + 0.3 / (1 + np.exp((far - 6.0) / 0.5))
    pixels = (np.clip(grey, 0, 1) * 3800).astype(np.uint16)
    hung = pixels[:, ::-1] if side is Laterality.RIGHT else pixels
    return image(side, view, hung, study, PIXEL_MM)


def study_of(images: Iterable[Dataset]) -> Study:
    """The images as one study in memory."""
    return Study.from_instances(Instance(one, lambda one=one: one) for one in images)  # type: ignore[misc]


def likely_exam(views: Iterable[Slot] = STANDARD, study: str = "likely") -> Study:
    """Views of one exam; the left breast has no mass."""
    place = {Laterality.RIGHT: (60.0, 90.0), Laterality.LEFT: None}
    return study_of(likely(side, view, study, place[side]) for side, view in views)
