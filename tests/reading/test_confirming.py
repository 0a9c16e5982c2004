"""The gate where models of nodules would spare a radiologist's signature."""

from __future__ import annotations

import datetime
import threading

import pytest
from reading_site import Site, findings

from gransk.cli import serve
from gransk.core.followup import Advice, Assessment, FollowUp
from gransk.core.patients import PatientStudy
from gransk.reading import gate, rooms
from gransk.reading.confirming import SpareConfirmation
from gransk.reading.noting import Noter, unconfirmed
from gransk.reading.plan import PlanReason
from gransk.reading.policy import Room
from gransk.reading.release import release_report
from gransk.reading.tables import FollowUpRow, FollowUpState
from gransk.results.blobs import BlobStore
from gransk.results.tables import ExamKnown, Report
from gransk.site import people
from gransk.site.config import FollowUpSection, parse_config
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM
from gransk.site.migrate import upgrade
from gransk.site.tables import Role

ONE_UNIT = "{units: [{name: north, title: North}]}"
TWO_UNITS = (
    "{units: [{name: north, title: North, match: [{institution: N}]}, {name: south, title: South}]}"
)
VALIDATED, MISSING = (), (PlanReason.NOT_VALIDATED,)


def document(**minimum):
    """A version whose only rule leaves every exam outside of the reading room."""
    return Room.model_validate(
        {
            "valid_from": utcnow().date(),
            "policies": [{"name": "p", "kind": "double_reading"}],
            "rules": [{"when": {"programmes": ["clinical"]}, "policy": None}],
            "minimum": {"nodule": {"exams": 10, "cancers": 1}} | minimum,
        }
    )


def nodules(research=False):
    found = findings(None)
    models = tuple(m.model_copy(update={"research": research}) for m in found.models)
    return found.model_copy(update={"application": "nodule", "models": models})


class Ward(Site):
    """A site that lets advice be in force at once."""

    def ask(self, key):
        with self.database.begin() as session:
            item = self.item(session, key)
            return self.confirmation(session, item, session.get_one(Report, item.report_key))

    @property
    def confirmation(self):
        return SpareConfirmation(self.policies, self.blobs)

    def seen(self, found=None):
        key = self.study()
        self.change(key, application="nodule")
        self.analysed(key, found or nodules())
        return key

    def force(self, room=None):
        section = self.policies.reading
        with self.database.begin() as session:
            karen = people.find_account(session, "karen")
            today = utcnow().date()
            made = rooms.draft(session, section, room or document(), "kim", "as agreed", today, ())
            if made.open_units:
                rooms.approve(session, section, made.row.version, karen)

    def sign(self, models, unit="north", exams=10, cancers=1, **report):
        with self.database.begin() as session:
            karen = people.find_account(session, "karen")
            gate.sign(
                session,
                self.policies.reading,
                karen,
                unit,
                "nodule",
                models,
                report,
                exams,
                cancers,
            )


@pytest.fixture
def ward(tmp_path, request):
    database = Database(f"sqlite:///{tmp_path}/gransk.db")
    upgrade(database)
    units = getattr(request, "param", ONE_UNIT)
    text = f"time_zone: UTC\nfollow_up: {{after: released}}\nreading: {units}"
    config = parse_config(text, tmp_path / "gransk.yaml")
    made = Ward(database, BlobStore(tmp_path / "blobs"), config)
    made.at = utcnow()
    with database.begin() as session:
        people.create_account(session, "karen", "Karen", [Role.RESPONSIBLE_RADIOLOGIST])
    yield made
    database.close()


def test_only_a_signed_report_that_holds_the_sites_minimum_spares_a_signature(ward):
    key = ward.seen()
    assert ward.ask(key) == MISSING
    ward.force()
    assert ward.ask(key) == MISSING
    ward.sign(nodules().models, exams=9)
    assert ward.ask(key) == MISSING
    ward.sign(nodules().models, cancers=0)
    assert ward.ask(key) == MISSING
    ward.sign(nodules().models, missing=["few_cancers"])
    assert ward.ask(key) == MISSING
    ward.sign(nodules().models)
    assert ward.ask(key) == VALIDATED


def test_a_report_of_other_models_or_of_another_application_spares_nothing(ward):
    ward.force()
    key = ward.seen()
    other = tuple(m.model_copy(update={"version": "2"}) for m in nodules().models)
    ward.sign(other)
    assert ward.ask(key) == MISSING
    ward.sign(nodules().models)
    ward.change(key, application="mammo")
    assert ward.ask(key) == MISSING


