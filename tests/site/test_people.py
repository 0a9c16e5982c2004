"""People sign in as they should, and in no other way."""

import datetime

import pytest
from sqlalchemy import select

from gransk.core.errors import InvalidValueError
from gransk.site import people, sessions
from gransk.site.database import Database
from gransk.site.events import EventKind, verify
from gransk.site.migrate import upgrade
from gransk.site.tables import Event, Role, SignInLink, WebSession

PASSWORD = "blå kaffe og brød"
RULES = people.Rules()


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/test.db")
    upgrade(database)
    yield database
    with database.read() as session:
        assert verify(session) is None
    database.close()


@pytest.fixture
def anna(database):
    with database.begin() as session:
        return people.create_account(
            session, "Anna", "Anna Østergård", [Role.RADIOLOGIST], password=PASSWORD
        )


def kinds(database):
    with database.read() as session:
        return list(session.scalars(select(Event.kind).order_by(Event.number)))


def test_sign_in_session_and_out(database, anna):
    signed = people.sign_in(database, " ANNA ", PASSWORD, hours=1)
    with database.begin() as session:
        account, web = people.session_of(session, signed.token)
        assert account.name == "anna"
        assert people.csrf_matches(web, signed.csrf)
        assert not people.csrf_matches(web, signed.csrf + "x")
        assert not people.csrf_matches(web, "æ")
        assert people.session_of(session, signed.token + "x") is None
        people.sign_out(session, signed.token)
        assert people.session_of(session, signed.token) is None
    assert kinds(database)[-2:] == [EventKind.SIGNED_IN, EventKind.SIGNED_OUT]


def test_no_secret_is_stored(database, anna, tmp_path):
    signed = people.sign_in(database, "anna", PASSWORD, hours=1)
    with database.begin() as session:
        token = people.create_token(session, "modality", actor="anna")
        link = people.sign_in_link(session, anna, actor="anna")
        session.flush()
    database.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in (signed.token, token, link, PASSWORD):
        assert secret.encode() not in stored
    assert signed.csrf.encode() in stored


@pytest.mark.parametrize(("name", "password"), [("anna", "wrong"), ("bo", PASSWORD), ("", "")])
def test_failures_look_alike(database, anna, name, password):
    with pytest.raises(people.SignInError) as error:
        people.sign_in(database, name, password, hours=1)
    assert str(error.value) == str(people.SignInError())
    assert kinds(database)[-1] == EventKind.SIGN_IN_FAILED
    with database.read() as session:
        subject = session.scalar(select(Event.subject).order_by(Event.number.desc()).limit(1))
    assert subject == ("anna" if name == "anna" else people.UNKNOWN)


def test_success_forgets_earlier_failures(database, anna):
    for _ in range(RULES.lock_after - 1):
        with pytest.raises(people.SignInError):
            people.sign_in(database, "anna", "wrong", hours=1)
    people.sign_in(database, "anna", PASSWORD, hours=1)
    with pytest.raises(people.SignInError):
        people.sign_in(database, "anna", "wrong", hours=1)
    people.sign_in(database, "anna", PASSWORD, hours=1)


def test_sessions_expire(database, anna, monkeypatch):
    signed = people.sign_in(database, "anna", PASSWORD, hours=1)
    later = people.utcnow() + datetime.timedelta(hours=1, seconds=1)
    monkeypatch.setattr(sessions, "utcnow", lambda: later)
    with database.read() as session:
        assert people.session_of(session, signed.token) is None
    people.sign_in(database, "anna", PASSWORD, hours=1)
    with database.read() as session:
        assert len(session.scalars(select(WebSession)).all()) == 1


def test_own_password_wants_the_current_one_and_locks(database, anna):
    people.change_own_password(database, "anna", PASSWORD, "y" * 20)
    people.sign_in(database, "anna", "y" * 20, hours=1)
    for _ in range(RULES.lock_after):
        with pytest.raises(people.SignInError):
            people.change_own_password(database, "anna", "wrong", "x" * 20)
    with pytest.raises(people.SignInError):
        people.change_own_password(database, "anna", "y" * 20, "x" * 20)
    with pytest.raises(people.SignInError):
        people.sign_in(database, "anna", "y" * 20, hours=1)


def test_deactivation_and_password_change_end_sessions(database, anna):
    first = people.sign_in(database, "anna", PASSWORD, hours=1)
    with database.begin() as session:
        people.change_password(
            session, people.find_account(session, "anna"), "y" * 20, actor="root"
        )
        assert people.session_of(session, first.token) is None
    second = people.sign_in(database, "anna", "y" * 20, hours=1)
    with database.begin() as session:
        people.set_active(session, people.find_account(session, "anna"), False, actor="root")
        assert people.session_of(session, second.token) is None
    with pytest.raises(people.SignInError):
        people.sign_in(database, "anna", "y" * 20, hours=1)


