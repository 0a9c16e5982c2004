"""The configuration is kept as versions, without its secrets."""

import json

import pytest
from sqlalchemy import select, text

from gransk.core.errors import InvalidValueError
from gransk.core.keys import digest
from gransk.site.config import parse_config
from gransk.site.database import Database
from gransk.site.events import EventKind, verify
from gransk.site.migrate import upgrade
from gransk.site.settings import changed_settings, latest_settings, record_settings
from gransk.site.tables import Event, SettingVersion


@pytest.fixture
def database(url):
    database = Database(url)
    upgrade(database)
    yield database
    database.close()


def test_a_version_for_each_difference(database, tmp_path):
    first = parse_config("", tmp_path / "gransk.yaml")
    second = parse_config("follow_up: {grace_days: 7}", tmp_path / "gransk.yaml")
    numbers = []
    for config in (first, first, second, first):
        with database.begin() as session:
            numbers.append(record_settings(session, config, "anna", "trying"))
    assert numbers == [1, 1, 2, 3]
    with database.read() as session:
        assert verify(session) is None
        assert latest_settings(session).content["follow_up"]["grace_days"] == 14
        changed = session.scalars(select(Event).where(Event.kind == EventKind.SETTINGS_CHANGED))
        assert [event.data["number"] for event in changed] == [1, 2, 3]


def test_machine_keys_are_not_kept(database, tmp_path):
    written = "database: {url: 'postgresql+psycopg://gransk:hemmelig@host/db'}"
    with database.begin() as session:
        record_settings(session, parse_config(written, tmp_path / "g.yaml"), "anna", "moved")
    with database.read() as session:
        content = session.scalars(select(SettingVersion)).one().content
    assert "database" not in content
    assert "hemmelig" not in json.dumps(content)


def test_a_reason_is_wanted(database, tmp_path):
    with pytest.raises(InvalidValueError), database.begin() as session:
        record_settings(session, parse_config("", tmp_path / "g.yaml"), "anna", " ")


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE setting_version SET content = '{}' WHERE number = 1",
        "UPDATE setting_version SET content = '{}', digest = '" + digest({}) + "' WHERE number = 1",
        "DELETE FROM setting_version WHERE number = 1",
        "INSERT INTO setting_version SELECT 1 + number, at, author, reason, digest, content, draft "
        "FROM setting_version WHERE number = 2",
    ],
)
def test_changed_versions_are_found(database, tmp_path, tampering):
    for written in ("", "language: da"):
        with database.begin() as session:
            record_settings(session, parse_config(written, tmp_path / "g.yaml"), "anna", "trying")
    with database.read() as session:
        assert changed_settings(session) == []
    with database.begin() as session:
        if database.url.startswith("sqlite"):
            session.execute(text("DROP TRIGGER setting_version_no_update"))
            session.execute(text("DROP TRIGGER setting_version_no_delete"))
        else:
            session.execute(text("DROP TRIGGER setting_version_no_change ON setting_version"))
        session.execute(text(tampering))
    with database.read() as session:
        assert changed_settings(session) == [3 if "INSERT" in tampering else 1]
