"""Nodules (and vessels) cut out of scans, and their pasting into other scans."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from gransk.core.volume import Geometry, Volume

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

PIXELS = 96
LUNG_BELOW_HU = -500.0
PLACES = 24


@dataclass(frozen=True)
class Cutout:
    """A thing and its surroundings in the slices that it occupies.

    Parameters
    ----------
    name : str
        Of the nodule, or of the scan it came from.
    patient : str
        Empty where it is not of LIDC-IDRI.
    volume : Volume
        HU; slices end where the thing ends.
    mask : ndarray of bool
        The thing, same shape.
    readers : int
        How many of LIDC-IDRI's readers marked it; 0 where it is no nodule.
    diameter_mm : float
        Longest axial diameter.
    malignancy : float
        Readers' median, 1 to 5; NaN where it is not known.
    texture : float
        Readers' median, 1 ground glass to 5 solid; NaN where it is not known.
    """

    name: str
    patient: str
    volume: Volume
    mask: BoolArray
    readers: int
    diameter_mm: float
    malignancy: float
    texture: float = float("nan")

    @property
    def centre(self) -> npt.NDArray[np.float64]:
        """Fractional (k, j, i) index of the mask's centre of mass."""
        middle: npt.NDArray[np.float64] = np.argwhere(self.mask).mean(axis=0)
        return middle


def _volume(hu: npt.NDArray[np.floating], spacing: tuple[float, float, float]) -> Volume:
    k, j, i = hu.shape
    return Volume(hu.astype(np.float32), Geometry((k, j, i), (0.0, 0.0, 0.0), spacing))


