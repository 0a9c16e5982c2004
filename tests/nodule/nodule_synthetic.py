"""Synthetic chests and balls with exact sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from gransk.core.volume import Geometry, Volume

LUNG_HU, TISSUE_HU, AIR_HU = -850.0, 40.0, -1000.0


@dataclass(frozen=True)
class Ball:
    """A ball: centre in mm from the chest's middle (k, j, i), diameter in mm, HU."""

    centre_mm: tuple[float, float, float]
    diameter_mm: float
    hu: float = 30.0


def _ellipsoid(grid, centre, radii):
    return sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True)) <= 1


def chest(
    balls: Sequence[Ball] = (),
    spacing: tuple[float, float, float] = (2.5, 1.2, 1.2),
    size_mm: tuple[float, float, float] = (300.0, 300.0, 380.0),
    noise_hu: float = 15.0,
    vessels: int = 12,
    arms: bool = True,
    seed: int = 3,
) -> Volume:
    """A body with two lungs, arms, a table, vessels and balls; edges blurred by 0.7 mm."""
    shape = tuple(int(m / s) for m, s in zip(size_mm, spacing, strict=True))
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing, strict=True)]
    grid = np.meshgrid(*axes, indexing="ij", sparse=True)
    hu = np.full(shape, AIR_HU, np.float32)
    _, j, i = grid
    hu[np.broadcast_to((j / 105) ** 2 + (i / 140) ** 2 <= 1, shape)] = TISSUE_HU
    if arms:
        for side in (-1, 1):
            arm = (j / 22) ** 2 + ((i - side * 166) / 20) ** 2 <= 1
            hu[np.broadcast_to(arm, shape)] = TISSUE_HU
    hu[np.broadcast_to((abs(j - 125) < 4) & (abs(i) < 150), shape)] = -100
    rng = np.random.default_rng(seed)
    for side in (-1, 1):
        centre = (0, 0, side * 68)
        lung = _ellipsoid(grid, centre, (115, 80, 50))
        hu[lung] = LUNG_HU
        for _ in range(vessels):
            axis = rng.normal(size=3)
            axis /= np.linalg.norm(axis)
            shift = rng.uniform(-1, 1, 3) * (60, 40, 25) + centre
            moved = [g - s for g, s in zip(grid, shift, strict=True)]
            along = sum(a * m for a, m in zip(axis, moved, strict=True))
            across = sum(m**2 for m in moved) - along**2
            hu[lung & (across <= rng.uniform(0.8, 2.5) ** 2)] = TISSUE_HU
    for ball in balls:
        _add(hu, axes, ball, spacing)
    hu = ndimage.gaussian_filter(hu, [0.7 / s for s in spacing])
    hu += rng.normal(0, noise_hu, shape).astype(np.float32)
    origin = tuple(float(a[0]) for a in axes[::-1])
    return Volume(np.maximum(hu, -1024).astype(np.float32), Geometry(shape, origin, spacing))


def _add(hu, axes, ball, spacing, fine=5):
    """Put a ball in, each voxel by its share of the ball."""
    radius = ball.diameter_mm / 2
    box = tuple(
        slice(*np.searchsorted(a, (c - radius - s, c + radius + s)))
        for a, c, s in zip(axes, ball.centre_mm, spacing, strict=True)
    )
    offset = (np.arange(fine) + 0.5) / fine - 0.5
    points = [
        (a[b][:, None] + offset * s).ravel() - c
        for a, b, s, c in zip(axes, box, spacing, ball.centre_mm, strict=True)
    ]
    k, j, i = np.meshgrid(*points, indexing="ij", sparse=True)
    counts = [len(p) // fine for p in points]
    inside = (k**2 + j**2 + i**2) <= radius**2
    share = inside.reshape(counts[0], fine, counts[1], fine, counts[2], fine).mean((1, 3, 5))
    hu[box] = hu[box] * (1 - share) + ball.hu * share


def index_of(volume: Volume, ball: Ball) -> tuple[float, float, float]:
    """The ball's centre as (k, j, i) index."""
    middle = (np.array(volume.hu.shape) - 1) / 2
    k, j, i = middle + np.array(ball.centre_mm) / volume.geometry.spacing
    return float(k), float(j), float(i)


def block(ball: Ball, spacing: tuple[float, float, float], noise_hu: float = 10.0) -> Volume:
    """A ball in a block of lung that is 40 mm wider than it."""
    size = ball.diameter_mm + 40
    shape = tuple(int(np.ceil(size / s)) for s in spacing)
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing, strict=True)]
    hu = np.full(shape, LUNG_HU, np.float32)
    _add(hu, axes, ball, spacing)
    hu = ndimage.gaussian_filter(hu, [0.5 / s for s in spacing])
    hu += np.random.default_rng(1).normal(0, noise_hu, shape).astype(np.float32)
    return Volume(hu.astype(np.float32), Geometry(shape, (0.0, 0.0, 0.0), spacing))
