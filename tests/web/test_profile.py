"""The risk profile: page, REST and FHIR; who may answer, and what becomes of the report."""

from __future__ import annotations

import datetime
import json
import re
from html import unescape

import pytest
from sqlalchemy import select
from web_objects import findings_of_study

from gransk.core.codes import PERCENT
from gransk.core.findings import Finding, Findings, Measurement
from gransk.core.followup import Advice, Assessment, Contribution, FollowUp, Risk
from gransk.results import profiles
from gransk.results.blobs import BlobStore
from gransk.results.tables import ProfileAnswer, Report, Track, Workitem, WorkState
from gransk.site.database import utcnow
from gransk.site.tables import Event, Role
from nodule.application import NoduleApplication
from nodule.emphysema import CONCEPT, NAME

CPR = "urn:oid:1.2.208.176.1.2"
TODAY = datetime.date.today().isoformat()


@pytest.fixture
def site(make_site, monkeypatch):
    monkeypatch.setattr("gransk.web.app.applications", lambda: {"nodule": NoduleApplication()})
    made = make_site(fhir={"issuers": {CPR: ""}})
    made.account("admin", "Anna Administrator", Role.ADMINISTRATOR)
    return made


def found(measured: float | None = 7.5) -> Findings:
    share = () if measured is None else (
        Measurement(name=NAME, concept=CONCEPT, unit=PERCENT, value=measured),
    )  # fmt: skip
    return findings_of_study("1.2.3").model_copy(
        update={"application": "nodule", "measurements": share, "choice": ()}
    )


def sealed(site, number=1, released=True, findings=None, **values) -> str:
    """A ready study of the nodule application; its key."""
    key = site.study(number, **values)
    site.sealed(key, findings or found(), released=released, application="nodule")
    return key


def uids() -> list[str]:
    return [one.tracking_uid for one in found().findings]


def current(site, key) -> dict:
    with site.database.read() as session:
        from gransk.archive.tables import SeenStudy

        return profiles.current(session, session.get_one(SeenStudy, key), "nodule")


def state(site, key) -> tuple[str, int]:
    with site.database.read() as session:
        item = session.get_one(Workitem, site.item_id(key))
        return item.state, item.attempt


def told(value, source="rest", date="2026-01-05"):
    return {"value": value, "source": source, "date": date}


def post(client, key, **fields):
    return client.post(f"/studies/{key}/profile", data={"date": TODAY, **fields})


# The page


def test_every_question_is_asked_in_both_languages_with_unknown_as_an_answer(site):
    key = sealed(site)
    pages = {
        language: site.person(Role.RADIOLOGIST, name=f"r-{language}", language=language)
        .get(f"/studies/{key}/profile")
        .text
        for language in ("en", "da")
    }
    for english, danish in (
        ("smoking", "rygning"),
        ("lung cancer in the family", "lungekræft i familien"),
        ("reason for the scan", "årsag til skanningen"),
        ("uptake on PET", "optagelse på PET"),
        ("spiculated", "spikuleret"),
        ("unknown", "ukendt"),
    ):
        assert english in pages["en"]
        assert danish in pages["da"]
    selects = re.findall(r"<select.*?</select>", pages["en"], re.S)
    assert len(selects) == 10 + 2 * 5
    assert all('value="null"' in one for one in selects)
    assert "longest axial diameter" not in pages["en"]
    assert "Nodule 2" in pages["en"]


def test_an_answer_is_kept_with_person_and_date_and_makes_the_report_again(site):
    key = sealed(site)
    client = site.person(Role.NURSE)
    answer = post(client, key, **{"patient||smoking": '"former"', "date": "2026-01-05"})
    assert answer.status_code == 303
    assert current(site, key)["patient"] == {"smoking": told("former", "person")}
    assert state(site, key) == (WorkState.WAITING, 2)
    html = client.get(answer.headers["location"]).text
    assert "The answers are kept" in html
    row = re.search(r"smoking</label>.*?</td>", html, re.S)[0]
    assert "former" in row
    assert "a person, 2026-01-05" in row
    with site.database.read() as session:
        (kept,) = session.scalars(select(ProfileAnswer)).all()
        assert (kept.actor, kept.study_key) == ("p-nurse", key)
        events = [e.data for e in session.scalars(select(Event)) if e.kind == "profile_answered"]
        assert events[0]["keys"] == ["smoking"]
        assert "former" not in json.dumps(events)


