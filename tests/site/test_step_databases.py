"""Workitems in step with the room, and claims at once, on both kinds of database."""

from __future__ import annotations

import datetime
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reading"))
sys.path.insert(0, str(Path(__file__).parents[1] / "web"))

from reading_room import NORMAL, RECALL
from reading_site import Site
from sqlalchemy import select
from workitem_parts import moved, said

from gransk.reading.entries import TaskKind
from gransk.reading.steps import EVENTS_KEPT, follow, forget, keep_in_step
from gransk.results.blobs import BlobStore
from gransk.results.step_acts import StepError, Told, change_state
from gransk.results.step_rules import StepState
from gransk.results.steps import Step, StepEvent
from gransk.site.database import Database, utcnow
from gransk.site.events import take_turn, verify
from gransk.site.migrate import upgrade


@pytest.fixture
def site(url, tmp_path):
    database = Database(url)
    upgrade(database)
    found = Site(database, BlobStore(tmp_path / "blobs"))
    found.unit()
    yield found
    database.close()


def _steps(site, state=None):
    query = select(Step).order_by(Step.scheduled_at, Step.account)
    with site.database.read() as session:
        return [step for step in session.scalars(query) if state in (None, step.state)]


def _opened(site):
    key = site.study()
    site.run()
    site.run(30)
    return key


def _at_once(count, act):
    start, found, lock = threading.Barrier(count), [], threading.Lock()

    def run(number):
        start.wait(30)
        said = act(number)
        with lock:
            found.append(said)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


def test_a_claim_has_one_winner(site):
    _opened(site)
    keep_in_step(site.database)
    uid = _steps(site)[0].uid

    def claim(number):
        try:
            with site.database.begin() as session:
                take_turn(session)
                step = session.get_one(Step, uid, with_for_update=True, populate_existing=True)
                given = moved("IN PROGRESS", f"2.25.{number + 1}")
                change_state(session, step, given, f"person:p{number}", {}, utcnow())
        except StepError as error:
            return error.told
        return number

    found = _at_once(5, claim)
    winners = [one for one in found if isinstance(one, int)]
    assert len(winners) == 1
    assert found.count(Told.TRANSACTION_WRONG) == 4
    (step,) = _steps(site, StepState.IN_PROGRESS)
    assert (step.performer, step.transaction_uid) == (
        f"person:p{winners[0]}", f"2.25.{winners[0] + 1}",
    )  # fmt: skip
    with site.database.read() as session:
        assert verify(session) is None


def test_looks_at_once_make_one_workitem_of_each_task(site):
    key = _opened(site)
    _at_once(4, lambda _: keep_in_step(site.database))
    assert keep_in_step(site.database) == 0
    readers = site.asked(key)
    given = {step.account for step in _steps(site)}
    assert set(readers) <= given
    assert len(_steps(site)) == len(given)


def test_workitems_follow_the_room_to_the_end(site):
    key = _opened(site)
    keep_in_step(site.database)
    one, other = site.asked(key)
    site.read(key, NORMAL)
    keep_in_step(site.database)
    ended = {step.account: step.state for step in _steps(site)}
    assert (ended[one], ended[other]) == (StepState.COMPLETED, StepState.SCHEDULED)
    site.read(key, RECALL)
    keep_in_step(site.database)
    (arbiter,) = site.asked(key, TaskKind.ARBITRATION)
    assert {step.account for step in _steps(site, StepState.SCHEDULED)} >= {arbiter}
    with site.database.read() as session:
        told = [event.kind for event in session.scalars(select(StepEvent))]
        assigned = session.scalars(select(StepEvent).where(StepEvent.kind == 5)).all()
        named = {said(said(event.content, "00404009"), "00080100") for event in assigned}
    assert told.count(1) >= 5
    assert {one, other, arbiter} <= named


def test_what_is_interrupted_is_done_the_next_time(site, monkeypatch):
    _opened(site)
    monkeypatch.setattr("gransk.reading.steps._ended_reads", _die)
    with pytest.raises(RuntimeError):
        keep_in_step(site.database)
    assert _steps(site) == []
    monkeypatch.undo()
    assert keep_in_step(site.database)
    assert _steps(site, StepState.SCHEDULED)


def _die(*_):
    raise RuntimeError("killed")


def test_old_events_are_forgotten(site):
    _opened(site)
    now = utcnow()
    with site.database.begin() as session:
        follow(session, now)
        forget(session, now + EVENTS_KEPT - datetime.timedelta(hours=1))
    with site.database.read() as session:
        assert session.scalars(select(StepEvent)).first() is not None
    with site.database.begin() as session:
        forget(session, now + EVENTS_KEPT + datetime.timedelta(hours=1))
    with site.database.read() as session:
        (left,) = session.scalars(select(StepEvent)).all()
    _opened(site)
    with site.database.begin() as session:
        follow(session, now)
    with site.database.read() as session:
        numbers = session.scalars(select(StepEvent.number).order_by(StepEvent.number)).all()
    assert numbers[0] == left.number < numbers[1], "no number is given twice"
