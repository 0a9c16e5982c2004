"""Released reports are announced once, and what becomes of them."""

from __future__ import annotations

import datetime

import pytest
from reading_room import NORMAL, plan
from reading_site import Site, findings, mark
from sqlalchemy import func, select

from gransk.core.application import Presentation, applications
from gransk.core.followup import Advice, Assessment, FollowUp
from gransk.core.keys import digest
from gransk.reading import telling
from gransk.reading.plan import PolicyKind
from gransk.reading.release import in_turn, release_report
from gransk.reading.report_telling import ReportTeller, tell_again
from gransk.results import edits
from gransk.results.blobs import BlobError, BlobStore, keep
from gransk.results.edits import Person, Seen
from gransk.results.message_tables import (
    Announcement,
    AnnouncementKind,
    OutgoingMessage,
    ToldReport,
)
from gransk.results.store import (
    NewObject,
    restore_report,
    seal_analysis,
    seal_report,
    withdraw_report,
)
from gransk.results.tables import Report, WorkState
from gransk.results.told_reports import ReportTold, Status
from gransk.site.database import Database
from gransk.site.events import EventKind
from gransk.site.migrate import upgrade
from gransk.site.tables import Event

DORTE = Person("dorte", "Dorte Doctor", "radiologist")
DAY = datetime.date(2026, 9, 1)


class App:
    """An application as far as messages need one."""

    presentation = Presentation(
        title={"en": "Mammography", "da": "Mammografi"},
        texts={},
        line=lambda found, language: f"{len(found.standing)} {'fund' if language == 'da' else 'x'}",
        details=lambda finding, language: [],
        study_json=lambda found: {},
        finding_json=lambda finding, found: {},
        key_qualities=("laterality",),
    )


