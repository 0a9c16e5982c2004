"""The reading room on PostgreSQL: a read to its decision, and who writes at the same time."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from fastapi.testclient import TestClient
from reading_room import NORMAL, RECALL, arrival
from reading_site import Site, findings
from sqlalchemy import func, select

sys.path.insert(0, str(Path(__file__).parents[1] / "site"))

from databases import postgresql, postgresql_server  # noqa: F401

from gransk.archive.orthanc import Orthanc
from gransk.archive.orthanc_config import ensure_secret
from gransk.archive.tables import Archive, SeenStudy
from gransk.reading import acts, gate, lists, rooms
from gransk.reading.entries import Kind, TaskKind
from gransk.reading.exam import State
from gransk.reading.exam_tables import ReaderRow
from gransk.reading.ledger import arrive, wrong_rows
from gransk.reading.lists import Wanted
from gransk.reading.opinions import DifferenceReason
from gransk.reading.policy import Room
from gransk.reading.policy_refusals import PolicyError, PolicyRefusal
from gransk.reading.policy_tables import AiPause
from gransk.reading.readers import Listing, list_reader
from gransk.reading.site_policies import SitePolicies
from gransk.results.blobs import BlobStore
from gransk.results.tables import ExamKnown, ExamProgramme
from gransk.site import people
from gransk.site.config import parse_config
from gransk.site.database import Database, utcnow
from gransk.site.events import verify
from gransk.site.migrate import upgrade
from gransk.site.sessions import start_session
from gransk.site.tables import Role
from gransk.web.app import create_app

pytestmark = pytest.mark.system
TEXT = "time_zone: UTC\nreading: {units: [{name: north, title: North}]}"
SAID = {"unit": ["north", "images"], "round": ["later", "file"], "age": ["57", "images"]}


@pytest.fixture
def site(postgresql, tmp_path):  # noqa: F811
    database = Database(postgresql)
    upgrade(database)
    blobs = BlobStore(tmp_path / "blobs")
    config = parse_config(TEXT, tmp_path / "gransk.yaml")
    made = Site(database, blobs, SitePolicies(config, blobs, lambda s, key: False))
    made.at = utcnow()
    with database.begin() as session:
        people.create_account(session, "karen", "Karen", [Role.RESPONSIBLE_RADIOLOGIST])
        session.add(Archive(name="orthanc", identity="one", cursor=0, swept_at=None))
    made.people("anna", "bo", unit="north")
    made.people("cara", unit="north", arbitrates=True)
    yield made
    with database.read() as session:
        assert wrong_rows(session) == []
        assert verify(session) is None
    database.close()


def room(**policy: Any) -> Room:
    rules = [{"when": {"programmes": ["screening"]}, "policy": "p"}]
    policies = [{"name": "p", "kind": "shadow", "waiting_minutes": 30} | policy]
    return Room.model_validate(
        {"valid_from": utcnow().date(), "policies": policies, "rules": rules}
    )


def draft(site: Site, wanted: Room) -> int:
    section = site.policies.config.reading
    with site.database.begin() as session:
        made = rooms.draft(session, section, wanted, "kim", "as agreed", utcnow().date())
        return int(made.row.version)


def approve(site: Site, version: int) -> None:
    with site.database.begin() as session:
        karen = people.find_account(session, "karen")
        rooms.approve(session, site.policies.config.reading, version, karen)


def screened(site: Site) -> str:
    """A woman's exam in the archive, analysed; its key."""
    key = site.study()
    with site.database.begin() as session:
        session.add(
            SeenStudy(
                key=key, archive="orthanc", orthanc_id=key, study_instance_uid=f"1.2.{site.count}",
                patient_name="Hansen^Eva", patient_id=f"P{site.count}", issuer_of_patient_id="",
                patient_birth_date="19690101", patient_sex="F", study_date="20260105",
                study_time="101500", description="", accession_number=f"A{site.count}",
                modalities=["MG"], images=4, fingerprint="i1", priority=0, first_seen_at=site.at,
                changed_at=site.at, deleted_at=None, settled_fingerprint="i1",
            )
        )  # fmt: skip
        session.add(ExamProgramme(study_key=key, programme="screening", source="file", conflict=""))
        session.add(ExamKnown(study_key=key, facts=SAID, at=site.at))
    site.analysed(key, findings(9.0))
    return key


