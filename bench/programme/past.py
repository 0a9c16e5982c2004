"""A simulated programme as a unit's past, for the simulator that sites choose limits by."""

from __future__ import annotations

from bench.programme.policies import AT_SPECIFICITY, Simulated
from bench.programme.running import MODELS, NAMES, UNIT, Run, arrives
from bench.programme.women import READER_LIMIT, ai
from gransk.core.exam_facts import Round
from gransk.core.programme import Programme
from gransk.core.screening import Breast, Verdict
from gransk.reading.outcomes import Found, Outcome
from gransk.reading.past import PastAi, PastExam, PastRead
from gransk.reading.plan import PolicyKind
from gransk.reading.simulation.figures import Simulation, simulate
from gransk.reading.simulation.worlds import Scenario

MODEL = next(iter(MODELS))
FOLLOW_UP_MONTHS = 24


def past_of(double: Run) -> list[PastExam]:
    """Exams of a run by double reading, as the site keeps them once outcomes are known."""
    return [_exam(double, n) for n in range(double.programme.women)]


def would_be(double: Run, simulated: Simulated) -> Simulation:
    """What the simulator says that a policy would have done with the past."""
    return simulate(past_of(double), UNIT, MODEL, Scenario.of(simulated.policy), FOLLOW_UP_MONTHS)


def _exam(run: Run, n: int) -> PastExam:
    women = run.programme
    side = frozenset({Breast.LEFT if women.left[n] else Breast.RIGHT})
    neither: frozenset[Breast] = frozenset()

    def read(reader: int, recall: bool) -> PastRead:
        verdict = Verdict.RECALL if recall else Verdict.NORMAL
        return PastRead(reader=NAMES[reader], verdict=verdict, breasts=side if recall else neither)

    firsts = (int(run.first[n]), int(run.second[n]))
    recalled = bool(run.recalled[n])
    third = int(run.third[n])
    high = bool(women.ai[n] >= ai(AT_SPECIFICITY).limit)
    given = PastAi(
        score=int(women.score[n]), high=high, breasts=side if high else neither, model=MODEL
    )
    return PastExam(
        exam=f"exam-{n}",
        woman=f"woman-{n}",
        date=arrives(n).date(),
        unit=UNIT,
        programme=Programme.SCREENING,
        round=Round.FIRST if women.first[n] else Round.LATER,
        humans_only=bool(women.inadequate[n]),
        kind=PolicyKind.DOUBLE_READING,
        reads=tuple(read(one, bool(women.readers[n, one] >= READER_LIMIT)) for one in firsts),
        ai=None if women.inadequate[n] else given,
        arbitration=read(third, recalled) if third >= 0 else None,
        decision=Verdict.RECALL if recalled else Verdict.NORMAL,
        outcome=_outcome(bool(women.cancer[n]), recalled),
    )


def _outcome(cancer: bool, recalled: bool) -> Outcome:
    found = (Found.SCREENING if recalled else Found.INTERVAL) if cancer else None
    return Outcome(cancer=cancer, found=found, follow_up_months=FOLLOW_UP_MONTHS)
