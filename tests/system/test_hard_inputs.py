"""Inputs that break their analysis end as codes, and the rest of the queue goes on."""

import re
import sys
from pathlib import Path

import httpx
import misbehaving
import numpy as np
import pytest
from harness_suite import ENDED, Suite
from pydicom.encaps import encapsulate
from pydicom.uid import RLELossless, generate_uid
from radiographs import radiograph, save
from sqlalchemy import select

from gransk.archive.orthanc import ArchiveRefusedError
from gransk.archive.tables import SeenStudy
from gransk.core.reasons import Reason
from gransk.results.tables import Workitem, WorkState
from gransk.site import people

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from ct_images import ct_slice

pytestmark = pytest.mark.system

MEMORY_MB = 512
CT_MEMORY_MB = 1024
NOISE = np.random.default_rng(7).bytes(100_000)


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


def test_truncated_and_empty_files_are_refused_at_the_door(suite, tmp_path):
    before = len(suite.items())
    image = radiograph(50, size=256)
    whole = save(image, tmp_path / "whole.dcm").read_bytes()
    for content in (whole[:-40_000], whole[:1000], b""):
        with pytest.raises(ArchiveRefusedError):
            suite.orthanc.client.store(content)
    good = radiograph(51, SeriesDescription="good")
    assert suite.store(save(good, tmp_path / "good.dcm")) == [0]
    items = suite.wait_ended(before + 1, 60)
    assert [(i.state, i.reason) for i in items[before:]] == [(WorkState.READY, None)]
    assert item_of(suite, str(image.StudyInstanceUID)) is None


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


# The application that ships, on series that try it.


@pytest.fixture(scope="module")
def ct_suite(tmp_path_factory):
    folder = misbehaving.install(tmp_path_factory.mktemp("ct-site"))
    with Suite(
        tmp_path_factory.mktemp("ct-suite"),
        environment=misbehaving.environment(folder),
        intake={"quiet_seconds": 1, "poll_seconds": 0.2},
        workers={"memory_mb": CT_MEMORY_MB, "time_limit_seconds": 240},
        applications={"nodule": {"memory_mb": CT_MEMORY_MB}},
    ) as suite:
        yield suite


def chest(size):
    """Stored values, intercept -1024, of a body with two lungs on a field of 340 mm."""
    at = (np.arange(size) - (size - 1) / 2) * 340 / size
    x, y = at[None, :], at[:, None]
    hu = np.full((size, size), -1000)
    hu[(x / 155) ** 2 + (y / 110) ** 2 < 1] = 40
    for side in (-1, 1):
        hu[((x - 65 * side) / 45) ** 2 + (y / 70) ** 2 < 1] = -850
    return (hu + 1024).astype(np.uint16)


def save_chest(folder, name, count, size, pixels=None):
    """A chest CT of 300 mm in equal slices, RLE Lossless; each with its own UID and place."""
    image = ct_slice(0, pixels=chest(size), series=name, PixelSpacing=[340 / size] * 2)
    image.SliceThickness = max(1, 300 / count)
    image.StudyInstanceUID = generate_uid()
    image.compress(RLELossless, generate_instance_uid=False)
    if pixels is not None:
        image.PixelData = pixels
    image.PatientID = image.PatientName = name
    stem = generate_uid()[:50]
    folder.mkdir()
    for k in range(count):
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"{stem}.{k + 1}"
        image.InstanceNumber = k + 1
        image.ImagePositionPatient = [-170, -170, round(300 * k / count, 3)]
        save(image, folder / f"{k:04}.dcm")
    return str(image.StudyInstanceUID)


def item_of(suite, study_uid):
    """The row of a study."""
    with suite.database.read() as session:
        return session.scalars(
            select(Workitem)
            .join(SeenStudy, SeenStudy.key == Workitem.study_key)
            .where(SeenStudy.study_instance_uid == study_uid)
        ).one_or_none()


def ended_item(suite, study_uid, seconds):
    def over():
        item = item_of(suite, study_uid)
        return item is not None and item.state in ENDED

    suite.until(over, seconds, "the study to end")
    return item_of(suite, study_uid)


def peak_mb(suite, item):
    """Most memory that the last child held with an item, as the worker saw it."""
    pattern = rf"work {item.id}-\S+: \w+, peak (\d+) MB"
    return int(re.findall(pattern, suite.log_file("worker-0").read_text())[-1])


@pytest.mark.full
@pytest.mark.parametrize(
    ("size", "state", "reason"),
    [
        (64, WorkState.READY, None),
        (512, WorkState.NOT_ANALYSED, Reason.TOO_MANY_SLICES),
    ],
)
def test_two_thousand_slices(ct_suite, tmp_path, size, state, reason):
    """A result, or a refusal that says why; within the memory, and others are served after."""
    study = save_chest(tmp_path / "ct", f"thousands {size}", 2000, size)
    assert set(ct_suite.store(tmp_path / "ct")) == {0}
    good = radiograph(80 + size, SeriesDescription="good")
    assert ct_suite.store(save(good, tmp_path / "good.dcm")) == [0]
    item = ended_item(ct_suite, study, 300)
    assert (item.state, item.reason) == (state, reason), item.detail
    assert peak_mb(ct_suite, item) <= CT_MEMORY_MB
    after = ended_item(ct_suite, str(good.StudyInstanceUID), 60)
    assert (after.state, after.reason) == (WorkState.READY, None)


@pytest.mark.parametrize("fragment", [NOISE[:4096], bytes(2)], ids=["noise", "cut short"])
def test_pixel_data_that_are_no_pixels(ct_suite, tmp_path, fragment):
    study = save_chest(tmp_path / "ct", "spoilt", 60, 64, encapsulate([fragment]))
    assert set(ct_suite.store(tmp_path / "ct")) == {0}
    item = ended_item(ct_suite, study, 60)
    assert (item.state, item.reason) == (WorkState.NOT_ANALYSED, Reason.UNDECODABLE_PIXELS)


@pytest.fixture(scope="module")
def machine(ct_suite):
    """A modality that stores through our own doors."""
    with ct_suite.database.begin() as session:
        token = people.create_token(session, "modality", actor="tester")
    address = f"http://127.0.0.1:{ct_suite.config.service.port}"
    headers = {"authorization": f"Bearer {token}"}
    with httpx.Client(base_url=address, headers=headers, timeout=30, trust_env=False) as client:
        yield client


@pytest.mark.parametrize(
    "content",
    [b"", b"not DICOM at all", NOISE, bytes(128) + b"DICM" + NOISE, bytes(128) + b"DICM"],
    ids=["empty", "text", "noise", "noise behind a preamble", "preamble alone"],
)
def test_what_is_not_dicom_is_refused_at_the_door(ct_suite, machine, content):
    def rows():
        with ct_suite.database.read() as session:
            return len(session.scalars(select(SeenStudy)).all()), len(ct_suite.items())

    before = rows()
    kind = {"content-type": "application/dicom"}
    assert machine.post("/api/studies", content=content, headers=kind).status_code == 422
    head = b"--edge\r\nContent-Type: application/dicom\r\n\r\n"
    kind = {"content-type": 'multipart/related; type="application/dicom"; boundary=edge'}
    body = head + content + b"\r\n--edge--\r\n"
    assert machine.post("/dicom-web/studies", content=body, headers=kind).status_code == 400
    assert rows() == before