def browser(site: Site, name: str, role: Role) -> TestClient:
    """A signed-in person's browser, on the real pages."""
    config = site.policies.config
    for secret in (config.orthanc.password_file, config.service.nudge_secret_file):
        ensure_secret(secret)
    with site.database.begin() as session:
        people.create_account(session, "admin", "Admin", [Role.ADMINISTRATOR])
        account = people.create_account(session, name, name.title(), [role])
        token = start_session(session, account, 12).token
    app = create_app(config, site.database, Orthanc(config.orthanc))
    client = TestClient(app, base_url="http://127.0.0.1:8600", client=("127.0.0.1", 50000))
    client.cookies.set("gransk_session", token)
    return client


def shows(client: TestClient, address: str, wanted: re.Pattern[str]) -> bool:
    """Whether a page shows it, at the latest a little later where it counts first."""
    until = time.monotonic() + 20
    while not (found := wanted.search(client.get(address).text)) and time.monotonic() < until:
        time.sleep(0.3)
    return found is not None


def both(act: Callable[[int], Any]) -> list[Any]:
    """What two do at the same instant; refusals are returned."""
    barrier = Barrier(2)

    def one(number: int) -> Any:
        barrier.wait(10)
        try:
            return act(number)
        except PolicyError as error:
            return error.refusal

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, range(2)))


def test_from_a_policy_to_the_decision_and_the_figures(site):
    approve(site, draft(site, room()))
    key, other = screened(site), screened(site)
    site.run()
    site.run(31)
    assert (site.row(key).state, site.exam(key).plan.human_reads) == (State.FIRST_READ, 2)
    with site.database.read() as session:
        assert lists.count_mine(session, site.asked(key)[0]) >= 1
        states = {line.study_key: line.state for line in lists.board(session, "kim", Wanted())}
        assert states == dict.fromkeys((key, other), State.FIRST_READ)
    site.read(key, RECALL, NORMAL)
    site.read(other, NORMAL, NORMAL)
    arbiter = site.asked(key, TaskKind.ARBITRATION)[0]
    site.act(acts.take, key, arbiter)
    site.act(acts.arbitrate, key, arbiter, RECALL, DifferenceReason.OVERLOOKED)
    assert (site.row(key).verdict, site.row(other).verdict) == ("recall", "normal")
    assert site.kinds(key)[-3:] == [Kind.TAKEN, Kind.ARBITRATED, Kind.DECIDED]
    coordinator = browser(site, "kim", Role.COORDINATOR)
    board = coordinator.get("/reading/board").text
    assert "1 recalled" in board
    assert "Without AI: 1 of 2 (50.0 %)" in board
    recall = re.compile(r'">Recall</th>\s*<td class="number">50\.0 %.*?1 / 2', re.DOTALL)
    assert shows(coordinator, "/reading/indicators?unit=north", recall)


def test_an_exam_that_another_process_lets_in_is_there_already(site):
    key = screened(site)

    def enter(session: Any) -> int:
        return arrive(session, key, arrival(unit="north"), site.at).entries

    def later() -> int:
        with site.database.begin() as session:
            return enter(session)

    with ThreadPoolExecutor(1) as pool:
        with site.database.begin() as session:
            assert enter(session) == 1
            second = pool.submit(later)
            time.sleep(0.5)  # it has looked, and waits for what is written here
        assert second.result(10) == 1
    assert site.kinds(key) == [Kind.ARRIVED]
    assert site.exam(key).state is State.WAITING


def test_who_drafts_approves_pauses_and_lists_at_the_same_time_waits(site):
    versions = both(lambda number: draft(site, room(waiting_minutes=40 + number)))
    assert sorted(versions) == [1, 2]
    done = both(lambda _: approve(site, 2))
    assert set(done) == {None, PolicyRefusal.APPROVED}
    section = site.policies.config.reading

    def pause(_: int) -> None:
        with site.database.begin() as session:
            karen = people.find_account(session, "karen")
            gate.pause(session, section, karen, "north", "because of doubt")

    def put(_: int) -> None:
        with site.database.begin() as session:
            list_reader(session, "north", "karen", Listing(), "kim")

    both(pause)
    both(put)
    with site.database.read() as session:
        assert session.scalar(select(func.count()).select_from(AiPause)) == 1
        assert session.get(ReaderRow, ("north", "karen")) is not None
