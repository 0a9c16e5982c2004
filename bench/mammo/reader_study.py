"""Areas under the ROC curve of the NYU reader study: a check of `mammo.scores.statistics`.

    python -m bench.mammo.reader_study --data ../shared/data

1,440 breasts of 720 exams, 61 malignant, read by 14 radiologists and scored by seven networks.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mammo.scores.statistics import BoolArray, FloatArray, auc
from training.bootstrap import interval

FILE = Path("screening", "nyu_reader_study.csv")
PUBLISHED = 0.778


def read(path: Path) -> tuple[list[str], BoolArray, dict[str, FloatArray]]:
    """Exams, malignant or not, and each column of probabilities, one value a breast."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name.endswith("_POM")]
    values = {name: np.array([float(row[name]) for row in rows]) for name in names}
    malignant = np.array([float(row["label"]) > 0.5 for row in rows])
    return [row["case_ID"] for row in rows], malignant, values


def mean_area(
    malignant: BoolArray, values: Sequence[FloatArray], rows: np.ndarray | None = None
) -> float:
    """Mean of the areas, of some rows where they are given."""
    chosen = np.arange(len(malignant)) if rows is None else rows
    return float(np.mean([auc(one[chosen], malignant[chosen])[0] for one in values]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    exams, malignant, values = read(parser.parse_args().data / FILE)
    print(f"{len(malignant)} breasts of {len(set(exams))} exams, {malignant.sum()} malignant")
    for name, one in values.items():
        area, low, high = auc(one, malignant)
        print(f"  {name.removesuffix('_POM'):<24} {area:.3f} ({low:.3f} to {high:.3f})")
    readers = [one for name, one in values.items() if name.startswith("Reader")]
    low, high = interval(exams, lambda rows: mean_area(malignant, readers, rows))
    mean = mean_area(malignant, readers)
    print(
        f"mean of {len(readers)} readers {mean:.4f} (exams drawn with replacement: {low:.3f} to "
        f"{high:.3f}); published {PUBLISHED}"
    )


if __name__ == "__main__":
    main()
