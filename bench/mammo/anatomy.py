"""Breast and pectoral muscle against people's outlines.

    python -m bench.mammo.anatomy --labels FOLDER

FOLDER holds a clone of `tiryakiv/Mammogram-segmentation`: 66 right MLO films, of which nothing
was trained or chosen. Intervals are bootstrap ones, films drawn with replacement.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from bench.mammo.labelled import DENSE, FAT, PECTORAL, dice, labelled
from gransk.core.statistics.bootstrap import mean_interval
from mammo.image.anatomy import find_anatomy
from mammo.image.grid import SPACING_MM
from mammo.view import Projection


def main() -> None:
    parser = argparse.ArgumentParser(description="Muscle and breast against people's outlines.")
    parser.add_argument("--labels", type=Path, required=True)
    films = list(labelled(parser.parse_args().labels))
    names = [film.name for film in films]
    muscle, breast, edge, found, there = [], [], [], 0, 0
    for film in films:
        anatomy = find_anatomy(film.prepared, Projection.MLO)
        truth = film.mask(PECTORAL)
        there += bool(truth.any())
        found += bool(anatomy.edge) and bool(truth.any())
        muscle.append(dice(anatomy.pectoral, truth & film.prepared.breast))
        breast.append(dice(film.prepared.breast, film.mask(FAT, DENSE, PECTORAL)))
        apart = np.logical_xor(anatomy.pectoral, truth & film.prepared.breast)
        edge.append(float(apart.sum(axis=1)[truth.any(axis=1)].mean() * SPACING_MM))
    print(f"{len(films)} right MLO films; muscle found on {found} of {there} that show one")
    for name, values in (("muscle, Dice", muscle), ("breast, Dice", breast),
                         ("muscle's edge, mean distance along rows, mm", edge)):  # fmt: skip
        array = np.array(values)
        low, high = mean_interval(names, array)
        print(
            f"{name}: mean {array.mean():.3f} ({low:.3f} to {high:.3f}), "
            f"median {np.median(array):.3f}, 10th to 90th percentile "
            f"{np.percentile(array, 10):.3f} to {np.percentile(array, 90):.3f}"
        )


if __name__ == "__main__":
    main()
