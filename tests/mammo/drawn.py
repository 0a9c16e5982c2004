"""Drawn breasts: enough like one for grids, masks and marks, and nobody's."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def breast(
    shape: tuple[int, int] = (1000, 700),
    spacing_mm: float = 0.2,
    right: bool = False,
    mass: tuple[float, float, float] | None = (320.0, 520.0, 7.0),
    seed: int = 0,
) -> np.ndarray:
    """A half ellipse with tissue, chest wall at the left (at the right for ``right``).

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    spacing_mm : float
    right : bool
    mass : (column, row, radius in mm), optional
        Before mirroring.
    seed : int

    Returns
    -------
    ndarray of float32
        0 in air, 400 to 1000 in the breast.
    """
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[0 : shape[0], 0 : shape[1]].astype(float)
    middle, wide, tall = shape[0] / 2, shape[1] * 0.75, shape[0] * 0.4
    inside = (across / wide) ** 2 + ((down - middle) / tall) ** 2 < 1
    tissue = sum(
        ndimage.gaussian_filter(rng.standard_normal(shape), sigma) * sigma for sigma in (2, 6, 20)
    )
    image = 600 + 60 * tissue / np.std(tissue)
    if mass is not None:
        column, row, radius = mass
        far = np.hypot(across - column, down - row) * spacing_mm
        image += 250 / (1 + np.exp((far - radius) / 0.6))
    image = np.where(inside, np.clip(image, 400, 1000), 0)
    image = ndimage.gaussian_filter(image, 1.0).astype(np.float32)
    return np.ascontiguousarray(image[:, ::-1]) if right else image
