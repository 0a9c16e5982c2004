"""The outbox: order within a destination, one at a time per study, pace, patience."""

from __future__ import annotations

import datetime
import sys
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outbox_site import Outbox
from sqlalchemy import delete, false, select, update

from gransk.cli import dead
from gransk.delivery import deliver, overview, pacing, trying
from gransk.delivery.destination import DoubtedError, RefusedError, UnavailableError, UnclearError
from gransk.delivery.pacing import DeliveryPace, Pace, turn
from gransk.delivery.trying import Answer, Result
from gransk.results.store import restore_report, withdraw_report
from gransk.results.tables import Delivery, DeliveryState
from gransk.site.database import Database, utcnow
from gransk.site.events import EventKind
from gransk.site.migrate import upgrade
from gransk.site.tables import Event

sys.path.insert(0, str(Path(__file__).parents[1] / "site"))

from databases import postgresql, postgresql_server, url  # noqa: F401


@pytest.fixture
def outbox(url, tmp_path):  # noqa: F811
    outbox = Outbox(url, tmp_path, "pacs", "vna")
    yield outbox
    outbox.close()


# Order


def test_reports_of_a_study_go_in_order_of_release(outbox):
    first = outbox.add(1, application="x")
    second = outbox.add(1, application="yy")
    other = outbox.add(2)
    open_now = {row for row, _ in outbox.open("pacs")}
    of_second = {line.id for line in outbox.lines(second)}
    assert not open_now & of_second
    assert {line.id for line in outbox.lines(other)} & open_now
    assert set(outbox.send_all()) == {Result.SENT}
    for taker in outbox.takers.values():
        arrived = [uid for uid in taker.uids if uid.startswith("2.25.1.")]
        assert set(arrived[:2]) == outbox.uids(first)
        assert set(arrived[2:]) == outbox.uids(second)


def test_a_destination_that_holds_the_first_report_up_holds_the_next_there_alone(outbox):
    first, second = outbox.add(1), outbox.add(1, application="yy")
    outbox.takers["pacs"].error = UnavailableError("down")
    for row in outbox.open():
        outbox.send(*row)
    assert {line.destination for line in outbox.lines(first) if line.state == "sent"} == {"vna"}
    opened = {row for row, _ in outbox.open()}
    waiting = {line.destination: line.id in opened for line in outbox.lines(second)}
    assert waiting == {"pacs": False, "vna": True}


def test_one_that_was_refused_for_good_holds_nothing_up(outbox):
    first, second = outbox.add(1), outbox.add(1, application="yy")
    with outbox.database.begin() as session:
        for line in outbox.lines(first):
            assert trying.fail(session, line.id, 0, "no")
    assert {row for row, _ in outbox.open()} == {line.id for line in outbox.lines(second)}


def test_what_replaces_a_report_waits_until_the_old_one_is_settled(outbox):
    """Whatever its worker: the old one was under way as it was superseded."""
    old = outbox.add(1)
    opened = outbox.open("pacs")
    seen = {}

    def superseded():
        outbox.takers["pacs"].meanwhile = lambda: None
        new = outbox.add(1, 2)
        seen["new"] = new
        mine = {line.id for line in outbox.lines(new) if line.destination == "pacs"}
        seen["early"] = mine & {row for row, _ in outbox.open("pacs")}
        # A workflow of it that was in the queue before finds out for itself.
        seen["tried"] = {outbox.send(line, 0).result for line in mine}

    outbox.takers["pacs"].meanwhile = superseded
    assert outbox.send(*opened[0]).result is Result.UNWANTED
    assert seen["early"] == set()
    assert seen["tried"] == {Result.AFTER}
    taker = outbox.takers["pacs"]
    assert len(taker.taken) == 1
    for row in outbox.open("pacs"):
        assert outbox.send(*row).result is Result.SENT
    assert set(taker.uids[1:]) == outbox.uids(seen["new"])
    states = {line.sop_instance_uid: line.state for line in outbox.lines(old)}
    sent = taker.uids[0]
    assert states.pop(sent) in (DeliveryState.RECALL, DeliveryState.CANCELLED)
    assert set(states.values()) == {DeliveryState.CANCELLED}


