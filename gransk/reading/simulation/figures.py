"""Figures of a policy on a unit's past: each as the lowest and the highest that the past allows.

Shares and rates have exact intervals at either end. Changes against what was done are paired, exam
by exam, and their intervals come from drawing women with replacement.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

import numpy as np
from pydantic import Field

from gransk.core.errors import InvalidValueError
from gransk.core.findings import Frozen
from gransk.core.programme import Programme
from gransk.core.statistics.bootstrap import ratio_interval
from gransk.core.statistics.figure import Figure, FloatArray
from gransk.core.statistics.shares import proportion
from gransk.reading.groups import by_round
from gransk.reading.past import PastExam
from gransk.reading.simulation.worlds import (
    Course,
    Scenario,
    Unknown,
    as_it_was,
    can_be_told,
    course,
)

FEWEST = 1


class Assumption(StrEnum):
    """What a simulation takes for granted: a closed list, printed with every result."""

    SAME_ARBITER = "same_arbiter"
    """An arbiter decides as the past's did, whichever opinions lay before them."""
    ARBITER_UNKNOWN = "arbiter_unknown"
    """Opinions differ that never met in the past: low and high ends take either decision."""
    SECOND_UNKNOWN = "second_unknown"
    """One person read where the policy asks for two: either opinion."""
    ALONE = "alone"
    """A person who reads alone reads as one of two."""
    MARKS = "marks"
    """Readers would have said the same with, or without, marks before them."""
    INTERVAL = "interval"
    """An interval cancer of a woman who is newly recalled is found, or not: either."""
    MISSED = "missed"
    """A cancer that screening found is not found where she is no longer recalled."""
    UNDIAGNOSED = "undiagnosed"
    """Women without a known cancer have none, though no work-up looked for it."""
    UNKNOWN_OUTCOME = "unknown_outcome"
    """Cancers are counted among exams with known outcome alone."""
    LEFT_OUT = "left_out"
    """Technical repeats and exams without a decision are left out."""


class Assumed(Frozen):
    """How many exams an assumption touches."""

    what: Assumption
    exams: int = Field(ge=FEWEST)


class Bounds(Frozen):
    """A figure between what the past allows.

    Parameters
    ----------
    low, high : Figure
        Equal where the past tells it.
    """

    low: Figure
    high: Figure

    @property
    def told(self) -> bool:
        """Does the past tell the figure?"""
        return self.low == self.high


class Figures(Frozen):
    """What a policy did, or would have done; None where there is nothing to count.

    Parameters
    ----------
    recall, arbitration : Bounds
        Shares of the exams.
    detection, false_positives : Bounds, optional
        Per 1,000 exams with known outcome.
    ppv, sensitivity, specificity : Bounds, optional
    readings : Bounds
        By people, per exam; its intervals are of drawn women.
    """

    recall: Bounds
    arbitration: Bounds
    readings: Bounds
    detection: Bounds | None = None
    false_positives: Bounds | None = None
    ppv: Bounds | None = None
    sensitivity: Bounds | None = None
    specificity: Bounds | None = None


class Changes(Frozen):
    """Against what was done, as differences of shares; readings as a share of those done."""

    recall: Bounds
    arbitration: Bounds
    readings: Bounds
    detection: Bounds | None = None
    """Per 1,000 exams with known outcome."""


class Result(Frozen):
    """One round's exams under a policy.

    Parameters
    ----------
    exams, known, cancers : int
        Simulated; of these with known outcome; of these with cancer.
    was, would_be : Figures
    change : Changes
    assumptions : tuple of Assumed
    """

    exams: int
    known: int
    cancers: int
    was: Figures
    would_be: Figures
    change: Changes
    assumptions: tuple[Assumed, ...]


class Simulation(Frozen):
    """A policy on a unit's past, rounds apart.

    Parameters
    ----------
    unit, model : str
    scenario : Scenario
    follow_up_months : float
    rounds : dict of str to Result
        ``first``, ``later`` and ``unknown``, where there are any.
    """

    unit: str
    model: str
    scenario: Scenario
    follow_up_months: float
    rounds: dict[str, Result]


