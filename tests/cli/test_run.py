"""What ``gransk run`` refuses before it starts anything."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

from gransk.cli.demonstration import NoStudyError, choose, find_studies
from gransk.cli.processes import gransk_command


def _run(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    path = folder / "gransk.yaml"
    path.write_text(text, encoding="utf-8")
    command = gransk_command("run", "--config", str(path), "--no-demonstration")
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_data_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = _run(tmp_path, "data_folder: file/data\n")
    assert ended.returncode == 1
    assert "data_folder" in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ended = _run(tmp_path, f"service:\n  port: {port}\n")
    assert ended.returncode == 1
    assert "port" in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr


def test_two_at_once(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with FileLock(tmp_path / "data" / "run.lock"):
        ended = _run(tmp_path, "data_folder: data\n")
    assert ended.returncode == 1
    assert "already runs" in ended.stdout


def test_a_folder_without_a_study(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    assert find_studies(tmp_path) == {}
    with pytest.raises(NoStudyError, match="no DICOM study"):
        choose(tmp_path, tmp_path, tmp_path)
