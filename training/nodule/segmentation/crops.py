"""Nodules with how many readers outlined each voxel, seen as the network sees them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from gransk.core.volume import Volume
from nodule.grid import AIR_HU, resampled
from nodule.lungs import segment_lungs
from nodule.segmenter import SIZE, STEPS_MM, cube
from training.nodule.cutouts import PIXELS, Cutout, read_nodules
from training.nodule.samples import places_in
from training.nodule.scans import load

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

BLANK, CONTINUED, PASTED = "blank", "continued", "pasted"
# How far the network can see beyond the last slice.
REACH_MM = 30.0
FAR_FROM_MM, ONLY_FAR_FROM_MM = 10.0, 20.0
LUNG_BELOW_HU = -500.0
PLACES = 24
WORST_FIT_HU = 350.0


@dataclass(frozen=True)
class Outlined:
    """A nodule in its own slices.

    Parameters
    ----------
    cutout : Cutout
        HU, majority mask and ratings.
    share : ndarray of float32
        Share of the readers that outlined each voxel, 0 to 1.
    readers : int
        How many readers a share of one stands for.
    """

    cutout: Cutout
    share: FloatArray
    readers: int

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """How many readers outlined each voxel."""
        return np.rint(self.share * self.readers).astype(np.int64)


@dataclass(frozen=True)
class Scene:
    """A whole scan to paste into, with the places to paste at."""

    scan: Volume
    places: npt.NDArray[np.int64]


@dataclass(frozen=True)
class View:
    """One cube with what is known of it, each of shape (32, 32, 32).

    Parameters
    ----------
    hu : ndarray of float32
        As :func:`nodule.segmenter.cube` gives it.
    share : ndarray of float32
        Share of the readers, 0 to 1.
    known : ndarray of bool
        False where nobody looked: outside the crop.
    """

    hu: FloatArray
    share: FloatArray
    known: BoolArray


def read_outlined(folder: Path, patients: set[str], fewest_readers: int) -> list[Outlined]:
    """The nodules of some patients from ``lidc_nodules`` with their readers' shares."""
    found = []
    for cutout in read_nodules(folder, patients, fewest_readers):
        counts = np.asarray(Image.open(folder / f"{cutout.name}.readers.png"), np.float32)
        counts = counts.reshape(-1, PIXELS, PIXELS)
        readers = max(2, int(counts.max()))
        found.append(Outlined(cutout, counts / np.float32(readers), readers))
    return found


def read_scenes(folder: Path, cases: list[str], rng: np.random.Generator) -> list[Scene]:
    """Whole scans with places in their lungs."""
    scenes = []
    for case in cases:
        scan = load(folder / case)
        scenes.append(Scene(scan, places_in(segment_lungs(scan), rng)))
    return scenes


def continued(nodule: Outlined, rng: np.random.Generator) -> Outlined:
    """The nodule with slices below and above in which it is no more.

    A crop ends where the nodule ends. Each added slice repeats the last one with the
    nodule filled in from its surroundings, so that walls and vessels run on, ever
    more blurred by noise of the lung.
    """
    cutout = nodule.cutout
    spacing = cutout.volume.geometry.spacing
    count = int(np.ceil(REACH_MM / spacing[0]))
    below = _runs_on(cutout.volume.hu[0], nodule.share[0], count, spacing, rng)[::-1]
    above = _runs_on(cutout.volume.hu[-1], nodule.share[-1], count, spacing, rng)
    hu = np.concatenate([below, cutout.volume.hu, above])
    pad = ((count, count), (0, 0), (0, 0))
    geometry = replace(cutout.volume.geometry, shape=(hu.shape[0], hu.shape[1], hu.shape[2]))
    wider = replace(
        cutout, volume=Volume(hu.astype(np.float32), geometry), mask=np.pad(cutout.mask, pad)
    )
    return replace(nodule, cutout=wider, share=np.pad(nodule.share, pad))


