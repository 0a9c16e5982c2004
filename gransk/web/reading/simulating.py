"""What a policy would have done with a unit's own past, as pages show it and drafts attach it."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from gransk.core.errors import InvalidValueError
from gransk.core.programme import Programme
from gransk.core.statistics.figure import Figure
from gransk.reading.evidence import evidence_of, scenario_of
from gransk.reading.past import PastExam
from gransk.reading.policy import DECIDING, Policy, Room
from gransk.reading.room_changes import Evidence, Limited, new_limits, simulated
from gransk.reading.simulation.figures import Bounds, Result, Simulation, simulate
from gransk.web.texts import number, text

MEASURES = (
    "recall", "detection", "ppv", "false_positives", "sensitivity", "specificity",
    "arbitration", "readings",
)  # fmt: skip
"""Of `gransk.reading.simulation.figures.Figures`, in the order of the page."""
SHARES = frozenset({"recall", "ppv", "sensitivity", "specificity", "arbitration"})
Why = Literal["no_exams", "no_scores"]


@dataclass(frozen=True)
class Past:
    """A unit's exams that a simulation is made of.

    Parameters
    ----------
    unit, model : str
    exams : sequence of PastExam
        Screening exams from the first to the last that the model gave a score.
    """

    unit: str
    model: str
    exams: Sequence[PastExam]

    @property
    def days(self) -> tuple[datetime.date, datetime.date]:
        """Of the first and the last exam."""
        return min(one.date for one in self.exams), max(one.date for one in self.exams)

    @property
    def held_back(self) -> int:
        """Exams that two people would read whatever the policy."""
        return sum(one.humans_only for one in self.exams)


@dataclass(frozen=True)
class Tried:
    """A limit that changes at a unit, and what its simulation says; or why there is none."""

    unit: str
    limited: Limited
    simulation: Simulation | None = None
    evidence: Evidence | None = None
    why: str = ""


def models_of(past: Iterable[PastExam], unit: str) -> list[str]:
    """Models that gave screening exams of a unit a score, the one of the latest exam first."""
    last: dict[str, datetime.date] = {}
    for exam in past:
        if _scored(exam, unit) and exam.ai is not None:
            last[exam.ai.model] = max(last.get(exam.ai.model, exam.date), exam.date)
    return sorted(last, key=lambda model: (last[model], model), reverse=True)


def past_of_model(past: Sequence[PastExam], unit: str, model: str) -> Past:
    """A unit's screening exams while a model gave scores there.

    Exams from before it came, or after it went, would only say that it had no opinion.
    """
    days = [one.date for one in past if _scored(one, unit) and one.ai and one.ai.model == model]
    if not days:
        return Past(unit, model, [])
    first, last = min(days), max(days)
    ours = [
        one
        for one in past
        if one.unit == unit and one.programme is Programme.SCREENING and first <= one.date <= last
    ]
    return Past(unit, model, ours)


def try_changes(
    before: Room | None, after: Room, units: Iterable[str], past: Sequence[PastExam],
    today: datetime.date,
) -> list[Tried]:  # fmt: skip
    """Simulate every limit that a version changes, on each unit's own past."""
    found = []
    for unit in units:
        for limited in sorted(new_limits(before, after, unit), key=str):
            found.append(_try(after, unit, limited, past, today))
    return found


def _try(
    room: Room, unit: str, limited: Limited, past: Sequence[PastExam], today: datetime.date
) -> Tried:
    models = models_of(past, unit)
    if not models:
        return Tried(unit, limited, why="no_scores")
    ours = past_of_model(past, unit, models[0])
    policy = next(one for one in deciding(room, unit) if _limited(one) == limited)
    try:
        made = simulated_by(policy, ours, months(room))
    except InvalidValueError:
        return Tried(unit, limited, why="no_exams")
    first, last = ours.days
    evidence = evidence_of(made, first, min(last, today), today)
    if simulated(evidence) != limited:
        raise RuntimeError(f"a simulation of {limited} says that it is of {simulated(evidence)}")
    return Tried(unit, limited, made, evidence)


def deciding(room: Room, unit: str) -> list[Policy]:
    """Policies of a unit's rules, those whose limits decide first, none twice."""
    named = dict.fromkeys(rule.policy for rule in room.rules_for(unit) if rule.policy is not None)
    policies = [room.policy(name) for name in named]
    return sorted(policies, key=lambda policy: policy.kind not in DECIDING)


def in_force_at(room: Room | None, unit: str) -> Policy | None:
    """The policy that most screening exams of a unit are read by: of its first rule for them."""
    for rule in () if room is None else room.rules_for(unit):
        screening = Programme.SCREENING in rule.when.programmes
        if room is not None and screening and rule.policy is not None and not rule.when.treated:
            return room.policy(rule.policy)
    return None


