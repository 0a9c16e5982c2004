"""How well the detector tells shape and margin of a mass that it marked.

    python -m bench.mammo.signs --data ../shared/data/mg/cbis_mass [--folds N] [--most N]

Films of one mass of which readers noted shape or margin, each read by the network that never saw
its patient; the mark is the most probable one whose centre lies in the mass's box. For each word:
the AUC against the readers' own, how often readers say it, and, where the page tells it
(`mammo.marks.signs.told`), how often readers said it too. Intervals are 95 % bootstrap, patients
drawn with replacement. Readers differ in these words too: one reader's word is no truth.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from bench.mammo.reading import marked, members
from gransk.core.application import model_folder
from gransk.core.models import ModelLibrary
from gransk.core.statistics.bootstrap import interval
from gransk.core.statistics.figure import FloatArray, IntArray
from mammo.image.grid import BoolArray
from mammo.marks.signs import SHAPES, told
from training.mammo.films import FOLDS, SIGNS, Film, cbis_mass, folds
from training.mammo.measures import auc

MARGINS = ("spiculated", "ill_defined", "obscured", "microlobulated", "circumscribed")
"""Told or not."""


@dataclass(frozen=True)
class Described:
    """A mass that was marked: what readers said of it, and what the detector says.

    Parameters
    ----------
    patient : str
    readers : frozenset of str
        Words that readers used.
    signs : mapping of str to float
        Probability of each word.
    """

    patient: str
    readers: frozenset[str] = field(repr=False)
    signs: Mapping[str, float] = field(repr=False)


def described(
    models: ModelLibrary, films: Sequence[Film], wanted: Sequence[Film]
) -> list[Described]:
    """Marked masses among the wanted films; folds are those of all ``films``."""
    fold, detectors = folds(films), members(models)
    found = []
    for film in wanted:
        prepared = film.prepared()
        seen = detectors[fold[film.patient]].detect(prepared, 0)
        marks = marked(film, prepared, seen).marks
        hit = next((n for n, mark in enumerate(marks) if mark.hits is not None), None)
        if hit is not None:
            said = frozenset(name for name, yes in zip(SIGNS, film.signs, strict=True) if yes)
            found.append(Described(film.patient, said, seen.signs[hit]))
    return found


def report(masses: Sequence[Described]) -> list[str]:
    """A line a word."""
    who = [one.patient for one in masses]
    lines = ["word             readers   AUC                      told   readers said it too"]
    for name in (*SHAPES, *MARGINS):
        said = np.array([name in one.readers for one in masses])
        odds = np.array([one.signs[name] for one in masses])
        shown = np.array([name in told(one.signs).values() for one in masses])
        area = _figure(who, partial(_area, odds, said))
        right = _figure(who, partial(_right, shown, said))
        lines.append(f"{name:15s} {said.mean():8.2f}   {area:22s} {shown.sum():6d}   {right}")
    return lines


def _area(odds: FloatArray, said: BoolArray, rows: IntArray) -> float:
    return auc(odds[rows], said[rows])


def _right(shown: BoolArray, said: BoolArray, rows: IntArray) -> float:
    """Of the masses of which the word is told, the share of which readers said it."""
    some = said[rows][shown[rows]]
    return float(some.mean()) if len(some) else float("nan")


def _figure(who: Sequence[str], figure: Callable[[IntArray], float]) -> str:
    value = figure(np.arange(len(who)))
    if np.isnan(value):
        return "-"
    low, high = interval(who, figure)
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with films.csv")
    parser.add_argument("--models", type=Path, default=model_folder())
    parser.add_argument("--folds", type=int, default=FOLDS, help="of the first folds alone")
    parser.add_argument("--most", type=int, default=None, help="at most so many films")
    given = parser.parse_args()
    films = cbis_mass(given.data)
    fold = folds(films)
    wanted = [
        film
        for film in films
        if film.described and len(film.boxes) == 1 and fold[film.patient] < given.folds
    ][: given.most]
    masses = described(ModelLibrary(given.models, threads=1), films, wanted)
    print(f"{len(wanted)} films, {len(masses)} masses marked")
    print("\n".join(report(masses)))


if __name__ == "__main__":
    main()
