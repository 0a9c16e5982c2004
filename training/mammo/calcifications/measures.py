"""How well clusters are found: by contrast and size, against false marks on films as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gransk.core.statistics import bootstrap
from mammo.image.grid import SPACING_MM
from mammo.marks.calcifications import Calcifications
from mammo.marks.mark import Mark
from training.mammo.calcifications.insertion import Planted, generator, scene
from training.mammo.films import Box, Film

RATES = (0.1, 0.25, 0.5, 1.0)
"""False marks a film."""
OPERATING_RATE = 0.25
GROW_MM = 2.0
CLUSTERS, LONE = 2, 2
UNSEEN = 1000
"""Added to the seed: other clusters than those that were trained on."""
CONTRASTS = (0.0, 1.0, 2.0, 4.0, 8.0, np.inf)
SPECK_SIZES_MM = (0.0, 0.25, 0.35, np.inf)
SIZES_MM = (0.0, 5.0, 10.0, np.inf)


@dataclass(frozen=True)
class Target:
    """A cluster that ought to be found.

    Parameters
    ----------
    probability : float
        Of the best mark on it; 0 where there is none.
    size_mm : float
    marked_mm : float
        Size of that mark; NaN where there is none.
    groups : tuple of str
        Names of the groups that it counts in.
    """

    probability: float
    size_mm: float
    marked_mm: float
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Read:
    """What was found on one film by a network that never saw its patient.

    Parameters
    ----------
    patient : str
    false : tuple of float
        Probabilities of marks where nobody said that there is a cluster.
    targets : tuple of Target
    """

    patient: str
    false: tuple[float, ...]
    targets: tuple[Target, ...]


def simulated(
    films: Iterable[Film],
    fold: Mapping[str, int],
    finders: Sequence[Calcifications],
    seed: int,
) -> list[Read]:
    """Each film as it is, for false marks, and once more with clusters in it.

    Films of folds that have no network are left out. Calcifications that really are in these
    films, and dust, are labelled by nobody: marks on them count as false.
    """
    reads = []
    for film in films:
        if fold[film.patient] >= len(finders):
            continue
        finder = finders[fold[film.patient]]
        false = tuple(m.probability for m in finder.detect(film.prepared(), 0))
        made = scene(film, CLUSTERS, LONE, generator(seed + UNSEEN, film.key))
        marks = finder.detect(made.prepared, 0)
        targets = tuple(
            target(marks, _box(p), p.size_mm, simulated_groups(p)) for p in made.planted
        )
        reads.append(Read(film.patient, false, targets))
    return reads


def real(films: Iterable[Film], finder: Calcifications) -> list[Read]:
    """Films with outlined calcifications; each box is a target, marks elsewhere are false."""
    reads = []
    for film in films:
        prepared = film.prepared()
        marks = finder.detect(prepared, 0)
        boxes = film.boxes_on(prepared)
        targets = tuple(
            target(marks, b, max(b[2] - b[0], b[3] - b[1]) * SPACING_MM, real_groups(film))
            for b in boxes
        )
        false = tuple(m.probability for m in marks if not any(on(m, b) for b in boxes))
        reads.append(Read(film.patient, false, targets))
    return reads


def target(marks: Sequence[Mark], box: Box, size_mm: float, groups: tuple[str, ...]) -> Target:
    """The best mark on a cluster."""
    hits = [m for m in marks if on(m, box)]
    best = max(hits, key=lambda m: m.probability, default=None)
    if best is None:
        return Target(0.0, size_mm, float("nan"), groups)
    return Target(best.probability, size_mm, best.size_mm, groups)


def on(mark: Mark, box: Box) -> bool:
    """Does the middle of a mark lie in the box, grown by `GROW_MM`?"""
    grow = GROW_MM / SPACING_MM
    x, y = mark.centre
    return box[0] - grow <= x <= box[2] + grow and box[1] - grow <= y <= box[3] + grow


def _box(planted: Planted) -> Box:
    (x0, y0), (x1, y1) = planted.places.min(axis=0), planted.places.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def simulated_groups(planted: Planted) -> tuple[str, ...]:
    """Groups of a simulated cluster, the first as the card's headline."""
    one = planted.cluster
    groups = [
        "all",
        between("contrast", planted.shown, CONTRASTS, ""),
        between("mean speck", one.mean_mm, SPECK_SIZES_MM, " mm"),
        between("extent", planted.size_mm, SIZES_MM, " mm"),
        str(one.shape).replace("_", " "),
        str(one.distribution) + " distribution",
    ]
    if planted.shown >= CONTRASTS[2]:
        groups.insert(1, f"contrast from {CONTRASTS[2]:g}")
    return tuple(groups)


