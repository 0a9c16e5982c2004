"""Simulated calcifications: single specks of four shapes, and clusters of them.

Sizes and numbers:

- Specks: mean diameter 0.19 mm in benign clusters, 0.21 to 0.32 mm in cancer, up to 0.7 mm in
  the comedo type ("Computerized image analysis of clustered microcalcifications on mammography:
  morphometric comparison between mammography and pathology", abstract); below 0.5 mm each by
  definition of a microcalcification (clinicalgate.com, "Breast disease and mammography"), punctate
  and fine pleomorphic alike.
- Grouped: from 5 specks within 1 cm, up to larger numbers within 2 cm (BI-RADS, as quoted by HL7
  "Breast Radiology Reporting", code system CalcificationDistributionCS).
- Fine linear: thin, irregular, discontinuous, in a line as the duct that they fill.

The upper number of specks, the shares of the kinds and the lengths of lines are assumptions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]

FEWEST, MOST = 5, 45
LEAST_MM, LARGEST_MM = 0.08, 0.7


class Shape(StrEnum):
    """Morphology of specks (BI-RADS)."""

    PUNCTATE = "punctate"
    AMORPHOUS = "amorphous"
    PLEOMORPHIC = "pleomorphic"
    LINEAR = "fine_linear"


class Distribution(StrEnum):
    """How specks lie (BI-RADS)."""

    GROUPED = "grouped"
    LINEAR = "linear"
    SEGMENTAL = "segmental"


# Median diameter in mm, spread of its logarithm, calcium per volume: pure is 1.
_SIZES = {
    Shape.PUNCTATE: (0.24, 0.30, 0.9),
    Shape.AMORPHOUS: (0.24, 0.20, 0.5),
    Shape.PLEOMORPHIC: (0.30, 0.40, 0.9),
    Shape.LINEAR: (0.22, 0.20, 0.9),
}


@dataclass(frozen=True)
class Ball:
    """An ellipsoid of calcium, seen from above.

    Parameters
    ----------
    x, y : float
        mm from the middle of the cluster.
    long, wide : float
        Half axes in the image's plane, mm; as deep as wide.
    angle : float
        Of the long axis, radians.
    share : float
        Calcium per volume.
    """

    x: float
    y: float
    long: float
    wide: float
    angle: float
    share: float


@dataclass(frozen=True)
class Cluster:
    """Specks around (0, 0), mm.

    Parameters
    ----------
    shape : Shape
    distribution : Distribution
    specks : tuple of tuple of Ball
        Each speck is one or more balls.
    """

    shape: Shape
    distribution: Distribution
    specks: tuple[tuple[Ball, ...], ...] = field(repr=False)

    @property
    def places(self) -> Points:
        """Middle of each speck, shape (n, 2), mm."""
        return np.array([np.mean([(b.x, b.y) for b in speck], axis=0) for speck in self.specks])

    @property
    def mean_mm(self) -> float:
        """Mean diameter of its specks: of the disc with the area of their outline."""
        areas = [sum(b.long * b.wide for b in speck) for speck in self.specks]
        return float(2 * np.sqrt(np.mean(areas)))


def cluster(rng: np.random.Generator) -> Cluster:
    """One cluster: kind, number and places of specks drawn at random."""
    shape = Shape(rng.choice(list(Shape), p=[0.3, 0.25, 0.3, 0.15]))
    along_duct = [0.3, 0.45, 0.25] if shape is Shape.LINEAR else [0.8, 0.08, 0.12]
    distribution = Distribution(rng.choice(list(Distribution), p=along_duct))
    count = int(np.clip(round(rng.lognormal(np.log(14), 0.55)), FEWEST, MOST))
    angle = rng.uniform(0, np.pi)
    places = _places(distribution, count, angle, rng)
    size = _SIZES[shape][0] * rng.lognormal(0, 0.15)
    specks = tuple(speck(shape, size, tuple(p), angle, rng) for p in places)
    return Cluster(shape, distribution, specks)


def speck(
    shape: Shape, size_mm: float, place: tuple[float, ...], angle: float, rng: np.random.Generator
) -> tuple[Ball, ...]:
    """One speck; ``angle`` is that of the duct."""
    _, spread, share = _SIZES[shape]
    diameter = float(np.clip(size_mm * rng.lognormal(0, spread), LEAST_MM, LARGEST_MM))
    share *= rng.uniform(0.7, 1.25)
    x, y = place
    if shape is Shape.PUNCTATE:
        stretch = rng.uniform(0.85, 1.2)
        half = diameter / 2
        return (Ball(x, y, half * stretch, half / stretch, rng.uniform(0, np.pi), share),)
    if shape is Shape.LINEAR:
        return _rod(x, y, diameter, angle + rng.normal(0, 0.35), share, rng)
    # Amorphous: a haze of faint grains; pleomorphic: a few that make an angular outline.
    pieces = int(rng.integers(3, 6)) if shape is Shape.AMORPHOUS else int(rng.integers(2, 5))
    reach = diameter * (0.6 if shape is Shape.AMORPHOUS else 0.4)
    balls = []
    for _ in range(pieces):
        half = diameter / 2 * rng.uniform(0.45, 0.8)
        stretch = rng.uniform(1.0, 1.7)
        turned = rng.uniform(0, np.pi)
        at = rng.normal(0, reach / 2, 2)
        balls.append(
            Ball(x + at[0], y + at[1], half * stretch, half / stretch, turned, share / pieces * 2)
        )
    return tuple(balls)


def _rod(
    x: float, y: float, wide_mm: float, angle: float, share: float, rng: np.random.Generator
) -> tuple[Ball, ...]:
    """A thin, bent, beaded line of 0.4 to 2 mm, at times with a branch."""
    half = wide_mm / 2 * 0.7
    length = rng.uniform(0.4, 2.0)
    steps = max(3, round(length / wide_mm))
    bend = rng.normal(0, 0.3)
    balls = []
    for n in range(steps):
        if rng.random() < 0.12:
            continue
        t = (n / (steps - 1) - 0.5) * length
        turn = angle + bend * t
        thick = half * rng.uniform(0.7, 1.2)
        balls.append(
            Ball(x + t * np.cos(turn), y + t * np.sin(turn), thick * 1.5, thick, turn, share * 0.7)
        )
    if not balls:
        balls.append(Ball(x, y, half * 1.5, half, angle, share))
    return tuple(balls)


def _places(
    distribution: Distribution, count: int, angle: float, rng: np.random.Generator
) -> Points:
    if distribution is Distribution.GROUPED:
        # Denser in the middle; at least 5 within 1 cm, all within 2 cm.
        radii = rng.uniform(2.0, 3.5 + 4.5 * min(1.0, count / 30)) * rng.uniform(0.6, 1.0, 2)
        found: list[npt.NDArray[np.float64]] = []
        while len(found) < count:
            at = rng.normal(0, 0.5, 2)
            if np.hypot(*at) <= 1:
                found.append(at * radii)
        local = np.array(found)
    else:
        length = rng.uniform(8, 22) * min(1.0, 0.5 + count / 25)
        t = rng.uniform(-0.5, 0.5, count) * length
        if distribution is Distribution.LINEAR:
            across = rng.normal(0, 0.5, count)
        else:
            # A wedge that opens away from the nipple.
            across = rng.uniform(-0.5, 0.5, count) * (0.15 + 0.35 * (t / length + 0.5)) * length
        local = np.stack([t, across], axis=1)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    placed = local @ turn.T
    return np.asarray(placed - placed.mean(axis=0))
