"""The outbox with every kind of message: order, what was told before, and what overtakes what."""

import pytest
from hl7_cases import EXAM, NORMAL, REPORT, URGENT, ris
from sqlalchemy import select

from gransk.delivery import messages
from gransk.delivery.destination import RefusedError, UnavailableError
from gransk.delivery.hl7.er7 import Message
from gransk.delivery.messages import Outbox, open_rows
from gransk.delivery.systems import Hl7System, HttpSystem
from gransk.results.announcing import News, announce_news
from gransk.results.blobs import BlobStore
from gransk.results.decisions import announce
from gransk.results.message_tables import AnnouncementKind, MessageState, OutgoingMessage
from gransk.results.told_reports import Status
from gransk.site.config import Config
from gransk.site.config_messages import HttpDestination, MessagesSection, Subject
from gransk.site.database import Database
from gransk.site.events import EventKind
from gransk.site.hl7_mapping import default_mapping
from gransk.site.migrate import upgrade

FINDINGS, PRIORITY = AnnouncementKind.FINDINGS, AnnouncementKind.PRIORITY


class Ris(Hl7System):
    """Makes messages as ever, and keeps them instead of sending."""

    def __init__(self):
        super().__init__(ris(), default_mapping())
        self.taken = []
        self.error = None

    def send(self, control_id, content):
        if self.error is not None:
            raise self.error
        self.taken.append(content)
        return b"MSA|AA"


class Poster(HttpSystem):
    def __init__(self):
        super().__init__(HttpDestination(name="web", kind="http", url="http://127.0.0.1:9"))
        self.taken = []

    def send(self, control_id, content):
        self.taken.append(content)
        return b""


