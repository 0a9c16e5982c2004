"""The doctor sees what is wrong, and changes nothing."""

import datetime
import hashlib
import json
import string
import sys
from pathlib import Path

import pytest
import typer
from pydantic import BaseModel
from sqlalchemy import text
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "registry"))

import made_models

from bench.contracts.cards import write
from gransk.cli.doctor import doctor as doctor_command
from gransk.core.application import applications
from gransk.core.decode import SYNTAXES
from gransk.oversight import doctor, doctor_orthanc, doctor_settings
from gransk.oversight.doctor import CHECKS, OF_MODELS, Level, examine
from gransk.oversight.doctor_texts import NAMES, REMEDIES, SEEN
from gransk.reading import ledger
from gransk.reading.entries import Arrival
from gransk.reading.tables import FollowUpRow
from gransk.site import people
from gransk.site.anchor import advance
from gransk.site.config import load_config
from gransk.site.database import utcnow
from gransk.site.events import SYSTEM
from gransk.site.migrate import open_database
from gransk.site.settings import record_settings
from gransk.site.tables import Executor, Role

PARSER = string.Formatter()


@pytest.fixture(autouse=True)
def _no_applications(monkeypatch):
    monkeypatch.setattr(doctor, "applications", dict)
    monkeypatch.setattr(doctor_settings, "applications", dict)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "gransk.yaml"
    path.write_text("intake: {min_free_disk_mb: 1}\n")
    return path


@pytest.fixture
def database(path):
    database = open_database(load_config(path))
    yield database
    database.close()


def seen(path):
    """The results by the codes of what they saw."""
    return {result.seen: result for result in examine(path, (*OF_MODELS, *doctor_settings.CHECKS))}


def test_bad_configuration_ends_it(path):
    path.write_text("langauge: da")
    results = list(examine(path))
    assert [r.level for r in results] == [Level.FAIL]
    assert "did you mean 'language'?" in results[0].what("en")


def test_nothing_is_made(path, tmp_path):
    results = seen(path)
    assert results["folder_missing"].level is Level.WARN
    assert results["database_missing"].level is Level.WARN
    assert results["secret_missing"].level is Level.WARN
    assert [p.name for p in tmp_path.iterdir()] == ["gransk.yaml"]


def test_healthy_database(path, database):
    config = load_config(path)
    with database.begin() as session:
        record_settings(session, config, "root", "first")
        people.create_account(session, "root", "R", [Role.ADMINISTRATOR], password="x" * 12)
        now = utcnow()
        session.add(
            Executor(
                id="h-worker-0", kind="worker", host="h", pid=1, started_at=now, heartbeat_at=now
            )
        )
    advance(database, config.data_folder)
    results = seen(path)
    assert not results.keys() & {"events_unanchored", "guards_missing", "settings_changed"}
    for code in (
        "config_good",
        "folder_good",
        "disk_good",
        "database_current",
        "settings_same",
        "events_whole",
        "administrator_there",
        "workers_alive",
        "dead_none",
        "waiting_good",
    ):
        assert results[code].level is Level.OK


def test_broken_chain_fails(path, database):
    with database.begin() as session:
        session.execute(text("DROP TRIGGER event_no_update"))
        session.execute(text("UPDATE event SET actor = 'eve'"))
    result = seen(path)["events_broken"]
    assert result.level is Level.FAIL
    assert "event 1" in result.what("en")


def test_a_cut_log_fails(path, database):
    config = load_config(path)
    assert seen(path)["events_unanchored"].level is Level.WARN
    with database.begin() as session:
        record_settings(session, config, "root", "first")
    advance(database, config.data_folder)
    assert "events_unanchored" not in seen(path)
    with database.begin() as session:
        session.execute(text("DROP TRIGGER event_no_delete"))
        session.execute(text("DELETE FROM event WHERE number > 1"))
    results = seen(path)
    assert results["guards_missing"].level is Level.FAIL
    assert "event_no_delete" in results["guards_missing"].what("da")
    assert results["events_cut"].level is Level.FAIL
    assert "event 1, but event 2" in results["events_cut"].what("en")
    assert results["settings_changed"].level is Level.FAIL


def test_newer_database_fails(path, database):
    with database.begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'zzz'"))
    assert seen(path)["database_newer"].level is Level.FAIL


