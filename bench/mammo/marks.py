"""Marks of the shipped detector on the training films, each by the network that never saw it.

    python -m bench.mammo.marks --out marks.jsonl [--films FOLDER]

One line a film, with the marks that the application pairs, as `training.mammo.pairs` and
`bench.mammo.pairs` read them with ``--marks``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bench.mammo.reading import seen_unseen
from gransk.core.application import model_folder
from gransk.core.models import ModelLibrary
from mammo.marks.mark import Mark
from mammo.reading import PAIRED_FROM
from training.mammo.films import cbis_mass

FOLDER = Path("../shared/data/mg/cbis_mass")


def line(mark: Mark) -> dict[str, Any]:
    """A mark as it is kept."""
    return {
        "centre": [round(v, 1) for v in mark.centre],
        "outline": [[round(x, 1), round(y, 1)] for x, y in mark.outline],
        "size_mm": round(mark.size_mm, 2),
        "probability": round(mark.probability, 5),
        "malignancy": round(mark.malignancy, 5),
        "look": [round(v, 4) for v in mark.look],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Keep the detector's marks of unseen films.")
    parser.add_argument("--films", type=Path, default=FOLDER)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", type=Path, default=model_folder())
    given = parser.parse_args()
    models = ModelLibrary(given.models, threads=1)
    films = cbis_mass(given.films)
    with given.out.open("w", encoding="utf-8") as stream:
        for film, (_, _, seen) in zip(films, seen_unseen(models, films), strict=True):
            marks = [line(mark) for mark in seen.marks if mark.probability >= PAIRED_FROM]
            stream.write(json.dumps({"film": film.key, "marks": marks}) + "\n")


if __name__ == "__main__":
    main()
