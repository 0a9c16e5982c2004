"""The views that the network learns from: nodules, vessels and synthetic balls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.volume import Geometry, Volume
from nodule.grid import AIR_HU, VIEW_SIZE, VIEW_STEPS_MM, views
from nodule.lungs import segment_lungs
from nodule.search import Search, Spot
from training.nodule.cutouts import Cutout, cut_spot, paste
from training.nodule.marks import Truth

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

LOW_HU, HIGH_HU = -1000.0, 400.0
BLANKED = 0.25
# Subsolid nodules are few among LIDC-IDRI's: they are pasted more often.
SUBSOLID_WEIGHT = 2.0
BESIDE_LESION_MM = 4.0
SPOTS_BESIDE = 3
# Twice as many as are judged in use: those just below teach too.
SPOTS = 400


@dataclass(frozen=True)
class Sample:
    """One view with what is known of it.

    Parameters
    ----------
    view : ndarray of uint8, shape (2, 32, 32, 32)
        -1000 HU as 0 and 400 HU as 255.
    nodule : bool
        Whether a nodule is in the middle.
    malignancy : float
        0 to 1, or NaN.
    diameter_mm : float
        Of the nodule or spot.
    kind : str
        How it was made.
    source : str
        The nodule or scan.
    host : str
        The whole scan that it lies in; empty where there is none.
    """

    view: npt.NDArray[np.uint8]
    nodule: bool
    malignancy: float
    diameter_mm: float
    kind: str
    source: str
    host: str = ""


def packed(view: FloatArray) -> npt.NDArray[np.uint8]:
    """HU of the window as 0 to 255."""
    share = (np.clip(view, LOW_HU, HIGH_HU) - LOW_HU) / (HIGH_HU - LOW_HU)
    return np.round(share * 255).astype(np.uint8)


def _blank(view: FloatArray, below_mm: float, above_mm: float) -> FloatArray:
    """Air outside a range along the first axis: slices that a cutout lacks."""
    out = view.copy()
    for part, step in zip(out, VIEW_STEPS_MM, strict=True):
        z = (np.arange(VIEW_SIZE) - (VIEW_SIZE - 1) / 2) * step
        part[(z < -below_mm) | (z > above_mm)] = AIR_HU
    return out


def _off_centre(
    centre: npt.ArrayLike, diameter_mm: float, scan: Volume, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """The centre moved as little as a spot's peak lies beside it."""
    move = rng.normal(0, 0.4 + 0.07 * diameter_mm, 3)
    moved: npt.NDArray[np.float64] = np.asarray(centre) + move / scan.geometry.spacing
    return moved


def _maybe_blank(view: FloatArray, diameter_mm: float, rng: np.random.Generator) -> FloatArray:
    if rng.random() >= BLANKED:
        return view
    half = diameter_mm / 2 * rng.uniform(0.5, 1.5, 2) + 0.5
    return _blank(view, float(half[0]), float(half[1]))


