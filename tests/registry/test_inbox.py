"""What is dropped into the inbox is admitted or refused; a killed admission leaves nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import made_models as made
import psutil
import pytest
from typer.testing import CliRunner

from gransk.cli.main import app
from gransk.registry.admission import NEW, StoppedError, attempts
from gransk.registry.inbox import Inbox
from gransk.registry.stages import registered
from gransk.registry.tables import Source

RUNNING = threading.Event()


def test_the_inbox_takes_what_stands_still(tmp_path: Path) -> None:
    config, admission = made.site_of(tmp_path)
    inbox = Inbox(admission)
    inbox.open()
    folder = inbox.folder
    made.package(folder / "good")
    (folder / "bad.zip").write_bytes(b"half a zip")
    (folder / ".hidden").write_bytes(b"")
    (folder / "link").symlink_to("/etc/passwd")
    assert inbox.look(RUNNING) == 0
    (folder / "bad.zip").write_bytes(b"half a zip, and more")
    assert inbox.look(RUNNING) == 2
    assert (folder / "bad.zip").exists()
    assert inbox.look(RUNNING) == 1
    assert [path.name for path in folder.iterdir()] == [".hidden"]
    with admission.database.read() as session:
        told = {row.title: (row.admitted, row.source, row.author) for row in attempts(session, 9)}
        numbers = {row.title: row.number for row in attempts(session, 9)}
        assert [model.row.name for model in registered(session)] == ["double@1.0.0"]
    assert told == {
        "good": (True, "inbox", "gransk"),
        "bad.zip": (False, "inbox", "gransk"),
        "link": (False, "inbox", "gransk"),
    }
    refused = {path.name for path in (config.admitted_folder / "refused").iterdir()}
    assert refused == {f"{numbers['bad.zip']}.zip", str(numbers["link"])}
    assert Path("/etc/passwd").exists()
    assert inbox.look(RUNNING) == 0
    admission.database.close()


def test_what_cannot_be_taken_out_is_tried_once(tmp_path: Path) -> None:
    config, admission = made.site_of(tmp_path)
    inbox = Inbox(admission)
    inbox.open()
    (config.admitted_folder / "refused").write_bytes(b"in the way")
    (inbox.folder / "bad.zip").write_bytes(b"half a zip")
    assert [inbox.look(RUNNING) for _ in range(4)] == [0, 1, 0, 0]
    (inbox.folder / "bad.zip").write_bytes(b"another half")
    assert [inbox.look(RUNNING) for _ in range(3)] == [0, 1, 0]
    with admission.database.read() as session:
        assert len(attempts(session, 9)) == 2
    admission.database.close()


@pytest.mark.full
def test_a_service_that_stops_tries_again_later(tmp_path: Path) -> None:
    config, admission = made.site_of(tmp_path)
    inbox = Inbox(admission)
    inbox.open()
    made.package(inbox.folder / "model", made.endless())
    stopping = threading.Event()
    inbox.look(stopping)
    threading.Timer(1.0, stopping.set).start()
    assert inbox.look(stopping) == 0
    assert (inbox.folder / "model").exists()
    with admission.database.read() as session:
        assert attempts(session, 9) == []
    with pytest.raises(StoppedError):
        admission.admit(inbox.folder / "model", Source.INBOX, "gransk", stopped=lambda: True)
    assert {path.name for path in config.admitted_folder.iterdir()} == {"inbox"}
    admission.database.close()


ADMITS = """
import sys
from pathlib import Path
from gransk.cli.main import app
app(["models", "admit", sys.argv[1], "--config", sys.argv[2]])
"""


def test_an_admission_that_is_killed(tmp_path: Path) -> None:
    """Nothing is admitted, the child dies too, and the next start tidies up."""
    config, admission = made.site_of(tmp_path)
    path = _written(tmp_path)
    folder = made.package(tmp_path / "arrived", made.endless())
    process = subprocess.Popen([sys.executable, "-c", ADMITS, str(folder), str(path)])
    child = _until(lambda: psutil.Process(process.pid).children())[0]
    _until(lambda: list(config.admitted_folder.glob(f"{NEW}*/model.onnx")))
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    _until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    assert list(config.admitted_folder.glob(f"{NEW}*"))
    Inbox(admission).open()
    assert not list(config.admitted_folder.glob(f"{NEW}*"))
    with admission.database.read() as session:
        assert registered(session) == attempts(session, 9) == []
    admission.database.close()


def test_the_command_line(tmp_path: Path) -> None:
    path = _written(tmp_path)
    good = made.package(tmp_path / "good")
    said = _models("admit", good, "--config", path)
    assert said.exit_code == 0, said.output
    assert "golden: ok" in said.output
    assert "double@1.0.0 is a candidate" in said.output
    bad = made.package(tmp_path / "bad", version="1.1.0", licence="mine")
    said = _models("admit", bad, "--config", path)
    assert said.exit_code == 1
    assert "licence: FAILED: The licence is no known SPDX expression" in said.output
    said = _models("stage", "double@1.0.0", "shadow", "--reason", "to compare", "--config", path)
    assert said.output == "double@1.0.0 is shadow\n"
    figures = tmp_path / "figures.json"
    figures.write_text('{"auc": 0.9}')
    more = ("--reason", "finds more", "--figures", figures, "--file", figures, "--config", path)
    said = _models("stage", "double@1.0.0", "active", *more)
    assert said.output == "double@1.0.0 awaits approval as active\n"
    said = _models("stage", "double@1.0.0", "retired", "--reason", "no more", "--config", path)
    assert said.exit_code == 1
    assert "awaits approval" in said.output
    said = _models("evidence", "double@1.0.0", "--config", path)
    assert '  figures: {"auc": 0.9}' in said.output
    assert "  file: figures.json" in said.output
    listed = _models("list", "--config", path).output.splitlines()
    assert listed[-1].startswith("double@1.0.0  shadow  ")
    assert _models("verify", "--config", path).output.splitlines()[-1] == "double@1.0.0: ok"
    for wrong in (["stage", "none@1.0.0", "shadow", "--reason", "none"], ["admit", "/nowhere"]):
        assert _models(*wrong, "--config", path).exit_code == 1


def _models(*arguments: Any) -> Any:
    return CliRunner().invoke(app, ["models", *map(str, arguments)])


def _written(tmp_path: Path) -> Path:
    """A site's configuration as a file."""
    path = tmp_path / "gransk.yaml"
    path.write_text("data_folder: data\nmodels: {check_seconds: 300}\n", encoding="utf-8")
    return path


def _until(holds: Any, seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found
