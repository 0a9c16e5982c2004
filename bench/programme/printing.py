"""What `python -m bench.programme` prints."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from bench.programme import sources
from bench.programme.figures import Changes, Figures, figures, readings_by_person
from bench.programme.past import would_be
from bench.programme.policies import DOUBLE
from bench.programme.running import Run
from bench.programme.women import (
    NODES,
    READER_LIMIT,
    ai,
    arbiters,
    mean_over_cases,
    reader_curves,
    readers,
)
from gransk.core.statistics.figure import Figure
from gransk.reading.simulation.figures import Bounds

WIDE = 42
MASAI = ("triage, double from 10", "triage, double from 10, marks followed")
FIRST = "triage, double from 6"
TWICE = "triage, double from 8, recalls arbitrated"
CAPITAL = ("triage, double from 8", "triage, double from 8, marks followed")
REPLACED = "replace reader, its specificity"
TOP_TENTH = 0.1


def text(figure: Figure | None, digits: int = 2) -> str:
    """A figure with its interval."""
    if figure is None:
        return "none"
    return f"{figure.value:.{digits}f} ({figure.low:.{digits}f} to {figure.high:.{digits}f})"


def signed(figure: Figure, digits: int = 2) -> str:
    """A difference with its interval."""
    low, high = f"{figure.low:+.{digits}f}", f"{figure.high:+.{digits}f}"
    return f"{figure.value:+.{digits}f} ({low} to {high})"


def print_model() -> None:
    """Readers and AI as they were made, and what they were not fitted to."""
    curves = reader_curves()
    areas = [curve.area for curve in curves]
    reached = [100 * curve.sensitivity(READER_LIMIT) for curve in curves]
    observer = ai(1 - sources.READER_SPECIFICITY)
    print("observers: area under the ROC curve, sensitivity in percent at 97.8 % specificity")
    mean = f"{np.mean(reached):.1f} in the mean, {min(reached):.1f} to {max(reached):.1f}"
    print(f"  {len(curves)} readers, areas {min(areas):.3f} to {max(areas):.3f}; {mean}")
    print(f"  AI {observer.curve.area:.3f}; {100 * observer.curve.sensitivity(observer.limit):.1f}")
    third = arbiters()[0]
    gain = third.curve.a - readers()[0].curve.a
    print(f"  third reader: recalls from {third.limit:.2f} where a first reader does from "
          f"{READER_LIMIT:.2f}; the curve's intercept {gain:+.2f}")  # fmt: skip
    print("what the model was not fitted to: in the model, published")
    for check, value in checks():
        print(f"  {check.what:<66} {value:5.1f} {check.published:5.1f}  {check.source}")


def checks() -> list[tuple[sources.Check, float]]:
    """Figures of the model beside published ones, in percent; by quadrature, no draw."""
    sick = [one.recalls(NODES, cancer=True) for one in readers()]
    healthy = readers()[0].recalls(NODES, cancer=False)
    top = ai(TOP_TENTH).recalls(NODES, cancer=True)
    pairs = list(combinations(sick, 2))
    one_of_two = np.mean([mean_over_cases(a + b - 2 * a * b) for a, b in pairs])
    neither = np.mean([mean_over_cases((1 - a) * (1 - b)) for a, b in pairs])
    neither_top = np.mean([mean_over_cases((1 - a) * (1 - b) * top) for a, b in pairs])
    detected = sources.SHARE_FIRST * sources.DETECTED_FIRST
    detected += (1 - sources.SHARE_FIRST) * sources.DETECTED_LATER
    cancers = detected / sources.DOUBLE_SENSITIVITY
    of_all = (1 - cancers) * mean_over_cases(2 * healthy * (1 - healthy)) + cancers * one_of_two
    return [
        (sources.ONE_OF_TWO_CANCER, float(100 * one_of_two)),
        (sources.ONE_OF_TWO, float(100 * of_all)),
        (sources.ONE_OF_TWO_NORWAY, float(100 * of_all)),
        (sources.AI_TOP_TENTH, 100 * mean_over_cases(top)),
        (sources.AI_TOP_TENTH_NEITHER, float(100 * neither_top / neither)),
    ]


def print_figures(found: Mapping[str, Figures]) -> None:
    """One line a policy."""
    print("\nby policy (95 % intervals)")
    heads = ("recall, %", "detection, /1,000", "sensitivity, %", "PPV, %", "arbitration, %",
             "one reader, %", "readings an exam")  # fmt: skip
    print(f"  {'':<{WIDE}}" + "".join(f"{head:<24}" for head in heads))
    for name, one in found.items():
        cells = (
            text(one.recall), text(one.detection), text(one.sensitivity, 1), text(one.ppv, 1),
            text(one.arbitration), text(one.alone, 1), text(one.readings, 3),
        )  # fmt: skip
        print(f"  {name:<{WIDE}}" + "".join(f"{cell:<24}" for cell in cells).rstrip())


def print_changes(change: Mapping[str, Changes]) -> None:
    """Against double reading of the same women."""
    print("\nagainst double reading, the same women and readers (women drawn 1,000 times)")
    heads = ("recall, points", "detection, /1,000", "cancers detected, %", "readings, %")
    print(f"  {'':<{WIDE}}" + "".join(f"{head:<26}" for head in heads))
    for name, one in change.items():
        cells = (signed(one.recall), signed(one.detection), signed(one.detected_share, 1),
                 signed(one.readings, 1))  # fmt: skip
        print(f"  {name:<{WIDE}}" + "".join(f"{cell:<26}" for cell in cells).rstrip())


def print_rounds(runs: Mapping[str, Run]) -> None:
    """First and later rounds, always apart."""
    print("\nfirst and later rounds: recall in %, detection per 1,000")
    for name, run in runs.items():
        parts = [figures(run, mask) for mask in (run.programme.first, ~run.programme.first)]
        cells = [f"{text(one.recall)}, {text(one.detection, 1)}" for one in parts]
        print(f"  {name:<{WIDE}}" + "".join(f"{cell:<44}" for cell in cells).rstrip())


def print_people(runs: Mapping[str, Run]) -> None:
    """What the draw made of the work."""
    print("\nreads and arbitrations by person, fewest and most; exams not decided")
    for name, run in runs.items():
        counted = readings_by_person(run)
        print(f"  {name:<{WIDE}}{min(counted)} to {max(counted)}; {int((~run.decided).sum())}")


def print_simulator(runs: Mapping[str, Run]) -> None:
    """What the site's simulator says from the double reading alone, beside what happened."""
    print("\nthe simulator, from the double reading of later rounds: low to high; likely; came out")
    double = runs[DOUBLE.name]
    later = ~double.programme.first
    for name in (REPLACED, MASAI[0], CAPITAL[0]):
        found = would_be(double, runs[name].simulated).rounds["later"].would_be
        came = figures(runs[name], later)
        print(f"  {name}")
        for what, bounds, factor, figure in (
            ("recall, %", found.recall, 100, came.recall),
            ("arbitration, %", found.arbitration, 100, came.arbitration),
            ("readings an exam", found.readings, 1, came.readings),
        ):
            print(f"    {what:<{WIDE - 2}}{_bounds(bounds, factor)}; {figure.value:.3f}")


