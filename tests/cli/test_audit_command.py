"""``gransk audit``: what does not hold is named, and one patient's entries come out whole."""

import csv
import io
import json
import shutil

import pytest
import yaml
from sqlalchemy import select, text
from typer.testing import CliRunner
from web_site import open_site

from gransk.archive.identity_tables import IdentityChange, IdentityStatement
from gransk.archive.patients import join
from gransk.cli.main import app
from gransk.oversight.audit.tables import AuditCursor
from gransk.site.anchor import FILE, advance
from gransk.site.config import load_config
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record
from gransk.site.settings import record_settings
from gransk.site.tables import Event


@pytest.fixture
def place(tmp_path):
    path = tmp_path / "gransk.yaml"
    path.write_text(yaml.safe_dump({"data_folder": str(tmp_path / "data")}))
    return path


@pytest.fixture
def site(place):
    config = load_config(place)
    made = open_site(config)
    with made.database.begin() as session:
        record_settings(session, config, "anna", "first")
    yield made
    made.close()


def run(place, *arguments):
    return CliRunner().invoke(app, ["audit", *map(str, arguments), "--config", str(place)])


def said(site, key, kind=EventKind.STUDY_SEEN, actor="gransk", **data):
    with site.database.begin() as session:
        record(session, actor, kind, key, data)


def tamper(site, *statements):
    """What somebody who may write to the database does."""
    with site.database.begin() as session:
        for statement in statements:
            session.execute(text(statement))


def test_a_whole_log_is_told_so(place, site):
    said(site, "k" * 32)
    advance(site.database, site.config.data_folder)
    shutil.copy(site.config.data_folder / FILE, place.parent / "copy")
    said(site, "k" * 32)
    answer = run(place, "verify", "--anchor", place.parent / "copy")
    assert answer.exit_code == 0, answer.output
    assert "chain: whole, 4 events" in answer.output
    assert answer.output.count("the log holds it") == 2


def test_the_first_event_that_does_not_hold_is_named(place, site):
    for _ in range(5):
        said(site, "k" * 32)
    tamper(site, "DROP TRIGGER event_no_update", "UPDATE event SET actor = 'eve' WHERE number = 5")
    answer = run(place, "verify")
    assert answer.exit_code == 1
    assert "BROKEN at event 5" in answer.output
    assert "guards: MISSING in the database: event_no_update" in answer.output


def test_an_end_that_was_cut_and_written_anew_is_found_by_a_copy_kept_elsewhere(place, site):
    for _ in range(4):
        said(site, "k" * 32)
    advance(site.database, site.config.data_folder)
    copy = place.parent / "copy"
    shutil.copy(site.config.data_folder / FILE, copy)
    (site.config.data_folder / FILE).unlink()
    with site.database.read() as session:
        guard = session.scalar(text("SELECT sql FROM sqlite_master WHERE name = 'event_no_delete'"))
    tamper(site, "DROP TRIGGER event_no_delete", "DELETE FROM event WHERE number > 4", guard)
    for _ in range(3):
        said(site, "other")
    advance(site.database, site.config.data_folder)
    assert run(place, "verify").exit_code == 0, "the forged log is whole in itself"
    answer = run(place, "verify", "--anchor", copy)
    assert answer.exit_code == 1
    assert "BROKEN at event 6" in answer.output
    assert f"note {copy}: event 6: the log does not hold it" in answer.output


def test_settings_that_were_changed_behind_the_log_are_found(place, site):
    tamper(site, "DROP TRIGGER setting_version_no_update",
           "UPDATE setting_version SET content = '{}'")  # fmt: skip
    answer = run(place, "verify")
    assert answer.exit_code == 1
    assert "settings: BROKEN: version 1" in answer.output


def test_what_cannot_be_looked_at_is_no_verdict(place, site, tmp_path):
    (tmp_path / "nonsense").write_text("nonsense")
    assert run(place, "verify", "--anchor", tmp_path / "nonsense").exit_code == 2
    assert run(place, "verify", "--anchor", tmp_path / "nowhere").exit_code == 2
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump({"data_folder": str(tmp_path / "empty")}))
    answer = run(other, "verify")
    assert answer.exit_code == 2
    assert "is not there" in answer.output
    assert not (tmp_path / "empty").exists(), "looking makes nothing"


