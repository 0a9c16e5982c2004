"""Exams that were read: what a record refuses and what it says."""

import datetime

import pytest
from past_exams import FREE, ILL, NORMAL, RECALL, past
from pydantic import ValidationError

from gransk.core.exam_facts import Round
from gransk.core.screening import Breast
from gransk.reading.outcomes import Found, Outcome
from gransk.reading.past import PastAi, PastRead


def test_readings_and_verdicts():
    agreed = past(1, "rr", outcome=ILL)
    assert (agreed.human_readings, agreed.recalled, agreed.detected) == (2, True, True)
    settled = past(2, "nr", "n")
    assert (settled.human_readings, settled.recalled) == (3, False)
    counted = past(3, "n", "r", ai=PastAi(score=10, said=RECALL), ai_counted=True)
    assert counted.first_verdicts == (NORMAL, RECALL)
    assert counted.human_readings == 2


def test_a_cancer_of_a_woman_who_was_not_recalled_was_not_detected():
    assert not past(1, "nn", outcome=ILL).detected
    assert past(1, "nn", outcome=ILL).cancer
    later = Outcome(cancer=True, found=Found.INTERVAL)
    assert not past(1, "rr", outcome=later).detected, "recalled, and found only afterwards"


@pytest.mark.parametrize(
    "wrong",
    [
        {"reads": "nr", "decision": RECALL},
        {"reads": "nn", "decision": RECALL},
        {"reads": "nr", "arbiter": "n", "decision": RECALL},
        {"ai_counted": True},
        {"previous_on": datetime.date(2030, 1, 1)},
        {"round": Round.FIRST, "previous_on": datetime.date(2020, 1, 1)},
        {"woman": ""},
        {"age": -1},
        {"score": 11},
    ],
)
def test_contradictions_are_refused(wrong):
    with pytest.raises(ValidationError):
        past(1, **wrong)


def test_nobody_reads_twice():
    read = PastRead(reader="same", verdict=NORMAL)
    with pytest.raises(ValidationError, match="different people"):
        past(1, reads="").model_validate(
            past(1).model_dump() | {"reads": [read.model_dump(), read.model_dump()]}
        )


def test_a_normal_read_names_no_breast():
    with pytest.raises(ValidationError):
        PastRead(verdict=NORMAL, breasts=frozenset({Breast.LEFT}))


def test_known_follows_the_outcome():
    assert past(1, outcome=FREE).known(24)
    assert not past(1, outcome=None).known(24)