def _runs_on(
    hu: FloatArray, share: FloatArray, count: int, spacing: tuple[float, float, float],
    rng: np.random.Generator,
) -> FloatArray:  # fmt: skip
    grow = max(1, round(1.5 / spacing[1]))
    hidden = ndimage.binary_dilation(share > 0, np.ones((3, 3), bool), iterations=grow)
    filled = hu
    if hidden.any() and not hidden.all():
        _, (j, i) = ndimage.distance_transform_edt(hidden, return_indices=True)
        filled = np.where(hidden, ndimage.gaussian_filter(hu[j, i], 0.7), hu)
    drift = rng.normal(0, 0.25, 2) * spacing[0] / spacing[1]
    slices = np.stack(
        [ndimage.shift(filled, drift * (n + 1), order=1, mode="nearest") for n in range(count)]
    )
    noise = ndimage.gaussian_filter(rng.normal(0, 1, slices.shape), (0, 0.6, 0.6))
    out: FloatArray = slices + noise * (rng.uniform(10, 30) / noise.std())
    return out.astype(np.float32)


def step_for(diameter_mm: float, rng: np.random.Generator) -> float:
    """The cube's step for a nodule: near by, or far for some large ones; varied by a tenth."""
    far = diameter_mm > ONLY_FAR_FROM_MM or (diameter_mm > FAR_FROM_MM and rng.random() < 0.5)
    return STEPS_MM[int(far)] * float(rng.uniform(0.9, 1.1))


