"""How well lungs are laid over each other, on scans moved by a known deformation.

``python -m bench.nodule.registration FOLDER ..`` reads each folder as one CT series, makes a
second scan of it (breath, position on the table, slice thickness, noise) and prints the
distance between where points of the lungs are said to lie and where they lie, CPU seconds on
one thread and the most memory held. Then it prints, for pairs of scans of different people,
the marks by which a failed registration is told.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bench.nodule.scans import find_scan
from gransk.core.errors import RefusalError
from gransk.core.volume import FloatArray, Geometry, Volume
from nodule.lungs import segment_lungs
from nodule.tracking import registration
from nodule.tracking.registration import Lungs, Registration, register

Points = npt.NDArray[np.float64]

POINTS = 2000
KNOT_MM = 45.0
INVERSE_ROUNDS = 40


@dataclass(frozen=True)
class Motion:
    """A smooth movement, known exactly: from a point of the moved scan to the still one's.

    Parameters
    ----------
    rotation : ndarray, shape (3, 3)
    middle, shift : ndarray, shape (3,)
        The point that is turned about, and the table's shift, mm.
    base_mm, apex_mm : float
        Heights between which breath moves the lungs.
    breath_mm : float
        How far the base moves along the body; a third of it forwards.
    knots : ndarray of float32, shape (k, j, i, 3)
        What neither explains, mm, at every 45 mm.
    """

    rotation: Points
    middle: Points
    shift: Points
    base_mm: float
    apex_mm: float
    breath_mm: float
    knots: FloatArray
    grid: Geometry

    @classmethod
    def drawn(cls, rng: np.random.Generator, lungs: Lungs, size: float) -> Motion:
        """A movement of a size: 1 is a rather different breath."""
        geometry = lungs.volume.geometry
        where = geometry.to_lps(np.argwhere(lungs.mask[::4, ::8, ::8]) * (4, 8, 8))
        angles = np.radians(rng.normal(0, 2.0 * size, 3))
        low, high = where.min(axis=0) - 2 * KNOT_MM, where.max(axis=0) + 2 * KNOT_MM
        k, j, i = (int(n) for n in np.ceil((high - low) / KNOT_MM).astype(int)[::-1] + 1)
        grid = Geometry((k, j, i), tuple(float(v) for v in low), (KNOT_MM,) * 3)  # type: ignore[arg-type]
        knots = rng.normal(0, 2.5 * size, (k, j, i, 3)).astype(np.float32)
        return cls(
            _rotation(angles), where.mean(axis=0), rng.normal(0, (15, 25, 60)),
            float(np.percentile(where[:, 2], 2)), float(np.percentile(where[:, 2], 98)),
            float(rng.choice((-1, 1)) * rng.uniform(8, 20) * size), knots, grid,
        )  # fmt: skip

    def __call__(self, points: npt.ArrayLike) -> Points:
        """Where points of the moved scan come from, mm, LPS, shape (..., 3)."""
        turned = (np.asarray(points, float) - self.shift - self.middle) @ self.rotation.T
        turned += self.middle
        depth = (self.apex_mm - turned[..., 2]) / (self.apex_mm - self.base_mm)
        depth = np.clip(depth, 0, 1.3) ** 1.5
        at = self.grid.to_index(turned).reshape(-1, 3).T
        more = [
            ndimage.map_coordinates(self.knots[..., axis], at, order=3, mode="nearest")
            for axis in range(3)
        ]
        moved: Points = turned + np.stack(more, axis=-1).reshape(turned.shape)
        moved[..., 2] += self.breath_mm * depth
        moved[..., 1] -= self.breath_mm / 3 * depth
        return moved

    def back(self, points: npt.ArrayLike) -> Points:
        """Where points of the still scan are in the moved one, mm, LPS, shape (..., 3)."""
        wanted = np.asarray(points, float)
        found: Points = (wanted - self.middle) @ self.rotation + self.middle + self.shift
        for _ in range(INVERSE_ROUNDS):
            found = found - (self(found) - wanted) @ self.rotation
        return found


def _rotation(angles: Points) -> Points:
    turn: Points = np.eye(3)
    for axis, angle in enumerate(angles):
        a, b = [n for n in range(3) if n != axis]
        one = np.eye(3)
        one[a, a] = one[b, b] = np.cos(angle)
        one[a, b], one[b, a] = -np.sin(angle), np.sin(angle)
        turn = one @ turn
    return turn


def moved(scan: Volume, motion: Motion, slice_mm: float, rng: np.random.Generator) -> Volume:
    """The scan after the movement, on slices of another distance, with noise."""
    g = scan.geometry
    count = int(g.shape[0] * g.spacing[0] / slice_mm)
    origin = tuple(float(a + b) for a, b in zip(g.origin, motion.shift, strict=True))
    geometry = Geometry((count, *g.shape[1:]), origin, (slice_mm, *g.spacing[1:]), g.directions)  # type: ignore[arg-type]
    hu = np.empty(geometry.shape, np.float32)
    # The movement is smooth: known at every eighth voxel in a slice, it is known between.
    rows, columns = (np.arange(0, n + 7, 8) for n in g.shape[1:])
    blurred = scan.hu
    if slice_mm > g.spacing[0]:
        blurred = ndimage.gaussian_filter1d(scan.hu, (slice_mm / g.spacing[0] - 1) / 2, axis=0)
    for k in range(count):
        index = np.stack(np.meshgrid([k], rows, columns, indexing="ij"), axis=-1)
        coarse = g.to_index(motion(geometry.to_lps(index)))[0]
        fine = np.stack(np.meshgrid(*(np.arange(n) / 8 for n in g.shape[1:]), indexing="ij"))
        at = np.stack([
            ndimage.map_coordinates(coarse[..., axis].astype(np.float32), fine, order=1)
            for axis in range(3)
        ])  # fmt: skip
        hu[k] = ndimage.map_coordinates(blurred, at, order=1, cval=-1024)
        hu[k] += rng.normal(0, 20, hu[k].shape)
    return Volume(np.maximum(hu, np.float32(-1024)), geometry)


def errors_mm(found: Registration, motion: Motion, second: Lungs, seed: int) -> Points:
    """Distance between where points of the moved lungs are put and where they come from."""
    inside = np.argwhere(second.mask)
    picked = inside[np.random.default_rng(seed).integers(0, len(inside), POINTS)]
    points = second.volume.geometry.to_lps(picked)
    away: Points = np.linalg.norm(found.back(points) - motion(points), axis=1)
    return away


def affine_alone(found: Registration) -> Registration:
    """The same without its displacement field."""
    return replace(found, displacement=np.zeros_like(found.displacement))


def _peak_gib() -> float:
    """Most memory that this process held so far; both scans are in it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(arguments: Sequence[str] | None = None) -> None:
    """Print target registration errors, and the marks of pairs of different people."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--sizes", nargs="+", type=float, default=[0.5, 1.0, 1.5])
    parser.add_argument("--slices", nargs="+", type=float, default=[1.5, 3.0, 2.0])
    options = parser.parse_args(arguments)
    registration.LEAST_OVERLAP = registration.LEAST_LIKENESS = 0.0
    print("scan size slice_mm | mm: mean p95 max, affine alone mean p95 | overlap likeness | s GiB")
    scans: list[Lungs] = []
    for number, folder in enumerate(options.folders):
        volume = find_scan(folder).volume()
        first = Lungs(volume, segment_lungs(volume))
        scans.append(first)
        for size, slice_mm in zip(options.sizes, options.slices, strict=True):
            rng = np.random.default_rng(1000 * number + int(10 * size))
            motion = Motion.drawn(rng, first, size)
            other = moved(volume, motion, slice_mm, rng)
            second = Lungs(other, segment_lungs(other))
            start = time.process_time()
            found = register(first, second)
            seconds = time.process_time() - start
            away = errors_mm(found, motion, second, number)
            rigid = errors_mm(affine_alone(found), motion, second, number)
            print(
                f"{folder.name} {size} {slice_mm} | {away.mean():.2f} "
                f"{np.percentile(away, 95):.2f} {away.max():.1f}, {rigid.mean():.2f} "
                f"{np.percentile(rigid, 95):.2f} | {found.overlap:.3f} {found.likeness:.3f} | "
                f"{seconds:.1f} {_peak_gib():.2f}",
                flush=True,
            )
    for n, one in enumerate(scans):
        another = scans[(n + 1) % len(scans)]
        if len(scans) > 1:
            try:
                found = register(one, another)
                print(f"two people {n} | {found.overlap:.3f} {found.likeness:.3f}", flush=True)
            except RefusalError as why:
                print(f"two people {n} | {why}", flush=True)


if __name__ == "__main__":
    main()
