"""Urgent studies: which release makes one so, that it never falls, and whose order it changes."""

from __future__ import annotations

import datetime

import pytest
from reading_room import NORMAL, plan
from reading_site import Site, findings, mark
from sqlalchemy import select

from gransk.reading import lists
from gransk.reading.acts import Actor
from gransk.reading.desk import following
from gransk.reading.entries import TaskKind
from gransk.reading.plan import PolicyKind
from gransk.reading.release import in_turn, release_report
from gransk.reading.urgent import Raiser, standing
from gransk.results import edits
from gransk.results.blobs import BlobError, BlobStore
from gransk.results.edits import Person, Seen
from gransk.results.message_tables import Announcement, OutgoingMessage
from gransk.results.store import restore_report, withdraw_report
from gransk.results.tables import Report, WorkState
from gransk.results.told_reports import PriorityTold
from gransk.results.urgency import Level, Urgency
from gransk.site.config_priority import PrioritySection
from gransk.site.database import Database
from gransk.site.events import EventKind
from gransk.site.migrate import upgrade
from gransk.site.tables import Event

RULES = PrioritySection.model_validate(
    {
        "rules": [
            {"name": "high-score", "level": "high", "da": "Høj score", "en": "High score",
             "application": "mammo", "when": {"exam_score_from": 8}},
            {"name": "highest", "level": "stat", "da": "Højeste score", "en": "Highest score",
             "application": "mammo", "when": {"exam_score_from": 10}},
            {"name": "nodule", "level": "stat", "da": "Andet", "en": "Other",
             "application": "nodule", "when": {"exam_score_from": 1}},
        ]
    }
)  # fmt: skip
DORTE = Person("dorte", "Dorte Doctor", "radiologist")
SUPPORT = plan(PolicyKind.DECISION_SUPPORT)


