"""How a nodule looks: texture, calcification, spiculation, lobulation and suspicion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.errors import InvalidValueError
from gransk.core.findings import Mask
from gransk.core.models import Model
from gransk.core.volume import Volume
from nodule.measurement import Texture
from nodule.segmentation import segment

FloatArray = npt.NDArray[np.float32]

MODEL_ID = "nodule-morphology"
BATCH = 16
VIEW_SHAPE = (15, 48, 48)
VIEW_STEPS_MM = (2.0, 0.8, 0.8)
WINDOW_HU = (-1000.0, 1200.0)
# Axes finer than this share of the view's step are smoothed, as the view could not hold them.
FINE = 0.6


@dataclass(frozen=True)
class MorphologyReading:
    """What readers of LIDC-IDRI would say of a nodule that looks like this.

    Parameters
    ----------
    ground_glass, part_solid, solid : float
        Probabilities of the kinds of texture; their sum is 1.
    calcified : float
        Probability that at least half of the readers see calcification.
    spiculated, lobulated : float
        Probability that the readers' median is at least 3 of 5.
    malignancy : float
        Readers' expected suspicion, 0 (rated 1, highly unlikely) to 1 (rated 5,
        highly suspicious). It repeats how readers rate images and is no
        probability of cancer.

    Raises
    ------
    InvalidValueError
        Where a value is not within 0 and 1, or the textures do not sum to 1.
    """

    ground_glass: float
    part_solid: float
    solid: float
    calcified: float
    spiculated: float
    lobulated: float
    malignancy: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value <= 1:
                raise InvalidValueError(f"MorphologyReading.{field.name}", value, "0 to 1")
        total = self.ground_glass + self.part_solid + self.solid
        if abs(total - 1) > 1e-3:
            raise InvalidValueError("MorphologyReading", total, "textures whose sum is 1")

    @property
    def texture(self) -> Texture:
        """The most probable texture."""
        kinds = {
            Texture.GROUND_GLASS: self.ground_glass,
            Texture.PART_SOLID: self.part_solid,
            Texture.SOLID: self.solid,
        }
        return max(kinds, key=lambda kind: kinds[kind])


class Morphology:
    """Judges how nodules look.

    Parameters
    ----------
    model : Model
        The model ``nodule-morphology``.
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def judge(
        self, volume: Volume, index: tuple[float, float, float], mask: Mask | None = None
    ) -> MorphologyReading:
        """Judge one nodule.

        Parameters
        ----------
        volume : Volume
            Axial CT in HU.
        index : tuple of float
            Fractional (k, j, i) of a point of the nodule; used only where no mask is given.
        mask : Mask, optional
            The nodule; outlined here where it is not given.

        Raises
        ------
        InvalidValueError
            Where the point or the mask lies outside the scan or the mask is empty.
        """
        return self.judge_all(volume, [segment(volume, index) if mask is None else mask])[0]

    def judge_all(self, volume: Volume, masks: Sequence[Mask]) -> list[MorphologyReading]:
        """Judge the nodules of one scan, in the order of their masks."""
        readings: list[MorphologyReading] = []
        for start in range(0, len(masks), BATCH):
            batch = np.stack([view(volume, mask) for mask in masks[start : start + BATCH]])
            readings += readings_of(self._model, batch)
        return readings


def readings_of(model: Model, views: FloatArray) -> list[MorphologyReading]:
    """Readings of views, shape (n, 2, 15, 48, 48)."""
    out = model.run({"views": views})
    names = ("calcified", "spiculated", "lobulated", "malignancy")
    return [
        MorphologyReading(
            *(float(p) for p in out["texture"][n]), **{name: float(out[name][n]) for name in names}
        )
        for n in range(len(views))
    ]


def view(volume: Volume, mask: Mask) -> FloatArray:
    """What the network sees: HU and mask on a grid round the mask's centre of mass.

    Only the slices that the mask occupies are used, so that a whole scan and a
    few slices of it give the same view; beyond them is air.

    Parameters
    ----------
    volume : Volume
        Axial CT in HU.
    mask : Mask
        The nodule.

    Returns
    -------
    ndarray of float32, shape (2, 15, 48, 48)
        HU clipped to -1000..1200, and the mask's share from 0 to 1, at steps of
        2 mm across slices and 0.8 mm in them (30 x 38 x 38 mm).

    Raises
    ------
    InvalidValueError
        Where the mask is empty or reaches beyond the volume.
    """
    array, origin = mask.to_array(), np.asarray(mask.origin)
    if not array.any() or (origin + array.shape > np.asarray(volume.hu.shape)).any():
        raise InvalidValueError("mask", mask.shape, "a mask inside the volume, not empty")
    spacing = volume.geometry.spacing
    used = np.flatnonzero(array.any(axis=(1, 2)))
    first, last = int(used[0]) + mask.origin[0], int(used[-1]) + mask.origin[0]
    centre = origin + np.argwhere(array).mean(axis=0)
    at = [
        c + (np.arange(n) - (n - 1) / 2) * step / s
        for c, n, step, s in zip(centre, VIEW_SHAPE, VIEW_STEPS_MM, spacing, strict=True)
    ]
    start, stop = _reach(at, volume.hu.shape)
    start[0], stop[0] = first, last + 1
    box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    inside = _placed(array, origin - start, tuple(stop - start))
    local = [a - s for a, s in zip(at, start, strict=True)]
    hu = _sampled(np.clip(volume.hu[box], *WINDOW_HU), local, spacing)
    share = _sampled(inside, local, spacing)
    beyond = (at[0] < first - 0.5) | (at[0] > last + 0.5)
    hu[beyond], share[beyond] = WINDOW_HU[0], 0.0
    return np.stack([hu, share])


def _reach(
    at: list[npt.NDArray[np.float64]], shape: tuple[int, ...]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The part of an array that sampling at some indices needs, with room to smooth."""
    start = [min(n - 1, max(0, int(np.floor(a[0])) - 4)) for a, n in zip(at, shape, strict=True)]
    stop = [
        max(lo + 1, min(n, int(np.ceil(a[-1])) + 5))
        for a, n, lo in zip(at, shape, start, strict=True)
    ]
    return np.array(start), np.array(stop)


def _placed(
    array: npt.NDArray[np.bool_], at: npt.NDArray[np.int64], shape: tuple[int, ...]
) -> FloatArray:
    """A boolean box put into zeros of a shape; what lies outside is cut."""
    out = np.zeros(shape, np.float32)
    low, high = np.maximum(at, 0), np.minimum(at + array.shape, shape)
    if (low < high).all():
        to = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        out[to] = array[tuple(slice(a, b) for a, b in zip(low - at, high - at, strict=True))]
    return out


def _sampled(
    array: FloatArray, at: list[npt.NDArray[np.float64]], spacing: tuple[float, float, float]
) -> FloatArray:
    """Linear interpolation axis by axis at fractional indices; beyond, the edge repeats."""
    out = array
    for axis, (step, s) in enumerate(zip(VIEW_STEPS_MM, spacing, strict=True)):
        if s < FINE * step:
            sigma = 0.4 * step / s
            out = ndimage.gaussian_filter1d(out, sigma, axis=axis, mode="nearest", truncate=3)
        count = array.shape[axis]
        low = np.clip(np.floor(at[axis]).astype(int), 0, count - 1)
        high = np.minimum(low + 1, count - 1)
        share = np.clip(at[axis] - low, 0, 1).astype(np.float32)
        share = share.reshape([-1 if a == axis else 1 for a in range(3)])
        out = np.take(out, low, axis) * (1 - share) + np.take(out, high, axis) * share
    return out.astype(np.float32, copy=False)
