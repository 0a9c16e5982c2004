"""Storage commitment: rows, answers, and our door as peers meet it."""

from __future__ import annotations

import datetime
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from free_ports import free_port
from outbox_site import Taker
from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from sent_reports import SC, SR, STUDY, SentReports
from sqlalchemy import false, select, update

sys.path.insert(0, str(Path(__file__).parents[1] / "site"))

from databases import postgresql, postgresql_server  # noqa: F401

from gransk.core.errors import ConfigurationError
from gransk.delivery import commitment, deliver, overview
from gransk.delivery.commitment import Answer, Committer, Request, take_answer
from gransk.delivery.commitment_asking import PUSH_MODEL, PUSH_MODEL_INSTANCE, Answers, Asker
from gransk.delivery.commitment_door import CommitmentDoor
from gransk.delivery.trying import Result
from gransk.results.commitment_tables import Commitment, CommitmentState
from gransk.results.store import withdraw_report
from gransk.results.tables import Delivery, DeliveryState
from gransk.site.config import Config
from gransk.site.config_commitment import CommitmentSection
from gransk.site.config_destinations import DicomDestination
from gransk.site.database import utcnow

KEY = "1" * 64
UIDS = {"2.25.10": SR, "2.25.11": SC}
HOUR = datetime.timedelta(hours=1)


def destination(**values: object) -> DicomDestination:
    given = {
        "name": "pacs", "kind": "dicom", "aet": "PACS", "host": "127.0.0.1", "port": 104,
        "commitment": True, "timeout_seconds": 2.0,
    }  # fmt: skip
    return DicomDestination.model_validate(given | values)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SentReports]:
    monkeypatch.setattr(commitment, "FIRST_WAIT_SECONDS", 0.0)
    site = SentReports(tmp_path)
    site.destinations["pacs"] = Taker()
    site.seal(KEY)
    site.send(KEY)
    yield site
    site.database.close()


