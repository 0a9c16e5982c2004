"""Commands go by the settings in force, not by what a machine's file said once."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gransk.cli.main import app
from gransk.cli.options import person_here, shell_name
from gransk.cli.orthanc import orthanc_command
from gransk.cli.site import settings_in_force
from gransk.site.config import load_config
from gransk.site.differences import with_value
from gransk.site.migrate import open_database
from gransk.site.settings_acts import propose
from gransk.site.settings_drafts import settings_now
from gransk.site.settings_tables import Origin
from gransk.site.site_keys import Host

ARCHIVE = {"kind": "dimse", "name": "pacs", "aet": "PACS", "host": "10.0.0.9", "port": 104}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "gransk.yaml"
    made.write_text("data_folder: data\n")
    return made


def changed(path: Path, key: str, value: object) -> None:
    host = Host.of_file(path)
    database = open_database(host.config)
    try:
        with database.begin() as session:
            wanted = with_value(settings_now(session, host).content, key, value)
            propose(session, host, wanted, "anna", "as we agreed", Origin.PAGE)
    finally:
        database.close()


def test_orthanc_knows_the_archives_that_are_in_force(path):
    assert settings_in_force(path) == (load_config(path), "")
    assert not load_config(path).data_folder.exists()
    changed(path, "priors.archives", [ARCHIVE])
    site, why = settings_in_force(path)
    assert why == ""
    written = json.loads(Path(orthanc_command(path, site)[1]).read_text())
    assert written["DicomModalities"]["pacs"]["Host"] == "10.0.0.9"


def test_orthanc_starts_without_the_database(path):
    changed(path, "priors.archives", [ARCHIVE])
    (load_config(path).data_folder / "gransk.db").write_bytes(b"no database at all" * 100)
    site, why = settings_in_force(path)
    assert site == load_config(path)
    assert "the database does not answer" in why


def test_retention_is_that_of_the_settings_in_force(path):
    said = CliRunner().invoke(app, ["retention", "run", "--dry-run", "--config", str(path)])
    assert "nothing is set" in said.stdout
    changed(path, "retention.fallen_days", 30)
    said = CliRunner().invoke(app, ["retention", "run", "--dry-run", "--config", str(path)])
    assert said.exit_code == 0, said.output
    assert "nothing is set" not in said.stdout


def test_the_environment_does_not_say_who_approves(monkeypatch):
    monkeypatch.setenv("LOGNAME", "karen")
    assert person_here() == pwd.getpwuid(os.getuid()).pw_name
    assert shell_name() == f"shell:{person_here()}"
