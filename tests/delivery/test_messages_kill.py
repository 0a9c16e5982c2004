"""Messages outlast workers that are killed at any point, and destinations that are down."""

import contextlib
import subprocess
import sys
import threading
import time
from pathlib import Path

import mllp_peer
import pytest
import yaml
from hl7_cases import REPORT, URGENT
from mllp_peer import Peer
from sqlalchemy import func, select

from gransk.core.screening import Verdict
from gransk.delivery.messages import undelivered
from gransk.results.announcing import News, announce_news
from gransk.results.decisions import Decision, announce
from gransk.results.message_tables import AnnouncementKind, MessageState, OutgoingMessage
from gransk.site.config import load_config
from gransk.site.config_messages import Subject
from gransk.site.database import utcnow
from gransk.site.events import EventKind
from gransk.site.migrate import open_database
from gransk.site.tables import Event

pytestmark = pytest.mark.system
WORKER = Path(__file__).with_name("tell_worker.py")
MESSAGES = 6


class Site:
    """A folder with a configuration, an outbox and one real worker that is killed and started."""

    def __init__(self, folder, ports):
        self.folder = folder
        self.process = None
        destinations = [
            {
                "name": name,
                "kind": "hl7",
                "host": "127.0.0.1",
                "port": port,
                "timeout_seconds": 5,
                "tells": ["decisions", "findings", "priority"],
            }
            for name, port in ports.items()
        ]
        values = {
            "workers": {"heartbeat_seconds": 0.4, "lost_after_seconds": 2},
            "messages": {"destinations": destinations},
        }
        (folder / "gransk.yaml").write_text(yaml.safe_dump(values))
        self.config = load_config(folder / "gransk.yaml")
        self.database = open_database(self.config)

    def start(self):
        (self.folder / "up").unlink(missing_ok=True)
        with (self.folder / "log.txt").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, WORKER, self.folder], stdout=log, stderr=log
            )
        self.wait(lambda: (self.folder / "up").exists(), "the worker to start")

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def tell(self, number):
        """Announce something of a study: a decision, a report and a priority in turn."""
        key, at = f"{number:032d}", utcnow()
        with self.database.begin() as session:
            if number % 3 == 0:
                decision = Decision(
                    study_key=key, number=number, outcome=Verdict.NORMAL, decided_at=at
                )
                announce(session, decision, self.config.messages.names(Subject.DECISIONS))
                return
            change = {"study_key": key, "at": at}
            kind = AnnouncementKind.FINDINGS if number % 3 == 1 else AnnouncementKind.PRIORITY
            told = (REPORT if number % 3 == 1 else URGENT).model_copy(update=change)
            news = News(kind, key, told, EventKind.FINDINGS_ANNOUNCED, {}, "nodule")
            announce_news(session, news, self.config.messages.names(Subject(kind.value)))

    def count(self, state, destination):
        query = select(func.count()).where(
            OutgoingMessage.state == state, OutgoingMessage.destination == destination
        )
        with self.database.read() as session:
            return session.scalar(query)

    def wait(self, condition, what, seconds=120):
        end = time.monotonic() + seconds
        while not condition():
            log = (self.folder / "log.txt").read_text()
            assert time.monotonic() < end, f"waited for {what}; {log[-3000:]}"
            time.sleep(0.05)


class Killing:
    """Kills the worker at a message's arrival, before or after it is answered."""

    def __init__(self, plan):
        self.plan = dict(plan)
        self.arrivals = 0
        self.kill = None
        self.killed = threading.Event()
        self.kills = 0

    def __call__(self, peer, connection, content):
        self.arrivals += 1
        when = self.plan.pop(self.arrivals, None)
        if when == "before":
            self._kill()
            return
        with contextlib.suppress(OSError):
            mllp_peer.agreeable(peer, connection, content)
        if when == "after":
            self._kill()

    def _kill(self):
        self.kill()
        self.kills += 1
        self.killed.set()


def order_of(peer):
    """Control ids by their first arrival, and the different bytes under each."""
    seen = {}
    for content in list(peer.taken):
        seen.setdefault(mllp_peer.id_of(content), set()).add(content)
    return seen


def numbers(peer):
    return [
        int(next(iter(contents)).split(b"\rOBR")[1].split(b"\r")[0].split(b"|")[18])
        for contents in order_of(peer).values()
    ]


def kinds(peer):
    return [
        b"^".join(next(iter(contents)).split(b"|")[8].split(b"^")[:2])
        for contents in order_of(peer).values()
    ]


def test_every_message_arrives_in_order_whenever_the_worker_dies(tmp_path):
    killing = Killing({1: "before", 2: "after", 4: "before", 6: "after"})
    ris = Peer(killing)
    with_nobody = Peer()
    port = with_nobody.port
    with_nobody.close()
    site = Site(tmp_path, {"ris": ris.port, "screening": port})
    killing.kill = site.kill
    for number in range(MESSAGES):
        site.tell(number)
    site.start()
    try:
        while site.count(MessageState.SENT, "ris") < MESSAGES:
            if killing.killed.wait(0.1):
                killing.killed.clear()
                site.start()
        assert killing.kills == 4
        assert numbers(ris) == list(range(MESSAGES))
        assert kinds(ris) == [b"ORU^R01", b"ORU^R01", b"OMG^O19"] * (MESSAGES // 3)
        assert all(len(contents) == 1 for contents in order_of(ris).values())
        assert len(ris.taken) >= MESSAGES + 2
        with site.database.read() as session:
            assert {row.destination for row in undelivered(session)} == {"screening"}
            told = session.scalars(
                select(Event.data).where(Event.kind == EventKind.MESSAGE_SENT)
            ).all()
        assert len(told) == MESSAGES
        # The other comes back, and gets what waited for it, in order.
        back = Peer(port=port)
        site.wait(
            lambda: site.count(MessageState.SENT, "screening") == MESSAGES, "the other to get it"
        )
        assert numbers(back) == list(range(MESSAGES))
        back.close()
    finally:
        site.kill()
        ris.close()
