"""Figures of a run, with intervals: exact for shares, by drawn women for what is paired."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bench.programme.running import NAMES, Run
from gransk.core.statistics.bootstrap import ratio_interval
from gransk.core.statistics.figure import BoolArray, Figure, FloatArray
from gransk.core.statistics.shares import proportion

PERCENT, PER_1000 = 100, 1000


class Figures(NamedTuple):
    """What a policy did.

    Parameters
    ----------
    recall, arbitration, alone : Figure
        Percent of the exams; ``alone``: read by one person first.
    detection : Figure
        Per 1,000 exams.
    sensitivity, ppv : Figure, optional
        Percent of the cancers, and of the recalls; None where there are none.
    readings : Figure
        By people, per exam.
    """

    recall: Figure
    detection: Figure
    sensitivity: Figure | None
    ppv: Figure | None
    arbitration: Figure
    alone: Figure
    readings: Figure


class Changes(NamedTuple):
    """Against double reading of the same women, exam by exam.

    Parameters
    ----------
    recall : Figure
        Percentage points.
    detection : Figure
        Per 1,000 exams.
    detected_share, readings : Figure
        Percent of what double reading detected, and read.
    """

    recall: Figure
    detection: Figure
    detected_share: Figure
    readings: Figure


def figures(run: Run, among: BoolArray | None = None) -> Figures:
    """Figures of a run, of some of its exams where they are given."""
    chosen = np.ones(run.programme.women, dtype=bool) if among is None else among
    recalled, cancer = run.recalled[chosen], run.programme.cancer[chosen]
    exams, found = len(recalled), int((recalled & cancer).sum())
    readings = run.readings[chosen].astype(float)
    return Figures(
        recall=proportion(int(recalled.sum()), exams).times(PERCENT),
        detection=proportion(found, exams).times(PER_1000),
        sensitivity=_share(found, int(cancer.sum())),
        ppv=_share(found, int(recalled.sum())),
        arbitration=proportion(int(run.arbitrated[chosen].sum()), exams).times(PERCENT),
        alone=proportion(int(run.alone[chosen].sum()), exams).times(PERCENT),
        readings=_ratio(readings, np.ones(exams)),
    )


def changes(run: Run, double: Run) -> Changes:
    """What differs from double reading."""
    women = np.ones(run.programme.women)
    found = (run.recalled & run.programme.cancer).astype(float)
    had = (double.recalled & run.programme.cancer).astype(float)
    recalled = run.recalled.astype(float) - double.recalled
    read, had_read = run.readings.astype(float), double.readings.astype(float)
    return Changes(
        recall=_ratio(recalled, women).times(PERCENT),
        detection=_ratio(found - had, women).times(PER_1000),
        detected_share=_ratio(found - had, had).times(PERCENT),
        readings=_ratio(read - had_read, had_read).times(PERCENT),
    )


def readings_by_person(run: Run) -> list[int]:
    """How many first reads and arbitrations each reader had."""
    all_of_them = np.concatenate([run.first, run.second, run.third])
    counted = np.bincount(all_of_them[all_of_them >= 0], minlength=len(NAMES))
    return [int(count) for count in counted]


def _share(hits: int, cases: int) -> Figure | None:
    return proportion(hits, cases).times(PERCENT) if cases else None


def _ratio(numerator: FloatArray, denominator: FloatArray) -> Figure:
    women = [f"{n:07d}" for n in range(len(numerator))]
    low, high = ratio_interval(women, numerator, denominator)
    return Figure(float(numerator.sum() / denominator.sum()), low, high)
