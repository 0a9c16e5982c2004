"""Orthanc dies, comes back, comes back empty: nothing is lost, and what went is withdrawn."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from harness_orthanc import OrthancProcess, make_config
from tiny import Site, TinyStudy

from gransk.archive.orthanc import ArchiveUnavailableError, Orthanc
from gransk.archive.status import Cause, State

pytestmark = pytest.mark.system
Start = Callable[..., OrthancProcess]


@contextmanager
def running(site: Site) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=site.intake.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


@pytest.mark.parametrize("plugin", [True, False])
def test_rebuilt_archive_withdraws_and_restores(
    orthanc: Start, tmp_path: Path, plugin: bool
) -> None:
    process = orthanc(extra=None if plugin else {"Plugins": []})
    assert bool(process.client.facts().identity) is plugin
    site, study, other = Site(process, tmp_path), TinyStudy("P1"), TinyStudy("P2")
    site.send(*study.images(), *other.images())
    assert site.look(3) == ["submit", "submit"]
    site.process.stop()
    site.process.forget()
    site.process.start()
    site.send(*study.images())
    site.restarted()
    assert sorted(site.look(4)) == ["withdraw"]
    site.send(*other.images())
    assert site.look(4) == ["restore"]
    assert "archive_changed" in site.events()


def test_rebuilt_archive_whose_log_outgrew_the_cursor(orthanc: Start, tmp_path: Path) -> None:
    site, study, late = Site(orthanc(), tmp_path), TinyStudy("P1"), TinyStudy("P2", expected=30)
    site.send(*study.images())
    assert site.look(2) == ["submit"]
    site.process.stop()
    site.process.forget()
    site.process.start()
    site.send(study.image(1, value=5), study.image(2), study.image(3), *late.images())
    intake = site.restarted()
    assert site.look(3) == ["submit", "submit"]
    intake.run_once()
    assert site.events().count("archive_changed") == 1


def test_orthanc_killed_and_back(orthanc: Start, tmp_path: Path) -> None:
    site, study = Site(orthanc(), tmp_path), TinyStudy()
    with running(site):
        until(lambda: site.intake.status().state == State.RUNNING)
        site.send(study.image(1), study.image(2))
        site.process.kill()
        until(lambda: site.intake.status().cause == Cause.ARCHIVE_UNAVAILABLE)
        site.process.start()
        site.send(study.image(3))
        until(lambda: site.diary.acts == ["submit"])
        assert site.intake.status().state == State.RUNNING
    assert site.intake.status().state == State.STOPPED


def test_wrong_password_is_said(orthanc: Start, tmp_path: Path) -> None:
    site = Site(orthanc(), tmp_path)
    site.config.orthanc.password_file.write_text("wrong")
    site.restarted()
    with running(site):
        until(lambda: site.intake.status().cause == Cause.ARCHIVE_REFUSES)


def test_damaged_storage_does_not_stop_the_others(orthanc: Start, tmp_path: Path) -> None:
    site, bad, good = Site(orthanc(), tmp_path), TinyStudy("BAD"), TinyStudy("GOOD")
    site.send(*bad.images())
    site.process.stop()
    for file in (site.process.folder / "storage").rglob("*"):
        if file.is_file() and "index" not in file.name:
            file.unlink()
    site.process.start()
    site.send(*good.images())
    site.restarted()
    assert site.look(3) == ["submit"]
    settled = {row.patient_id: row.settled_fingerprint != "" for row in site.rows()}
    assert settled == {"BAD": False, "GOOD": True}


class _Service(BaseHTTPRequestHandler):
    """Stands where our service listens, and counts its nudges."""

    nudges: list[str] = []  # noqa: RUF012
    told: Callable[[], None] = staticmethod(lambda: None)

    def do_POST(self) -> None:
        _Service.nudges.append(self.headers["Authorization"])
        _Service.told()
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


def test_nudge_saves_waiting_and_its_absence_loses_nothing(orthanc: Start, tmp_path: Path) -> None:
    process = orthanc(make_config(tmp_path))
    site = Site(process, tmp_path, poll_seconds=60)
    first, second = TinyStudy("P1"), TinyStudy("P2")
    site.send(*first.images())
    time.sleep(1)
    _Service.nudges, _Service.told = [], site.intake.nudge
    server = HTTPServer(("127.0.0.1", process.config.service.port), _Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with running(site):
            until(lambda: site.diary.acts == ["submit"])
            until(lambda: site.intake.status().state == State.RUNNING)
            began = time.monotonic()
            site.send(*second.images())
            until(lambda: len(site.diary.acts) == 2, 15)
            assert time.monotonic() - began < 14
            process.client.delete_study(site.rows()[0].orthanc_id)
            until(lambda: "withdraw" in site.diary.acts, 20)
    finally:
        server.shutdown()
        server.server_close()
    secret = process.config.service.nudge_secret()
    assert set(_Service.nudges) == {f"Bearer {secret}"}
    assert len(_Service.nudges) < 10


def test_plugin_survives_a_service_that_hangs(orthanc: Start, tmp_path: Path) -> None:
    config = make_config(tmp_path)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", config.service.port))
        silent.listen(1)
        process = orthanc(config)
        began = time.monotonic()
        for number in range(1, 31):
            process.client.store(TinyStudy(expected=30).image(number))
        assert time.monotonic() - began < 15
        assert process.client.statistics()["CountInstances"] == 30
        began = time.monotonic()
        process.stop()
        assert time.monotonic() - began < 12


def test_nothing_answers(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    config.orthanc.password_file.parent.mkdir(parents=True)
    config.orthanc.password_file.write_text("secret")
    with pytest.raises(ArchiveUnavailableError, match=r"orthanc\.url"):
        Orthanc(config.orthanc).system()
