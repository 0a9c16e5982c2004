"""What people do on findings: kept for good, and applied as a pure function."""

from __future__ import annotations

import datetime

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from gransk.core import codes
from gransk.core.application import Place
from gransk.core.codes import Code
from gransk.core.findings import (
    Finding,
    Findings,
    FrameRef,
    ModelIdentity,
    Quality,
    ReviewState,
)
from gransk.core.followup import renamed
from gransk.core.reasons import Reason
from gransk.results import edits
from gransk.results.blobs import BlobStore
from gransk.results.edits import Act, EditError, Person, Seen
from gransk.results.store import seal_analysis
from gransk.results.tables import ActKind, Track
from gransk.site.database import Database, utcnow
from gransk.site.migrate import upgrade
from gransk.site.tables import Event

TEXTURE = Code(value="T", scheme="99TEST", meaning="Texture")
SOLID = Code(value="S", scheme="99TEST", meaning="Solid")
GROUND_GLASS = Code(value="G", scheme="99TEST", meaning="Ground glass")
FAT = Code(value="F", scheme="99TEST", meaning="Fat")
SEEN = Seen("s" * 32, "nodule", "a" * 64, "c" * 64)
RITA = Person("rita", "Rita Radiographer", "radiographer")
DORTE = Person("dorte", "Dorte Doctor", "radiologist")
PLACE = Place("1.2.3.4.5", 12.5, 40.25)


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/gransk.db")
    upgrade(database)
    blobs = BlobStore(tmp_path / "blobs")
    with database.begin() as session:
        for key in "ab":
            seal_analysis(session, key * 64, "nodule", blobs.put(b"{}"), blobs.put(b"n"), 1.0)
    yield database
    database.close()


def lesion(number: int, uid: str = "", **values: object) -> Finding:
    return Finding(
        **{
            "tracking_uid": uid or f"1.{number}",
            "tracking_id": f"Nodule {number}",
            "kind": codes.NODULE,
            "site": codes.LUNG,
            "probability": 0.8,
            "qualities": (Quality(name="texture", concept=TEXTURE, value=SOLID),),
        }
        | values
    )


def findings(*found: Finding) -> Findings:
    return Findings(
        application="nodule",
        application_version="1.0.0",
        models=(ModelIdentity(id="m", version="1", sha256="a" * 64),),
        study_instance_uid="1.2.3",
        series_instance_uids=("1.2.3.4",),
        frames=(
            FrameRef(
                sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
                sop_instance_uid="1.2.3.4.5",
                series_instance_uid="1.2.3.4",
            ),
        ),
        findings=found,
    )


def known(database: Database, analysis_key: str | None = None) -> list[Act]:
    with database.read() as session:
        read = edits.acts(session, SEEN.study_key, SEEN.application, analysis_key)
    # As another process gets them.
    return [Act.model_validate_json(act.model_dump_json()) for act in read]


def label(name: str, concept: Code, value: Code) -> Quality:
    return Quality(name=name, concept=concept, value=value)


def test_confirmed_rejected_and_relabelled_findings(database):
    with database.begin() as session:
        edits.confirm(session, SEEN, RITA, "1.1")
        edits.reject(session, SEEN, RITA, "1.2", "vessel", "branches on 41")
        new = (label("texture", TEXTURE, GROUND_GLASS), label("fat", FAT, codes.PRESENT))
        edits.relabel(session, SEEN, DORTE, "1.1", new)
    found = edits.edited(findings(lesion(1), lesion(2), lesion(3)), known(database))
    one, two, three = found.findings
    assert [r.state for r in one.reviews] == [ReviewState.CONFIRMED, ReviewState.RELABELLED]
    assert (one.reviews[0].by, one.reviews[0].role) == ("Rita Radiographer", "radiographer")
    assert one.quality("texture") == GROUND_GLASS
    assert one.quality("fat") == codes.PRESENT
    texture, fat = one.reviews[1].changes
    assert (texture.before, texture.after) == (SOLID, GROUND_GLASS)
    assert (fat.before, fat.after) == (None, codes.PRESENT)
    assert one.labelled("texture").by == "Dorte Doctor"
    assert three.labelled("texture") is None
    assert two.rejected
    assert (two.reviews[0].reason, two.reviews[0].text) == ("vessel", "branches on 41")
    assert not one.rejected
    assert three.reviews == ()
    assert [f.tracking_uid for f in found.standing] == ["1.1", "1.3"]
    assert [f.tracking_uid for f in found.rejected] == ["1.2"]