def test_silent_workers_fail(path, database):
    assert seen(path)["workers_none"].level is Level.FAIL
    with database.begin() as session:
        old = people.datetime.datetime(2020, 1, 1, tzinfo=people.datetime.UTC)
        session.add(
            Executor(
                id="h-worker-0", kind="worker", host="h", pid=1, started_at=old, heartbeat_at=old
            )
        )
    assert seen(path)["workers_none"].level is Level.FAIL


def test_changed_settings_are_told(path, database):
    with database.begin() as session:
        record_settings(session, load_config(path), "root", "first")
    path.write_text("{intake: {min_free_disk_mb: 1, quiet_seconds: 9}, language: da}\n")
    told = seen(path)["settings_differ"]
    assert told.level is Level.WARN
    assert "language" in told.what("en")
    assert "intake" not in told.what("en"), "a machine's own key is in no version"


def test_open_folders_and_secrets(path, database):
    config = load_config(path)
    config.data_folder.chmod(0o755)
    secret = config.orthanc.password_file
    secret.parent.mkdir()
    secret.write_text("word")
    secret.chmod(0o644)
    config.service.nudge_secret_file.write_text("")
    results = seen(path)
    assert results["folder_open"].level is Level.WARN
    assert results["secret_open"].level is Level.WARN
    assert results["secret_unreadable"].level is Level.FAIL


def test_full_disk(path, database):
    path.write_text("intake: {min_free_disk_mb: 999999999}\n")
    assert seen(path)["disk_low"].level is Level.FAIL


def test_models_that_are_not_what_they_claim(path, database, tmp_path):
    (tmp_path / "models" / "odd").mkdir(parents=True)
    path.write_text("models: {folder: models}\n")
    result = seen(path)["model_bad"]
    assert result.level is Level.FAIL
    assert "odd" in result.what("da")


def test_models_that_an_application_wants(path, database, tmp_path, monkeypatch):
    class Settings(BaseModel):
        pass

    class Wanting:
        id = "wanting"
        settings_schema = Settings

        def models(self, settings):
            return ("eyes",)

    monkeypatch.setattr(doctor, "applications", lambda: {"wanting": Wanting()})
    (tmp_path / "models").mkdir()
    path.write_text("models: {folder: models}\n")
    result = seen(path)["model_missing"]
    assert result.level is Level.FAIL
    assert "wanting needs eyes" in result.what("en")


def test_a_model_in_a_role_that_it_does_not_fit(path, database, monkeypatch):
    monkeypatch.setattr(doctor, "applications", applications)
    path.write_text("applications: {nodule: {models: {segmenter: nodule-detector}}}\n")
    result = seen(path)["model_bad"]
    assert result.level is Level.FAIL
    told = result.what("en")
    assert "applications.nodule.models: role segmenter: model 'nodule-detector'" in told
    assert "volume-segmenter" in told


def test_a_model_that_the_site_admitted(path, database, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "applications", applications)
    name = write(tmp_path, "volume-boxes")
    path.write_text(
        "applications: {nodule: {models: {search: null, detector: example-volume-boxes@1.0.0}}}\n"
        "overrides: [{name: mild, application: nodule, where: {age_below: 50}, settings: "
        "{models: {segmenter: example-volume-boxes@1.0.0}}}]\n"
    )
    missing = seen(path)["model_missing"]
    assert "nodule needs example-volume-boxes@1.0.0" in missing.what("en")
    place = load_config(path).admitted_folder / f"{name}@1.0.0"
    place.parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).rename(place)
    assert "was never admitted" in seen(path)["model_bad"].what("en")
    card = place / "card.yaml"
    with database.begin() as session:
        sha256 = hashlib.sha256(card.read_bytes()).hexdigest()
        made_models.enter(session, place.name, card_sha256=sha256)
    told = seen(path)
    assert "model_missing" not in told
    assert "overrides[mild].settings.models: role segmenter" in told["model_bad"].what("en")
    assert "example-volume-boxes 1.0.0" in told["models_good"].what("en")
    card.write_text(card.read_text().replace("threshold: 0.5", "threshold: 0.9"))
    results = list(examine(path, OF_MODELS))
    assert any("not the one that was admitted" in one.what("en") for one in results)


def test_service_without_tls(path):
    path.write_text("service: {host: 0.0.0.0, port: 9}\n")
    results = seen(path)
    assert results["service_plain"].level is Level.WARN
    assert results["service_down"].level is Level.FAIL


def test_every_promised_codec_is_here(path):
    assert f"all {len(SYNTAXES)} can" in seen(path)["codecs_good"].what("en")


