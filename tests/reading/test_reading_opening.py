"""From the worklist to the readers: one instant, a sealed opinion, and no crash that matters."""

from __future__ import annotations

import datetime
import multiprocessing
import os

import pytest
from reading_room import NORMAL, RECALL, START, TECHNICAL, WAITING, plan
from reading_site import SCORE, UNIT, Policies, Site, findings, mark
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from gransk.core.codes import Code
from gransk.core.errors import InvalidValueError
from gransk.core.findings import Quality
from gransk.core.screening import Breast, FindingType, View
from gransk.delivery import recall
from gransk.reading import acts, opening
from gransk.reading.acts import Actor
from gransk.reading.ai import Said, mark_of, opinion_of
from gransk.reading.entering import covers
from gransk.reading.entries import Kind
from gransk.reading.exam import State
from gransk.reading.exam_tables import ExamRow
from gransk.reading.ledger import entries
from gransk.reading.opinions import AiSaid, verify
from gransk.reading.plan import PlanReason, PolicyKind
from gransk.reading.release import LEDGER, open_rows, release_report
from gransk.results.blobs import BlobStore
from gransk.results.store import restore_report, withdraw_report
from gransk.results.tables import Delivery, DeliveryState, Report, Workitem, WorkState
from gransk.site.database import Database
from gransk.site.migrate import upgrade


