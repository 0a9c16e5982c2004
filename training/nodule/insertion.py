"""Synthetic nodules of known volume, blended into real scans."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import cdist

from gransk.core.errors import InvalidValueError
from gransk.core.volume import FloatArray, Volume

Points = npt.NDArray[np.float64]
Kind = Literal["solid", "part-solid", "ground glass"]
KINDS: tuple[Kind, ...] = ("solid", "part-solid", "ground glass")

SOLID_HU, GLASS_HU = 40.0, -550.0
# Longest axis of a part-solid nodule's core as share of the nodule's.
CORE = 0.55
FISSURE_MM, FISSURE_REACH_MM = 0.6, 18.0
FINE_PER_DIAMETER = 16.0
SOFT_HU = (0.0, 100.0)
WALL_HU = -400.0


@dataclass(frozen=True)
class Shape:
    """A body whose radius differs smoothly by direction.

    Radius in direction u (unit vector along k, j, i): ``scale (1 + roughness / m
    * sum of cos(w u + p))`` over m waves w with phases p, scaled to the volume.

    Parameters
    ----------
    diameter_mm : float
        Of the ball of equal volume.
    waves : ndarray, shape (m, 3)
    phases : ndarray, shape (m,)
    roughness : float
        0 is a ball.

    Raises
    ------
    InvalidValueError
        Where the diameter is not positive or the roughness not from 0 to below 1.
    """

    diameter_mm: float
    waves: Points
    phases: Points
    roughness: float

    def __post_init__(self) -> None:
        if not self.diameter_mm > 0:
            raise InvalidValueError("Shape.diameter_mm", self.diameter_mm, "a length in mm")
        if not 0 <= self.roughness < 1:
            raise InvalidValueError("Shape.roughness", self.roughness, "from 0 to below 1")

    @classmethod
    def drawn(cls, diameter_mm: float, roughness: float, rng: np.random.Generator) -> Shape:
        """A shape by chance."""
        return cls(diameter_mm, rng.normal(0, 1.8, (6, 3)), rng.uniform(0, 2 * np.pi, 6), roughness)

    @property
    def volume_mm3(self) -> float:
        return float(np.pi / 6 * self.diameter_mm**3)

    def radius_mm(self, directions: Points) -> Points:
        """Radius in each direction, unit vectors of shape (..., 3)."""
        return np.asarray(self._scale * self._relative(directions))

    def _relative(self, directions: Points) -> Points:
        waves = np.cos(directions @ self.waves.T + self.phases).mean(axis=-1)
        return np.asarray(1 + self.roughness * waves)

    @cached_property
    def _scale(self) -> float:
        """Volume of a star-shaped body: a third of the integral of radius cubed."""
        mean_cube = float((self._relative(even_directions(8192)) ** 3).mean())
        return float(self.diameter_mm / 2 / mean_cube ** (1 / 3))

    def holds(self, points_mm: Points, grow: float = 1.0) -> npt.NDArray[np.bool_]:
        """Whether points (k, j, i from the centre, in mm) lie inside the shape times ``grow``."""
        away = np.linalg.norm(points_mm, axis=-1)
        unit = points_mm / np.maximum(away, 1e-9)[..., None]
        return np.asarray(away <= grow * self.radius_mm(unit))

    @cached_property
    def axes_mm(self) -> tuple[float, float]:
        """Long axis and its perpendicular in the axial plane of largest area."""
        step = self.diameter_mm / 64
        at = np.linspace(-60, 60, 121) * step
        planes = [(z, self._plane(z, at)) for z in at[::2]]
        z = max(planes, key=lambda p: int(p[1].sum()))[0]
        fine = np.linspace(-60, 60, 481) * step
        points: Points = np.argwhere(self._plane(z, fine)).astype(float) * (step / 4)
        return _axes(points, step / 4)

    def _plane(self, z: float, at: Points) -> npt.NDArray[np.bool_]:
        y, x = np.meshgrid(at, at, indexing="ij")
        return self.holds(np.stack([np.full_like(x, z), y, x], axis=-1))


def _axes(points: Points, step: float) -> tuple[float, float]:
    """Longest distance between pixels, and the longest line at right angles to it, in mm."""
    hull = points[ConvexHull(points).vertices]
    apart = cdist(hull, hull)
    a, b = np.unravel_index(int(np.argmax(apart)), apart.shape)
    along = (hull[b] - hull[a]) / apart[a, b]
    u, v = points @ along, points @ np.array([-along[1], along[0]])
    row = np.round(u / step).astype(int)
    row -= row.min()
    high, low = np.full(row.max() + 1, -np.inf), np.full(row.max() + 1, np.inf)
    np.maximum.at(high, row, v)
    np.minimum.at(low, row, v)
    return float(apart[a, b]) + step, float((high - low).max()) + step


def even_directions(count: int) -> Points:
    """Unit vectors spread evenly (Fibonacci lattice), shape (count, 3)."""
    n = np.arange(count) + 0.5
    z = 1 - 2 * n / count
    turn = np.pi * (1 + 5**0.5) * n
    across = np.sqrt(1 - z**2)
    return np.column_stack([z, across * np.sin(turn), across * np.cos(turn)])


@dataclass(frozen=True)
class Scanner:
    """How sharp and noisy a scan is.

    Parameters
    ----------
    psf_mm : float
        Standard deviation of the point spread within slices.
    noise_hu : float
        Standard deviation.
    """

    psf_mm: float
    noise_hu: float

    @classmethod
    def of(cls, volume: Volume, lungs: npt.NDArray[np.bool_]) -> Scanner:
        """Estimate from the steepest edges of the lungs and from soft tissue.

        An edge of height h blurred by a Gaussian of width s has slope h / (s
        sqrt(2 pi)) in its middle. The upper tenth of edges is taken, which motion
        and slant blurred least. Noise is what a 2-pixel blur removes from soft
        tissue, by the median.
        """
        spacing = np.asarray(volume.geometry.spacing)
        used = np.flatnonzero(lungs.any(axis=(1, 2)))
        widths, noise = [], []
        for k in used[:: max(1, len(used) // 12)]:
            plane = np.clip(volume.hu[k], -1000, 60)
            slope = np.hypot(*np.gradient(plane, *spacing[1:]))
            edge = (np.abs(plane - WALL_HU) < 120) & ndimage.binary_dilation(lungs[k])
            soft = (volume.hu[k] > SOFT_HU[0]) & (volume.hu[k] < SOFT_HU[1])
            soft = ndimage.binary_erosion(soft, iterations=3)
            rest = volume.hu[k] - ndimage.gaussian_filter(volume.hu[k], 2.0)
            if edge.sum() > 50:
                height = 40.0 - float(np.median(plane[lungs[k]]))
                steep = float(np.percentile(slope[edge], 90))
                widths.append(height / steep / (2 * np.pi) ** 0.5)
            if soft.sum() > 50:
                noise.append(1.4826 * float(np.median(np.abs(rest[soft]))))
        return cls(
            psf_mm=float(np.clip(np.median(widths or [0.7]), 0.3, 1.2)),
            noise_hu=float(np.clip(np.median(noise or [15.0]), 2.0, 100.0)),
        )


@dataclass(frozen=True)
class Sheet:
    """A thin sheet near a nodule, as a fissure is: a disc, bent a little where wanted.

    Parameters
    ----------
    normal : tuple of float
        Unit vector along k, j, i.
    depth_mm : float
        From the nodule's centre to the sheet's middle, along the normal.
    thickness_mm : float
    reach_mm : float
        Radius of the disc.
    bend_per_mm : float
        One over the radius to which the disc is bent.

    Raises
    ------
    InvalidValueError
        Where the normal is no unit vector or a length is not positive.
    """

    normal: tuple[float, float, float]
    depth_mm: float
    thickness_mm: float = FISSURE_MM
    reach_mm: float = FISSURE_REACH_MM
    bend_per_mm: float = 0.0

    def __post_init__(self) -> None:
        if abs(float(np.linalg.norm(self.normal)) - 1) > 1e-3:
            raise InvalidValueError("Sheet.normal", self.normal, "a unit vector")
        if not (self.thickness_mm > 0 and self.reach_mm > 0):
            raise InvalidValueError("Sheet", (self.thickness_mm, self.reach_mm), "lengths in mm")

    @classmethod
    def touching(cls, shape: Shape) -> Sheet:
        """From front to back and slightly down, touching the shape."""
        normal = (0.8, 0.6, 0.0)
        return cls(normal, float(shape.radius_mm(np.array(normal))) + FISSURE_MM / 2)

    def share(self, points_mm: Points, steps_mm: npt.ArrayLike) -> Points:
        """How much of a small box round each point the sheet fills, nearly.

        Parameters
        ----------
        points_mm : ndarray, shape (..., 3)
            (k, j, i) from the nodule's centre.
        steps_mm : array_like
            The boxes' edges; the sheet may be thinner.
        """
        step = float(np.abs(self.normal) @ np.asarray(steps_mm))
        height = points_mm @ np.asarray(self.normal)
        aside = np.maximum((points_mm**2).sum(axis=-1) - height**2, 0)
        depth = np.abs(height - self.depth_mm - self.bend_per_mm * aside / 2)
        filled = np.clip((self.thickness_mm + step) / 2 - depth, 0, self.thickness_mm)
        return np.asarray(np.minimum(filled / step, 1) * (aside <= self.reach_mm**2))


@dataclass(frozen=True)
class Inserted:
    """A synthetic nodule in a scan.

    Parameters
    ----------
    centre_index : tuple of float
        (k, j, i).
    shape : Shape
    kind : str
    place : str
    sheet : Sheet, optional
        Drawn with it; at place ``fissure`` one that touches it where none is given.
    """

    centre_index: tuple[float, float, float]
    shape: Shape
    kind: Kind
    place: str
    sheet: Sheet | None = None

    @property
    def drawn_sheet(self) -> Sheet | None:
        """The sheet that is drawn, if any."""
        if self.sheet is None and self.place == "fissure":
            return Sheet.touching(self.shape)
        return self.sheet


def coverage(
    shape: Shape, centre: Points, start: npt.NDArray[np.int64], size: npt.NDArray[np.int64],
    spacing: Points, grow: float = 1.0, sheet: Sheet | None = None,
) -> FloatArray:  # fmt: skip
    """Share of each voxel of a box that a shape fills.

    Parameters
    ----------
    shape : Shape
    centre : ndarray
        (k, j, i) in voxels of the scan.
    start, size : ndarray of int
        The box.
    spacing : ndarray
        mm; slices are as thick as they are apart.
    grow : float
        The shape is scaled by it.
    sheet : Sheet, optional
        Not the shape but the sheet is drawn.
    """
    step = np.clip(shape.diameter_mm * grow / FINE_PER_DIAMETER, 0.12, 0.5)
    fold = np.maximum(2, np.ceil(spacing / step)).astype(int)
    axes = [
        ((np.arange(n * f) + 0.5) / f - 0.5 + a - c) * s
        for n, f, a, c, s in zip(size, fold, start, centre, spacing, strict=True)
    ]
    out = np.zeros(size, np.float32)
    for k in range(int(size[0])):
        own = axes[0][k * fold[0] : (k + 1) * fold[0]]
        points = np.stack(np.meshgrid(own, axes[1], axes[2], indexing="ij"), axis=-1)
        inside = shape.holds(points, grow) if sheet is None else sheet.share(points, spacing / fold)
        blocks = inside.reshape(1, fold[0], size[1], fold[1], size[2], fold[2])
        out[k] = blocks.mean(axis=(1, 3, 5), dtype=np.float32)[0]
    return out


def insert(
    hu: FloatArray, spacing: tuple[float, float, float], nodule: Inserted, scanner: Scanner,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Draw a nodule into an array of HU, in place.

    Solid parts replace what is there, ground glass adds to the lung and hides
    nothing. The edge is blurred as the scanner's; noise makes up for what was
    replaced.
    """
    steps = np.asarray(spacing)
    centre = np.asarray(nodule.centre_index)
    reach = nodule.shape.diameter_mm * (1 + nodule.shape.roughness) / 2 + 1.0
    sheet = nodule.drawn_sheet
    if sheet is not None:
        reach = max(reach, float(np.hypot(sheet.reach_mm, sheet.depth_mm))) + 1.0
    margin = np.ceil((reach + 3 * scanner.psf_mm) / steps).astype(int)
    low = np.maximum(np.round(centre).astype(int) - margin, 0)
    high = np.minimum(np.round(centre).astype(int) + margin + 1, hu.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    blur = (0.0, scanner.psf_mm / steps[1], scanner.psf_mm / steps[2])

    def drawn(grow: float = 1.0, sheet: Sheet | None = None) -> FloatArray:
        share = coverage(nodule.shape, centre, low, high - low, steps, grow, sheet)
        soft: FloatArray = ndimage.gaussian_filter(share, blur)
        return soft

    part = hu[box]
    replaced = np.zeros_like(part)
    if sheet is not None:
        alpha = drawn(sheet=sheet)
        part += np.maximum(SOLID_HU - part, 0) * alpha
    if nodule.kind != "solid":
        alpha, lung = drawn(), part < GLASS_HU
        part += np.maximum(GLASS_HU - part, 0) * alpha
        replaced = np.maximum(replaced, alpha * lung)
    if nodule.kind != "ground glass":
        alpha = drawn(1.0 if nodule.kind == "solid" else CORE)
        part += (SOLID_HU - part) * alpha
        replaced = np.maximum(replaced, alpha)
    noise = ndimage.gaussian_filter(rng.standard_normal(part.shape), blur)
    noise *= scanner.noise_hu / max(float(noise.std()), 1e-6)
    part += (noise * np.sqrt(1 - (1 - replaced) ** 2)).astype(np.float32)
    hu[box] = np.clip(part, -1024, 3071)
