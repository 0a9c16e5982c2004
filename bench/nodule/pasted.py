"""Real nodules pasted into real scans: found, and false marks.

    python -m bench.nodule.pasted SCAN [SCAN ..] --data ../shared/data [--part test] [--write-card]

Each SCAN is a folder of one DICOM series that no training saw. Nodules of at
least three readers, of LIDC-IDRI's patients in one part of the committed split,
are blended into it (`training.nodule.cutouts.paste`). Only the part ``test`` tells
of patients that neither training nor tuning saw. The curve counts every mark away
from the pasted nodules as false, also those on the scan's own, unmarked nodules.
Bootstrap intervals draw scans.

What this does not show: a pasted nodule keeps a seam and its 96 x 96 pixels of
8-bit grey; the paste chooses surroundings that fit. It replaces no real scan.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bench.nodule.analysis import MODELS, Analyser
from bench.nodule.cards import detection_rows, write_rows
from bench.nodule.curve import Scored, score
from bench.nodule.scans import read_hosts
from bench.nodule.tables import heading, report
from bench.nodule.truth import FEWEST_READERS, Nodule, Texture, Tier
from gransk.core.volume import FloatArray, Volume
from nodule.detector import MODEL_ID
from nodule.lungs import segment_lungs
from training.nodule.cutouts import Cutout, paste, read_nodules
from training.nodule.insertion import even_directions
from training.nodule.places import VESSEL_HU
from training.nodule.split import cases

BoolArray = npt.NDArray[np.bool_]

A_SCAN = 10
COMMAND = "python -m bench.nodule.pasted {scans} --data ../shared/data --repeats {repeats}"
APART_MM = 15.0
WALL_SHARE, VESSEL_SHARE = 0.05, 0.06


def fill(
    scan: Volume, lungs: BoolArray, nodules: Sequence[Cutout], rng: np.random.Generator
) -> tuple[Volume, list[Nodule]]:
    """A copy of a scan with some nodules pasted apart from each other.

    Places at the wall, at vessels and away from both are offered in turn; where the
    nodule came to lie is told by `place_of`.
    """
    offers = Offers.of(scan, lungs)
    hu = scan.hu.copy()
    pasted: list[Nodule] = []
    for turn, number in enumerate(rng.permutation(len(nodules))[: 3 * A_SCAN]):
        if len(pasted) == A_SCAN:
            break
        cutout = nodules[number]
        place = ("wall", "inner", "vessel")[turn % 3]
        done = paste(cutout, scan, lungs, offers.at(place, cutout.diameter_mm / 2, rng), rng)
        if done is None:
            continue
        x, y, z = (float(v) for v in scan.geometry.to_lps(done.centre))
        new = Nodule(
            centre_lps_mm=(x, y, z),
            diameter_mm=cutout.diameter_mm,
            texture=Texture.of(cutout.texture),
            place=place_of(scan, lungs, done.centre, cutout.diameter_mm / 2),
        )
        if all(_apart(new, other) for other in pasted):
            box = tuple(slice(a, a + n) for a, n in zip(done.start, done.hu.shape, strict=True))
            hu[box] = done.hu
            pasted.append(new)
    return replace(scan, hu=hu), pasted


@dataclass(frozen=True)
class Offers:
    """Where nodules may be pasted, on every second pixel.

    Parameters
    ----------
    depth_mm : ndarray
        Distance from what is no lung.
    vessel_mm : ndarray
        Distance from the next vessel away from the wall.
    """

    depth_mm: FloatArray
    vessel_mm: FloatArray

    @classmethod
    def of(cls, scan: Volume, lungs: BoolArray) -> Offers:
        """Measure distances in a scan."""
        spacing = scan.geometry.spacing * np.array([1, 2, 2])
        depth = ndimage.distance_transform_edt(lungs[:, ::2, ::2], sampling=spacing)
        vessel = (scan.hu[:, ::2, ::2] > VESSEL_HU) & (depth > 4.0)
        away = ndimage.distance_transform_edt(~vessel, sampling=spacing)
        return cls(depth.astype(np.float32), away.astype(np.float32))

    def at(
        self, place: str, radius_mm: float, rng: np.random.Generator
    ) -> npt.NDArray[np.int64]:  # fmt: skip
        """Some centres (k, j, i) from which a nodule reaches the wall, a vessel or neither."""
        clear = radius_mm + 2.0
        if place == "wall":
            good = (self.depth_mm > 0.7 * radius_mm) & (self.depth_mm < radius_mm + 1.0)
        elif place == "vessel":
            near = (self.vessel_mm > 0.7 * radius_mm) & (self.vessel_mm < radius_mm + 1.0)
            good = near & (self.depth_mm > clear)
        else:
            good = (self.depth_mm > clear) & (self.vessel_mm > clear)
        places = np.argwhere(good) * np.array([1, 2, 2])
        return np.asarray(rng.permutation(places)[:4000])


def place_of(
    scan: Volume, lungs: BoolArray, centre: npt.NDArray[np.float64], radius_mm: float
) -> str:
    """``wall`` or ``vessel`` where a ball 1.5 mm wider touches one in the scan, else ``inner``.

    The share of the ball's surface decides: outside the lungs, or vessel of the scan.
    """
    points = even_directions(400) * (radius_mm + 1.5) / np.asarray(scan.geometry.spacing)
    at = np.round(centre + points).astype(int)
    at = np.clip(at, 0, np.asarray(scan.hu.shape) - 1)
    inside = lungs[tuple(at.T)]
    if (~inside).mean() > WALL_SHARE:
        return "wall"
    return "vessel" if (scan.hu[tuple(at.T)] > VESSEL_HU).mean() > VESSEL_SHARE else "inner"


def _apart(one: Nodule, other: Nodule) -> bool:
    away = np.linalg.norm(np.subtract(one.centre_lps_mm, other.centre_lps_mm))
    return bool(away >= one.diameter_mm + other.diameter_mm + APART_MM)


def read_part(data: Path, part: str) -> list[Cutout]:
    """Nodules of at least three readers, of the patients in a part of the split."""
    patients = set(cases("LIDC-IDRI", part))
    return read_nodules(data / "lidc_nodules", patients, FEWEST_READERS)


def main() -> None:
    parser = argparse.ArgumentParser(description="Pasted nodules found, and false marks.")
    parser.add_argument("scans", type=Path, nargs="+", help="folders, one DICOM series each")
    parser.add_argument("--data", type=Path, required=True, help="holds lidc_nodules/")
    parser.add_argument("--part", choices=("train", "val", "test"), default="test")
    parser.add_argument("--repeats", type=int, default=4, help="fillings of each scan")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", type=Path, default=MODELS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write-card", action="store_true", help="put the figures in the card")
    arguments = parser.parse_args()
    if arguments.write_card and arguments.part != "test":
        parser.error("the card's figures are those of the part test")
    nodules = read_part(arguments.data, arguments.part)
    analyser = Analyser(arguments.models, arguments.threads)
    rng = np.random.default_rng(arguments.seed)
    reads: list[Scored] = []
    for name, scan in read_hosts(arguments.scans):
        lungs = segment_lungs(scan)
        for _ in range(arguments.repeats):
            filled, pasted = fill(scan, lungs, nodules, rng)
            reads.append(score(name, analyser.find(filled).candidates, pasted))
            print(f"{name}  {len(pasted)} pasted", flush=True)
    count = sum(len(r.targets) for r in reads)
    seen = "" if arguments.part == "test" else ", PATIENTS THAT TRAINING OR TUNING SAW"
    print(
        heading(
            Tier.SEMI_SYNTHETIC,
            f"n = {count} pastings of {len(nodules)} nodules of "
            f"{len({n.patient for n in nodules})} patients (part {arguments.part}{seen}) "
            f"into {len(arguments.scans)} scans, {arguments.repeats} times each",
        )
    )
    print(report(reads, analyser.operating_point, drawn="scans"))
    if arguments.write_card:
        names = ", ".join(scan.name for scan in arguments.scans)
        data = (
            f"semi-synthetic: {len(nodules)} nodules of LIDC-IDRI's test patients (at least 3 "
            f"readers) pasted into {names}, {arguments.repeats} times each"
        )
        scans = " ".join(scan.name for scan in arguments.scans)
        command = COMMAND.format(scans=scans, repeats=arguments.repeats)
        rows = detection_rows(reads, analyser.operating_point, data, command)
        write_rows(arguments.models / MODEL_ID, rows)


if __name__ == "__main__":
    main()
