"""What the other breast tells of a mass, on films of patients who have both breasts in one view.

    python -m bench.mammo.sides [--films FOLDER]

Each film's mass, outlined from its place, is set against the brightest blobs beside it: its
asymmetry against the other breast, and what the same breast alone tells (its brightness over what
is round it). The other breast of these patients holds a mass too, on nearly every film, so that it
is no healthy one. Intervals are 95 % bootstrap, patients drawn with replacement.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gransk.core.errors import RefusalError
from gransk.core.statistics.bootstrap import interval
from gransk.core.statistics.figure import IntArray
from mammo.image.anatomy import find_anatomy
from mammo.image.grid import SPACING_MM, Prepared
from mammo.marks.pairs import brightness
from mammo.marks.sides import NO_COUNTERPART, compare_sides
from mammo.view import Projection
from training.mammo.blobs import blobs, mark_at
from training.mammo.films import Film, cbis_mass
from training.mammo.measures import auc

FOLDER = Path("../shared/data/mg/cbis_mass")
FALSE_MARKS = 3


@dataclass(frozen=True)
class Place:
    """A mass or a blob: its asymmetry, and its brightness over what is round it."""

    patient: str
    mass: bool
    asymmetry: float
    contrast: float


def both_breasts(films: list[Film]) -> list[tuple[Film, Film]]:
    """Left and right film of one patient in one view."""
    by: dict[tuple[str, str], dict[str, Film]] = defaultdict(dict)
    for film in films:
        by[film.patient, film.view][film.side] = film
    return [(by[k]["L"], by[k]["R"]) for k in sorted(by) if set(by[k]) == {"L", "R"}]


def places(left: Film, right: Film) -> tuple[float, list[Place]] | None:
    """The breasts' asymmetry, and that of masses and blobs of both films."""
    prepared = (left.prepared(), right.prepared())
    try:
        sides = compare_sides(*prepared)
    except RefusalError:
        return None
    found = []
    for film, view, of_left in ((left, prepared[0], True), (right, prepared[1], False)):
        for place, mass in _candidates(film, view):
            mark = mark_at(view, place, 0.5)
            asymmetry = None if mark is None else sides.of(mark.outline, of_left)
            if mark is not None and asymmetry is not None:
                contrast, _ = brightness(view, mark.outline)
                found.append(Place(film.patient, mass, asymmetry, contrast))
    return sides.asymmetry, found


def _candidates(film: Film, view: Prepared) -> list[tuple[tuple[float, float], bool]]:
    boxes = film.boxes_on(view)
    masses = [(((b[0] + b[2]) / 2, (b[1] + b[3]) / 2), True) for b in boxes]
    margin = 5 / SPACING_MM
    pectoral = find_anatomy(view, Projection(film.view)).pectoral
    beside = [
        (place, False)
        for place, _ in blobs(view, 3 * FALSE_MARKS, pectoral)
        if not any(
            b[0] - margin <= place[0] <= b[2] + margin
            and b[1] - margin <= place[1] <= b[3] + margin
            for b in boxes
        )
    ]
    return [*masses, *beside[:FALSE_MARKS]]


def main() -> None:
    parser = argparse.ArgumentParser(description="What the other breast tells of a mass.")
    parser.add_argument("--films", type=Path, default=FOLDER)
    pairs = both_breasts(cbis_mass(parser.parse_args().films))
    told = [one for pair in pairs if (one := places(*pair)) is not None]
    rows = [place for _, found in told for place in found]
    whole = np.array([asymmetry for asymmetry, _ in told])
    print(
        f"{len(pairs)} pairs of films of {len({a.patient for a, _ in pairs})} patients, "
        f"{len(told)} laid over each other; asymmetry of the breasts "
        f"{np.median(whole):.3f} (10th to 90th percentile {np.percentile(whole, 10):.3f} to "
        f"{np.percentile(whole, 90):.3f})"
    )
    mass = np.array([r.mass for r in rows])
    who = [r.patient for r in rows]
    print(f"{mass.sum()} masses against {(~mass).sum()} blobs of the same films, AUC by")
    for name in ("asymmetry", "contrast"):
        values = np.array([getattr(r, name) for r in rows])

        def figure(chosen: IntArray, values: np.ndarray = values) -> float:
            return auc(values[chosen], mass[chosen])

        low, high = interval(who, figure)
        print(f"  {name}: {auc(values, mass):.2f} ({low:.2f} to {high:.2f})")
    for name, part in (("masses", mass), ("blobs", ~mass)):
        alone = np.array([r.asymmetry >= NO_COUNTERPART for r in rows])

        def share(chosen: IntArray, part: np.ndarray = part, alone: np.ndarray = alone) -> float:
            inside = chosen[part[chosen]]
            return float(alone[inside].mean()) if len(inside) else float("nan")

        low, high = interval(who, share)
        print(
            f"  {name} of asymmetry {NO_COUNTERPART} or more: {alone[part].mean():.2f} "
            f"({low:.2f} to {high:.2f})"
        )


if __name__ == "__main__":
    main()