def pasted_view(
    cutout: Cutout, scan: Volume, lungs: BoolArray, places: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> FloatArray | None:  # fmt: skip
    """A cutout pasted into a scan, seen from near its centre; None where no place fits."""
    done = paste(cutout, scan, lungs, places, rng)
    if done is None:
        return None
    reach = np.ceil(40.0 / np.asarray(scan.geometry.spacing)).astype(int)
    low = np.maximum(done.start - reach, 0)
    high = done.start + done.hu.shape + reach
    window = scan.hu[tuple(slice(a, b) for a, b in zip(low, high, strict=True))].copy()
    at = done.start - low
    window[tuple(slice(a, a + n) for a, n in zip(at, done.hu.shape, strict=True))] = done.hu
    k, j, i = window.shape
    part = Volume(window, replace(scan.geometry, shape=(k, j, i)))
    centre = _off_centre(done.centre - low, cutout.diameter_mm, scan, rng)
    return _maybe_blank(views(part, centre), cutout.diameter_mm, rng)


def places_in(lungs: BoolArray, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Centres for pasting: half anywhere in the lungs, half near their walls."""
    inner = ndimage.binary_erosion(lungs[:, ::2, ::2], iterations=4)
    wall = np.argwhere(lungs[:, ::2, ::2] & ~inner) * [1, 2, 2]
    deep = np.argwhere(inner) * [1, 2, 2]
    return np.concatenate([rng.permutation(wall)[:4000], rng.permutation(deep)[:4000]])


def from_scan(
    name: str, scan: Volume, own: list[Truth], nodules: list[Cutout], count: int,
    search: Search, rng: np.random.Generator,
) -> Iterator[Sample]:  # fmt: skip
    """Spots of a scan, the same pasted elsewhere, and nodules pasted into it.

    Spots on the patient's own lesions are left out.
    """
    lungs = segment_lungs(scan)
    places = places_in(lungs, rng)
    spots = [s for s in search.find(scan, lungs, most=SPOTS) if not _on_any(scan, s, own)]
    for spot in spots:
        view = _maybe_blank(views(scan, spot.index), 2 * spot.radius_mm, rng)
        yield Sample(packed(view), False, np.nan, 2 * spot.radius_mm, "spot", name, name)
    for number in rng.permutation(len(spots))[: count // 4]:
        spot = spots[number]
        cutout = cut_spot(scan, spot.index, spot.radius_mm)
        seen = pasted_view(cutout, scan, lungs, places, rng)
        if seen is not None:
            size = 2 * spot.radius_mm
            yield Sample(packed(seen), False, np.nan, size, "pasted spot", name, name)
    weight = np.array([SUBSOLID_WEIGHT if n.texture <= 4 else 1.0 for n in nodules])
    for number in rng.choice(len(nodules), count, p=weight / weight.sum()):
        nodule = nodules[number]
        pasted = pasted_view(nodule, scan, lungs, places, rng)
        if pasted is not None:
            yield Sample(
                packed(pasted), True, (nodule.malignancy - 1) / 4, nodule.diameter_mm,
                "pasted nodule", nodule.name, name,
            )  # fmt: skip


def _on_any(scan: Volume, spot: Spot, lesions: list[Truth]) -> bool:
    place = scan.geometry.to_lps(spot.index)
    return any(
        np.linalg.norm(place - lesion.centre_lps_mm) < lesion.diameter_mm / 2 + BESIDE_LESION_MM
        for lesion in lesions
    )


def from_cutout(nodule: Cutout, search: Search, rng: np.random.Generator) -> Iterator[Sample]:
    """A nodule in its own few slices, and the spots beside it."""
    scan, spacing = nodule.volume, nodule.volume.geometry.spacing
    centre = _off_centre(nodule.centre, nodule.diameter_mm, scan, rng)
    worry = (nodule.malignancy - 1) / 4
    view = _bounded(views(scan, centre), scan, centre)
    yield Sample(packed(view), True, worry, nodule.diameter_mm, "cutout", nodule.name)
    everywhere = np.zeros(scan.hu.shape, bool)
    everywhere[1:-1, 16:-16, 16:-16] = scan.hu[1:-1, 16:-16, 16:-16] < 400
    if not everywhere.any():
        return
    away = ndimage.distance_transform_edt(~nodule.mask, sampling=spacing)
    everywhere &= ndimage.uniform_filter((scan.hu < -500).astype(np.float32), (1, 15, 15)) > 0.5
    if not everywhere.any():
        return
    beside = [
        s
        for s in search.find(scan, everywhere)
        if away[tuple(np.round(s.index).astype(int))] > s.radius_mm + 2
    ]
    for spot in beside[:SPOTS_BESIDE]:
        view = _bounded(views(scan, spot.index), scan, np.asarray(spot.index))
        yield Sample(packed(view), False, np.nan, 2 * spot.radius_mm, "beside", nodule.name)


def _bounded(view: FloatArray, scan: Volume, centre: npt.NDArray[np.float64]) -> FloatArray:
    step = scan.geometry.spacing[0]
    last = scan.hu.shape[0] - 0.5
    return _blank(view, float(centre[0] + 0.5) * step, float(last - centre[0]) * step)


def synthetic(rng: np.random.Generator) -> Sample:
    """A ball, or tubes that cross, in an even lung with noise."""
    size, step = 72, 1.0
    grid = np.indices((size,) * 3).astype(np.float32) - (size - 1) / 2
    lung, noise, blur = rng.uniform(-900, -800), rng.uniform(0, 40), rng.uniform(0.5, 1.5)
    ball = bool(rng.random() < 0.5)
    radius = float(np.exp(rng.uniform(np.log(1.8), np.log(12)))) if ball else rng.uniform(1, 4)
    if ball:
        middle = rng.normal(0, 0.3 + 0.1 * radius, 3)[:, None, None, None]
        inside = np.sqrt(((grid - middle) ** 2).sum(axis=0)) <= radius
    else:
        inside = np.zeros((size,) * 3, bool)
    for number in range(int(rng.integers(0, 3)) + (0 if ball else 1)):
        axis = rng.normal(size=3)
        axis /= np.linalg.norm(axis)
        thick = radius if number == 0 and not ball else rng.uniform(0.8, 2.0)
        shift = np.zeros(3) if number == 0 and not ball else rng.normal(0, 12, 3)
        from_axis = grid - shift[:, None, None, None]
        along = np.tensordot(axis, from_axis, 1)
        inside |= np.sqrt(np.maximum((from_axis**2).sum(axis=0) - along**2, 0)) <= thick
    hu = np.where(inside, rng.normal(30, 40), lung).astype(np.float32)
    thick_k = rng.uniform(0, 1.2)
    hu = ndimage.gaussian_filter(hu, (blur + thick_k, blur, blur))
    hu += rng.normal(0, noise, hu.shape).astype(np.float32)
    scan = Volume(hu, Geometry((size,) * 3, (0.0, 0.0, 0.0), (step, step, step)))
    view = views(scan, [(size - 1) / 2] * 3)
    return Sample(packed(view), ball, np.nan, 2 * radius, "synthetic", "")
