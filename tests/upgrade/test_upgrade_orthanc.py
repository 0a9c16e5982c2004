"""Orthanc becomes a newer version in the middle of the work: nothing is lost or done twice."""

import misbehaving
import pytest
from harness_orthanc import orthanc_of
from harness_suite import Suite
from radiographs import radiograph, save

from gransk.results.tables import WorkState
from gransk.site.events import EventKind
from gransk.site.tables import Event

pytestmark = [pytest.mark.system, pytest.mark.full, pytest.mark.timeout(1800)]


@pytest.mark.parametrize(("release", "version"), [("trixie", "1.12."), ("sid", "1.13.")])
def test_work_goes_on_under_the_next_version(release, version, tmp_path):
    newer = orthanc_of(release, tmp_path)
    folder = tmp_path / "suite"
    folder.mkdir()

    def send(number, what="pause"):
        image = radiograph(number, SeriesDescription=what)
        return suite.store(save(image, tmp_path / f"{number}.dcm"))

    with Suite(
        folder,
        environment=misbehaving.environment(misbehaving.install(tmp_path / "site")),
        intake={"quiet_seconds": 0.3, "poll_seconds": 0.2, "reconcile_seconds": 2},
        workers={"heartbeat_seconds": 0.5, "lost_after_seconds": 5, "retry_seconds": 0.5},
    ) as suite:
        before = suite.orthanc.client.system()["Version"]
        assert send(0, "good") == [0]
        suite.all_once(1)
        for number in range(1, 4):
            assert send(number) == [0]
        suite.until(
            lambda: (
                any(item.state == WorkState.RUNNING for item in suite.items())
                and len(suite.items()) == 4
            ),
            60,
            "work in the middle, and waiting",
        )
        suite.kill("service")
        # Arrives while nobody looks; then while there is no archive: the sender keeps it.
        assert send(4) == [0]
        suite.orthanc.stop()
        assert send(5) == [-1]
        suite.orthanc.binary = newer
        suite.start("orthanc")
        after = suite.orthanc.client.system()["Version"]
        assert after.startswith(version)
        assert before < after
        assert suite.store(tmp_path / "5.dcm") == [0]
        suite.start("service")
        suite.all_once(6)
        with suite.database.read() as session:
            kinds = [event.kind for event in session.query(Event)]
        assert EventKind.STUDY_DELETED not in kinds
        assert kinds.count(EventKind.ANALYSIS_QUEUED) == 6