def simulate(
    past: Sequence[PastExam],
    unit: str,
    model: str,
    scenario: Scenario,
    follow_up_months: float = 24,
) -> Simulation:
    """What a policy would have done with a unit's screening exams and a model's scores.

    Scores of another model are no scores: those exams are read by two people.

    Raises
    ------
    InvalidValueError
        Where there is no exam to simulate.
    """
    ours = [
        _with_model(exam, model)
        for exam in past
        if exam.unit == unit and exam.programme is Programme.SCREENING
    ]
    rounds = {
        name: _result(exams, scenario, follow_up_months)
        for name, exams in by_round(ours).items()
        if any(can_be_told(exam) for exam in exams)
    }
    if not rounds:
        raise InvalidValueError("past", len(ours), "screening exams of the unit with a decision")
    return Simulation(
        unit=unit,
        model=model,
        scenario=scenario,
        follow_up_months=follow_up_months,
        rounds=rounds,
    )


def _with_model(exam: PastExam, model: str) -> PastExam:
    """The exam without the score of another model, which would not be there to count."""
    if exam.ai is None or exam.ai.model == model:
        return exam
    # What it said stays, since it may have counted.
    silent = exam.ai.model_copy(update={"score": None, "high": None})
    return exam.model_copy(update={"ai": silent})


def _result(exams: Sequence[PastExam], scenario: Scenario, months: float) -> Result:
    told = [exam for exam in exams if can_be_told(exam)]
    courses = [course(exam, scenario) for exam in told]
    was = [Course(worlds=frozenset({as_it_was(exam)})) for exam in told]
    known = [exam.known(months) for exam in told]
    before, after = _Counted(told, was, known), _Counted(told, courses, known)
    return Result(
        exams=len(told),
        known=sum(known),
        cancers=int(after.cancer.sum()),
        was=before.figures(),
        would_be=after.figures(),
        change=after.changes(before),
        assumptions=_assumed(exams, told, courses, after),
    )


End = Literal[0, 1]