def test_the_last_word_counts_and_an_own_act_is_taken_back(database):
    with database.begin() as session:
        edits.confirm(session, SEEN, RITA, "1.1")
        rejected = edits.reject(session, SEEN, DORTE, "1.1", "scar")
    assert edits.edited(findings(lesion(1)), known(database)).findings[0].rejected
    with database.begin() as session:
        edits.withdraw(session, SEEN, DORTE, rejected.number)
    (one,) = edits.edited(findings(lesion(1)), known(database)).findings
    assert [r.state for r in one.reviews] == [ReviewState.CONFIRMED]


@pytest.mark.parametrize(
    ("by", "number", "code"),
    [(DORTE, 1, "act_of_another"), (RITA, 99, "act_unknown"), (RITA, 2, "act_unknown")],
)
def test_what_cannot_be_taken_back(database, by, number, code):
    with database.begin() as session:
        edits.confirm(session, SEEN, RITA, "1.1")
        edits.withdraw(session, SEEN, RITA, edits.reject(session, SEEN, RITA, "1.2", "scar").number)
        number = number if number != 2 else known_withdrawal(session)
        with pytest.raises(EditError) as error:
            edits.withdraw(session, SEEN, by, number)
    assert error.value.code == code


def known_withdrawal(session):
    listed = edits.acts(session, SEEN.study_key, SEEN.application)
    return next(act.number for act in listed if act.kind is ActKind.WITHDRAW)


def test_an_act_is_taken_back_once(database):
    with database.begin() as session:
        act = edits.confirm(session, SEEN, RITA, "1.1")
        edits.withdraw(session, SEEN, RITA, act.number)
        with pytest.raises(EditError, match="already"):
            edits.withdraw(session, SEEN, RITA, act.number)


def test_an_added_finding_is_there_once_it_is_measured(database):
    with database.begin() as session:
        act = edits.add(session, SEEN, RITA, PLACE)
    (waiting,) = edits.unmeasured(known(database))
    assert waiting.place == PLACE
    assert waiting.number == act.number
    assert len(edits.edited(findings(lesion(1)), known(database)).findings) == 1
    assert len(edits.unapplied(findings(lesion(1)), known(database))) == 1
    with database.begin() as session:
        edits.measured(session, act.number, SEEN.analysis_key, lesion(1, uid="9.9"))
        edits.measured(session, act.number, SEEN.analysis_key, lesion(7))
    assert edits.unmeasured(known(database)) == []
    assert edits.unapplied(findings(lesion(1)), known(database)) == ()
    _, added = edits.edited(findings(lesion(1)), known(database)).findings
    assert added.origin == "person"
    assert added.tracking_uid == act.finding_uid != "9.9"
    assert added.tracking_id == "Nodule 2"
    assert [r.state for r in added.reviews] == [ReviewState.ADDED]
    with database.begin() as session:
        edits.reject(session, SEEN, DORTE, act.finding_uid, "other")
    assert edits.edited(findings(lesion(1)), known(database)).findings[1].rejected


def test_another_grid_is_measured_again(database):
    with database.begin() as session:
        act = edits.add(session, SEEN, RITA, PLACE)
        edits.measured(session, act.number, "a" * 64, lesion(4))
    assert edits.unmeasured(known(database, "a" * 64), "a" * 64) == []
    assert len(edits.unmeasured(known(database, "b" * 64))) == 1
    assert len(edits.unmeasured(known(database), "b" * 64)) == 1
    with database.begin() as session:
        edits.not_measured(session, act.number, "b" * 64, Reason.NO_LUNGS)
    (refused,) = known(database, "b" * 64)
    assert refused.refused is Reason.NO_LUNGS
    assert refused.finding is None
    assert edits.unmeasured([refused]) == []
    assert edits.unapplied(findings(lesion(1)), [refused]) == (refused,)


def test_acts_follow_the_lesion_to_another_analysis(database):
    with database.begin() as session:
        for analysis, finding in (("a" * 64, "1.1"), ("b" * 64, "1.7")):
            session.add(
                Track(
                    analysis_key=analysis,
                    finding_uid=finding,
                    lesion_uid="2.5",
                    study_key=SEEN.study_key,
                    at=utcnow(),
                )
            )
        session.flush()
        by_page = edits.reject(session, SEEN, RITA, "2.5", "vessel")
        by_analysis = edits.confirm(session, SEEN, RITA, "1.1")
        edits.confirm(session, SEEN, RITA, "1.2")
    assert (by_page.finding_uid, by_page.lesion_uid) == ("1.1", "2.5")
    assert (by_analysis.finding_uid, by_analysis.lesion_uid) == ("1.1", "2.5")
    again = renamed(findings(lesion(7), lesion(8)), {"1.7": "2.5"})
    one, other = edits.edited(again, known(database)).findings
    assert [r.state for r in one.reviews] == [ReviewState.REJECTED, ReviewState.CONFIRMED]
    assert other.reviews == ()
    assert [act.finding_uid for act in edits.unapplied(again, known(database))] == ["1.2"]
    first = edits.edited(findings(lesion(1), lesion(2)), known(database))
    assert all(finding.reviews for finding in first.findings)


