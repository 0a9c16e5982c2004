"""Outcomes of screening by FHIR R4: what is taken, what is refused, and that it is said once."""

import datetime
import json
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gransk.reading.outcome_codes import OutcomeCodes, outcome_codes
from gransk.reading.outcome_store import outcomes_of
from gransk.reading.outcomes import ACCESSION, STUDY, Outcome
from gransk.reading.policy_tables import OutcomeStatement
from gransk.site.events import EventKind
from gransk.site.tables import Event, Role
from gransk.web.fhir_answers import NotTaken

CPR = "urn:oid:1.2.208.176.1.2"
LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
ICD10, SKS = "http://hl7.org/fhir/sid/icd-10", "urn:oid:1.2.208.176.2.4"
OURS = "urn:gransk:screening-outcome"
TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
UNITS = "http://unitsofmeasure.org"


@pytest.fixture
def site(make_site):
    made = make_site(fhir={"issuers": {CPR: ""}})
    made.account("admin", "Anna Administrator", Role.ADMINISTRATOR)
    return made


def coded(system, *codes):
    return {"coding": [{"system": system, "code": code} for code in codes]}


def accession(value="ACC1"):
    return {"identifier": {"type": coded(TYPES, "ACSN"), "value": value}}


def observation(code, system=LOINC, exam=None, **value):
    return {
        "resourceType": "Observation", "status": "final", "code": coded(system, code),
        "derivedFrom": [accession() if exam is None else exam], **value,
    }  # fmt: skip


def condition(code="C50.4", system=ICD10, exam=None, **more):
    return {
        "resourceType": "Condition", "code": coded(system, code), "id": "cancer",
        "evidence": [{"detail": [accession() if exam is None else exam]}],
        "recordedDate": "2026-02-03", **more,
    }  # fmt: skip


def procedure(code, system=SNOMED, **more):
    return {
        "resourceType": "Procedure", "status": "completed", "code": coded(system, code),
        "reasonReference": [{"reference": "Condition/cancer"}], **more,
    }  # fmt: skip


def quantity(value, code):
    return {"valueQuantity": {"value": value, "system": UNITS, "code": code}}


def size(value=8.5, unit="mm", code="21889-1", **more):
    return observation(code, **quantity(value, unit), **more)


def stage(text="IA", code="21902-2"):
    return observation(code, valueCodeableConcept={"text": text})


def nodes(value, code="21893-3"):
    return observation(code, valueInteger=value)


def cancer(told):
    return observation("cancer", OURS, valueBoolean=told)


def followed(value=24, unit="mo"):
    return observation("follow-up", OURS, **quantity(value, unit))


def found(when="interval"):
    return observation("found", OURS, valueCodeableConcept=coded(OURS, when))