class _Counted:
    """Exams as arrays: what the lowest and the highest world of each gives."""

    def __init__(
        self, exams: Sequence[PastExam], courses: Sequence[Course], known: Sequence[bool]
    ) -> None:
        self.women = [exam.woman for exam in exams]
        self.known = np.array(known, bool)
        self.cancer = np.array([exam.cancer for exam in exams]) & self.known
        self.free = self.known & ~self.cancer
        self.recalled = self._ends(courses, "recalled")
        self.arbitrated = self._ends(courses, "arbitrated")
        self.readings = self._ends(courses, "readings")
        found = np.array([exam.detected for exam in exams])
        interval = np.array([exam.interval_cancer for exam in exams])
        before = np.array([exam.recalled for exam in exams])
        # An interval cancer of a woman whom the past recalled was missed by work-up: so again.
        maybe = interval & ~before
        self.detected = (self.recalled[0] * found, self.recalled[1] * (found | maybe))
        self.newly = int((maybe & (self.recalled[1] > 0)).sum())

    @staticmethod
    def _ends(
        courses: Sequence[Course], what: Literal["recalled", "arbitrated", "readings"]
    ) -> tuple[FloatArray, FloatArray]:
        pairs = np.array([one.range(what) for one in courses], float)
        return pairs[:, 0], pairs[:, 1]

    def figures(self) -> Figures:
        n, known = len(self.known), int(self.known.sum())
        cancers, free = int(self.cancer.sum()), int(self.free.sum())
        detected = [int((end * self.cancer).sum()) for end in self.detected]
        false = [int((end * self.free).sum()) for end in self.recalled]
        found = Figures(
            recall=_shares(self.recalled, n),
            arbitration=_shares(self.arbitrated, n),
            readings=_bounds(
                *(
                    Figure(float(end.mean()), *ratio_interval(self.women, end, np.ones(n)))
                    for end in self.readings
                )
            ),
        )
        if not known:
            return found
        per = {
            "detection": [proportion(count, known).times(1000) for count in detected],
            "false_positives": [proportion(count, known).times(1000) for count in false],
        }
        if cancers:
            per["sensitivity"] = [proportion(count, cancers) for count in detected]
        if free:
            per["specificity"] = [proportion(free - count, free) for count in reversed(false)]
        positive = self._ppv()
        if positive is not None:
            per["ppv"] = positive
        return found.model_copy(update={name: _bounds(*ends) for name, ends in per.items()})

    def _ppv(self) -> list[Figure] | None:
        """Lowest: all doubtful women without cancer recalled, none with; highest: the reverse."""
        recalls = [end * self.known for end in self.recalled]
        yes = [int((end * self.cancer).sum()) for end in self.detected]
        no = [
            int((recalls[end] * self.free).sum())
            # Recalled with a cancer that the recall did not find: a false positive too.
            + max(0, int((recalls[end] * self.cancer).sum()) - yes[end])
            for end in (0, 1)
        ]
        if not yes[0] + no[1] or not yes[1] + no[0]:
            return None
        return [proportion(yes[0], yes[0] + no[1]), proportion(yes[1], yes[1] + no[0])]

    def changes(self, before: _Counted) -> Changes:
        n = np.ones(len(self.known))
        return Changes(
            recall=self._change(self.recalled, before.recalled[0], n),
            arbitration=self._change(self.arbitrated, before.arbitrated[0], n),
            readings=self._change(self.readings, before.readings[0], before.readings[0]),
            detection=self._change(
                (self.detected[0] * self.cancer, self.detected[1] * self.cancer),
                before.detected[0] * self.cancer, self.known.astype(float), per=1000.0,
            ) if self.known.any() else None,
        )  # fmt: skip

    def _change(
        self,
        ends: tuple[FloatArray, FloatArray],
        was: FloatArray,
        among: FloatArray,
        per: float = 1.0,
    ) -> Bounds:
        found = []
        for end in ends:
            value = float((end - was).sum() / among.sum())
            low, high = ratio_interval(self.women, end - was, among)
            found.append(Figure(value, low, high).times(per))
        return _bounds(*found)


def _shares(ends: tuple[FloatArray, FloatArray], cases: int) -> Bounds:
    return _bounds(*(proportion(int(end.sum()), cases) for end in ends))


def _bounds(low: Figure, high: Figure) -> Bounds:
    return Bounds(low=low, high=high)


def _assumed(
    exams: Sequence[PastExam],
    told: Sequence[PastExam],
    courses: Sequence[Course],
    counted: _Counted,
) -> tuple[Assumed, ...]:
    pairs = list(zip(told, courses, strict=True))
    dropped = sum(exam.detected and one.range("recalled")[0] == 0 for exam, one in pairs)
    looked = sum(
        one.range("recalled")[1] == 1 and not exam.recalled and not exam.cancer
        for exam, one in pairs
    )
    counts = {
        Assumption.SAME_ARBITER: sum(one.kept_arbiter for one in courses),
        Assumption.ARBITER_UNKNOWN: sum(Unknown.ARBITER in one.unknown for one in courses),
        Assumption.SECOND_UNKNOWN: sum(Unknown.SECOND_READER in one.unknown for one in courses),
        Assumption.ALONE: sum(one.alone and len(exam.reads) > 1 for exam, one in pairs),
        Assumption.MARKS: sum(one.marks_differ for one in courses),
        Assumption.INTERVAL: counted.newly,
        Assumption.MISSED: dropped,
        Assumption.UNDIAGNOSED: looked,
        Assumption.UNKNOWN_OUTCOME: len(told) - int(counted.known.sum()),
        Assumption.LEFT_OUT: len(exams) - len(told),
    }
    return tuple(Assumed(what=what, exams=count) for what, count in counts.items() if count)