@pytest.fixture
def site(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/test.db")
    upgrade(database)
    found = Site(database, BlobStore(tmp_path / "blobs"))
    found.unit()
    yield found
    assert found.wrong() == []
    database.close()


def release(site, report, to=("ris",), rules=RULES.rules):
    raiser = Raiser(site.blobs, rules, {}, "da", to)
    with site.database.begin() as session:
        return release_report(session, report, "policy", lambda *_: {}, in_turn(raiser))


def analysed(site, key, score):
    report = site.analysed(key, findings(score, mark()))
    assert release(site, report)
    return report


def urgency(site, key):
    with site.database.read() as session:
        return session.get(Urgency, key)


def shown(site, key):
    with site.database.read() as session:
        return standing(session, key)


def announced(site):
    with site.database.read() as session:
        told = session.scalars(select(Announcement).order_by(Announcement.number)).all()
        out = session.scalars(select(OutgoingMessage.destination)).all()
    assert len(out) == len(told)
    return [PriorityTold.model_validate(one.content) for one in told]


def events(site):
    with site.database.read() as session:
        query = select(Event.data).where(Event.kind == EventKind.STUDY_URGENT)
        return [(data["level"], data["rule"]) for data in session.scalars(query)]


def test_an_unread_study_moves_up_in_the_transaction_that_releases(site):
    key = site.study()
    report = analysed(site, key, 9.0)
    row = urgency(site, key)
    assert (row.level, row.rule, row.application, row.report_key) == (
        Level.HIGH, "high-score", "mammo", report,
    )  # fmt: skip
    assert shown(site, key) is not None
    (told,) = announced(site)
    assert (told.level, told.words) == (Level.HIGH, "Høj score")
    assert events(site) == [("high", "high-score")]


def test_nothing_moves_where_no_rule_holds_or_nothing_is_released(site):
    low = site.study()
    analysed(site, low, 3.0)
    held = site.study()
    site.analysed(held, findings(10.0))
    assert urgency(site, low) is urgency(site, held) is None
    assert announced(site) == []


def test_a_release_that_is_rolled_back_moved_nothing(site):
    key = site.study()
    report = site.analysed(key, findings(9.0))

    def broken(session, item, row):
        raise RuntimeError

    raiser = Raiser(site.blobs, RULES.rules, {}, "da", ("ris",))
    with pytest.raises(RuntimeError), site.database.begin() as session:
        release_report(session, report, "policy", lambda *_: {}, in_turn(raiser, broken))
    assert urgency(site, key) is None
    assert announced(site) == []


def test_it_rises_and_never_falls(site):
    key = site.study()
    analysed(site, key, 9.0)
    site.at += datetime.timedelta(minutes=1)
    site.change(key, fingerprint="i2")
    highest = analysed(site, key, 10.0)
    assert (urgency(site, key).level, urgency(site, key).report_key) == (Level.STAT, highest)
    site.change(key, fingerprint="i3")
    analysed(site, key, 9.0)
    site.change(key, fingerprint="i4")
    analysed(site, key, 2.0)
    row = shown(site, key)
    assert (row.level, row.rule, row.report_key) == (Level.STAT, "highest", highest)
    assert [told.level for told in announced(site)] == [Level.HIGH, Level.STAT]


def test_the_same_level_again_is_told_once_and_its_reason_is_the_last_report_s(site):
    key = site.study()
    analysed(site, key, 8.0)
    site.change(key, fingerprint="i2")
    last = analysed(site, key, 9.0)
    assert urgency(site, key).report_key == last
    assert len(announced(site)) == 1


def sign(site, key):
    with site.database.begin() as session:
        edits.sign(session, Seen.of(site.item(session, key)), DORTE)


def test_a_signed_study_is_not_urgent_any_more(site):
    key = site.study()
    analysed(site, key, 9.0)
    sign(site, key)
    assert shown(site, key) is None
    assert urgency(site, key) is not None, "the record stays"
    with site.database.begin() as session:
        number = edits.acts(session, key, "mammo")[-1].number
        edits.withdraw(session, Seen.of(site.item(session, key)), DORTE, number)
    assert shown(site, key) is not None


def test_what_is_signed_as_it_is_released_moves_nothing(site):
    key = site.study()
    analysed(site, key, 2.0)
    sign(site, key)
    with site.database.begin() as session:
        item = site.item(session, key)
        session.get_one(Report, item.report_key).released_at = None
        report = item.report_key
    release(site, report, rules=PrioritySection.model_validate(
        {"rules": [RULES.rules[0].model_dump() | {"when": {"exam_score_from": 1}}]}
    ).rules)  # fmt: skip
    assert urgency(site, key) is None


def test_new_images_after_the_signature_make_it_unread_again(site):
    key = site.study()
    analysed(site, key, 9.0)
    sign(site, key)
    site.change(key, fingerprint="i2")
    analysed(site, key, 9.5)
    assert shown(site, key) is not None
    assert len(announced(site)) == 2, "what was done with is told anew"


def test_a_withdrawn_report_s_urgency_does_not_show(site):
    key = site.study()
    report = analysed(site, key, 9.0)
    with site.database.begin() as session:
        withdraw_report(session, report, key)
    assert shown(site, key) is None


@pytest.mark.parametrize("fault", [OSError(5, "Input/output error"), BlobError("missing")])
def test_findings_that_cannot_be_read_now_let_the_release_be_tried_again(site, fault, monkeypatch):
    key = site.study()
    report = site.analysed(key, findings(9.0))

    def fails(store, sha256):
        raise fault

    with monkeypatch.context() as now:
        now.setattr(BlobStore, "get", fails)
        with pytest.raises(type(fault)):
            release(site, report)
    with site.database.read() as session:
        assert session.get_one(Report, report).released_at is None
    assert urgency(site, key) is None
    assert release(site, report)
    assert urgency(site, key)


def test_findings_that_make_no_sense_stop_no_release(site, monkeypatch):
    key = site.study()
    report = site.analysed(key, findings(9.0))
    monkeypatch.setattr(BlobStore, "get", lambda store, sha256: b"{}")
    assert release(site, report)
    assert urgency(site, key) is None


# The reading room


def opened(site, score, how, images="i1"):
    """An exam that is open, and its report released where the policy lets it."""
    site.policies.how = lambda exam: how
    key = site.study(images=images)
    report = site.analysed(key, findings(score, mark()))
    site.run()
    site.run(30)
    return key, release(site, report)


@pytest.mark.parametrize(
    "how",
    [
        plan(PolicyKind.DOUBLE_READING),
        plan(PolicyKind.TRIAGE),
        plan(PolicyKind.SAFETY_NET),
        plan(PolicyKind.REPLACE_READER),
        plan(PolicyKind.SHADOW),
    ],
    ids=lambda how: how.kind.value,
)
def test_where_marks_do_not_show_nothing_moves_before_or_after_the_decision(site, how):
    key, let_out = opened(site, 10.0, how)
    assert not let_out
    assert urgency(site, key) is None
    site.read(key, *[NORMAL] * how.human_reads)
    with site.database.read() as session:
        report = site.item(session, key).report_key
    release(site, report)
    assert urgency(site, key) is None
    assert announced(site) == []


def test_where_marks_show_the_exam_comes_first_until_it_is_decided(site):
    first, _ = opened(site, 2.0, SUPPORT)
    site.at += datetime.timedelta(minutes=1)
    last, let_out = opened(site, 10.0, SUPPORT)
    assert let_out
    both = set(site.asked(first)) & set(site.asked(last))
    if not both:
        with site.database.begin() as session:
            _give(session, site, last, site.asked(first)[0])
        both = {site.asked(first)[0]}
    reader = sorted(both)[0]
    with site.database.read() as session:
        mine = lists.mine(session, reader)
        assert [one.study_key for one in mine] == [last, first]
        assert [one.urgency is not None for one in mine] == [True, False]
        assert following(session, reader) == last
        assert following(session, reader, after=last) == first
    site.read(last, NORMAL, NORMAL)
    assert site.row(last).decided_at is not None
    assert shown(site, last) is None


def test_an_exam_whose_report_stands_again_is_urgent_as_it_opens_anew(site):
    key, let_out = opened(site, 10.0, SUPPORT)
    assert let_out
    with site.database.read() as session:
        report = site.item(session, key).report_key
    assert shown(site, key) is not None
    with site.database.begin() as session:
        withdraw_report(session, report, key)
    site.change(key, state=WorkState.WITHDRAWN)
    site.run()
    with site.database.begin() as session:
        restore_report(session, report)
    site.change(key, state=WorkState.READY, images_at=site.at)
    assert shown(site, key) is None
    site.run()
    site.run(30)
    assert shown(site, key) is None
    assert release(site, report)
    assert shown(site, key) is not None


def _give(session, site, key, taker):
    from gransk.reading import acts
    from gransk.reading.entries import Moved

    giver = site.asked(key)[0]
    moved = Moved(task=TaskKind.FIRST, giver=giver, taker=taker)
    acts.reassign(session, key, Actor("kim", "coordinator"), moved, "ill")


def test_the_order_of_who_reads_without_marks_is_by_arrival_alone(site):
    """Even where a row says that an exam is urgent."""
    first, _ = opened(site, 2.0, plan(PolicyKind.SAFETY_NET))
    site.at += datetime.timedelta(minutes=1)
    last, _ = opened(site, 10.0, plan(PolicyKind.SAFETY_NET))
    with site.database.begin() as session:
        raiser = Raiser(site.blobs, RULES.rules, {}, "da", ())
        item = site.item(session, last)
        raiser._raise(session, item, session.get_one(Report, item.report_key), RULES.rules[1])
    for name in ("anna", "bo", "cara", "dan"):
        with site.database.read() as session:
            mine = lists.mine(session, name)
        assert [one.study_key for one in mine] == [k for k in (first, last)
                                                   if name in site.asked(k)]  # fmt: skip
        assert not any(one.urgency for one in mine)


def test_rules_are_checked():
    twice = {"rules": [RULES.rules[0].model_dump()] * 2}
    with pytest.raises(ValueError, match="names differ"):
        PrioritySection.model_validate(twice)
    assert RULES.words("high-score", "en") == "High score"
    assert RULES.words("gone", "en") == "gone"
    assert RULES.unknown({"mammo"}).application == "nodule"
