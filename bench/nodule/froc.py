"""Lung nodules found and false marks on real whole scans.

    python -m bench.nodule.froc --data ../shared/data/ct [--write-card]
    python -m bench.nodule.froc --data LUNA16 --format luna16
    python -m bench.nodule.froc --data LIDC-IDRI --format lidc

Reads each scan of ``--data`` with the shipped detector. A nodule outlined by at
least three of LIDC-IDRI's four readers is to be found; a mark hits it where its
centre lies within half the longest axial diameter that a reader drew. Marks on
nodules of one or two readers are neither hits nor false. Sensitivity has a 95 %
Clopper-Pearson interval and a bootstrap interval in which patients are drawn,
false marks a 95 % Poisson interval. CPM is the mean sensitivity at 1/8, 1/4, 1/2,
1, 2, 4 and 8 false marks a scan, each the highest with at most so many.

Scans that training or tuning saw, by the committed list of patients, are left
out and counted.

What this does not show: four scans of 2.5 mm hold eleven such nodules, the
smallest 9.7 mm, from one study of the years 2000 to 2010. Nothing is said of
nodules under that size, of other slice thicknesses, or of screening.
"""

from __future__ import annotations

import argparse
import csv
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.nodule.analysis import MODELS, Analyser
from bench.nodule.cards import detection_rows, write_rows
from bench.nodule.curve import Scored, score
from bench.nodule.lidc import read_lidc
from bench.nodule.luna16 import read_luna16
from bench.nodule.scans import trained
from bench.nodule.tables import heading, report
from bench.nodule.truth import Case, Tier, read_folder
from gransk.core import reasons
from gransk.core.errors import RefusalError
from nodule.detector import MODEL_ID

COMMAND = "python -m bench.nodule.froc --data ../shared/data/ct"
FORMATS: dict[str, Callable[[Path], Iterator[Case]]] = {
    "folder": read_folder, "luna16": read_luna16, "lidc": read_lidc,
}  # fmt: skip


def patients_by_series(path: Path) -> dict[str, str]:
    """LIDC-IDRI's patients by series UID, from ``lidc_nodules/nodules.csv``."""
    with path.open(newline="", encoding="utf-8") as file:
        return {row["series_uid"]: row["patient"] for row in csv.DictReader(file)}


def unseen(cases: Iterator[Case], patients: dict[str, str]) -> tuple[list[Case], int]:
    """Cases that neither training nor tuning saw, and how many it saw."""
    seen = trained()
    every = list(cases)
    kept = [c for c in every if patients.get(c.patient, c.patient) not in seen]
    return kept, len(every) - len(kept)


def read_scans(cases: Sequence[Case], analyser: Analyser) -> list[Scored]:
    """Read every scan, printing one line each; what the application refuses is left out."""
    reads = []
    for case in cases:
        try:
            volume = case.load()
            began = time.monotonic()
            found = analyser.find(volume)
        except RefusalError as refusal:
            print(f"{case.name}  refused: {reasons.text(refusal.reason, 'en')}", flush=True)
            continue
        took = time.monotonic() - began
        reads.append(score(case.patient, found.candidates, case.nodules))
        text = ", ".join(
            f"{t.nodule.diameter_mm:.1f} mm "
            + (f"{t.probability:.3f}" if t.probability >= 0 else "-")
            for t in reads[-1].targets
        )
        print(f"{case.name}  {volume.hu.shape[0]} slices  {took:.1f} s  {text}", flush=True)
    return reads


def performance(reads: Sequence[Scored], threshold: float) -> list[dict[str, Any]]:
    """The figures at the operating point, and CPM, as entries of the card."""
    smallest = min(t.nodule.diameter_mm for r in reads for t in r.targets)
    data = (
        f"LIDC-IDRI, {len(reads)} whole scans of 2.5 mm, nodules of at least 3 readers "
        f"(smallest {smallest:.1f} mm)"
    )
    return detection_rows(reads, threshold, data, COMMAND)


def main() -> None:
    parser = argparse.ArgumentParser(description="Nodules found and false marks on whole scans.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--format", choices=FORMATS, default="folder", help="of the data set")
    parser.add_argument(
        "--series", type=Path, help="lidc_nodules/nodules.csv, which tells LUNA16's patients"
    )
    parser.add_argument("--models", type=Path, default=MODELS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write-card", action="store_true", help="put the figures in the card")
    arguments = parser.parse_args()
    if arguments.format == "luna16" and arguments.series is None:
        parser.error("LUNA16 names no patients: --series tells which scans training saw")
    if arguments.write_card and arguments.format != "folder":
        parser.error("the card's figures are those of the shared scans: --format folder")
    patients = patients_by_series(arguments.series) if arguments.series else {}
    cases, left_out = unseen(FORMATS[arguments.format](arguments.data), patients)
    if not cases:
        parser.error(f"no scan is left; training or tuning saw {left_out}")
    print(heading(Tier.REAL, f"n = {len(cases)} scans; {left_out} that training saw left out"))
    analyser = Analyser(arguments.models, arguments.threads)
    reads = read_scans(cases, analyser)
    if not reads:
        parser.error("every scan was refused")
    if len(reads) < len(cases):
        print(f"{len(cases) - len(reads)} scans refused, their nodules are not counted")
    print(report(reads, analyser.operating_point))
    counted = [t.nodule.diameter_mm for r in reads for t in r.targets]
    if len(counted) < 100:
        print(
            f"\n{len(counted)} nodules in {len(reads)} scans, none under "
            f"{min(counted, default=0):.1f} mm: an interval, not a proof."
        )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    if arguments.write_card:
        write_rows(arguments.models / MODEL_ID, performance(reads, analyser.operating_point))


if __name__ == "__main__":
    main()