def bundle(*resources):
    entries = [{"resource": one} for one in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def send(site, *resources, name="pathology"):
    return site.machine(name).post("/fhir/outcomes", json=bundle(*resources))


def kept(site, value="ACC1", column=ACCESSION):
    with site.database.read() as session:
        return outcomes_of(session, [(column, value)]).get((column, value))


def left(answer):
    return {one["entry"]: one["reason"] for one in answer.json()["not_taken"]}


def test_a_cancer_with_everything_that_is_told_of_it(site):
    answer = send(
        site, condition(), size(), nodes(0), stage(), found("screening"), followed(2, "a"),
        procedure("392021009"),
    )  # fmt: skip
    assert (answer.status_code, answer.json()["not_taken"]) == (200, [])
    assert answer.json()["taken"] == [{"entry": n, "new": True} for n in range(7)]
    assert kept(site) == Outcome(
        cancer=True, found="screening", diagnosed_on=datetime.date(2026, 2, 3),
        follow_up_months=24, invasive=True, size_mm=8.5, node_positive=False, stage="I",
        surgery="conserving",
    )  # fmt: skip


def test_the_same_again_changes_nothing_and_the_last_word_counts(site):
    first = [condition(), size()]
    assert [one["new"] for one in send(site, *first).json()["taken"]] == [True, True]
    again = send(site, *first, name="again")
    assert [one["new"] for one in again.json()["taken"]] == [False, False]
    with site.database.read() as session:
        assert session.scalar(select(func.count()).select_from(OutcomeStatement)) == 1
        events = session.scalars(select(Event).where(Event.kind == EventKind.OUTCOMES_STATED)).all()
    assert [event.data for event in events] == [{"source": "machine", "outcomes": 1}]
    assert [one["new"] for one in send(site, cancer(False), name="third").json()["taken"]] == [True]
    assert kept(site) == Outcome(cancer=False)


def test_several_tumours_are_one_outcome_of_what_counts_most(site):
    send(
        site, condition("D05.1", recordedDate="2026-03-01"), condition("C50.1"), size(6),
        size(1.4, "cm", "33728-7"), nodes(0), observation("21900-6", valueCodeableConcept={
            "coding": [{"system": "http://cancerstaging.org", "code": "pN1a"}]}),
        stage("I"), stage("IIB", "21908-9"), procedure("KHAB40", SKS), procedure("KHAC20", SKS),
    )  # fmt: skip
    assert kept(site) == Outcome(
        cancer=True, diagnosed_on=datetime.date(2026, 2, 3), invasive=True, size_mm=14,
        node_positive=True, stage="II", surgery="mastectomy",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("resources", "outcome"),
    [
        ([condition("DD05", SKS), stage("0")], {"invasive": False, "stage": "0"}),
        ([condition("254837009", SNOMED)], {"invasive": True}),
        ([condition("189336000", SNOMED)], {"invasive": False}),
        ([condition(recordedDate=None)], {"invasive": True, "diagnosed_on": None}),
        ([condition(onsetDateTime="2026-01-09T10:00:00+01:00")], {
            "invasive": True, "diagnosed_on": "2026-01-09"}),
        ([condition(extension=[{
            "url": "http://hl7.org/fhir/StructureDefinition/condition-assertedDate",
            "valueDateTime": "2026-01-05"}])], {"invasive": True, "diagnosed_on": "2026-01-05"}),
        ([condition(verificationStatus=coded("x", "confirmed"))], {"invasive": True}),
        ([cancer(True), found()], {"found": "interval", "diagnosed_on": None}),
        ([condition(), observation("21900-6", valueCodeableConcept={"text": "pN0(i+)"})],
         {"invasive": True, "node_positive": False}),
        ([condition(), observation("21893-3", **quantity(2, "{#}"))],
         {"invasive": True, "node_positive": True}),
        ([condition(), {**observation("21889-1"), "component": [
            {"code": coded(LOINC, "33728-7"), **quantity(1.1, "cm")}]}],
         {"invasive": True, "size_mm": 11}),
    ],
)  # fmt: skip
def test_what_each_resource_tells(site, resources, outcome):
    assert left(send(site, *resources)) == {}
    whole = {"cancer": True, "diagnosed_on": "2026-02-03"} | outcome
    assert kept(site) == Outcome.model_validate(whole)


def test_no_cancer_and_a_benign_operation(site):
    without = {**cancer(False), "id": "none"}
    operated = procedure("392021009", reasonReference=[{"reference": "Observation/none"}])
    assert left(send(site, without, followed(), operated)) == {}
    assert kept(site) == Outcome(cancer=False, follow_up_months=24, surgery="benign")


def test_an_exam_by_its_study_or_through_other_resources(site):
    uid = {"identifier": {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3.9"}}
    both = {
        "resourceType": "ImagingStudy", "id": "exam", "status": "available",
        "identifier": [accession("ACC7")["identifier"], uid["identifier"]],
    }  # fmt: skip
    by_study = {"reference": "ImagingStudy/exam"}
    tumour = {**size(12), "derivedFrom": [], "focus": [{"reference": "Condition/cancer"}]}
    answer = send(site, both, condition(exam=by_study), tumour)
    assert left(answer) == {}
    assert [one["entry"] for one in answer.json()["taken"]] == [1, 2]
    assert kept(site, "1.2.3.9", STUDY).size_mm == 12
    assert kept(site, "ACC7") is None


def test_one_resource_alone(site):
    answer = site.machine().post("/fhir/outcomes", json=condition())
    assert answer.json() == {"taken": [{"entry": 0, "new": True}], "not_taken": []}
    assert kept(site).cancer is True


def test_exams_of_one_bundle_are_taken_apart(site):
    other = accession("ACC2")
    answer = send(site, condition(), size(unit="inch"), condition(exam=other))
    assert left(answer) == {0: "with_another", 1: "unknown_value"}
    assert answer.json()["taken"] == [{"entry": 2, "new": True}]
    assert kept(site) is None
    assert kept(site, "ACC2").cancer is True


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        ({"resourceType": "Medication"}, "resource_type"),
        ({"resourceType": "Condition", "code": 3}, "malformed"),
        ({**cancer(False), "valueBoolean": "no"}, "malformed"),
        (observation("85337-4"), "unknown_code"),
        (condition("C34.1"), "unknown_code"),
        (condition("C50.1", "http://example.org"), "unknown_code"),
        (procedure("80146002"), "unknown_code"),
        (condition(exam={}), "no_exam"),
        (condition(exam={"identifier": {"value": "ACC1"}}), "no_exam"),
        (condition(exam={"identifier": {"system": "urn:dicom:uid", "value": "abc"}}), "no_exam"),
        (procedure("392021009"), "no_exam"),
        ({**cancer(False), "status": "preliminary"}, "status"),
        (condition(verificationStatus=coded("x", "provisional")), "status"),
        (condition(verificationStatus=coded("x", "refuted")), "status"),
        (followed(24, "wk"), "unknown_value"),
        (found("later"), "unknown_value"),
        (stage("V"), "unknown_value"),
        (nodes(-1), "unknown_value"),
        (observation("21900-6", valueCodeableConcept={"text": "pNX"}), "unknown_value"),
        (followed(), "refused"),
        (size(), "refused"),
    ],
)
def test_what_is_refused_is_told_with_its_code(site, resource, reason):
    answer = send(site, resource)
    assert (answer.status_code, answer.json()["taken"]) == (200, [])
    assert left(answer) == {0: reason}
    with site.database.read() as session:
        assert session.scalar(select(func.count()).select_from(OutcomeStatement)) == 0


@pytest.mark.parametrize(
    "resources",
    [
        [cancer(False), condition()],
        [condition("D05"), size()],
        [condition("D05"), stage("II")],
        [cancer(False), stage("I")],
        [condition(), found("interval"), found("screening")],
        [condition(), size(1000)],
    ],
)
def test_what_contradicts_itself_is_refused_whole(site, resources):
    assert set(left(send(site, *resources)).values()) == {"refused"}
    assert kept(site) is None


def test_an_operation_that_was_not_done_keeps_the_exam_out(site):
    answer = send(site, condition(), procedure("172043006", status="preparation"))
    assert left(answer) == {0: "with_another", 1: "status"}
    assert kept(site) is None


def test_an_exam_of_another_woman_is_not_taken(site):
    site.study(1, patient_id="000001-0000")
    patient = {
        "resourceType": "Patient", "id": "p", "identifier": [{"system": CPR, "value": "0000020000"}]
    }  # fmt: skip
    by_patient = {"subject": {"reference": "Patient/p"}}
    answer = send(site, patient, condition(**by_patient))
    assert left(answer) == {1: "identity_mismatch"}
    assert kept(site) is None
    right = {"subject": {"identifier": {"system": CPR, "value": "0000010000"}}}
    assert left(send(site, condition(**right), name="right")) == {}
    assert kept(site).cancer is True
    unknown = {"subject": {"identifier": {"system": "urn:other", "value": "17"}}}
    assert left(send(site, cancer(False) | unknown, name="other")) == {}


def test_who_may_send(site):
    assert site.client().post("/fhir/outcomes", json=condition()).status_code == 401
    assert site.person(Role.NURSE).post("/fhir/outcomes", json=condition()).status_code == 403
    assert site.machine().post("/fhir/outcomes", content=b"<xml/>").status_code == 422
    broken = {"resourceType": "Bundle", "entry": 3}
    assert site.machine("two").post("/fhir/outcomes", json=broken).status_code == 422
    coordinator = site.person(Role.COORDINATOR, name="coordinator")
    assert coordinator.post("/fhir/outcomes", json=condition()).status_code == 200


def test_answers_repeat_no_identifier(site):
    text = send(site, condition(), size(unit="inch"), condition("C34")).text
    assert "ACC1" not in text


def test_the_table_names_systems_that_it_has():
    table = outcome_codes()
    values = table.model_dump()
    values["size"] = ({"system": "nowhere", "codes": ("1",)},)
    with pytest.raises(ValueError, match="no system"):
        OutcomeCodes.model_validate(values)
    assert table.sources


def test_the_example_of_the_page_is_taken(site):
    page = (Path(__file__).parents[2] / "docs" / "outcomes.md").read_text(encoding="utf-8")
    example = page.split("# Outcomes by FHIR R4")[1].split("```")[1]
    answer = site.machine().post("/fhir/outcomes", json=json.loads(example))
    assert left(answer) == {}
    assert kept(site, "1.2.3", STUDY) == Outcome(
        cancer=True, invasive=True, size_mm=8.5, diagnosed_on=datetime.date(2026, 2, 3)
    )


def test_every_code_and_reason_is_told_in_the_page():
    page = (Path(__file__).parents[2] / "docs" / "outcomes.md").read_text(encoding="utf-8")
    part = page.split("# Outcomes by FHIR R4")[1]
    table = outcome_codes()
    matches = [
        *table.invasive, *table.in_situ, *table.cancer, *table.found, *table.follow_up,
        *table.size, *table.positive_nodes, *table.node_category, *table.stage,
        *table.surgery["mastectomy"], *table.surgery["conserving"],
    ]  # fmt: skip
    for match in matches:
        assert all(code in part for code in (*match.codes, *match.beginning))
    for reason in (
        "resource_type", "malformed", "unknown_code", "no_exam", "status", "unknown_value",
        "with_another", "identity_mismatch", "refused",
    ):  # fmt: skip
        assert f"`{NotTaken(reason).value}`" in part
