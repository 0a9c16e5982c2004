"""Decisions of the ledger are announced once, whatever the outcome, and later ones too."""

from __future__ import annotations

import pytest
from reading_room import NORMAL, RECALL, RECALL_LEFT, TECHNICAL
from reading_site import Site
from sqlalchemy import select

from gransk.core.screening import Verdict
from gransk.reading import acts
from gransk.reading.entries import TaskKind
from gransk.reading.opinions import DifferenceReason
from gransk.reading.telling import Teller
from gransk.results.blobs import BlobStore
from gransk.results.decisions import announcements, decision_of
from gransk.results.message_tables import MessageState, OutgoingMessage
from gransk.site.database import Database
from gransk.site.migrate import upgrade


@pytest.fixture
def site(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/test.db")
    upgrade(database)
    found = Site(database, BlobStore(tmp_path / "blobs"))
    found.unit()
    yield found
    database.close()


def told(site):
    with site.database.read() as session:
        return [decision_of(one) for one in announcements(session, 0, 100)]


def test_nothing_goes_out_before_the_decision(site):
    key = site.opened()
    teller = Teller(site.database, ["ris"])
    one, other = site.asked(key)
    site.act(acts.read, key, one, RECALL, "i1")
    assert teller.run_once() == 0
    site.act(acts.read, key, other, NORMAL, "i1")
    assert teller.run_once() == 0, "discordant is not decided"
    (arbiter,) = site.asked(key, TaskKind.ARBITRATION)
    site.act(acts.take, key, arbiter)
    assert teller.run_once() == 0
    site.act(acts.arbitrate, key, arbiter, RECALL_LEFT, DifferenceReason.OVERLOOKED)
    assert teller.run_once() == 1
    assert teller.run_once() == 0, "once"
    (decision,) = told(site)
    assert (decision.study_key, decision.outcome, decision.corrected) == (
        key, Verdict.RECALL, False,
    )  # fmt: skip
    assert [mark.breast for mark in decision.marks] == [
        suspect.breast for suspect in RECALL_LEFT.suspects
    ]
    with site.database.read() as session:
        (message,) = session.scalars(select(OutgoingMessage))
        assert (message.destination, message.state) == ("ris", MessageState.WAITING)


def test_every_outcome_is_told_and_kept_for_who_asks(site):
    outcomes = {}
    for opinion in (NORMAL, RECALL, TECHNICAL):
        key = site.opened()
        for reader in site.asked(key):
            site.act(acts.read, key, reader, opinion, "i1")
        outcomes[key] = opinion
    # No destination: nothing is sent, and `GET /api/decisions` tells it all the same.
    assert Teller(site.database, []).run_once() == len(outcomes)
    decisions = {one.study_key: one for one in told(site)}
    assert {key: one.outcome for key, one in decisions.items()} == {
        key: opinion.verdict for key, opinion in outcomes.items()
    }
    for key, opinion in outcomes.items():
        repeat = decisions[key].repeat
        assert (repeat is None) == (opinion.technical is None)
        if repeat is not None and opinion.technical is not None:
            assert repeat.views == opinion.technical.views
        assert bool(decisions[key].marks) == bool(opinion.suspects)
    with site.database.read() as session:
        assert not session.scalars(select(OutgoingMessage)).all()
