"""The outbox of messages: order, refusals, outages, and that bytes are made once."""

import pytest
from hl7_cases import EXAM, NORMAL, RECALL, ris
from sqlalchemy import select
from sqlalchemy.exc import DatabaseError

from gransk.delivery import messages
from gransk.delivery.destination import RefusedError, UnavailableError
from gransk.delivery.hl7.outgoing import decision_hl7
from gransk.delivery.messages import Outbox, open_rows
from gransk.delivery.trying import Result
from gransk.results.blobs import BlobStore
from gransk.results.decisions import Decision, announce, announcements
from gransk.results.message_tables import ExamOrder, MessageState, OutgoingMessage
from gransk.site.config import Config
from gransk.site.database import Database, utcnow
from gransk.site.events import EventKind
from gransk.site.hl7_mapping import default_mapping
from gransk.site.migrate import upgrade
from gransk.site.tables import Event


class Ris:
    """A system that answers as the test says, and keeps what it took."""

    def __init__(self, error=None):
        self.error = error
        self.made = 0
        self.taken = []

    def make(self, told):
        self.made += 1
        return decision_hl7(told, ris(), default_mapping())

    def send(self, control_id, content):
        self.taken.append((control_id, content))
        if self.error is not None:
            raise self.error
        return b"MSA|AA"


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/gransk.db")
    upgrade(database)
    yield database
    database.close()


@pytest.fixture
def site(tmp_path, database):
    """Makes an outbox of systems by name."""
    config = Config.model_validate(
        {"data_folder": str(tmp_path), "time_zone": "Europe/Copenhagen"},
        context={"folder": tmp_path},
    )

    def make(identify=lambda session, key: EXAM, **systems):
        return Outbox(config, database, BlobStore(tmp_path / "blobs"), systems, identify)

    return make


def tell(database, *decisions, to=("ris",)):
    with database.begin() as session:
        return [announce(session, one, to).number for one in decisions]


def rows(database):
    with database.read() as session:
        order = (OutgoingMessage.announcement, OutgoingMessage.destination)
        return session.scalars(select(OutgoingMessage).order_by(*order)).all()


def first(database, destination="ris"):
    with database.read() as session:
        found = [row for row in open_rows(session) if row.partition == f"tell:{destination}"]
    return found[0].arguments if found else None


def events(database, kind):
    with database.read() as session:
        return session.scalars(select(Event).where(Event.kind == kind)).all()


def test_a_decision_is_announced_once_to_each_destination(database):
    assert tell(database, RECALL, to=("ris", "screening")) == [1]
    assert tell(database, RECALL, to=("ris", "screening")) == [1]
    assert [row.destination for row in rows(database)] == ["ris", "screening"]
    assert len(events(database, EventKind.DECISION_ANNOUNCED)) == 1
    with database.read() as session:
        assert [one.number for one in announcements(session, 0, 10)] == [1]
        assert announcements(session, 1, 10) == []


def test_an_announcement_that_is_rolled_back_was_never_made(database):
    def broken():
        with database.begin() as session:
            announce(session, RECALL, ["ris"])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert rows(database) == []
    assert tell(database, NORMAL) == [1]


def test_announcements_are_never_changed(database):
    tell(database, RECALL)
    with pytest.raises(DatabaseError, match="append-only"), database.begin() as session:
        announcements(session, 0, 1)[0].study_key = "other"


def test_the_acknowledgement_is_kept_and_the_message_is_sent_once(database, site):
    tell(database, RECALL)
    system = Ris()
    outbox = site(ris=system)
    message, attempt = first(database)
    assert outbox.send_once(message, attempt) == (Result.SENT, 0)
    assert outbox.send_once(message, attempt) == (Result.UNWANTED, 0)
    (row,) = rows(database)
    assert row.state == MessageState.SENT
    assert outbox.blobs.get(row.answer_sha256) == b"MSA|AA"
    assert len(system.taken) == 1
    (event,) = events(database, EventKind.MESSAGE_SENT)
    assert event.data["control_id"] == system.taken[0][0]


def test_every_try_sends_the_bytes_of_the_first(database, site):
    tell(database, RECALL)
    system = Ris(UnavailableError("no answer in time"))
    message, attempt = first(database)
    assert site(ris=system).send_once(message, attempt) == (Result.UNAVAILABLE, 1)
    with database.begin() as session:
        session.add(
            ExamOrder(accession_number="ACC-1", sender="ris", placer_order="P9",
                      filler_order="", service=[], at=utcnow())
        )  # fmt: skip
    system.error = None
    assert site(ris=system).send_once(message, attempt) == (Result.SENT, 0)
    assert system.taken[0] == system.taken[1]
    assert system.made == 1
    assert b"P9" not in system.taken[1][1]