def test_a_check_that_breaks_is_told_and_the_rest_go_on(path, monkeypatch):
    def check_disk(config):
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(doctor, "CHECKS", (check_disk, *CHECKS[-1:]))
    results = list(examine(path))
    assert [r.level for r in results] == [Level.OK, Level.FAIL, Level.OK]
    assert "by nought" in results[1].what("en")


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ("1.9.7", Level.FAIL),
        ("1.10.1", Level.WARN),
        ("1.12.7", Level.WARN),
        ("1.12.10", Level.WARN),
        ("1.12.11", Level.OK),
        ("1.13.0", Level.OK),
        ("mainline", Level.WARN),
    ],
)
def test_versions(version, level):
    result = doctor_orthanc.version_result(version)
    assert result.level is level
    assert version in result.what("da")


def test_texts_are_whole_in_both_languages():
    for table in (NAMES, SEEN, REMEDIES):
        for code, texts in table.items():
            assert set(texts) == {"en", "da"}, code
            fields = [
                {f for _, f, _, _ in string.Formatter().parse(t) if f} for t in texts.values()
            ]
            assert fields[0] == fields[1], code
    assert set(REMEDIES) <= set(SEEN)


def run(path, *arguments):
    app = typer.Typer()
    app.command()(doctor_command)
    return CliRunner().invoke(app, ["--config", str(path), *arguments])


def test_command_prints_json(path):
    outcome = run(path, "--json", "--language", "da")
    assert outcome.exit_code == 1
    answer = json.loads(outcome.stdout)
    assert answer["ok"] is False
    by_check = {check["check"]: check for check in answer["checks"]}
    assert by_check["orthanc"]["level"] == "fail"
    assert by_check["codecs"]["what"].endswith("kan afkodes")


def test_command_prints_a_table(path):
    outcome = run(path)
    assert outcome.exit_code == 1
    assert "fault" in outcome.stdout
    assert "Data folder" in outcome.stdout


def follow(database, last, **values):
    """Put a patient on the follow-up list, signed and due."""
    row = FollowUpRow(
        id="f" * 32, application="nodule", patient_key="p", study_key="s",
        study_date=None, report_key="r", advice=None, due_from=None,
        due_to=datetime.date.fromisoformat(last), signed=True, state="due", closing=None,
        responsible="", next_step="", note="", booked_on=None, told_overdue=None,
        changed_at=utcnow(), changed_by=SYSTEM, version=1,
    )  # fmt: skip
    for name, value in values.items():
        setattr(row, name, value)
    with database.begin() as session:
        session.add(row)


@pytest.mark.parametrize(("last", "found"), [("2020-01-01", "follow_up_overdue"),
                                            ("2999-01-01", "follow_up_good")])  # fmt: skip
def test_overdue_patients_are_told(path, database, last, found):
    follow(database, last)
    assert found in seen(path)
    assert "follow_up_unconfirmed" not in seen(path)


@pytest.mark.parametrize("after", ["signed", "released"])
def test_advice_in_force_that_nobody_confirmed_is_told(path, database, after):
    path.write_text(f"{path.read_text()}follow_up: {{after: {after}}}\n")
    follow(database, "2999-01-01", signed=False)
    result = seen(path)["follow_up_unconfirmed"]
    assert result.level is Level.WARN
    assert "undersøgelser s" in result.what("da")


def test_a_changed_ledger_fails(path, database):
    now = utcnow()
    new = Arrival(unit="u", application="a", images="i", images_at=now, opens_at=now)
    with database.begin() as session:
        ledger.arrive(session, "study", new)
    assert not seen(path).keys() & {"rows_wrong", "entries_changed", "seals_broken"}
    with database.begin() as session:
        session.execute(text("UPDATE reading_exam SET unit = 'other'"))
    results = seen(path)
    assert results["rows_wrong"].level is Level.FAIL
    assert "study" in results["rows_wrong"].what("da")
    assert "entries_changed" not in results
    with database.begin() as session:
        session.execute(text("DROP TRIGGER reading_entry_no_update"))
        session.execute(text("UPDATE reading_entry SET actor = 'eve'"))
    results = seen(path)
    assert results["entries_changed"].level is Level.FAIL
    assert results["guards_missing"].level is Level.FAIL
    with database.begin() as session:
        session.execute(text("UPDATE reading_entry SET content = '{}'"))
    assert "rows_wrong" in seen(path)
