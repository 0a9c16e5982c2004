"""Exams that were read, made for tests."""

import datetime

from gransk.core.exam_facts import Round
from gransk.core.programme import Programme
from gransk.core.screening import Verdict
from gransk.reading.outcomes import Outcome
from gransk.reading.past import PastAi, PastExam, PastRead

NORMAL, RECALL, TECHNICAL = Verdict.NORMAL, Verdict.RECALL, Verdict.TECHNICAL
VERDICTS = {"n": NORMAL, "r": RECALL, "t": TECHNICAL}
FREE = Outcome(cancer=False, follow_up_months=24)
ILL = Outcome(cancer=True)


def past(number, reads="nn", arbiter="", score=1, outcome=FREE, **more):
    """An exam by its reads ("nr": first normal, second recall) and its arbiter's word."""
    people = tuple(
        PastRead(reader=f"reader{n}", verdict=VERDICTS[word]) for n, word in enumerate(reads)
    )
    arbitration = PastRead(reader="arbiter", verdict=VERDICTS[arbiter]) if arbiter else None
    agreed = people[0].verdict if len(set(reads)) == 1 else None
    values = {
        "exam": f"e{number}",
        "woman": f"w{number}",
        "date": datetime.date(2026, 1, 5) + datetime.timedelta(days=number % 300),
        "unit": "odense",
        "programme": Programme.SCREENING,
        "round": Round.LATER,
        "reads": people,
        "ai": None if score is None else PastAi(score=score),
        "arbitration": arbitration,
        "decision": arbitration.verdict if arbitration else agreed,
        "outcome": outcome,
    }
    return PastExam(**values | more)
