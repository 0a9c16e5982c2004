"""Two real workers, killed and started, and destinations that are down for a time."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from dicom_peers import NodePeer, an_object, dataset_of, wait
from outbox_site import Outbox
from sqlalchemy import func, select

from gransk.results.tables import Delivery, DeliveryState
from gransk.site.config import load_config
from gransk.site.events import EventKind
from gransk.site.migrate import open_database
from gransk.site.tables import Event

sys.path.insert(0, str(Path(__file__).parents[1] / "site"))

from databases import postgresql, postgresql_server  # noqa: F401

pytestmark = pytest.mark.system
WORKER = Path(__file__).with_name("outbox_worker.py")
SECONDS = 150


class Site:
    """A configuration, an outbox and two workers that are killed and started."""

    def __init__(self, folder, urls, peers, **of_each):
        self.folder = folder
        self.processes = {}
        destinations = [
            {"name": name, "kind": "dicom", "aet": "PEER", "host": "127.0.0.1",
             "port": peer.port, "timeout_seconds": 3, "retry_seconds": 0.5, **of_each.get(name, {})}
            for name, peer in peers.items()
        ]  # fmt: skip
        values = {
            "workers": {"heartbeat_seconds": 0.4, "lost_after_seconds": 2, "deliveries": 3},
            "destinations": destinations,
            **({"database": urls} if urls else {}),
        }
        (folder / "gransk.yaml").write_text(yaml.safe_dump(values))
        self.config = load_config(folder / "gransk.yaml")
        open_database(self.config).close()
        self.outbox = Outbox(self.config.database.url, self.config.data_folder, *peers, made=True)
        self.bytes = {}

    def add(self, study, number=1):
        """A report with two true DICOM objects."""
        made = [(kind, *an_object()) for kind in ("SR", "SC")]
        self.bytes |= {uid: hashlib.sha256(dataset_of(file)).hexdigest() for _, uid, file in made}
        key = self.outbox.seal(study, number, objects=made)
        self.outbox.release(key)
        return key

    def start(self, *slots):
        for slot in slots:
            up = self.folder / f"up-{slot}"
            up.unlink(missing_ok=True)
            with (self.folder / "log.txt").open("a") as log:
                self.processes[slot] = subprocess.Popen(
                    [sys.executable, WORKER, self.folder, str(slot)], stdout=log, stderr=log
                )
        for slot in slots:
            self.wait((self.folder / f"up-{slot}").exists, f"worker {slot}")

    def kill(self, slot):
        self.processes[slot].kill()
        self.processes.pop(slot).wait(10)

    def close(self):
        for slot in list(self.processes):
            self.kill(slot)
        self.outbox.close()

    def count(self, state, name):
        query = select(func.count()).where(Delivery.state == state, Delivery.destination == name)
        with self.outbox.database.read() as session:
            return session.scalar(query)

    def wait(self, holds, what, seconds=SECONDS):
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, (
                f"waited for {what}; {(self.folder / 'log.txt').read_text()[-3000:]}"
            )
            time.sleep(0.05)

    def all_sent(self, name):
        return lambda: self.count(DeliveryState.SENT, name) == len(self.bytes)


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request):
    """None: SQLite in the site's own folder."""
    if request.param == "sqlite":
        return None
    base = request.getfixturevalue("postgresql")
    return {"url": base, "workflows_url": f"{base}_work"}


@pytest.fixture
def peers(tmp_path):
    made = {name: NodePeer(tmp_path) for name in ("pacs", "vna")}
    yield made
    for peer in made.values():
        peer.kill()


def counted_once(site, peer):
    """Every object arrived, whole, and each repeat as the same bytes."""
    assert {uid: {digest} for uid, digest in site.bytes.items()} == peer.counted


def test_two_workers_that_die_and_a_peer_that_is_down(tmp_path, urls, peers):
    site = Site(tmp_path, urls, peers)
    peers["pacs"].start()
    for study in range(1, 7):
        site.add(study)
    try:
        site.start(0, 1)
        wait(lambda: len(peers["pacs"].taken) >= 2, "the first objects", SECONDS)
        site.kill(0)
        for study in range(7, 10):
            site.add(study)
        site.wait(site.all_sent("pacs"), "the peer that is up, beside one that is down")
        assert site.count(DeliveryState.WAITING, "vna") == len(site.bytes)
        site.start(0)
        site.kill(1)
        peers["vna"].start()
        site.wait(site.all_sent("vna"), "the peer that came back")
        for peer in peers.values():
            counted_once(site, peer)
        with site.outbox.database.read() as session:
            query = select(Event.data).where(Event.kind == EventKind.OBJECT_DELIVERED)
            told = [(one["destination"], one["object"]) for one in session.scalars(query)]
            failed = select(func.count()).where(Event.kind == EventKind.DELIVERY_FAILED)
            assert session.scalar(failed) == 0
        assert len(told) == len(set(told)) == 2 * len(site.bytes)
    finally:
        site.close()


def test_the_pace_of_a_destination_holds_over_all_workers(tmp_path, peers):
    site = Site(tmp_path, None, peers, pacs={"per_minute": 240})
    for peer in peers.values():
        peer.start()
    for study in range(1, 11):
        site.add(study)
    try:
        site.start(0, 1)
        site.wait(site.all_sent("vna"), "the destination without a pace")
        site.wait(site.all_sent("pacs"), "the destination with one")
        with site.outbox.database.read() as session:
            query = select(Delivery.tried_at).where(Delivery.destination == "pacs")
            at = sorted(one.timestamp() for one in session.scalars(query))
        gaps = [after - before for before, after in itertools.pairwise(at)]
        assert min(gaps) > 0.2, "a quarter of a second apart, but for the clocks' last digits"
        counted_once(site, peers["pacs"])
    finally:
        site.close()


def lives(site):
    """How many workflows of one delivery have ended."""
    with site.outbox.database.read() as session:
        return session.scalar(select(func.max(Delivery.attempt)))


@pytest.mark.full
def test_a_week_of_outage_with_deaths_in_between(tmp_path, peers):
    """Tries of a week, compressed: workflows end and others go on, and nothing is lost."""
    site = Site(tmp_path, None, peers)
    for study in range(1, 4):
        site.add(study)
    try:
        for number in range(3):
            site.start(0)
            site.wait(lambda n=number: lives(site) > n, "workflows to end, and others to go on")
            site.kill(0)
            site.add(10 + number)
        assert site.count(DeliveryState.FAILED, "pacs") == 0
        for peer in peers.values():
            peer.start()
        site.start(0)
        for name, peer in peers.items():
            site.wait(site.all_sent(name), f"{name} to have it all")
            counted_once(site, peer)
    finally:
        site.close()
