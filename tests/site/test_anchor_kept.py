"""The processes of a site note the end of the event log as they run, and as they stop."""

import signal
import subprocess
import sys
import time

import pytest
import yaml
from free_ports import free_port

from gransk.site import events
from gransk.site.anchor import Anchor, read_anchor
from gransk.site.config import load_config
from gransk.site.database import Database
from gransk.site.events import EventKind, record

pytestmark = pytest.mark.system


def _wait(check, seconds=60):
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_the_end_is_noted(tmp_path, command):
    path = tmp_path / "gransk.yaml"
    values = {
        "service": {"port": free_port()},
        "orthanc": {"url": f"http://127.0.0.1:{free_port()}"},
        "workers": {"heartbeat_seconds": 0.5, "lost_after_seconds": 5},
    }
    path.write_text(yaml.safe_dump(values))
    config = load_config(path)
    for secret in (config.orthanc.password_file, config.service.nudge_secret_file):
        secret.parent.mkdir(parents=True, exist_ok=True)
        secret.write_text("word")
    process = subprocess.Popen(
        [sys.executable, "-m", "gransk.cli.main", command, "--config", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    try:
        _wait(lambda: read_anchor(config.data_folder) is not None)
        database = Database(config.database.url)
        with database.begin() as session:
            number = record(session, "anna", EventKind.STUDY_OPENED, "study").number
        _wait(lambda: read_anchor(config.data_folder).number >= number)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    with database.read() as session:
        last = Anchor(*events.head(session))
    database.close()
    assert last.number > number
    assert read_anchor(config.data_folder) == last