@pytest.fixture
def site(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/test.db")
    upgrade(database)
    found = Site(database, BlobStore(tmp_path / "blobs"))
    found.unit()
    yield found
    database.close()


def teller(site, to=("ris",)):
    return ReportTeller(site.blobs, {"mammo": App()}, "da", to)


def release(site, report, to=("ris",)):
    with site.database.begin() as session:
        return release_report(session, report, "policy", lambda *_: {}, in_turn(teller(site, to)))


def told(site):
    with site.database.read() as session:
        query = select(Announcement).where(Announcement.kind == AnnouncementKind.FINDINGS)
        found = session.scalars(query.order_by(Announcement.number)).all()
        return [ReportTold.model_validate(one.content) for one in found]


def statuses(site):
    return [one.status for one in told(site)]


def report_of(site, key, score=3.0, *marks):
    """A report that is sealed and released, of other images each time."""
    site.at += datetime.timedelta(minutes=1)
    site.change(key, fingerprint=str(site.at))
    report = site.analysed(key, findings(score, *marks))
    assert release(site, report)
    return report


def test_a_report_is_announced_once_in_the_transaction_that_releases_it(site):
    key = site.study()
    report = report_of(site, key, 7.0, mark())
    assert release(site, report), "released before"
    (one,) = told(site)
    assert (one.application, one.report_key, one.status) == ("mammo", report, Status.PRELIMINARY)
    assert one.line == "1 fund"
    assert [m.value for m in one.measurements] == [7.0]
    (finding,) = one.findings
    assert (finding.name, finding.tracking_uid) == ("Mark 1", "1.2.1")
    assert [q.name for q in finding.qualities] == ["laterality"]
    assert one.research
    assert one.notices == ("Til forskningsbrug, ikke medicinsk udstyr.",)
    assert [made.kind for made in one.objects] == ["SR"]
    with site.database.read() as session:
        assert session.scalars(select(OutgoingMessage.destination)).all() == ["ris"]
        events = select(Event.data).where(Event.kind == EventKind.FINDINGS_ANNOUNCED)
        assert [data["status"] for data in session.scalars(events)] == ["preliminary"]


def test_nothing_is_announced_where_nobody_is_told_or_the_release_is_rolled_back(site):
    key = site.study()
    report = site.analysed(key)

    def broken(session, item, row):
        raise RuntimeError

    with pytest.raises(RuntimeError), site.database.begin() as session:
        release_report(session, report, "policy", lambda *_: {}, in_turn(teller(site), broken))
    assert told(site) == []
    assert release(site, report, to=())
    assert teller(site).run_once(site.database) == 0
    assert told(site) == [], "who is told later begins with what is released then"


def test_preliminary_then_final_then_corrected(site):
    key = site.study()
    report = report_of(site, key, 3.0, mark())
    report_of(site, key, 4.0, mark())
    with site.database.begin() as session:
        edits.sign(session, Seen.of(site.item(session, key)), DORTE)
        item = site.item(session, key)
        signed = digest(["signed", item.report_key])
        kept = site.blobs.put(b"object")
        made = NewObject("SR", "1.2.3", "2.25.77", "2.25.9", kept)
        seal_report(session, item, signed, item.analysis_key, site.at, [made])
    assert release(site, signed)
    report_of(site, key, 5.0)
    assert statuses(site) == [
        Status.PRELIMINARY, Status.PRELIMINARY, Status.FINAL, Status.CORRECTED,
    ]  # fmt: skip
    assert told(site)[0].report_key == report


def test_a_withdrawn_report_is_told_and_one_that_stands_again(site):
    key = site.study()
    report = report_of(site, key, 3.0, mark())
    assert teller(site).run_once(site.database) == 0
    with site.database.begin() as session:
        withdraw_report(session, report, key)
    assert teller(site).run_once(site.database) == 1
    assert teller(site).run_once(site.database) == 0
    with site.database.begin() as session:
        restore_report(session, report)
    assert teller(site).run_once(site.database) == 1
    assert teller(site).run_once(site.database) == 0
    assert statuses(site) == [Status.PRELIMINARY, Status.WITHDRAWN, Status.PRELIMINARY]
    withdrawn = told(site)[1]
    assert (withdrawn.findings, withdrawn.text, withdrawn.objects) == ((), "", ())


def test_a_report_of_an_exam_that_stands_again_is_told_as_it_is_released(site):
    site.policies.how = lambda exam: plan(PolicyKind.DECISION_SUPPORT)
    key = site.study()
    report = site.analysed(key, findings(3.0, mark()))
    site.run()
    site.run(30)
    assert release(site, report)
    with site.database.begin() as session:
        withdraw_report(session, report, key)
    site.change(key, state=WorkState.WITHDRAWN)
    site.run()
    with site.database.begin() as session:
        restore_report(session, report)
    site.change(key, state=WorkState.READY, images_at=site.at)
    assert teller(site).run_once(site.database) == 1, "that it is gone was not told yet"
    assert teller(site).run_once(site.database) == 0
    assert statuses(site) == [Status.PRELIMINARY, Status.WITHDRAWN]
    site.run()
    site.run(30)
    assert teller(site).run_once(site.database) == 0
    assert release(site, report)
    assert statuses(site) == [Status.PRELIMINARY, Status.WITHDRAWN, Status.PRELIMINARY]
    assert teller(site).run_once(site.database) == 0


def test_a_report_is_told_again_under_another_identity_to_who_was_told(site):
    key = site.study()
    report_of(site, key, 3.0, mark())
    with site.database.begin() as session:
        kept = site.blobs.put(b"m")
        keep(session, [kept])
        session.scalars(select(OutgoingMessage)).one().sha256 = kept.sha256
        session.scalars(select(ToldReport)).one().final = True
        for identity, times in (("one", 1), ("one", 0), ("two", 1), ("one", 1)):
            assert tell_again(session, key, identity, ["never", "ris"]) == times
        sent = session.scalars(select(OutgoingMessage.destination)).all()
    assert sent == ["ris"] * 4
    assert statuses(site) == [Status.PRELIMINARY, *[Status.CORRECTED] * 3]
    first, second, *_ = told(site)
    assert second.findings == first.findings
    assert teller(site).run_once(site.database) == 0


def test_a_report_that_waits_for_its_release_says_nothing_of_the_one_before(site):
    key = site.study()
    report_of(site, key)
    site.change(key, fingerprint="new")
    site.analysed(key, findings(9.0))
    assert teller(site).run_once(site.database) == 0
    assert statuses(site) == [Status.PRELIMINARY]


def test_what_people_did_after_the_report_was_made_stands_in_the_next_one(site):
    key = site.study()
    site.at = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    report = site.analysed(key, findings(3.0, mark(1), mark(2)))
    with site.database.begin() as session:
        item = site.item(session, key)
        edits.reject(session, Seen.of(item), DORTE, "1.2.1", "artefact")
    assert release(site, report)
    assert len(told(site)[0].findings) == 2


def test_text_and_advice_are_in_the_site_s_language(site):
    key = site.study()
    words = {"en": "CT in 6 months", "da": "CT om 6 måneder"}
    advised = Advice(
        tracking_uid="1.2.1", guideline="g", version="1", source_state="primary",
        status="advice", action="ct", due=(DAY, DAY), text=words, reason=words,
    )  # fmt: skip
    whole = advised.model_copy(update={"tracking_uid": None, "action": "biopsy"})
    beside = FollowUp(
        assessment=Assessment(advice=(advised, whole), growth={"1.2.1": "growth"}),
        text={"en": "Findings", "da": "Fund"},
    )
    found = site.blobs.put(findings(3.0, mark()).model_dump_json().encode())
    with site.database.begin() as session:
        item = site.item(session, key)
        seal_analysis(session, "a" * 64, "mammo", found, found, 1.0)
        kept = site.blobs.put(beside.model_dump_json().encode())
        seal_report(session, item, "b" * 64, "a" * 64, site.at, [], kept)
        item.state = WorkState.READY
    assert release(site, "b" * 64)
    (one,) = told(site)
    assert (one.text, one.advice.action) == ("Fund", "biopsy")
    assert one.findings[0].advice.text == "CT om 6 måneder"
    assert one.findings[0].growth == "growth"


def test_what_cannot_be_told_again_now_is_told_later_and_holds_up_no_other(site, monkeypatch):
    keys = [site.study(), site.study()]
    reports = [report_of(site, key, score) for key, score in zip(keys, (3.0, 4.0), strict=True)]
    for key, report in zip(keys, reports, strict=True):
        with site.database.begin() as session:
            withdraw_report(session, report, key)
        teller(site).run_once(site.database)
        with site.database.begin() as session:
            restore_report(session, report)
    get, bad = BlobStore.get, []

    def fails_for_one(store, sha256):
        bad.append(sha256)
        if sha256 == bad[0]:
            raise OSError(5, "Input/output error")
        return get(store, sha256)

    with monkeypatch.context() as now:
        now.setattr(BlobStore, "get", fails_for_one)
        teller(site).run_once(site.database)
    assert len(told(site)) == 5
    teller(site).run_once(site.database)
    assert len(told(site)) == 6


@pytest.mark.parametrize("fault", [OSError(5, "Input/output error"), BlobError("missing")])
def test_findings_that_cannot_be_read_now_let_the_release_be_tried_again(site, fault, monkeypatch):
    key = site.study()
    report = site.analysed(key)

    def fails(store, sha256):
        raise fault

    with monkeypatch.context() as now:
        now.setattr(BlobStore, "get", fails)
        with pytest.raises(type(fault)):
            release(site, report)
    with site.database.read() as session:
        assert session.get_one(Report, report).released_at is None
    assert told(site) == []
    assert release(site, report)
    assert told(site)


def test_findings_that_make_no_sense_stop_no_release(site, monkeypatch):
    key = site.study()
    report = site.analysed(key)
    monkeypatch.setattr(BlobStore, "get", lambda store, sha256: b"{}")
    assert release(site, report)
    assert told(site) == []


def test_in_the_reading_room_nothing_goes_before_the_decision(site):
    site.policies.how = lambda exam: plan(PolicyKind.SAFETY_NET)
    key = site.study()
    report = site.analysed(key, findings(3.0, mark()))
    site.run()
    site.run(30)
    assert not release(site, report)
    assert told(site) == []
    site.read(key, NORMAL, NORMAL)
    assert site.row(key).decided_at is not None
    assert release(site, report)
    assert statuses(site) == [Status.PRELIMINARY]
    # A decision is a first one, whatever was told of the findings.
    telling.Teller(site.database, ("ris",)).run_once()
    with site.database.read() as session:
        query = select(Announcement).where(Announcement.kind == AnnouncementKind.DECISION)
        (decision,) = session.scalars(query).all()
        assert decision.content["corrected"] is False
        assert session.scalar(select(func.count()).select_from(Report)) == 1


@pytest.mark.parametrize("name", ["mammo", "nodule"])
def test_the_shipped_applications_name_what_they_measure(name):
    presentation = applications()[name].presentation
    assert presentation.sizes
    assert set(presentation.sizes.values()) <= set(presentation.texts)
    assert set(presentation.key_qualities) <= set(presentation.codes)
