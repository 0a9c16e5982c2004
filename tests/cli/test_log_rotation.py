"""Logs are kept to a size while their processes write."""

import sys
import time

import pytest

from gransk.cli.log_rotation import rotate
from gransk.cli.processes import Process


def test_older_logs_move_on_and_the_oldest_goes(tmp_path):
    log = tmp_path / "service.log"
    for text in "abcd":
        log.write_text(text * 10)
        assert rotate(log, 5, kept=2)
    assert log.read_text() == ""
    assert (tmp_path / "service.1.log").read_text() == "d" * 10
    assert (tmp_path / "service.2.log").read_text() == "c" * 10
    assert len(list(tmp_path.iterdir())) == 3
    assert (tmp_path / "service.1.log").stat().st_mode & 0o077 == 0


def test_a_small_log_or_none_stays(tmp_path):
    log = tmp_path / "service.log"
    assert not rotate(log)
    log.write_text("a")
    assert not rotate(log)


WRITES = "import time\nfor n in range(400): print(n, flush=True); time.sleep(0.005)"


def test_a_process_goes_on_at_the_start(tmp_path):
    process = Process("p", [sys.executable, "-c", WRITES], tmp_path / "p.log")
    process.start()
    rounds = 0
    while process.running:
        rounds += rotate(process.log, 200, kept=50)
        time.sleep(0.05)
    process.handle.wait()
    assert rounds > 1
    lines = [
        int(line)
        for path in tmp_path.glob("p*.log")
        for line in path.read_text().split("\n")
        if line.isdigit()
    ]
    # What is written between the copy and the emptying may be lost, and no byte besides.
    assert len(lines) >= 350
    assert b"\0" not in process.log.read_bytes()


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path, monkeypatch):
    log = tmp_path / "service.log"
    log.write_text("a" * 10)

    def full(source, target):
        target.write_text("a")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gransk.cli.log_rotation.shutil.copyfile", full)
    with pytest.raises(OSError, match="No space"):
        rotate(log, 5)
    assert [path.name for path in tmp_path.iterdir()] == ["service.log"]
    assert log.read_text() == "a" * 10
