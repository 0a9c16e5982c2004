"""Which patient is trained on, validated on or kept for the test: one committed list.

The test patients of LIDC-IDRI are those of the four whole scans of the shared data and 100
more, drawn by chance from every kind of patient (with ground glass, with part-solid, with small
nodules, others; subsolid ones more often). Patients are moved to the test part only together
with a new fit of every model.
"""

from __future__ import annotations

import csv
from pathlib import Path

SPLIT = Path(__file__).with_name("split.csv")


def cases(source: str, part: str) -> list[str]:
    """Cases of a source ("LIDC-IDRI" or "LCTSC") in a part ("train", "val" or "test")."""
    with SPLIT.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [r["case"] for r in rows if r["source"] == source and r["part"] == part]