def test_what_is_left_as_it_is_writes_nothing(site):
    key = sealed(site)
    client = site.person(Role.RADIOLOGIST)
    post(client, key, **{"patient||smoking": '"former"', "patient||emphysema": ""})
    before = state(site, key)
    again = post(client, key, **{"patient||smoking": '"former"', "patient||emphysema": ""})
    assert again.headers["location"].endswith("profile_unchanged")
    assert state(site, key) == before
    assert list(current(site, key)["patient"]) == ["smoking"]
    post(client, key, **{"patient||smoking": "null"})
    assert current(site, key)["patient"]["smoking"]["value"] is None


def test_answers_about_a_nodule_and_numbers(site):
    key = sealed(site)
    first, second = uids()
    post(
        site.person(Role.RADIOGRAPHER),
        key,
        **{
            f"nodules|{second}|pet_uptake": '"intense"',
            f"nodules|{second}|spiculated": "true",
            "patient||age_years": "68,5",
        },
    )
    profile = current(site, key)
    assert profile["patient"]["age_years"]["value"] == 68.5
    (nodule,) = profile["nodules"]
    assert nodule["tracking_uid"] == second != first
    assert nodule["pet_uptake"]["value"] == "intense"
    assert nodule["spiculated"]["value"] is True


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"patient||smoking": '"sometimes"'}, "smoking"),
        ({"patient||age_years": "old"}, "age_years"),
        ({"patient||age_years": "131"}, "age_years"),
        ({"patient||smoking": '"never"', "date": "05.01.2026"}, "date is not complete"),
        (
            {
                "patient||extrathoracic_cancer": '"none"',
                "patient||earlier_lung_cancer": "false",
                "patient||known_primary_cancer": "true",
            },
            "contradicts",
        ),
    ],
)
def test_a_wrong_answer_is_told_and_nothing_is_kept(site, fields, said):
    key = sealed(site)
    answer = post(site.person(Role.RADIOLOGIST), key, **fields)
    assert answer.status_code == 422
    assert said in re.search(r'role="alert">(.*?)<', answer.text)[1]
    assert current(site, key) == {}
    assert state(site, key) == (WorkState.READY, 1)


def test_a_contradiction_is_told_in_danish(site):
    key = sealed(site)
    client = site.person(Role.RADIOLOGIST, language="da")
    post(client, key, **{"patient||known_primary_cancer": "true"})
    answer = post(
        client,
        key,
        **{"patient||extrathoracic_cancer": '"none"', "patient||earlier_lung_cancer": "false"},
    )
    assert "modsiger en sygehistorie" in unescape(answer.text)


def test_measured_emphysema_is_offered_and_taken_over_by_a_persons_click_alone(site):
    key = sealed(site)
    client = site.person(Role.RADIOLOGIST)
    html = client.get(f"/studies/{key}/profile").text
    assert "Lung below -950 HU: 7.5 %" in html
    assert "An offer; it counts only when a person answers." in html
    assert current(site, key) == {}
    button = re.search(r"<button[^>]*form=\"offer\"[^>]*>", html)[0]
    name, value = (re.search(rf'{part}="([^"]*)"', button)[1] for part in ("name", "value"))
    assert name == "patient||emphysema"
    post(client, key, **{name: value})
    assert current(site, key)["patient"]["emphysema"] == told(True, "person", TODAY)
    none = sealed(site, 2, findings=found(None), patient_id="other")
    assert "950" not in client.get(f"/studies/{none}/profile").text


def test_without_the_permission_the_page_is_read_alone(site):
    key = sealed(site)
    coordinator = site.person(Role.COORDINATOR)
    html = coordinator.get(f"/studies/{key}/profile").text
    assert "smoking" in html
    assert "<select" not in html
    assert 'form="offer"' not in html
    assert post(coordinator, key, **{"patient||smoking": '"never"'}).status_code == 403
    assert current(site, key) == {}


def test_findings_that_are_not_released_show_no_nodules(site):
    key = sealed(site, released=False)
    html = site.person(Role.RADIOLOGIST).get(f"/studies/{key}/profile").text
    assert "smoking" in html
    assert "Nodule 1" not in html
    assert "950" not in html


def test_the_case_page_leads_to_the_profile_of_what_follows_up(site, make_site):
    key = sealed(site)
    assert f"/studies/{key}/profile" in site.person(Role.RADIOLOGIST).get(f"/studies/{key}").text
    assert site.person(Role.RADIOLOGIST, name="two").get("/studies/none/profile").status_code == 404
    bare = site.study(5)
    assert site.person(Role.ARBITER).get(f"/studies/{bare}/profile").status_code == 404


