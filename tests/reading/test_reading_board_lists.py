"""The board's lists and figures, on either database: never more than `sight` shows."""

from __future__ import annotations

import datetime
import random
import sys
from pathlib import Path

import pytest
from reading_room import NORMAL, RECALL, START, TECHNICAL, ai, plan, sealed
from reading_room import images as new_images
from reading_site import UNIT, Site
from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).parents[1] / "site"))

from databases import postgresql, postgresql_server, url  # noqa: F401

from gransk.core.reasons import Reason
from gransk.reading import acts, day, lists, pausing, troubles
from gransk.reading.acts import SUITE, Actor
from gransk.reading.entries import Alert, AlertCode, Arrival, Entry, Kind, Moved, TaskKind
from gransk.reading.exam import State
from gransk.reading.exam_tables import EntryRow, ExamRow
from gransk.reading.ledger import arrive, exam_of, write
from gransk.reading.lists import Wanted
from gransk.reading.opinions import DifferenceReason
from gransk.reading.plan import PolicyKind
from gransk.reading.policy_tables import AiPause
from gransk.reading.readers import Listing, list_reader, standing
from gransk.reading.refusals import LedgerError
from gransk.reading.sight import Sight, sight
from gransk.reading.targets import Limit
from gransk.reading.troubles import Trouble
from gransk.results.blobs import BlobStore
from gransk.results.tables import WorkState
from gransk.site import people
from gransk.site.database import Database, utcnow
from gransk.site.migrate import upgrade

WHY = DifferenceReason.OVERLOOKED
ALONE = plan(PolicyKind.REPLACE_READER)
EVER = START - datetime.timedelta(days=400)


@pytest.fixture
def site(url, tmp_path):  # noqa: F811
    database = Database(url)
    upgrade(database)
    found = Site(database, BlobStore(tmp_path / "blobs"), at=utcnow())
    found.unit()
    yield found
    assert found.wrong() == []
    database.close()


def opened(site, how=None, opinion=None, days=0.0, opens=True):
    site.count += 1
    key = f"{site.count:032d}"
    at = utcnow() - datetime.timedelta(days=days)
    new = Arrival(unit=UNIT, application="mammo", images="i1", images_at=at, opens_at=at)

    def make(book):
        if opinion is not None:
            book.add(Entry(Kind.AI_SEALED, sealed(opinion), at))
        if opens:
            book.open(how or plan(), at)

    with site.database.begin() as session:
        arrive(session, key, new, at)
        write(session, key, make)
    return key


def listed(site, name, active=True, **values):
    with site.database.begin() as session:
        list_reader(session, UNIT, name, Listing(active=active, **values), "kim")


def decided(site, *opinions, how=None, opinion=None):
    key = opened(site, how, opinion)
    site.read(key, *opinions)
    if site.row(key).state == State.DISCORDANT:
        (arbiter,) = site.asked(key, TaskKind.ARBITRATION)
        site.act(acts.take, key, arbiter)
        site.act(acts.arbitrate, key, arbiter, RECALL, WHY)
    return key


def keys(session, account, **wanted):
    found = lists.board(session, account, Wanted(**wanted))
    assert lists.count_board(session, account, Wanted(**wanted)) == len(found)
    return [line.study_key for line in found]


def test_limits_go_by_the_policy_of_what_is_seen(site):
    usual, fast = opened(site, days=8), opened(site, plan(policy="fast"), days=8)
    waits = opened(site, days=8, opens=False)
    now = utcnow()
    ago = [now - datetime.timedelta(days=days) for days in (10, 5)]
    limit = Limit(ago[0], {"fast": ago[1]})
    with site.database.read() as session:
        assert keys(session, "kim", before=limit) == [fast]
        assert keys(session, "kim", before=Limit(ago[1])) == [usual, fast, waits]
        # Which policy reads an exam tells of it, so it makes no difference where it is hidden.
        assert keys(session, "anna", before=limit) == []
        assert sum(one.older[0] for one in lists.counts(session, "kim", [limit])) == 1
        assert sum(one.older[0] for one in lists.counts(session, "anna", [limit])) == 0


def test_what_was_decided_and_how_often_opinions_differed(site):
    decided(site, NORMAL, NORMAL)
    decided(site, RECALL, NORMAL)
    decided(site, RECALL, RECALL)
    decided(site, RECALL, how=ALONE, opinion=ai())
    decided(site, NORMAL, how=ALONE, opinion=ai())
    opened(site)
    ago = utcnow() - datetime.timedelta(hours=1)
    with site.database.read() as session:
        for account in ("kim", "anna"):
            without, with_ai = day.decided(session, account, ago, ago)
            assert (without.with_ai, without.total, without.arbitrated) == (False, 3, 1)
            assert (with_ai.with_ai, with_ai.total, with_ai.arbitrated) == (True, 2, 1)
            assert (without.today, without.recalls_today) == (3, 2)
        later = utcnow() + datetime.timedelta(hours=1)
        assert [one.today for one in day.decided(session, "kim", ago, later)] == [0, 0]
        assert day.decided(session, "kim", later, later) == []


