"""A site is backed up while it works, everything is killed, and it goes on elsewhere."""

import shutil
import subprocess
import sys
from pathlib import Path

import misbehaving
import pytest
import yaml
from harness_suite import Suite
from radiographs import radiograph, save
from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).parents[1] / "delivery"))

from dicom_peers import Storescp

from gransk.cli.processes import gransk_command
from gransk.oversight.backup_set import chosen, read_manifest
from gransk.reading import ledger
from gransk.reading.entries import Arrival
from gransk.reading.exam_tables import EntryRow
from gransk.results.blobs import BlobStore
from gransk.results.tables import Delivery, DeliveryState, Report, ReportObject, WorkState
from gransk.site import people
from gransk.site.database import utcnow
from gransk.site.events import verify
from gransk.site.tables import Account, Event, Role

pytestmark = pytest.mark.system

PATIENCE = 200

STUDIES = ("done", "refuse", "pause", "waiting", "waiting", "later")


class Places:
    """Two folders of one site: where it was, and where it is restored."""

    def __init__(self, folder):
        self.folder = folder
        self.site = misbehaving.install(folder / "site")
        self.backups = folder / "backups"
        self.images = [
            save(radiograph(n, SeriesDescription=what), folder / f"{n}.dcm")
            for n, what in enumerate(STUDIES)
        ]

    def suite(self, name, peer):
        (self.folder / name).mkdir()
        pacs = {
            "name": "pacs", "kind": "dicom", "aet": peer.aet, "host": "127.0.0.1",
            "port": peer.port, "timeout_seconds": 2, "retry_seconds": 1, "objects": ["SR", "SC"],
        }  # fmt: skip
        return Suite(
            self.folder / name,
            environment=misbehaving.environment(self.site),
            destinations=[{"name": "orthanc", "kind": "orthanc"}, pacs],
            intake={"quiet_seconds": 0.3, "poll_seconds": 0.2, "reconcile_seconds": 2},
            workers={"heartbeat_seconds": 0.5, "lost_after_seconds": 2, "retry_seconds": 0.5},
        )

    def gransk(self, suite, command, *arguments):
        whole = gransk_command(command, *map(str, arguments), "--config", str(suite.config_file))
        ended = subprocess.run(whole, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr

    def send_to(self, suite, peer):
        """A restored site's destinations are those of the backup: send elsewhere from its start."""
        said = subprocess.run(
            gransk_command("config", "export", "--config", str(suite.config_file)),
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        content = yaml.safe_load(said)
        content["destinations"][1]["port"] = peer.port
        changed = self.folder / "changed.yaml"
        changed.write_text(yaml.safe_dump(content), encoding="utf-8")
        self.gransk(suite, "config", "import", changed, "--reason", "rehearsal")

    def take_archive(self, source, target):
        """Orthanc's own backup: its storage and index, while it is stopped."""
        source.orthanc.stop()
        place = target.folder / "orthanc" / "storage"
        shutil.copytree(source.folder / "orthanc" / "storage", place)


def store(suite, path):
    assert suite.store(path) == [0]


def fill(suite, places):
    """A study done, one refused, one whose worker was killed, two waiting; a person, an exam."""
    for number, path in enumerate(places.images[:2]):
        store(suite, path)
        suite.wait_ended(number + 1, PATIENCE)
    store(suite, places.images[2])
    suite.until(
        lambda: any(i.state == WorkState.RUNNING and i.share > 0.05 for i in suite.items()),
        PATIENCE,
        "the study to be in the middle",
    )
    suite.kill("worker-0")
    for path in places.images[3:5]:
        store(suite, path)
    suite.until(lambda: len(suite.items()) == 5, PATIENCE, "every study's row")
    now = utcnow()
    new = Arrival(unit="u", application="misbehaving", images="i", images_at=now, opens_at=now)
    with suite.database.begin() as session:
        account = people.create_account(
            session, "karen", "Karen", [Role.RADIOLOGIST], actor="test", language="da"
        )
        assert account.name == "karen"
        ledger.arrive(session, suite.items()[1].study_key, new)
    suite.until(lambda: "opened" in entries(suite), PATIENCE, "the exam to open")


def entries(suite):
    """Kinds of the exam's entries."""
    with suite.database.read() as session:
        return session.scalars(select(EntryRow.kind).order_by(EntryRow.number)).all()


def told(suite):
    """What the site holds, but for instants."""
    with suite.database.read() as session:
        return {
            "items": sorted(
                (i.application, i.state, i.reason or "", i.analysis_key or "", i.report_key or "")
                for i in suite.items()
            ),
            "reports": sorted(
                (one.key, one.analysis_key, one.supersedes, one.withdrawn_at is None)
                for one in session.scalars(select(Report))
            ),
            "objects": sorted(
                (one.sop_instance_uid, one.kind, one.report_key)
                for one in session.scalars(select(ReportObject))
            ),
            "lines": sorted(
                (one.sop_instance_uid, one.destination, one.state)
                for one in session.scalars(select(Delivery))
            ),
            "people": [
                (one.name, one.full_name, one.roles, one.language)
                for one in session.scalars(select(Account).order_by(Account.name))
            ],
            "entries": [
                (one.study_key, one.place, one.kind, one.actor, one.content, one.salt, one.at)
                for one in session.scalars(select(EntryRow).order_by(EntryRow.number))
            ],
        }


def events(suite, below):
    with suite.database.read() as session:
        assert verify(session) is None
        query = select(Event.hash).where(Event.number <= below).order_by(Event.number)
        return session.scalars(query).all()


def objects(suite):
    """Bytes of each object, as they were made."""
    blobs = BlobStore(suite.config.blob_folder)
    with suite.database.read() as session:
        rows = session.execute(select(ReportObject.sop_instance_uid, ReportObject.sha256)).all()
    return {uid: blobs.get(sha256) for uid, sha256 in rows}


def finish(suite, count):
    suite.wait_ended(count, PATIENCE)
    suite.wait_delivered(PATIENCE)
    held = [
        one
        for study in suite.orthanc.client.study_ids()
        for one in suite.orthanc.client.instances(study)
    ]
    return len(held)


def end(suite):
    for name in suite.names:
        suite.kill(name)


def test_a_restored_site_ends_as_the_undisturbed_one(tmp_path):
    places = Places(tmp_path)
    here, there = Storescp(tmp_path), Storescp(tmp_path)
    old = places.suite("old", here)
    new = places.suite("new", there)
    try:
        with old:
            fill(old, places)
            places.gransk(old, "backup", places.backups)
            before, known = objects(old), {item.study_key for item in old.items()}
            manifest = read_manifest(chosen(places.backups))
            assert any(i.state == WorkState.RUNNING for i in old.items())
            assert any(one.state == DeliveryState.WAITING for one in old.deliveries())
            # Orthanc is copied after Gransk, and has seen a study more.
            store(old, places.images[5])
            old.until(lambda: len(old.items()) == 6, PATIENCE, "the later study")
            places.take_archive(old, new)
            old.start("orthanc")
            old.start("worker-0")
            here.start()
            held = finish(old, 6)
            undisturbed, log = told(old), events(old, manifest.events)
            end(old)
        shutil.rmtree(old.folder / "data" / "blobs")
        places.gransk(new, "restore", places.backups)
        assert not (new.config.data_folder / "workflows.db").exists()
        places.send_to(new, there)
        there.start()
        with new:
            assert finish(new, 6) == held
            assert told(new) == undisturbed
            assert known < {item.study_key for item in new.items()}
            assert events(new, manifest.events) == log
            after = objects(new)
            assert {uid: after[uid] for uid in before} == before
            assert set(after) == {uid for uid, _, _ in undisturbed["objects"]}
            assert set(there.held) == set(here.held)
            with new.database.read() as session:
                kinds = session.scalars(select(Event.kind).order_by(Event.number)).all()
            assert kinds.count("backup_restored") == 1
            for name in new.names[1:]:
                assert "Prøve" not in new.log_file(name).read_text(errors="replace")
    finally:
        here.kill()
        there.kill()


@pytest.mark.full
def test_an_archive_that_is_older_than_gransk(tmp_path):
    """Its studies are withdrawn, and stand again without analysis when they are sent again."""
    places = Places(tmp_path)
    here = Storescp(tmp_path).start()
    old, new = places.suite("old", here), places.suite("new", here)
    try:
        with old:
            store(old, places.images[0])
            old.wait_ended(1, PATIENCE)
            old.wait_delivered(PATIENCE)
            places.take_archive(old, new)
            old.start("orthanc")
            store(old, places.images[3])
            old.wait_ended(2, PATIENCE)
            old.wait_delivered(PATIENCE)
            places.gransk(old, "backup", places.backups)
            undisturbed = told(old)
        places.gransk(new, "restore", places.backups)
        with new:

            def states(*wanted):
                return lambda: {item.state for item in new.items()} == set(wanted)

            new.until(states(WorkState.READY, WorkState.WITHDRAWN), PATIENCE, "it to be missed")
            store(new, places.images[3])
            new.until(states(WorkState.READY), PATIENCE, "its return")
            new.wait_delivered(PATIENCE)
            assert told(new)["reports"] == undisturbed["reports"]
            with new.database.read() as session:
                kinds = session.scalars(select(Event.kind).order_by(Event.number)).all()
            assert kinds.count("analysis_sealed") == 2
            assert "study_returned" in kinds
    finally:
        here.kill()
