"""Audit messages are what PS3.15 A.5 wants of them, one for every kind of event that has one."""

import base64
import datetime
from pathlib import Path

import pytest
from lxml import etree
from pydicom.sr.codedict import codes

from gransk.oversight.audit import kinds
from gransk.oversight.audit.kinds import OF_PATIENT, SHAPES, Code, Family
from gransk.oversight.audit.message import Study, Told, audit_message
from gransk.site.config_audit import AuditRepository
from gransk.site.events import EventKind

AT = datetime.datetime(2026, 3, 2, 9, 15, tzinfo=datetime.UTC)
STUDY = Study("k" * 32, "1.2.3", "010203-1234", "CPR", "Sørensen^Åse <&>")
SETTINGS = AuditRepository(host="repository", enterprise_site_id="Region Nord")
DATA = {"destination": "pacs", "archive": "old", "detail": "<é>\x07", "destinations": ["a", "b"]}
TYPES = {
    Family.ACTIVITY: {kinds.START, kinds.STOP},
    Family.AUTHENTICATION: {kinds.LOGIN, kinds.LOGOUT},
}
ACTIONS = {
    Family.ACTIVITY: "E", Family.LOG_USED: "R", Family.BEGIN_TRANSFER: "E", Family.ACCESSED: "CRUD",
    Family.TRANSFERRED: "CRU", Family.STUDY_DELETED: "D", Family.PATIENT: "CRUD",
    Family.PROCEDURE: "CRUD", Family.QUERY: "E", Family.ALERT: "E", Family.AUTHENTICATION: "E",
}  # fmt: skip
DCM = {
    str(one.value): one.meaning for one in (getattr(codes.DCM, name) for name in codes.DCM.dir())
}
SENT = [kind for kind, shape in SHAPES.items() if shape is not None]


@pytest.fixture(scope="module")
def schema():
    return etree.RelaxNG(etree.parse(Path(__file__).with_name("audit_message.rng")))


def made(kind, settings=SETTINGS, **values):
    told = {"study": STUDY, "data": DATA, "names": {"anna": "Anna Sørensen"}, "subject": "anna"}
    xml = audit_message(Told(7, AT, "anna", kind, **(told | values)), settings, "gransk.example")
    return None if xml is None else etree.fromstring(xml)


def objects(message):
    return {
        one.findtext("ParticipantObjectName"): one
        for one in message.iter("ParticipantObjectIdentification")
    }


def test_every_kind_of_event_is_in_the_table():
    assert set(SHAPES) == set(EventKind)


@pytest.mark.parametrize("code", [
    *(family.value for family in Family),
    *(one for one in vars(kinds).values() if isinstance(one, Code)),
])  # fmt: skip
def test_codes_are_those_of_the_standard(code):
    assert DCM[code.value] == code.meaning


@pytest.mark.parametrize("kind", SENT)
@pytest.mark.parametrize("person", [True, False])
def test_a_message_keeps_to_schema_and_table(schema, kind, person):
    message = made(kind) if person else made(kind, names={})
    schema.assertValid(message)
    shape = SHAPES[kind]
    event = message.find("EventIdentification")
    assert event.find("EventID").get("csd-code") == shape.family.value.value
    assert event.get("EventActionCode") in ACTIONS[shape.family]
    assert event.findtext("EventOutcomeDescription") == f"event 7: {kind}"
    asks = [one.get("UserIsRequestor") for one in message.iter("ActiveParticipant")]
    assert asks.count("true") == 1
    if shape.family in TYPES:
        assert shape.type in TYPES[shape.family]
        assert not list(message.iter("ParticipantObjectIdentification"))
    if shape.family is Family.ALERT:
        assert event.find("EventTypeCode") is not None
        detail = message.find(".//ParticipantObjectDetail[@type='Alert Description']")
        assert base64.b64decode(detail.get("value")).decode() == kind
    if shape.family is Family.AUTHENTICATION:
        assert message.find("ActiveParticipant").get("NetworkAccessPointID") == "gransk.example"
    if shape.family in (Family.TRANSFERRED, Family.BEGIN_TRANSFER, Family.QUERY):
        roles = [one.get("csd-code") for one in message.iter("RoleIDCode")]
        assert roles == ["110153", "110152"]
    if shape.family in OF_PATIENT:
        (patient,) = message.findall(
            "ParticipantObjectIdentification[@ParticipantObjectTypeCodeRole='1']"
        )
        assert patient.get("ParticipantObjectID") == "010203-1234"
        assert patient.findtext("ParticipantObjectName") == "Sørensen^Åse <&>"
        assert patient.find("ParticipantObjectIDTypeCode").get("codeSystemName") == "RFC-3881"
        (of_study,) = message.findall(
            "ParticipantObjectIdentification[@ParticipantObjectID='1.2.3']"
        ) or (None,)
        assert (of_study is None) == (shape.family is Family.PATIENT)
    else:
        assert b"010203" not in etree.tostring(message), "nobody's identifier where none is wanted"


@pytest.mark.parametrize("kind", [kind for kind in SENT if SHAPES[kind].family in OF_PATIENT])
def test_a_message_about_a_patient_wants_one(kind):
    assert made(kind, study=None) is None


def test_events_inside_the_suite_have_no_message():
    assert made(EventKind.SWEEP_DONE) is None
    assert made(EventKind.READING_PLANNED) is None


def test_a_person_is_named_with_the_domain_and_a_machine_as_it_is():
    person, process = made(EventKind.STUDY_VIEWED).findall("ActiveParticipant")
    assert (person.get("UserID"), person.get("UserName")) == (
        "anna@gransk.example", "Anna Sørensen")  # fmt: skip
    assert (process.get("UserID"), process.get("UserIsRequestor")) == ("gransk", "false")
    (machine,) = made(EventKind.STUDY_VIEWED, names={}).findall("ActiveParticipant")
    assert machine.get("UserID") == "anna"


def test_a_site_may_leave_names_out(schema):
    bare = AuditRepository(host="repository", patient_names=False, user_names=False)
    message = made(EventKind.STUDY_VIEWED, bare)
    schema.assertValid(message)
    said = etree.tostring(message, encoding="unicode")
    assert "Sørensen" not in said
    assert "010203-1234" in said
    assert "AuditEnterpriseSiteID" not in said


def test_a_view_is_dated_when_it_was_seen():
    told = made(EventKind.STUDY_VIEWED, data={"at": "2026-03-02T09:14:57.000+00:00"})
    assert told.find("EventIdentification").get("EventDateTime") == "2026-03-02T09:14:57.000+00:00"


def test_the_schema_refuses_what_it_should(schema):
    message = made(EventKind.STUDY_VIEWED)
    for breaks in (
        lambda m: m.remove(m.find("AuditSourceIdentification")),
        lambda m: m.find("EventIdentification").set("EventActionCode", "X"),
        lambda m: m.find("EventIdentification").set("EventDateTime", "yesterday"),
        lambda m: m.find(".//ParticipantObjectDetail").set("value", "not base64 !"),
    ):
        broken = etree.fromstring(etree.tostring(message))
        breaks(broken)
        assert not schema.validate(broken)
