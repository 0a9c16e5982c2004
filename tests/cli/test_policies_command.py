"""``gransk policies``: files are checked, kept as versions and exported as they came in."""

import datetime
import json

import pytest
from typer.testing import CliRunner

from gransk.cli.main import app
from gransk.reading import rooms
from gransk.site import people
from gransk.site.config import load_config
from gransk.site.database import Database
from gransk.site.tables import Role

TODAY = datetime.datetime.now(datetime.UTC).date()
SITE = """
language: en
time_zone: UTC
reading:
  units: [{name: north, title: North}, {name: south, title: South}]
"""
SHADOW = f"""valid_from: {TODAY}
policies:
- name: shadow
  kind: shadow
rules:
- when:
    programmes:
    - screening
  policy: shadow
"""
NET = SHADOW.replace("kind: shadow", "kind: safety_net\n  recall_from: 9")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "gransk.yaml"
    path.write_text(SITE)
    return path


@pytest.fixture
def call(tmp_path, path):
    def call(command, *arguments, text=None):
        file = [] if text is None else [str(tmp_path / "policies.yaml")]
        if text is not None:
            (tmp_path / "policies.yaml").write_text(text)
        given = ["policies", command, *file, *arguments, "--config", str(path)]
        return CliRunner().invoke(app, given)

    return call


def approve(path, version):
    config = load_config(path)
    database = Database(config.database.url)
    with database.begin() as session:
        account = people.find_account(session, "karen") or people.create_account(
            session, "karen", "Karen", [Role.RESPONSIBLE_RADIOLOGIST]
        )
        rooms.approve(session, config.reading, version, account)
    database.close()


def test_a_file_becomes_a_version_and_is_exported_as_it_was(call, path):
    assert call("check", text=SHADOW).stdout.startswith("New: Rule 1: screening → shadow")
    made = call("draft", "--reason", "before validation", text=SHADOW)
    assert made.stdout.endswith("version 1; to approve: north, south\n"), made.output
    assert call("export").exit_code == 1
    approve(path, 1)
    assert call("export").stdout == SHADOW
    assert call("check", text=SHADOW).stdout == "Nothing changes.\n"
    again = call("draft", "--reason", "once more", text=call("export").stdout)
    assert again.exit_code == 1
    assert "Nothing differs" in again.stderr


def test_a_limit_needs_its_simulations(call, path, tmp_path):
    refused = call("draft", "--reason", "as agreed", text=NET)
    assert refused.exit_code == 1
    assert "north: safety_net recall_from 9: A limit changes" in refused.stderr
    files = []
    for unit in ("north", "south"):
        simulation = {
            "unit": unit, "kind": "safety_net", "limits": {"recall_from": 9},
            "first": "2024-01-01", "last": "2024-12-31", "exams": 900, "cancers": 6,
            "figures": {"recall": 0.03}, "made_on": str(TODAY),
        }  # fmt: skip
        file = tmp_path / f"{unit}.json"
        file.write_text(json.dumps(simulation))
        files += ["--simulation", str(file)]
    made = call("draft", "--reason", "as agreed", *files, text=NET)
    assert made.exit_code == 0, made.output
    (tmp_path / "north.json").write_text("{}")
    broken = call("draft", "--reason", "as agreed", *files, text=NET)
    assert broken.exit_code == 1
    assert "north.json: unit: missing" in broken.stderr


def test_to_return_to_an_earlier_version_is_another_draft(call, path):
    call("draft", "--reason", "before validation", text=SHADOW)
    approve(path, 1)
    other = SHADOW.replace("kind: shadow", "kind: shadow\n  waiting_minutes: 5")
    call("draft", "--reason", "shorter wait", text=other)
    approve(path, 2)
    assert call("export").stdout == other
    back = call("restore", "1", "--reason", "too short")
    assert back.stdout == "version 3; to approve: north, south\n"
    approve(path, 3)
    assert call("export").stdout == SHADOW
    listed = call("versions").stdout
    assert "too short" in listed.replace("\n", " ") or "too" in listed
    assert call("export", "--version", "2").stdout == other
    assert call("export", "--version", "8").exit_code == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SHADOW.replace("kind: shadow", "kind: shadows"), "policies[0].kind: got 'shadows'"),
        (SHADOW + "  - 3", "wants"),
        (SHADOW.replace("programmes:", "units: [west]\n    programmes:"), "units west are not"),
    ],
)
def test_a_wrong_file_is_told(call, text, told):
    outcome = call("check", text=text)
    assert outcome.exit_code == 1
    assert told in outcome.stderr


def test_a_file_that_is_not_there(path):
    outcome = CliRunner().invoke(app, ["policies", "check", "/none.yaml", "--config", str(path)])
    assert outcome.exit_code == 1
    assert "/none.yaml cannot be read" in outcome.stderr