def test_what_was_under_way_as_its_worker_died_is_begun_again_or_recalled(outbox):
    old = outbox.add(1)
    line, attempt = outbox.open("pacs")[0]

    def dies():
        outbox.takers["pacs"].meanwhile = lambda: None
        raise KeyboardInterrupt

    outbox.takers["pacs"].meanwhile = dies
    with pytest.raises(KeyboardInterrupt):
        outbox.send(line, attempt)
    assert (line, attempt) in outbox.open("pacs"), "another life of its workflow goes on"
    new = outbox.add(1, 2)
    mine = {row.id for row in outbox.lines(new) if row.destination == "pacs"}
    opened = {row for row, _ in outbox.open("pacs")}
    assert line in opened
    assert not mine & opened
    assert outbox.send(line, attempt).result is Result.UNWANTED
    assert {row for row, _ in outbox.open("pacs")} == mine
    found = next(one for one in outbox.lines(old) if one.id == line)
    assert (found.state, found.trying) == (DeliveryState.RECALL, None)


def test_a_workflow_that_got_lost_leaves_nothing_under_way(outbox):
    outbox.add(1)
    line, attempt = outbox.open("pacs")[0]
    outbox.takers["pacs"].error = UnavailableError("down")
    with outbox.database.begin() as session:
        session.execute(update(Delivery).where(Delivery.id == line).values(trying=attempt))
    outbox.add(1, 2)
    with outbox.database.read() as session:
        row = next(row for row in deliver.open_rows(session) if row.arguments == (line, attempt))
    with outbox.database.begin() as session:
        assert not deliver.lost(session, row, "ERROR"), "it had fallen; nobody need look"
        assert session.get_one(Delivery, line).trying is None
        assert session.get_one(Delivery, line).state == DeliveryState.CANCELLED


def test_what_was_never_tried_is_not_recalled(outbox):
    old = outbox.add(1)
    rows = outbox.open()
    outbox.add(1, 2)
    assert {outbox.send(*row).result for row in rows} == {Result.UNWANTED}
    assert outbox.states(old) == {DeliveryState.CANCELLED}


def test_a_report_that_returns_waits_for_its_own_try_to_end(outbox):
    key = outbox.add(1)
    line, attempt = outbox.open("pacs")[0]
    seen = {}

    def returns():
        outbox.takers["pacs"].meanwhile = lambda: None
        with outbox.database.begin() as session:
            withdraw_report(session, key, f"{1:032d}")
            restore_report(session, key)
        seen["again"] = outbox.send(line, attempt + 1).result

    outbox.takers["pacs"].meanwhile = returns
    assert outbox.send(line, attempt).result is Result.UNWANTED
    assert seen["again"] is Result.AFTER
    assert set(outbox.send_all()) == {Result.SENT}
    assert outbox.states(key) == {DeliveryState.SENT}
    taken = [uid for uid in outbox.takers["pacs"].uids]
    assert len(taken) == 3
    assert len(set(outbox.takers["pacs"].taken)) == 2, "the repeat is the same bytes"


# Patience


class Clock:
    """Sleep as a workflow's, in no time."""

    def __init__(self, monkeypatch):
        self.slept: list[float] = []
        monkeypatch.setattr(trying.DBOS, "sleep", self.slept.append)


def tried(answers, gave_up, went_on):
    """A workflow's life with these answers; what it returned."""
    given = iter(answers)
    return trying.try_until_ended(
        "d", 0,
        lambda *_: next(given).told,
        lambda *arguments: gave_up.append(arguments),
        lambda *arguments: went_on.append(arguments),
    )  # fmt: skip


def test_a_destination_that_does_not_answer_is_tried_for_ever(monkeypatch):
    clock, gave_up, went_on = Clock(monkeypatch), [], []
    down = Answer(Result.UNAVAILABLE, "down")
    for _ in range(30):
        assert tried([down] * trying.LIFE, gave_up, went_on) == "goes on"
    assert gave_up == []
    assert len(went_on) == 30
    assert sum(clock.slept) > 7 * 24 * 3600, "more than a week"
    assert clock.slept[0] == trying.FIRST_WAIT_SECONDS
    assert max(clock.slept) == pacing.LONGEST_WAIT_SECONDS
    assert clock.slept[: trying.LIFE] == sorted(clock.slept[: trying.LIFE])


def test_only_refusals_end_it(monkeypatch):
    Clock(monkeypatch)
    gave_up, went_on = [], []
    down, no = Answer(Result.UNAVAILABLE, "down"), Answer(Result.REFUSED, "no")
    assert tried([down, no] * 4 + [down, no], gave_up, went_on) == "failed"
    assert gave_up == [("d", 0, "no")]
    assert went_on == []
    assert tried([no] * 4 + [Answer(Result.SENT)], gave_up, went_on) == "sent"


