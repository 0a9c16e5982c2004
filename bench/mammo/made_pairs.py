"""Made pairs of exams: a real film, and the same film as another day might show it.

No real pair of exams is at hand. The later film is the same one turned, stretched and bent as
another compression does, with another contrast, sharpness and noise; its mass is left as it is,
made larger or smaller, or taken out of one of the two. What is taken out is filled with the slow
course of grey round it and the texture of another place of the breast. A made pair is easier than
a real one: tissue is not compressed in depth, and nothing else changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.restoration import inpaint_biharmonic

from mammo.image.grid import SPACING_MM, BoolArray, FloatArray, Prepared, prepare
from mammo.marks.mark import Point
from training.mammo.films import Film

Array = npt.NDArray[np.float64]

TURN_DEGREES, STRETCH, SHEAR, BEND_MM, BEND_OVER_MM = 5.0, 0.06, 0.05, 2.0, 25.0
SHIFT_MM = 8.0
ZOOM = (1.15, 1.7)
COARSE = 8


class Made(StrEnum):
    """What was done to the mass from the earlier to the later film."""

    STABLE = "stable"
    GROWN = "grown"
    SHRUNK = "shrunk"
    NEW = "new"
    GONE = "gone"


ORDER = (
    Made.STABLE, Made.GROWN, Made.STABLE, Made.NEW, Made.GROWN, Made.STABLE, Made.GONE, Made.SHRUNK,
)  # fmt: skip
"""What is made of one film after the other."""


@dataclass(frozen=True)
class Exam:
    """One film of a made pair.

    Parameters
    ----------
    prepared : Prepared
    mass : ndarray of bool, the prepared image's shape
        Where the mass is; empty where it was taken out.
    place : (float, float)
        Middle of the mass, or of where it would be, prepared coordinates.
    """

    prepared: Prepared = field(repr=False)
    mass: BoolArray = field(repr=False)
    place: Point

    @property
    def diameter_mm(self) -> float:
        """Of a disk of the mass's area; 0 where it was taken out."""
        return 2 * float(np.sqrt(self.mass.sum() / np.pi)) * SPACING_MM


@dataclass(frozen=True)
class MadePair:
    """Two exams of one film.

    Parameters
    ----------
    landmarks : ndarray, shape (n, 2, 2)
        Places of the breast in the earlier and in the later film, prepared coordinates.
    """

    film: Film
    made: Made
    earlier: Exam
    later: Exam
    landmarks: Array = field(repr=False)


def made_pair(film: Film, made: Made, seed: int) -> MadePair | None:
    """A pair of one film with one outlined mass; None where the mass is not to be taken out."""
    prepared = film.prepared()
    mass = film.outlined(prepared)
    if mass is None or not mass.any():
        return None
    rng = np.random.default_rng(seed)
    place = _middle(mass)
    whole, without = prepared.grey, np.zeros_like(mass)
    filled = whole
    if made in (Made.NEW, Made.GONE):
        out = _without(prepared, mass, rng)
        if out is None:
            return None
        filled = out
    zoom = float(rng.uniform(*ZOOM))
    zoom = {Made.GROWN: zoom, Made.SHRUNK: 1 / zoom}.get(made, 1.0)
    first_grey, first_mass = (filled, without) if made is Made.NEW else (whole, mass)
    grey, later_mass = (filled, without) if made is Made.GONE else (whole, mass)
    earlier = Exam(_again(first_grey), first_mass, place)
    bend = _Bend.drawn(prepared, rng)
    radius = float(np.sqrt(mass.sum() / np.pi))
    seen = _later(grey, later_mass, bend, place, radius, zoom, rng)
    if seen is None:
        return None
    later, corner = seen
    where = bend.later(np.asarray(place)) - corner
    moved = Exam(later.prepared, later.mass, (float(where[0]), float(where[1])))
    return MadePair(film, made, earlier, moved, _landmarks(prepared, bend, corner))


