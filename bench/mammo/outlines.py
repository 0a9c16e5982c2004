"""How outlines agree with those that people drew on the films: the networks' and grey values'.

    python -m bench.mammo.outlines [--films FOLDER] [--count 100] [--folds 0 1] [--greys]

Films with one outlined mass, drawn evenly; each is outlined from a point `JITTER_MM` beside the
middle of its mass, by the networks that never saw its patient (``--greys``: without them), and by
grey values alone. Intervals are 95 % bootstrap, patients drawn with replacement.
"""

from __future__ import annotations

import argparse
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage.draw import polygon2mask

from bench.mammo.labelled import dice
from bench.mammo.reading import members
from gransk.core.application import model_folder
from gransk.core.errors import RefusalError
from gransk.core.models import ModelLibrary
from gransk.core.statistics.bootstrap import interval
from mammo.image.grid import SPACING_MM, BoolArray, FloatArray, Prepared
from mammo.marks.detector import MODEL_IDS, OUTLINE_STRIDE, READ_AT_MM
from mammo.marks.mark import Point
from mammo.marks.outlines import seen_at
from mammo.marks.outlining import diameters_mm, outlined
from training.mammo.films import Film, cbis_mass, folds

FOLDER = Path("../shared/data/mg/cbis_mass")
JITTER_MM = 1.5
Outline = tuple[Point, ...]
Draw = Callable[[Film, Prepared, Point], Outline | None]


@dataclass(frozen=True)
class Drawn:
    """One outline against the film's own.

    Parameters
    ----------
    dice : float
    log_size : float
        Logarithm of its diameter (of a disk of its area) over that of the film's own.
    """

    dice: float
    log_size: float


def against(outline: Outline, mass: BoolArray) -> Drawn:
    """An outline in prepared coordinates against the mass on that grid."""
    corners = np.asarray(outline)[:, ::-1] - 0.5
    filled = polygon2mask(mass.shape, corners)  # type: ignore[no-untyped-call]
    own = 2 * math.sqrt(mass.sum() / math.pi) * SPACING_MM
    return Drawn(dice(filled, mass), math.log(diameters_mm(outline)[1] / own))


def by_greys(film: Film, prepared: Prepared, place: Point) -> Outline | None:
    """By grey values; None where nothing can be outlined."""
    try:
        return outlined(prepared, place)
    except RefusalError:
        return None


class Networks:
    """By the networks that never saw the film's patient; None where they see no mass there."""

    def __init__(self, models: Path, fold: Mapping[str, int]) -> None:
        self._detectors = members(ModelLibrary(models, threads=1))
        self._fold = fold
        # Both exams of a pair are outlined many times.
        self._seen: deque[tuple[Prepared, FloatArray]] = deque(maxlen=2)

    def __call__(self, film: Film, prepared: Prepared, place: Point) -> Outline | None:
        inside = next((maps for of, maps in self._seen if of is prepared), None)
        if inside is None:
            inside = self._detectors[self._fold[film.patient]].maps(prepared).inside
            self._seen.append((prepared, inside))
        corners = seen_at(inside, place, OUTLINE_STRIDE * READ_AT_MM[MODEL_IDS[0]])
        return None if corners is None else tuple((float(x), float(y)) for x, y in corners)


def measured(
    films: Sequence[Film], draws: Sequence[Draw]
) -> Iterator[tuple[Film, list[Drawn | None]]]:
    """Every film by each way of drawing."""
    for n, film in enumerate(films):
        prepared = film.prepared()
        mass = film.outlined(prepared)
        if mass is None or not mass.any():
            continue
        row, column = np.array(ndimage.center_of_mass(mass)) + 0.5
        away = np.random.default_rng(n).normal(0, JITTER_MM / SPACING_MM, 2)
        place = (float(column + away[0]), float(row + away[1]))
        outlines = [draw(film, prepared, place) for draw in draws]
        yield film, [None if one is None else against(one, mass) for one in outlines]


def figures(who: Sequence[str], found: Sequence[Drawn]) -> str:
    """Dice, and how sizes differ."""
    overlap = np.array([one.dice for one in found])
    size = np.array([one.log_size for one in found])
    low, high = interval(list(who), lambda rows: float(overlap[rows].mean()))
    spread = interval(list(who), lambda rows: float(size[rows].std()))
    return (
        f"n {len(found)}, Dice {overlap.mean():.3f} ({low:.3f} to {high:.3f}), logarithm of the "
        f"size's ratio: mean {size.mean():.2f}, standard deviation {size.std():.2f} "
        f"({spread[0]:.2f} to {spread[1]:.2f})"
    )


def main() -> None:
    """Print the agreement."""
    parser = argparse.ArgumentParser(description="Outlines against those that people drew.")
    parser.add_argument("--films", type=Path, default=FOLDER)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--greys", action="store_true", help="grey values alone, no networks")
    parser.add_argument("--models", type=Path, default=model_folder())
    given = parser.parse_args()
    films = cbis_mass(given.films)
    fold = folds(films)
    part = [f for f in films if f.outlines and len(f.boxes) == 1 and fold[f.patient] in given.folds]
    draws: dict[str, Draw] = {"grey values": by_greys}
    if not given.greys:
        draws["networks"] = Networks(given.models, fold)
    step = max(1, len(part) // given.count)
    rows = list(measured(part[::step][: given.count], list(draws.values())))
    print(f"{len(rows)} films of {len({film.patient for film, _ in rows})} patients")
    both = [all(row) for _, row in rows]
    for n, name in enumerate(draws):
        for text, wanted in (("all it draws", [r[n] is not None for _, r in rows]), ("both", both)):
            some = [(f.patient, r[n]) for (f, r), want in zip(rows, wanted, strict=True) if want]
            drawn = [one for _, one in some if one is not None]
            print(f"{name}, {text}: {figures([who for who, _ in some], drawn)}")


if __name__ == "__main__":
    main()