def read_nodules(folder: Path, patients: set[str], fewest_readers: int) -> list[Cutout]:
    """The nodules of some patients from ``lidc_nodules``, HU restored by ``hu.csv``.

    Nodules without a diameter are left out.
    """
    stretch: dict[str, dict[int, tuple[float, float]]] = {}
    with (folder / "hu.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            ends = (float(row["hu_at_0"]), float(row["hu_at_255"]))
            stretch.setdefault(row["nodule"], {})[int(row["slice"])] = ends
    nodules = []
    with (folder / "nodules.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            known = row["patient"] in patients and row["diameter_mm"]
            if known and int(row["readers"]) >= fewest_readers:
                nodules.append(_read_nodule(folder, row, stretch[row["nodule"]]))
    return [n for n in nodules if n.mask.any()]


def _read_nodule(
    folder: Path, row: dict[str, str], stretch: dict[int, tuple[float, float]]
) -> Cutout:
    name = row["nodule"]
    grey = np.asarray(Image.open(folder / f"{name}.png"), np.float32)
    counts = np.asarray(Image.open(folder / f"{name}.readers.png"))
    grey, counts = grey.reshape(-1, PIXELS, PIXELS), counts.reshape(-1, PIXELS, PIXELS)
    ends = np.array([stretch[k] for k in range(len(grey))], np.float32)[:, :, None, None]
    hu = ends[:, 0] + grey / 255 * (ends[:, 1] - ends[:, 0])
    pixel = float(row["pixel_spacing_mm"])
    return Cutout(
        name=name,
        patient=row["patient"],
        volume=_volume(np.clip(hu, -1024, 3000), (float(row["slice_spacing_mm"]), pixel, pixel)),
        mask=counts >= max(1, counts.max() / 2),
        readers=int(row["readers"]),
        diameter_mm=float(row["diameter_mm"]),
        malignancy=float(row["malignancy"] or "nan"),
        texture=float(row["texture"] or "nan"),
    )


def cut_spot(scan: Volume, index: tuple[float, float, float], radius_mm: float) -> Cutout:
    """A ball of the scan round a spot, wide enough that vessels still look like vessels."""
    spacing = np.asarray(scan.geometry.spacing)
    reach = np.ceil(32.0 / spacing).astype(int)
    middle = np.round(index).astype(int)
    low = np.maximum(middle - reach, 0)
    part = scan.hu[tuple(slice(a, b) for a, b in zip(low, middle + reach + 1, strict=True))]
    away = (np.indices(part.shape).T + low - middle).T * spacing[:, None, None, None]
    mask = np.sqrt((away**2).sum(axis=0)) <= radius_mm + 8
    used = np.flatnonzero(mask.any(axis=(1, 2)))
    slices = slice(int(used[0]), int(used[-1]) + 1)
    volume = _volume(part[slices], scan.geometry.spacing)
    return Cutout("spot", "", volume, mask[slices], 0, 2 * radius_mm, float("nan"))


@dataclass(frozen=True)
class Pasted:
    """A scan's window with a cutout pasted in its middle.

    Parameters
    ----------
    start : ndarray of three ints
        Where the changed part begins in the scan, (k, j, i).
    hu : ndarray of float32
        The changed part's new HU.
    centre : ndarray of three floats
        The thing's centre in the scan, fractional (k, j, i).
    """

    start: npt.NDArray[np.int64]
    hu: FloatArray
    centre: npt.NDArray[np.float64]


def paste(
    cutout: Cutout, scan: Volume, lungs: BoolArray, places: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> Pasted | None:  # fmt: skip
    """Blend a cutout into a scan where its surroundings fit best.

    Parameters
    ----------
    cutout : Cutout
        Turned and mirrored at random.
    scan : Volume
        Not changed.
    lungs : ndarray of bool
        The scan's lungs.
    places : ndarray of int, shape (n, 3)
        Centres to choose from, of which a few are tried.
    rng : Generator
        Source of chance.

    Returns
    -------
    Pasted or None
        None where no place was good: too near the scan's edge, or not in the lungs.
    """
    hu, alpha, middle = _on_grid(cutout, scan.geometry.spacing, rng)
    core = alpha >= 0.6 * alpha.max()
    ring = (alpha > 0.02) & ~core
    best: tuple[float, npt.NDArray[np.int64]] | None = None
    for place in rng.permutation(places)[:PLACES]:
        start = place - middle
        if (start < 0).any() or (start + alpha.shape > scan.hu.shape).any():
            continue
        window = tuple(slice(a, a + n) for a, n in zip(start, alpha.shape, strict=True))
        if lungs[window][core].mean() < 0.9:
            continue
        cost = float(np.abs(np.clip(scan.hu[window], -1000, 200) - hu)[ring].mean())
        if best is None or cost < best[0]:
            best = (cost, start)
    if best is None or best[0] > 350:
        return None
    start = best[1]
    window = tuple(slice(a, a + n) for a, n in zip(start, alpha.shape, strict=True))
    return Pasted(start, _blend(scan.hu[window], hu, alpha, rng), start + _weighted(alpha))


def _weighted(alpha: FloatArray) -> npt.NDArray[np.float64]:
    return np.asarray(ndimage.center_of_mass(alpha))


def _blend(
    under: FloatArray, hu: FloatArray, alpha: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Alpha blending after the cutout's lung was brought to the scan's level."""
    here, there = under[(alpha > 0) & (under < LUNG_BELOW_HU)], hu[hu < LUNG_BELOW_HU]
    if len(here) and len(there):
        shift = float(np.median(here) - np.median(there))
        level = float(np.median(there))
        airy = np.clip((0 - hu) / max(1.0, -level), 0, 1)
        hu = hu + np.float32(np.clip(shift, -150, 150)) * airy
    out = under * (1 - alpha) + hu * alpha
    if rng.random() < 0.5:
        # Vessels of the scan run on through the pasted thing.
        out = np.where((alpha > 0) & (under > LUNG_BELOW_HU), np.maximum(out, under), out)
    return out.astype(np.float32)


def _on_grid(
    cutout: Cutout, spacing: tuple[float, float, float], rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64]]:
    """HU, blending weight and middle voxel of a cutout on another scan's grid."""
    own = cutout.volume.geometry.spacing
    grow = max(1, round(1.5 / own[1]))
    wide = ndimage.binary_dilation(cutout.mask, np.ones((1, 3, 3), bool), iterations=grow)
    weight = ndimage.gaussian_filter(wide.astype(np.float32), (0, 0.8 / own[1], 0.8 / own[1]))
    # One empty slice at each end makes the weight taper where the cutout ends.
    weight = np.pad(weight, ((1, 1), (0, 0), (0, 0)))
    hu = np.pad(cutout.volume.hu, ((1, 1), (0, 0), (0, 0)), mode="edge")
    turns = int(rng.integers(4))
    hu, weight = np.rot90(hu, turns, (1, 2)), np.rot90(weight, turns, (1, 2))
    for axis in range(3):
        if rng.random() < 0.5:
            hu, weight = np.flip(hu, axis), np.flip(weight, axis)
    used = np.argwhere(weight > 0.01)
    low, high = used.min(axis=0), used.max(axis=0)
    scale = np.asarray(spacing) / own
    counts = np.maximum(1, np.ceil((high - low + 1) / scale)).astype(int)
    middle = (low + high) / 2
    at = [
        m + (np.arange(n) - (n - 1) / 2) * s for m, n, s in zip(middle, counts, scale, strict=True)
    ]
    points = np.meshgrid(*at, indexing="ij")
    alpha = ndimage.map_coordinates(weight, points, order=1, mode="constant")
    values = ndimage.map_coordinates(hu, points, order=1, mode="nearest")
    return values.astype(np.float32), alpha.astype(np.float32), counts // 2
