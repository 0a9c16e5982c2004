"""What LIDC-IDRI's readers said of each nodule."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

FEWEST_READERS = 3
TEXTURES = ("ground_glass", "part_solid", "solid")
TRAITS = ("calcified", "spiculated", "lobulated")


@dataclass(frozen=True)
class Ratings:
    """Readers' medians of one nodule.

    Parameters
    ----------
    malignancy : float
        1 highly unlikely to 5 highly suspicious.
    texture : float
        1 ground glass, 3 part-solid, 5 solid.
    calcification : float
        6 absent; each lower value is a pattern of calcification.
    spiculation, lobulation : float
        1 none to 5 marked.
    """

    malignancy: float
    texture: float
    calcification: float
    spiculation: float
    lobulation: float

    @property
    def kind(self) -> int:
        """Index in TEXTURES: rated to 2, up to 3.5, above."""
        return 0 if self.texture <= 2 else 1 if self.texture <= 3.5 else 2

    @property
    def suspicion(self) -> float:
        """Malignancy from 0 to 1."""
        return (self.malignancy - 1) / 4

    @property
    def traits(self) -> tuple[bool, bool, bool]:
        """In the order of TRAITS.

        Calcified: under 6, so at least half of the readers saw a pattern.
        Spiculated and lobulated: at least 3, the middle of the readers' scale.
        """
        return self.calcification < 6, self.spiculation >= 3, self.lobulation >= 3


def read_ratings(folder: Path) -> dict[str, Ratings]:
    """Ratings by nodule from ``nodules.csv``; nodules without any are left out."""
    names = ("malignancy", "texture", "calcification", "spiculation", "lobulation")
    with (folder / "nodules.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if all(r[name] for name in names)]
    return {r["nodule"]: Ratings(*(float(r[name]) for name in names)) for r in rows}
