"""A CT volume on the way into a model, and places on the way back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from gransk.core.contracts.boxes import Grid
from gransk.core.contracts.image import Positive, Size, tensor_of
from gransk.core.contracts.parts import Array, FloatArray, Intensity, Part
from gransk.core.errors import ModelError, RefusalError
from gransk.core.reasons import Reason
from gransk.core.volume import Geometry, Volume, interpolated

if TYPE_CHECKING:
    from gransk.core.models import Card

BoolArray = npt.NDArray[np.bool_]
Sizes = tuple[int, int, int]
Place = tuple[float, float, float]

TOWARDS = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}
"""Axis of the patient (LPS) and sign of each direction."""


class ScanInput(Part):
    """How a CT volume becomes a tensor.

    Parameters
    ----------
    name : str
        The model's input. Its shape in the card ends in the three spatial sizes; sizes before
        them (batch, channel) are 1.
    orientation : str
        To where the index rises along each spatial axis of the tensor, as NIfTI tools say it:
        ``RAS`` is right, anterior, superior. It says the order of the axes too: ``SPL`` is
        slices, rows, columns of an ordinary axial scan.
    voxel_mm : three floats, optional
        Along the tensor's axes; the scan's own where absent.
    intensity : Window, Standardised or Extremes
        Of HU.
    outside_hu : float
        What lies outside the scan, and in borders.
    multiple : three ints
        A border at the end of each axis, up to a multiple.
    patch : three ints, optional
        The model sees windows of this size, one after the other; the whole where absent.
    overlap : float
        Share of a window that the next one shows again.
    lungs_margin_mm : float, optional
        Only the lungs' box and so much round it is shown; the whole scan where absent.
    """

    name: str
    orientation: Annotated[str, Field(pattern=r"^[LRPASI]{3}$")] = "RAS"
    voxel_mm: tuple[Positive, Positive, Positive] | None = None
    intensity: Intensity
    outside_hu: float = -1024.0
    multiple: tuple[Size, Size, Size] = (1, 1, 1)
    patch: tuple[Size, Size, Size] | None = None
    overlap: float = Field(default=0.25, ge=0, lt=1)
    lungs_margin_mm: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _check(self) -> ScanInput:
        if {TOWARDS[letter][0] for letter in self.orientation} != {0, 1, 2}:
            raise ValueError("orientation: each axis of the patient once, such as RAS")
        if self.patch is not None and self.multiple != (1, 1, 1):
            raise ValueError("multiple: only without a patch")
        return self

    def whole(self, volume: Volume, lungs: BoolArray | None = None) -> ScanFrame:
        """The frame of the whole scan, or of the lungs' box where the contract wants that.

        Raises
        ------
        RefusalError
            ``NOT_AXIAL`` where the scan's axes are none of the patient's.
        """
        axes, signs = _turned(volume.geometry, self.orientation)
        low, high = np.zeros(3), np.array(volume.hu.shape, float) - 1
        if self.lungs_margin_mm is not None and lungs is not None and lungs.any():
            used = np.argwhere(lungs)
            room = self.lungs_margin_mm / np.array(volume.geometry.spacing)
            low = np.maximum(low, used.min(axis=0) - room)
            high = np.minimum(high, used.max(axis=0) + room)
        spacing = np.array(volume.geometry.spacing)[list(axes)]
        step = signs * (np.array(self.voxel_mm) / spacing if self.voxel_mm else np.ones(3))
        length = (high - low)[list(axes)]
        counts = np.floor(length / np.abs(step) + 1e-6).astype(int) + 1
        # The rest of the length is shared between both ends, so that nothing of it is lost more.
        rest = (length - (counts - 1) * np.abs(step)) / 2
        start = np.where(signs > 0, low[list(axes)] + rest, high[list(axes)] - rest)
        sizes = -(-counts // np.array(self.multiple)) * np.array(self.multiple)
        if self.patch is not None:
            sizes = np.maximum(sizes, self.patch)
        return ScanFrame(_sizes(sizes), _place(start), _place(step), axes, volume.geometry)

    def about(self, volume: Volume, index: Place, shape: Sizes) -> ScanFrame:
        """The frame of a window whose middle is a place of the scan, (k, j, i)."""
        axes, signs = _turned(volume.geometry, self.orientation)
        spacing = np.array(volume.geometry.spacing)[list(axes)]
        step = signs * (np.array(self.voxel_mm) / spacing if self.voxel_mm else np.ones(3))
        start = np.array(index)[list(axes)] - (np.array(shape) - 1) / 2 * step
        return ScanFrame(shape, _place(start), _place(step), axes, volume.geometry)

    def tensor(self, volume: Volume, frame: ScanFrame, card: Card) -> npt.NDArray[np.generic]:
        """What the model sees in a frame.

        Raises
        ------
        ModelError
            Where the card does not state three spatial sizes after sizes of 1.
        """
        stated = tensor_of(card, self.name)
        if len(stated.shape) < 3:
            raise ModelError(f"model {card.id}: input {self.name!r} wants three spatial sizes")
        seen = self.intensity.applied(frame.sampled(volume.hu, self.outside_hu))[0]
        lead = (1,) * (len(stated.shape) - 3)
        return np.ascontiguousarray(seen.reshape(*lead, *seen.shape)).astype(stated.dtype)

    def windows(self, frame: ScanFrame) -> Iterator[tuple[Sizes, ScanFrame]]:
        """Windows over a frame, each with the index of its first point in it."""
        if self.patch is None:
            yield (0, 0, 0), frame
            return
        starts = [_starts(n, p, self.overlap) for n, p in zip(frame.shape, self.patch, strict=True)]
        for a in starts[0]:
            for b in starts[1]:
                for c in starts[2]:
                    yield (a, b, c), frame.part((a, b, c), self.patch)


@dataclass(frozen=True)
class ScanFrame:
    """Where a tensor's points lie in a scan.

    Indices are of points: the middle of the first voxel is 0, on both sides.

    Parameters
    ----------
    shape : three ints
        Spatial sizes of the tensor.
    start : three floats
        Along each of the tensor's axes: the scan's index at its first point.
    step : three floats
        Of the scan's index from one point to the next; negative where it falls.
    axes : three ints
        Axis of the scan, (k, j, i), of each of the tensor's.
    geometry : Geometry
        Of the scan.
    """

    shape: Sizes
    start: Place
    step: Place
    axes: Sizes
    geometry: Geometry

    def to_scan(self, points: npt.ArrayLike) -> Array:
        """(k, j, i) of the scan, of indices of the tensor, shape (..., 3)."""
        along = np.asarray(points, float) * self.step + self.start
        return np.asarray(along[..., np.argsort(self.axes)])

    def from_scan(self, index: npt.ArrayLike) -> Array:
        """Indices of the tensor, of (k, j, i) of the scan, shape (..., 3)."""
        along = np.asarray(index, float)[..., list(self.axes)]
        return np.asarray((along - self.start) / self.step)

    def part(self, first: Sizes, shape: Sizes) -> ScanFrame:
        """A window of it."""
        start = np.array(self.start) + np.array(first) * self.step
        return replace(self, shape=shape, start=_place(start))

    def sampled(self, hu: FloatArray, outside: float) -> FloatArray:
        """The scan at the tensor's points, linear between voxels."""
        along = [
            s + d * np.arange(n) for s, d, n in zip(self.start, self.step, self.shape, strict=True)
        ]
        order = np.argsort(self.axes)
        at = [along[t] for t in order]
        low = [int(np.clip(a.min() - 1, 0, n - 1)) for a, n in zip(at, hu.shape, strict=True)]
        high = [
            int(np.clip(a.max() + 2, first + 1, n))
            for a, first, n in zip(at, low, hu.shape, strict=True)
        ]
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        out = interpolated(hu[box], [a - first for a, first in zip(at, low, strict=True)])
        for axis, (a, n) in enumerate(zip(at, hu.shape, strict=True)):
            np.moveaxis(out, axis, 0)[(a < -0.5) | (a > n - 0.5)] = outside
        return np.ascontiguousarray(out.transpose(self.axes))

    @property
    def grid(self) -> Grid:
        """As boxes are checked on it: cell n about point n."""
        last = np.array(self.geometry.shape) - 0.5
        ends = self.from_scan(np.array([[-0.5] * 3, last])) + 0.5
        low = np.maximum(ends.min(axis=0), 0)
        high = np.minimum(ends.max(axis=0), self.shape)
        spacing = np.abs(self.step) * np.array(self.geometry.spacing)[list(self.axes)]
        return Grid(self.shape, _place(low), _place(high), _place(spacing))