@pytest.mark.system
def test_on_postgresql_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Asked, refused, sent again, committed; superseded, hidden, and back."""
    monkeypatch.setattr(commitment, "FIRST_WAIT_SECONDS", 0.0)
    site = SentReports(tmp_path, request.getfixturevalue("postgresql"))
    try:
        site.destinations["pacs"] = Taker()
        site.seal(KEY)
        site.send(KEY)
        rows = Committer(site.database, destination(), CommitmentSection(answer_seconds=60))
        rows.begin()
        request_made = ask(rows)
        assert rows.waits()
        assert answer(site, Answer(request_made.transaction_uid, failed=dict.fromkeys(UIDS, 0x112)))
        rows.tidy()
        assert site.send(KEY) == [Result.SENT] * 2
        again = ask(rows)
        assert answer(site, Answer(again.transaction_uid, frozenset(UIDS)))
        assert committed(site) == set(UIDS)
        with site.database.begin() as session:
            withdraw_report(session, KEY, STUDY)
        assert site.recall("hide") == [Result.RECALLED] * 2
        assert site.states(KEY) == {DeliveryState.HIDDEN}
        with site.database.read() as session:
            (standing,) = overview.standings(session, [destination()], lambda _key: false())
            assert overview.undelivered(session, 10, lambda _key: false()) == []
        assert (standing.hidden, standing.uncommitted, standing.error) == (2, 0, "")
    finally:
        site.database.close()


@pytest.fixture
def rows(site: SentReports) -> Committer:
    section = CommitmentSection(answer_seconds=60)
    return Committer(site.database, destination(), section)


def ask(rows: Committer) -> Request:
    request = rows.next_request()
    assert request is not None
    rows.was_taken(request)
    return request


def answer(site: SentReports, said: Answer, destinations: tuple[str, ...] = ("pacs",)) -> bool:
    with site.database.begin() as session:
        return take_answer(session, destinations, said)


def change(site: SentReports, table: type, **values: object) -> None:
    with site.database.begin() as session:
        session.execute(update(table).values(**values))


def states(site: SentReports) -> list[CommitmentState]:
    with site.database.read() as session:
        rows = session.scalars(select(Commitment).order_by(Commitment.asked_at))
        return [row.state for row in rows]


def committed(site: SentReports) -> set[str]:
    return {line.sop_instance_uid for line in site.lines(KEY) if line.committed_at is not None}


def test_an_object_is_in_one_open_request_at_a_time(site: SentReports, rows: Committer) -> None:
    request = ask(rows)
    assert dict((uid, sop) for sop, uid in request.objects) == UIDS
    assert rows.next_request() is None
    assert not rows.has_more()
    assert rows.waits()
    change(site, Commitment, ask_again_at=utcnow())
    rows.tidy()
    assert not rows.waits()
    again = ask(rows)
    assert again.transaction_uid != request.transaction_uid
    assert states(site) == [CommitmentState.UNANSWERED, CommitmentState.ASKED]


def test_an_overdue_request_ends_where_the_next_is_made(site: SentReports, rows: Committer) -> None:
    """Its time may be over between two tidyings: it is not open beside the next one."""
    ask(rows)
    change(site, Commitment, ask_again_at=utcnow())
    ask(rows)
    assert states(site) == [CommitmentState.UNANSWERED, CommitmentState.ASKED]
    with site.database.read() as session:
        first, second = session.scalars(select(Commitment).order_by(Commitment.asked_at)).all()
    patience = [row.ask_again_at - row.asked_at for row in (first, second)]
    assert patience[1].total_seconds() == 120, "waits longer each time"


def test_a_late_answer_to_an_earlier_request_counts(site: SentReports, rows: Committer) -> None:
    first = ask(rows)
    change(site, Commitment, ask_again_at=utcnow())
    rows.tidy()
    ask(rows)
    assert answer(site, Answer(first.transaction_uid, frozenset(UIDS)))
    assert committed(site) == set(UIDS)
    assert rows.next_request() is None


def test_the_same_answer_again_changes_nothing(site: SentReports, rows: Committer) -> None:
    request = ask(rows)
    said = Answer(request.transaction_uid, frozenset(["2.25.10"]), {"2.25.11": 0x0112})
    for _ in range(3):
        assert answer(site, said)
    kinds = site.kinds()
    assert kinds.count("object_committed") == kinds.count("object_not_committed") == 1
    assert answer(site, Answer(request.transaction_uid, frozenset(UIDS)))
    assert committed(site) == set(UIDS), "the destination has it after all"
    assert answer(site, Answer(request.transaction_uid, failed=dict.fromkeys(UIDS, 0x0110)))
    assert committed(site) == set(UIDS), "what it said it keeps, it keeps"


def test_another_destination_cannot_answer(site: SentReports, rows: Committer) -> None:
    request = ask(rows)
    said = Answer(request.transaction_uid, frozenset(UIDS))
    assert not answer(site, said, ("vna",))
    assert not answer(site, Answer("2.25.1", frozenset(UIDS)))
    assert committed(site) == set()
    assert states(site) == [CommitmentState.ASKED]


def test_what_was_not_asked_is_not_committed(site: SentReports, rows: Committer) -> None:
    site.destinations["vna"] = Taker()
    request = ask(rows)
    assert answer(site, Answer(request.transaction_uid, frozenset(["2.25.10", "2.25.999"])))
    assert committed(site) == {"2.25.10"}
    again = ask(rows)
    assert [uid for _, uid in again.objects] == ["2.25.11"], "what it did not speak of"


def test_what_is_refused_is_sent_again_and_asked_about_anew(
    site: SentReports, rows: Committer
) -> None:
    taker = site.destinations["pacs"]
    assert isinstance(taker, Taker)
    request = ask(rows)
    assert answer(site, Answer(request.transaction_uid, frozenset(), {"2.25.11": 0x0112}))
    rows.tidy()
    (line,) = [one for one in site.lines(KEY) if one.state == DeliveryState.WAITING]
    assert line.error == "not committed: 0112H no such object instance"
    assert site.send(KEY) == [Result.SENT]
    assert taker.taken[-1] in taker.taken[:-1], "the same bytes"
    objects = {uid for one in (ask(rows),) for _, uid in one.objects}
    assert "2.25.11" in objects


def test_what_is_not_committed_in_time_is_a_dead_letter_with_its_reason(
    site: SentReports, rows: Committer
) -> None:
    request = ask(rows)
    assert answer(site, Answer(request.transaction_uid, frozenset(["2.25.10"]), {"2.25.11": 0x110}))
    change(site, Delivery, commit_by=utcnow() - HOUR)
    rows.tidy()
    (dead,) = [one for one in site.lines(KEY) if one.state == DeliveryState.FAILED]
    assert dead.sop_instance_uid == "2.25.11"
    assert dead.error == "not committed within 24 h: 0110H processing failure"
    assert site.kinds().count("delivery_failed") == 1
    with site.database.begin() as session:
        assert deliver.rerun(session, dead.id, "ann")
    assert site.send(KEY) == [Result.SENT]
    (_, uid), *more = ask(rows).objects
    assert (uid, more) == ("2.25.11", [])
    (line,) = [one for one in site.lines(KEY) if one.sop_instance_uid == uid]
    assert line.commit_by is not None
    assert line.commit_by > utcnow(), "it has its hours again"


def test_what_was_sent_again_after_its_hours_is_asked_about_before_it_is_given_up(
    site: SentReports, rows: Committer
) -> None:
    """Its destination was away in between."""
    request = ask(rows)
    assert answer(site, Answer(request.transaction_uid, failed=dict.fromkeys(UIDS, 0x0112)))
    rows.tidy()
    change(site, Delivery, commit_by=utcnow() - HOUR)
    rows.tidy()
    assert site.states(KEY) == {DeliveryState.WAITING}
    assert site.send(KEY) == [Result.SENT] * 2
    rows.tidy()
    again = ask(rows)
    until = {one.id: one.commit_by for one in site.lines(KEY)}
    for by in until.values():
        assert by is not None
        assert 110 < (by - utcnow()).total_seconds() <= 120, "time for two answers"
    change(site, Commitment, ask_again_at=utcnow())
    rows.tidy()
    assert site.states(KEY) == {DeliveryState.SENT}
    ask(rows)
    assert {one.id: one.commit_by for one in site.lines(KEY)} == until, "once for each sending"
    assert answer(site, Answer(again.transaction_uid, frozenset(UIDS)))
    assert committed(site) == set(UIDS)


@pytest.mark.parametrize("answer_seconds", [60, 600, 7200, 86400])
@pytest.mark.parametrize("refuses", ["always", "first", "every other", "never"])
def test_who_refuses_or_is_silent_is_given_up_however_long_it_was_away(
    site: SentReports, monkeypatch: pytest.MonkeyPatch, answer_seconds: int, refuses: str
) -> None:
    """Each sending may put its end off, by an hour at most; only a refusal leads to another.

    After six refusals, an hour all in all, the next sending is an hour away, when the end is.
    """
    began = now = utcnow()
    monkeypatch.setattr(commitment, "utcnow", lambda: now)
    monkeypatch.setattr(commitment, "FIRST_WAIT_SECONDS", 10.0)
    section = CommitmentSection(answer_seconds=answer_seconds)
    rows = Committer(site.database, destination(commitment_hours=1), section)
    sent = {"always": range(99), "first": range(1), "every other": range(0, 99, 2), "never": ()}
    asked, returned = 0, began + 3 * HOUR
    while site.states(KEY) != {DeliveryState.FAILED}:
        assert now < returned + 2.5 * HOUR
        away = began < now < returned
        if not away:
            site.send(KEY)
        rows.tidy(gives_up=not away)
        request = None if away else rows.next_request()
        if request is not None:
            rows.was_taken(request)
            if asked in sent[refuses]:
                refused = dict.fromkeys(UIDS, 0x0112)
                assert answer(site, Answer(request.transaction_uid, failed=refused))
            asked += 1
        now += HOUR / 30
    if refuses != "never":
        assert asked >= 2, "not without a question after it was sent again"


def test_without_an_answer_it_is_a_dead_letter_too(site: SentReports, rows: Committer) -> None:
    ask(rows)
    change(site, Delivery, commit_by=utcnow() - HOUR)
    rows.tidy()
    assert {one.error for one in site.lines(KEY)} == {"not committed within 24 h: no answer"}


def test_hours_of_a_service_or_destination_that_is_down_do_not_count(
    site: SentReports, rows: Committer
) -> None:
    ask(rows)
    change(site, Delivery, commit_by=utcnow() - HOUR)
    rows.begin()
    rows.tidy()
    assert site.states(KEY) == {DeliveryState.SENT}


def test_hours_that_a_flapping_destination_was_there_add_up(
    site: SentReports, rows: Committer
) -> None:
    rows.was_taken(ask(rows))
    before = {one.id: one.commit_by for one in site.lines(KEY)}
    for _ in range(3):
        rows.was_away(600.0)
    rows.has_returned(1800.0)
    assert {one.id: one.commit_by for one in site.lines(KEY)} == {
        key: by + HOUR for key, by in before.items() if by is not None
    }
    change(site, Delivery, commit_by=utcnow() - HOUR)
    rows.tidy(gives_up=False)
    assert site.states(KEY) == {DeliveryState.SENT}
    rows.was_away(60.0)
    rows.tidy()
    assert site.states(KEY) == {DeliveryState.FAILED}


@pytest.mark.parametrize("fell", [False, True])
def test_an_answer_that_comes_after_it_was_given_up_closes_the_dead_letter(
    site: SentReports, rows: Committer, fell: bool
) -> None:
    request = ask(rows)
    change(site, Delivery, commit_by=utcnow() - HOUR)
    rows.tidy()
    assert site.states(KEY) == {DeliveryState.FAILED}
    if fell:
        with site.database.begin() as session:
            withdraw_report(session, KEY, STUDY)
    assert answer(site, Answer(request.transaction_uid, frozenset(UIDS)))
    assert site.states(KEY) == {DeliveryState.RECALL if fell else DeliveryState.SENT}
    if not fell:
        assert committed(site) == set(UIDS)
        assert {one.error for one in site.lines(KEY)} == {""}
        assert site.kinds().count("object_committed") == 2


def test_a_fallen_report_is_not_asked_about(site: SentReports, rows: Committer) -> None:
    request = ask(rows)
    with site.database.begin() as session:
        withdraw_report(session, KEY, STUDY)
    assert answer(site, Answer(request.transaction_uid, frozenset(UIDS)))
    assert committed(site) == set()
    change(site, Commitment, ask_again_at=utcnow())
    rows.tidy()
    assert rows.next_request() is None


class Peer:
    """A storage commitment provider, made of pynetdicom's service."""

    def __init__(self, answers: bool = True) -> None:
        self.answers = answers
        self.asked: list[Dataset] = []
        self.status = 0x0000
        entity = AE("PACS")
        entity.add_supported_context(PUSH_MODEL, scu_role=True, scp_role=True)
        server = entity.start_server(
            ("127.0.0.1", free_port()),
            block=False,
            evt_handlers=[(evt.EVT_N_ACTION, self._asked)],
        )
        assert server is not None
        self.server = server
        self.port = server.server_address[1]

    def _asked(self, event: evt.Event) -> tuple[int, None]:
        said = event.action_information
        self.asked.append(said)
        if self.answers and self.status == 0:
            threading.Timer(0.2, self._answer, (event.assoc, said)).start()
        return self.status, None

    @staticmethod
    def _answer(association: Association, asked: Dataset) -> None:
        said = Dataset()
        said.TransactionUID = asked.TransactionUID
        said.ReferencedSOPSequence = asked.ReferencedSOPSequence
        association.send_n_event_report(said, 1, PUSH_MODEL, PUSH_MODEL_INSTANCE)


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    made: list[Peer] = []

    def start(answers: bool = True) -> Peer:
        made.append(Peer(answers))
        return made[-1]

    yield start
    for one in made:
        one.server.shutdown()