def _limited(policy: Policy) -> Limited:
    limits = policy.limits
    names = ("recall_from", "double_from")
    return policy.kind, tuple((name, limits[name]) for name in names if name in limits)


def simulated_by(policy: Policy, past: Past, follow_up_months: float) -> Simulation:
    """A policy on a unit's past.

    Raises
    ------
    InvalidValueError
        Where no exam of it is decided.
    """
    return simulate(past.exams, past.unit, past.model, scenario_of(policy), follow_up_months)


def months(room: Room) -> float:
    """After which an exam without cancer counts as known."""
    minimum = room.minimum.get(room.application)
    return 24.0 if minimum is None else float(minimum.follow_up_months)


def _scored(exam: PastExam, unit: str) -> bool:
    ours = exam.unit == unit and exam.programme is Programme.SCREENING
    return ours and exam.ai is not None and exam.ai.score is not None and bool(exam.ai.model)


# In words


@dataclass(frozen=True)
class Line:
    """One measure in one round: as it was, and under each scenario."""

    measure: str
    was: str
    would_be: tuple[str, ...]
    changes: tuple[str, ...]


@dataclass(frozen=True)
class RoundShown:
    """One round's table; ``exams``, ``known`` and ``cancers`` as in `Result`."""

    name: str
    exams: int
    known: int
    cancers: int
    lines: tuple[Line, ...]


def shown(simulations: Sequence[Simulation], language: str) -> list[RoundShown]:
    """Simulations of one past side by side, by round."""
    found = []
    for name in simulations[0].rounds:
        results = [one.rounds[name] for one in simulations]
        lines = tuple(
            _line(measure, results, language)
            for measure in MEASURES
            if getattr(results[0].was, measure) is not None
        )
        first = results[0]
        found.append(RoundShown(name, first.exams, first.known, first.cancers, lines))
    return found


def assumptions(simulation: Simulation) -> dict[str, int]:
    """What a simulation takes for granted, with the exams of all rounds that it touches."""
    found: Counter[str] = Counter()
    for result in simulation.rounds.values():
        for one in result.assumptions:
            found[one.what.value] += one.exams
    return dict(found)


def _line(measure: str, results: Sequence[Result], language: str) -> Line:
    was = getattr(results[0].was, measure)
    return Line(
        measure,
        _bounds(was, measure, language),
        tuple(_bounds(getattr(one.would_be, measure), measure, language) for one in results),
        tuple(_change(one, measure, language) for one in results),
    )


def _bounds(bounds: Bounds | None, measure: str, language: str) -> str:
    """A figure with its interval; where the past leaves it open, from the lowest to the highest."""
    if bounds is None:
        return "–"
    low, high = bounds.low, bounds.high
    if bounds.told:
        return _figure(low, measure, language)
    ends = [_say(end, measure, language) for end in (low.value, high.value, low.low, high.high)]
    said = text("simulation_between", language, low=ends[0], high=ends[1],
                least=ends[2], most=ends[3])  # fmt: skip
    if bounds.likely is not None:
        likely = _say(bounds.likely, measure, language)
        said += "; " + text("simulation_likely", language, likely=likely)
    return said


def _change(result: Result, measure: str, language: str) -> str:
    """Against what was done, paired exam by exam; readings as a share of those done."""
    bounds: Bounds | None = getattr(result.change, measure, None)
    if bounds is None:
        return ""
    if bounds.told:
        value, low, high = (_signed(one, measure, language) for one in bounds.low)
        said = f"{value} ({low} – {high})"
    else:
        low, high = (_signed(end.value, measure, language) for end in (bounds.low, bounds.high))
        said = text("simulation_change_between", language, low=low, high=high)
    if measure == "readings":
        return f"{said} %"
    points = text("simulation_points", language)
    return f"{said} {points}" if measure in SHARES else said


def _figure(figure: Figure, measure: str, language: str) -> str:
    value, low, high = (_say(one, measure, language) for one in figure)
    return f"{value} ({low} – {high})"


def _say(value: float, measure: str, language: str) -> str:
    if measure in SHARES:
        return f"{number(100 * value, 1, language)} %"
    return number(value, 2, language)


def _signed(value: float, measure: str, language: str) -> str:
    """A change: of shares in percentage points, of readings in percent of those done."""
    sign = "+" if value > 0 else ""
    if measure in SHARES or measure == "readings":
        return f"{sign}{number(100 * value, 1, language)}"
    return f"{sign}{number(value, 2, language)}"
