"""The repository, a real rsyslog, is told of every event, whoever is killed on the way."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml
from lxml import etree
from sqlalchemy import select
from syslog_peer import Authority, Repository

from gransk.oversight.audit import sending
from gransk.oversight.audit.sending import Sender, send_again, waiting
from gransk.oversight.audit.syslog import RepositoryError
from gransk.oversight.audit.tables import AuditCursor
from gransk.site.config_audit import AuditSection
from gransk.site.database import Database, utcnow
from gransk.site.events import EventKind, head, record
from gransk.site.migrate import upgrade
from gransk.site.tables import Event

SCHEMA = Path(__file__).with_name("audit_message.rng")
WORKER = Path(__file__).with_name("audit_worker.py")
pytestmark = pytest.mark.system


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/test.db")
    upgrade(database)
    yield database
    database.close()


@pytest.fixture
def repository(tmp_path):
    made = Repository(tmp_path).start()
    yield made
    made.stop()


def fill(database, count):
    with database.begin() as session:
        for number in range(count):
            record(session, "gransk", EventKind.ACCOUNT_LOCKED, f"p{number}", {"failures": 5})


def sender(database, settings):
    section = AuditSection(repository=settings)
    return Sender(database, lambda: section, "https://gransk.example"), section.repository


def send_all(database, settings):
    made, repository = sender(database, settings)
    count, more = made.run_once(repository)
    while more:
        sent, more = made.run_once(repository)
        count += sent
    return count


def cursor(database):
    with database.read() as session:
        return session.get_one(AuditCursor, "repository")


def test_what_happens_from_then_on_arrives_in_order_and_valid(database, repository):
    fill(database, 3)
    settings = repository.settings()
    assert send_all(database, settings) == 0, "what was before it was named is not sent"
    fill(database, 450)
    assert send_all(database, settings) == 450
    assert repository.numbers() == list(range(5, 455))
    schema = etree.RelaxNG(etree.parse(SCHEMA))
    for line in repository.lines()[:20]:
        header, _, xml = line.partition("\ufeff")
        pri, at, host, application, process, kind, data = header.split()
        assert (pri, host, application, process, kind, data) == (
            "<84>1", "gransk.example", "gransk", "-", "DICOM+RFC3881", "-")  # fmt: skip
        assert at.endswith("Z")
        schema.assertValid(etree.fromstring(xml.encode()))
    assert (cursor(database).number, cursor(database).sent) == (454, 450)


def test_events_without_a_message_only_move_the_cursor(database, repository):
    settings = repository.settings()
    send_all(database, settings)
    with database.begin() as session:
        record(session, "gransk", EventKind.SWEEP_DONE, "orthanc")
    repository.stop()
    assert send_all(database, settings) == 0
    with database.read() as session:
        assert cursor(database).number == head(session)[0]


def test_an_outage_keeps_everything_and_is_told(database, repository):
    settings = repository.settings()
    send_all(database, settings)
    repository.stop()
    fill(database, 5)
    for _ in range(2):
        with pytest.raises(RepositoryError, match="refused"):
            send_all(database, settings)
    with database.read() as session:
        row, left, seconds = waiting(session, utcnow())
    assert (row.error, left) == ("Connection refused", 5)
    assert seconds >= 0
    repository.start()
    assert send_all(database, settings) == 5
    assert repository.numbers() == list(range(2, 7))
    assert cursor(database).error == ""
    assert cursor(database).failing_since is None


def test_a_repository_whose_certificate_does_not_stand_is_told_nothing(
    database, repository, tmp_path
):
    send_all(database, repository.settings())
    fill(database, 1)
    other = tmp_path / "other"
    other.mkdir()
    settings = repository.settings(tls={"authority_file": Authority(other).authority})
    with pytest.raises(RepositoryError, match="the certificate does not stand"):
        send_all(database, settings)
    with pytest.raises(RepositoryError, match="the certificate does not stand"):
        send_all(database, repository.settings(host="127.0.0.1"))
    assert repository.lines() == []
    assert "certificate does not stand" in cursor(database).error


@pytest.mark.parametrize(("driver", "ends"), [("ossl", "close_notify"), ("gtls", "plain")])
def test_a_repository_that_refuses_us_is_not_taken_for_one_that_read(
    database, tmp_path, driver, ends
):
    repository = Repository(tmp_path, driver).start()
    try:
        send_all(database, repository.settings())
        fill(database, 1)
        with pytest.raises(RepositoryError):
            send_all(database, repository.settings(certificate=False, ends=ends))
        assert cursor(database).number == 1
        assert send_all(database, repository.settings(ends=ends)) == 1
        assert repository.numbers() == [2]
    finally:
        repository.stop()


def test_one_that_ends_without_an_answer_wants_to_be_known(database, tmp_path):
    repository = Repository(tmp_path, "gtls").start()
    try:
        send_all(database, repository.settings())
        fill(database, 1)
        with pytest.raises(RepositoryError, match="ends: plain"):
            send_all(database, repository.settings())
    finally:
        repository.stop()


def test_a_person_may_have_events_sent_again(database, repository):
    settings = repository.settings()
    send_all(database, settings)
    fill(database, 4)
    send_all(database, settings)
    with database.begin() as session:
        assert send_again(session, 4) == 2
    assert send_all(database, settings) == 2
    assert repository.numbers() == [2, 3, 4, 5, 4, 5]


@pytest.mark.parametrize(
    ("count", "kills"), [(800, 2), pytest.param(20000, 12, marks=pytest.mark.full)]
)
def test_nothing_is_lost_where_we_and_the_repository_are_killed(
    database, repository, tmp_path, count, kills
):
    settings = repository.settings()
    send_all(database, settings)
    fill(database, count)
    with database.read() as session:
        wanted = set(session.scalars(select(Event.number).where(Event.number > 1)))
    described = tmp_path / "settings.yaml"
    described.write_text(yaml.safe_dump(AuditSection(repository=settings).model_dump(mode="json")))
    for turn in range(kills):
        before = cursor(database).number
        process = subprocess.Popen([sys.executable, WORKER, database.url, described])
        deadline = time.monotonic() + 60
        while cursor(database).number == before and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
        if turn % 2:
            repository.stop(kill=True)
            repository.start()
    send_all(database, settings)
    got = repository.numbers()
    assert set(got) == wanted
    doubled = len(got) - len(wanted)
    assert doubled <= kills * 200, "each kill sends one batch again at most"
    first = list(dict.fromkeys(got))
    assert first == sorted(first)


def test_a_fault_of_ours_is_told_and_outlasted(database, repository, monkeypatch):
    """Sending goes on once it is mended; a thread that ended would tell nobody."""
    monkeypatch.setattr(sending, "PAUSE_SECONDS", 0.05)
    settings = repository.settings()
    send_all(database, settings)
    made, _ = sender(database, settings)
    fill(database, 3)
    stop = threading.Event()
    with monkeypatch.context() as broken:
        broken.delitem(sending.SHAPES, EventKind.ACCOUNT_LOCKED)
        thread = threading.Thread(target=made.run, args=(stop,), daemon=True)
        thread.start()
        _until(lambda: "KeyError" in cursor(database).error)
    _until(lambda: cursor(database).sent == 3)
    assert cursor(database).error == ""
    stop.set()
    thread.join(10)
    assert len(repository.numbers()) == 3


def _until(holds, seconds=60):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
