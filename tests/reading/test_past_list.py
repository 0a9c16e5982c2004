"""Past exams from a list: whole lines, joined outcomes, wrong lines by number."""

import datetime
from pathlib import Path

import pytest

from gransk.core.errors import UnreadableInputError
from gransk.core.exam_facts import Round
from gransk.core.programme import Programme
from gransk.core.screening import Breast, Verdict
from gransk.reading.outcomes import Outcome
from gransk.reading.past import (
    Density,
    PastAi,
    PastExam,
    PastRead,
)
from gransk.reading.past_list import NEEDED, OPTIONAL, read_past

HEAD = (
    "exam,woman,date,unit,accession_number,programme,round,age,density,first_reader,first_read,"
    "first_breasts,second_read,arbiter_read,decision,ai_score,ai_model,working_days,previous_on\n"
)


def listed(tmp_path, text, outcomes=None):
    path = tmp_path / "past.csv"
    path.write_text(text, encoding="utf-8")
    return read_past(path, outcomes)


def test_a_whole_line_with_its_outcome(tmp_path):
    line = (
        "e1,w1,2026-01-31,odense,A1,screening,later,57,C,anna,recall,l,normal,recall,recall,"
        "9,mammo 1,4,2024-02-01\n"
    )
    outcome = Outcome(cancer=True)
    (found,) = listed(tmp_path, HEAD + line, {("accession_number", "A1"): outcome})
    assert found == PastExam(
        exam="e1",
        woman="w1",
        date=datetime.date(2026, 1, 31),
        unit="odense",
        programme=Programme.SCREENING,
        round=Round.LATER,
        age=57,
        density=Density.C,
        previous_on=datetime.date(2024, 2, 1),
        reads=(
            PastRead(reader="anna", verdict=Verdict.RECALL, breasts=frozenset({Breast.LEFT})),
            PastRead(verdict=Verdict.NORMAL),
        ),
        arbitration=PastRead(verdict=Verdict.RECALL),
        decision=Verdict.RECALL,
        ai=PastAi(score=9, model="mammo 1"),
        working_days=4,
        outcome=outcome,
    )


def test_what_is_empty_is_not_known(tmp_path):
    text = ",".join(NEEDED) + "\ne1,w1,2026-01-31,odense,normal,\n"
    (found,) = listed(tmp_path, text)
    assert (found.programme, found.ai, found.decision, found.outcome) == (None,) * 4
    assert len(found.reads) == 1


def test_every_wrong_line_is_named_and_no_value_repeated(tmp_path):
    lines = [
        "e1,w1,tomorrow,odense,,,,,,,normal,,normal,,normal,,,,",
        "e2,w1,2026-01-31,odense,,,,,,,normal,,recall,,normal,,,,",
        "e3,w1,2026-01-31,odense,,,,,,,normal,x,normal,,normal,,,,",
        "e4,w1,2026-01-31,odense,,,,,,,normal,,normal,,normal,77,,,",
        "e5,,2026-01-31,odense,,,,,,,normal,,normal,,normal,,,,",
        "e6,w1,2026-01-31,odense,,,,-4,,,normal,,normal,,normal,,,,",
        "e7,w1,2026-01-31,odense,,,,,,,,,normal,,,,,,",
        "e8,w1,2026-01-31,odense,A8,,,,,,normal,,,,normal,,,,",
        "e9,w1,2026-01-31,odense,A8,,,,,,normal,,,,normal,,,,",
    ]
    with pytest.raises(UnreadableInputError) as error:
        listed(tmp_path, HEAD + "\n".join(lines) + "\n")
    faults = str(error.value).splitlines()
    numbers = [int(fault.split("line ")[1].split(":")[0]) for fault in faults]
    assert numbers == [2, 3, 4, 5, 6, 7, 8, 10]
    assert "need an arbitration" in faults[1]
    assert "first_breasts: wants R, L or RL" in faults[2]
    assert "stands twice" in faults[7]
    for value in ("tomorrow", "77", "A8", "-4", "e2"):
        assert not any(value in fault.split(": ", 1)[1] for fault in faults)


def test_every_column_is_told_in_the_documents():
    told = Path(__file__).parents[2].joinpath("docs", "outcomes.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in told for name in (*NEEDED, *OPTIONAL))