def _bounds(bounds: Bounds, factor: float) -> str:
    likely = "none" if bounds.likely is None else f"{factor * bounds.likely:.3f}"
    return f"{factor * bounds.low.value:.3f} to {factor * bounds.high.value:.3f}; {likely}"


def print_published(found: Mapping[str, Figures], change: Mapping[str, Changes]) -> None:
    """Published figures, and the simulated ones that they are laid beside."""
    print("\nbeside published figures: recall %, detection per 1,000, PPV %, arbitration %, "
          "readings against double reading %")  # fmt: skip
    for one in sources.PUBLISHED:
        values = (one.recall, one.detection, one.ppv, one.arbitration, one.readings)
        print(f"  {one.name:<{WIDE}}{_row(values)}  {one.source}")
    for name in (DOUBLE.name, *MASAI, FIRST, *CAPITAL, TWICE, REPLACED):
        figure = found[name]
        saved = change[name].readings.value if name in change else None
        ppv = None if figure.ppv is None else figure.ppv.value
        values = (figure.recall.value, figure.detection.value, ppv, figure.arbitration.value,
                  saved)  # fmt: skip
        print(f"  {name:<{WIDE}}{_row(values)}  simulated")


def _row(values: tuple[float | None, ...]) -> str:
    return "".join(f"{'-':>8}" if value is None else f"{value:8.2f}" for value in values)


def print_notes(found: Mapping[str, Figures], change: Mapping[str, Changes]) -> None:
    """Where the simulated figures differ from the published ones, and why."""
    plain, followed = (change[name] for name in MASAI)
    capital, moved = (change[name] for name in CAPITAL)
    first, single = change[FIRST], found[MASAI[0]].alone.value
    double, twice = found[DOUBLE.name].arbitration.value, found[TWICE].arbitration.value
    notes = (
        f"Readings. MASAI -44.3 %; here {signed(plain.readings, 1)} %. One person reads "
        f"{single:.1f} % of the exams: nine of ten, less those without adequate image data. "
        f"Copenhagen -33.5 % while two people read from score 6 and later from 8; here "
        f"{signed(first.readings, 1)} and {signed(capital.readings, 1)} %. A tenth of the healthy "
        f"has each score here, which nobody promises of a site's women.",
        f"Detection. MASAI +20 % (6.1 for 5.1), Copenhagen +17 % (8.2 for 7.0). Here "
        f"{signed(plain.detected_share, 1)} % where marks move nobody, and "
        f"{signed(followed.detected_share, 1)} % where readers go half by them (double from 10); "
        f"{signed(capital.detected_share, 1)} and {signed(moved.detected_share, 1)} % double "
        f"from 8. Sparing a reading finds nothing. What the trials gained beyond marks is not in "
        f"the model: readers knew the score, could look longer where it was high, and settled "
        f"differences knowing it. Copenhagen compares two years, not two groups of women.",
        f"Recall. MASAI 2.2 for 2.0 %, Copenhagen 2.46 for 3.09 %. Here "
        f"{signed(plain.recall)} and {signed(followed.recall)} points (double from 10), "
        f"{signed(capital.recall)} and {signed(moved.recall)} (double from 8). A simulated "
        f"reader's limit never moves: marks add recalls where they are shown, and a low score "
        f"takes none away. What does is a second look at each recall of one person: "
        f"{signed(change[TWICE].recall)}.",
        f"Arbitration. Norway 8.8 % of double reading, 7.2 % double from 8; here {double:.2f} % "
        f"and {found[CAPITAL[0]].arbitration.value:.2f} %, with every recall of one person "
        f"looked at again, as there, {twice:.2f} %. First readers in Norway pick 5.8 % of the "
        f"exams, here 2.2 % of the healthy as in Southern Denmark.",
        "What no figure here can show: readers who grow used to scores, cancers by size and "
        "stage, and what a model's ROC curve is at a site. For that a site has its local "
        "validation.",
    )
    print("\nwhere it differs from what was published, and why")
    for note in notes:
        print(f"  - {note}")