@pytest.fixture
def site(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/gransk.db")
    upgrade(database)
    values = {"data_folder": str(tmp_path), "time_zone": "Europe/Copenhagen"}
    config = Config.model_validate(values, context={"folder": tmp_path})
    systems = {"ris": Ris(), "web": Poster()}
    blobs = BlobStore(tmp_path / "blobs")
    yield Outbox(config, database, blobs, systems, lambda session, key: EXAM)
    database.close()


def tell(site, kind, told, to=("ris",)):
    news = News(kind, told.study_key, told, EventKind.FINDINGS_ANNOUNCED, {}, told.application)
    with site.database.begin() as session:
        return announce_news(session, news, to).number


def run(site):
    """Send what waits, one after the other."""
    while True:
        with site.database.read() as session:
            rows = open_rows(session)
        if not rows:
            return
        for row in rows:
            site.send_once(*row.arguments)


def rows(site):
    with site.database.read() as session:
        return session.scalars(
            select(OutgoingMessage).order_by(OutgoingMessage.announcement)
        ).all()  # fmt: skip


def test_kinds_go_in_the_order_in_which_they_happened(site):
    tell(site, PRIORITY, URGENT)
    tell(site, FINDINGS, REPORT)
    with site.database.begin() as session:
        announce(session, NORMAL, ["ris"])
    run(site)
    kinds = [Message(one).kind for one in site.systems["ris"].taken]
    assert kinds == [("OMG", "O19"), ("ORU", "R01"), ("ORU", "R01")]
    assert {row.state for row in rows(site)} == {MessageState.SENT}


def test_a_report_knows_what_was_told_before_it(site):
    tell(site, FINDINGS, REPORT)
    fewer = REPORT.model_copy(update={"findings": (), "report_key": "q" * 64})
    tell(site, FINDINGS, REPORT.model_copy(update={"application": "other"}))
    tell(site, FINDINGS, fewer)
    gone = REPORT.model_copy(update={"status": Status.WITHDRAWN, "report_key": "q" * 64})
    run(site)
    tell(site, FINDINGS, gone)
    tell(site, FINDINGS, REPORT.model_copy(update={"line": "again"}))
    run(site)
    told = [{one.text(11) for one in Message(m).named("OBX")} for m in site.systems["ris"].taken]
    assert told == [{"P"}, {"P"}, {"P", "D"}, {"W"}, {"P"}]


def nodules(count, **values):
    one = REPORT.findings[0]
    several = tuple(one.model_copy(update={"name": f"Nodule {n + 1}"}) for n in range(count))
    return REPORT.model_copy(update={"findings": several, **values})


def deleted(content):
    """Findings that a message deletes."""
    return {one.text(4)[:4] for one in Message(content).named("OBX") if one.text(11) == "D"}


def test_a_finding_that_a_refused_report_left_out_is_deleted_by_the_next(site):
    system = site.systems["ris"]
    tell(site, FINDINGS, nodules(3))
    run(site)
    system.error = RefusedError("answered AE 207")
    tell(site, FINDINGS, nodules(2, line="refused"))
    run(site)
    system.error = None
    tell(site, FINDINGS, nodules(1, line="taken"))
    run(site)
    tell(site, FINDINGS, nodules(1, line="the last"))
    run(site)
    _, taken, last = system.taken
    assert deleted(taken) == {"AI-2", "AI-3"}
    assert deleted(last) == set(), "what was acknowledged is told once"


def test_what_an_unanswered_report_may_have_told_is_deleted(site):
    system = site.systems["ris"]
    tell(site, FINDINGS, nodules(1))
    run(site)
    system.error = RefusedError("answered AE 207")
    tell(site, FINDINGS, nodules(3, line="refused"))
    run(site)
    system.error = None
    tell(site, FINDINGS, nodules(1, line="taken"))
    run(site)
    assert deleted(system.taken[-1]) == {"AI-2", "AI-3"}


@pytest.mark.parametrize("waited", [2, 4])
def test_a_withdrawal_is_of_what_was_sent_and_not_of_what_waited(site, waited):
    tell(site, FINDINGS, nodules(3))
    run(site)
    tell(site, FINDINGS, nodules(waited, report_key="q" * 64))
    tell(site, FINDINGS, nodules(0, report_key="q" * 64, status=Status.WITHDRAWN))
    run(site)
    assert [row.state for row in rows(site)][1:] == [MessageState.REPLACED, MessageState.SENT]
    wrong = list(Message(site.systems["ris"].taken[-1]).named("OBX"))
    assert {one.text(11) for one in wrong} == {"W"}
    groups = {one.text(4) for one in wrong}
    assert {"AI-1", "AI-2", "AI-3"} <= groups
    assert "AI-4" not in groups


def test_a_destination_is_told_no_end_of_what_only_another_was_told(site):
    tell(site, FINDINGS, nodules(3), ["web"])
    tell(site, FINDINGS, nodules(1, line="both"), ["web", "ris"])
    run(site)
    assert deleted(site.systems["ris"].taken[-1]) == set()


def test_only_the_same_kind_overtakes(site):
    system = site.systems["ris"]
    system.error = RefusedError("answered AE 207")
    tell(site, FINDINGS, REPORT)
    tell(site, PRIORITY, URGENT)
    run(site)
    assert {row.state for row in rows(site)} == {MessageState.FAILED}
    report, priority = (row.id for row in rows(site))
    tell(site, FINDINGS, REPORT.model_copy(update={"line": "later"}))
    with site.database.begin() as session:
        assert messages.rerun(session, report, "cora")
        assert messages.rerun(session, priority, "cora")
        kinds = messages.kinds(session, rows(site))
        decisions = messages.only_of(AnnouncementKind.DECISION)
        assert messages.undelivered(session, 10, decisions) == []
    assert [row.state for row in rows(site)][:2] == [MessageState.REPLACED, MessageState.WAITING]
    assert list(kinds.values()) == [FINDINGS, PRIORITY, FINDINGS]


def test_findings_that_are_withdrawn_before_they_were_sent_never_go(site):
    gone = REPORT.model_copy(update={"status": Status.WITHDRAWN})
    tell(site, FINDINGS, REPORT)
    tell(site, FINDINGS, gone)
    tell(site, FINDINGS, REPORT.model_copy(update={"line": "again"}))
    run(site)
    replaced, sent = MessageState.REPLACED, MessageState.SENT
    assert [row.state for row in rows(site)] == [replaced, replaced, sent]
    assert len(site.systems["ris"].taken) == 1


def test_what_may_have_arrived_is_withdrawn(site):
    system = site.systems["ris"]
    system.error = UnavailableError("silence")
    tell(site, FINDINGS, REPORT)
    with site.database.read() as session:
        (row,) = open_rows(session)
    site.send_once(*row.arguments)
    system.error = None
    tell(site, FINDINGS, REPORT.model_copy(update={"status": Status.WITHDRAWN}))
    run(site)
    assert [row.state for row in rows(site)] == [MessageState.SENT] * 2


def test_a_priority_that_stands_no_more_is_not_sent(site):
    site.urgent = lambda session, key: False
    tell(site, PRIORITY, URGENT)
    run(site)
    assert [row.state for row in rows(site)] == [MessageState.REPLACED]
    assert site.systems["ris"].taken == []


def test_an_unforeseen_fault_is_logged_without_its_words(site, caplog):
    site.systems["ris"].error = ValueError("DOE^JANE")
    tell(site, FINDINGS, REPORT)
    run(site)
    assert "ValueError" in caplog.text
    assert "DOE" not in caplog.text


def test_by_post_every_kind_says_what_it_is(site):
    tell(site, FINDINGS, REPORT, ["web"])
    tell(site, PRIORITY, URGENT, ["web"])
    run(site)
    report, priority = site.systems["web"].taken
    assert b'"kind": "findings"' in report
    assert b'"kind": "priority"' in priority


def test_the_same_news_is_announced_once(site):
    assert tell(site, PRIORITY, URGENT) == tell(site, PRIORITY, URGENT) == 1
    assert len(rows(site)) == 1


def test_who_is_told_what():
    section = MessagesSection.model_validate(
        {
            "destinations": [
                {"name": "a", "kind": "hl7", "host": "h", "port": 1},
                {"name": "b", "kind": "http", "url": "http://h", "tells": ["findings"]},
                {"name": "c", "kind": "hl7", "host": "h", "port": 1,
                 "tells": ["decisions", "priority", "findings"]},
            ]
        }
    )  # fmt: skip
    assert [section.names(one) for one in Subject] == [("a", "c"), ("b", "c"), ("c",)]
    for wrong in ([], ["findings", "findings"], ["everything"]):
        one = {"name": "a", "kind": "hl7", "host": "h", "port": 1, "tells": wrong}
        with pytest.raises(ValueError, match=r"tells|input|once"):
            MessagesSection.model_validate({"destinations": [one]})
