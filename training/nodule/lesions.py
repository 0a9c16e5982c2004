"""Nodules and tumours of the scans that nodules are pasted into."""

from __future__ import annotations

import csv
from pathlib import Path

from gransk.core.volume import Volume
from training.nodule.marks import Truth

LESIONS = Path(__file__).with_name("lesions.csv")


def own_lesions(case: str, scan: Volume) -> list[Truth]:
    """What may be a nodule or tumour of the scan's own patient.

    The list was made by eye, without a radiologist, from an earlier detector's
    first marks on each scan: it keeps true nodules from being taught, or
    counted, as false. It is no reference to measure against.

    Parameters
    ----------
    case : str
        Of ``split.csv``.
    scan : Volume
        Its scan, for the way from slice (counted from the feet), row and column
        to mm.
    """
    with LESIONS.open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["case"] == case]
    lesions = []
    for row in rows:
        place = (float(row["slice"]), float(row["row"]), float(row["column"]))
        x, y, z = (float(v) for v in scan.geometry.to_lps(place))
        lesions.append(Truth((x, y, z), 2 * float(row["radius_mm"]), counted=False))
    return lesions
