"""The reading room on both kinds of database."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reading"))
sys.path.insert(0, str(Path(__file__).parents[1] / "web"))

from reading_room import NORMAL, RECALL, START, plan
from reading_site import Site, findings
from sqlalchemy import select
from web_objects import Lesions

from gransk.reading import acts, lists
from gransk.reading.acts import Actor
from gransk.reading.entries import TaskKind
from gransk.reading.exam import State
from gransk.reading.ledger import changed_entries
from gransk.reading.opinions import DifferenceReason
from gransk.reading.plan import PolicyKind
from gransk.reading.release import in_turn, open_rows, release_report
from gransk.reading.report_telling import ReportTeller
from gransk.reading.urgent import Raiser
from gransk.results.blobs import BlobStore
from gransk.results.message_tables import Announcement
from gransk.results.store import withdraw_report
from gransk.results.urgency import Urgency
from gransk.site.config_priority import PriorityRule
from gransk.site.database import Database
from gransk.site.events import verify
from gransk.site.migrate import upgrade
from gransk.web import worklist


@pytest.fixture
def site(url, tmp_path):
    database = Database(url)
    upgrade(database)
    found = Site(database, BlobStore(tmp_path / "blobs"))
    found.unit()
    yield found
    database.close()


def test_a_day(site):
    site.policies.how = lambda exam: plan(PolicyKind.DECISION_SUPPORT)
    first, second = site.study(), site.study()
    report = site.analysed(first)
    site.run()
    site.run(30)
    site.read(first, NORMAL, RECALL)
    (arbiter,) = site.asked(first, TaskKind.ARBITRATION)
    with site.database.read() as session:
        assert first in [line.study_key for line in lists.mine(session, arbiter)]
        assert [row.arguments for row in open_rows(session)] == [(report,)]
        shown = {line.study_key: line.state for line in lists.board(session, "kim", lists.Wanted())}
        assert shown == {first: State.DISCORDANT, second: State.FIRST_READ}
        counts = lists.counts(session, "kim", [START])
        assert {one.state: one.total for one in counts} == dict.fromkeys(shown.values(), 1)
        (hidden,) = lists.counts(session, "anna", [START])
        assert (hidden.state, hidden.total) == (None, 2)
        assert {line.state for line in lists.board(session, "anna", lists.Wanted())} == {None}
        assert lists.workload(session, "kim", START)
    site.act(acts.take, first, arbiter)
    site.act(acts.arbitrate, first, arbiter, RECALL, DifferenceReason.OVERLOOKED)
    site.analysed(second)
    site.run(1)
    site.change(first, fingerprint="i2")
    assert site.opener().alert(site.at) == 1
    assert site.row(first).state == State.DECIDED
    assert site.wrong() == []
    with site.database.read() as session:
        assert changed_entries(session) == []
        assert verify(session) is None


def test_two_readers_at_once(site):
    """Both reads are kept, and one decision is made of them."""
    key = site.opened()
    barrier, wrong = threading.Barrier(2), []

    def reads(name):
        barrier.wait(30)
        try:
            with site.database.begin() as session:
                acts.read(session, key, Actor(name, "radiologist"), NORMAL, "i1")
        except Exception as error:  # noqa: BLE001 (told below)
            wrong.append(error)

    threads = [threading.Thread(target=reads, args=(name,)) for name in site.asked(key)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    assert site.row(key).state == State.DECIDED
    assert site.wrong() == []


def test_an_urgent_exam_comes_first_and_its_report_is_told(site):
    site.policies.how = lambda exam: plan(PolicyKind.DECISION_SUPPORT)
    first, second = site.study(), site.study()
    reports = [site.analysed(first), site.analysed(second, findings(9.0))]
    site.run()
    site.run(30)
    rule = {"name": "r", "da": "x", "en": "x", "application": "mammo",
            "when": {"exam_score_from": 8}}  # fmt: skip
    raiser = Raiser(site.blobs, (PriorityRule.model_validate(rule),), {}, "da", ("ris",))
    teller = ReportTeller(site.blobs, {"mammo": Lesions()}, "da", ("ris",))
    for report in reports:
        with site.database.begin() as session:
            assert release_report(session, report, "policy", lambda *_: {}, in_turn(raiser, teller))
    with site.database.read() as session:
        for query in (worklist.Query(), worklist.Query(sort="priority", order="asc")):
            assert worklist.page(session, query, "en", {}, lambda *_: None).total == 0
        for name in set(site.asked(first)) & set(site.asked(second)):
            assert [one.study_key for one in lists.mine(session, name)] == [second, first]
        assert [one.study_key for one in session.scalars(select(Urgency))] == [second]
    with site.database.begin() as session:
        withdraw_report(session, reports[0], first)
    assert teller.run_once(site.database) == 1
    assert teller.run_once(site.database) == 0
    with site.database.read() as session:
        kinds = session.scalars(select(Announcement.kind).order_by(Announcement.number)).all()
    assert kinds == ["findings", "priority", "findings", "findings"]