def test_a_signature_holds_until_something_changes(database):
    assert edits.signature(known(database)) is None
    with database.begin() as session:
        edits.confirm(session, SEEN, RITA, "1.1")
        act = edits.sign(session, SEEN, DORTE)
    found = edits.signature(known(database), SEEN.analysis_key)
    assert (found.person, found.role, found.at) == ("Dorte Doctor", "radiologist", act.at)
    assert found.at.utcoffset() == datetime.timedelta(0)
    assert edits.signed_report(known(database)) == SEEN.report_key
    assert edits.signature(known(database), "b" * 64) is None
    assert edits.signature(known(database), SEEN.analysis_key, same=False) is None
    with database.begin() as session:
        edits.reject(session, SEEN, RITA, "1.2", "scar")
    assert edits.signature(known(database)) is None
    with database.begin() as session:
        edits.sign(session, SEEN, DORTE)
    assert edits.signature(known(database)) is not None


def test_what_enters_the_key_of_a_report(database):
    assert edits.report_part(known(database), None) == {}
    with database.begin() as session:
        confirmed = edits.confirm(session, SEEN, RITA, "1.1")
    first = edits.report_part(known(database), None)
    assert [act["kind"] for act in first["acts"]] == ["confirm"]
    with database.begin() as session:
        edits.sign(session, SEEN, DORTE)
    assert edits.report_part(known(database), None) == first
    signed = edits.report_part(known(database), edits.signature(known(database)))
    assert signed["acts"] == first["acts"]
    assert signed["signature"]["person"] == "Dorte Doctor"
    with database.begin() as session:
        added = edits.add(session, SEEN, RITA, PLACE)
    waiting = edits.report_part(known(database), None)
    with database.begin() as session:
        edits.measured(session, added.number, SEEN.analysis_key, lesion(4))
    assert edits.report_part(known(database), None) != waiting
    with database.begin() as session:
        edits.withdraw(session, SEEN, RITA, confirmed.number)
        edits.withdraw(session, SEEN, RITA, added.number)
    assert edits.report_part(known(database), None) == {}


def test_a_signature_is_taken_back_by_who_gave_it(database):
    with database.begin() as session:
        act = edits.sign(session, SEEN, DORTE)
        edits.withdraw(session, SEEN, DORTE, act.number)
    assert edits.signature(known(database)) is None


def test_nobody_signs_what_is_not_measured(database):
    with database.begin() as session:
        act = edits.add(session, SEEN, RITA, PLACE)
        with pytest.raises(EditError) as error:
            edits.sign(session, SEEN, DORTE)
        assert error.value.code == "act_unmeasured"
        edits.measured(session, act.number, SEEN.analysis_key, lesion(4))
        edits.sign(session, SEEN, DORTE)
    assert edits.signature(known(database)) is not None


@pytest.mark.parametrize(
    "statement", ["UPDATE finding_act SET person = 'x'", "DELETE FROM finding_act"]
)
def test_the_database_refuses_to_change_acts(database, statement):
    with database.begin() as session:
        edits.confirm(session, SEEN, RITA, "1.1")
    with pytest.raises(DatabaseError, match="append-only"), database.begin() as session:
        session.execute(text(statement))
    assert len(known(database)) == 1


def test_events_tell_who_and_what_but_no_words(database):
    with database.begin() as session:
        edits.reject(session, SEEN, RITA, "1.2", "other", "secret words")
        edits.sign(session, SEEN, DORTE)
    with database.read() as session:
        told = session.scalars(select(Event).where(Event.subject == SEEN.study_key)).all()
    assert [(e.kind, e.actor) for e in told] == [
        ("finding_edited", "rita"),
        ("report_signed", "dorte"),
    ]
    assert told[0].data["kind"] == "reject"
    assert told[0].data["finding"] == "1.2"
    assert "secret" not in str([e.data for e in told])


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "reject", "finding_uid": "1.1"},
        {"kind": "relabel", "finding_uid": "1.1"},
        {"kind": "confirm"},
        {"kind": "confirm", "finding_uid": "1.1", "reason": "vessel"},
        {"kind": "add", "finding_uid": "1.1"},
        {"kind": "withdraw"},
        {"kind": "confirm", "finding_uid": "1.1", "text": "x" * 501},
    ],
)
def test_an_act_that_makes_no_sense_is_none(wrong):
    said = {"number": 1, "account": "a", "person": "A", "role": "nurse", "at": utcnow()}
    with pytest.raises(ValueError, match=r"needs|has no|at most"):
        Act.model_validate({**said, "analysis_key": "a", **wrong})
