"""Texture and calcium by Hounsfield units against LIDC-IDRI's readers.

    python -m bench.nodule.density --data ../shared/data [--part val]

Nodules of at least three readers in the mask of at least half of them, of the test
patients where no other part is named; the HU of some slices are estimates (``hu.csv``),
and the slices end where the nodule ends. The readers' median rating of calcification:
1 popcorn, 2 laminated, 3 solid, 4 non-central, 5 central, 6 absent. Intervals are exact
binomial ones.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from nodule.density import Calcification, Density, density
from training.nodule.cutouts import Cutout, read_nodules
from training.nodule.split import cases

RATINGS = ("", "popcorn", "laminated", "solid", "non-central", "central", "absent")


def measured(nodule: Cutout) -> Density:
    """Density of a cutout, its end slices repeated as margin."""
    ends = ((1, 1), (0, 0), (0, 0))
    hu = np.pad(nodule.volume.hu, ends, mode="edge")
    return density(hu, np.pad(nodule.mask, ends), nodule.volume.geometry.spacing)


def share(name: str, hits: int, count: int) -> str:
    """A share with its exact 95 % interval."""
    if count == 0:
        return f"{name}: none"
    low, high = binomtest(hits, count).proportion_ci()
    return f"{name}: {hits} of {count}, {hits / count:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description="Texture and calcium against readers.")
    parser.add_argument("--data", type=Path, required=True, help="holds lidc_nodules/")
    parser.add_argument("--part", choices=("train", "val", "test"), default="test")
    arguments = parser.parse_args()
    folder = arguments.data / "lidc_nodules"
    with (folder / "nodules.csv").open(newline="") as file:
        ratings = {r["nodule"]: r["calcification"] for r in csv.DictReader(file)}
    nodules = read_nodules(folder, set(cases("LIDC-IDRI", arguments.part)), 3)
    found = [measured(n) for n in nodules]
    rated = [RATINGS[round(float(ratings[n.name]))] if ratings[n.name] else "" for n in nodules]
    print(f"{len(nodules)} nodules of the {arguments.part} part\ncalcium by readers' median")
    for word in dict.fromkeys(RATINGS[1:]):
        told = [d.calcification.value for d, r in zip(found, rated, strict=True) if r == word]
        print(f"  {word}: {dict(Counter(told).most_common())}")
    known = [
        (d.calcification is not Calcification.NONE, r != "absent")
        for d, r in zip(found, rated, strict=True)
        if r and d.calcification is not Calcification.NOT_ASSESSED
    ]
    calcified = [told for told, true in known if true]
    free = [not told for told, true in known if not true]
    print(share("calcified and told so", sum(calcified), len(calcified)))
    print(share("free of calcium and told so", sum(free), len(free)))
    print("texture by readers' median (1 ground glass, 5 solid)")
    for first, last in ((1.0, 2.0), (2.5, 4.0), (4.5, 5.0)):
        same = [
            str(d.texture) for d, n in zip(found, nodules, strict=True)
            if first <= n.texture <= last
        ]  # fmt: skip
        print(f"  {first:g} to {last:g}: {dict(Counter(same).most_common())}")
    print(f"fat: {dict(Counter(d.fat.value for d in found).most_common())}")


if __name__ == "__main__":
    main()