def exported(place, *arguments):
    answer = run(place, "export", *arguments)
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def test_one_study_comes_out_as_the_log_has_it(place, site):
    key, other = site.study(1), site.study(2)
    said(site, key, error="=1+1 æ")
    said(site, other)
    said(site, key, EventKind.REPORT_SEALED, report="r")
    about, *rows = map(json.loads, exported(place, "--study", key).splitlines())
    assert about["asked"] == {"study": key}
    assert [row["kind"] for row in rows] == ["study_seen", "report_sealed"]
    with site.database.read() as session:
        for row in rows:
            event = session.get_one(Event, row["number"])
            assert (row["hash"], row["data"], row["actor"]) == (
                event.hash, event.data, event.actor)  # fmt: skip
        told = session.scalars(select(Event).where(Event.kind == EventKind.AUDIT_EXPORTED)).one()
    assert told.subject == key
    assert told.actor.startswith("shell:")
    table = list(csv.DictReader(io.StringIO(exported(place, "--study", key, "--format", "csv"))))
    assert [row["kind"] for row in table] == ["study_seen", "report_sealed", "audit_exported"]


def test_a_patient_comes_out_under_every_identifier_and_no_other_is_told(place, site):
    mine = site.study(1, patient_id="0101010001", issuer_of_patient_id="CPR")
    joined = site.study(2, patient_id="REPLACEMENT", issuer_of_patient_id="CPR")
    merged = site.study(3, patient_id="0101010001", issuer_of_patient_id="CPR")
    former = site.study(4, patient_id="0909090009", issuer_of_patient_id="CPR")
    stranger = site.study(5, patient_id="0101010001", issuer_of_patient_id="OTHER")
    for key in (mine, joined, merged, former, stranger):
        said(site, key)
    with site.database.begin() as session:
        join(session, ("0101010001", "CPR"), ("REPLACEMENT", "CPR"), "anna", mine)
        session.add(IdentityStatement(
            number=1, actor="ris", event="A40", said_at=utcnow(), at=utcnow(),
            patient_id="0101010001", issuer="CPR", prior_id="OLD", prior_issuer="CPR",
            patient_name="", birth_date="", sex=""))  # fmt: skip
        session.flush()
        for study, before, after in ((merged, "OLD", "0101010001"),
                                     (former, "0101010001", "0909090009")):  # fmt: skip
            session.add(IdentityChange(
                study_key=study, statement=1, actor="ris",
                before={"patient_id": before, "issuer": "CPR"},
                after={"patient_id": after, "issuer": "CPR"}, at=utcnow()))  # fmt: skip
        record(session, "ris", EventKind.IDENTITY_STATED, "identity-1", {"statement": 1})
    text_of = exported(place, "--patient", "0101010001", "--issuer", "CPR")
    about, *rows = map(json.loads, text_of.splitlines())
    assert about["asked"] == {"patient_id": "0101010001", "issuer": "CPR"}
    assert {row["subject"] for row in rows} == {mine, joined, merged, former, "identity-1"}
    assert [row["number"] for row in rows] == sorted(row["number"] for row in rows)
    for word in ("REPLACEMENT", "OLD", "0909090009", "Testesen"):
        assert word not in text_of
    anywhere = exported(place, "--patient", "0101010001")
    assert stranger in anywhere
    assert mine in anywhere
    with site.database.read() as session:
        told = session.scalars(select(Event).where(Event.kind == EventKind.AUDIT_EXPORTED)).all()
        assert {event.subject for event in told} == {mine, joined, merged, former, stranger}
        assert "0101010001" not in json.dumps([event.data for event in told])


def test_what_is_asked_for_wrongly_is_refused_and_nothing_is_written(place, site, tmp_path):
    key = site.study(1)
    for arguments in (
        (), ("--patient", "x", "--study", key), ("--study", "nowhere"),
        ("--study", key, "--format", "xml"), ("--study", key, "--out", place),
    ):  # fmt: skip
        assert run(place, "export", *arguments).exit_code == 2
    with site.database.read() as session:
        assert not session.scalars(select(Event).where(Event.kind == "audit_exported")).all()
    out = tmp_path / "out.jsonl"
    exported(place, "--patient", "nobody", "--out", out)
    assert json.loads(out.read_text())["events"] == 0
    assert out.stat().st_mode & 0o077 == 0


def test_events_are_sent_again_from_a_number(place, site):
    said(site, "k" * 32)
    assert "2 events are to be sent" in run(place, "resend", "2").output
    with site.database.read() as session:
        assert session.get_one(AuditCursor, "repository").number == 1
