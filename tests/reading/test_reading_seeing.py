"""Lists hide at least what `sight` hides, whoever looks, in every state."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest
from reading_room import NORMAL, RECALL, plan
from reading_site import UNIT, Site
from sqlalchemy import select

from gransk.reading import acts, lists
from gransk.reading.entries import TaskKind
from gransk.reading.exam import State
from gransk.reading.exam_tables import ExamRow
from gransk.reading.lists import Wanted
from gransk.reading.opinions import DifferenceReason
from gransk.reading.plan import PolicyKind
from gransk.reading.readers import qualifications, spells
from gransk.reading.refusals import LedgerError
from gransk.reading.seeing import (
    event_horizon,
    hidden,
    looker,
    sees_all,
    sees_results,
    sight_of,
)
from gransk.reading.sight import Sight
from gransk.results.blobs import BlobStore
from gransk.site import people
from gransk.site.database import Database, utcnow
from gransk.site.migrate import upgrade
from gransk.site.tables import Event, Role

PEOPLE = ("anna", "bo", "cara", "dan", "tove", "kim")
OVERSEES, READS = ["coordinator"], ["radiologist"]


@pytest.fixture
def site(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/test.db")
    upgrade(database)
    found = Site(database, BlobStore(tmp_path / "blobs"))
    found.unit()
    yield found
    database.close()


def seen(site, key):
    """Who sees all of an exam by the list, after checking that `sight` allows it."""
    found = set()
    with site.database.read() as session:
        for name in PEOPLE:
            for roles in (OVERSEES, READS):
                who = looker(session, name, roles)
                query = select(ExamRow.study_key).where(
                    ExamRow.study_key == key, ~hidden(who, ExamRow.study_key)
                )
                if session.scalar(query) is not None:
                    assert sees_all(session, who, key), (name, roles)
                    found.add((name, roles[0]))
    return found


def test_lists_hide_what_sight_hides_in_every_state(site):
    key = site.opened()
    only_kim = {("kim", "coordinator")}
    assert seen(site, key) == only_kim
    one, other = site.asked(key)
    site.act(acts.read, key, one, RECALL, "i1")
    assert seen(site, key) == only_kim
    site.act(acts.read, key, other, NORMAL, "i1")
    assert site.row(key).state == State.DISCORDANT
    assert seen(site, key) == only_kim
    (arbiter,) = site.asked(key, TaskKind.ARBITRATION)
    site.act(acts.take, key, arbiter)
    assert seen(site, key) == only_kim, "the list goes by unit"
    with site.database.read() as session:
        who = looker(session, arbiter, READS)
        assert sight_of(session, who, key) is Sight.ALL, "the exam's own page goes by the exam"
    site.act(acts.arbitrate, key, arbiter, RECALL, DifferenceReason.OVERLOOKED)
    everybody = {(name, roles[0]) for name in PEOPLE for roles in (OVERSEES, READS)}
    assert seen(site, key) == everybody - {("tove", "coordinator"), ("tove", "radiologist")}
    site.act(acts.read, key, "tove", NORMAL, "i1")
    assert seen(site, key) == everybody


def test_marks_are_shown_to_who_is_asked_alone(site):
    key = site.opened(plan(PolicyKind.DECISION_SUPPORT))
    with site.database.read() as session:
        asked = {name for name in PEOPLE
                 if sees_results(session, looker(session, name, READS), key)}  # fmt: skip
    assert asked == set(site.asked(key))


def test_an_exam_about_to_enter_is_hidden_already(site):
    with site.database.read() as session:
        reader = replace(looker(session, "anna", OVERSEES), entering=frozenset({"soon"}))
        kim = replace(looker(session, "kim", OVERSEES), entering=frozenset({"soon"}))
        assert sight_of(session, reader, "soon") is Sight.TO_READ
        assert sight_of(session, kim, "soon") is Sight.ALL
        assert sight_of(session, reader, "of no reading room") is Sight.ALL


def test_the_event_log_ends_where_the_oldest_hidden_exam_begins(site):
    key = site.opened()
    site.opened()
    with site.database.read() as session:
        first = session.scalars(
            select(Event.number).where(Event.subject == key).order_by(Event.number)
        ).first()
        assert event_horizon(session, looker(session, "anna", OVERSEES)) == first
        assert event_horizon(session, looker(session, "kim", OVERSEES)) is None


def without(*names):
    """Everybody who sees an exam that nothing hides, but these and the trainee."""
    return {(name, roles[0]) for name in PEOPLE for roles in (OVERSEES, READS)
            if name not in (*names, "tove")}  # fmt: skip


def test_lists_hold_what_a_person_read_of_late(site, monkeypatch):
    key = site.opened(plan(PolicyKind.TRIAGE))
    (reader,) = site.asked(key)
    site.act(acts.read, key, reader, NORMAL, "i1")
    assert site.row(key).state == State.DECIDED
    assert seen(site, key) == without(reader)
    with site.database.read() as session:
        assert sight_of(session, looker(session, reader, OVERSEES), key) is Sight.OWN
        (line,) = lists.board(session, reader, Wanted())
        assert line.state is None
        assert lists.board(session, reader, Wanted(states=(State.DECIDED,))) == []
        assert event_horizon(session, looker(session, reader, OVERSEES)) is not None
    for module in ("sight", "hiding"):
        monkeypatch.setattr(f"gransk.reading.{module}.HELD", datetime.timedelta(0))
    assert seen(site, key) == without()
    both = site.opened(plan())
    for reader in site.asked(both):
        site.act(acts.read, both, reader, NORMAL, "i1")
    assert seen(site, both) == without(), "where two people read anyway nothing is held"


def test_lists_hide_from_who_left_the_unit_what_could_be_given_until_then(site):
    site.at = utcnow()
    key = site.opened()
    site.read(key, NORMAL, RECALL)
    assert seen(site, key) == {("kim", "coordinator")}
    site.at = utcnow() + datetime.timedelta(days=1)
    site.people("anna", "cara", active=False)
    assert seen(site, key) == {("kim", "coordinator")}
    later = site.opened()
    left = {(name, "coordinator") for name in ("kim", "anna", "cara")}
    assert seen(site, later) == left, "it arrived when they could be given nothing"
    site.act(acts.withdraw, later, "anna", "moved")
    with pytest.raises(LedgerError, match="may still be given"):
        site.act(acts.withdraw, key, "anna", "moved")
    with site.database.read() as session:
        assert UNIT in lists.blind_units(session, "anna")
        assert lists.workload(session, "anna", site.at - datetime.timedelta(days=9)) == []
        assert lists.blind_units(session, "kim") == frozenset()
        said = {line.study_key: line.state for line in lists.board(session, "anna", Wanted())}
        assert said[key] is None


def test_who_may_do_nothing_on_the_list_is_as_if_off_it(site):
    """Ticks that are taken away and set again: what arrived between is not given any more."""
    with site.database.begin() as session:
        account = people.find_account(session, "anna")
        people.change_account(session, account, actor="kim", roles=[Role.COORDINATOR])
    site.people("anna", reads=False, experienced=False)
    with site.database.read() as session:
        before = qualifications(session, UNIT)["anna"].blind_since
    site.people("anna")
    with site.database.read() as session:
        assert qualifications(session, UNIT)["anna"].blind_since > before
        (spell,) = spells(session, "anna")[UNIT]
        assert spell.since <= spell.until
