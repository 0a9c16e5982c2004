"""Reports of the past to a destination that was added later, from the console."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gransk.cli.processes import gransk_command
from gransk.results.store import withdraw_report
from gransk.site.config import load_config
from gransk.site.database import utcnow
from gransk.site.migrate import open_database

sys.path.insert(0, str(Path(__file__).parents[1] / "delivery"))

from outbox_site import Outbox

ORTHANC = {"name": "orthanc", "kind": "orthanc"}
LATER = {
    "name": "later",
    "kind": "orthanc",
    "objects": ["SR"],
    "when": [{"applications": ["mammo"]}],
}


@pytest.fixture
def site(tmp_path):
    path = tmp_path / "gransk.yaml"
    path.write_text(yaml.safe_dump({"destinations": [ORTHANC, LATER]}))
    config = load_config(path)
    open_database(config).close()
    outbox = Outbox(config.database.url, config.data_folder, "orthanc", made=True)
    yield path, outbox
    outbox.close()


def run(path, *arguments):
    command = gransk_command("route", *arguments, "--config", str(path))
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_what_stands_is_sent_once_where_the_rules_want_it(site):
    path, outbox = site
    first, second = outbox.add(1, application="mammo"), outbox.add(2, application="mammo")
    other, gone = outbox.add(3, application="nodule"), outbox.add(4, application="mammo")
    with outbox.database.begin() as session:
        withdraw_report(session, gone, f"{4:032d}")
    outbox.seal(5, application="mammo")
    one = run(path, "later", "--study", f"{1:032d}")
    assert (one.returncode, one.stdout) == (0, "later: 1 objects queued\n")
    tomorrow = utcnow().date().replace(year=utcnow().year + 1).isoformat()
    assert run(path, "later", "--since", tomorrow).stdout == "later: 0 objects queued\n"
    rest = run(path, "later", "orthanc", "--since", "2020-01-01")
    assert rest.stdout == "later: 1 objects queued\northanc: 0 objects queued\n"
    for key, count in ((first, 1), (second, 1), (other, 0), (gone, 0)):
        assert sum(line.destination == "later" for line in outbox.lines(key)) == count


def test_a_name_that_is_not_configured_is_told(site):
    path, _ = site
    outcome = run(path, "latter")
    assert outcome.returncode == 1
    assert "no destination is called 'latter'; did you mean 'later'?" in outcome.stderr


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"applications": ["mamo"]}, "destinations[0].when[0].applications: no such application"),
        ({"origins": [{"unit": "north"}]}, "destinations[0].when[0].origins: no unit is called"),
    ],
)
def test_rules_about_what_is_not_there_are_told(tmp_path, rule, told):
    path = tmp_path / "gransk.yaml"
    path.write_text(yaml.safe_dump({"destinations": [{**ORTHANC, "when": [rule]}]}))
    outcome = run(path, "orthanc")
    assert outcome.returncode == 1
    assert told in outcome.stderr
