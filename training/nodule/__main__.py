"""From data to the shipped detector in one command.

    python -m training.nodule --data ../shared/data --scans ct_lung_segmentation/Dataset/Images \\
        --out onnx_models/nodule-detector

``--scans`` is the image folder of a clone of github.com/cailleyfactor/ct_lung_segmentation
(LCTSC). Takes some 15 minutes and 4 GiB on one CPU core.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from gransk.core.models import ModelLibrary
from nodule.detector import Detector
from training.nodule import fit
from training.nodule.card import card
from training.nodule.cutouts import Cutout, read_nodules
from training.nodule.export import write_card, write_onnx
from training.nodule.marks import Read, false_marks, sensitivity, threshold_for
from training.nodule.samples import Sample, from_cutout, from_scan, synthetic
from training.nodule.scans import load
from training.nodule.split import cases
from training.nodule.tune import read_pasted

PASTED_A_SCAN = {"train": 700, "val": 250}
SYNTHETIC = {"train": 900, "val": 100}
FEWEST_READERS = {"train": 2, "val": 3}
FALSE_MARKS_A_SCAN = 2.0
TUNING_REPEATS = 2


def samples(
    part: str, scans: Path, nodules: list[Cutout], rng: np.random.Generator
) -> list[Sample]:
    """Every sample of a part of the split."""
    made: list[Sample] = []
    for case in cases("LCTSC", part):
        made += from_scan(case, load(scans / case), nodules, PASTED_A_SCAN[part], rng)
        print(f"{part} {case}: {len(made)} samples", flush=True)
    for nodule in nodules:
        made += from_cutout(nodule, rng)
    made += [synthetic(rng) for _ in range(SYNTHETIC[part])]
    print(part, dict(Counter(s.kind for s in made)), flush=True)
    return made


def by_size(reads: list[Read], threshold: float) -> list[dict[str, Any]]:
    """Sensitivity on pasted validation nodules by diameter."""
    rows = []
    for low, high in ((3, 6), (6, 10), (10, 60), (3, 60)):
        values = [
            p
            for r in reads
            for p, d in zip(r.found, r.diameters_mm, strict=True)
            if low <= d < high
        ]
        if values:
            hits = sum(p >= threshold for p in values)
            rows.append({"from_mm": low, "to_mm": high, "hits": hits, "cases": len(values)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the lung nodule detector.")
    parser.add_argument("--data", type=Path, required=True, help="holds lidc_nodules/")
    parser.add_argument("--scans", type=Path, required=True, help="holds Case_000/ and so on")
    parser.add_argument("--out", type=Path, required=True, help="the model's folder")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    nodules, tables = {}, {}
    for offset, part in enumerate(("train", "val")):
        patients = set(cases("LIDC-IDRI", part))
        folder = arguments.data / "lidc_nodules"
        nodules[part] = read_nodules(folder, patients, FEWEST_READERS[part])
        rng = np.random.default_rng(arguments.seed + offset)
        made = samples(part, arguments.scans, nodules[part], rng)
        tables[part] = fit.Table.of(made)
    net = fit.fit(
        tables["train"], tables["val"], arguments.steps, arguments.seed, arguments.threads
    )
    digest = write_onnx(net, arguments.out)
    write_card(card(digest, 0.5, []), arguments.out)
    model = ModelLibrary(arguments.out.parent, arguments.threads).load(arguments.out.name)
    folders = [arguments.scans / case for case in cases("LCTSC", "val")]
    detector = Detector(model, threshold=0.0)
    reads = read_pasted(detector, folders, nodules["val"], TUNING_REPEATS, arguments.seed)
    threshold = float(np.ceil(threshold_for(reads, FALSE_MARKS_A_SCAN) * 1e4) / 1e4)
    rows = by_size(reads, threshold)
    write_card(card(digest, threshold, rows), arguments.out)
    hits, count = sensitivity(reads, threshold)
    marks = false_marks(reads, threshold)
    print(f"threshold {threshold}: {hits}/{count} pasted nodules, {marks:.2f} false marks a scan")
    print(rows)


if __name__ == "__main__":
    main()
