"""How a patient lies otherwise on a follow-up: known point by point.

Every map pulls: it takes points of the follow-up to the points of the first scan that are
shown there. Points are in mm, LPS.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.transform import Rotation

from gransk.core.errors import InvalidValueError
from gransk.core.volume import FloatArray, Geometry, Volume

Points = npt.NDArray[np.float64]

# The map is calculated on every so many-th pixel and interpolated between.
COARSE = 8
BLEND_MM = 8.0
MARGIN_MM = 2.5
TOLERANCE_MM = 1e-6


@dataclass(frozen=True)
class Breathing:
    """A smooth displacement: the base of the lungs moves most, waves bend the rest.

    Parameters
    ----------
    top_mm, base_mm : float
        Height (z) of the lungs' apices and base.
    middle_mm : float
        Depth (y) of the chest's middle.
    depth_mm : float
        How far the base moves along z.
    widen : float
        Share by which the base widens from front to back.
    waves : ndarray, shape (m, 3)
        Radians a mm.
    phases, amplitudes_mm : ndarray, shape (m, 3)
        Of the displacement along x, y and z.
    """

    top_mm: float
    base_mm: float
    middle_mm: float
    depth_mm: float
    widen: float
    waves: Points = field(repr=False)
    phases: Points = field(repr=False)
    amplitudes_mm: Points = field(repr=False)

    @classmethod
    def drawn(
        cls, geometry: Geometry, lungs: npt.NDArray[np.bool_], depth_mm: float,
        rng: np.random.Generator,
    ) -> Breathing:  # fmt: skip
        """By chance, for lungs that lie in a scan."""
        used = np.flatnonzero(lungs.any(axis=(1, 2)))
        ends = geometry.to_lps([(k, (lungs.shape[1] - 1) / 2, 0) for k in (used[0], used[-1])])
        lengths = rng.uniform(90, 220, (4, 1))
        ways = rng.normal(size=(4, 3))
        ways /= np.linalg.norm(ways, axis=1, keepdims=True)
        return cls(
            top_mm=float(ends[1, 2]),
            base_mm=float(ends[0, 2]),
            middle_mm=float(ends[0, 1]),
            depth_mm=depth_mm,
            widen=depth_mm / 300,
            waves=2 * np.pi / lengths * ways,
            phases=rng.uniform(0, 2 * np.pi, (4, 3)),
            amplitudes_mm=rng.uniform(0, min(1.0, abs(depth_mm) / 8), (4, 3)),
        )

    def __call__(self, points: Points) -> Points:
        """Displacement at each point, shape (..., 3)."""
        low = np.clip((self.top_mm - points[..., 2]) / (self.top_mm - self.base_mm), 0, 1)
        low = low * low * (3 - 2 * low)
        angle = points @ self.waves.T
        moved = (self.amplitudes_mm * np.sin(angle[..., None] + self.phases)).sum(axis=-2)
        moved[..., 2] += self.depth_mm * low
        moved[..., 1] += self.widen * low * (points[..., 1] - self.middle_mm)
        return np.asarray(moved)


@dataclass(frozen=True)
class Swelling:
    """A place where the follow-up shows the first scan turned and scaled, nothing else.

    Parameters
    ----------
    source_mm : ndarray
        Its middle in the first scan.
    place_mm : ndarray
        Its middle in the follow-up.
    scale : float
        Lengths in the follow-up to lengths before: volumes differ by its cube, exactly.
    radius_mm : float
        Of the thing in the first scan, with which ``MARGIN_MM`` of its surroundings is scaled.
    """

    source_mm: Points
    place_mm: Points
    scale: float
    radius_mm: float

    def __post_init__(self) -> None:
        if not (self.scale > 0 and self.radius_mm > 0):
            raise InvalidValueError("Swelling", (self.scale, self.radius_mm), "positive numbers")

    @property
    def inner_mm(self) -> float:
        """In the follow-up, up to which it is scaled alone."""
        return self.scale * (self.radius_mm + MARGIN_MM)

    @property
    def outer_mm(self) -> float:
        """In the follow-up, from which it changes nothing."""
        return self.inner_mm + BLEND_MM + 2 * abs(self.inner_mm - self.inner_mm / self.scale)

    def weight(self, points: Points) -> Points:
        """1 within the inner ball, 0 beyond the outer one."""
        away = np.linalg.norm(points - self.place_mm, axis=-1)
        share = np.clip((self.outer_mm - away) / (self.outer_mm - self.inner_mm), 0, 1)
        return np.asarray(share * share * (3 - 2 * share))


@dataclass(frozen=True)
class Motion:
    """From a follow-up to the first scan.

    Parameters
    ----------
    turn : ndarray, shape (3, 3)
        A rotation, about ``centre_mm``.
    centre_mm : ndarray
        In the first scan.
    shift_mm : ndarray
        How far the table moved the patient: added to points of the first scan.
    breathing : Breathing
    swellings : tuple of Swelling
        Apart from each other by their outer balls.
    """

    turn: Points
    centre_mm: Points
    shift_mm: Points
    breathing: Breathing
    swellings: tuple[Swelling, ...] = ()

    @classmethod
    def drawn(
        cls, scan: Volume, lungs: npt.NDArray[np.bool_], rng: np.random.Generator,
        depth_mm: float,
    ) -> Motion:  # fmt: skip
        """Turned by some degrees, moved on the table, breathing otherwise."""
        turn = Rotation.from_euler("xyz", rng.normal(0, 1.5, 3), degrees=True).as_matrix()
        middle = scan.geometry.to_lps((np.asarray(scan.hu.shape) - 1) / 2)
        shift = rng.normal(0, (6.0, 6.0, 40.0))
        breathing = Breathing.drawn(scan.geometry, lungs, depth_mm, rng)
        return cls(np.asarray(turn), middle, shift, breathing)

    def pull(self, points: Points) -> Points:
        """The first scan's points that are shown at points of the follow-up."""
        out = self._body(points)
        for swelling in self.swellings:
            weight = swelling.weight(points)[..., None]
            own = swelling.source_mm + (points - swelling.place_mm) @ self.turn.T / swelling.scale
            out = out + weight * (own - out)
        return out

    def push(self, point: npt.ArrayLike) -> Points:
        """Where the follow-up shows a point of the first scan.

        A point within a swelling is looked for from the swelling's own place.
        """
        wanted = np.asarray(point, float)
        at = self._unturned(wanted)
        for swelling in self.swellings:
            if np.linalg.norm(wanted - swelling.source_mm) <= swelling.radius_mm + MARGIN_MM:
                at = swelling.place_mm + swelling.scale * (wanted - swelling.source_mm) @ self.turn
        for _ in range(200):
            step = wanted - self.pull(at)
            if np.linalg.norm(step) < TOLERANCE_MM:
                break
            at = at + step @ self.turn
        return np.asarray(at)

    @cached_property
    def _corner(self) -> Points:
        return self.centre_mm + self.shift_mm

    def _body(self, points: Points) -> Points:
        turned = (points - self._corner) @ self.turn.T + self.centre_mm
        return np.asarray(turned + self.breathing(turned))

    def _unturned(self, point: Points) -> Points:
        return np.asarray((point - self.centre_mm) @ self.turn + self._corner)


