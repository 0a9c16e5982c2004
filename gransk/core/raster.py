"""An image on another grid of pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image


def resized(pixels: npt.NDArray[np.generic], shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Area-averaged where it shrinks, linear between pixels where it grows."""
    image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))
    return np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))
