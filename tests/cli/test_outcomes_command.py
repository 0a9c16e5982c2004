"""``gransk outcomes``: the whole list or nothing, the last word about an exam counts."""

import datetime

import pytest
from typer.testing import CliRunner

from gransk.cli.main import app
from gransk.reading.outcome_store import Outcome, outcomes_of
from gransk.site.config import load_config
from gransk.site.database import Database

HEAD = "accession_number,outcome_date,cancer,detection,size_mm,invasive,node_positive,stage\n"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "gransk.yaml"
    path.write_text("language: en\n")
    return path


@pytest.fixture
def call(tmp_path, path):
    def call(text):
        table = tmp_path / "list.csv"
        table.write_text(text, encoding="utf-8")
        return CliRunner().invoke(app, ["outcomes", str(table), "--config", str(path)])

    return call


def kept(path, *numbers):
    database = Database(load_config(path).database.url)
    with database.read() as session:
        found = outcomes_of(session, numbers)
    database.close()
    return found


def test_outcomes_are_kept_and_the_last_word_counts(call, path):
    rows = "A1,2026-03-31,yes,Screen,8.5,yes,no,T1b N0\nA2,2026-05-01,no,,,,,\n"
    assert call(HEAD + rows).stdout == "2 of 2 outcomes are new\n"
    assert call(HEAD + rows).stdout == "0 of 2 outcomes are new\n"
    found = kept(path, "A1", "A2", "A3")
    assert found == {
        "A1": Outcome(
            outcome_date=datetime.date(2026, 3, 31),
            cancer=True,
            detection="screen",
            size_mm=8.5,
            invasive=True,
            node_positive=False,
            stage="T1b N0",
        ),
        "A2": Outcome(outcome_date=datetime.date(2026, 5, 1), cancer=False),
    }
    later = "accession_number;outcome_date;cancer;detection\nA2;2027-01-15;1;interval\n"
    assert call(later).stdout == "1 of 1 outcomes are new\n"
    assert kept(path, "A2")["A2"].detection == "interval"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("A1,31-03-2026,yes,screen,,,,", "line 2: outcome_date"),
        ("A1,2026-03-31,maybe,screen,,,,", "line 2: cancer: wants yes or no"),
        ("A1,2026-03-31,yes,,,,,", "line 2: outcome: a cancer was found"),
        ("A1,2026-03-31,no,,12,,,", "line 2: outcome: without cancer"),
        ("A1,2026-03-31,yes,clinic,,,,", "line 2: detection"),
        ("A1,2026-03-31,yes,screen,-3,,,", "line 2: size_mm"),
        ("A1,2026-03-31,yes,screen,,,,SECRET*", "line 2: stage"),
        (",2026-03-31,no,,,,,", "line 2: accession_number"),
        ("A1,2026-03-31,no,,,,,\nA1,2026-04-01,no,,,,,", "line 3: accession_number: line 2 says"),
    ],
)
def test_a_wrong_list_is_refused_whole_and_its_values_are_not_repeated(call, path, row, told):
    outcome = call(HEAD + row + "\n")
    assert outcome.exit_code == 4
    assert told in outcome.stderr
    assert "SECRET" not in outcome.stderr


def test_a_list_without_its_columns(call):
    outcome = call("accession_number,cancer\nA1,yes\n")
    assert outcome.exit_code == 4
    assert "line 1 must name the columns accession_number, outcome_date, cancer" in outcome.stderr
