"""The operating point, from validation scans with validation nodules pasted in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gransk.core.volume import Volume
from nodule.detector import Detector
from nodule.lungs import segment_lungs
from training.nodule.cutouts import Cutout, paste
from training.nodule.marks import Read, Truth, read
from training.nodule.samples import places_in
from training.nodule.scans import load

NODULES_A_SCAN = 10


def with_nodules(
    scan: Volume, nodules: Sequence[Cutout], rng: np.random.Generator
) -> tuple[Volume, list[Truth]]:
    """A copy of a scan with some nodules pasted apart from each other."""
    lungs = segment_lungs(scan)
    places = places_in(lungs, rng)
    hu = scan.hu.copy()
    truths: list[Truth] = []
    for number in rng.permutation(len(nodules))[: 2 * NODULES_A_SCAN]:
        nodule = nodules[number]
        done = paste(nodule, scan, lungs, places, rng)
        if done is None or len(truths) == NODULES_A_SCAN:
            continue
        x, y, z = (float(v) for v in scan.geometry.to_lps(done.centre))
        new = Truth((x, y, z), nodule.diameter_mm, counted=True)
        if any(_close(new, other) for other in truths):
            continue
        box = tuple(slice(a, a + n) for a, n in zip(done.start, done.hu.shape, strict=True))
        hu[box] = done.hu
        truths.append(new)
    return replace(scan, hu=hu), truths


def _close(one: Truth, other: Truth) -> bool:
    away = np.linalg.norm(np.subtract(one.centre_lps_mm, other.centre_lps_mm))
    return bool(away < one.diameter_mm + other.diameter_mm + 15)


def read_pasted(
    detector: Detector, scans: Sequence[Path], nodules: Sequence[Cutout], repeats: int, seed: int
) -> list[Read]:
    """Read each scan several times with other nodules pasted in.

    Marks on the scans' own unmarked tumours count as false.
    """
    rng = np.random.default_rng(seed)
    reads = []
    for folder in scans:
        scan = load(folder)
        for _ in range(repeats):
            pasted, truths = with_nodules(scan, nodules, rng)
            found = detector.detect(pasted, segment_lungs(pasted))
            reads.append(read(found, truths))
    return reads
