"""Work of a worker that is killed, paused or restarted is done, and done once."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from dbos import DBOSClient, DBOSPortableJSONSerializer
from sqlalchemy import select

from gransk.site.config import load_config
from gransk.site.events import EventKind, verify
from gransk.site.migrate import open_database
from gransk.site.tables import Event, Executor
from gransk.site.workflows import EXIT_LOST, NAME, PROTOCOL, QueueName

pytestmark = pytest.mark.system
WORKER = Path(__file__).with_name("takeover_worker.py")


class Site:
    """A folder with a configuration, a queue and real workers."""

    def __init__(self, folder, lost_after=2, database=None):
        self.folder = folder
        values = {"workers": {"heartbeat_seconds": 0.4, "lost_after_seconds": lost_after}}
        if database:
            values["database"] = {"url": database, "workflows_url": database}
        (folder / "gransk.yaml").write_text(yaml.safe_dump(values))
        self.config = load_config(folder / "gransk.yaml")
        self.database = open_database(self.config)
        self.client = None
        self.processes = []

    def start(self, slot):
        (self.folder / f"up-{slot}").unlink(missing_ok=True)
        log = (self.folder / f"log-{slot}.txt").open("a")
        process = subprocess.Popen(
            [sys.executable, WORKER, self.folder, str(slot)], stdout=log, stderr=log
        )
        self.processes.append(process)
        self.wait(lambda: (self.folder / f"up-{slot}").exists(), f"worker {slot} to start")
        return process

    def enqueue(self, workflow_id, key):
        self.client = self.client or DBOSClient(
            system_database_url=self.config.database.workflows_url,
            serializer=DBOSPortableJSONSerializer(),
            application_name=NAME,
        )
        options = {
            "queue_name": QueueName.ANALYSE.value,
            "workflow_name": "slow",
            "workflow_id": workflow_id,
            "app_version": PROTOCOL,
        }
        self.client.enqueue(options, key)

    def status(self, workflow_id):
        return self.client.list_workflows(workflow_ids=[workflow_id])[0].status

    def go(self, slot):
        (self.folder / f"go-{slot}").touch()

    def steps(self):
        path = self.folder / "steps.txt"
        return path.read_text().splitlines() if path.exists() else []

    def wait(self, condition, what, seconds=25):
        end = time.monotonic() + seconds
        while not condition():
            logs = "".join(p.read_text() for p in self.folder.glob("log-*.txt"))
            assert time.monotonic() < end, f"waited for {what}; steps {self.steps()}; {logs}"
            time.sleep(0.05)

    def events(self, kind):
        with self.database.read() as session:
            return list(session.scalars(select(Event).where(Event.kind == kind.value)))

    def executor(self, slot):
        with self.database.read() as session:
            return next(e for e in session.scalars(select(Executor)) if e.id.endswith(f"-{slot}"))

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait(10)
        if self.client:
            self.client.destroy()
        with self.database.read() as session:
            assert verify(session) is None
        self.database.close()


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    yield site
    site.close()


def _begin(site, process_slot=0):
    for _ in range(2):
        site.enqueue("w1", "key1")
    site.wait(lambda: f"second {process_slot}" in site.steps(), "the second step")


def test_killed_worker_is_replaced_once_by_another(site):
    _kill_and_replace(site)


@pytest.mark.full
def test_killed_worker_is_replaced_on_postgresql(tmp_path, postgresql):
    site = Site(tmp_path, database=postgresql)
    try:
        _kill_and_replace(site)
    finally:
        site.close()


def _kill_and_replace(site):
    victim = site.start(0)
    _begin(site)
    for slot in (1, 2):
        site.go(slot)
        site.start(slot)
    victim.kill()
    site.wait(lambda: site.status("w1") == "SUCCESS", "another worker to finish")
    time.sleep(1)
    steps = [line.split()[0] for line in site.steps()]
    assert steps == ["first", "second", "second", "sealed"]
    assert len(site.events(EventKind.ANALYSIS_SEALED)) == 1
    assert len(site.events(EventKind.WORKER_LOST)) == 1
    taken = site.events(EventKind.WORK_TAKEN_OVER)
    assert [event.data for event in taken] == [{"workflows": 1}]
    assert site.executor(0).stopped_at is not None


def test_paused_worker_is_shut_out(site):
    paused = site.start(0)
    _begin(site)
    paused.send_signal(signal.SIGSTOP)
    site.go(1)
    other = site.start(1)
    site.wait(lambda: site.status("w1") == "SUCCESS", "another worker to finish")
    site.go(0)
    paused.send_signal(signal.SIGCONT)
    assert paused.wait(10) == EXIT_LOST
    assert [event.actor[-2:] for event in site.events(EventKind.ANALYSIS_SEALED)] == ["-1"]
    assert "sealed 0" not in site.steps()
    assert other.poll() is None


def test_restarted_worker_finds_its_own_work_at_once(tmp_path):
    site = Site(tmp_path, lost_after=100)
    try:
        victim = site.start(0)
        _begin(site)
        victim.kill()
        victim.wait()
        site.go(0)
        again = site.start(0)
        site.wait(lambda: site.status("w1") == "SUCCESS", "the worker to finish")
        assert site.steps() == ["first 0", "second 0", "second 0", "sealed 0"]
        started = site.events(EventKind.WORKER_STARTED)
        assert [event.data["after_crash"] for event in started] == [False, True]
        (tmp_path / "stop-0").touch()
        assert again.wait(15) == 0
        assert site.executor(0).stopped_at is not None
    finally:
        site.close()


def test_one_slot_one_process(site):
    site.start(0)
    log = subprocess.run(
        [sys.executable, WORKER, site.folder, "0"], capture_output=True, text=True, timeout=30
    )
    assert log.returncode != 0
    assert "slot 0 of worker on this machine is held" in log.stderr