def test_what_a_trainee_has_yet_to_read_is_hidden_after_the_decision(site):
    key = decided(site, NORMAL, NORMAL)
    assert site.asked(key, TaskKind.TRAINEE) == ["tove"]
    with site.database.begin() as session:
        # A trainee who is off the list still has it.
        list_reader(session, UNIT, "tove", Listing(False, False, False, True, False), "kim")
    ago = utcnow() - datetime.timedelta(hours=1)
    with site.database.read() as session:
        (line,) = lists.board(session, "tove", Wanted())
        assert (line.study_key, line.state) == (key, None)
        assert keys(session, "tove", states=(State.DECIDED,)) == []
        assert day.decided(session, "tove", ago, ago) == []
        assert [(one.state, one.total) for one in lists.counts(session, "tove")] == [(None, 1)]
        assert lists.hidden_keys(session, "tove", {key}) == {key}
        assert lists.hidden_keys(session, "kim", {key}) == set()


def test_each_trouble_is_counted_found_and_named(site):
    now = utcnow()
    site.at = now
    closed = opened(site, days=1, opens=False)
    repeat = opened(site)
    site.read(repeat, TECHNICAL, TECHNICAL)
    changed = decided(site, NORMAL, NORMAL)
    alert = Entry(Kind.ALERT, Alert(code=AlertCode.IMAGES_CHANGED, images="i2"), now)
    with site.database.begin() as session:
        write(session, changed, lambda book: book.add(alert))
    failed, refused = (site.study(state) for state in (WorkState.FAILED, WorkState.NOT_ANALYSED))
    for key, reason in ((failed, Reason.MEMORY_LIMIT), (refused, Reason.IMAGE_QUALITY)):
        site.change(key, reason=reason.value)
        new = Arrival(unit=UNIT, application="mammo", images="i1", images_at=now, opens_at=now)
        with site.database.begin() as session:
            arrive(session, key, new, now)
            write(session, key, lambda book: book.open(plan(), now))
    given = opened(site)
    gone = site.asked(given)[0]
    listed(site, gone, active=False)
    differs = opened(site)
    site.read(differs, NORMAL)
    for name in ("cara", "dan"):
        listed(site, name, active=False)
    with site.database.begin() as session:
        for task in site.exam(differs).open_tasks(TaskKind.FIRST):
            taker = next(n for n in ("anna", "bo") if n not in site.exam(differs).readers)
            if task.account != taker:
                moved = Moved(task=TaskKind.FIRST, giver=task.account, taker=taker)
                acts.reassign(session, differs, Actor("kim", "coordinator"), moved, "away")
    site.read(differs, RECALL)
    for name in ("anna", "bo"):
        listed(site, name, active=False)
    nobody = opened(site)
    wanted = {
        Trouble.NOT_OPENED: closed, Trouble.REPEAT_AWAITED: repeat,
        Trouble.IMAGES_CHANGED: changed, Trouble.ANALYSIS_FAILED: failed,
        Trouble.ANALYSIS_REFUSED: refused, Trouble.NO_ARBITER: differs,
        Trouble.NO_READER: nobody, Trouble.READER_GONE: given,
    }  # fmt: skip
    assert set(wanted) == set(Trouble)
    with site.database.read() as session:
        away = troubles.gone(session)
        assert (UNIT, gone) in away
        counts = troubles.count(session, "kim", (), now, away)
        told = troubles.of_exams(session, wanted.values(), now, away)
        for trouble, key in wanted.items():
            condition = troubles.condition(trouble, now, away)
            found = keys(session, "kim", only=condition)
            assert key in found, trouble
            assert counts[trouble] == len(found), trouble
            stuck = {one.trouble: one for one in told[key]}
            assert trouble in stuck
        assert {one.trouble: one.reason for one in told[failed]}[Trouble.ANALYSIS_FAILED] == (
            "memory_limit"
        )
        assert next(one.account for one in told[given] if one.trouble is Trouble.READER_GONE)
        assert troubles.count(session, "kim", ("nowhere",), now, away) == {}
    listed(site, "anna")
    with site.database.read() as session:
        hidden = troubles.count(session, "anna", (), now, away)
        # What was decided before is no secret; everything else of the unit is.
        assert hidden == {Trouble.IMAGES_CHANGED: 1}


