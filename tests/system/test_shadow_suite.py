"""A shadow runs beside the analysis in use, whatever is killed, and nobody is told of it."""

import misbehaving
import pausing
import pytest
from harness_suite import Suite
from radiographs import radiograph, save
from sqlalchemy import func, select

from gransk.registry.beside_tables import BesideRun, RunState
from gransk.results.tables import Analysis, Delivery, Report, ReportObject, Track, WorkState

pytestmark = pytest.mark.system
SHADOW = {"name": "slow", "application": "pausing", "settings": {"pause_seconds": 8.0}}


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    folder = pausing.install(tmp_path_factory.mktemp("site"))
    with Suite(
        tmp_path_factory.mktemp("suite"),
        environment=misbehaving.environment(folder),
        intake={"quiet_seconds": 0.5, "poll_seconds": 0.2},
        workers={"retry_seconds": 0.2, "max_deaths": 3},
        shadows=[SHADOW],
    ) as suite:
        yield suite


def runs(suite):
    with suite.database.read() as session:
        return list(session.scalars(select(BesideRun).order_by(BesideRun.created_at)))


def told(suite):
    """Everything that stands of results."""
    with suite.database.read() as session:
        return [
            session.scalars(select(ReportObject.sha256).order_by(ReportObject.sha256)).all(),
            session.scalars(select(Report.key)).all(),
            session.scalars(select(Track.lesion_uid)).all(),
            session.scalars(select(Delivery.sop_instance_uid)).all(),
        ]


def test_a_shadow_that_is_killed_in_the_middle_ends_beside_an_unchanged_report(suite, tmp_path):
    image = radiograph(1)
    assert suite.store(save(image, tmp_path / "1.dcm")) == [0]
    (item,) = suite.wait_ended(1, 120)
    assert item.state == WorkState.READY
    suite.wait_delivered(60)
    before = told(suite)
    suite.until(lambda: any(r.state == RunState.RUNNING for r in runs(suite)), 60, "the shadow")
    suite.kill("worker-0")
    (run,) = runs(suite)
    assert (run.state, run.deaths) == (RunState.RUNNING, 1)
    suite.start("worker-0")

    # An ordinary study does not wait for the shadow that runs again.
    suite.until(lambda: runs(suite)[0].deaths == 2, 90, "the shadow to run again")
    assert suite.store(save(radiograph(2), tmp_path / "2.dcm")) == [0]
    suite.wait_ended(2, 120)
    suite.until(lambda: all(r.state == RunState.READY for r in runs(suite)), 120, "both shadows")
    first, second = runs(suite)
    assert first.own_analysis not in (None, first.active_analysis)
    assert first.active_analysis == item.analysis_key
    assert first.deaths == 0
    assert second.state == RunState.READY
    (now,) = [one for one in suite.items() if one.id == item.id]
    assert (now.analysis_key, now.report_key) == (item.analysis_key, item.report_key)
    with suite.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Analysis)) == 4
        assert session.scalar(select(func.count()).select_from(Report)) == 2
    assert set(before[0]) < set(told(suite)[0])