def asker(site: SentReports, one: DicomDestination, **values: float) -> Asker:
    section = CommitmentSection.model_validate({"wait_seconds": 5, "answer_seconds": 60} | values)
    return Asker(site.database, one, section, Answers(site.database))


def test_an_answer_on_the_same_association_is_taken(
    site: SentReports, peer: Callable[..., Peer]
) -> None:
    asked = peer()
    asker(site, destination(port=asked.port)).run_once()
    assert committed(site) == set(UIDS)
    (said,) = asked.asked
    assert len(said.ReferencedSOPSequence) == 2


def test_a_request_that_is_refused_is_made_again(
    site: SentReports, peer: Callable[..., Peer]
) -> None:
    asked = peer()
    asked.status = 0x0110
    asking = asker(site, destination(port=asked.port))
    asking.run_once()
    assert states(site) == [CommitmentState.NOT_TAKEN]
    assert {one.error for one in site.lines(KEY)} == {
        "storage commitment was refused with status 0x0110"
    }
    asked.status = 0
    asking.run_once()
    assert committed(site) == set(UIDS)
    assert {one.error for one in site.lines(KEY)} == {""}


def test_a_peer_without_storage_commitment_is_a_dead_letter_in_time(site: SentReports) -> None:
    entity = AE("PACS")
    entity.add_supported_context("1.2.840.10008.1.1")
    server = entity.start_server(("127.0.0.1", free_port()), block=False)
    assert server is not None
    try:
        one = destination(port=server.server_address[1], commitment_hours=1)
        asker(site, one).run_once()
        assert states(site) == [CommitmentState.NOT_TAKEN]
        change(site, Delivery, commit_by=utcnow() - HOUR)
        asker(site, one).run_once()
    finally:
        server.shutdown()
    assert site.states(KEY) == {DeliveryState.FAILED}
    assert all("cannot be asked for" in line.error for line in site.lines(KEY))