def test_an_order_s_numbers_stand_in_the_message(database, site):
    with database.begin() as session:
        session.add(
            ExamOrder(accession_number="ACC-1", sender="ris", placer_order="P9",
                      filler_order="F9", service=["A", "B", "C"], at=utcnow())
        )  # fmt: skip
    tell(database, RECALL)
    system = Ris()
    site(ris=system).send_once(*first(database))
    assert b"OBR|1|P9|F9|A^B^C|" in system.taken[0][1]


def test_order_is_kept_and_one_that_is_down_holds_up_no_other(database, site):
    tell(database, NORMAL, RECALL, to=("ris", "screening"))
    down, up = Ris(UnavailableError("down")), Ris()
    outbox = site(ris=down, screening=up)
    for _ in range(3):
        with database.read() as session:
            for row in open_rows(session):
                outbox.send_once(*row.arguments)
    assert len({control for control, _ in down.taken}) == 1
    assert [content.count(b"111591") for _, content in up.taken] == [0, 1]
    states = {(row.destination, row.announcement): row.state for row in rows(database)}
    assert states[("screening", 2)] == MessageState.SENT
    assert states[("ris", 1)] == states[("ris", 2)] == MessageState.WAITING
    with database.read() as session:
        assert [row.error for row in messages.undelivered(session)] == ["down", ""]


def test_an_outage_never_gives_a_message_up(database, site):
    tell(database, RECALL)
    system = Ris(UnavailableError("down"))
    outbox = site(ris=system)
    for tries in range(1, 40):
        assert outbox.send_once(*first(database)) == (Result.UNAVAILABLE, tries)
    system.error = RefusedError("answered AE 207")
    assert outbox.send_once(*first(database))[0] is Result.REFUSED
    assert rows(database)[0].state == MessageState.WAITING


def test_a_message_that_is_refused_again_and_again_lets_the_next_pass(database, site):
    tell(database, NORMAL, RECALL)
    system = Ris(RefusedError("answered AR 200"))
    outbox = site(ris=system)
    refused, attempt = first(database)
    results = [outbox.send_once(refused, attempt)[0] for _ in range(messages.REFUSALS)]
    assert results == [Result.REFUSED] * (messages.REFUSALS - 1) + [Result.UNWANTED]
    (event,) = events(database, EventKind.MESSAGE_FAILED)
    assert event.data == {"destination": "ris", "error": "answered AR 200"}
    following, _ = first(database)
    assert following != refused
    # The later decision is of the same exam: the earlier is never sent after it.
    system.error = None
    outbox.send_once(*first(database))
    with database.begin() as session:
        assert messages.rerun(session, refused, "cora")
        assert not messages.rerun(session, refused, "cora")
    assert rows(database)[0].state == MessageState.REPLACED
    assert first(database) is None


def test_a_person_lets_a_failed_message_be_tried_again(database, site):
    tell(database, RECALL)
    system = Ris(RefusedError("answered AE 101"))
    outbox = site(ris=system)
    message, attempt = first(database)
    for _ in range(messages.REFUSALS):
        outbox.send_once(message, attempt)
    assert first(database) is None
    with database.begin() as session:
        assert messages.rerun(session, message, "cora")
    system.error = None
    assert first(database) == (message, attempt + 1)
    assert outbox.send_once(message, attempt) == (Result.UNWANTED, 0)
    assert outbox.send_once(message, attempt + 1) == (Result.SENT, 0)
    assert len({content for _, content in system.taken}) == 1


def test_a_destination_that_the_configuration_lost_is_seen(database, site):
    tell(database, RECALL)
    outbox = site()
    for _ in range(messages.REFUSALS):
        outbox.send_once(*first(database) or ("", 0))
    (row,) = rows(database)
    assert (row.state, row.error) == (MessageState.FAILED, "no destination is called 'ris'")


def test_damaged_bytes_are_never_sent(database, site):
    tell(database, RECALL)
    system = Ris(UnavailableError("down"))
    outbox = site(ris=system)
    message, attempt = first(database)
    outbox.send_once(message, attempt)
    for path in outbox.blobs.folder.rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")
    assert outbox.send_once(message, attempt)[0] is Result.REFUSED
    assert len(system.taken) == 1


def test_a_workflow_that_ended_and_left_its_message_is_seen(database):
    tell(database, RECALL)
    with database.begin() as session:
        (row,) = open_rows(session)
        assert messages.lost(session, row, "ERROR")
        assert not messages.lost(session, row, "ERROR")
    assert rows(database)[0].state == MessageState.FAILED


def test_waits_grow_and_end_at_a_minute():
    waits = [messages.wait_seconds(tries) for tries in range(1, 40)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (1.0, 60.0)


def test_a_decision_refuses_what_contradicts_itself():
    with pytest.raises(ValueError, match="only a recall"):
        Decision.model_validate(RECALL.model_dump() | {"outcome": "normal"})
    with pytest.raises(ValueError, match="technical"):
        Decision.model_validate(NORMAL.model_dump() | {"outcome": "technical"})
