"""Breast density against a radiologist's label, and against outlines of dense tissue.

    python -m bench.mammo.density --data ../shared/data [--labels FOLDER --models onnx_models]

The first part reads ``training/mammo/density_out_of_fold.csv``: what a regression told of training
films whose patients they never saw, their cuts chosen on the other patients. The labels (1 to 4)
are one radiologist's of DDSM, one an examination: both views of a breast always have the same, so
that a second reading to compare with is not in these data. The second part measures the shipped
model on FOLDER, a clone of `tiryakiv/Mammogram-segmentation`, which trained nothing; but the first
scale of percentages, the quarters of BI-RADS, was given up because it told 30 points more than
these outlines, for one that was published.

Intervals are bootstrap ones, patients drawn with replacement.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.mammo.labelled import DENSE, FAT, dice, labelled
from bench.nodule.cards import row, write_rows
from gransk.core.models import ModelLibrary
from gransk.core.statistics.bootstrap import interval, mean_interval
from gransk.core.statistics.figure import IntArray
from mammo.image.anatomy import find_anatomy
from mammo.image.density import LIMITS, MODEL_ID, brightest, view_density
from mammo.view import Projection
from training.mammo.agreement import kappa
from training.mammo.films import Film, cbis_mass

Row = dict[str, Any]
DATA = "CBIS-DDSM mass training films, five folds by patient, pooled"
OUTLINES = "66 right MLO films of tiryakiv/Mammogram-segmentation, of which none trained"
COMMAND = "python -m bench.mammo.density --data ../shared/data --labels FOLDER"
OUT_OF_FOLD = Path("training/mammo/density_out_of_fold.csv")


def agreement(name: str, who: Sequence[str], truth: IntArray, told: IntArray) -> list[Row]:
    """Print both kappas, equal categories and the table; returns entries of a card."""
    print(f"{name}: {len(truth)}")
    rows = []
    for word, power in (("linear", 1), ("quadratic", 2)):
        figure = partial(_kappa_of, truth, told, power)
        value, within = figure(np.arange(len(truth))), interval(who, figure)
        print(f"  {word} kappa {value:.2f} ({within[0]:.2f} to {within[1]:.2f})")
        rows.append(row(f"{word} kappa of categories, {name}", value, within, DATA, len(truth),
                        COMMAND))  # fmt: skip
    low, high = mean_interval(who, (truth == told).astype(float))
    print(f"  same category {(truth == told).mean():.2f} ({low:.2f} to {high:.2f}); ", end="")
    print(f"more than one apart {(np.abs(truth - told) > 1).mean():.3f}")
    table = np.zeros((4, 4), dtype=int)
    np.add.at(table, (truth, told), 1)
    lines = "; ".join(" ".join(str(n) for n in line) for line in table)
    print(f"  label 1 to 4 down, category a to d across: {lines}")
    return rows


def _kappa_of(truth: IntArray, told: IntArray, power: int, rows: IntArray) -> float:
    return kappa(truth[rows], told[rows], power)


def categories(percent: Sequence[float]) -> IntArray:
    """0 to 3 for a to d."""
    return np.digitize(percent, LIMITS).astype(np.int64)


def of_films(films: Sequence[Film], percent: dict[str, float]) -> list[Row]:
    """By film, by view, by woman, and one view against the other."""
    films = [film for film in films if film.key in percent]
    truth = np.array([film.density - 1 for film in films])
    told = categories([percent[film.key] for film in films])
    who = [film.patient for film in films]
    found = agreement("films", who, truth, told)
    for view in ("CC", "MLO"):
        rows = np.array([film.view == view for film in films])
        found += agreement(f"{view} films", [w for w, r in zip(who, rows, strict=True) if r],
                  truth[rows], told[rows])  # fmt: skip
    exams: dict[str, list[Film]] = defaultdict(list)
    for film in films:
        exams[film.exam].append(film)
    mean = categories([float(np.mean([percent[f.key] for f in e])) for e in exams.values()])
    labels = np.array([round(float(np.mean([f.density for f in e]))) - 1 for e in exams.values()])
    found += agreement("examinations (mean of their films)", [e[0].patient for e in exams.values()],
              labels, mean)  # fmt: skip
    pairs: dict[tuple[str, str], dict[str, Film]] = defaultdict(dict)
    for film in films:
        pairs[film.exam, film.breast][film.view] = film
    both = [p for p in pairs.values() if len(p) == 2]
    same = sum(p["CC"].density == p["MLO"].density for p in both)
    print(f"labels of CC and MLO of a breast are the same in {same} of {len(both)}")
    one, other = (categories([percent[p[v].key] for p in both]) for v in ("CC", "MLO"))
    agreement("the model's CC against its MLO", [p["CC"].patient for p in both], one, other)
    return found


def of_outlines(folder: Path, models: Path) -> list[Row]:
    """Dense area against people's outlines."""
    model = ModelLibrary(models, 1).load(MODEL_ID)
    names, overlap, as_large, told, outlined = [], [], [], [], []
    for film in labelled(folder):
        anatomy = find_anatomy(film.prepared, Projection.MLO)
        density = view_density(film.prepared, anatomy, model)
        names.append(film.name)
        overlap.append(dice(density.dense, film.mask(DENSE)))
        told.append(density.percent)
        outlined.append(100 * float(film.mask(DENSE).sum() / film.mask(DENSE, FAT).sum()))
        sized = brightest(film.prepared, anatomy.pectoral, outlined[-1])
        as_large.append(dice(sized, film.mask(DENSE)))
    found = []
    for name, values in (
        ("dense area, Dice", np.array(overlap)),
        ("brightest area as large as the outline, Dice", np.array(as_large)),
        ("percent dense, model less outline", np.array(told) - np.array(outlined)),
    ):
        low, high = mean_interval(names, values)
        print(f"{name}: mean {values.mean():.2f} ({low:.2f} to {high:.2f}), "
              f"median {np.median(values):.2f}")  # fmt: skip
        found.append(row(name, values.mean(), (low, high), OUTLINES, len(names), COMMAND))
    ranks = [np.argsort(np.argsort(v)).astype(float) for v in (told, outlined)]

    def correlation(rows: npt.NDArray[np.int64]) -> float:
        return float(np.corrcoef(ranks[0][rows], ranks[1][rows])[0, 1])

    low, high = interval(names, correlation)
    whole = correlation(np.arange(len(names)))
    print(f"percent dense, rank correlation of {len(names)}: {whole:.2f} ({low:.2f} to {high:.2f})")
    found.append(row("rank correlation of percent dense with outlines", whole, (low, high),
                     OUTLINES, len(names), COMMAND))  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Breast density against labels and outlines.")
    parser.add_argument("--data", type=Path, required=True, help="holds mg/cbis_mass/")
    parser.add_argument("--told", type=Path, default=OUT_OF_FOLD)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--models", type=Path, default=Path("onnx_models"))
    parser.add_argument("--card", action="store_true", help="put the figures in the model's card")
    arguments = parser.parse_args()
    with arguments.told.open(encoding="utf-8", newline="") as stream:
        percent = {row["key"]: float(row["percent"]) for row in csv.DictReader(stream)}
    rows = of_films(cbis_mass(arguments.data / "mg" / "cbis_mass"), percent)
    if arguments.labels:
        rows += of_outlines(arguments.labels, arguments.models)
    if arguments.card:
        write_rows(arguments.models / MODEL_ID, rows)


if __name__ == "__main__":
    main()