def test_nothing_is_written_while_the_destination_is_away(site: SentReports) -> None:
    asking = asker(site, destination(port=free_port()))
    asking.run_once()
    assert states(site) == []


@pytest.fixture
def door(site: SentReports) -> Iterator[CommitmentDoor]:
    section = CommitmentSection(port=free_port())
    others = destination(name="vna", aet="VNA")
    door = CommitmentDoor([destination(), others], section, Answers(site.database))
    yield door
    door.close()


def report(
    door: CommitmentDoor,
    said: Dataset,
    calling: str = "PACS",
    called: str = "GRANSK",
    kind: int = 1,
    roles: bool = True,
) -> int:
    """Status of an N-EVENT-REPORT; -1 where the association is rejected."""
    entity = AE(calling)
    entity.add_requested_context(PUSH_MODEL)
    association = entity.associate(
        "127.0.0.1",
        door.port,
        ae_title=called,
        ext_neg=[build_role(PUSH_MODEL, scu_role=True, scp_role=True)] if roles else None,
    )
    if not association.is_established:
        return -1
    try:
        status, _ = association.send_n_event_report(said, kind, PUSH_MODEL, PUSH_MODEL_INSTANCE)
        return int(status.Status)
    finally:
        association.release()


def said_of(transaction_uid: str) -> Dataset:
    said = Dataset()
    said.TransactionUID = transaction_uid
    said.ReferencedSOPSequence = []
    for uid, sop_class in UIDS.items():
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
        said.ReferencedSOPSequence.append(item)
    return said


