"""By what exams are counted apart, and which small counts are not shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum

from gransk.reading.past import PastExam

UNKNOWN = "unknown"
AGE_BANDS = ((0, 49, "under 50"), (50, 54, "50-54"), (55, 59, "55-59"), (60, 64, "60-64"),
             (65, 69, "65-69"), (70, 130, "70 and over"))  # fmt: skip
LEAST_SHOWN = 5
"""Counts from 1 up to below this could point at single women."""


class Dimension(StrEnum):
    """By what exams may be counted apart."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    UNIT = "unit"
    READER = "reader"
    """Each person's first opinions; an exam counts for each of its readers."""
    AGE = "age"
    DENSITY = "density"
    EQUIPMENT = "equipment"
    POLICY = "policy"
    MODEL = "model"


def group_of(exam: PastExam, dimension: Dimension) -> tuple[str, ...]:
    """Groups that an exam belongs to: one, or one for each of its readers."""
    if dimension is Dimension.READER:
        return tuple(read.reader or UNKNOWN for read in exam.reads)
    return (str(_NAMES[dimension](exam)),)


_NAMES: Mapping[Dimension, Callable[[PastExam], str]] = {
    Dimension.MONTH: lambda exam: f"{exam.date:%Y-%m}",
    Dimension.QUARTER: lambda exam: f"{exam.date:%Y}-Q{(exam.date.month + 2) // 3}",
    Dimension.YEAR: lambda exam: f"{exam.date:%Y}",
    Dimension.UNIT: lambda exam: exam.unit,
    Dimension.AGE: lambda exam: age_band(exam.age),
    Dimension.DENSITY: lambda exam: exam.density or UNKNOWN,
    Dimension.EQUIPMENT: lambda exam: exam.equipment or UNKNOWN,
    Dimension.POLICY: lambda exam: (
        f"{exam.policy} {exam.policy_version}" if exam.policy else UNKNOWN
    ),
    Dimension.MODEL: lambda exam: (exam.ai.model if exam.ai is not None else "") or UNKNOWN,
}


def grouped(exams: Iterable[PastExam], dimension: Dimension) -> dict[str, list[PastExam]]:
    """Exams by group, groups in order."""
    found: dict[str, list[PastExam]] = {}
    for exam in exams:
        for name in group_of(exam, dimension):
            found.setdefault(name, []).append(exam)
    return dict(sorted(found.items()))


def by_round(exams: Iterable[PastExam]) -> dict[str, list[PastExam]]:
    """Exams of first rounds, of later ones, and of those that nobody told: never together."""
    found: dict[str, list[PastExam]] = {}
    for exam in exams:
        found.setdefault(exam.round or UNKNOWN, []).append(exam)
    return {str(name): found[name] for name in sorted(found)}


def age_band(age: int | None) -> str:
    """Band of five years within the screening's ages."""
    if age is None:
        return UNKNOWN
    return next(name for low, high, name in AGE_BANDS if low <= age <= high)


def shown(counts: Sequence[int], least: int = LEAST_SHOWN) -> tuple[int | None, ...]:
    """Counts of one table whose total is shown; None where one is kept back.

    Kept back are counts from 1 up to below ``least``; where that is one alone, the next smallest
    too, since the total would give it away.
    """
    hidden = {n for n, count in enumerate(counts) if 0 < count < least}
    others = [n for n, count in enumerate(counts) if count >= least]
    if len(hidden) == 1 and others:
        hidden.add(min(others, key=lambda n: counts[n]))
    return tuple(None if n in hidden else count for n, count in enumerate(counts))
