"""Settings that change while the service and a worker run, on the whole suite."""

import sys
from pathlib import Path

import misbehaving
import pytest
import yaml
from harness_suite import Suite
from radiographs import radiograph, save
from sqlalchemy import select

from gransk.results.blobs import BlobStore
from gransk.results.store import read_findings
from gransk.results.tables import Delivery, DeliveryState, Workitem, WorkState
from gransk.site import people
from gransk.site.config import load_config
from gransk.site.differences import with_value
from gransk.site.people import find_account
from gransk.site.settings import latest_number
from gransk.site.settings_acts import approve, propose
from gransk.site.settings_drafts import DraftState, settings_now
from gransk.site.settings_file import refused_files
from gransk.site.settings_tables import Origin
from gransk.site.site_keys import Host
from gransk.site.tables import Role

sys.path.insert(0, str(Path(__file__).parents[1] / "delivery"))
sys.path.insert(0, str(Path(__file__).parents[1] / "third_application"))

from bright_areas import BrightAreas
from dicom_peers import Storescp

pytestmark = pytest.mark.system
TESTS = Path(__file__).parents[1]
SECONDS = 120
THRESHOLD = "applications.bright.share_of_maximum"


def install(folder):
    """Make the third application an installed one, as pip would."""
    info = folder / "bright_areas-1.0.0.dist-info"
    info.mkdir(parents=True)
    source = TESTS / "third_application" / "bright_areas.py"
    (folder / "bright_areas.py").write_bytes(source.read_bytes())
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bright-areas\nVersion: 1.0.0\n")
    (info / "entry_points.txt").write_text(
        "[gransk.applications]\nbright = bright_areas:BrightAreas\n"
    )
    return folder


class Running:
    """The suite, and what people do to its settings."""

    def __init__(self, suite):
        self.suite = suite
        applications = {"bright": BrightAreas()}
        self.host = Host(load_config(suite.config_file), applications, suite.folder)
        with suite.database.begin() as session:
            for name in ("anna", "karen"):
                people.create_account(session, name, name.title(), [Role.RESPONSIBLE_RADIOLOGIST])

    def change(self, key, value):
        """Draft one key as anna, and have karen approve it where that is wanted."""
        with self.suite.database.begin() as session:
            content = with_value(settings_now(session, self.host).content, key, value)
            made = propose(session, self.host, content, "anna", "as agreed", Origin.PAGE)
        if made.state is DraftState.WAITING:
            with self.suite.database.begin() as session:
                made = approve(session, self.host, made.number, find_account(session, "karen"))
        return made.version

    def study(self, number, folder, **attributes):
        """Store a radiograph; its row, once it is analysed."""
        before = len(self.suite.items())
        path = save(radiograph(number, **attributes), folder / f"{number}.dcm")
        assert self.suite.store(path) == [0]
        item = self.suite.wait_ended(before + 1, SECONDS)[-1]
        assert item.state == WorkState.READY, self.suite.log()
        return item

    def share(self, item):
        """Of the image that was found bright."""
        blobs = BlobStore(self.suite.config.blob_folder)
        with self.suite.database.read() as session:
            found = read_findings(session, blobs, item.analysis_key)
        return found.findings[0].measured("bright_share")


@pytest.fixture
def running(tmp_path):
    site = install(tmp_path / "site")
    (tmp_path / "suite").mkdir()
    with Suite(
        tmp_path / "suite",
        environment=misbehaving.environment(site),
        intake={"quiet_seconds": 0.3, "poll_seconds": 0.2},
    ) as suite:
        yield Running(suite)


def test_changed_while_everything_runs(running, tmp_path):
    suite = running.suite
    pids = {name: suite.pid(name) for name in suite.names}

    older = running.study(1, tmp_path)
    assert (older.settings_version, older.overrides) == (1, [])
    assert running.change(THRESHOLD, 0.05) == 2
    newer = running.study(2, tmp_path)
    assert newer.settings_version == 2
    assert running.share(newer) > 5 * running.share(older)
    with suite.database.read() as session:
        kept = session.get_one(Workitem, older.id)
        assert (kept.settings_version, kept.analysis_key) == (1, older.analysis_key)

    # For one hospital's images another threshold holds.
    override = {
        "name": "west", "application": "bright", "where": {"institution": "hospital west"},
        "settings": {"share_of_maximum": 0.8},
    }  # fmt: skip
    assert running.change("overrides[west]", override) == 3
    west = running.study(3, tmp_path, InstitutionName="Hospital West")
    north = running.study(4, tmp_path, InstitutionName="Hospital North")
    assert (west.overrides, north.overrides) == (["west"], [])
    assert running.share(north) > 5 * running.share(west)

    # A destination that is added is sent to, and moved is sent to where it is.
    first, second = (Storescp(tmp_path / name).start() for name in ("first", "second"))
    try:
        for number, peer in ((5, first), (6, second)):
            running.change(
                "destinations[pacs]",
                {"kind": "dicom", "aet": peer.aet, "host": "127.0.0.1", "port": peer.port},
            )
            running.study(number, tmp_path)
            suite.wait_delivered(SECONDS)
            assert peer.held
        assert len(first.held) == len(second.held)
        with suite.database.read() as session:
            query = select(Delivery.state).where(Delivery.destination == "pacs")
            assert set(session.scalars(query)) == {DeliveryState.SENT}
    finally:
        first.kill()
        second.kill()

    # The file: wrong, it changes nothing and says so; right again, it is taken in.
    said = suite.config_file.read_text()
    suite.config_file.write_text("organization: [")
    suite.until(lambda: _refusals(suite) == ["unreadable"], SECONDS, "the file to be refused")
    assert _version(suite) == 5
    edited = {**yaml.safe_load(said), "organization": "Hospital North"}
    suite.config_file.write_text(yaml.safe_dump(edited))
    suite.until(lambda: _version(suite) == 6, SECONDS, "the file to be taken in")
    assert _refusals(suite) == []
    with suite.database.read() as session:
        now = settings_now(session, running.host)
    assert now.config.organization == "Hospital North"
    assert now.content["applications"]["bright"] == {"share_of_maximum": 0.05}
    assert {name: suite.pid(name) for name in suite.names} == pids, "nothing was started again"

    # What is in force outlasts the service.
    suite.kill("service")
    suite.start("service")
    assert running.study(7, tmp_path).settings_version == 6


def _refusals(suite):
    with suite.database.read() as session:
        return [row.refusal for row in refused_files(session)]


def _version(suite):
    with suite.database.read() as session:
        return latest_number(session)
