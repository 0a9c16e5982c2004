"""Exams compared with earlier ones, on made pairs (`bench.mammo.made_pairs`): no real ones are.

    python -m bench.mammo.priors [--films FOLDER] [--pairs 100] [--tune]

Each film with one outlined mass makes one pair. The analysis of either exam is played: it marks
the mass within `JITTER_MM`, but leaves it out of `MISSED` of the exams, and marks the `FALSE_MARKS`
brightest blobs beside it, which no hand changed. ``--tune`` takes films of folds 0 and 1 and prints
what the settings rest on: the repeat error of the diameter, and the second look's weights. Without
it films of the other three folds are compared, by settings that never saw their patients. Intervals
are 95 % bootstrap, patients drawn with replacement.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from bench.mammo.made_pairs import ORDER, Exam, Made, MadePair, made_pair
from gransk.core.errors import RefusalError
from gransk.core.followup import Outcome
from gransk.core.statistics.bootstrap import interval, mean_interval
from mammo.image.grid import SPACING_MM
from mammo.marks.outlining import outlined
from mammo.tracking.change import Growth, told
from mammo.tracking.meeting import Meeting, Row
from mammo.tracking.second_look import look
from mammo.tracking.settings import TrackingSettings
from mammo.tracking.side import Side, Spot
from training.mammo.blobs import blobs, mark_at
from training.mammo.films import Film, cbis_mass, folds

Array = npt.NDArray[np.float64]

FOLDER = Path("../shared/data/mg/cbis_mass")
TUNED = (0, 1)
JITTER_MM, MISSED, FALSE_MARKS = 1.5, 0.15, 2
TUNE_ORDER = (Made.STABLE, Made.NEW, Made.GROWN, Made.GONE, Made.STABLE, Made.GONE)
MASS, FALSE = "1.1", "1.2."
WANTED = {
    Made.STABLE: (Outcome.MATCHED, Growth.STABLE),
    Made.GROWN: (Outcome.MATCHED, Growth.GROWN),
    Made.SHRUNK: (Outcome.MATCHED, Growth.SHRUNK),
    Made.NEW: (Outcome.NEW, None),
    Made.GONE: (Outcome.RESOLVED, None),
}


@dataclass(frozen=True)
class Change:
    """Diameters in the earlier and in the later exam, mm, measured and true."""

    measured: tuple[float, float]
    true: tuple[float, float]
    growth: Growth
    interval: tuple[float, float]

    @property
    def log_error(self) -> float:
        """Of the measured ratio."""
        return math.log(self.measured[1] / self.measured[0]) - math.log(self.true[1] / self.true[0])


@dataclass(frozen=True)
class Result:
    """What was told of one made pair.

    Parameters
    ----------
    mass : Outcome or None
        None where neither analysis marked it.
    unreported : bool
        One of the two analyses had left the mass out.
    change : Change, optional
        Of a matched mass.
    others : tuple of (Outcome, Growth or None)
        Of the marks beside it, each of which is there, unchanged, in both.
    place_mm : Array
        How far from the truth registration puts places of the breast.
    seen : tuple of (likeness, share, there)
        Evidence of the second look at the mass, and at marks beside it.
    """

    film: Film
    made: Made
    mass: Outcome | None
    unreported: bool
    change: Change | None
    others: tuple[tuple[Outcome, Growth | None], ...]
    place_mm: Array
    likeness: float
    seconds: float
    seen: tuple[tuple[float, float, bool], ...] = ()

    def right(self, settings: TrackingSettings) -> bool | None:
        """Was it told right? None where nobody marked the mass, or where it changed by less
        than the growth limit and more than a fourth of it, so that either answer is right."""
        if self.mass is None:
            return None
        outcome, growth = WANTED[self.made]
        if self.change is None:
            return self.mass is outcome and growth is None
        if growth is None or self.mass is not outcome:
            return False
        true = abs(math.log(self.change.true[1] / self.change.true[0]))
        if growth is not Growth.STABLE and true <= settings.log_limit:
            return None
        return self.change.growth is growth


def compared(pair: MadePair, seed: int, settings: TrackingSettings, tune: bool) -> Result | None:
    """Compare one made pair; None where it cannot be laid over each other."""
    rng = np.random.default_rng(seed)
    exams = (pair.earlier, pair.later)
    marks = [_marks(exam, rng) for exam in exams]
    if pair.made is Made.STABLE and not any(m.uid == MASS for side in marks for m in side):
        return None
    start = time.process_time()
    sides = [
        Side.measured(exam.prepared, own, outlined) for exam, own in zip(exams, marks, strict=True)
    ]
    try:
        meeting = Meeting.of(sides[0], sides[1], settings)
    except RefusalError:
        return None
    rows = meeting.rows()
    seconds = time.process_time() - start
    mass = next((r for r in rows if MASS in (_uid(r.pair[0]), _uid(r.pair[1]))), None)
    return Result(
        film=pair.film,
        made=pair.made,
        mass=None if mass is None else mass.outcome,
        unreported=mass is not None and mass.unreported,
        change=_change(mass, exams, settings),
        others=tuple(_other(r, settings) for r in rows if r is not mass),
        place_mm=_away(meeting, pair),
        likeness=meeting.registration.likeness,
        seconds=seconds,
        seen=tuple(_evidence(meeting, pair)) if tune else (),
    )


def _marks(exam: Exam, rng: np.random.Generator) -> list[Spot]:
    found = []
    if exam.mass.any() and rng.random() >= MISSED:
        away = rng.normal(0, JITTER_MM / SPACING_MM, 2)
        mark = mark_at(exam.prepared, (exam.place[0] + away[0], exam.place[1] + away[1]), 0.5)
        if mark is not None:
            found.append(Spot(MASS, mark.centre, mark.outline))
    for place, _ in blobs(exam.prepared, 6):
        # Where a mass was, or is, nothing else is marked.
        if math.dist(place, exam.place) * SPACING_MM < max(15.0, exam.diameter_mm):
            continue
        mark = mark_at(exam.prepared, place, 0.5)
        if mark is not None and len([m for m in found if m.uid != MASS]) < FALSE_MARKS:
            found.append(Spot(f"{FALSE}{len(found)}", mark.centre, mark.outline))
    return found


def _uid(spot: Spot | None) -> str:
    return "" if spot is None else spot.uid


def _change(row: Row | None, exams: tuple[Exam, Exam], settings: TrackingSettings) -> Change | None:
    if row is None or row.outcome is not Outcome.MATCHED or None in row.pair:
        return None
    one, other = row.pair
    if one is None or other is None or min(e.diameter_mm for e in exams) == 0:
        return None
    said = told(one.diameter_mm, other.diameter_mm, settings)
    low, high = said.changes[0].interval or (0.0, 0.0)
    return Change(
        measured=(one.diameter_mm, other.diameter_mm),
        true=(exams[0].diameter_mm, exams[1].diameter_mm),
        growth=said.growth,
        interval=(low, high or 0.0),
    )


def _other(row: Row, settings: TrackingSettings) -> tuple[Outcome, Growth | None]:
    one, other = row.pair
    if row.outcome is not Outcome.MATCHED or one is None or other is None:
        return row.outcome, None
    return row.outcome, told(one.diameter_mm, other.diameter_mm, settings).growth


def _away(meeting: Meeting, pair: MadePair) -> Array:
    first, second = pair.landmarks[:, 0], pair.landmarks[:, 1]
    shown = np.array([meeting.later.covers(place) for place in second])
    apart = (meeting.across(first[shown], 0) - second[shown]) * SPACING_MM
    return np.asarray(np.hypot(apart[:, 0], apart[:, 1]))


def _evidence(meeting: Meeting, pair: MadePair) -> Iterator[tuple[float, float, bool]]:
    """Of the mass, wherever it is there, and of the marks beside it, both ways."""
    exams = (pair.earlier, pair.later)
    for which in (0, 1):
        here, there = meeting.sides[which], meeting.sides[1 - which]
        for spot in here.spots:
            if not there.covers(meeting.across(spot.centre, which)):
                continue
            found = look(spot, here, there, partial(meeting.across, which=which), ())
            present = spot.uid != MASS or bool(exams[1 - which].mass.any())
            yield found.likeness, found.share, present


def results(
    films: Sequence[Film], count: int, settings: TrackingSettings, tune: bool
) -> Iterator[Result]:
    """Made pairs of films, drawn evenly, and what was told of each; for tuning, every other mass
    is taken out of one of the films."""
    order = TUNE_ORDER if tune else ORDER
    step = max(1, len(films) // count)
    for n, film in enumerate(films[::step][:count]):
        made = order[n % len(order)]
        pair = made_pair(film, made, n)
        result = None if pair is None else compared(pair, n, settings, tune)
        if result is not None:
            yield result


def tuned(found: Sequence[Result]) -> None:
    """What the settings rest on."""
    errors = np.array([r.change.log_error for r in found if r.change])
    still = np.array([r.change.log_error for r in found if r.change and r.made is Made.STABLE])
    low, high = np.percentile(errors, (2.5, 97.5))
    print(
        f"logarithm of the diameters' ratio, error: unchanged masses {still.std():.3f} "
        f"(n {len(still)}), all {errors.std():.3f} (n {len(errors)}), 2.5th and 97.5th "
        f"percentile {low:.3f} {high:.3f}"
    )
    rows = [seen for r in found for seen in r.seen]
    x = np.array([(1.0, likeness, share) for likeness, share, _ in rows])
    y = np.array([there for _, _, there in rows], dtype=float)
    # Both kinds weigh alike.
    weight = np.where(y > 0, 0.5 / y.mean(), 0.5 / (1 - y.mean()))

    def loss(b: Array) -> float:
        z = x @ b
        return float((weight * (np.logaddexp(0, z) - y * z)).sum() + 0.05 * (b[1:] ** 2).sum())

    constant, likeness, share = minimize(loss, np.zeros(3), method="BFGS").x
    print(
        f"second look ({int(y.sum())} there, {int((1 - y).sum())} not): CONSTANT {constant:.2f}, "
        f"LIKENESS {likeness:.2f}, BRIGHTNESS {share:.2f}"
    )
    for there in (True, False):
        part = np.array([(a, b) for a, b, t in rows if t is there])
        print(
            f"  {'there' if there else 'not'}: likeness {np.percentile(part[:, 0], (10, 50, 90))}"
            f", share {np.percentile(part[:, 1], (10, 50, 90))}"
        )


def _line(found: Sequence[Result], text: str, value: Callable[[Result], float | None]) -> None:
    rows = [(r.film.patient, v) for r in found if (v := value(r)) is not None]
    if not rows:
        print(f"{text}: none")
        return
    values = np.array([v for _, v in rows], dtype=float)
    low, high = mean_interval([who for who, _ in rows], values)
    print(f"{text}: {values.mean():.2f} ({low:.2f} to {high:.2f}; n {len(values)})")


def told_of(found: Sequence[Result], settings: TrackingSettings) -> None:
    """How well pairs are told."""
    away = [r.place_mm for r in found]
    every = np.concatenate(away)
    who = np.concatenate([[r.film.patient] * len(a) for r, a in zip(found, away, strict=True)])
    low, high = interval(list(who), lambda rows: float(np.median(every[rows])))
    print(
        f"{len(found)} made pairs of {len({r.film.patient for r in found})} patients; places of "
        f"the breast come to lie {np.median(every):.1f} mm ({low:.1f} to {high:.1f}) from the "
        f"truth in the median, {np.percentile(every, 90):.1f} mm at the 90th percentile"
    )
    percent = 100 * (math.exp(settings.log_limit) - 1)
    print(f"growth limit {percent:.0f} % of the diameter (repeat error {settings.repeat_error})")
    _line(found, "told right, all", lambda r: _number(r.right(settings)))
    for made in Made:
        some = [r for r in found if r.made is made]
        _line(some, f"  {made}", lambda r: _number(r.right(settings)))
        print(f"    {_counts(some)}")
    missed = [r for r in found if r.made in (Made.STABLE, Made.GROWN, Made.SHRUNK)]
    _line(
        [r for r in missed if r.unreported],
        "  masses that one analysis left out, seen by the second look",
        lambda r: float(r.mass is Outcome.MATCHED),
    )
    _line(
        [r for r in found if r.made is Made.STABLE and r.change],
        "false growth of unchanged masses",
        lambda r: float(r.change is not None and r.change.growth is Growth.GROWN),
    )
    _line(
        [r for r in found if r.change],
        "intervals of the change that hold the true one",
        lambda r: _held(r.change),
    )
    for text, kinds in (
        ("marks beside the mass told new or gone", (Outcome.NEW, Outcome.RESOLVED)),
        ("marks beside the mass left open", (Outcome.UNCERTAIN,)),
    ):
        _line(found, text, partial(_part, kinds=kinds))
    _line(found, "marks beside the mass told grown, of those matched", _grown)
    print(
        "one view compared: "
        f"{np.median([r.seconds for r in found]):.2f} s of processor time in the median, "
        f"{np.max([r.seconds for r in found]):.2f} s at most"
    )


def _number(value: bool | None) -> float | None:
    return None if value is None else float(value)


def _held(change: Change | None) -> float | None:
    if change is None:
        return None
    true = change.true[1] - change.true[0]
    return float(change.interval[0] <= true <= change.interval[1])


def _part(result: Result, kinds: tuple[Outcome, ...]) -> float | None:
    rows = [outcome in kinds for outcome, _ in result.others]
    return float(np.mean(rows)) if rows else None


def _grown(result: Result) -> float | None:
    rows = [g is Growth.GROWN for o, g in result.others if o is Outcome.MATCHED]
    return float(np.mean(rows)) if rows else None


def _counts(found: Sequence[Result]) -> str:
    names = [
        "not marked" if r.mass is None
        else f"{r.mass}, {r.change.growth}" if r.change else str(r.mass)
        for r in found
    ]  # fmt: skip
    return ", ".join(f"{name} {names.count(name)}" for name in sorted(set(names)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Comparisons with earlier exams, on made pairs.")
    parser.add_argument("--films", type=Path, default=FOLDER)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--tune", action="store_true")
    given = parser.parse_args()
    films = [f for f in cbis_mass(given.films) if f.outlines and len(f.boxes) == 1]
    fold = folds(films)
    part = [f for f in films if (fold[f.patient] in TUNED) is given.tune]
    settings = TrackingSettings()
    found = list(results(part, given.pairs, settings, given.tune))
    print("MADE pairs: one real film and its altered copy; no real prior exam")
    if given.tune:
        tuned(found)
    told_of(found, settings)


if __name__ == "__main__":
    main()
