"""Percent dense area of a breast without its muscle, and the BI-RADS category a to d."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.errors import InvalidValueError
from gransk.core.models import Model
from gransk.core.raster import resized
from mammo.image.anatomy import Anatomy
from mammo.image.grid import BoolArray, FloatArray, Prepared
from mammo.view import Laterality, View

MODEL_ID = "mammo-density"
FINE_MM = 0.8
CORE_MM = 5.0
"""Tissue so deep under the skin, and under the muscle's edge, is looked at."""
FEWEST_PIXELS = 300
PERCENTILES = (2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98)
BANDS_PX = (1, 2, 4, 8, 16)
SKIN_MM = 4.0
LIMITS = (10.4, 33.0, 64.8)
"""Percent where categories b, c and d begin.

Midway between the median areas that interactive thresholding found on 200 analog screening
mammograms of the four categories: 6.0, 14.8, 51.2 and 78.4 % (Academic Radiology, September 2006,
"Accuracy of assigned BI-RADS breast density category definitions"). Readers call breasts denser
than they measure: the quarters of BI-RADS, 4th edition, are no planimetry.
"""


class Category(StrEnum):
    """BI-RADS breast density, as the 5th edition names it."""

    A = "a"
    B = "b"
    C = "c"
    D = "d"


@dataclass(frozen=True)
class ViewDensity:
    """Density of one view.

    Parameters
    ----------
    percent : float
        Dense area of the breast without the muscle, 0 to 100: learned from categories that a
        radiologist gave films, on the scale of `LIMITS`, not from outlines.
    dense : ndarray of bool, the prepared image's shape
        The brightest part of the breast that is as large.
    """

    percent: float
    dense: BoolArray = field(repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.percent <= 100:
            raise InvalidValueError("ViewDensity.percent", self.percent, "0 to 100")


@dataclass(frozen=True)
class ExamDensity:
    """Density of an examination: the mean of its views.

    Parameters
    ----------
    percent : float
    category : Category
    breasts : tuple of (Laterality, float)
        Mean percent of each breast that has a view.
    """

    percent: float
    category: Category
    breasts: tuple[tuple[Laterality, float], ...]


def category(percent: float) -> Category:
    """The category of a percentage."""
    return tuple(Category)[int(np.digitize(percent, LIMITS))]


def view_density(prepared: Prepared, anatomy: Anatomy, model: Model) -> ViewDensity:
    """Density of one view with the model ``mammo-density``.

    Raises
    ------
    ModelError
        Where the model is another.
    """
    seen = features(prepared, anatomy.pectoral)
    (percent,) = model.run({"features": seen[None]})["percent"]
    percent = float(np.clip(percent, 0, 100))
    return ViewDensity(percent, brightest(prepared, anatomy.pectoral, percent))


def exam_density(views: Sequence[tuple[View, ViewDensity]]) -> ExamDensity:
    """The mean of an exam's views, by breast and over both.

    Raises
    ------
    InvalidValueError
        Where there are none.
    """
    if not views:
        raise InvalidValueError("exam_density", "no view", "one view at least")
    breasts = []
    for side in Laterality:
        own = [density.percent for view, density in views if view.laterality is side]
        if own:
            breasts.append((side, float(np.mean(own))))
    percent = float(np.mean([density.percent for _, density in views]))
    return ExamDensity(percent, category(percent), tuple(breasts))


def features(prepared: Prepared, pectoral: BoolArray) -> FloatArray:
    """What the model reads of a breast without its muscle and skin.

    Returns
    -------
    ndarray of float32, shape (35,)
        Percentiles of grey (`PERCENTILES`); of each band of details between neighbouring
        `BANDS_PX` deviation, its share of the whole, and skewness; area in square decimetres
        and its logarithm; skewness, kurtosis, deviation and mean of grey; largest depth under
        the skin in decimetres.
    """
    grey, inside = _fine(prepared, pectoral)
    depth = _depth(inside)
    core = inside & (depth > CORE_MM)
    if core.sum() < FEWEST_PIXELS:
        core = inside
    value = grey[core].astype(np.float64)
    spread = max(float(value.std()), 1e-3)
    share = inside.astype(np.float32)
    finer, bands = np.where(inside, grey, 0), []
    for sigma in BANDS_PX:
        weight = np.maximum(ndimage.gaussian_filter(share, sigma), 1e-3)
        coarser = ndimage.gaussian_filter(np.where(inside, grey, 0), sigma) / weight
        band = (finer - coarser)[core].astype(np.float64)
        bands += [band.std(), np.abs(band).mean() / spread, _moment(band, 3)]
        finer = coarser
    area = float(inside.sum()) * FINE_MM**2 / 1e4
    found = [
        *np.percentile(value, PERCENTILES), *bands, area, np.log(area + 0.01),
        _moment(value, 3), _moment(value, 4), value.std(), value.mean(), depth.max() / 100,
    ]  # fmt: skip
    return np.array(found, dtype=np.float32)


def _moment(values: npt.NDArray[np.float64], order: int) -> float:
    """Standardised moment."""
    around = values - values.mean()
    return float((around**order).mean() / max(float(values.std()), 1e-4) ** order)


def _depth(inside: BoolArray) -> npt.NDArray[np.float64]:
    """Millimetres to the nearest place outside; the chest wall at the left is none."""
    padded = np.pad(inside, ((1, 1), (0, 1)))
    return np.asarray(ndimage.distance_transform_edt(padded)[1:-1, :-1] * FINE_MM)


def brightest(prepared: Prepared, pectoral: BoolArray, percent: float) -> BoolArray:
    """The brightest part of the breast without muscle and skin that is so large.

    The breast thins towards the skin and darkens with it: each pixel is compared with what is
    usual at its depth under the skin.
    """
    grey, inside = _fine(prepared, pectoral)
    empty = np.zeros(prepared.breast.shape, dtype=bool)
    wanted = round(percent / 100 * int(inside.sum()))
    breast = resized(prepared.breast, grey.shape) > 0.5
    depth = _depth(breast)
    allowed = inside & (depth > SKIN_MM)
    wanted = min(wanted, int(allowed.sum()))
    if wanted == 0:
        return empty
    smooth = ndimage.gaussian_filter(np.where(inside, grey, 0), 1.5)
    smooth = smooth / np.maximum(ndimage.gaussian_filter(inside.astype(np.float32), 1.5), 1e-3)
    level = smooth + _thinning(smooth, depth, allowed)
    threshold = np.partition(level[allowed], -wanted)[-wanted]
    chosen = (allowed & (level >= threshold)).astype(np.float32)
    return (resized(chosen, prepared.breast.shape) > 0.5) & prepared.breast & ~pectoral


def _thinning(
    smooth: FloatArray, depth: npt.NDArray[np.float64], allowed: BoolArray
) -> npt.NDArray[np.float64]:
    """What the dark half of the tissue at each depth lacks to that well inside."""
    edges = np.arange(SKIN_MM, 30.0, 2.0)
    deep = smooth[allowed & (depth >= edges[-1])]
    if deep.size < 100:
        return np.zeros(smooth.shape)
    dark = float(np.percentile(deep, 25))
    lacks = []
    for start in edges:
        ring = smooth[allowed & (depth >= start) & (depth < start + 2)]
        lacks.append(max(0.0, dark - float(np.percentile(ring, 25))) if ring.size > 20 else 0.0)
    falling = np.minimum.accumulate(np.array(lacks))
    return np.interp(depth, edges + 1, falling, right=0.0)


def _fine(prepared: Prepared, pectoral: BoolArray) -> tuple[FloatArray, BoolArray]:
    grey = prepared.at(FINE_MM)
    inside = (resized(prepared.breast, grey.shape) > 0.5) & ~(resized(pectoral, grey.shape) > 0.5)
    return grey, inside
