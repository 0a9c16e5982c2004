"""Answers of risk profiles: kept as they were given, and which of them counts at a study."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from gransk.core.errors import UnreadableInputError
from gransk.results import profiles
from gransk.results.tables import Analysis, Blob, ProfileAnswer, Track
from gransk.site.database import Database, utcnow
from gransk.site.events import EventKind
from gransk.site.guards import missing_guards
from gransk.site.migrate import upgrade
from gransk.site.tables import Event
from nodule.application import NoduleApplication

SCHEMA = NoduleApplication.profile_schema


@dataclass(frozen=True)
class Study:
    key: str
    study_date: str = "20260115"
    patient_id: str = "010101-0000"
    issuer_of_patient_id: str = ""
    patient_birth_date: str = "19510101"
    patient_sex: str = "F"


FIRST, LATER = Study("a" * 32), Study("b" * 32, "20270115")


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/gransk.db")
    upgrade(database)
    yield database
    database.close()


def answer(value, date="2026-01-15", source="person"):
    return {"value": value, "source": source, "date": date}


def keep(database, study, at_study=True, actor="anna", **parts):
    with database.begin() as session:
        return profiles.keep(session, study, "nodule", parts, SCHEMA, actor, at_study)


def current(database, study, application="nodule"):
    with database.read() as session:
        return profiles.current(session, study, application)


def smoking(database, study):
    return current(database, study).get("patient", {}).get("smoking", {}).get("value")


def test_answers_come_back_in_the_form_of_the_schema(database):
    given = {
        "patient": {"smoking": answer("former"), "emphysema": answer(None)},
        "nodules": [{"tracking_uid": "1.2.3", "pet_uptake": answer("faint", source="rest")}],
    }
    assert keep(database, FIRST, **given) == 3
    assert current(database, FIRST) == given
    assert current(database, FIRST, "mammo") == {}
    NoduleApplication().check_profile(current(database, FIRST))


def test_the_last_word_counts_and_every_word_stays(database):
    keep(database, FIRST, patient={"smoking": answer("never")})
    keep(database, FIRST, patient={"smoking": answer("former")}, actor="bo")
    assert smoking(database, FIRST) == "former"
    with database.read() as session:
        kept = profiles.history(session, FIRST, "nodule")
        assert [(row.value, row.actor) for row in kept] == [("former", "bo"), ("never", "anna")]
    for statement in ("UPDATE profile_answer SET source = 'x'", "DELETE FROM profile_answer"):
        with pytest.raises(DatabaseError, match="append-only"), database.begin() as session:
            session.execute(text(statement))


def test_the_same_answer_is_not_written_again(database):
    given = {"smoking": answer("never"), "emphysema": answer(False)}
    assert keep(database, FIRST, patient=given) == 2
    assert keep(database, FIRST, patient=given) == 0
    assert keep(database, FIRST, patient={**given, "emphysema": answer(True)}) == 1
    with database.read() as session:
        events = session.scalars(
            select(Event).where(Event.kind == EventKind.PROFILE_ANSWERED)
        ).all()
        assert [event.data["keys"] for event in events] == [["emphysema", "smoking"], ["emphysema"]]
        assert {event.subject for event in events} == {FIRST.key}
        assert "never" not in str([event.data for event in events])


def test_answers_about_the_patient_count_at_all_studies_and_about_the_scan_at_one(database):
    keep(
        database,
        FIRST,
        patient={"smoking": answer("never"), "setting": answer("screening")},
        nodules=[
            {"tracking_uid": "1.2", "spiculated": answer(True), "course": answer("first")},
        ],
    )
    assert current(database, LATER) == {
        "patient": {"smoking": answer("never")},
        "nodules": [{"tracking_uid": "1.2", "spiculated": answer(True)}],
    }
    assert current(database, FIRST)["patient"]["setting"] == answer("screening")


def test_of_other_studies_the_answer_of_the_studys_day_counts(database):
    between = Study("c" * 32, "20260701")
    keep(database, FIRST, patient={"smoking": answer("current", "2026-01-15")})
    keep(database, LATER, patient={"smoking": answer("former", "2027-01-15")})
    assert smoking(database, between) == "current"
    assert smoking(database, LATER) == "former"
    assert smoking(database, Study("d" * 32, "20280101")) == "former"
    assert smoking(database, Study("e" * 32, "20250101")) == "current"
    assert smoking(database, Study("f" * 32, "")) == "former"


def test_the_word_given_at_a_study_comes_before_others(database):
    keep(database, FIRST, patient={"smoking": answer("never", "2020-01-01")})
    keep(
        database, FIRST, at_study=False, patient={"smoking": answer("former", "2026-01-10", "fhir")}
    )
    assert smoking(database, FIRST) == "never"
    assert smoking(database, LATER) == "former"


def test_answers_without_a_study_leave_out_what_is_about_a_scan(database):
    given = {"smoking": answer("former"), "setting": answer("screening")}
    assert keep(database, FIRST, at_study=False, patient=given) == 1
    assert list(current(database, FIRST)["patient"]) == ["smoking"]


@pytest.mark.parametrize(
    "other",
    [
        {"patient_id": "020202-0000"},
        {"issuer_of_patient_id": "ELSEWHERE"},
        {"patient_birth_date": "19600101"},
        {"patient_sex": "M"},
    ],
)
def test_answers_are_not_taken_for_another_patient(database, other):
    keep(database, FIRST, patient={"smoking": answer("never")})
    assert current(database, Study("b" * 32, **other)) == {}
    assert smoking(database, Study("b" * 32, patient_birth_date="", patient_sex="")) == "never"
    with database.read() as session:
        study = Study("b" * 32, **other)
        own = {(study.patient_id, study.issuer_of_patient_id)}
        assert profiles.current(session, study, "nodule", own) == {}, "its own joins nothing"


def test_studies_without_an_identifier_share_no_answers(database):
    nameless = Study("c" * 32, patient_id="")
    keep(database, nameless, patient={"smoking": answer("never")})
    assert smoking(database, nameless) == "never"
    assert current(database, Study("d" * 32, patient_id="")) == {}


def test_a_lesion_that_took_another_identity_keeps_its_answers(database):
    keep(database, FIRST, nodules=[{"tracking_uid": "1.2.9", "pet_uptake": answer("faint")}])
    with database.begin() as session:
        session.add(Blob(sha256="f" * 64, size=1, created_at=utcnow()))
        session.flush()
        session.add(
            Analysis(key="a" * 64, application="nodule", findings_sha256="f" * 64,
                     pictures_sha256="f" * 64, seconds=1.0, sealed_at=utcnow())
        )  # fmt: skip
        session.flush()
        session.add(
            Track(analysis_key="a" * 64, finding_uid="1.2.9", lesion_uid="1.2.1",
                  study_key=FIRST.key, at=utcnow())
        )  # fmt: skip
    found = current(database, FIRST)["nodules"]
    assert found == [{"tracking_uid": "1.2.1", "pet_uptake": answer("faint")}]
    again = [{"tracking_uid": "1.2.1", "pet_uptake": answer("intense")}]
    assert keep(database, FIRST, nodules=again) == 1
    assert current(database, FIRST)["nodules"] == again
    assert keep(database, FIRST, nodules=again) == 0


@pytest.mark.parametrize(
    "bad",
    [
        {"patient": 1},
        {"patient": {"smoking": "never"}},
        {"patient": {"smoking": {"value": "never", "source": "person"}}},
        {"patient": {"smoking": answer("never", "yesterday")}},
        {"nodules": ["1.2"]},
    ],
)
def test_what_is_no_answer_is_refused_without_its_value(database, bad):
    with pytest.raises(UnreadableInputError) as caught:
        keep(database, FIRST, **bad)
    assert "never" not in str(caught.value)
    with database.read() as session:
        assert session.scalars(select(ProfileAnswer)).all() == []


def test_the_database_guards_the_answers(database):
    with database.read() as session:
        assert missing_guards(session) == []