def test_risk_is_shown_term_by_term_with_advice(site):
    key = sealed(site)
    first, _ = uids()
    terms = (
        Contribution(input="constant", log_odds=(-6.8, -6.8)),
        Contribution(input="emphysema", log_odds=(0.0, 0.2953)),
        Contribution(input="age_years", value=64, log_odds=(0.0574, 0.0574)),
    )
    risk = Risk(
        tracking_uid=first, model="brock-2b", version="1", probability=(0.05, 0.07),
        contributions=terms, calculated_by="brock-2a",
    )  # fmt: skip
    advice = Advice(
        tracking_uid=first, guideline="fleischner-2017", version="1", source_state="primary",
        status="advice", row="r", text={"en": "<b>CT</b>", "da": "CT"},
        reason={"en": "volume", "da": "volumen"},
    )  # fmt: skip
    follow_up = FollowUp(assessment=Assessment(risks=(risk,), advice=(advice,)))
    stored = BlobStore(site.config.blob_folder).put(follow_up.model_dump_json().encode())
    with site.database.begin() as session:
        item = session.get_one(Workitem, site.item_id(key))
        session.get_one(Report, item.report_key).follow_up_sha256 = stored.sha256
    html = site.person(Role.RADIOLOGIST).get(f"/studies/{key}/profile").text
    assert "Nodule 1: brock-2a, 5.0 to 7.0 %" in html
    assert re.search(r"emphysema</th><td>unknown</td><td>0.000 to 0.295</td>", html)
    assert re.search(r"age, years</th><td>64</td><td>0.057</td>", html)
    asked = re.search(r"age, years</label>.*?</td>", html, re.S)[0]
    assert "not answered" in asked
    assert "the risk counts, from DICOM or image: 64" in asked
    assert "the risk counts" not in re.search(r"smoking</label>.*?</td>", html, re.S)[0]
    assert "&lt;b&gt;CT&lt;/b&gt;" in html
    assert "<b>CT</b>" not in html


def test_a_lesion_is_asked_about_under_the_name_that_reports_write(site):
    key = sealed(site)
    with site.database.begin() as session:
        item = session.get_one(Workitem, site.item_id(key))
        session.add(
            Track(analysis_key=item.analysis_key, finding_uid=uids()[0], lesion_uid="2.25.7",
                  study_key=key, at=utcnow())
        )  # fmt: skip
    html = site.person(Role.RADIOLOGIST).get(f"/studies/{key}/profile").text
    assert 'name="nodules|2.25.7|pet_uptake"' in html
    assert uids()[0] not in html


def test_dicom_text_in_the_page_is_escaped(site):
    hostile = Finding.model_validate(
        found().findings[0].model_dump() | {"tracking_id": "<script>x</script>"}
    )
    key = sealed(
        site, findings=found().model_copy(update={"findings": (hostile,)}),
        patient_name="<img src=x>",
    )  # fmt: skip
    html = site.person(Role.RADIOLOGIST).get(f"/studies/{key}/profile").text
    assert "<script>x" not in html
    assert "<img src=x" not in html


# REST


def test_a_machine_reads_and_writes_the_profile_by_rest(site):
    key = sealed(site)
    machine = site.machine()
    address = f"/api/studies/{key}/profile"
    assert machine.get(address).json() == {}
    given = {
        "patient": {"smoking": told("current"), "setting": told("screening")},
        "nodules": [{"tracking_uid": uids()[0], "pet_uptake": told("faint")}],
    }
    answer = machine.put(address, json=given)
    assert (answer.status_code, answer.json()) == (200, {"added": 3, "profile": given})
    assert machine.get(address).json() == given
    assert state(site, key) == (WorkState.WAITING, 2)
    assert machine.put(address, json=given).json()["added"] == 0
    assert state(site, key) == (WorkState.WAITING, 2)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"patient": {"shoe_size": told(44)}}, "patient.shoe_size"),
        ({"patient": {"age_years": told(131)}}, "at most 130"),
        ({"patient": {"emphysema": told(True, "image")}}, "person's answer"),
        ({"patient": 3}, "patient"),
        ({"other": {}}, "other"),
    ],
)
def test_rest_refuses_what_does_not_fit_without_repeating_it(site, body, said):
    key = sealed(site)
    answer = site.machine().put(f"/api/studies/{key}/profile", json=body)
    assert answer.status_code == 422
    assert said in answer.json()["error"]
    assert "131" not in answer.text
    assert current(site, key) == {}


def test_rest_is_for_who_may_answer(site):
    key = sealed(site)
    address = f"/api/studies/{key}/profile"
    assert site.client().get(address).status_code == 401
    assert site.person(Role.COORDINATOR).put(address, json={}).status_code == 403
    assert site.machine().put(address, content=b"[]").status_code == 422
    assert site.machine("two").put(address, content=b"x" * (1 << 21)).status_code == 413
    assert site.machine("three").get("/api/studies/nowhere/profile").status_code == 404


