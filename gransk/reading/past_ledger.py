"""From an exam's ledger to a past exam, as validation, simulation and indicators count them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from functools import lru_cache

from gransk.core.findings import Findings
from gransk.core.screening import Breast, Verdict
from gransk.reading.exam import Exam, Read, State
from gransk.reading.model_name import model_name
from gransk.reading.opinions import AiOpinion, AiSaid, Opinion
from gransk.reading.outcomes import Outcome
from gransk.reading.past import Density, PastAi, PastExam, PastRead
from gransk.reading.plan import PolicyKind
from gransk.reading.planning import Known
from gransk.reading.working_days import MONDAY_TO_FRIDAY, WorkingDays

CLOSED = (State.DECIDED, State.TECHNICAL_REPEAT)
"""States in which an exam may be counted; who may see it there, `gransk.reading.sight` says."""
DENSITY = "density_category"
DENSITIES = {
    "129716005": Density.A,
    "129717001": Density.B,
    "129718006": Density.C,
    "129719003": Density.D,
}
"""SNOMED CT codes of breast composition (PS3.16 CID 6001)."""
SAID = {AiSaid.NORMAL: Verdict.NORMAL, AiSaid.RECALL: Verdict.RECALL}


@dataclass(frozen=True)
class Beside:
    """What an exam's ledger does not tell.

    Parameters
    ----------
    woman : str
        Pseudonymous key; empty where it is not known, and she then is a woman of her own.
    date : date, optional
        Of the images; else the day on which they arrived.
    known : Known
    humans_only : bool
        Whether two people would read it under every policy of the site.
    equipment : str
    density : Density, optional
    previous_on : date, optional
        Of her screening before this one.
    outcome : Outcome, optional
    """

    woman: str = ""
    date: datetime.date | None = None
    known: Known = field(default_factory=Known)
    humans_only: bool = False
    equipment: str = ""
    density: Density | None = None
    previous_on: datetime.date | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Told:
    """What an exam's ledger tells.

    Parameters
    ----------
    past : PastExam
        Of a woman of her own, on the day of the images' arrival.
    decided_on : date
    analysis_key : str
        Of the AI's opinion that is counted; empty where there is none.
    """

    past: PastExam
    decided_on: datetime.date
    analysis_key: str

    def beside(self, beside: Beside, working: WorkingDays = MONDAY_TO_FRIDAY) -> PastExam:
        """The exam with what others say of it, as it is counted.

        Parameters
        ----------
        beside : Beside
        working : WorkingDays
            Of the site, for how long the decision took.
        """
        date, decided = beside.date or self.past.date, self.decided_on
        values = dict(self.past) | {
            "woman": beside.woman or self.past.exam,
            "date": date,
            "programme": beside.known.programme,
            "round": beside.known.round,
            "age": beside.known.age,
            "density": beside.density,
            "equipment": beside.equipment,
            "previous_on": beside.previous_on,
            "humans_only": beside.humans_only,
            "working_days": working.between(date, decided) if decided >= date else None,
            "outcome": beside.outcome,
        }
        return PastExam(**values)


def past_exam(
    study_key: str,
    exam: Exam,
    beside: Beside,
    zone: datetime.tzinfo | None = None,
    working: WorkingDays = MONDAY_TO_FRIDAY,
) -> PastExam:
    """An exam that has ended, as it is counted; of `told` and what stands beside it."""
    return told(study_key, exam, zone).beside(beside, working)


def told(study_key: str, exam: Exam, zone: datetime.tzinfo | None = None) -> Told:
    """What the ledger of an exam that has ended tells.

    Parameters
    ----------
    study_key : str
    exam : Exam
        In a state of `CLOSED`.
    zone : tzinfo, optional
        The site's, in which days are counted; None: the machine's own.

    Raises
    ------
    ValueError
        Where the exam has not ended.
    """
    if exam.state not in CLOSED or exam.outcome is None or exam.decided_at is None:
        raise ValueError(f"exam {study_key} is {exam.state}, and has no decision to be counted")
    plan, found = exam.plan, opinion_of(exam)
    past = PastExam(
        exam=study_key,
        woman=study_key,
        date=exam.images_at.astimezone(zone).date(),
        unit=exam.unit,
        policy="" if plan is None else plan.policy,
        policy_version=0 if plan is None else plan.version,
        kind=PolicyKind.DOUBLE_READING if plan is None else plan.kind,
        marks_shown=plan is not None and plan.shows_marks,
        ai_counted=exam.ai_counted,
        reads=tuple(_read(read) for read in exam.counting[:2]),
        ai=None if found is None else _ai(*found),
        arbitration=_arbitration(exam),
        decision=exam.outcome.verdict,
    )
    key = "" if found is None else found[0].analysis_key
    return Told(past, exam.decided_at.astimezone(zone).date(), key)


def density_of(findings: Findings) -> Density | None:
    """The density that sealed findings name; None where they name none."""
    code = findings.quality(DENSITY)
    return None if code is None else DENSITIES.get(code.value)


def opinion_of(exam: Exam) -> tuple[AiOpinion, bool] | None:
    """The AI's opinion that is counted, and whether it was there in time.

    None where no model gave anything: refused, or never analysed. The sealed one; where that has
    no score, or there is none, one that came too late.
    """
    found = [
        (sealed.opinion, in_time)
        for sealed, in_time in ((exam.ai, True), (exam.late_ai, False))
        if sealed is not None and sealed.opinion.models
    ]
    scored = [one for one in found if one[0].exam_score is not None]
    return next(iter(scored or found), None)


def name_of(opinion: AiOpinion) -> str:
    """The one name of what gave an opinion."""
    return model_name(opinion.application, opinion.application_version, opinion.models)


def _ai(opinion: AiOpinion, in_time: bool) -> PastAi:
    return PastAi(
        score=opinion.exam_score,
        high=None if opinion.category is None else opinion.category == "high",
        probability=opinion.probability,
        breasts=frozenset(mark.breast for mark in opinion.marks),
        said=SAID.get(opinion.said),
        model=name_of(opinion),
        in_time=in_time,
    )


def _read(read: Read) -> PastRead:
    return _said(read.account, read.opinion)


def _said(reader: str, opinion: Opinion) -> PastRead:
    recalled = opinion.verdict is Verdict.RECALL
    breasts: frozenset[Breast] = frozenset(s.breast for s in opinion.suspects if recalled)
    return _one_read(reader, opinion.verdict, breasts)


@lru_cache(maxsize=4096)
def _one_read(reader: str, verdict: Verdict, breasts: frozenset[Breast]) -> PastRead:
    """Equal reads are one object: a past of many exams holds few."""
    return PastRead(reader=reader, verdict=verdict, breasts=breasts)


def _arbitration(exam: Exam) -> PastRead | None:
    if exam.conclusion is None:
        return None
    return _said(exam.taker, exam.conclusion.opinion)
