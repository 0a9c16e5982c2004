"""A drawn breast of known muscle, nipple and dense tissue, in millimetres, chest wall left."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

PIXEL_MM = 0.2
HEIGHT_MM, WIDTH_MM = 200.0, 130.0
NIPPLE = (96.0, 112.0)
"""Column and row in mm."""


def drawn(
    muscle: tuple[float, float] | None = (45.0, 100.0),
    nipple_mm: float = 5.0,
    dense_share: float = 0.3,
    texture: float = 0.05,
    seed: int = 0,
) -> np.ndarray:
    """An image of 0 to 1.

    Parameters
    ----------
    muscle : (float, float), optional
        Where its straight edge leaves the top, and how far down it meets the chest wall, mm.
    nipple_mm : float
        How far the nipple stands out from the skin; 0 for none.
    dense_share : float
        Of the breast's depth and height that the bright ellipse behind the nipple takes.
    texture : float
        Standard deviation of details of half a millimetre to four.
    """
    rows, columns = round(HEIGHT_MM / PIXEL_MM), round(WIDTH_MM / PIXEL_MM)
    y, x = np.mgrid[:rows, :columns] * PIXEL_MM
    depth = NIPPLE[0] - (y - NIPPLE[1]) ** 2 / 95.0
    axilla = 52.0 - 0.12 * y
    inside = x < np.where(y < NIPPLE[1], np.maximum(depth, axilla), depth)
    if nipple_mm:
        inside |= (np.abs(y - NIPPLE[1]) < 5) & (x < NIPPLE[0] + nipple_mm)
    image = np.where(inside, 0.35, 0.02)
    across = (x - NIPPLE[0] * 0.6) / (NIPPLE[0] * np.sqrt(dense_share))
    down = (y - NIPPLE[1]) / (140 * np.sqrt(dense_share))
    image = np.where(inside & (across**2 + down**2 < 0.25), 0.65, image)
    if muscle:
        image = np.where(inside & (x < muscle[0] * (1 - y / muscle[1])), 0.75, image)
    dice = np.random.default_rng(seed)
    details = sum(
        ndimage.gaussian_filter(dice.normal(size=image.shape), s) * s for s in (0.7, 2.5, 8.0)
    )
    image = ndimage.gaussian_filter(image, 3.0) + inside * texture * details / details.std()
    return np.clip(image, 0, 1).astype(np.float32)
