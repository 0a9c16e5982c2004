"""A full disk: intake pauses, work waits, and no study is blamed or lost."""

import shutil
import subprocess
import time
from pathlib import Path

import misbehaving
import pytest
from harness_suite import Suite
from radiographs import radiograph, save
from sqlalchemy import select

from gransk.archive.tables import SeenStudy
from gransk.results.tables import DeliveryState, WorkState
from gransk.site.events import EventKind
from gransk.site.tables import Event

pytestmark = pytest.mark.system

DISK_MB, LEAST_MB = 96, 8
MB = 1 << 20


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """A small disk of its own; mounting it takes root."""
    folder = tmp_path_factory.mktemp("suite") / "data"
    folder.mkdir(parents=True)
    options = ["-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    mounted = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a disk to fill cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def suite(disk, tmp_path_factory):
    site = misbehaving.install(tmp_path_factory.mktemp("site"))
    with Suite(
        disk.parent,
        environment=misbehaving.environment(site),
        intake={
            "quiet_seconds": 0.3,
            "poll_seconds": 0.2,
            "reconcile_seconds": 60,
            "min_free_disk_mb": LEAST_MB,
        },
        workers={"retry_seconds": 0.5, "heartbeat_seconds": 1, "max_deaths": 1},
    ) as suite:
        yield suite


def fill(disk: Path, left: int) -> Path:
    """Fill the disk but for some bytes; returns the file that does it."""
    ballast = disk / "ballast"
    with ballast.open("ab") as file:
        while (more := shutil.disk_usage(disk).free - left) >= 4096:
            try:
                file.write(bytes(min(more, MB)))
                file.flush()
            except OSError:
                break
    return ballast


def store(suite, folder, what, number):
    path = save(radiograph(number, SeriesDescription=what), folder / f"{number}.dcm")
    assert suite.store(path) == [0]


def events(suite, kind):
    with suite.database.read() as session:
        return list(session.scalars(select(Event).where(Event.kind == kind)))


def seen(suite):
    with suite.database.read() as session:
        return len(session.scalars(select(SeenStudy)).all())


def running(suite):
    return any(item.state == WorkState.RUNNING and item.step == "analyse" for item in suite.items())


def all_ready(suite, count):
    """Every study has its result, all of it delivered, and none is blamed for the disk."""
    items = suite.wait_ended(count, 60)
    what = [(item.state, item.reason, item.deaths, item.attempt) for item in items]
    assert what == [(WorkState.READY, None, 0, 0)] * count, suite.log()
    assert {line.state for line in suite.wait_delivered(40)} == {DeliveryState.SENT}
    assert not events(suite, EventKind.ANALYSIS_SET_ASIDE)
    assert not events(suite, EventKind.ANALYSIS_FAILED)


def test_a_disk_that_fills_before_studies_come(suite, disk, tmp_path):
    ballast = fill(disk, LEAST_MB // 2 * MB)
    suite.until(lambda: events(suite, EventKind.INTAKE_PAUSED), 10, "intake to pause")
    assert events(suite, EventKind.INTAKE_PAUSED)[-1].data == {"cause": "disk_full"}
    store(suite, tmp_path, "good", 1)
    suite.until(lambda: seen(suite) == 1, 10, "the study to be noticed")
    time.sleep(2)
    assert suite.items() == [], "work was taken in without room for it"
    assert suite.answers()
    ballast.unlink()
    suite.until(lambda: events(suite, EventKind.INTAKE_RESUMED), 10, "intake to go on")
    all_ready(suite, 1)


def test_a_disk_that_fills_while_studies_wait_and_one_is_analysed(suite, disk, tmp_path):
    """With one death allowed, a single one that is counted wrongly fails its study."""
    before = len(suite.items())
    store(suite, tmp_path, "pause", 11)
    store(suite, tmp_path, "good", 12)
    count = before + 2
    suite.until(
        lambda: running(suite) and len(suite.items()) == count, 30, "work to run and to wait"
    )
    ballast = fill(disk, 0)
    time.sleep(6)
    assert not [item.reason for item in suite.items() if item.reason], suite.log()
    assert suite.answers()
    assert suite.pid("worker-0")
    ballast.unlink()
    all_ready(suite, count)
