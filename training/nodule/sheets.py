"""Synthetic nodules at synthetic sheets, near them and elsewhere, in real scans.

A sheet amounts to 0.08 to 0.35 mm of soft tissue: the fissures of R01-001 (1 mm slices)
stand out from the lung by some 60 to 70 HU on a 1 mm grid, as drawn sheets of about 0.12 mm do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gransk.core.volume import Geometry, Volume
from nodule.fissure import Sheet, Surroundings, find_sheet
from nodule.lungs import segment_lungs
from nodule.measurement import NoduleMeasurement, measure
from nodule.segmenter import Segmenter
from training.nodule import insertion
from training.nodule.insertion import Inserted, Scanner, Shape, insert
from training.nodule.places import Ground

BoolArray = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]

PLACES = ("fissure", "near", "inner", "vessel", "wall")
DIAMETERS_MM = (4.0, 9.5)
ROUGHNESS = 0.3
THICKNESS_MM = (0.08, 0.35)
REACH_MM = (11.0, 20.0)
BEND_PER_MM = 1 / 80
# Sheets that a nodule does not touch leave so much lung between.
GAP_MM = (3.0, 8.0)
HORIZONTAL_SHARE = 0.3
CROP_MM = 40.0


# A sheet that is seen over so much of its plane before anything is drawn may be a real
# fissure, so that the truth is not known there.
KNOWN_COVERAGE = 0.7


@dataclass(frozen=True)
class Drawn:
    """A synthetic nodule and what was found round it.

    Parameters
    ----------
    host : str
        The scan.
    slice_mm : float
        Distance between slices.
    place : str
        One of `PLACES`; at ``fissure`` a sheet touches it, at ``near`` one does not quite.
    diameter_mm : float
        Of the ball of equal volume.
    thickness_mm : float
        Of the drawn sheet; 0 without one.
    measured : NoduleMeasurement
        As the application measures it.
    sheet : Sheet or None
        What the search found.
    before : Sheet or None
        What it found there before anything was drawn.
    """

    host: str
    slice_mm: float
    place: str
    diameter_mm: float
    thickness_mm: float
    measured: NoduleMeasurement
    sheet: Sheet | None
    before: Sheet | None

    @property
    def doubtful(self) -> bool:
        """Whether something like a fissure was there before anything was drawn."""
        return self.before is not None and self.before.coverage >= KNOWN_COVERAGE


def draw(
    host: str, scan: Volume, segmenter: Segmenter, count: int, rng: np.random.Generator
) -> Iterator[Drawn]:
    """Nodules one by one, so many at each place, each in a scan without the others."""
    lungs = segment_lungs(scan)
    ground, scanner = Ground.of(scan, lungs), Scanner.of(scan, lungs)
    for place in PLACES:
        for _ in range(count):
            shape = Shape.drawn(float(rng.uniform(*DIAMETERS_MM)), ROUGHNESS, rng)
            start = place if place in ("vessel", "wall") else "inner"
            centre = ground.find(start, shape, [], rng)
            if centre is None:
                continue
            sheet = _sheet(place, shape, rng)
            cut, own, at = _cut(scan, lungs, centre)
            one = Inserted(at, shape, "solid", place, sheet)
            part = replace(cut, hu=cut.hu.copy())
            insert(part.hu, part.geometry.spacing, one, scanner, rng)
            mask = segmenter.segment(part, at, own)
            yield Drawn(
                host, scan.geometry.spacing[0], place, shape.diameter_mm,
                sheet.thickness_mm if sheet else 0.0,
                measure(part, mask, own), find_sheet(Surroundings.of(part, mask, own)),
                find_sheet(Surroundings.of(cut, mask, own)),
            )  # fmt: skip


def _sheet(place: str, shape: Shape, rng: np.random.Generator) -> insertion.Sheet | None:
    """A sheet that crosses or touches the nodule, or stays away from it; None at other places.

    Slants as of the oblique fissures, which run from behind above to in front below,
    and of the horizontal one.
    """
    if place not in ("fissure", "near"):
        return None
    if rng.random() < HORIZONTAL_SHARE:
        tilt, turn = rng.uniform(0, 25), rng.uniform(0, 360)
    else:
        tilt, turn = rng.uniform(25, 70), rng.uniform(-25, 25)
    tilt, turn = np.deg2rad(tilt), np.deg2rad(turn)
    normal = np.array([np.cos(tilt), -np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn)])
    normal *= rng.choice([-1, 1])
    thickness = float(np.exp(rng.uniform(*np.log(THICKNESS_MM))))
    edge = float(shape.radius_mm(normal))
    if place == "fissure":
        depth = rng.uniform(0.2, 1.0) * edge + thickness / 2
    else:
        depth = edge + rng.uniform(*GAP_MM)
    k, j, i = (float(v) for v in normal)
    bend = float(rng.uniform(-BEND_PER_MM, BEND_PER_MM))
    return insertion.Sheet((k, j, i), float(depth), thickness, float(rng.uniform(*REACH_MM)), bend)


def _cut(
    scan: Volume, lungs: BoolArray, centre: Points
) -> tuple[Volume, BoolArray, tuple[float, float, float]]:
    """The surroundings of a point: scan, lungs, and the point's index there."""
    reach = np.ceil(CROP_MM / np.asarray(scan.geometry.spacing)).astype(int)
    low = np.maximum(np.round(centre).astype(int) - reach, 0)
    high = np.minimum(np.round(centre).astype(int) + reach + 1, scan.hu.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    hu = scan.hu[box]
    x, y, z = (float(v) for v in scan.geometry.to_lps(low))
    geometry = Geometry((hu.shape[0], hu.shape[1], hu.shape[2]), (x, y, z), scan.geometry.spacing)
    k, j, i = (float(v) for v in centre - low)
    return Volume(hu, geometry), lungs[box], (k, j, i)