def test_without_a_minimum_for_nodules_nothing_is_enough(ward):
    room = document()
    ward.force(room.model_copy(update={"minimum": {}}))
    key = ward.seen()
    ward.sign(nodules().models)
    assert ward.ask(key) == MISSING


def test_research_models_and_a_paused_unit_spare_nothing(ward):
    ward.force()
    ward.sign(nodules().models)
    assert ward.ask(ward.seen(nodules(research=True))) == (PlanReason.RESEARCH_MODEL,)
    key = ward.seen()
    with ward.database.begin() as session:
        karen = people.find_account(session, "karen")
        gate.pause(session, ward.policies.reading, karen, "north", "it is off")
    assert ward.ask(key) == (PlanReason.PAUSED,)


@pytest.mark.parametrize("ward", [TWO_UNITS], indirect=True)
def test_it_is_asked_at_the_unit_of_the_images(ward):
    ward.force()
    ward.sign(nodules().models)
    unknown, north, south = ward.seen(), ward.seen(), ward.seen()
    with ward.database.begin() as session:
        for key, unit in ((north, "north"), (south, "south")):
            session.add(ExamKnown(study_key=key, facts={"unit": [unit, "images"]}, at=utcnow()))
    assert [ward.ask(key) for key in (unknown, north, south)] == [MISSING, VALIDATED, MISSING]


def test_findings_that_cannot_be_read_spare_nothing(ward):
    ward.force()
    ward.sign(nodules().models)
    key = ward.seen()
    for kept in (ward.blobs.folder).rglob("*"):
        if kept.is_file():
            kept.write_bytes(b"damaged")
    assert ward.ask(key) == MISSING


def test_the_follow_up_list_asks_before_advice_is_in_force(ward):
    """From a released report to the list: due by a validation, else awaiting a signature."""
    ward.force()
    day = datetime.date(2026, 7, 5)
    said = {"en": "CT", "da": "CT"}
    advice = Advice(
        tracking_uid="1.1", guideline="fleischner-2017", version="1", source_state="primary",
        status="advice", row="r1", action="ct", due=(day, day), text=said, reason=said,
    )  # fmt: skip
    advised = FollowUp(assessment=Assessment(advice=(advice,)))

    def listed(patient):
        key = ward.seen()
        kept = ward.blobs.put(advised.model_dump_json().encode())
        with ward.database.begin() as session:
            report = session.get_one(Report, ward.item(session, key).report_key)
            report.follow_up_sha256 = kept.sha256
        who = PatientStudy((patient,), day)
        noter = Noter(
            ward.blobs, lambda *_: who, FollowUpSection(after="released"), ward.confirmation
        )
        with ward.database.begin() as session:
            report_key = ward.item(session, key).report_key
            assert release_report(session, report_key, "policy", lambda *_: {}, noter)
        with ward.database.read() as session:
            rows = {row.patient_key: row.state for row in session.query(FollowUpRow)}
        return rows[patient]

    assert listed("anna") == FollowUpState.PROPOSED
    ward.sign(nodules().models)
    assert listed("bo") == FollowUpState.DUE

    def told(after="released"):
        with ward.database.read() as session:
            return unconfirmed(session, FollowUpSection(after=after), ward.confirmation)

    def change(**values):
        with ward.database.begin() as session:
            row = session.query(FollowUpRow).filter_by(patient_key="bo").one()
            for name, value in values.items():
                setattr(row, name, value)
            return [row.study_key]

    due = change()
    assert told() == []
    assert told("signed") == due
    ward.sign(nodules().models, missing=["few_cancers"])
    assert told() == due
    change(changed_by="anna")
    assert told() == []
    change(changed_by=SYSTEM, signed=True)
    assert told() == []
    change(signed=False, report_key="gone")
    ward.sign(nodules().models)
    assert told() == due


def test_the_service_asks_the_gate(ward, monkeypatch):
    asked, stop = [], threading.Event()

    def tend(session, noter, today):
        asked.append(noter)
        stop.set()

    monkeypatch.setattr(serve, "tend", tend)
    serve._tend(ward.policies, ward.database, stop)
    assert [noter.confirmation.config for noter in asked] == [ward.policies]
    assert isinstance(asked[0].confirmation, SpareConfirmation)
