"""Drawn breasts of the two views, as a digital image shows them."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

SPACING = (0.5, 0.5)


def drawn(view: str, mirrored: bool = False, seed: int = 0) -> np.ndarray:
    """A breast at the left edge of 240 x 180 mm, with a pectoral muscle in an MLO."""
    dice = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:480, 0:360].astype(np.float32)
    middle, height, width = (300, 160, 180) if view == "MLO" else (240, 180, 190)
    inside = ((rows - middle) / height) ** 2 + (columns / width) ** 2 < 1
    if view == "MLO":
        inside |= (columns < 190 - 0.3 * rows) & (rows < middle)
    depth = gaussian_filter(inside.astype(np.float32), 18)
    tissue = gaussian_filter(dice.normal(size=rows.shape), 6) * 4
    image = np.where(inside, 0.25 + 0.35 * (depth - 0.5) + 0.12 * tissue, 0.0)
    if view == "MLO":
        image[(columns < 150 - 0.5 * rows) & inside] += 0.45
    image += np.where(inside, dice.normal(0, 0.01, rows.shape), 0)
    image = np.clip(image, 0, 1).astype(np.float32)
    return image[:, ::-1] if mirrored else image
