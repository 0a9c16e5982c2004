"""Tracking UIDs over studies in any order of arrival."""

import itertools

import pytest
from sqlalchemy import func, select

from gransk.results.blobs import BlobStore
from gransk.results.store import seal_analysis
from gransk.results.tables import Track
from gransk.results.tracks import Link, link, tracking
from gransk.site.database import Database
from gransk.site.migrate import upgrade

STUDIES = {letter * 64: f"study-{letter}" for letter in "abcd"}
A, B, C, D = STUDIES


@pytest.fixture
def session(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/gransk.db")
    upgrade(database)
    blobs = BlobStore(tmp_path / "blobs")
    with database.begin() as session:
        for key in STUDIES:
            seal_analysis(session, key, "nodule", blobs.put(b"{}"), blobs.put(b"p"), 1.0)
        yield session
    database.close()


def linked(session, key, uids, *links):
    found = [Link(uid, other, theirs) for uid, other, theirs in links]
    return link(session, STUDIES[key], key, uids, found, STUDIES)


def test_a_finding_alone_keeps_its_own_uid(session):
    assert linked(session, A, ["1.1", "1.2"]).tracking == {"1.1": "1.1", "1.2": "1.2"}


def test_a_matched_finding_bears_the_earlier_lesions_uid(session):
    linked(session, A, ["1.1"])
    assert linked(session, B, ["2.1", "2.2"], ("2.1", A, "1.1")).tracking == {
        "2.1": "1.1",
        "2.2": "2.2",
    }
    assert linked(session, C, ["3.1"], ("3.1", B, "2.1")).tracking == {"3.1": "1.1"}


def test_linking_again_changes_nothing(session):
    linked(session, A, ["1.1"])
    once = linked(session, B, ["2.1"], ("2.1", A, "1.1"))
    again = linked(session, B, ["2.1"], ("2.1", A, "1.1"))
    assert again == once
    assert not again.changed


def test_an_earlier_study_that_arrives_late_takes_the_uid_that_was_reported(session):
    linked(session, B, ["2.1"])
    found = linked(session, A, ["1.1"], ("1.1", B, "2.1"))
    assert found.tracking == {"1.1": "2.1"}
    assert not found.changed


def test_a_study_between_two_joins_their_lesions_under_the_first_uid(session):
    linked(session, C, ["3.1"])
    linked(session, A, ["1.1"])
    found = linked(session, B, ["2.1"], ("2.1", A, "1.1"), ("2.1", C, "3.1"))
    assert found.tracking == {"2.1": "3.1"}
    assert found.changed == {"study-a"}, "its report wrote another UID"
    assert tracking(session, A) == {"1.1": "3.1"}
    assert tracking(session, C) == {"3.1": "3.1"}


def test_two_findings_of_one_analysis_never_become_one_lesion(session):
    linked(session, A, ["1.1"])
    found = linked(session, B, ["2.1", "2.2"], ("2.1", A, "1.1"), ("2.2", A, "1.1"))
    assert found.tracking == {"2.1": "1.1", "2.2": "2.2"}
    linked(session, C, ["3.1"], ("3.1", B, "2.2"))
    kept = linked(session, D, ["4.1"], ("4.1", A, "1.1"), ("4.1", C, "3.1"))
    assert kept.tracking == {"4.1": "1.1"}
    assert tracking(session, B) == {"2.1": "1.1", "2.2": "2.2"}
    assert tracking(session, C) == {"3.1": "2.2"}


@pytest.mark.parametrize("order", list(itertools.permutations(STUDIES)))
def test_whatever_the_order_one_lesion_has_one_uid(session, order):
    """Each study is compared with those that came before it, as the suite does."""
    uids = {key: f"{number}.1" for number, key in enumerate(STUDIES, 1)}
    for number, key in enumerate(order):
        links = [(uids[key], other, uids[other]) for other in order[:number]]
        linked(session, key, [uids[key]], *links)
    named = {tracking(session, key)[uids[key]] for key in STUDIES}
    assert named == {uids[order[0]]}
    lesions = select(func.count(Track.lesion_uid.distinct()))
    assert session.scalar(lesions) == 1
