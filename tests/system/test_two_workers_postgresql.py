"""Workers on PostgreSQL: killed in turn, none started again; the database killed too; a GPU's work.

Each worker stands for a host. No GPU is here: which worker takes its work is the configuration's
word, and the inference runs on the processor.
"""

import misbehaving
import pytest
import yaml
from harness_suite import Suite
from radiographs import radiograph, save
from sqlalchemy import create_engine, inspect, select, text

from bench.postgresql import BINARIES, postgresql
from gransk.pipeline.workitems import Work
from gransk.results.tables import WorkState
from gransk.site.events import EventKind
from gransk.site.tables import Event

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not BINARIES, reason="PostgreSQL is not installed"),
]
WORKERS = {
    "processes": 2, "heartbeat_seconds": 0.5, "lost_after_seconds": 2, "retry_seconds": 0.5,
    # Here the harness kills, not the input.
    "max_deaths": 5,
}  # fmt: skip
INTAKE = {"quiet_seconds": 0.3, "poll_seconds": 0.2, "reconcile_seconds": 5}


@pytest.fixture
def server():
    with postgresql() as server:
        yield server


@pytest.fixture
def site(tmp_path):
    return misbehaving.environment(misbehaving.install(tmp_path / "site"))


def suite_on(server, folder, site, **workers):
    database = {"url": server.make("gransk"), "workflows_url": server.make("workflows")}
    folder.mkdir()
    return Suite(folder, site, database=database, workers=WORKERS | workers, intake=INTAKE)


def send(suite, folder, numbers, what="pause"):
    for number in numbers:
        image = radiograph(number, SeriesDescription=what)
        assert suite.store(save(image, folder / f"{number}.dcm")) == [0]


def executors(suite):
    """By workflow: who has it now or had it last, as ``worker-0``."""
    engine = create_engine(suite.config.database.workflows_url)
    query = "select workflow_uuid, executor_id from dbos.workflow_status where executor_id <> ''"
    with engine.connect() as connection:
        there = inspect(connection).has_table("workflow_status", schema="dbos")
        rows = connection.execute(text(query)).all() if there else []
    engine.dispose()
    return {row[0]: "-".join(row[1].rsplit("-", 2)[1:]) for row in rows}


def in_the_middle(suite, worker):
    """Does the worker analyse a study right now?"""
    owners = executors(suite)
    return any(
        item.state == WorkState.RUNNING
        and item.step == "analyse"
        and owners.get(Work.of(item).workflow_id) == worker
        for item in suite.items()
    )


def told(suite, kind):
    with suite.database.read() as session:
        return [one.subject for one in session.scalars(select(Event).where(Event.kind == kind))]


@pytest.mark.timeout(900)
def test_each_is_killed_in_turn_and_none_comes_back(server, site, tmp_path):
    with suite_on(server, tmp_path / "suite", site) as suite:
        send(suite, tmp_path, range(3))
        suite.until(lambda: in_the_middle(suite, "worker-0"), 90, "worker 0 to be in the middle")
        suite.kill("worker-0")
        suite.all_once(3)

        # Another host's worker joins, and the last of the first two is killed.
        suite.start("worker-2")
        send(suite, tmp_path, range(3, 6))
        suite.until(lambda: in_the_middle(suite, "worker-1"), 90, "worker 1 to be in the middle")
        suite.kill("worker-1")
        suite.all_once(6)

        send(suite, tmp_path, range(6, 8))
        suite.until(lambda: in_the_middle(suite, "worker-2"), 90, "worker 2 to be in the middle")
        server.crash()
        # Arrives while there is no database.
        send(suite, tmp_path, [8])
        server.start()
        suite.all_once(9)
        assert suite.pid("worker-0") is suite.pid("worker-1") is None
        lost = [subject.rsplit("-", 2)[1:] for subject in told(suite, EventKind.WORKER_LOST)]
        assert lost[:2] == [["worker", "0"], ["worker", "1"]]


@pytest.mark.timeout(900)
def test_work_that_wants_a_gpu_goes_to_its_workers(server, site, tmp_path):
    wants = {"processes": 1, "gpu_applications": ["misbehaving"], "gpu_wait_minutes": 0.02}
    with suite_on(server, tmp_path / "suite", site, **wants) as suite:
        host = yaml.safe_load(suite.config_file.read_text())
        host["workers"]["takes"] = "gpu"
        file = suite.config_file.with_name("gpu.yaml")
        file.write_text(yaml.safe_dump(host))

        # None was ever there: nothing waits.
        send(suite, tmp_path, [0], "good")
        suite.all_once(1)
        (first,) = suite.items()
        assert executors(suite)[Work.of(first).workflow_id] == "worker-0"

        suite.start("worker-1", file)
        suite.until(
            lambda: any(one.endswith("gpu-worker-1") for one in told(suite, "worker_started")),
            90, "the GPU's worker to start",
        )  # fmt: skip
        send(suite, tmp_path, range(1, 3))
        suite.all_once(3)
        owners = executors(suite)
        theirs = [owners[Work.of(item).workflow_id] for item in suite.items()[1:]]
        assert theirs == ["worker-1", "worker-1"]

        # One is cut off, two wait: with no such worker left the other takes them all.
        send(suite, tmp_path, range(3, 6))
        suite.until(lambda: in_the_middle(suite, "worker-1"), 90, "its work to be in the middle")
        suite.kill("worker-1")
        suite.all_once(6)
        assert suite.pid("worker-1") is None

        # Its card is lost: the worker ends itself, and the study is none the worse for it.
        suite.start("worker-1", file)
        starts = "worker_started"
        suite.until(
            lambda: sum(one.endswith("gpu-worker-1") for one in told(suite, starts)) == 2,
            90, "the GPU's worker to start again",
        )  # fmt: skip
        (tmp_path / "site" / misbehaving.CARD_LOST).touch()
        send(suite, tmp_path, [6], "good")
        suite.until(lambda: suite.pid("worker-1") is None, 90, "the worker to end")
        assert "the card does not answer" in suite.log_file("worker-1").read_text()
        suite.all_once(7)
        last = suite.items()[-1]
        assert (last.deaths, executors(suite)[Work.of(last).workflow_id]) == (0, "worker-0")
