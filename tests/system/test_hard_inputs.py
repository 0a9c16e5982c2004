"""Inputs that break their analysis end as codes, and the rest of the queue goes on."""

import shutil

import misbehaving
import pytest
from harness_suite import Suite
from radiographs import radiograph, save

from gransk.core.reasons import Reason
from gransk.results.tables import WorkState

pytestmark = pytest.mark.system

MEMORY_MB = 512


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    folder = misbehaving.install(tmp_path_factory.mktemp("site"))
    with Suite(
        tmp_path_factory.mktemp("suite"),
        environment=misbehaving.environment(folder),
        intake={"quiet_seconds": 0.5, "poll_seconds": 0.2},
        workers={
            "memory_mb": MEMORY_MB,
            "time_limit_seconds": 4,
            "retries": 1,
            "retry_seconds": 0.2,
        },
    ) as suite:
        yield suite


@pytest.fixture(scope="module")
def ended(suite, tmp_path_factory):
    """Every hard input and a good one after each; rows by what the study was to do."""
    folder = tmp_path_factory.mktemp("images")
    wanted = ("memory", "crash", "slow", "fault", "refuse", "good")
    keys = {}
    for number, what in enumerate(wanted):
        image = radiograph(number, SeriesDescription=what)
        assert suite.store(save(image, folder / f"{what}.dcm")) == [0]
        keys[str(image.StudyInstanceUID)] = what
    suite.wait_ended(len(wanted), 120)
    from gransk.archive.tables import SeenStudy

    with suite.database.read() as session:
        return {
            keys[session.get_one(SeenStudy, item.study_key).study_instance_uid]: item
            for item in suite.items()
        }


@pytest.mark.parametrize(
    ("what", "state", "reason"),
    [
        ("memory", WorkState.FAILED, Reason.MEMORY_LIMIT),
        ("crash", WorkState.FAILED, Reason.WORKER_LOST),
        ("slow", WorkState.FAILED, Reason.TIME_LIMIT),
        ("fault", WorkState.FAILED, Reason.INTERNAL_ERROR),
        ("refuse", WorkState.NOT_ANALYSED, Reason.NO_LUNGS),
        ("good", WorkState.READY, None),
    ],
)
def test_ends_as(ended, what, state, reason):
    assert (ended[what].state, ended[what].reason) == (state, reason), ended[what].detail


def test_no_value_of_an_input_is_logged(ended, suite):
    assert "ValueError" in ended["fault"].detail
    assert "Patient" not in ended["fault"].detail
    assert "Patient^Name" not in suite.log()


def test_scratch_is_empty_afterwards(ended, suite):
    assert list(suite.config.scratch_folder.iterdir()) == []


def test_a_person_can_try_again(ended, suite):
    from gransk.pipeline import workitems

    with suite.database.begin() as session:
        assert workitems.rerun(session, ended["fault"].id, "tester")
    suite.until(lambda: row(suite, ended["fault"].id).state == WorkState.FAILED, 30, "a new try")
    assert row(suite, ended["fault"].id).attempt == 1


def row(suite, key):
    return next(item for item in suite.items() if item.id == key)


def test_truncated_and_empty_files_are_refused_or_analysed(suite, tmp_path):
    before = len(suite.items())
    whole = save(radiograph(50, size=256), tmp_path / "whole.dcm")
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(whole.read_bytes()[:-40_000])
    empty = tmp_path / "empty.dcm"
    empty.touch()
    client = suite.orthanc.client
    from gransk.archive.orthanc import ArchiveError

    accepted = 0
    for path in (cut, empty):
        try:
            client.store(path.read_bytes())
            accepted += 1
        except ArchiveError:
            continue
    good = radiograph(51)
    assert suite.store(save(good, tmp_path / "good.dcm")) == [0]
    items = suite.wait_ended(before + accepted + 1, 60)
    assert len(items) == before + accepted + 1
    assert shutil.disk_usage(tmp_path).free > 0


def test_a_huge_header_stays_within_the_limit(suite, tmp_path):
    before = len(suite.items())
    huge = radiograph(60)
    huge.private_block(0x0011, "TEST", create=True).add_new(1, "OB", bytes(700 << 20))
    path = save(huge, tmp_path / "huge.dcm")
    del huge
    assert suite.store(path) == [0]
    suite.wait_ended(before + 1, 120)
    item = suite.items()[-1]
    assert item.state in (WorkState.READY, WorkState.NOT_ANALYSED, WorkState.FAILED)
    assert item.reason in (None, Reason.MEMORY_LIMIT, Reason.UNREADABLE_FILE)


@pytest.mark.full
def test_two_thousand_slices_end(suite, tmp_path):
    before = len(suite.items())
    first = radiograph(70)
    for number in range(2000):
        image = radiograph(
            70,
            StudyInstanceUID=first.StudyInstanceUID,
            SeriesInstanceUID=first.SeriesInstanceUID,
            InstanceNumber=str(number + 1),
        )
        save(image, tmp_path / f"{number:04}.dcm")
    assert set(suite.store(tmp_path)) == {0}
    suite.wait_ended(before + 1, 240)
    assert suite.items()[-1].state in (WorkState.READY, WorkState.FAILED)
