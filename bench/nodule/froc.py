"""Lung nodules found and false marks on whole scans.

    python -m bench.nodule.froc --data ../shared/data/ct [--write-card]

Reads each scan of ``--data`` with the shipped detector. A nodule outlined by at
least three of LIDC-IDRI's four readers is to be found; a mark hits it where its
centre lies within half the longest axial diameter that a reader drew. Marks on
nodules of one or two readers are neither hits nor false. Sensitivity has a 95 %
Clopper-Pearson interval, false marks a 95 % Poisson interval.

What this does not show: four scans of 2.5 mm hold eleven such nodules, the
smallest 9.7 mm, from one study of the years 2000 to 2010. Nothing is said of
nodules under that size, of other slice thicknesses, or of screening.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from scipy import stats

from gransk.core.models import ModelLibrary
from nodule.detector import MODEL_ID, Detector
from nodule.lungs import segment_lungs
from training.nodule.export import write_card
from training.nodule.marks import Read, Truth, false_marks, read, sensitivity, threshold_for
from training.nodule.scans import load

FALSE_MARKS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
FEWEST_READERS = 3
COMMAND = "python -m bench.nodule.froc --data ../shared/data/ct"
DATA = "LIDC-IDRI, 4 whole scans of 2.5 mm, nodules of at least 3 readers (smallest 9.7 mm)"


def proportion_interval(hits: int, cases: int) -> tuple[float, float]:
    """Clopper and Pearson's exact 95 % interval."""
    low = stats.beta.ppf(0.025, hits, cases - hits + 1) if hits else 0.0
    high = stats.beta.ppf(0.975, hits + 1, cases - hits) if hits < cases else 1.0
    return float(low), float(high)


def rate_interval(count: int, scans: int) -> tuple[float, float]:
    """Exact 95 % interval of a Poisson rate a scan."""
    low = stats.chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    return float(low / scans), float(stats.chi2.ppf(0.975, 2 * count + 2) / 2 / scans)


def truths(nodules: Sequence[dict[str, Any]]) -> list[Truth]:
    """Known nodules of one scan from ``nodules.json``."""
    return [
        Truth(
            centre_lps_mm=tuple(n["centre_lps_mm"]),
            diameter_mm=max(n["longest_axial_mm"]),
            counted=n["readers"] >= FEWEST_READERS,
        )
        for n in nodules
    ]


def read_scans(data: Path, detector: Detector) -> list[Read]:
    """Read every scan of ``nodules.json``, printing one line each."""
    reads = []
    for entry in json.loads((data / "nodules.json").read_text(encoding="utf-8")):
        scan = load(data / entry["patient"])
        began = time.monotonic()
        found = detector.detect(scan, segment_lungs(scan))
        took = time.monotonic() - began
        reads.append(read(found, truths(entry["nodules"])))
        sizes = zip(reads[-1].diameters_mm, reads[-1].found, strict=True)
        text = ", ".join(f"{d:.1f} mm {p:.3f}" if p >= 0 else f"{d:.1f} mm -" for d, p in sizes)
        print(f"{entry['patient']}  {scan.hu.shape[0]} slices  {took:.1f} s  {text}", flush=True)
    return reads


def table(reads: Sequence[Read], threshold: float) -> str:
    """The figures as text."""
    lines = ["", "false marks a scan (at most)   threshold   sensitivity   95 % interval"]
    for marks in FALSE_MARKS:
        at = threshold_for(reads, marks)
        hits, cases = sensitivity(reads, at)
        low, high = proportion_interval(hits, cases)
        lines.append(
            f"{marks:28g}   {at:9.3f}   {hits:3d}/{cases:<3d} {hits / cases:4.2f}"
            f"   {low:.2f} to {high:.2f}"
        )
    hits, cases = sensitivity(reads, threshold)
    low, high = proportion_interval(hits, cases)
    rate = false_marks(reads, threshold)
    few, many = rate_interval(round(rate * len(reads)), len(reads))
    lines += [
        "",
        f"operating point {threshold:.3f}: sensitivity {hits}/{cases} = {hits / cases:.2f} "
        f"({low:.2f} to {high:.2f}), false marks a scan {rate:.2f} ({few:.2f} to {many:.2f})",
        "Eleven nodules in four scans, none under 9.7 mm: an interval, not a proof.",
    ]
    return "\n".join(lines)


def performance(reads: Sequence[Read], threshold: float) -> list[dict[str, Any]]:
    """The figures at the operating point as entries of the card."""
    hits, cases = sensitivity(reads, threshold)
    rate = false_marks(reads, threshold)
    count = round(rate * len(reads))

    def entry(measure: str, value: float, interval: tuple[float, float], n: int) -> dict[str, Any]:
        return {
            "measure": measure,
            "value": round(value, 3),
            "interval": [round(v, 3) for v in interval],
            "data": DATA,
            "cases": n,
            "command": COMMAND,
        }

    within = proportion_interval(hits, cases)
    marks = rate_interval(count, len(reads))
    return [
        entry("sensitivity at the operating point", hits / cases, within, cases),
        entry("false marks a scan at the operating point", rate, marks, len(reads)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Nodules found and false marks on whole scans.")
    parser.add_argument("--data", type=Path, required=True, help="folder of nodules.json")
    parser.add_argument("--models", type=Path, default=Path("onnx_models"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write-card", action="store_true", help="put the figures in the card")
    arguments = parser.parse_args()
    model = ModelLibrary(arguments.models, threads=arguments.threads).load(MODEL_ID)
    if model.card.operating_point is None:
        parser.error("the card has no operating point")
    threshold = model.card.operating_point.threshold
    reads = read_scans(arguments.data, Detector(model, threshold=0.0))
    print(table(reads, threshold))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    if arguments.write_card:
        folder = arguments.models / MODEL_ID
        card = yaml.safe_load((folder / "card.yaml").read_text(encoding="utf-8"))
        kept = [p for p in card["performance"] if p["command"] != COMMAND]
        card["performance"] = kept + performance(reads, threshold)
        write_card(card, folder)


if __name__ == "__main__":
    main()