def test_a_pause_that_was_cut_off_is_done_by_the_loop(site):
    alone = opened(site, ALONE, ai())
    both, elsewhere = opened(site), opened(site, plan(PolicyKind.TRIAGE))
    site.run()
    assert len(site.asked(alone)) == 1
    for paused in (True, False, True):
        with site.database.begin() as session:
            session.add(
                AiPause(
                    unit=UNIT, paused=paused, actor="kim", role="coordinator", reason="drift",
                    at=utcnow(),
                )
            )  # fmt: skip
        with site.database.read() as session:
            assert pausing.paused_units(session) == ([UNIT] if paused else [])
            assert bool(pausing.to_return(session)) is paused
    with site.database.read() as session:
        assert pausing.to_return(session) == [alone, elsewhere]
    site.run()
    assert [len(site.asked(key)) for key in (alone, both, elsewhere)] == [2, 2, 2]
    with site.database.begin() as session:
        assert pausing.to_return(session) == []
        assert pausing.give_back(session, alone) is False
        query = select(EntryRow).where(EntryRow.kind == Kind.RETURNED_TO_HUMANS)
        rows = session.scalars(query).all()
        assert {(row.actor, row.reason) for row in rows} == {(SUITE.account, pausing.REASON)}


ACTS = ("read", "read", "read", "take", "decide", "withdraw", "images", "list", "unlist")


@pytest.mark.parametrize("seed", range(2))
def test_no_list_shows_more_than_sight_on_random_days(site, seed):
    """Everybody looks after every act: what the lists tell, `sight` shows."""
    chance = random.Random(seed)
    names = ("anna", "bo", "cara", "dan", "tove", "kim")
    with site.database.begin() as session:
        people.create_account(session, "kim", "Kim", ["coordinator"])
    hows = [plan(), ALONE, plan(PolicyKind.SAFETY_NET)]
    exams = [opened(site, how, ai(exam_score=9.0)) for how in hows]
    for _ in range(14):
        key, name = chance.choice(exams), chance.choice(names)
        _try(site, chance, chance.choice(ACTS), key, name)
        with site.database.read() as session:
            for account in chance.sample(names, 3):
                shown = {line.study_key for line in lists.board(session, account, Wanted())
                         if line.state is not None}  # fmt: skip
                shown |= set(keys(session, account, states=tuple(State)))
                for key in shown:
                    exam = exam_of(session, key)
                    asks = standing(session, UNIT, account, oversees=True)
                    assert sight(exam, asks, utcnow()) is Sight.ALL
                counts = lists.counts(session, account)
                told = sum(one.total for one in counts if one.state is not None)
                assert told <= len(shown)


def _try(site, chance, act, key, name):
    exam = site.exam(key)
    opinion = chance.choice([NORMAL, RECALL, TECHNICAL])
    try:
        if act == "read":
            given = [*exam.open_tasks(TaskKind.FIRST), *exam.open_tasks(TaskKind.TRAINEE)]
            account = chance.choice(given).account if given else name
            site.act(acts.read, key, account, opinion, exam.images)
        elif act == "take":
            given = exam.open_tasks(TaskKind.ARBITRATION)
            site.act(acts.take, key, given[0].account if given else name)
        elif act == "decide":
            site.act(acts.arbitrate, key, exam.taker or name, opinion, WHY)
        elif act == "withdraw" and chance.random() < 0.3:
            site.act(acts.withdraw, key, name, "because")
        elif act in ("list", "unlist"):
            trainee = name == "tove"
            listed(site, name, act == "list", reads=not trainee, experienced=not trainee,
                   trainee=trainee)  # fmt: skip
        elif act == "images" and exam.state not in (State.DECIDED, State.WITHDRAWN):
            other = new_images(f"i{exam.entries}", utcnow())
            with site.database.begin() as session:
                write(
                    session, key, lambda book: book.add(Entry(Kind.IMAGES_CHANGED, other, utcnow()))
                )
            with site.database.begin() as session:
                write(session, key, lambda book: book.open(plan(), other.opens_at))
    except LedgerError:
        pass


def test_workload_counts_what_is_open_and_what_ended(site):
    key = opened(site)
    one, other = site.asked(key)
    site.act(acts.read, key, one, NORMAL, "i1")
    with site.database.read() as session:
        load = {each.account: each for each in lists.workload(session, "kim", EVER)}
        assert (load[one].open, load[one].done, load[one].oldest) == (0, 1, None)
        assert (load[other].open, load[other].done) == (1, 0)
        assert load[other].oldest == session.get_one(ExamRow, key).arrived_at
        later = utcnow() + datetime.timedelta(minutes=1)
        assert [each.account for each in lists.workload(session, "kim", later)] == [other]
    site.act(acts.read, key, other, RECALL, "i1")
    (arbiter,) = site.asked(key, TaskKind.ARBITRATION)
    with site.database.read() as session:
        load = {each.account: each for each in lists.workload(session, "kim", EVER)}
        assert (load[arbiter].open, load[arbiter].arbitrations) == (1, 1)
        assert keys(session, "kim", reader=arbiter) == [key]
        assert keys(session, arbiter, reader=arbiter) == []
