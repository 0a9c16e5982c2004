"""Does an image look like the mammograms that the models were made for?

Features of shape and grey levels are compared with those of the training films: the squared
Mahalanobis distance to the nearer of the craniocaudal and the mediolateral oblique ones. The
distance lies in the model of `mammo.exam.recognise`; its limit, on its card, was chosen on training
films alone. What is far away, a photograph, a chest radiograph, a subtraction image, is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.stats import skew
from skimage.morphology import convex_hull_image

from gransk.core.raster import resized
from mammo.image.grid import SPACING_MM, BoolArray, FloatArray, Prepared

STEP_MM = 1.0
DEPTHS_MM = (0.0, 2.0, 5.0, 10.0, 20.0, 35.0, np.inf)
"""Layers below the skin. Ordinary mammograms are dark there and brighter towards the middle; in a
subtraction image the skin shines."""
BANDS_MM = (0.8, 1.6, 3.2, 6.4, 12.8)
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
NAMES = (
    "area", "height_by_width", "fill", "solidity", "roughness", "chest_wall",
    "share_of_image", "gap_chest", "gap_nipple", "gap_top", "gap_bottom",
    "width_top", "width_middle", "width_bottom",
    *(f"layer_{n}" for n in range(len(DEPTHS_MM) - 1)),
    *(f"quantile_{n}" for n in range(len(QUANTILES))),
    "spread", "skewness", "towards_nipple", "towards_middle",
    *(f"band_{n}" for n in range(len(BANDS_MM) - 1)),
)  # fmt: skip
"""Names of the features, in their order."""


def features(prepared: Prepared) -> npt.NDArray[np.float32]:
    """What the look of an image is judged by.

    Returns
    -------
    ndarray of float32, shape (len(NAMES),)
    """
    grey = prepared.at(STEP_MM)
    breast = resized(prepared.breast, grey.shape) > 0.5
    if not breast.any():
        breast = np.ones(grey.shape, dtype=bool)
    values = [*_shape(breast), *_place(prepared), *_widths(breast), *_greys(grey, breast)]
    return np.nan_to_num(np.array(values, dtype=np.float32), posinf=10, neginf=-10)


def _shape(breast: BoolArray) -> Iterator[float]:
    rows, columns = breast.shape
    area = float(breast.sum())
    inner = ndimage.binary_erosion(np.pad(breast, 1))[1:-1, 1:-1]
    yield float(np.log(area * STEP_MM**2))
    yield float(np.log(rows / columns))
    yield area / breast.size
    hull = convex_hull_image(breast)  # type: ignore[no-untyped-call]
    yield area / float(hull.sum())
    yield float(np.log((area - inner.sum()) ** 2 / area))
    yield float(breast[:, : max(1, columns // 20)].any(axis=1).mean())


def _place(prepared: Prepared) -> Iterator[float]:
    """Where in the image the breast lies, in shares of the image."""
    sides = zip(prepared.native_shape, prepared.native_spacing_mm, strict=True)
    height, width = (pixels * mm / SPACING_MM for pixels, mm in sides)
    rows, columns = prepared.grey.shape
    left, top = prepared.offset_px
    right = max(0.0, width - left - columns)
    chest, nipple = (right, left) if prepared.mirrored else (left, right)
    yield float(prepared.breast.sum() / (height * width))
    yield chest / width
    yield nipple / width
    yield top / height
    yield max(0.0, height - top - rows) / height


def _widths(breast: BoolArray) -> Iterator[float]:
    """Mean width of the upper, middle and lower third, in shares of the widest."""
    widths = breast.sum(axis=1)
    for third in np.array_split(widths, 3):
        yield float(third.mean() / widths.max()) if third.size else 0.0


def _greys(grey: FloatArray, breast: BoolArray) -> Iterator[float]:
    inside = grey[breast]
    # The chest wall is no skin: outside of it the breast goes on.
    padded = np.pad(breast, ((1, 1), (0, 1)))
    depth = ndimage.distance_transform_edt(padded)[1:-1, :-1] * STEP_MM
    middle, spread = float(inside.mean()), float(inside.std()) + 1e-3
    for low, high in pairwise(DEPTHS_MM):
        layer = grey[breast & (depth > low) & (depth <= high)]
        yield (float(layer.mean()) - middle) / spread if layer.size else 0.0
    yield from np.quantile(inside, QUANTILES).tolist()
    yield spread
    yield float(skew(inside))
    rows, columns = np.nonzero(breast)
    yield _correlation(inside, columns)
    yield _correlation(inside, np.abs(rows - rows.mean()))
    deep = breast & (depth > DEPTHS_MM[2])
    deep = deep if deep.any() else breast
    weight = breast.astype(np.float32)
    smooth = [grey, *(_blurred(grey, weight, sigma) for sigma in BANDS_MM[1:])]
    for fine, coarse in pairwise(smooth):
        yield float(np.log(np.std((fine - coarse)[deep]) / spread + 1e-3))


def _blurred(grey: FloatArray, weight: FloatArray, sigma_mm: float) -> FloatArray:
    """Gaussian blur within the breast."""
    sigma = sigma_mm / STEP_MM
    within = ndimage.gaussian_filter(weight, sigma)
    blurred = ndimage.gaussian_filter(grey * weight, sigma) / np.maximum(within, 1e-3)
    return np.asarray(blurred, dtype=np.float32)


def _correlation(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    if one.std() < 1e-6 or other.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