def test_an_answer_makes_the_latest_report_again_too(site):
    first = sealed(site, 1, study_date="20250105", patient_id="same")
    latest = sealed(site, 2, study_date="20260105", patient_id="same")
    other = sealed(site, 3, study_date="20270105", patient_id="another")
    profile = {"patient": {"smoking": told("current")}}
    site.machine().put(f"/api/studies/{first}/profile", json=profile)
    assert [state(site, key)[1] for key in (first, latest, other)] == [2, 2, 1]
    assert current(site, latest) == profile
    assert current(site, other) == {}


# FHIR


def subject(value="0000010000"):
    return {"identifier": {"system": CPR, "value": value}}


def coded(system, code):
    return {"coding": [{"system": system, "code": code}]}


SNOMED, LOINC, ICD10 = (
    "http://snomed.info/sct",
    "http://loinc.org",
    "http://hl7.org/fhir/sid/icd-10",
)


def smoking(code="8517006", **more):
    return {
        "resourceType": "Observation", "status": "final", "code": coded(LOINC, "72166-2"),
        "subject": subject(), "effectiveDateTime": "2025-12-01T10:00:00+01:00",
        "valueCodeableConcept": coded(SNOMED, code), **more,
    }  # fmt: skip


def condition(code, system=ICD10, **more):
    return {
        "resourceType": "Condition", "code": coded(system, code), "subject": subject(),
        "onsetDateTime": "2024-03-01", "recordedDate": "2024-03-05", **more,
    }  # fmt: skip


def family(code="C34.1", relative="MTH", **more):
    return {
        "resourceType": "FamilyMemberHistory", "status": "completed", "date": "2025-01-02",
        "patient": subject(),
        "relationship": coded("http://terminology.hl7.org/CodeSystem/v3-RoleCode", relative),
        "condition": [{"code": coded(ICD10, code)}], **more,
    }  # fmt: skip


def send(site, *resources, name="ehr"):
    bundle = {"resourceType": "Bundle", "type": "collection",
              "entry": [{"resource": one} for one in resources]}  # fmt: skip
    body = bundle if len(resources) != 1 else resources[0]
    return site.machine(name).post("/fhir", json=body)


def reasons_of(answer) -> list[str]:
    return [one["reason"] for one in answer.json()["not_taken"]]


def test_a_bundle_answers_the_profile_of_its_patient(site):
    key = sealed(site, patient_id="000001-0000")
    patient = {
        "resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1951-12-24",
        "identifier": [{"system": CPR, "value": "0000010000"}],
    }  # fmt: skip
    by_reference = {"subject": {"reference": "Patient/p1"}}
    answer = send(
        site,
        patient,
        smoking(**by_reference),
        condition("C50.9", **by_reference),
        condition("87433001", SNOMED),
        family(),
    )
    assert answer.status_code == 200
    assert answer.json()["not_taken"] == []
    assert [one["key"] for one in answer.json()["taken"]] == [
        "sex", "smoking", "extrathoracic_cancer", "emphysema", "family_history_lung_cancer",
    ]  # fmt: skip
    assert current(site, key)["patient"] == {
        "sex": told("female", "fhir", TODAY),
        "smoking": told("former", "fhir", "2025-12-01"),
        "extrathoracic_cancer": told("within_5_years", "fhir", "2024-03-01"),
        "emphysema": told(True, "fhir", "2024-03-05"),
        "family_history_lung_cancer": told(True, "fhir", "2025-01-02"),
    }
    assert state(site, key)[0] == WorkState.WAITING


@pytest.mark.parametrize(
    ("code", "value"),
    [("449868002", "current"), ("428061000124105", "current"), ("8517006", "former"),
     ("266919005", "never"), ("266927001", None)],
)  # fmt: skip
def test_smoking_status(site, code, value):
    key = sealed(site, patient_id="0000010000")
    assert send(site, smoking(code)).json()["not_taken"] == []
    assert current(site, key)["patient"]["smoking"]["value"] == value


