"""An application that the suite has never seen: from C-STORE to page and SR."""

import io
import subprocess
import sys
import time
from pathlib import Path

import httpx
import misbehaving
import pytest
from harness_suite import Suite
from pydicom import dcmread
from radiographs import radiograph, save
from sqlalchemy import select

from gransk.archive.tables import SeenStudy
from gransk.results.tables import DeliveryState, WorkState
from gransk.site import people
from gransk.site.tables import Role
from gransk.web.access import SESSION_COOKIE

pytestmark = pytest.mark.system
PASSWORD = "a long enough pass phrase"
PACKAGE = Path(__file__).parents[1] / "third_application"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The package as pip installs it, in a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source")
    for file in PACKAGE.glob("*.*"):
        (source / file.name).write_bytes(file.read_bytes())
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "--target", str(folder), str(source)],
        check=True,
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def suite(installed, tmp_path_factory):
    with Suite(
        tmp_path_factory.mktemp("suite"),
        environment=misbehaving.environment(installed),
        intake={"quiet_seconds": 0.5, "poll_seconds": 0.2},
    ) as suite:
        yield suite


def test_from_c_store_to_page_and_structured_report(suite, tmp_path):
    image = radiograph(1)
    assert suite.store(save(image, tmp_path / "1.dcm")) == [0]

    (item,) = suite.wait_ended(1, 60)
    assert (item.application, item.state, item.reason) == ("bright", WorkState.READY, None)
    lines = suite.wait_delivered(30)
    assert {line.state for line in lines} == {DeliveryState.SENT}

    client = suite.orthanc.client
    with suite.database.read() as session:
        seen = session.scalars(select(SeenStudy)).one()
    held = client.instances(seen.orthanc_id)
    objects = [dcmread(io.BytesIO(client.file(one.orthanc_id))) for one in held]
    (report,) = [one for one in objects if one.Modality == "SR"]
    assert report.PatientName == image.PatientName
    assert report.AccessionNumber == "A0001"
    text = report.to_json()
    assert "Bright area" in text
    assert "research" in text.lower()
    assert any(one.Modality not in ("SR", "CR") for one in objects)

    time.sleep(3)
    assert len(suite.items()) == 1, "our own objects started something"


@pytest.mark.parametrize(("language", "line"), [("en", "1 bright areas"), ("da", "1 lyse områder")])
def test_the_page_shows_it(suite, tmp_path, language, line):
    assert suite.store(save(radiograph(2), tmp_path / "2.dcm")) == [0]
    suite.wait_ended(1, 60)
    name = f"reader-{language}"
    with suite.database.begin() as session:
        people.create_account(
            session, name, "Reader", [Role.RADIOLOGIST], password=PASSWORD, language=language
        )
    token = people.sign_in(suite.database, name, PASSWORD, 1).token
    page = httpx.get(
        f"http://127.0.0.1:{suite.config.service.port}/",
        cookies={SESSION_COOKIE: token},
        trust_env=False,
    )
    assert line in page.text