@pytest.fixture
def site(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/test.db")
    upgrade(database)
    found = Site(database, BlobStore(tmp_path / "blobs"))
    found.unit()
    yield found
    assert found.wrong() == []
    database.close()


def counts(exam):
    """The AI reads where it has an opinion, else two people."""
    said = None if exam.ai is None else exam.ai.opinion.said
    if said in (AiSaid.NORMAL, AiSaid.RECALL):
        return plan(PolicyKind.REPLACE_READER)
    reason = PlanReason.LATE if said is None else PlanReason.REFUSED
    return plan(PolicyKind.REPLACE_READER, human_reads=2, ai_counts=False, reasons=(reason,))


def minutes(count):
    return datetime.timedelta(minutes=count)


OPENED = [Kind.PLANNED, Kind.ASSIGNED, Kind.ASSIGNED, Kind.OPENED]
"""One reader and the trainee."""


def test_an_exam_enters_is_sealed_and_opens_at_its_instant(site):
    site.policies.how = counts
    key = site.study()
    site.run()
    assert site.kinds(key) == [Kind.ARRIVED]
    site.analysed(key, findings(9.0, mark()))
    site.run(10)
    assert site.kinds(key) == [Kind.ARRIVED, Kind.AI_SEALED]
    site.run(19.9)
    assert site.row(key).state == State.WAITING, "the AI is ready, and nobody can tell"
    site.run(0.1)
    exam = site.exam(key)
    assert site.kinds(key) == [Kind.ARRIVED, Kind.AI_SEALED, *OPENED]
    assert exam.opened_at == START + WAITING
    opinion = exam.ai.opinion
    assert (opinion.said, opinion.exam_score, opinion.probability) == (AiSaid.RECALL, 9.0, 0.2)
    assert opinion.models == {"mass": "d" * 64}
    assert verify(exam.seal, opinion)
    assert opinion.sealed_at < exam.opened_at
    assert site.run(5) == 0, "nothing is done twice"
    site.read(key, NORMAL)
    assert site.row(key).state == State.DISCORDANT


def test_a_mark_says_where_it_is():
    found = mark_of(mark())
    assert (found.breast, found.view) == (Breast.RIGHT, View.MLO)
    assert found.finding_type is FindingType.MASS
    assert found.lesion_uid == "1.2.1"
    assert found.place.centre_px == (25, 30)
    assert found.place.radius_px == 25
    assert mark_of(mark(right=False)).breast is Breast.LEFT
    assert mark_of(mark().model_copy(update={"qualities": ()})) is None


def test_an_opinion_holds_what_a_plan_depends_on():
    high = Quality(
        name="score_category",
        concept=SCORE,
        value=Code(value="SCORE-HIGH", scheme="99GRANSK", meaning="AI score high"),
    )
    plain = findings(9.0)
    for found, category, research in (
        (plain, None, True),
        (plain.model_copy(update={"qualities": (high,)}), "high", True),
        (
            plain.model_copy(
                update={"models": (plain.models[0].model_copy(update={"research": False}),)}
            ),
            None, False,
        ),
    ):  # fmt: skip
        opinion = opinion_of(found, "r", "a", Said(AiSaid.RECALL), START)
        assert (opinion.category, opinion.research) == (category, research)


def test_it_opens_at_the_same_instant_without_the_ai(site):
    site.policies.how = counts
    ready, late = site.study(), site.study()
    site.run()
    site.analysed(ready)
    site.run(30)
    assert site.exam(ready).opened_at == site.exam(late).opened_at == START + WAITING
    assert (len(site.asked(ready)), len(site.asked(late))) == (1, 2)
    assert site.asked(late)[0] == site.exam(late).drawn[0]
    report = site.analysed(late, findings(9.5))
    site.run(1)
    exam = site.exam(late)
    assert exam.late_ai.opinion.said is AiSaid.RECALL
    assert exam.ai is None
    assert site.run(1) == 0
    site.read(late, NORMAL, NORMAL)
    assert site.row(late).verdict == "normal"
    assert release(site, report) is False, "kept as shadow"


@pytest.mark.parametrize(
    ("state", "reason", "kept"),
    [
        (WorkState.NOT_ANALYSED, "image_quality", "image_quality"),
        (WorkState.FAILED, "worker_lost", "worker_lost"),
        (WorkState.FAILED, None, "internal_error"),
    ],
)
def test_no_opinion_is_sealed_too(site, state, reason, kept):
    site.policies.how = counts
    key = site.study()
    site.change(key, state=state, reason=reason)
    site.run()
    site.run(30)
    exam = site.exam(key)
    assert (exam.ai.opinion.said, exam.ai.opinion.reason) == (AiSaid.NO_OPINION, kept)
    assert len(site.asked(key)) == 2
    assert site.run(1) == 0


def test_a_failed_analysis_that_ends_in_time_is_sealed_again(site):
    site.policies.how = counts
    key = site.study(WorkState.FAILED)
    site.run()
    site.analysed(key)
    site.run(5)
    site.run(25)
    assert site.kinds(key)[:3] == [Kind.ARRIVED, Kind.AI_SEALED, Kind.AI_SEALED]
    assert site.exam(key).ai.opinion.said is AiSaid.NORMAL
    assert len(site.asked(key)) == 1


def test_without_a_calibration_there_is_no_opinion(site):
    site.policies.how = counts
    key = site.study()
    site.analysed(key, findings(None))
    site.run()
    site.run(30)
    assert site.exam(key).ai.opinion.reason == "not_calibrated"
    assert len(site.asked(key)) == 2
    assert site.kinds(key).count(Kind.AI_SEALED) == 1


def test_another_policy_by_the_time_it_opens(site):
    site.policies.how = counts
    key = site.study()
    site.analysed(key, findings(5.0))
    site.run()
    site.policies.recall_from, site.policies.version = 4.0, 2
    site.run(30)
    exam = site.exam(key)
    assert site.kinds(key).count(Kind.AI_SEALED) == 2
    assert (exam.ai.opinion.said, exam.ai.opinion.policy_version) == (AiSaid.RECALL, 2)
    assert exam.ai.opinion.sealed_at == exam.opened_at


def test_policies_that_fail_hold_no_exam_up(site, caplog):
    def fails(exam):
        raise InvalidValueError("policy", "?", "one that works")

    site.policies.how = fails
    key = site.study()
    site.run()
    site.run(30)
    assert len(site.asked(key)) == 2
    assert "two people read" in caplog.text


def test_an_opinion_that_cannot_be_read_holds_no_exam_up(site, caplog):
    site.policies.how = counts
    key = site.study()
    site.run()
    site.analysed(key)
    for path in site.blobs.folder.rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")
    site.run(30)
    assert site.row(key).state == State.FIRST_READ
    assert len(site.asked(key)) == 2
    assert "stands still: BlobError" in caplog.text


def test_what_stays_outside(site):
    site.policies.unit = None
    clinical = site.study()
    opener = site.opener()
    assert opener.run_once(START) == 0
    asked = site.policies.asked
    opener.run_once(START)
    assert site.policies.asked == asked, "not asked again at once"
    site.policies.unit = UNIT
    # Another input is another question.
    site.change(clinical, generation=1)
    assert opener.run_once(START) == 1
    old = site.study()
    site.change(old, images_at=site.policies.began - minutes(1))
    gone = site.study(WorkState.WITHDRAWN)
    other = site.study()
    site.change(other, application="nodule")
    released = site.study()
    report = site.analysed(released)
    with site.database.begin() as session:
        session.get_one(Report, report).released_at = START
    site.run()
    with site.database.read() as session:
        entered = set(session.scalars(select(ExamRow.study_key)))
        assert entered == {clinical}
        assert not covers(site.policies, session, site.item(session, old), START)
        assert not covers(site.policies, session, site.item(session, other), START)
        assert covers(site.policies, session, site.item(session, gone), START)


def test_other_images_before_it_opens_and_after(site):
    site.policies.how = counts
    key = site.study()
    site.analysed(key)
    site.run()
    site.at += minutes(20)
    site.change(key, fingerprint="i2", images_at=site.at, state=WorkState.RUNNING)
    site.run()
    exam = site.exam(key)
    assert (exam.ai, exam.opens_at) == (None, site.at + WAITING)
    site.run(29)
    assert site.row(key).state == State.WAITING
    site.run(1)
    assert len(site.asked(key)) == 2, "the opinion of the first images does not count"
    site.read(key, NORMAL)
    site.change(key, fingerprint="i3", images_at=site.at)
    site.run()
    assert site.row(key).state == State.WAITING
    site.analysed(key)
    site.run(30)
    assert len(site.asked(key)) == 1
    site.read(key, NORMAL)
    assert site.row(key).state == State.DECIDED
    site.change(key, fingerprint="i4", images_at=site.at)
    assert site.opener().alert(site.at) == 1
    assert site.opener().alert(site.at) == 0
    row = site.row(key)
    assert (row.state, row.alerts, row.images) == (State.DECIDED, 1, "i4")


def test_a_corrected_identity_leaves_reads_draw_and_seal_as_they_are(site):
    key = site.study()
    site.analysed(key)
    site.run()
    site.run(30)
    site.read(key, NORMAL)
    before, entries = site.exam(key), site.row(key).entries
    site.change(key, fingerprint="i2", read_as=site.row(key).images, state=WorkState.RUNNING)
    site.run()
    site.change(key, state=WorkState.READY)
    site.run(5)
    assert site.row(key).entries == entries
    assert site.exam(key) == before
    site.read(key, NORMAL)
    assert site.row(key).state == State.DECIDED
    site.change(key, fingerprint="i3")
    assert site.opener().alert(site.at) == 0, "decided on these images"
    site.change(key, fingerprint="i4", read_as="")
    assert site.opener().alert(site.at) == 1


def test_a_technical_repeat_goes_on_with_new_images(site):
    key = site.study()
    site.run()
    site.run(30)
    site.read(key, TECHNICAL, TECHNICAL)
    site.change(key, fingerprint="i2", images_at=site.at)
    site.run()
    site.run(30)
    assert site.row(key).state == State.FIRST_READ


def test_deleted_and_sent_again(site):
    key = site.study()
    site.run()
    site.run(30)
    site.change(key, state=WorkState.WITHDRAWN)
    site.run()
    assert site.row(key).state == State.WITHDRAWN
    assert site.run() == 0
    site.change(key, state=WorkState.RUNNING, images_at=site.at)
    site.run()
    assert site.row(key).state == State.WAITING
    with site.database.begin() as session:
        acts.withdraw(session, key, Actor("kim", "coordinator"), "cancelled")
    assert site.run(60) == 0, "what a person withdrew stays withdrawn"


def test_returned_to_people_before_it_opens(site):
    site.policies.how = counts
    key = site.study()
    site.analysed(key)
    site.run()
    with site.database.begin() as session:
        acts.return_to_humans(session, key, Actor("kim", "coordinator"), "she asked")
    site.run(30)
    assert len(site.asked(key)) == 2
    assert PlanReason.RETURNED in site.exam(key).plan.reasons


def test_an_exam_that_lacks_somebody_is_given_when_somebody_comes(site):
    site.people("bo", "cara", "dan", active=False)
    key = site.study()
    site.run()
    site.run(30)
    assert site.row(key).missing == "first"
    assert site.run(1) == 0
    site.people("cara", arbitrates=True)
    site.run(1)
    assert (len(site.asked(key)), site.row(key).missing) == (2, "")


# Reports


def release(site, report):
    with site.database.begin() as session:
        return release_report(
            session, report, "policy", lambda *_: {"pacs": ("SR",)}, None, site_covers(site)
        )


def site_covers(site):
    return lambda session, item: covers(site.policies, session, item, site.at)


def rows(site):
    with site.database.read() as session:
        return [row.arguments[0] for row in open_rows(session, site_covers(site))]


def test_a_report_leaves_with_the_decision(site):
    site.policies.how = counts
    key = site.study()
    report = site.analysed(key, findings(9.0))
    assert rows(site) == [], "covered, and not entered yet"
    assert not release(site, report)
    site.run()
    site.run(30)
    assert rows(site) == []
    assert not release(site, report)
    with site.database.read() as session:
        assert session.scalars(select(Delivery)).all() == []
    site.read(key, RECALL)
    assert rows(site) == [report]
    assert release(site, report)
    with site.database.read() as session:
        assert session.get_one(Report, report).released_by == LEDGER
        assert len(session.scalars(select(Delivery)).all()) == 1


def test_a_report_leaves_as_it_opens_where_marks_are_shown(site):
    site.policies.how = lambda exam: plan(PolicyKind.DECISION_SUPPORT)
    key = site.study()
    report = site.analysed(key)
    site.run()
    assert rows(site) == []
    site.run(30)
    assert rows(site) == [report]


@pytest.mark.parametrize("fell", ["withdrawn", "superseded"])
def test_a_report_that_stands_again_waits_for_the_opening_of_its_exam(site, fell):
    site.policies.how = lambda exam: plan(PolicyKind.DECISION_SUPPORT)
    key = site.study()
    report = site.analysed(key)
    site.run()
    site.run(30)
    assert release(site, report)
    sent(site)
    if fell == "withdrawn":
        with site.database.begin() as session:
            withdraw_report(session, report, key)
        site.change(key, state=WorkState.WITHDRAWN)
        site.run()
        assert site.row(key).state == State.WITHDRAWN
        with site.database.begin() as session:
            restore_report(session, report)
        site.change(key, state=WorkState.READY, images_at=site.at)
    else:
        site.change(key, fingerprint="i2", images_at=site.at)
        site.analysed(key)
        site.run()
        site.change(key, fingerprint="i1")
        assert site.analysed(key) == report
    assert lines(site, report) == [DeliveryState.RECALL], "it leaves its destinations"
    with site.database.read() as session:
        assert len(recall.open_rows(session)) == 1
    assert rows(site) == [], "its exam is not opened anew yet"
    assert not release(site, report)
    site.run()
    assert site.row(key).state == State.WAITING
    assert rows(site) == []
    assert not release(site, report)
    site.run(30)
    assert rows(site) == [report]
    assert release(site, report)
    assert lines(site, report) == [DeliveryState.WAITING]
    with site.database.read() as session:
        assert session.get_one(Report, report).released_by == LEDGER
        assert recall.open_rows(session) == []


def test_a_report_outside_the_reading_room_stands_again_at_once(site):
    site.policies.unit = None
    key = site.study()
    report = site.analysed(key)
    assert release(site, report)
    sent(site)
    with site.database.begin() as session:
        withdraw_report(session, report, key)
        restore_report(session, report)
    assert lines(site, report) == [DeliveryState.WAITING]


def lines(site, report):
    with site.database.read() as session:
        return session.scalars(select(Delivery.state).where(Delivery.report_key == report)).all()


def sent(site):
    """What was queued arrived."""
    with site.database.begin() as session:
        for line in session.scalars(select(Delivery)):
            line.state, line.sent_at = DeliveryState.SENT, site.at


def test_a_shadow_never_leaves(site):
    site.policies.how = lambda exam: plan(PolicyKind.SHADOW)
    key = site.study()
    report = site.analysed(key)
    site.run()
    site.run(30)
    site.read(key, RECALL, RECALL)
    assert site.row(key).state == State.DECIDED
    assert rows(site) == []
    assert not release(site, report)


def test_what_is_outside_leaves_at_once(site):
    site.policies.unit = None
    report = site.analysed(site.study())
    assert rows(site) == [report]
    assert release(site, report)
    with site.database.read() as session:
        assert session.get_one(Report, report).released_by == "policy"


def test_another_workflow_releases_what_was_refused_before(site):
    site.policies.unit = None
    key = site.study()
    site.analysed(key)
    with site.database.read() as session:
        (before,) = open_rows(session, site_covers(site))
    site.policies.unit = UNIT
    site.policies.how = lambda exam: plan(PolicyKind.DECISION_SUPPORT)
    site.run()
    site.run(30)
    with site.database.read() as session:
        (after,) = open_rows(session, site_covers(site))
    assert before.arguments == after.arguments
    assert before.workflow_id != after.workflow_id


# Crashes


class Crash(BaseException):
    """The process ends here."""


def busy(site):
    """Exams at every stage: to enter, to seal, to open, changed, late, gone."""
    site.policies.how = counts
    late, changed, gone, waits = (site.study() for _ in range(4))
    site.run()
    site.run(30)
    site.analysed(late)
    site.change(changed, fingerprint="i2", images_at=site.at)
    site.change(gone, state=WorkState.WITHDRAWN)
    new, sealable = site.study(), site.study()
    site.analysed(sealable)
    site.read(waits, NORMAL)
    return [late, changed, gone, waits, new, sealable]


def finish(site):
    site.run()
    site.run(31)


def history(site, keys):
    with site.database.read() as session:
        return [[(one.kind, one.actor) for one in entries(session, key)] for key in keys]


def where_it_crashes(session_event, number):
    """A listener that ends the process at the n-th commit."""
    seen = {"count": 0}

    def listener(*_):
        seen["count"] += 1
        if seen["count"] == number:
            raise Crash

    return session_event, listener


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("expected")
    database = Database(f"sqlite:///{folder}/test.db")
    upgrade(database)
    place = Site(database, BlobStore(folder / "blobs"))
    place.unit()
    keys = busy(place)
    finish(place)
    found = history(place, keys)
    database.close()
    return found


@pytest.mark.parametrize("when", ["before_commit", "after_commit"])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 6, 8])
def test_a_crash_anywhere_changes_nothing(site, expected, when, number):
    keys = busy(site)
    name, listener = where_it_crashes(when, number)
    event.listen(Session, name, listener)
    try:
        with pytest.raises(Crash):
            finish(site)
    finally:
        event.remove(Session, name, listener)
    site.at = max(site.at, START + minutes(30))
    while site.run():
        pass
    site.at = START + minutes(61)
    finish(site)
    assert history(site, keys) == expected


