"""How well masses are marked and malignancy is told, on films that no network saw.

    python -m bench.mammo.accuracy --data ../shared/data/mg/cbis_mass

The shipped file holds the networks of five folds of patients; each film is read by the one
that never saw its patient. Intervals draw patients. Every film holds a mass, so nothing here
is an accuracy of screening.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.special import logit

from bench.mammo.reading import read_unseen
from gransk.core.application import model_folder
from gransk.core.models import ModelLibrary
from training.mammo.films import Film, cbis_mass
from training.mammo.measures import (
    Read,
    auc,
    breast_auc,
    by_breast,
    film_auc,
    interval,
    sensitivity,
)

RATES = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
SIZES_MM = ((0, 10), (10, 15), (15, 20), (20, 30), (30, 100))
MARGINS = ("SPICULATED", "ILL_DEFINED", "OBSCURED", "MICROLOBULATED", "CIRCUMSCRIBED")

Measure = Callable[[Sequence[Read]], float]


def figure(reads: Sequence[Read], measure: Measure) -> str:
    """A figure with its interval."""
    low, high = interval(reads, measure)
    return f"{measure(reads):.3f} ({low:.3f} to {high:.3f})"


def froc(reads: Sequence[Read]) -> list[str]:
    """Sensitivity at each rate of false marks, counted on all films.

    The last column leaves marks on benign masses out, as the detector was counted whose figures
    on the official test films are 0.76 of all, 0.86 and 0.49 of malignant masses at 1 and 0.1.
    """
    lines = [f"{'false marks a film':18s}   {'all masses':24s}   {'malignant masses':24s}   "
             "malignant, benign left out"]  # fmt: skip
    for rate in RATES:
        cells = [
            figure(reads, lambda some, r=rate, c=counted: sensitivity(some, r, *c))  # type: ignore[misc]
            for counted in ((False,), (True,), (True, False))
        ]
        lines.append(f"{rate:18g}   " + "   ".join(cells))
    return lines


def areas(reads: Sequence[Read]) -> list[str]:
    """AUC of malignant against benign by film, breast and exam, beside what else tells."""
    assessed = [r for r in reads if r.film.assessment > 0]
    return [
        f"AUC by film    {figure(reads, film_auc)}",
        f"AUC by breast  {figure(reads, breast_auc)}   {len(by_breast(reads)[0])} breasts",
        f"AUC by exam    {figure(reads, exam_auc)}",
        "beside it, by breast:",
        f"  radiologists' BI-RADS  {figure(assessed, other_auc(lambda f: f.assessment))}",
        f"  size of the box        {figure(reads, other_auc(largest_mm))}",
        f"  scanner alone          {figure(reads, scanner_auc)}",
    ]


def exam_auc(reads: Sequence[Read]) -> float:
    """The higher breast of each exam."""
    exams: dict[str, dict[str, list[float]]] = {}
    truth: dict[str, bool] = {}
    for read in reads:
        name = f"{read.film.patient} {read.film.exam}"
        sides = exams.setdefault(name, {})
        sides.setdefault(read.film.side, []).append(float(logit(read.malignancy)))
        truth[name] = truth.get(name, False) or bool(read.film.malignant)
    scores = [max(float(np.mean(v)) for v in one.values()) for one in exams.values()]
    return auc(scores, list(truth.values()))


def other_auc(value: Callable[[Film], float]) -> Measure:
    """AUC by breast of something else that is known of a film."""

    def measure(reads: Sequence[Read]) -> float:
        groups: dict[str, list[Film]] = {}
        for read in reads:
            groups.setdefault(read.film.breast, []).append(read.film)
        scores = [float(np.mean([value(f) for f in films])) for films in groups.values()]
        return auc(scores, [any(f.malignant for f in films) for films in groups.values()])

    return measure


def scanner_auc(reads: Sequence[Read]) -> float:
    """AUC by breast of how often the films of the same scanner are malignant."""
    share = {
        letter: float(np.mean([r.film.malignant for r in reads if r.film.scanner == letter]))
        for letter in {r.film.scanner for r in reads}
    }
    return other_auc(lambda film: share[film.scanner])(reads)


def largest_mm(film: Film) -> float:
    """Longest side of its largest box."""
    return max(max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in film.boxes) * film.spacing_mm


def groups(reads: Sequence[Read]) -> list[str]:
    """Sensitivity at 1 false mark a film and AUC by density, size, margin, assessment, view."""
    kinds: list[tuple[str, Callable[[Film], bool]]] = [
        *((f"density {d}", lambda f, d=d: f.density == d) for d in (1, 2, 3, 4)),
        *((f"{a} to {b} mm", lambda f, a=a, b=b: a <= largest_mm(f) < b) for a, b in SIZES_MM),
        *((m.lower(), lambda f, m=m: m in f.margins) for m in MARGINS),
        ("distortion", lambda f: "DISTORTION" in f.shapes),
        ("asymmetry", lambda f: "ASYMMETRIC" in f.shapes),
        *((f"BI-RADS {a}", lambda f, a=a: f.assessment == a) for a in range(6)),
        *((f"view {v}", lambda f, v=v: f.view == v) for v in ("CC", "MLO")),
        *((f"scanner {s}", lambda f, s=s: f.scanner == s) for s in "ABCD"),
    ]
    lines = [f"{'':16s} films   found at 1 false mark     AUC by film"]
    for name, wanted in kinds:
        some = [r for r in reads if wanted(r.film)]
        if not some:
            continue
        found = figure(some, lambda x: sensitivity(x, 1, malignant=False))
        lines.append(f"{name:16s} {len(some):5d}   {found}   {figure(some, film_auc)}")
    return lines


def calibration(reads: Sequence[Read], parts: int = 10) -> list[str]:
    """Mean probability of malignancy against how many films are malignant, by tenths."""
    order = sorted(reads, key=lambda r: r.malignancy)
    lines = ["tenth   mean probability   malignant"]
    for number, some in enumerate(np.array_split(np.arange(len(order)), parts), 1):
        mean = float(np.mean([order[n].malignancy for n in some]))
        share = float(np.mean([order[n].film.malignant for n in some]))
        lines.append(f"{number:5d}   {mean:16.3f}   {share:9.3f}")
    brier = float(np.mean([(r.malignancy - bool(r.film.malignant)) ** 2 for r in reads]))
    lines.append(f"Brier score {brier:.3f}; of the share of malignant films alone, 0.250 at half")
    return lines


def report(reads: Sequence[Read]) -> str:
    """Everything."""
    patients = len({r.film.patient for r in reads})
    parts = [
        f"{len(reads)} films of {patients} patients, "
        f"{sum(len(r.film.boxes) for r in reads)} masses",
        "",
        *froc(reads),
        "",
        *areas(reads),
        "",
        *groups(reads),
        "",
        *calibration(reads),
    ]
    return "\n".join(parts)


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with films.csv")
    parser.add_argument("--models", type=Path, default=model_folder())
    arguments = parser.parse_args()
    models = ModelLibrary(arguments.models, threads=1)
    print(report(read_unseen(models, cbis_mass(arguments.data))))


if __name__ == "__main__":
    main()
