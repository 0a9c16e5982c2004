"""Outcomes: what a record refuses, and what a list says."""

import datetime

import pytest
from pydantic import ValidationError

from gransk.core.errors import UnreadableInputError
from gransk.reading.outcomes import Found, Outcome, Stage, Surgery, read_outcomes

HEAD = (
    "accession_number;cancer;found;diagnosed_on;follow_up_months;invasive;size_mm;node_positive;"
    "stage;surgery\n"
)


def listed(tmp_path, text):
    path = tmp_path / "outcomes.csv"
    path.write_text(text, encoding="utf-8")
    return read_outcomes(path)


def test_a_whole_line_is_read(tmp_path):
    found = listed(
        tmp_path,
        HEAD + "A1;ja;Screening;2026-02-03;24;yes;8,5;nej;i;conserving\nA2;no;;;24;;;;;benign\n",
    )
    assert found["accession_number", "A1"] == Outcome(
        cancer=True,
        found=Found.SCREENING,
        diagnosed_on=datetime.date(2026, 2, 3),
        follow_up_months=24,
        invasive=True,
        size_mm=8.5,
        node_positive=False,
        stage=Stage.ONE,
        surgery=Surgery.CONSERVING,
    )
    assert found["accession_number", "A2"].surgery is Surgery.BENIGN


def test_the_study_names_an_exam_before_its_number(tmp_path):
    text = "cancer,accession_number,study_instance_uid\nno,A1,1.2.3\nyes,A2,\n"
    assert set(listed(tmp_path, text)) == {
        ("study_instance_uid", "1.2.3"),
        ("accession_number", "A2"),
    }


def test_every_wrong_line_is_named_and_no_value_repeated(tmp_path):
    lines = [
        "S1;no;interval;;;;;;;",
        "S2;perhaps;;;;;;;;",
        "S3;yes;;03-02-2026;;;;;;",
        "S4;yes;;;;no;12;;;",
        "S5;yes;;;;;tiny;;;",
        ";yes;;;;;;;;",
        "S6;yes;;;;;;;V;",
        "S7;no;;;900;;;;;",
        "S8;no;;;;;;;;mastectomy",
        "S9;no;;;;;;;;",
        "S9;no;;;;;;;;",
        "S10;;;;;;;;;",
    ]
    with pytest.raises(UnreadableInputError) as error:
        listed(tmp_path, HEAD + "\n".join(lines) + "\n")
    told = str(error.value)
    faults = told.splitlines()
    assert [int(f.split("line ")[1].split(":")[0]) for f in faults] == [
        2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13,
    ]  # fmt: skip
    for value in ("perhaps", "03-02", "tiny", "900", "S1;", "S9;"):
        assert value not in told
    assert "found: nothing where there is no cancer" in faults[0]
    assert "diagnosed_on: wants a date as 2026-01-31" in faults[2]
    assert "follow_up_months" in faults[7]
    assert "stands twice" in faults[9]


def test_columns_that_nobody_knows_are_refused(tmp_path):
    with pytest.raises(UnreadableInputError, match="line 1"):
        listed(tmp_path, "accession_number,cancer,cpr\nA1,no,1\n")


@pytest.mark.parametrize(
    "wrong",
    [
        {"cancer": False, "found": Found.INTERVAL},
        {"cancer": True, "invasive": False, "size_mm": 4},
        {"cancer": True, "invasive": False, "stage": Stage.TWO},
        {"cancer": True, "invasive": True, "stage": Stage.ZERO},
        {"cancer": True, "surgery": Surgery.BENIGN},
        {"cancer": False, "surgery": Surgery.MASTECTOMY},
        {"cancer": True, "size_mm": 0},
        {"cancer": True, "grade": 3},
    ],
)
def test_contradictions_are_refused(wrong):
    with pytest.raises(ValidationError):
        Outcome(**wrong)


def test_no_cancer_is_known_after_follow_up():
    assert Outcome(cancer=True).known(24)
    assert Outcome(cancer=False, follow_up_months=24).known(24)
    assert not Outcome(cancer=False, follow_up_months=23).known(24)
    assert not Outcome(cancer=False).known(24)
