"""Storage commitment with npm dcmjs-dimse, and by a service that is killed while it asks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dicom_peers import NODE, wait
from free_ports import free_port
from outbox_site import Taker
from sent_reports import SentReports
from sqlalchemy import select
from test_commitment import KEY, Peer, committed, destination, states

from gransk.delivery import commitment
from gransk.delivery.commitment_asking import Answers, Asker
from gransk.delivery.commitment_door import CommitmentDoor
from gransk.results.commitment_tables import Commitment, CommitmentObject, CommitmentState
from gransk.results.tables import DeliveryState
from gransk.site.config_commitment import CommitmentSection

SERVICE = Path(__file__).with_name("commitment_service.py")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SentReports]:
    monkeypatch.setattr(commitment, "FIRST_WAIT_SECONDS", 0.0)
    site = SentReports(tmp_path)
    site.destinations["pacs"] = Taker()
    site.seal(KEY)
    site.send(KEY)
    yield site
    site.database.close()


def test_another_implementation_answers_on_its_own_association(site: SentReports) -> None:
    if not (NODE / "node_modules").is_dir():
        raise RuntimeError("the peer is not installed; run: npm run test-tools")
    section = CommitmentSection(port=free_port(), wait_seconds=10)
    answers, port = Answers(site.database), free_port()
    one = destination(port=port)
    door = CommitmentDoor([one], section, answers)
    given = json.dumps({"port": port, "door": door.port, "held": ["2.25.10"]})
    with subprocess.Popen(
        ["node", "commit.cjs", given], cwd=NODE, stdout=subprocess.PIPE, text=True
    ) as node:
        try:
            assert node.stdout is not None
            assert node.stdout.readline().strip() == "ready"
            asker = Asker(site.database, one, section, answers)
            asker.run_once()
            assert node.stdout.readline().strip() == "status 0"
        finally:
            node.kill()
            door.close()
    assert committed(site) == {"2.25.10"}
    (refused,) = [line for line in site.lines(KEY) if line.committed_at is None]
    assert refused.error == "not committed: 0112H no such object instance"
    asker.rows.tidy()
    assert {line.state for line in site.lines(KEY)} == {DeliveryState.SENT, DeliveryState.WAITING}


def start(site: SentReports, port: int) -> subprocess.Popen[bytes]:
    url = site.database.engine.url.render_as_string(hide_password=False)
    return subprocess.Popen([sys.executable, str(SERVICE), url, str(port)], env={**os.environ})


def kill(service: subprocess.Popen[bytes]) -> None:
    service.send_signal(signal.SIGKILL)
    service.wait(10)


def test_a_service_that_is_killed_asks_again_and_loses_nothing(site: SentReports) -> None:
    """Killed with a request open, which its peer took and answers to nobody."""
    silent = Peer(answers=False)
    service = start(site, silent.port)
    try:
        wait(lambda: len(silent.asked) == 1, "the first request", 90)
    finally:
        kill(service)
    assert states(site) == [CommitmentState.ASKED]
    time.sleep(0.5)
    assert committed(site) == set()
    silent.answers = True
    service = start(site, silent.port)
    try:
        wait(lambda: len(committed(site)) == 2, "the answer", 90)
    finally:
        kill(service)
        silent.server.shutdown()
    assert states(site) == [CommitmentState.UNANSWERED, CommitmentState.ANSWERED]
    with site.database.read() as session:
        query = select(CommitmentObject.delivery_id, Commitment.asked_at).join(Commitment)
        asked = session.execute(query).all()
    assert len(asked) == 4, "each object twice, one after the other"
    assert site.kinds().count("object_committed") == 2