@dataclass(frozen=True)
class _Bend:
    """From places of the later film to the earlier's, before anything is done to the mass."""

    matrix: Array
    middle: Array
    shift: Array
    bend: Array = field(repr=False)

    @classmethod
    def drawn(cls, prepared: Prepared, rng: np.random.Generator) -> _Bend:
        rows, columns = prepared.grey.shape
        angle = np.deg2rad(rng.uniform(-TURN_DEGREES, TURN_DEGREES))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shear = np.array([[1, rng.uniform(-SHEAR, SHEAR)], [0, 1]])
        stretch = np.diag(np.exp(rng.uniform(-STRETCH, STRETCH, 2)))
        shape = (rows // COARSE + 8, columns // COARSE + 8)
        noise = rng.standard_normal((2, *shape))
        sigma = BEND_OVER_MM / SPACING_MM / COARSE
        smooth = np.stack([ndimage.gaussian_filter(n, sigma, mode="reflect") for n in noise])
        smooth *= BEND_MM / SPACING_MM / max(float(smooth.std()), 1e-9)
        shift = np.array([rng.uniform(0, SHIFT_MM), rng.uniform(-SHIFT_MM, SHIFT_MM)]) / SPACING_MM
        return cls(turn @ shear @ stretch, np.array([0.0, rows / 2]), shift, smooth)

    def earlier(self, places: Array) -> Array:
        """Places of the earlier film that the later one shows at ``places``."""
        straight = (places - self.middle) @ self.matrix.T + self.middle + self.shift
        at = (straight[..., ::-1] / COARSE + 4).reshape(-1, 2).T
        bent = [ndimage.map_coordinates(b, at, order=1, mode="nearest") for b in self.bend]
        return np.asarray(straight + np.stack(bent, axis=-1).reshape(straight.shape))

    def later(self, places: Array) -> Array:
        """Places of the later film of ones of the earlier."""
        back = np.linalg.inv(self.matrix)
        found = places.copy()
        for _ in range(60):
            found = found - (self.earlier(found) - places) @ back.T
        return found


def _later(
    grey: FloatArray, mass: BoolArray, bend: _Bend, place: Point, radius: float, zoom: float,
    rng: np.random.Generator,
) -> tuple[Exam, Array] | None:  # fmt: skip
    rows, columns = grey.shape
    margin = round(12 / SPACING_MM)
    x = np.arange(columns + margin) + 0.5
    y = np.arange(-margin, rows + margin) + 0.5
    from_ = bend.earlier(np.stack(np.meshgrid(x, y), axis=-1))
    from_ = _zoomed(from_, np.asarray(place), radius, zoom)
    at = [from_[..., 1] - 0.5, from_[..., 0] - 0.5]
    # Towards the chest wall the film ends; there the breast goes on.
    at[1] = np.maximum(at[1], 0)
    seen = ndimage.map_coordinates(grey, at, order=1, cval=0.0)
    there = ndimage.map_coordinates(mass.astype(np.float32), at, order=1, cval=0.0) > 0.5
    page = np.pad(_exposed(seen, rng), ((0, 0), (0, round(10 / SPACING_MM))))
    prepared = prepare(page, (SPACING_MM, SPACING_MM))
    if prepared.mirrored:
        return None
    left, top = (round(v) for v in prepared.offset_px)
    shape = prepared.grey.shape
    there = np.pad(there, ((0, 0), (0, round(10 / SPACING_MM))))[
        top : top + shape[0], left : left + shape[1]
    ]
    return Exam(prepared, there, place), np.array([left, top - margin], dtype=float)


def _zoomed(from_: Array, place: Array, radius: float, zoom: float) -> Array:
    """Larger or smaller about a place, the rest of the breast where it is."""
    if zoom == 1:
        return from_
    away = from_ - place
    far = np.hypot(away[..., 0], away[..., 1])
    edge, end = radius * max(zoom, 1) * 1.2, radius * max(zoom, 1) * 2.4
    share = np.clip((end - far) / (end - edge), 0, 1)
    share = share * share * (3 - 2 * share)
    return np.asarray(place + away * (1 + (1 / zoom - 1) * share)[..., None])


def _exposed(grey: npt.NDArray[np.floating], rng: np.random.Generator) -> FloatArray:
    """As another exposure and scanner show it."""
    inside = grey > 0.01
    level = np.clip(grey, 0, 1) ** float(np.exp(rng.uniform(-0.3, 0.3)))
    slow = ndimage.gaussian_filter(level, 15 / SPACING_MM / 4)
    level = level - rng.uniform(0, 0.3) * (slow - float(slow[inside].mean()))
    level = ndimage.gaussian_filter(level, float(rng.uniform(0, 0.3)) / SPACING_MM)
    noise = ndimage.gaussian_filter(rng.standard_normal(grey.shape), 0.6)
    level = 0.1 + 0.8 * level + noise * float(rng.uniform(0.01, 0.04))
    return np.where(inside, np.clip(level, 0.05, 1), 0).astype(np.float32)


def _without(prepared: Prepared, mass: BoolArray, rng: np.random.Generator) -> FloatArray | None:
    """The film without its mass; None where no other place lends its texture."""
    hole, box, wide = hole_about(mass)
    donor = _donor(prepared, hole, box, rng)
    if donor is None:
        return None
    sigma = 4 / SPACING_MM
    grey = prepared.grey[wide].astype(float)
    slow = background(prepared, hole, wide)
    texture = prepared.grey.astype(float)
    fast = (texture - ndimage.gaussian_filter(texture, sigma))[donor]
    filled = grey.copy()
    inner = tuple(
        slice(b.start - w.start, b.stop - w.start) for b, w in zip(box, wide, strict=True)
    )
    new = np.clip(slow, np.percentile(grey, 1), np.percentile(grey, 99))
    new[inner] += fast
    soft = ndimage.gaussian_filter(hole[wide].astype(float), 1.2 / SPACING_MM)
    filled = filled * (1 - soft) + new * soft
    out = prepared.grey.copy()
    out[wide] = np.where(prepared.breast[wide], np.clip(filled, 0, 1), 0)
    return out


def background(prepared: Prepared, hole: BoolArray, wide: tuple[slice, ...]) -> Array:
    """The slow course of the grey across a hole, on a coarse grid, within a box about it."""
    grey = prepared.grey[wide].astype(float)
    step = 6
    coarse, open_ = grey[::step, ::step].copy(), hole[wide][::step, ::step]
    known = ~open_ & prepared.breast[wide][::step, ::step]
    coarse = ndimage.gaussian_filter(np.where(known, coarse, 0), 1) / np.maximum(
        ndimage.gaussian_filter(known.astype(float), 1), 1e-3
    )
    slow = inpaint_biharmonic(np.clip(coarse, 0, 1), open_)
    slow = ndimage.zoom(slow, step, order=1)[: grey.shape[0], : grey.shape[1]]
    return np.pad(slow, [(0, a - b) for a, b in zip(grey.shape, slow.shape, strict=True)], "edge")


def hole_about(mass: BoolArray) -> tuple[BoolArray, tuple[slice, slice], tuple[slice, ...]]:
    """A mass with 3 mm about it, its box, and that box with 12 mm about it."""
    hole = np.asarray(ndimage.binary_dilation(mass, iterations=round(3 / SPACING_MM)), dtype=bool)
    rows, columns = np.nonzero(hole)
    box = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    return hole, box, _wide(box, hole.shape)


def _wide(box: tuple[slice, slice], shape: tuple[int, ...]) -> tuple[slice, ...]:
    margin = round(12 / SPACING_MM)
    return tuple(
        slice(max(0, s.start - margin), min(n, s.stop + margin))
        for s, n in zip(box, shape, strict=True)
    )


def _donor(
    prepared: Prepared, hole: BoolArray, box: tuple[slice, slice], rng: np.random.Generator
) -> tuple[slice, slice] | None:
    """A box of the same size inside the breast, away from the hole."""
    height, width = (s.stop - s.start for s in box)
    rows, columns = hole.shape
    for _ in range(300):
        top = int(rng.integers(0, max(1, rows - height)))
        left = int(rng.integers(0, max(1, columns - width)))
        there = (slice(top, top + height), slice(left, left + width))
        if prepared.breast[there].mean() > 0.97 and not hole[there].any():
            return there
    return None


def _again(grey: FloatArray) -> Prepared:
    """Prepared once more, as a film of its own, in its own place."""
    shape = grey.shape
    return Prepared(
        grey=grey, breast=ndimage.binary_fill_holes(grey > 0), native_shape=shape,
        native_spacing_mm=(SPACING_MM, SPACING_MM), offset_px=(0.0, 0.0), mirrored=False,
    )  # fmt: skip


def _landmarks(prepared: Prepared, bend: _Bend, corner: Array) -> Array:
    """Places of the breast, every 10 mm, in both films."""
    step = round(10 / SPACING_MM)
    rows, columns = np.nonzero(prepared.breast[step // 2 :: step, step // 2 :: step])
    first = np.stack([columns, rows], axis=-1).astype(float) * step + step // 2
    return np.stack([first, bend.later(first) - corner], axis=1)


def _middle(mass: BoolArray) -> Point:
    row, column = ndimage.center_of_mass(mass)
    return float(column) + 0.5, float(row) + 0.5
