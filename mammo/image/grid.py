"""One breast image on one grid: every network and measurement reads this."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage import filters

from gransk.core.errors import InvalidValueError, RefusalError
from gransk.core.raster import resized
from gransk.core.reasons import Reason

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

SPACING_MM = 0.2
"""Side of the prepared image's square pixels."""
OVERVIEW_MM = 0.8
LEAST_BREAST_MM2 = 1500.0
GREYS = (1.0, 99.5)


@dataclass(frozen=True)
class Prepared:
    """A breast on a square grid of `SPACING_MM`, chest wall at the left.

    Coordinates are (column, row) with the top left corner of the top left pixel at (0, 0),
    as in `gransk.core.findings.Region`.

    Parameters
    ----------
    grey : ndarray of float32, shape (rows, columns)
        0 to 1 from the 1st to the 99.5th percentile of the breast; 0 outside of it.
    breast : ndarray of bool, same shape
        The breast with the part of the pectoral muscle that is shown.
    native_shape : (int, int)
        Rows and columns of the image that it was made from.
    native_spacing_mm : (float, float)
        Between its rows and between its columns.
    offset_px : (float, float)
        Column and row, in the unmirrored grid of `SPACING_MM`, of the prepared image's corner.
    mirrored : bool
        True where the chest wall of the native image is at the right.
    """

    grey: FloatArray = field(repr=False)
    breast: BoolArray = field(repr=False)
    native_shape: tuple[int, int]
    native_spacing_mm: tuple[float, float]
    offset_px: tuple[float, float]
    mirrored: bool

    def __post_init__(self) -> None:
        if self.grey.shape != self.breast.shape or self.grey.ndim != 2:
            raise InvalidValueError("Prepared.breast", self.breast.shape, f"{self.grey.shape}")

    def to_native(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Native (column, row) of prepared ones, shape (..., 2)."""
        points = np.array(points, dtype=float)
        width = self.grey.shape[1]
        column = width - points[..., 0] if self.mirrored else points[..., 0]
        rows_mm, columns_mm = self.native_spacing_mm
        return np.stack(
            [
                (column + self.offset_px[0]) * SPACING_MM / columns_mm,
                (points[..., 1] + self.offset_px[1]) * SPACING_MM / rows_mm,
            ],
            axis=-1,
        )

    def from_native(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Prepared (column, row) of native ones, shape (..., 2)."""
        points = np.array(points, dtype=float)
        rows_mm, columns_mm = self.native_spacing_mm
        column = points[..., 0] * columns_mm / SPACING_MM - self.offset_px[0]
        row = points[..., 1] * rows_mm / SPACING_MM - self.offset_px[1]
        return np.stack([self.grey.shape[1] - column if self.mirrored else column, row], axis=-1)

    def at(self, spacing_mm: float) -> FloatArray:
        """The grey image with other square pixels, area-averaged."""
        rows, columns = self.grey.shape
        ratio = SPACING_MM / spacing_mm
        return resized(self.grey, (max(1, round(rows * ratio)), max(1, round(columns * ratio))))


def prepare(pixels: npt.NDArray[np.generic], spacing_mm: tuple[float, float]) -> Prepared:
    """Find the breast, turn its chest wall to the left, and stretch its greys.

    Parameters
    ----------
    pixels : ndarray, shape (rows, columns)
        As displayed: dense tissue bright. Any range.
    spacing_mm : (float, float)
        Between rows and between columns, in the breast's plane.

    Raises
    ------
    RefusalError
        ``NO_BREAST`` where nothing in the image looks like one.
    """
    if pixels.ndim != 2 or min(spacing_mm) <= 0:
        raise InvalidValueError("prepare", (pixels.shape, spacing_mm), "an image and its spacing")
    extent = (pixels.shape[0] * spacing_mm[0], pixels.shape[1] * spacing_mm[1])
    if min(extent) < OVERVIEW_MM * 8:
        raise RefusalError(Reason.NO_BREAST, "too small")
    whole = resized(pixels, (round(extent[0] / SPACING_MM), round(extent[1] / SPACING_MM)))
    coarse = resized(whole, (round(extent[0] / OVERVIEW_MM), round(extent[1] / OVERVIEW_MM)))
    mask = find_breast(coarse)
    if mask.sum() * OVERVIEW_MM**2 < LEAST_BREAST_MM2:
        raise RefusalError(Reason.NO_BREAST, "too little of the image")
    rows, columns = np.nonzero(mask)
    step = OVERVIEW_MM / SPACING_MM
    top, bottom = (max(0, round(rows.min() * step)), round((rows.max() + 1) * step))
    left, right = (max(0, round(columns.min() * step)), round((columns.max() + 1) * step))
    grey = whole[top:bottom, left:right]
    breast = resized(mask, whole.shape)[top:bottom, left:right] > 0.5
    low, high = np.percentile(grey[breast][::7], GREYS)
    if high - low <= 1e-6:
        raise RefusalError(Reason.NO_BREAST, "no contrast")
    grey = np.where(breast, np.clip((grey - low) / (high - low), 0, 1), 0).astype(np.float32)
    mirrored = is_mirrored(mask)
    if mirrored:
        grey, breast = grey[:, ::-1], breast[:, ::-1]
    return Prepared(
        grey=np.ascontiguousarray(grey),
        breast=np.ascontiguousarray(breast),
        native_shape=(int(pixels.shape[0]), int(pixels.shape[1])),
        native_spacing_mm=spacing_mm,
        offset_px=(float(left), float(top)),
        mirrored=mirrored,
    )


def find_breast(coarse: FloatArray) -> BoolArray:
    """Mask of the breast in an image of `OVERVIEW_MM`; empty where there is none.

    Bright frames that a film scanner leaves are cut off, then the largest piece that is
    brighter than the background stands, without what hangs on by less than a few millimetres:
    markers, labels, edges.
    """
    low, high = np.percentile(coarse, (1, 99.8))
    if high <= low:
        return np.zeros(coarse.shape, dtype=bool)
    level = np.clip((coarse - low) / (high - low), 0, 1)
    inner = _without_frame(level)
    smooth = ndimage.gaussian_filter(level, 1.0)
    smooth[~inner] = 0
    mask = np.zeros(coarse.shape, dtype=bool)
    for threshold in (_dark(smooth[inner]), _otsu(smooth[inner])):
        mask = _largest(smooth > threshold, inner)
        if mask.mean() < 0.85:
            break
    return mask


def is_mirrored(mask: BoolArray) -> bool:
    """Is the chest wall, where the breast is widest up and down, at the right?"""
    columns = np.nonzero(mask.any(axis=0))[0]
    first, last = int(columns.min()), int(columns.max())
    band = max(2, (last - first) // 6)
    return bool(mask[:, last - band : last + 1].sum() > mask[:, first : first + band + 1].sum())


def _dark(values: FloatArray) -> float:
    """A level between the background and the skin: a tenth of the way to the brighter half."""
    background = float(np.percentile(values, 5))
    bright = values[values > background + 0.08]
    return background + max(
        0.04, 0.12 * (float(np.median(bright)) - background if bright.size else 0)
    )


def _otsu(values: FloatArray) -> float:
    return float(filters.threshold_otsu(values))  # type: ignore[no-untyped-call]


def _without_frame(level: FloatArray) -> BoolArray:
    """What remains when lines at the edges that are mostly white, or wholly flat, are cut off."""
    rows, columns = level.shape
    inner = np.ones(level.shape, dtype=bool)
    deep = (max(1, rows // 14), max(1, columns // 14))
    white = level > 0.9
    for lines, depth, axis in ((white, deep[0], 0), (white, deep[1], 1)):
        share = lines.mean(axis=1 - axis)
        for order in (range(depth), range(len(share) - 1, len(share) - 1 - depth, -1)):
            cut = [n for n in order if share[n] > 0.45]
            for n in order if cut else ():
                inner[(n, slice(None)) if axis == 0 else (slice(None), n)] = False
                if n == cut[-1]:
                    break
    return inner


def _largest(bright: BoolArray, inner: BoolArray) -> BoolArray:
    disk = ndimage.iterate_structure(ndimage.generate_binary_structure(2, 1), 4)
    padded = np.pad(bright & inner, 6)
    opened = ndimage.binary_opening(padded, disk)[6:-6, 6:-6]
    labels, count = ndimage.label(opened)
    if not count:
        return np.zeros(bright.shape, dtype=bool)
    sizes = ndimage.sum_labels(opened, labels, range(1, count + 1))
    piece = labels == 1 + int(np.argmax(sizes))
    return np.asarray(ndimage.binary_fill_holes(np.pad(piece, 1))[1:-1, 1:-1], dtype=bool)
