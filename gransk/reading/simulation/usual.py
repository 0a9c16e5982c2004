"""How arbiters and second readers of a past usually decided: for one estimate within the bounds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import Field

from gransk.core.findings import Frozen
from gransk.core.screening import Verdict
from gransk.reading.past import PastExam
from gransk.reading.simulation.worlds import Course

LEAST = 10
"""Fewer decisions of a kind are no habit."""


class Habit(Frozen):
    """How often a kind of exam was recalled.

    Parameters
    ----------
    recalled, cases : int
    """

    recalled: int = Field(ge=0)
    cases: int = Field(ge=0)

    @property
    def share(self) -> float | None:
        """None of too few cases."""
        return self.recalled / self.cases if self.cases >= LEAST else None


class Usual(Frozen):
    """Habits of a unit; women with and without known cancer apart.

    Parameters
    ----------
    arbiter_cancer, arbiter_free : Habit
        Of arbitrations.
    second_cancer, second_free : Habit
        Of second readers.
    """

    arbiter_cancer: Habit
    arbiter_free: Habit
    second_cancer: Habit
    second_free: Habit

    def weights(self, exam: PastExam, course: Course) -> list[float] | None:
        """How likely each way of an exam is; None where a habit that is needed is not known."""
        arbiter = (self.arbiter_cancer if exam.cancer else self.arbiter_free).share
        second = (self.second_cancer if exam.cancer else self.second_free).share
        found = []
        for way in course.ways:
            one, other = _chance(way.second, second), _chance(way.arbiter, arbiter)
            if one is None or other is None:
                return None
            found.append(one * other)
        return found

    def expected(self, exam: PastExam, course: Course) -> tuple[float, float, float] | None:
        """Expected recall, arbitration and readings of an exam."""
        weights = self.weights(exam, course)
        if weights is None:
            return None
        pairs = list(zip(weights, (way.world for way in course.ways), strict=True))
        return (
            sum(weight * world.recalled for weight, world in pairs),
            sum(weight * world.arbitrated for weight, world in pairs),
            sum(weight * world.readings for weight, world in pairs),
        )


def usual_of(exams: Sequence[PastExam]) -> Usual:
    """Habits that a past shows."""
    settled = [(exam.cancer, exam.arbitration.verdict) for exam in exams if exam.arbitration]
    seconds = [(exam.cancer, exam.reads[1].verdict) for exam in exams if len(exam.reads) > 1]
    return Usual(
        arbiter_cancer=_habit(verdict for cancer, verdict in settled if cancer),
        arbiter_free=_habit(verdict for cancer, verdict in settled if not cancer),
        second_cancer=_habit(verdict for cancer, verdict in seconds if cancer),
        second_free=_habit(verdict for cancer, verdict in seconds if not cancer),
    )


def _habit(verdicts: Iterable[Verdict]) -> Habit:
    said = list(verdicts)
    return Habit(recalled=said.count(Verdict.RECALL), cases=len(said))


def _chance(verdict: Verdict | None, recall: float | None) -> float | None:
    """Of a verdict that the past does not hold; 1 where it does."""
    if verdict is None:
        return 1.0
    if recall is None:
        return None
    return recall if verdict is Verdict.RECALL else 1 - recall