def resample(scan: Volume, motion: Motion, geometry: Geometry) -> Volume:
    """The first scan as a follow-up shows it.

    Linear between voxels, cubic in the boxes round swellings, where sizes count.

    Parameters
    ----------
    scan : Volume
        The first scan.
    motion : Motion
    geometry : Geometry
        Grid of the follow-up, axial.
    """
    out = np.empty(geometry.shape, np.float32)
    rows, columns = (_steps(n) for n in geometry.shape[1:])
    up = [_between(n, at) for n, at in zip(geometry.shape[1:], (rows, columns), strict=True)]
    body = Motion(motion.turn, motion.centre_mm, motion.shift_mm, motion.breathing)
    j, i = np.meshgrid(rows, columns, indexing="ij")
    for k in range(geometry.shape[0]):
        points = geometry.to_lps(np.stack([np.full_like(j, k), j, i], axis=-1))
        index = scan.geometry.to_index(body.pull(points)).astype(np.float32)
        fine = [up[0] @ index[..., axis] @ up[1].T for axis in range(3)]
        ndimage.map_coordinates(scan.hu, fine, output=out[k], order=1, mode="nearest")
    for swelling in motion.swellings:
        _swell(out, scan, motion, swelling, geometry)
    return Volume(np.clip(out, -1024, 3071), geometry)


def _swell(
    out: FloatArray, scan: Volume, motion: Motion, swelling: Swelling, geometry: Geometry
) -> None:
    """Fill the box of a swelling anew, exactly and by cubic interpolation."""
    box = _box(geometry, swelling.place_mm, swelling.outer_mm)
    axes = np.meshgrid(*(np.arange(s.start, s.stop, dtype=float) for s in box), indexing="ij")
    points = geometry.to_lps(np.stack(axes, axis=-1))
    if points.size == 0:
        return
    index = scan.geometry.to_index(motion.pull(points))
    low = np.maximum(np.floor(index.min(axis=(0, 1, 2))).astype(int) - 6, 0)
    high = np.minimum(np.ceil(index.max(axis=(0, 1, 2))).astype(int) + 7, scan.hu.shape)
    if (low >= high).any():
        return
    part = scan.hu[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    at = np.moveaxis(index - low, -1, 0)
    inside = np.linalg.norm(points - swelling.place_mm, axis=-1) <= swelling.outer_mm
    found = ndimage.map_coordinates(part, at, order=3, mode="nearest", output=np.float32)
    out[box] = np.where(inside, found, out[box])


def _box(geometry: Geometry, middle_mm: Points, reach_mm: float) -> tuple[slice, ...]:
    middle = geometry.to_index(middle_mm)
    reach = reach_mm / np.asarray(geometry.spacing)
    low = np.maximum(np.floor(middle - reach).astype(int), 0)
    high = np.minimum(np.ceil(middle + reach).astype(int) + 1, geometry.shape)
    return tuple(slice(int(a), int(max(a, b))) for a, b in zip(low, high, strict=True))


def _steps(count: int) -> Points:
    """Every ``COARSE``-th pixel, the last one among them."""
    return np.unique(np.append(np.arange(0, count, COARSE), count - 1)).astype(float)


def _between(count: int, at: Points) -> FloatArray:
    """Weights of linear interpolation from some pixels to all, shape (count, len(at))."""
    pixels = np.arange(count)
    return np.stack([np.interp(pixels, at, row) for row in np.eye(len(at))], 1).astype(np.float32)