@pytest.mark.parametrize("password", ["short", "x" * 11, "y" * 1025])
def test_weak_passwords_are_refused(database, password):
    with pytest.raises(InvalidValueError) as error, database.begin() as session:
        people.create_account(session, "bo", "Bo", [Role.NURSE], password=password)
    assert password not in str(error.value)


def test_the_name_is_no_password(database):
    with pytest.raises(InvalidValueError, match="not the name"), database.begin() as session:
        people.create_account(
            session, "bo.jensen-long", "Bo", [Role.NURSE], password="Bo.Jensen-Long"
        )


@pytest.mark.parametrize("name", ["", "a", "a b", "gransk", "unknown", "<b>", "x" * 65, "-a"])
def test_bad_names_are_refused(database, name):
    with pytest.raises(InvalidValueError), database.begin() as session:
        people.create_account(session, name, "N", [Role.NURSE])


def test_roles_are_a_closed_list(database):
    for roles in ([], ["king"]):
        with pytest.raises(ValueError, match=r"roles|king"), database.begin() as session:
            people.create_account(session, "bo", "Bo", roles)


def test_first_administrator(database):
    with database.begin() as session:
        assert not people.has_administrator(session)
        old = people.first_administrator_link(session)
        token = people.first_administrator_link(session)
    with database.begin() as session:
        with pytest.raises(people.LinkError):
            people.open_link(session, old)
        with pytest.raises(people.LinkError):
            people.use_link(session, token, PASSWORD, 1)
        with pytest.raises(InvalidValueError):
            people.use_first_link(session, token, "root", "Rita", "short", 1)
        signed = people.use_first_link(session, token, "root", "Rita", PASSWORD, 1)
        assert signed.account.roles == [Role.ADMINISTRATOR]
        assert people.session_of(session, signed.token) is not None
    with database.begin() as session:
        assert people.has_administrator(session)
        assert people.first_administrator_link(session) is None
        with pytest.raises(people.LinkError):
            people.use_first_link(session, token, "root2", "Rita", PASSWORD, 1)
        root = people.find_account(session, "root")
        with pytest.raises(people.LastAdministratorError):
            people.set_active(session, root, False, actor="root")
        with pytest.raises(people.LastAdministratorError):
            people.change_account(session, root, roles=[Role.NURSE], actor="root")


def test_first_link_dies_when_an_administrator_appears(database):
    with database.begin() as session:
        token = people.first_administrator_link(session)
        people.create_account(session, "root", "R", [Role.ADMINISTRATOR], password=PASSWORD)
        with pytest.raises(people.LinkError):
            people.open_link(session, token)


def test_links_expire_and_work_once(database, monkeypatch):
    with database.begin() as session:
        bo = people.create_account(session, "bo", "Bo", [Role.NURSE])
        token = people.sign_in_link(session, bo, actor="root")
        people.use_link(session, token, PASSWORD, 1)
        with pytest.raises(people.LinkError):
            people.use_link(session, token, PASSWORD, 1)
        late = people.sign_in_link(session, bo, actor="root")
    later = people.utcnow() + people.LINK_LIFETIME
    monkeypatch.setattr(people, "utcnow", lambda: later)
    with database.begin() as session:
        with pytest.raises(people.LinkError):
            people.open_link(session, late)
        assert session.scalars(select(SignInLink)).all()
    assert people.sign_in(database, "bo", PASSWORD, 1).account.name == "bo"


def test_changing_roles_ends_sessions(database, anna):
    signed = people.sign_in(database, "anna", PASSWORD, hours=1)
    with database.begin() as session:
        account = people.find_account(session, "anna")
        people.change_account(session, account, language="da", actor="root")
        assert people.session_of(session, signed.token) is not None
        people.change_account(session, account, roles=[Role.ARBITER], actor="root")
        assert people.session_of(session, signed.token) is None


def test_machine_tokens(database):
    with database.begin() as session:
        token = people.create_token(session, "ct-1", actor="root")
        assert people.machine_of(session, token).name == "ct-1"
        assert people.machine_of(session, "x") is None
        with pytest.raises(InvalidValueError):
            people.create_token(session, "CT-1", actor="root")
        people.revoke_token(session, "ct-1", actor="root")
        assert people.machine_of(session, token) is None
        with pytest.raises(InvalidValueError):
            people.revoke_token(session, "nobody", actor="root")
    assert kinds(database)[-2:] == [EventKind.TOKEN_CREATED, EventKind.TOKEN_REVOKED]
