"""Figures of a policy on a unit's past: each as the lowest and the highest that the past allows.

Shares and rates have exact intervals at either end. Changes against what was done are paired, exam
by exam, and their intervals come from drawing women with replacement.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from enum import StrEnum
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field

from gransk.core.errors import InvalidValueError
from gransk.core.findings import Frozen
from gransk.core.programme import Programme
from gransk.core.statistics.bootstrap import Draws
from gransk.core.statistics.figure import BoolArray, Figure, FloatArray
from gransk.core.statistics.shares import proportion
from gransk.reading.groups import by_round
from gransk.reading.past import PastExam
from gransk.reading.simulation.usual import Usual, usual_of
from gransk.reading.simulation.worlds import (
    Course,
    Scenario,
    Unknown,
    Way,
    as_it_was,
    can_be_told,
    course,
    decisive,
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
    AS_USUAL = "as_usual"
    """The likely figure: arbiters, and second readers, recall as large a share of such exams as of
    those that they met, women with and without known cancer apart; and interval cancers that are
    newly recalled are found. Counted are the arbitrations that this is taken from."""


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
    likely : float, optional
        If people whom the past did not ask had decided as they usually did; None where it shows
        no habit.
    """

    low: Figure
    high: Figure
    likely: float | None = None

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
    usual = usual_of([exam for exam in ours if can_be_told(exam)])
    rounds = {
        name: _result(exams, scenario, follow_up_months, usual)
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


def _result(exams: Sequence[PastExam], scenario: Scenario, months: float, usual: Usual) -> Result:
    told = [exam for exam in exams if can_be_told(exam)]
    alike = _Alike(told, scenario, months)
    courses = [course(exam, scenario) for exam in alike.exams]
    was = [Course(ways=(Way(as_it_was(exam)),)) for exam in alike.exams]
    before = _Counted(alike, was, usual)
    after = _Counted(alike, courses, usual)
    return Result(
        exams=len(told),
        known=int(alike.known.sum()),
        cancers=int(after.cancer.sum()),
        was=before.figures(),
        would_be=after.figures(),
        change=after.changes(before),
        assumptions=_assumed(len(exams) - len(told), alike, courses, after, usual),
    )


class _Alike:
    """Exams by kind: of one kind are those that a scenario and its figures cannot tell apart.

    Parameters
    ----------
    told : sequence of PastExam
    scenario : Scenario
    months : float
        After which an exam without cancer counts as known.

    Attributes
    ----------
    exams : list of PastExam
        One of each kind.
    kind : array of int, shape (exams,)
    counts : array of int, shape (kinds,)
    known : array of bool, shape (exams,)
    draws : Draws
        Of women.
    """

    def __init__(self, told: Sequence[PastExam], scenario: Scenario, months: float) -> None:
        numbers: dict[Hashable, int] = {}
        self.exams: list[PastExam] = []
        kinds = []
        for exam in told:
            key = (decisive(exam, scenario), exam.decision, exam.cancer, exam.detected,
                   exam.human_readings, exam.known(months))  # fmt: skip
            if key not in numbers:
                numbers[key] = len(numbers)
                self.exams.append(exam)
            kinds.append(numbers[key])
        self.kind = np.array(kinds)
        self.counts = np.bincount(self.kind)
        self.known = np.array([exam.known(months) for exam in self.exams])[self.kind]
        self.draws = Draws([exam.woman for exam in told], self.kind)

    def sum(self, touched: Iterable[bool]) -> int:
        """How many exams are of kinds that something holds of."""
        return int(self.counts[np.fromiter(touched, bool, len(self.exams))].sum())


class _Counted:
    """Exams as arrays: what the lowest, the highest and the usual way of each gives."""

    def __init__(self, alike: _Alike, courses: Sequence[Course], usual: Usual) -> None:
        exams, kind = alike.exams, alike.kind
        self.draws, self.kind, self.known = alike.draws, kind, alike.known
        self.cancer = np.array([exam.cancer for exam in exams])[kind] & self.known
        self.free = self.known & ~self.cancer
        expected = [usual.expected(exam, one) for exam, one in zip(exams, courses, strict=True)]
        told = None if None in expected else np.array(expected, float).T
        self.recalled = self._ends(courses, "recalled", None if told is None else told[0])
        self.arbitrated = self._ends(courses, "arbitrated", None if told is None else told[1])
        self.readings = self._ends(courses, "readings", None if told is None else told[2])
        found = np.array([exam.detected for exam in exams])[kind]
        # An interval cancer of a woman whom the past recalled was missed by work-up: so again.
        maybe = np.array([exam.interval_cancer and not exam.recalled for exam in exams])[kind]
        self.detected = _Ends(
            self.recalled.low * found,
            self.recalled.high * (found | maybe),
            None if self.recalled.likely is None else self.recalled.likely * (found | maybe),
        )
        self.newly = int((maybe & (self.recalled.high > 0)).sum())

    def _ends(
        self,
        courses: Sequence[Course],
        what: Literal["recalled", "arbitrated", "readings"],
        likely: FloatArray | None,
    ) -> _Ends:
        pairs = np.array([one.range(what) for one in courses], float)[self.kind]
        return _Ends(pairs[:, 0], pairs[:, 1], None if likely is None else likely[self.kind])

    def figures(self) -> Figures:
        n, known = len(self.known), int(self.known.sum())
        ones = np.ones(n)
        found = Figures(
            recall=_share(self.recalled, n),
            arbitration=_share(self.arbitrated, n),
            readings=self.readings.bounds(
                lambda end: Figure(float(end.mean()), *self.draws.ratio(end, ones)),
                lambda end: float(end.mean()),
            ),
        )
        if not known:
            return found
        cancers, free = int(self.cancer.sum()), int(self.free.sum())
        detected, false = self.detected.among(self.cancer), self.recalled.among(self.free)
        return found.model_copy(
            update={
                "detection": _share(detected, known, 1000),
                "false_positives": _share(false, known, 1000),
                "sensitivity": _share(detected, cancers) if cancers else None,
                "specificity": _share(false.rest(self.free), free) if free else None,
                "ppv": self._ppv(),
            }
        )

    def _ppv(self) -> Bounds | None:
        """Lowest: all doubtful women without cancer recalled, none with; highest: the reverse.

        Recalled with a cancer that the recall did not find is a false positive too.
        """
        yes = self.detected.among(self.cancer)
        every = self.recalled.among(self.known)
        free = self.recalled.among(self.free)
        ill = self.recalled.among(self.cancer)
        no = (free.high.sum() + ill.low.sum() - yes.low.sum(),
              free.low.sum() + ill.high.sum() - yes.high.sum())  # fmt: skip
        ends = [(int(yes.low.sum()), int(no[0])), (int(yes.high.sum()), int(no[1]))]
        if not all(sum(end) for end in ends):
            return None
        low, high = (proportion(end[0], sum(end)) for end in ends)
        likely = None
        if yes.likely is not None and every.likely is not None:
            likely = float(yes.likely.sum() / every.likely.sum())
        return Bounds(low=low, high=high, likely=likely)

    def changes(self, before: _Counted) -> Changes:
        n = np.ones(len(self.known))
        known = self.known.astype(float)
        detected = self.detected.among(self.cancer)
        had = before.detected.among(self.cancer).low
        return Changes(
            recall=self._change(self.recalled, before.recalled.low, n),
            arbitration=self._change(self.arbitrated, before.arbitrated.low, n),
            readings=self._change(self.readings, before.readings.low, before.readings.low),
            detection=self._change(detected, had, known, 1000) if known.any() else None,
        )

    def _change(self, ends: _Ends, was: FloatArray, among: FloatArray, per: float = 1) -> Bounds:
        def value(end: FloatArray) -> float:
            return float((end - was).sum() / among.sum()) * per

        def figure(end: FloatArray) -> Figure:
            low, high = self.draws.ratio(end - was, among)
            return Figure(value(end), low * per, high * per)

        return ends.bounds(figure, value)


class _Ends(NamedTuple):
    """A value of each exam: lowest, highest, and as is usual."""

    low: FloatArray
    high: FloatArray
    likely: FloatArray | None

    def among(self, chosen: BoolArray) -> _Ends:
        """Of some exams, 0 of the others."""
        likely = None if self.likely is None else self.likely * chosen
        return _Ends(self.low * chosen, self.high * chosen, likely)

    def rest(self, chosen: BoolArray) -> _Ends:
        """What is left of one each."""
        likely = None if self.likely is None else chosen - self.likely
        return _Ends(chosen - self.high, chosen - self.low, likely)

    def bounds(
        self, figure: Callable[[FloatArray], Figure], value: Callable[[FloatArray], float]
    ) -> Bounds:
        likely = None if self.likely is None else value(self.likely)
        return Bounds(low=figure(self.low), high=figure(self.high), likely=likely)


def _share(ends: _Ends, cases: int, per: float = 1) -> Bounds:
    return ends.bounds(
        lambda end: proportion(int(end.sum()), cases).times(per),
        lambda end: float(end.sum()) / cases * per,
    )


def _assumed(
    left_out: int,
    alike: _Alike,
    courses: Sequence[Course],
    counted: _Counted,
    usual: Usual,
) -> tuple[Assumed, ...]:
    pairs = list(zip(alike.exams, courses, strict=True))
    dropped = alike.sum(exam.detected and one.range("recalled")[0] == 0 for exam, one in pairs)
    looked = alike.sum(
        one.range("recalled")[1] == 1 and not exam.recalled and not exam.cancer
        for exam, one in pairs
    )
    guessed = any(one.unknown for one in courses)
    habits = usual.arbiter_cancer.cases + usual.arbiter_free.cases
    counts = {
        Assumption.SAME_ARBITER: alike.sum(one.kept_arbiter for one in courses),
        Assumption.ARBITER_UNKNOWN: alike.sum(Unknown.ARBITER in one.unknown for one in courses),
        Assumption.SECOND_UNKNOWN: alike.sum(
            Unknown.SECOND_READER in one.unknown for one in courses
        ),
        Assumption.ALONE: alike.sum(one.alone and len(exam.reads) > 1 for exam, one in pairs),
        Assumption.MARKS: alike.sum(one.marks_differ for one in courses),
        Assumption.INTERVAL: counted.newly,
        Assumption.MISSED: dropped,
        Assumption.UNDIAGNOSED: looked,
        Assumption.UNKNOWN_OUTCOME: int((~counted.known).sum()),
        Assumption.LEFT_OUT: left_out,
        Assumption.AS_USUAL: habits * (guessed and counted.recalled.likely is not None),
    }
    return tuple(Assumed(what=what, exams=count) for what, count in counts.items() if count)