@pytest.mark.parametrize("way", ["page", "shell"])
def test_each_failed_line_is_put_back_in_its_own_transaction(outbox, monkeypatch, way):
    outbox.add(1)
    for row in outbox.open("pacs"):
        with outbox.database.begin() as session:
            assert trying.fail(session, *row, "no")
    real, sessions = deliver.rerun, []

    def rerun(session, delivery, actor):
        sessions.append(session)
        return real(session, delivery, actor)

    monkeypatch.setattr(deliver, "rerun", rerun)
    with outbox.database.read() as session:
        ids = overview.failed_at(session, "pacs", lambda _key: false())
    if way == "page":
        assert overview.rerun_all(outbox.database, [*ids, "none"], "ann") == len(ids)
    else:
        monkeypatch.setattr(dead, "_open", lambda _config: outbox.database)
        dead.rerun(["all"])
    assert len({id(one) for one in sessions}) == len(sessions) >= 2
    assert len(outbox.open("pacs")) == len(ids)


@pytest.mark.parametrize(("others", "ended"), [(True, "failed"), (False, "goes on")])
def test_an_object_in_doubt_leaves_its_place_and_ends_where_others_are_taken(
    monkeypatch, others, ended
):
    clock, gave_up, went_on, asked = Clock(monkeypatch), [], [], []
    busy = [Answer(Result.UNAVAILABLE, "busy", since=f"since {n}") for n in range(trying.DOUBTS)]

    def taken(*arguments):
        asked.append(arguments)
        return others

    given = iter(busy)
    assert ended == trying.try_until_ended(
        "d", 0,
        lambda *_: next(given).told,
        lambda *arguments: gave_up.append(arguments),
        lambda *arguments: went_on.append(arguments),
        taken,
    )  # fmt: skip
    assert asked == [("d", "since 0")]
    assert (gave_up, went_on) == (([("d", 0, "busy")], []) if others else ([], [("d", 0)]))
    assert sum(clock.slept) < 300


def test_an_object_in_doubt_counts_from_its_first_try_in_whatever_workflow(outbox):
    outbox.add(2)
    (bad, attempt), (good, other) = outbox.open("pacs")[:2]
    send = partial(deliver.send_once, outbox.database, outbox.blobs)
    assert send({"pacs": outbox.takers["pacs"]}, good, other).result == Result.SENT
    outbox.takers["pacs"].error = DoubtedError("busy")
    first = send(outbox.takers, bad, attempt)
    with outbox.database.begin() as session:
        assert not trying.takes_others(session, bad, first.since)
        trying.renew(session, bad, attempt)
    outbox.takers["pacs"].error = None
    outbox.add(1)
    later, *_ = (one for one in outbox.open("pacs") if one[0] != bad)
    assert send(outbox.takers, *later).result == Result.SENT
    outbox.takers["pacs"].error = DoubtedError("busy")
    second = send(outbox.takers, bad, attempt + 1)
    with outbox.database.begin() as session:
        assert trying.takes_others(session, bad, second.since)


def test_a_destination_that_says_when_is_asked_then(monkeypatch):
    clock = Clock(monkeypatch)
    busy, sent = Answer(Result.UNAVAILABLE, "busy", after=40.0), Answer(Result.SENT)
    tried([busy, Answer(Result.NOT_YET, after=0.25), sent], [], [])
    assert clock.slept == [40.0, 0.25]


def test_the_longest_wait_is_the_destinations_own(monkeypatch):
    clock = Clock(monkeypatch)
    tried([Answer(Result.UNAVAILABLE, "down", longest=2.0)] * 9 + [Answer(Result.SENT)], [], [])
    assert max(clock.slept) == 2.0


def test_answers_of_an_older_version_are_understood(monkeypatch):
    clock = Clock(monkeypatch)
    given = iter([{"result": "unavailable", "error": "down", "at": 5.0}, {"result": "sent"}])
    ended = trying.try_until_ended("d", 0, lambda *_: next(given), lambda *_: None, lambda *_: None)
    assert ended == "sent"
    assert clock.slept == [1.0]


def test_a_line_goes_on_under_another_attempt(outbox):
    outbox.add(1)
    line, attempt = outbox.open("pacs")[0]
    with outbox.database.begin() as session:
        trying.renew(session, line, attempt)
        trying.renew(session, line, attempt)
    assert (line, attempt + 1) in outbox.open("pacs")


@pytest.mark.parametrize(
    ("error", "result", "after", "maybe_there"),
    [
        (UnavailableError("busy", 30.0), Result.UNAVAILABLE, 30.0, True),
        (UnavailableError("down"), Result.UNAVAILABLE, 0.0, True),
        (RefusedError("no"), Result.REFUSED, 0.0, False),
        (UnclearError("what?"), Result.REFUSED, 0.0, True),
        (RuntimeError("Ærø^Åse"), Result.REFUSED, 0.0, True),
    ],
)
def test_what_a_try_answers(outbox, error, result, after, maybe_there):
    outbox.add(1)
    outbox.paces["pacs"] = Pace(longest_wait_seconds=7.0)
    outbox.takers["pacs"].error = error
    line, attempt = outbox.open("pacs")[0]
    answer = outbox.send(line, attempt)
    assert (answer.result, answer.after, answer.longest) == (result, after, 7.0)
    assert "Åse" not in answer.error
    with outbox.database.read() as session:
        row = session.get_one(Delivery, line)
        assert (row.trying, row.tried_at is not None) == (None, maybe_there)


