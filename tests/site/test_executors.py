"""Seats, heartbeats, and who is declared lost."""

import pytest

from gransk.core.errors import ConfigurationError
from gransk.site import executors
from gransk.site.database import Database
from gransk.site.executors import LostExecutorError, Seat, Watch, still_silent
from gransk.site.migrate import upgrade
from gransk.site.tables import Executor


@pytest.fixture
def database(url):
    database = Database(url)
    upgrade(database)
    yield database
    database.close()


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

    monkeypatch.setattr(executors.time, "monotonic", lambda: Clock.now)
    return Clock


def test_slots_are_given_in_order_and_again(database, tmp_path):
    first = Seat.take(database, tmp_path, "worker")
    second = Seat.take(database, tmp_path, "worker")
    other = Seat.take(database, tmp_path, "service")
    assert [s.id.rsplit("-", 2)[1:] for s in (first, second, other)] == [
        ["worker", "0"],
        ["worker", "1"],
        ["service", "0"],
    ]
    with pytest.raises(ConfigurationError, match="slot 1 of worker"):
        Seat.take(database, tmp_path, "worker", 1)
    first.leave(database)
    again = Seat.take(database, tmp_path, "worker")
    assert again.id == first.id
    with pytest.raises(LostExecutorError):
        first.beat(database)
    again.beat(database)


def test_long_host_names_fit(monkeypatch):
    monkeypatch.setattr(executors.socket, "gethostname", lambda: "h" * 200)
    assert len(executors._executor_id("h" * 200, "worker", 255)) <= 64
    assert executors._executor_id("a" * 50, "w", 0) != executors._executor_id("a" * 51, "w", 0)


def test_silence_is_counted_on_our_own_clock(database, tmp_path, clock, monkeypatch):
    seat = Seat.take(database, tmp_path, "worker", 0)
    watch = Watch("me", lost_after_seconds=60)
    past = executors.utcnow().replace(year=2001)
    with monkeypatch.context() as other_host:
        other_host.setattr(executors, "utcnow", lambda: past)
        seat.beat(database)
    assert watch.silent(database) == []
    clock.now += 59
    assert watch.silent(database) == []
    seat.beat(database)
    clock.now += 2
    assert watch.silent(database) == []
    clock.now += 60
    assert [row.id for row in watch.silent(database)] == [seat.id]
    assert Watch("me", 60).silent(database) == []
    assert Watch(seat.id, 0).silent(database) == []


def test_the_lost_are_shut_out(database, tmp_path, clock):
    seat = Seat.take(database, tmp_path, "worker", 0)
    watch = Watch("me", 60)
    watch.silent(database)
    clock.now += 60
    (silent,) = watch.silent(database)
    with database.begin() as session:
        seat.fence(session)
    with database.begin() as session:
        assert still_silent(session, silent, "me")
    with pytest.raises(LostExecutorError), database.begin() as session:
        seat.fence(session)
    with pytest.raises(LostExecutorError):
        seat.beat(database)
    seat.leave(database)
    with database.read() as session:
        assert session.get(Executor, seat.id).stopped_at is not None


def test_one_heard_of_in_time_is_not_lost(database, tmp_path, clock):
    seat = Seat.take(database, tmp_path, "worker", 0)
    watch = Watch("me", 60)
    watch.silent(database)
    clock.now += 60
    (silent,) = watch.silent(database)
    seat.beat(database)
    with database.begin() as session:
        assert not still_silent(session, silent, "me")
    seat.beat(database)


def test_a_new_life_of_the_seat_is_not_lost(database, tmp_path, clock):
    seat = Seat.take(database, tmp_path, "worker", 0)
    watch = Watch("me", 60)
    watch.silent(database)
    clock.now += 60
    (silent,) = watch.silent(database)
    seat._lock.close()
    again = Seat.take(database, tmp_path, "worker", 0)
    with database.begin() as session:
        assert not still_silent(session, silent, "me")
    again.beat(database)
    with pytest.raises(LostExecutorError):
        seat.beat(database)
