"""Which patient is trained on, validated on or kept for the test: one committed list."""

from __future__ import annotations

import csv
from pathlib import Path

SPLIT = Path(__file__).with_name("split.csv")


def cases(source: str, part: str) -> list[str]:
    """Cases of a source ("LIDC-IDRI" or "LCTSC") in a part ("train", "val" or "test")."""
    with SPLIT.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [r["case"] for r in rows if r["source"] == source and r["part"] == part]