def beside(nodule: Outlined, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A point as far beside the centre as the detector's marks lie."""
    move = rng.normal(0, 0.4 + 0.07 * nodule.cutout.diameter_mm, 3)
    point: npt.NDArray[np.float64] = (
        nodule.cutout.centre + move / nodule.cutout.volume.geometry.spacing
    )
    return np.clip(point, 0, np.asarray(nodule.share.shape) - 1)


def view(nodule: Outlined, point: npt.NDArray[np.float64], step: float) -> View:
    """The nodule in its own slices, air and nothing known outside."""
    at = _axes(point, nodule.cutout.volume.geometry.spacing, step)
    share = resampled(nodule.share, at)
    known = np.ones(share.shape, bool)
    for axis, (a, n) in enumerate(zip(at, nodule.share.shape, strict=True)):
        outside = (a < -0.5) | (a > n - 0.5)
        np.moveaxis(known, axis, 0)[outside] = False
    return View(cube(nodule.cutout.volume, point, step), np.where(known, share, 0), known)


def _axes(
    point: npt.NDArray[np.float64], spacing: tuple[float, float, float], step: float
) -> list[npt.NDArray[np.float64]]:
    reach = (np.arange(SIZE) - (SIZE - 1) / 2) * step
    return [p + reach / s for p, s in zip(point, spacing, strict=True)]


def pasted(
    nodule: Outlined, point: npt.NDArray[np.float64], step: float, scene: Scene,
    rng: np.random.Generator,
) -> View | None:  # fmt: skip
    """The nodule blended into a whole scan on the cube's own grid.

    Its detail stays that of its own scan. None where no place fits.
    """
    own = nodule.cutout.volume.geometry.spacing
    at = _axes(point, own, step)
    weight = _weight(nodule.share, own)
    # The weight has one slice more at each end.
    alpha = _within(weight, [at[0] + 1, at[1], at[2]])
    share = _within(nodule.share, at)
    inner = resampled(nodule.cutout.volume.hu, at)
    ring = (alpha > 0.02) & (alpha < 0.6 * alpha.max())
    best: tuple[float, npt.NDArray[np.int64]] | None = None
    for place in rng.permutation(scene.places)[:PLACES]:
        outer = _outer(scene.scan, place, step, 2)
        coarse = ring[::2, ::2, ::2]
        cost = float(np.abs(np.clip(outer, -1000, 200) - inner[::2, ::2, ::2])[coarse].mean())
        if best is None or cost < best[0]:
            best = (cost, place)
    if best is None or best[0] > WORST_FIT_HU:
        return None
    under = _outer(scene.scan, best[1], step, 1)
    return View(_blend(under, inner, alpha, rng), share, np.ones(share.shape, bool))


def _outer(scan: Volume, place: npt.NDArray[np.int64], step: float, every: int) -> FloatArray:
    at = [a[::every] for a in _axes(place.astype(float), scan.geometry.spacing, step)]
    low = [int(np.clip(a[0], 0, n - 1)) for a, n in zip(at, scan.hu.shape, strict=True)]
    high = [int(np.clip(a[-1] + 2, 1, n)) for a, n in zip(at, scan.hu.shape, strict=True)]
    part = scan.hu[tuple(slice(a, max(a + 1, b)) for a, b in zip(low, high, strict=True))]
    return resampled(part, [a - b for a, b in zip(at, low, strict=True)])


def _weight(share: FloatArray, spacing: tuple[float, float, float]) -> FloatArray:
    """Blending weight: one round the nodule, less outwards, with an empty slice at each end."""
    grow = max(1, round(1.5 / spacing[1]))
    wide = ndimage.binary_dilation(share > 0, np.ones((1, 3, 3), bool), iterations=grow)
    sigma = 0.8 / spacing[1]
    soft = ndimage.gaussian_filter(wide.astype(np.float32), (0, sigma, sigma))
    return np.pad(soft, ((1, 1), (0, 0), (0, 0)))


def _within(values: FloatArray, at: list[npt.NDArray[np.float64]]) -> FloatArray:
    """Linear interpolation, zero a voxel beyond the array."""
    padded = np.pad(values, 1)
    return resampled(padded, [a + 1 for a in at])


def _blend(
    under: FloatArray, hu: FloatArray, alpha: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Alpha blending after the crop's lung was brought to the scan's level."""
    here, there = under[(alpha > 0) & (under < LUNG_BELOW_HU)], hu[hu < LUNG_BELOW_HU]
    if len(here) and len(there):
        level = float(np.median(there))
        shift = float(np.clip(np.median(here) - level, -150, 150))
        hu = hu + np.float32(shift) * np.clip((0 - hu) / max(1.0, -level), 0, 1)
    out = under * (1 - alpha) + hu * alpha
    if rng.random() < 0.5:
        # Vessels of the scan run on through the pasted nodule.
        out = np.where((alpha > 0) & (under > LUNG_BELOW_HU), np.maximum(out, under), out)
    return np.clip(out, AIR_HU, 400).astype(np.float32)


def turned(nodule: Outlined, rng: np.random.Generator) -> Outlined:
    """The nodule turned by a quarter in its slices and mirrored, at random."""
    arrays = [nodule.cutout.volume.hu, nodule.cutout.mask, nodule.share]
    turns = int(rng.integers(4))
    flips = tuple(axis for axis in range(3) if rng.random() < 0.5)
    hu, mask, share = (
        np.ascontiguousarray(np.flip(np.rot90(a, turns, (1, 2)), flips)) for a in arrays
    )
    volume = replace(nodule.cutout.volume, hu=hu)
    cutout = replace(nodule.cutout, volume=volume, mask=mask)
    return replace(nodule, cutout=cutout, share=share)


def draw(nodule: Outlined, scenes: list[Scene], kind: str, rng: np.random.Generator) -> View:
    """One view of a nodule, turned, at a point beside its centre, in surroundings of a kind.

    Where it fits nowhere in the scans, the slices are continued instead.
    """
    nodule = turned(nodule, rng)
    step = step_for(nodule.cutout.diameter_mm, rng)
    if kind == PASTED:
        scene = scenes[int(rng.integers(len(scenes)))]
        seen = pasted(nodule, beside(nodule, rng), step, scene, rng)
        if seen is not None:
            return seen
        kind = CONTINUED
    if kind == CONTINUED:
        nodule = continued(nodule, rng)
    return view(nodule, beside(nodule, rng), step)