def real_groups(film: Film) -> tuple[str, ...]:
    """Groups of a real one."""
    known = {True: "malignant", False: "benign", None: "pathology unknown"}
    return ("all", known[film.malignant], f"density {film.density or 'unknown'}")


def between(name: str, value: float, limits: Sequence[float], unit: str) -> str:
    """The name of the interval that a value lies in."""
    n = int(np.searchsorted(limits, value, side="right")) - 1
    low, high = limits[n], limits[n + 1]
    return f"{name} {low:g} to {high:g}{unit}" if high < np.inf else f"{name} from {low:g}{unit}"


def threshold_for(reads: Sequence[Read], rate: float) -> float:
    """The least threshold with at most ``rate`` false marks a film."""
    false = np.sort([p for read in reads for p in read.false])[::-1]
    allowed = int(rate * len(reads))
    return float(false[allowed]) if allowed < len(false) else 0.0


def sensitivity(reads: Sequence[Read], threshold: float, group: str) -> float:
    """Share of a group's clusters with a mark above the threshold."""
    found = [t.probability > threshold for r in reads for t in r.targets if group in t.groups]
    return float(np.mean(found)) if found else float("nan")


def interval(
    reads: Sequence[Read], measure: Callable[[Sequence[Read]], float], seed: int = 1
) -> tuple[float, float]:
    """95 % interval by drawing patients with replacement."""
    return bootstrap.interval(
        [read.patient for read in reads], lambda rows: measure([reads[n] for n in rows]), seed
    )


@dataclass(frozen=True)
class Row:
    """One figure."""

    measure: str
    value: float
    interval: tuple[float, float]
    cases: int


def rows(reads: Sequence[Read], threshold: float | None, kind: str) -> list[Row]:
    """Every figure: at rates of false marks, then by group at the operating point.

    Parameters
    ----------
    reads : sequence of Read
    threshold : float, optional
        Of the operating point; that of `OPERATING_RATE` on these films where not given.
    kind : str
        ``simulated`` or ``real``: the first word of every measure.
    """
    count = {name: 0 for read in reads for t in read.targets for name in t.groups}
    for read in reads:
        for one in read.targets:
            for name in one.groups:
                count[name] += 1
    headlines = [n for n in count if n == "all" or n.startswith(f"contrast from {CONTRASTS[2]:g}")]
    told = []
    for rate in RATES:
        for name in headlines:

            def at_rate(some: Sequence[Read], rate: float = rate, name: str = name) -> float:
                return sensitivity(some, threshold_for(some, rate), name)

            title = f"{kind} clusters found, {name}, at {rate:g} false marks a film"
            told.append(Row(title, at_rate(reads), interval(reads, at_rate), count[name]))
    limit = threshold_for(reads, OPERATING_RATE) if threshold is None else threshold

    def false(some: Sequence[Read]) -> float:
        return sum(p > limit for read in some for p in read.false) / max(1, len(some))

    title = f"{kind}: false marks a film at the operating point"
    told.append(Row(title, false(reads), interval(reads, false), len(reads)))
    for name in sorted(count):

        def at_limit(some: Sequence[Read], name: str = name) -> float:
            return sensitivity(some, limit, name)

        title = f"{kind} clusters found, {name}, at the operating point"
        told.append(Row(title, at_limit(reads), interval(reads, at_limit), count[name]))
    told.append(_sizes(reads, limit, kind))
    return told


def _sizes(reads: Sequence[Read], limit: float, kind: str) -> Row:
    def error(some: Sequence[Read]) -> float:
        off = [
            abs(t.marked_mm - t.size_mm)
            for read in some
            for t in read.targets
            if t.probability > limit
        ]
        return float(np.median(off)) if off else float("nan")

    found = sum(t.probability > limit for read in reads for t in read.targets)
    title = f"{kind}: median error of a found cluster's size, mm"
    return Row(title, error(reads), interval(reads, error), found)
