"""The NYU reader study again, by `gransk.core.statistics`: readers, networks, and both together.

    python -m bench.reading.reader_study --data ../shared/data

1,440 breasts of 720 exams, 61 malignant, read by 14 radiologists and scored by seven networks
(NYU mammography_metarepository). Probabilities are taken as they stand. Published: mean area of
the readers 0.778.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gransk.core.statistics.areas import areas, auc, difference, mean_area
from gransk.core.statistics.bootstrap import interval
from gransk.core.statistics.curve import area, hybrid, hybrid_areas
from gransk.core.statistics.figure import BoolArray, Figure, FloatArray, IntArray

FILE = Path("screening", "nyu_reader_study.csv")
PUBLISHED = 0.778
ENDING = "_POM"
WEIGHTS = tuple(step / 10 for step in range(11))
HALF = 0.5


@dataclass(frozen=True)
class Study:
    """One row a breast.

    Parameters
    ----------
    exams : tuple of str
    malignant : ndarray of bool, shape (breasts,)
    readers, networks : dict of str to ndarray
        Probabilities of malignancy by name.
    """

    exams: tuple[str, ...]
    malignant: BoolArray = field(repr=False)
    readers: dict[str, FloatArray] = field(repr=False)
    networks: dict[str, FloatArray] = field(repr=False)


def read(path: Path) -> Study:
    """The study as its file holds it."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {
        name.removesuffix(ENDING): np.array([float(row[name]) for row in rows])
        for name in rows[0]
        if name.endswith(ENDING)
    }
    return Study(
        exams=tuple(row["case_ID"] for row in rows),
        malignant=np.array([float(row["label"]) > HALF for row in rows]),
        readers={name: one for name, one in columns.items() if name.startswith("Reader")},
        networks={name: one for name, one in columns.items() if name.startswith("AI_")},
    )


def mean_of_readers(study: Study, rows: IntArray | None = None) -> float:
    """Mean of the readers' areas, of some rows where they are given."""
    chosen = np.arange(len(study.malignant)) if rows is None else rows
    truth = study.malignant[chosen]
    return float(np.mean([area(one[chosen], truth) for one in study.readers.values()]))


def hybrid_curve(study: Study, network: str) -> FloatArray:
    """Mean over readers of the area of reader and network together, at each of `WEIGHTS`."""
    ai = study.networks[network]
    each = [hybrid_areas(one, ai, study.malignant, WEIGHTS) for one in study.readers.values()]
    mean: FloatArray = np.mean(each, axis=0)
    return mean


def gain(study: Study, network: str) -> Figure:
    """Mean area of readers each with the network, half and half, less that of readers alone."""
    ai = study.networks[network]
    alone = list(study.readers.values())
    both = [hybrid(one, ai, HALF) for one in alone]
    found = areas([*both, *alone], study.malignant, study.exams)
    k = len(alone)
    weights = np.repeat([1 / k, -1 / k], k)
    value = float(weights @ found.values)
    reach = 1.959964 * float(np.sqrt(weights @ found.covariance @ weights))
    return Figure(value, value - reach, value + reach)


def text(figure: Figure | tuple[float, float, float]) -> str:
    value, low, high = figure
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    study = read(parser.parse_args(arguments).data / FILE)
    malignant, exams = study.malignant, study.exams
    print(f"{len(malignant)} breasts of {len(set(exams))} exams, {malignant.sum()} malignant")
    print("area, DeLong 95 % by breast; and by exam (Obuchowski)")
    for name, one in (study.readers | study.networks).items():
        by_exam = auc(one, malignant, exams)
        print(f"  {name:<20} {text(auc(one, malignant))}; {by_exam.low:.3f} to {by_exam.high:.3f}")
    _readers(study)
    _networks(study)


def _readers(study: Study) -> None:
    readers = list(study.readers.values())
    found = areas(readers, study.malignant, study.exams)
    mean = mean_of_readers(study)
    low, high = interval(study.exams, lambda rows: mean_of_readers(study, rows))
    print(f"mean of {len(readers)} readers {mean:.4f}, published {PUBLISHED}")
    print(f"  exams drawn with replacement     {low:.3f} to {high:.3f}")
    print(f"  DeLong by exam, these readers    {text(mean_area(found))}")
    print(f"  readers like these (Hillis)      {text(mean_area(found, of_all_readers=True))}")


def _networks(study: Study) -> None:
    mean = list(study.readers.values())
    print("network less the mean probability of the readers (difference of areas, by exam)")
    together = np.mean(mean, axis=0)
    for name, one in study.networks.items():
        found = difference(areas([one, together], study.malignant, study.exams))
        print(f"  {name:<20} {text(found)}, p {found.p:.3f}")
    print("reader and network together, mean area over readers by the network's weight")
    print("  " + " " * 20 + " ".join(f"{weight:5.1f}" for weight in WEIGHTS) + "  gain at 0.5")
    for name in study.networks:
        drawn = hybrid_curve(study, name)
        figures = " ".join(f"{value:.3f}" for value in drawn)
        print(f"  {name:<20} {figures}  {text(gain(study, name))}")


if __name__ == "__main__":
    main()