def test_the_door_takes_an_answer_once(
    site: SentReports, rows: Committer, door: CommitmentDoor
) -> None:
    said = said_of(ask(rows).transaction_uid)
    assert [report(door, said), report(door, said, roles=False)] == [0, 0]
    assert committed(site) == set(UIDS)
    assert site.kinds().count("object_committed") == 2


def test_the_door_refuses_who_was_not_asked(
    site: SentReports, rows: Committer, door: CommitmentDoor
) -> None:
    said = said_of(ask(rows).transaction_uid)
    assert report(door, said, calling="STRANGER") == -1
    assert report(door, said, called="ELSEWHERE") == -1
    assert report(door, said, calling="VNA") == 0x0112, "another destination's transaction"
    assert report(door, said_of(str(generate_uid()))) == 0x0112
    assert report(door, said, kind=7) == 0x0113
    without = said_of("2.25.1")
    del without.TransactionUID
    unnamed = said_of("2.25.1")
    del unnamed.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert report(door, without) == report(door, unnamed) == 0x0115
    assert committed(site) == set()


def test_a_taken_port_is_told(door: CommitmentDoor, site: SentReports) -> None:
    section = CommitmentSection(port=door.port)
    with pytest.raises(ConfigurationError, match=r"commitment: 127.0.0.1:\d+ cannot be opened"):
        CommitmentDoor([destination()], section, Answers(site.database))


def test_destinations_are_asked_under_the_doors_title() -> None:
    one = {
        "name": "pacs", "kind": "dicom", "aet": "PACS", "host": "p", "calling_aet": "OTHER",
        "commitment": True,
    }  # fmt: skip
    with pytest.raises(ValueError, match="calling_aet"):
        Config.model_validate({"destinations": [one], "commitment": {"port": 1104}})
    assert Config.model_validate({"destinations": [one]}).committing[0].name == "pacs"
