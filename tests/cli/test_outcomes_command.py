"""``gransk outcomes``: the whole list or nothing, the last word about an exam counts."""

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DatabaseError
from typer.testing import CliRunner

from gransk.cli.main import app
from gransk.reading.outcome_store import outcomes_of
from gransk.reading.outcomes import ACCESSION, STUDY, Found, Outcome
from gransk.reading.policy_tables import OutcomeStatement
from gransk.site.config import load_config
from gransk.site.database import Database

HEAD = "accession_number;study_instance_uid;cancer;found;invasive;size_mm;follow_up_months\n"


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


@pytest.fixture
def database(call, path):
    call(HEAD)
    database = Database(load_config(path).database.url)
    yield database
    database.close()


def test_outcomes_are_kept_and_the_last_word_counts(call, database):
    rows = "A1;;yes;screening;yes;8,5;24\n;1.2.3;no;;;;24\n"
    assert call(HEAD + rows).stdout == "2 of 2 outcomes are new\n"
    assert call(HEAD + rows).stdout == "0 of 2 outcomes are new\n"
    names = [(ACCESSION, "A1"), (STUDY, "1.2.3"), (ACCESSION, "A3")]
    with database.read() as session:
        assert outcomes_of(session, names) == {
            names[0]: Outcome(
                cancer=True, found=Found.SCREENING, invasive=True, size_mm=8.5, follow_up_months=24
            ),
            names[1]: Outcome(cancer=False, follow_up_months=24),
        }
    assert call(HEAD + ";1.2.3;yes;interval;;;\n").stdout == "1 of 1 outcomes are new\n"
    with database.read() as session:
        assert outcomes_of(session, names)[names[1]].found is Found.INTERVAL
        assert session.scalar(select(func.count()).select_from(OutcomeStatement)) == 3
    with pytest.raises(DatabaseError, match="append-only"), database.begin() as session:
        session.execute(text("DELETE FROM outcome"))


def test_a_wrong_list_is_refused_whole_and_its_values_are_not_repeated(call, database):
    outcome = call(HEAD + "A1;;no;;;;24\nA2;;SECRET;;;;\n")
    assert outcome.exit_code == 4
    assert "line 3: cancer" in outcome.stderr
    assert "SECRET" not in outcome.stderr
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(OutcomeStatement)) == 0


def test_more_exams_than_one_question_takes(call, database):
    rows = "".join(f"A{n};;no;;;;24\n" for n in range(900))
    assert call(HEAD + rows).stdout == "900 of 900 outcomes are new\n"
    assert call(HEAD + rows).stdout == "0 of 900 outcomes are new\n"