def spatial(array: npt.NDArray[np.generic], shape: Sizes, name: str) -> npt.NDArray[np.generic]:
    """An output as (channels, a, b, c) on the grid of the input.

    Raises
    ------
    RefusalError
        ``MODEL_OUTPUT_SHAPE``.
    """
    found = array
    while found.ndim > 4 and found.shape[0] == 1:
        found = found[0]
    if found.ndim == 3:
        found = found[None]
    if found.ndim != 4 or found.shape[1:] != shape:
        raise RefusalError(
            Reason.MODEL_OUTPUT_SHAPE, f"{name}: {list(array.shape)} for an input of {list(shape)}"
        )
    return found


def _turned(geometry: Geometry, orientation: str) -> tuple[Sizes, Array]:
    """Axis of the scan, and the sign of the step, along each axis of the tensor."""
    directions = np.array(geometry.directions)
    axes, signs = [], []
    for letter in orientation:
        patient, sign = TOWARDS[letter]
        axis = int(np.abs(directions[:, patient]).argmax())
        axes.append(axis)
        signs.append(sign * np.sign(directions[axis, patient]))
    if sorted(axes) != [0, 1, 2]:
        raise RefusalError(Reason.NOT_AXIAL, "axes of the scan are none of the patient's")
    return (axes[0], axes[1], axes[2]), np.array(signs, float)


def _starts(length: int, patch: int, overlap: float) -> list[int]:
    """First points of windows that cover a length; the last ends with it."""
    step = max(1, round(patch * (1 - overlap)))
    return [*range(0, length - patch, step), length - patch]


def _sizes(values: npt.NDArray[np.int64]) -> Sizes:
    a, b, c = (int(v) for v in values)
    return a, b, c


def _place(values: Array) -> Place:
    a, b, c = (float(v) for v in values)
    return a, b, c
