"""The whole suite with destinations of every kind, two down at times, and workers killed."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import misbehaving
import pytest
import trustme
from harness_orthanc import OrthancProcess, make_config
from harness_suite import Suite
from radiographs import radiograph, save
from sqlalchemy import select

from gransk.results.blobs import BlobStore
from gransk.results.tables import Delivery, DeliveryState, Report, ReportObject, Workitem
from gransk.site.config_destinations import STANDARD
from gransk.site.events import EventKind
from gransk.site.tables import Event

sys.path.insert(0, str(Path(__file__).parents[1] / "delivery"))
sys.path.insert(0, str(Path(__file__).parents[1] / "web"))

from dicom_peers import NodePeer, Storescp, dataset_of
from oidc_harness import SECRET, ProviderProcess
from stow_peers import Gate, StowPeer

pytestmark = pytest.mark.system
STUDIES = 5
SECONDS = 240
"""Longest wait for anything; on a machine without other work all takes less than 60 s."""


class Cloud:
    """A STOW-RS server behind OAuth that keeps what it takes."""

    def __init__(self, folder):
        self.provider = ProviderProcess(folder, "http://127.0.0.1:1", seconds=8).start()
        self.store = StowPeer(lambda handler, body: handler.reply(200, {}))
        self.gate = Gate(self.provider.issuer, SECRET, self.store.url, ("", ""))
        self.door = StowPeer(self.gate)

    @property
    def held(self):
        """Files by digest of what stands between the boundaries, and how often each came."""
        found = {}
        for method, _, headers, body in self.store.asked:
            if method != "POST":
                continue
            mark = headers["content-type"].split("boundary=")[1].encode()
            content = body.split(b"--" + mark)[1].split(b"\r\n\r\n", 1)[1][:-2]
            key = hashlib.sha256(content).hexdigest()
            found[key] = found.get(key, 0) + 1
        return found

    def close(self):
        self.door.close()
        self.store.close()
        self.provider.stop()


class World:
    """The peers around a suite."""

    def __init__(self, folder):
        for name in ("vna", "cloud", "peers"):
            (folder / name).mkdir()
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        issued = authority.issue_cert("127.0.0.1")
        issued.private_key_pem.write_to_path(folder / "peer.key")
        issued.cert_chain_pems[0].write_to_path(folder / "peer.pem")
        (folder / "client").write_text(SECRET)
        self.pacs = NodePeer(folder / "peers")
        self.north = Storescp(
            folder / "peers", "+tls", folder / "peer.key", folder / "peer.pem", "-ic"
        ).start()
        self.vna = OrthancProcess(make_config(folder / "vna"), folder / "vna" / "orthanc").start()
        self.cloud = Cloud(folder / "cloud")
        section = self.vna.config.orthanc
        quick = {"retry_seconds": 1, "timeout_seconds": 5}
        self.destinations = [
            {"name": "orthanc", "kind": "orthanc", **quick},
            {"name": "pacs", "kind": "dicom", "aet": "PACS", "host": "127.0.0.1",
             "port": self.pacs.port, **quick},
            {"name": "north", "kind": "dicom", "aet": "STORESCP", "host": "127.0.0.1",
             "port": self.north.port, "tls": {"authority_file": str(folder / "ca.pem")},
             "objects": ["SC"], "when": [{"origins": [{"institution": "north"}]}], **quick},
            {"name": "vna", "kind": "dicomweb", "url": f"{section.url}{section.dicomweb_root}",
             "username": section.username, "password_file": str(section.password_file),
             "objects": ["SR"], **quick},
            {"name": "cloud", "kind": "dicomweb", "url": self.cloud.door.url,
             "oauth": {"token_url": f"{self.cloud.provider.issuer}/token",
                       "client_id": "gransk-delivery", "scope": "dicom.write",
                       "client_secret_file": str(folder / "client")},
             "when": [{"applications": ["misbehaving"], "modalities": ["CR"],
                       "outcomes": ["none"]}], "per_minute": 600, **quick},
            {"name": "recalls", "kind": "dicom", "aet": "PACS", "host": "127.0.0.1",
             "port": self.pacs.port, "when": [{"outcomes": ["findings"]}, {"score_from": 1}],
             **quick},
        ]  # fmt: skip

    def close(self):
        self.pacs.kill()
        self.north.kill()
        self.vna.stop()
        self.cloud.close()


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture
def suite(world, tmp_path):
    (tmp_path / "suite").mkdir()
    site = misbehaving.install(tmp_path / "site")
    with Suite(
        tmp_path / "suite",
        environment=misbehaving.environment(site),
        intake={"quiet_seconds": 0.3, "poll_seconds": 0.2, "min_free_disk_mb": 1},
        workers={"processes": 2, "heartbeat_seconds": 1, "lost_after_seconds": 30},
        destinations=world.destinations,
    ) as suite:
        yield suite


def store(suite, folder, number, **attributes):
    where = {"InstitutionName": "North" if number % 2 else "South"} | attributes
    image = radiograph(number, SeriesDescription="good", **where)
    assert suite.store(save(image, folder / f"{number}.dcm")) == [0]
    return image


def lines(suite, *, name=None, state=None):
    return [
        line
        for line in suite.deliveries()
        if name in (None, line.destination) and state in (None, line.state)
    ]


def objects(suite):
    """Kind and bytes of every object of every report, by UID."""
    with suite.database.read() as session:
        rows = session.scalars(select(ReportObject)).all()
    blobs = BlobStore(suite.config.blob_folder)
    return {row.sop_instance_uid: (row.kind, blobs.get(row.sha256)) for row in rows}


def digests(files):
    return {uid: {hashlib.sha256(dataset_of(file)).hexdigest()} for uid, file in files.items()}


def reports(suite):
    """Keys of the reports of each study, in order of release."""
    query = (
        select(Workitem.study_key, Report.key)
        .join(Report, Report.workitem_id == Workitem.id)
        .order_by(Report.released_at)
    )
    found = {}
    with suite.database.read() as session:
        for study, key in session.execute(query):
            found.setdefault(study, []).append(key)
    return found


def test_every_destination_gets_its_own_whatever_happens(suite, world, tmp_path):
    world.vna.kill()
    images = [store(suite, tmp_path, number) for number in range(STUDIES)]
    suite.wait_ended(STUDIES, SECONDS)

    wanted = {"orthanc": 2 * STUDIES, "north": STUDIES // 2, "cloud": 2 * STUDIES}

    def up():
        """All is there where somebody answers."""
        done = lines(suite, state=DeliveryState.SENT)
        return {name: sum(line.destination == name for line in done) for name in wanted} == wanted

    suite.until(up, SECONDS, "the destinations that answer, beside two that do not")
    for name, count in (("pacs", 2 * STUDIES), ("vna", STUDIES)):
        waiting = lines(suite, name=name)
        assert {line.state for line in waiting} == {DeliveryState.WAITING}
        assert len(waiting) == count
    assert lines(suite, name="recalls") == [], "no rule of it holds"

    # A worker dies, and meanwhile an image comes late: one report is replaced by another.
    suite.kill("worker-0")
    late = radiograph(
        90, StudyInstanceUID=images[0].StudyInstanceUID, SeriesDescription="good",
        SeriesInstanceUID=images[0].SeriesInstanceUID, InstitutionName="South",
        PatientID=images[0].PatientID, PatientName=images[0].PatientName,
        AccessionNumber=images[0].AccessionNumber, InstanceNumber="2",
    )  # fmt: skip
    world.pacs.start()
    suite.until(lambda: world.pacs.taken, SECONDS, "the first object at the peer that came back")
    assert suite.store(save(late, tmp_path / "late.dcm")) == [0]
    suite.until(lambda: max(map(len, reports(suite).values())) == 2, SECONDS, "the later report")
    suite.kill("worker-1")
    world.vna.start()
    for name in ("worker-0", "worker-1"):
        suite.start(name)
    suite.wait_delivered(SECONDS)

    made = objects(suite)
    replaced = next(keys for keys in reports(suite).values() if len(keys) == 2)
    with suite.database.read() as session:
        rows = session.scalars(select(ReportObject))
        of = {row.sop_instance_uid: row.report_key for row in rows}
    failed = lines(suite, state=DeliveryState.FAILED)
    assert [line for line in failed if line.report_key != replaced[0]] == [], suite.log()
    standing = {
        uid: file
        for uid, (kind, file) in made.items()
        if of[uid] != replaced[0] and kind in STANDARD
    }

    # Counted at each peer: every object that stands, whole, and repeats as the same bytes.
    counted = world.pacs.counted
    assert {uid: counted.get(uid) for uid in standing} == digests(standing)
    assert all(len(found) == 1 for found in counted.values())
    arrived = [of[line["uid"]] for line in world.pacs.taken if of[line["uid"]] in replaced]
    assert arrived == sorted(arrived, key=replaced.index), "the replaced report came first"
    north = {uid for uid, file in world.north.held.items() if made[uid][0] == "SC"}
    assert len(north) == len(world.north.held) == STUDIES // 2
    assert all(dataset_of(made[uid][1]) == file for uid, file in world.north.held.items())
    for uid, (kind, file) in made.items():
        there = world.vna.client.find_instance(uid)
        if kind != "SR" or uid not in standing:
            assert kind == "SR" or there is None
        else:
            assert world.vna.client.file(there) == file
        ours = suite.orthanc.client.find_instance(uid)
        assert (ours is not None) == (uid in standing), "deleted where the site's policy says so"
    files = {hashlib.sha256(file).hexdigest() for file in standing.values()}
    assert files <= set(world.cloud.held)
    assert len(set(world.cloud.gate.seen)) >= 2, "tokens were renewed"

    # In our own log each delivery counts once.
    with suite.database.read() as session:
        query = select(Event.data).where(Event.kind == EventKind.OBJECT_DELIVERED)
        told = [(one["destination"], one["object"]) for one in session.scalars(query)]
        assert len(told) == len(set(told))
        sent = {(line.destination, line.sop_instance_uid) for line in session.scalars(
            select(Delivery).where(Delivery.state == DeliveryState.SENT)
        )}  # fmt: skip
    assert sent <= set(told)
