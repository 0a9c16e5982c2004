"""``gransk programme``: the whole list or nothing, faults by line."""

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from gransk.cli.main import app
from gransk.core.programme import Programme
from gransk.results.tables import ExamFact, ProgrammeStatement
from gransk.site.config import load_config
from gransk.site.database import Database


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "gransk.yaml"
    path.write_text("language: da\n")
    return path


@pytest.fixture
def call(tmp_path, path):
    def call(text):
        table = tmp_path / "list.csv"
        table.write_bytes(text.encode() if isinstance(text, str) else text)
        return CliRunner().invoke(app, ["programme", str(table), "--config", str(path)])

    return call


def kept(path):
    database = Database(load_config(path).database.url)
    with database.read() as session:
        rows = session.scalars(select(ProgrammeStatement).order_by(ProgrammeStatement.number))
        found = [(row.accession_number, row.programmes, row.source, row.actor) for row in rows]
    database.close()
    return found


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_list_is_kept_with_who_said_it(call, path, delimiter):
    rows = ["programme,accession_number", "screening, A1 ", "High_Risk,A2", "", '"clinical","A3"']
    outcome = call("\ufeff" + "\r\n".join(rows).replace(",", delimiter))
    assert outcome.exit_code == 0, outcome.output
    assert outcome.stdout.startswith("3 af 3 undersøgelser")
    found = kept(path)
    assert [row[:3] for row in found] == [
        ("A1", [Programme.SCREENING], "file"),
        ("A2", [Programme.HIGH_RISK], "file"),
        ("A3", [Programme.CLINICAL], "file"),
    ]
    assert all(row[3].startswith("shell:") for row in found)


def test_the_same_list_again_changes_nothing(call, path):
    text = "accession_number,programme\nA1,screening\nA2,unknown\n"
    assert call(text).stdout.startswith("1 af 2")
    assert call(text).stdout.startswith("0 af 2")
    assert call(text.replace("A1,screening", "A1,unknown")).stdout.startswith("1 af 2")
    assert [row[1] for row in kept(path)] == [["screening"], []]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("accession_number,programme\nA1,screening\nSECRET,nonsense\n", "line 3: programme: wants"),
        ("accession_number,programme\nA1,screening\n,clinical\n", "line 3: accession_number"),
        ("accession_number,programme\nA1,screening\nA1,clinical\n", "line 3: accession_number: li"),
        ('accession_number,programme\n"A\n1",screening\nA2,x\n', "line 2: accession_number"),
        ("accession_number,programme\nA1,screening,1\n", "line 2: 3 cells, line 1 has 2"),
        ("accession,programme\nA1,screening\n", "line 1 must name the columns accession_number"),
        ("", "line 1 must name the columns"),
        (b"accession_number,programme\nA\xe6,screening\n", "byte 28 is not UTF-8"),
        ('accession_number,programme\nA1,screening\n"A2,clinical\n', "no CSV"),
    ],
)
def test_a_wrong_list_is_refused_whole_and_its_values_are_not_repeated(call, path, text, told):
    outcome = call(text)
    assert outcome.exit_code == 4
    assert told in outcome.stderr
    assert "SECRET" not in outcome.stderr
    assert kept_count(path) == 0


def kept_count(path):
    database = Database(load_config(path).database.url)
    try:
        if not (path.parent / "data" / "gransk.db").exists():
            return 0
        with database.read() as session:
            return session.scalar(select(func.count()).select_from(ProgrammeStatement))
    finally:
        database.close()


def test_every_wrong_line_is_told_up_to_a_limit(call):
    outcome = call("accession_number,programme\n" + "A1,x\n" * 30)
    assert outcome.stderr.count("line ") == 20
    assert "and 10 more" in outcome.stderr


def test_a_file_that_is_not_there(path):
    outcome = CliRunner().invoke(app, ["programme", "/none.csv", "--config", str(path)])
    assert outcome.exit_code == 4
    assert "cannot be read" in outcome.stderr


def facts(path):
    database = Database(load_config(path).database.url)
    with database.read() as session:
        rows = session.scalars(select(ExamFact).order_by(ExamFact.number))
        found = [(row.accession_number, row.fact, row.value, row.source) for row in rows]
    database.close()
    return found


def test_more_columns_say_facts_of_the_exams(call, path):
    text = "accession_number,programme,round,treated,declines_ai\n"
    rows = "A1,screening,First,no,\nA2,screening,,yes,no\n"
    outcome = call(text + rows)
    assert outcome.stdout.startswith("2 af 2 undersøgelser angivet på ny, oplysninger om 2;")
    assert facts(path) == [
        ("A1", "round", "first", "file"),
        ("A1", "treated", "no", "file"),
        ("A2", "treated", "yes", "file"),
        ("A2", "declines_ai", "no", "file"),
    ]
    assert call(text + rows).stdout.startswith("0 af 2 undersøgelser angivet på ny, oplysninger om")


def test_a_list_of_facts_alone_leaves_programmes_as_they_are(call, path):
    path.write_text("language: en\nreading: {units: [{name: north, title: North}]}\n")
    assert call("accession_number,unit\nA1,north\n").exit_code == 0
    assert call("accession_number,unit\nA1,unknown\n").exit_code == 0
    assert [row[1:3] for row in facts(path)] == [("unit", "north"), ("unit", "")]
    assert kept(path) == []


def test_an_empty_programme_beside_facts_says_nothing(call, path):
    assert call("accession_number,programme,treated\nA1,,yes\n").exit_code == 0
    assert [row[1:3] for row in facts(path)] == [("treated", "yes")]
    assert kept(path) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("accession_number\nA1\n", "line 1 must name one of the columns programme, round"),
        ("accession_number,treated\nA1,SECRET\n", "line 2: treated: wants yes, no or unknown"),
        ("accession_number,unit\nA1,SECRET\n", "line 2: unit: wants"),
        ("accession_number,age\nA1,55\n", "line 1 must name the columns"),
        ("accession_number,round\nA1,first\nA1,later\n", "line 3: accession_number: line 2 says"),
    ],
)
def test_wrong_facts_are_refused(call, text, told):
    outcome = call(text)
    assert outcome.exit_code == 4
    assert told in outcome.stderr
    assert "SECRET" not in outcome.stderr
