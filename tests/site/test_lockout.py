"""Accounts lock after wrong passwords in a row, and open as the site says."""

import datetime
import statistics
import threading
import time

import pytest
from sqlalchemy import select

from gransk.site import lockout, people, sessions
from gransk.site.database import Database
from gransk.site.events import EventKind, verify
from gransk.site.migrate import upgrade
from gransk.site.tables import Event, Role

PASSWORD = "blå kaffe og brød"
RULES = lockout.Rules(lock_after=3, lock_minutes=30)
FOREVER = lockout.Rules(lock_after=3, lock_minutes=0)


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/test.db")
    upgrade(database)
    with database.begin() as session:
        people.create_account(session, "anna", "Anna", [Role.ADMINISTRATOR], password=PASSWORD)
    yield database
    with database.read() as session:
        assert verify(session) is None
    database.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The hash is not what is tested here."""
    monkeypatch.setattr(people, "verify_password", lambda stored, given: given == PASSWORD)


def wrong(database, times, rules=RULES, name="anna"):
    for _ in range(times):
        with pytest.raises(people.SignInError):
            people.sign_in(database, name, "wrong", 1, rules)


def told(database):
    with database.read() as session:
        rows = session.scalars(select(Event).order_by(Event.number)).all()
    return [(e.kind, e.actor, dict(e.data)) for e in rows if e.subject in ("anna", "unknown")][1:]


def anna(session):
    return people.find_account(session, "anna")


def advance(monkeypatch, minutes):
    later = people.utcnow() + datetime.timedelta(minutes=minutes)
    monkeypatch.setattr(lockout, "utcnow", lambda: later)


def test_an_account_locks_at_the_sites_number_and_not_before(database):
    wrong(database, 2)
    people.sign_in(database, "anna", PASSWORD, 1, RULES)
    wrong(database, 3)
    with pytest.raises(people.SignInError):
        people.sign_in(database, "anna", PASSWORD, 1, RULES)
    locked = [entry for entry in told(database) if entry[0] == "account_locked"]
    assert locked == [("account_locked", "gransk", {"failures": 3})]


def test_time_opens_a_lock_and_the_row_begins_anew(database, monkeypatch):
    wrong(database, 4)
    advance(monkeypatch, 29)
    with pytest.raises(people.SignInError):
        people.sign_in(database, "anna", PASSWORD, 1, RULES)
    advance(monkeypatch, 31)
    wrong(database, 2)
    people.sign_in(database, "anna", PASSWORD, 1, RULES)
    assert ("account_unlocked", "gransk", {"why": "time"}) in told(database)
    wrong(database, 3)
    with database.read() as session:
        assert lockout.locked(anna(session), RULES)


def test_where_time_opens_nothing_an_administrator_does(database, monkeypatch):
    wrong(database, 3, FOREVER)
    advance(monkeypatch, 10_000)
    with pytest.raises(people.SignInError):
        people.sign_in(database, "anna", PASSWORD, 1, FOREVER)
    with database.begin() as session:
        lockout.unlock(session, anna(session), actor="root")
        lockout.unlock(session, anna(session), actor="root")
    people.sign_in(database, "anna", PASSWORD, 1, FOREVER)
    assert [entry[1] for entry in told(database) if entry[0] == "account_unlocked"] == ["root"]


def test_an_administrator_who_opens_it_gives_no_more_guesses_than_before(database):
    wrong(database, 60)
    with database.begin() as session:
        lockout.unlock(session, anna(session), actor="root")
    wrong(database, 3)
    with database.read() as session:
        assert lockout.locked(anna(session), RULES)


def test_the_last_administrator_is_never_shut_in(database):
    """Guessing shuts out passwords: who is inside stays, and a link from the shell lets in."""
    inside = people.sign_in(database, "anna", PASSWORD, 1, FOREVER)
    wrong(database, 10, FOREVER)
    with database.begin() as session:
        assert sessions.session_of(session, inside.token) is not None
        assert people.has_administrator(session), "no door for a first administrator opens"
        assert people.first_administrator_link(session) is None
        token = people.sign_in_link(session, anna(session), actor="shell:root", rules=FOREVER)
        people.use_link(session, token, PASSWORD + "!", 1, FOREVER)
        assert not lockout.locked(anna(session), FOREVER)


def test_guesses_at_once_are_counted_all(database):
    threads = [threading.Thread(target=wrong, args=(database, 1)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        assert lockout.locked(anna(session), RULES)
    assert [entry[0] for entry in told(database)].count("account_locked") == 1


def test_a_password_changed_while_it_was_checked_opens_nothing(database, monkeypatch):
    def meanwhile(stored, given):
        with database.begin() as session:
            people.change_password(session, anna(session), "another long password", actor="anna")
        return True

    monkeypatch.setattr(people, "verify_password", meanwhile)
    with pytest.raises(people.SignInError):
        people.sign_in(database, "anna", PASSWORD, 1, RULES)


def test_the_log_is_not_flooded_by_guesses(database):
    for name in ("anna", "nobody"):
        wrong(database, lockout.NOTED + 20, name=name)
    kinds = [entry[0] for entry in told(database)]
    assert kinds.count("sign_in_failed") == 2 * lockout.NOTED + RULES.lock_after


def test_locked_unknown_and_deactivated_names_take_the_same_steps(database, monkeypatch):
    """The same error, the same events and one hash each: nothing tells them apart by time."""
    hashed = []
    monkeypatch.setattr(people, "verify_password", lambda *given: hashed.append(1) or False)
    with database.begin() as session:
        people.create_account(session, "bo", "Bo", [Role.NURSE], password=PASSWORD)
        people.set_active(session, people.find_account(session, "bo"), False, actor="anna")
    wrong(database, 3)
    for name in ("anna", "nobody", "bo"):
        before = len(told_all(database))
        hashed.clear()
        with pytest.raises(people.SignInError) as error:
            people.sign_in(database, name, PASSWORD, 1, RULES)
        assert str(error.value) == str(people.SignInError())
        assert len(hashed) == 1
        assert [kind for (kind,) in told_all(database)[before:]] == [EventKind.SIGN_IN_FAILED]


@pytest.mark.full
def test_the_real_hash_takes_as_long_for_nobody(database, monkeypatch):
    monkeypatch.undo()
    wrong(database, 3)
    spent = {}
    for name in ("anna", "nobody") * 15:
        start = time.perf_counter()
        wrong(database, 1, name=name)
        spent.setdefault(name, []).append(time.perf_counter() - start)
    anna_s, nobody_s = (statistics.median(spent[name]) for name in ("anna", "nobody"))
    assert 0.5 < anna_s / nobody_s < 2


def told_all(database):
    with database.read() as session:
        return session.execute(select(Event.kind).order_by(Event.number)).all()


# Sessions


def test_a_session_rests_no_longer_than_the_site_allows(database, monkeypatch):
    signed = people.sign_in(database, "anna", PASSWORD, 12)
    now = people.utcnow()
    at = {"now": now}
    monkeypatch.setattr(sessions, "utcnow", lambda: at["now"])
    for minutes in (50, 100, 150):
        at["now"] = now + datetime.timedelta(minutes=minutes)
        with database.begin() as session:
            assert sessions.session_of(session, signed.token, 60) is not None
            assert sessions.wants_keeping(session, signed.token, 60, active=True)
            sessions.keep(session, signed.token, 60, active=True)
    # Pages that renew themselves are no sign of life.
    for minutes in (180, 205):
        at["now"] = now + datetime.timedelta(minutes=minutes)
        with database.begin() as session:
            assert not sessions.wants_keeping(session, signed.token, 60, active=False)
            sessions.keep(session, signed.token, 60, active=False)
    at["now"] = now + datetime.timedelta(minutes=211)
    with database.begin() as session:
        assert sessions.session_of(session, signed.token, 60) is None
        assert sessions.list_sessions(session, anna(session), 60) == []
        sessions.keep(session, signed.token, 60, active=True)
    assert told(database)[-1] == ("signed_out", "anna", {"why": "idle"})
    at["now"] = now
    with database.read() as session:
        assert sessions.session_of(session, signed.token, 60) is None, "it does not come back"


def test_no_sign_of_life_makes_a_session_longer_than_its_time(database, monkeypatch):
    signed = people.sign_in(database, "anna", PASSWORD, 1)
    later = people.utcnow() + datetime.timedelta(minutes=61)
    monkeypatch.setattr(sessions, "utcnow", lambda: later)
    with database.begin() as session:
        assert sessions.session_of(session, signed.token, 1440) is None
        sessions.keep(session, signed.token, 1440, active=True)
    assert told(database)[-1] == ("signed_out", "anna", {"why": "lifetime"})


def test_one_act_signs_out_everywhere(database):
    made = [people.sign_in(database, "anna", PASSWORD, 1, browser=name) for name in ("one", "two")]
    with database.begin() as session:
        assert {web.browser for web in sessions.list_sessions(session, anna(session))} == {
            "one",
            "two",
        }
        sessions.sign_out_everywhere(session, anna(session), actor="anna")
        assert all(sessions.session_of(session, one.token) is None for one in made)
    assert told(database)[-1] == ("sessions_ended", "anna", {"count": 2})