@pytest.mark.parametrize(
    ("resource", "reason", "codes"),
    [
        (smoking("77176002"), "unknown_value", [f"{SNOMED}|77176002"]),
        ({**smoking(), "code": coded(LOINC, "8480-6")}, "unknown_code", [f"{LOINC}|8480-6"]),
        (smoking(status="entered-in-error"), "status", [f"{LOINC}|72166-2"]),
        (smoking(effectiveDateTime="2025"), "no_date", [f"{LOINC}|72166-2"]),
        (condition("C78.0"), "unknown_code", [f"{ICD10}|C78.0"]),
        (condition("C15.9"), "unknown_code", [f"{ICD10}|C15.9"]),
        (condition("C345", "http://example.org"), "unknown_code", ["http://example.org|C345"]),
        (condition("C50", onsetDateTime=None), "no_date", [f"{ICD10}|C50"]),
        (condition("C50", verificationStatus=coded("x", "provisional")), "status",
         [f"{ICD10}|C50"]),
        (family(relative="SPS"), "relative",
         ["http://terminology.hl7.org/CodeSystem/v3-RoleCode|SPS"]),
        (family("C50.9"), "unknown_code", [f"{ICD10}|C50.9"]),
        (family(status="health-unknown"), "status", [f"{ICD10}|C34.1"]),
        ({"resourceType": "Medication"}, "resource_type", []),
        ({"resourceType": "Condition", "code": 3}, "malformed", []),
        ({**smoking(), "subject": {}}, "no_patient", []),
        ({**smoking(), "subject": subject("9999999999")}, "unknown_patient", []),
        ({**smoking(), "subject": {"identifier": {"system": "x", "value": "0000010000"}}},
         "unknown_patient", []),
    ],
)  # fmt: skip
def test_what_says_nothing_sure_is_listed_and_never_guessed(site, resource, reason, codes):
    key = sealed(site, patient_id="0000010000")
    answer = send(site, resource).json()
    assert answer["taken"] == []
    assert [(one["entry"], one["reason"], one["codes"]) for one in answer["not_taken"]] == [
        (0, reason, codes)
    ]
    assert current(site, key) == {}
    assert state(site, key) == (WorkState.READY, 1)


def test_danish_codes_and_an_active_cancer(site):
    key = sealed(site, patient_id="0000010000")
    active = {"clinicalStatus": coded("x", "active")}
    answer = send(site, condition("DC341", "urn:oid:1.2.208.176.2.4", **active))
    assert answer.json()["not_taken"] == []
    patient = current(site, key)["patient"]
    assert patient["earlier_lung_cancer"]["value"] is True
    assert patient["known_primary_cancer"]["value"] is True


def test_another_birth_date_is_another_patient(site):
    key = sealed(site, patient_id="0000010000")
    patient = {
        "resourceType": "Patient", "gender": "male", "birthDate": "1960-01-01",
        "identifier": [{"system": CPR, "value": "0000010000"}],
    }  # fmt: skip
    assert reasons_of(send(site, patient)) == ["identity_mismatch"]
    assert current(site, key) == {}


def test_what_contradicts_a_persons_word_is_refused(site):
    key = sealed(site, patient_id="0000010000")
    post(
        site.person(Role.RADIOLOGIST),
        key,
        **{"patient||extrathoracic_cancer": '"none"', "patient||earlier_lung_cancer": "false"},
    )
    active = {"clinicalStatus": coded("x", "active")}
    answer = send(site, condition("C50.9", **active))
    assert reasons_of(answer) == ["refused"]
    assert current(site, key)["patient"]["extrathoracic_cancer"]["value"] == "none"


def test_the_same_resources_sent_again_make_no_new_report(site, monkeypatch):
    key = sealed(site, patient_id="0000010000")
    patient = {
        "resourceType": "Patient", "gender": "male",
        "identifier": [{"system": CPR, "value": "0000010000"}],
    }  # fmt: skip
    assert [one["new"] for one in send(site, patient, smoking()).json()["taken"]] == [True, True]
    before = state(site, key)
    later = datetime.date.fromisoformat(TODAY) + datetime.timedelta(days=3)
    monkeypatch.setattr("gransk.web.fhir._today", lambda known: later)
    again = send(site, patient, smoking(), name="again")
    assert [one["new"] for one in again.json()["taken"]] == [False, False]
    assert state(site, key) == before


def test_no_issuer_configured_means_no_patient(make_site, monkeypatch):
    monkeypatch.setattr("gransk.web.app.applications", lambda: {"nodule": NoduleApplication()})
    site = make_site()
    site.account("admin", "Anna", Role.ADMINISTRATOR)
    sealed(site, patient_id="0000010000")
    assert reasons_of(send(site, smoking())) == ["unknown_patient"]


def test_fhir_is_for_machines_and_people_who_may_answer(site):
    assert site.client().post("/fhir", json=smoking()).status_code == 401
    assert site.person(Role.COORDINATOR).post("/fhir", json=smoking()).status_code == 403
    assert site.machine().post("/fhir", content=b"<xml/>").status_code == 422
    broken = {"resourceType": "Bundle", "entry": 3}
    assert site.machine("two").post("/fhir", json=broken).status_code == 422