def _dies(url, blobs, at):
    place = Site(Database(url), BlobStore(blobs), Policies(how=_ends), at=at)
    place.run()


def _ends(exam):
    os._exit(9)


def test_a_process_that_is_killed_while_it_opens_an_exam(site):
    site.policies.how = counts
    key = site.study()
    site.analysed(key)
    site.run()
    context = multiprocessing.get_context("fork")
    at = START + minutes(30)
    process = context.Process(target=_dies, args=(site.database.url, site.blobs.folder, at))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    assert site.row(key).state == State.WAITING
    site.run(30)
    assert site.kinds(key) == [Kind.ARRIVED, Kind.AI_SEALED, *OPENED]


def _runs(url, blobs, at, barrier):
    place = Site(Database(url), BlobStore(blobs), Policies(how=counts), at=at)
    barrier.wait(30)
    place.run()


def test_two_processes_open_an_exam_once(site):
    site.policies.how = counts
    keys = [site.study() for _ in range(5)]
    for key in keys[:3]:
        site.analysed(key)
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(2)
    site.at += minutes(30)
    processes = [
        context.Process(target=_runs, args=(site.database.url, site.blobs.folder, site.at, barrier))
        for _ in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    site.run()
    for key in keys:
        kinds = site.kinds(key)
        for kind in (Kind.ARRIVED, Kind.PLANNED, Kind.OPENED):
            assert kinds.count(kind) == 1
    with site.database.read() as session:
        assert len(session.scalars(select(Workitem)).all()) == 5


def test_one_exam_that_fails_holds_no_other_up(site, monkeypatch, caplog):
    first, second = site.study(), site.study()
    real = opening.arrive

    def fails(session, key, *values):
        if key == min(first, second):
            raise InvalidValueError("exam", key, "another")
        return real(session, key, *values)

    monkeypatch.setattr(opening, "arrive", fails)
    assert site.run() == 1
    assert "stands still" in caplog.text
    monkeypatch.undo()
    assert site.run() == 1
