"""Drawn chests: bronchi and vessels that are no nodules, and drawn nodules among them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gransk.core.ct import read_volume
from gransk.core.study import Instance
from nodule.grid import views
from nodule.lungs import segment_lungs
from nodule.phantom import PhantomSpec, make_phantom
from nodule.search import Search
from training.nodule.samples import Sample, packed

# Far from the seeds that a site takes for its acceptance test.
FIRST_SEED = 900001
VARIANTS: tuple[tuple[float, str], ...] = (
    (1.0, "STANDARD"), (1.5, "LUNG"), (2.0, "STANDARD"), (2.0, "B30f"), (2.5, "LUNG"),
    (2.0, "LUNG"), (3.0, "STANDARD"), (1.5, "STANDARD"),
)  # fmt: skip
SPOTS_A_CHEST = 150
BESIDE_MM = 4.0


def drawn_chests(search: Search) -> Iterator[Sample]:
    """What the search proposes in synthetic chests: the nodules, and what is none."""
    for number, (spacing, kernel) in enumerate(VARIANTS):
        spec = PhantomSpec.model_validate(
            {"seed": FIRST_SEED + number, "spacing_mm": spacing, "kernel": kernel, "nodules": 8,
             "matrix": 384}
        )  # fmt: skip
        made = make_phantom(spec)
        volume, _ = read_volume(
            [Instance(image, lambda image=image: image) for image in made.images]
        )
        nodules = made.truth["nodules"]
        centres = np.array([n["centre_lps_mm"] for n in nodules])
        radii = np.array([n["long_axis_mm"] / 2 for n in nodules])
        for spot in search.find(volume, segment_lungs(volume), most=SPOTS_A_CHEST):
            away = np.linalg.norm(centres - volume.geometry.to_lps(spot.index), axis=1) - radii
            if 0 < away.min() <= BESIDE_MM:
                continue
            inside = bool(away.min() <= 0)
            view = packed(views(volume, spot.index))
            size = 2 * spot.radius_mm
            yield Sample(view, inside, np.nan, size, "drawn nodule" if inside else "drawn", "")
