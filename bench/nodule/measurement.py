"""Sizes of synthetic nodules against the truth: bias and 95 % limits.

    python -m bench.nodule.measurement [--repeats 12] [--seed 0] [--diameters 3 30]

Balls of known size in lung, solid, ground glass, or solid and cut by a wall of soft
tissue, at 0.7 x 0.7 mm pixels. Each scene is drawn on a grid of about 0.35 mm, blurred as
a scanner does (Gaussian of 0.35 to 0.7 mm, drawn by chance), averaged over the voxel,
and given noise of 10 to 40 HU. Place, lung level, density and the wall's direction are drawn
by chance. Measured once within the true mask (voxels at least half nodule) and once
within what `nodule.segmentation` outlines inside the true lungs from a point about 1 mm
beside the middle. Diameters at a wall are those of the whole ball: the wall cuts them.
The error model in `nodule.uncertainty` is made from the second.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.findings import Mask
from gransk.core.volume import Geometry, Volume
from nodule.measurement import Texture, measure
from nodule.place import Answer
from nodule.segmentation import segment
from nodule.uncertainty import ErrorModel

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

PIXEL_MM = 0.7
FINE_MM = 0.35
DIAMETERS_MM = (3.0, 4.0, 6.0, 8.0, 12.0, 20.0, 30.0)
SLICES_MM = (0.6, 1.0, 1.5, 2.5)
KINDS = ("solid", "ground glass", "at a wall")
WALL_AT = 0.35


@dataclass(frozen=True)
class Scene:
    """A drawn scan of one nodule.

    Parameters
    ----------
    volume : Volume
        HU.
    mask : ndarray of bool
        Voxels at least half nodule.
    lungs : ndarray of bool
        Voxels less than half wall.
    volume_mm3 : float
        The truth.
    centre : tuple of float
        Fractional (k, j, i) index of the ball's middle.
    """

    volume: Volume
    mask: BoolArray
    lungs: BoolArray
    volume_mm3: float
    centre: tuple[float, float, float]


def scene(diameter: float, step: float, kind: str, rng: np.random.Generator) -> Scene:
    """Draw one nodule.

    Parameters
    ----------
    diameter, step : float
        Of the ball and between slices, mm.
    kind : str
        One of ``KINDS``.
    rng : Generator
        Source of chance.
    """
    parts = (max(2, round(step / FINE_MM)), 2, 2)
    spacing = (step, PIXEL_MM, PIXEL_MM)
    counts = [round((diameter + 24) / s) for s in spacing]
    fine = [s / p for s, p in zip(spacing, parts, strict=True)]
    shift = [rng.uniform(-0.5, 0.5) * s for s in spacing]
    axes = [
        (np.arange(n * p) - (n * p - 1) / 2) * f + o
        for n, p, f, o in zip(counts, parts, fine, shift, strict=True)
    ]
    grid = np.meshgrid(*axes, indexing="ij", sparse=True)
    away = np.sqrt(sum(g**2 for g in grid))
    wall = np.zeros(away.shape)
    if kind == "at a wall":
        way = rng.normal(size=3)
        way /= np.linalg.norm(way)
        along = sum(w * g for w, g in zip(way, grid, strict=True))
        wall = _cover(along - WALL_AT * diameter)
    nodule = _cover(diameter / 2 - away) * (1 - wall)
    lung = rng.uniform(-900, -820)
    inner = rng.uniform(-640, -560) if kind == "ground glass" else rng.uniform(0, 60)
    hu = lung + (40 - lung) * wall + (inner - lung) * nodule
    hu = ndimage.gaussian_filter(hu, [rng.uniform(0.35, 0.7) / f for f in fine])
    hu = _averaged(hu, counts, parts)
    noise = ndimage.gaussian_filter(rng.normal(size=hu.shape), (0, 0.6, 0.6))
    hu += noise * rng.uniform(10, 40) / noise.std()
    k, j, i = ((n - 1) / 2 - o / s for n, o, s in zip(counts, shift, spacing, strict=True))
    shape = (counts[0], counts[1], counts[2])
    return Scene(
        volume=Volume(hu.astype(np.float32), Geometry(shape, (0.0, 0.0, 0.0), spacing)),
        mask=_averaged(nodule, counts, parts) >= 0.5,
        lungs=_averaged(wall, counts, parts) < 0.5,
        volume_mm3=float(nodule.sum() * np.prod(fine)),
        centre=(k, j, i),
    )


def _cover(distance: FloatArray) -> FloatArray:
    """Share of a fine voxel that lies inside, from its distance to the edge."""
    share: FloatArray = np.clip(distance / FINE_MM + 0.5, 0, 1)
    return share


def _averaged(fine: FloatArray, counts: list[int], parts: tuple[int, int, int]) -> FloatArray:
    k, j, i = counts
    split: FloatArray = fine.reshape(k, parts[0], j, parts[1], i, parts[2])
    means: FloatArray = split.mean(axis=(1, 3, 5))
    return means


def errors(drawn: Scene, diameter: float, own_mask: bool, rng: np.random.Generator) -> FloatArray:
    """Log ratio of the volume, then errors of diameters in mm.

    Mean and long diameter in the axial plane, mean in the greatest plane, longest
    in space. Last, whether the volume's and the mean diameter's 95 % limits hold the truth.
    """
    if own_mask:
        beside = rng.normal(0, 0.6, 3) / drawn.volume.geometry.spacing
        k, j, i = np.clip(drawn.centre + beside, 0, np.asarray(drawn.mask.shape) - 1)
        mask = segment(drawn.volume, (float(k), float(j), float(i)), drawn.lungs)
    else:
        used = np.argwhere(drawn.mask)
        low, high = used.min(axis=0), used.max(axis=0) + 1
        k, j, i = (int(v) for v in low)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        mask = Mask.from_array(drawn.mask[box], (k, j, i))
    found = measure(drawn.volume, mask, drawn.lungs)
    model = ErrorModel(
        drawn.volume.geometry.spacing,
        subsolid=found.texture is not Texture.SOLID,
        attached=found.place.juxtapleural is Answer.YES,
    )
    low, high = model.volume(found.volume_mm3)
    shortest, longest = model.in_plane(found.mean_diameter_mm)
    return np.array(
        [
            np.log(found.volume_mm3 / drawn.volume_mm3),
            found.mean_diameter_mm - diameter,
            found.long_axis.length_mm - diameter,
            found.greatest.mean_mm - diameter,
            found.longest_mm - diameter,
            low <= drawn.volume_mm3 <= high,
            shortest <= diameter <= longest,
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Sizes of synthetic nodules.")
    parser.add_argument("--repeats", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--diameters", type=float, nargs="+", default=DIAMETERS_MM, help="mm")
    arguments = parser.parse_args()
    print("mask     kind          mm  slice  volume %: bias  95 % limits    "
          "mm, bias and sd: mean axial   long axial    mean greatest  longest 3-D    "
          "within limits: volume, mean")  # fmt: skip
    for kind, diameter, step in itertools.product(KINDS, arguments.diameters, SLICES_MM):
        rng = np.random.default_rng([arguments.seed, KINDS.index(kind), int(10 * diameter),
                                     int(10 * step)])  # fmt: skip
        scenes = [scene(diameter, step, kind, rng) for _ in range(arguments.repeats)]
        for name, own in (("true", False), ("outline", True)):
            rows = np.array([errors(s, diameter, own, rng) for s in scenes])
            mean, deviation = rows.mean(axis=0), rows.std(axis=0, ddof=1)
            limits = np.exp(mean[0] + np.array([-1.96, 1.96]) * deviation[0]) - 1
            lengths = "  ".join(
                f"{m:+6.2f} {d:5.2f}" for m, d in zip(mean[1:5], deviation[1:5], strict=True)
            )
            print(f"{name:8s} {kind:12s} {diameter:4.0f} {step:6.1f} "
                  f"{100 * (np.exp(mean[0]) - 1):12.1f}  {100 * limits[0]:+6.1f} to "
                  f"{100 * limits[1]:+6.1f}    {lengths}    {mean[5]:.2f} {mean[6]:.2f}",
                  flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