def test_a_destination_that_is_not_configured_any_more_ends_in_the_dead_letters(outbox):
    key = outbox.add(1)
    del outbox.takers["vna"]
    line, attempt = outbox.open("vna")[0]
    answer = outbox.send(line, attempt)
    assert answer.result is Result.REFUSED
    assert "no destination is called 'vna'" in answer.error
    assert outbox.states(key) == {DeliveryState.WAITING}


# Pace


def now_is(monkeypatch, at):
    monkeypatch.setattr(pacing, "_now", lambda session: at)


START = datetime.datetime(2026, 3, 2, 12, tzinfo=datetime.UTC)


@pytest.fixture
def database(url):  # noqa: F811
    database = Database(url)
    upgrade(database)
    yield database
    database.close()


def asked(database, monkeypatch, seconds, per_minute=30, name="pacs"):
    now_is(monkeypatch, START + datetime.timedelta(seconds=seconds))
    with database.begin() as session:
        return turn(session, name, per_minute)


def test_turns_are_evenly_apart(database, monkeypatch):
    waits = [asked(database, monkeypatch, at) for at in (0, 0, 0.5, 1.9, 2.0, 3.0, 9.0, 9.0)]
    assert waits == pytest.approx([0, 2, 1.5, 0.1, 0, 1, 0, 2])
    assert asked(database, monkeypatch, 9.0, name="vna") == 0, "destinations do not mind each other"


def test_a_clock_that_was_set_back_stops_nothing_for_long(database, monkeypatch):
    assert asked(database, monkeypatch, 3600) == 0
    assert asked(database, monkeypatch, 0) == 0
    assert asked(database, monkeypatch, 1) == pytest.approx(1)


def test_the_clock_is_the_databases(database):
    with database.begin() as session:
        assert turn(session, "pacs", 60_000) == 0
        told = session.scalars(select(DeliveryPace.next_at)).one()
    assert abs((told - utcnow()).total_seconds()) < 30


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('pace')}/gransk.db")
    upgrade(database)
    yield database
    database.close()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 3000), min_size=1, max_size=60), st.integers(1, 120))
def test_no_minute_has_more_turns_than_it_may(kept, gaps, per_minute):
    taken, at = [], 0.0
    with pytest.MonkeyPatch.context() as patch, kept.begin() as session:
        for gap in gaps:
            at += gap / 1000
            now_is(patch, START + datetime.timedelta(seconds=at))
            if turn(session, "pacs", per_minute) == 0:
                taken.append(at)
        session.execute(delete(DeliveryPace))
    for first in taken:
        assert sum(first <= one < first + 59.999 for one in taken) <= per_minute


def test_a_delivery_waits_for_its_turn_and_is_not_tried(outbox):
    outbox.add(1)
    outbox.paces["pacs"] = Pace(per_minute=6)
    first, second = outbox.open("pacs")
    assert outbox.send(*first).result is Result.SENT
    answer = outbox.send(*second)
    assert answer.result is Result.NOT_YET
    assert 8 < answer.after <= 10
    with outbox.database.read() as session:
        row = session.get_one(Delivery, second[0])
        assert (row.trying, row.tried_at) == (None, None)


def test_a_long_queue_is_taken_from_its_front(outbox, monkeypatch):
    monkeypatch.setattr(deliver, "QUEUED", 3)
    keys = [outbox.add(study) for study in range(1, 6)]
    opened = outbox.open()
    assert len(opened) == 6, "three of each destination"
    assert {line for line, _ in opened[:2]} <= {line.id for line in outbox.lines(keys[0])}
    assert set(outbox.send_all()) == {Result.SENT}
    assert all(outbox.states(key) == {DeliveryState.SENT} for key in keys)


def test_each_object_is_delivered_once_in_the_log(outbox):
    keys = [outbox.add(study) for study in range(1, 4)]
    outbox.send_all()
    with outbox.database.read() as session:
        told = session.scalars(
            select(Event.data).where(Event.kind == EventKind.OBJECT_DELIVERED)
        ).all()
    pairs = [(one["destination"], one["object"]) for one in told]
    assert len(pairs) == len(set(pairs)) == 2 * 2 * len(keys)
