"""The service's loops go on after a fault, and a fault of one holds up no other."""

from __future__ import annotations

import logging
import threading

import pytest

from gransk.cli import serve
from gransk.site.config import Config
from gransk.site.database import Database
from gransk.site.migrate import upgrade


class Failing:
    """Fails once; the next look ends the loop."""

    def __init__(self, stop):
        self.looks, self.stop = 0, stop

    def __call__(self, *given):
        self.looks += 1
        if self.looks == 1:
            raise KeyError("Testesen^Tove")
        self.stop.set()

    run_once = alert = __call__


class Quiet:
    def run_once(self):
        pass


@pytest.mark.parametrize(
    ("loop", "name"),
    [("_tell_reports", "make_report_teller"), ("_follow", "Follower"), ("_open_exams", "Opener")],
)
def test_a_loop_outlasts_a_fault(tmp_path, monkeypatch, caplog, loop, name):
    database = Database(f"sqlite:///{tmp_path}/test.db")
    upgrade(database)
    config = Config.model_validate({"data_folder": str(tmp_path)}, context={"folder": tmp_path})
    stop = threading.Event()
    failing = Failing(stop)
    monkeypatch.setattr("gransk.archive.prior_loop.FAULT_SECONDS", 0.0)
    for pause in ("OPEN_SECONDS", "TELL_SECONDS"):
        monkeypatch.setattr(serve, pause, 0.0)
    monkeypatch.setattr(serve, "Teller", lambda *given: Quiet())
    monkeypatch.setattr(serve, name, lambda *given: failing)
    with caplog.at_level(logging.ERROR):
        getattr(serve, loop)(config, database, stop)
    database.close()
    assert failing.looks >= 2
    (said,) = caplog.messages
    assert "KeyError" in said
    assert "Testesen" not in said
