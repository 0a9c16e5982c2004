"""A case's history tells everything in order and in words, to who may see it; entries come out."""

import json

import pytest
from sqlalchemy import select, text
from web_objects import findings_of_study

from gransk.core.reasons import Reason
from gransk.site.events import EventKind, record
from gransk.site.tables import Event, Role
from gransk.web.case_history import ABOUT, About
from gransk.web.texts import catalogue


@pytest.fixture
def told(site):
    """A study to which much happened."""
    key = site.study(1)
    site.sealed(key, findings_of_study("1.2.3.1"))
    events = [
        ("gransk", EventKind.STUDY_SEEN, key, {}),
        ("gransk", EventKind.ANALYSIS_QUEUED, key, {"application": "lesion", "generation": 1}),
        ("gransk", EventKind.ANALYSIS_REFUSED, key, {"reason": Reason.SLICES_TOO_THICK.value}),
        ("gransk", EventKind.REPORT_RELEASED, key, {"report": "r1", "destinations": ["pacs"]}),
        ("gransk", EventKind.DELIVERY_FAILED, key, {"destination": "pacs", "error": "<b>no</b>"}),
        ("admin", EventKind.FINDING_EDITED, key, {"kind": "reject"}),
        ("ris", EventKind.IDENTITY_CHANGED, key, {"fields": ["patient_id", "sex"]}),
        ("admin", EventKind.STUDY_VIEWED, key, {"ways": ["case", "viewer"]}),
        ("gransk", EventKind.STUDY_SEEN, site.study(2), {}),
    ]
    with site.database.begin() as session:
        for one in events:
            record(session, *one)
    return key


def test_everything_is_told_in_order_and_in_words(site, told):
    html = site.person(Role.RADIOLOGIST).get(f"/studies/{told}/history").text
    said = [
        "The slices are too thick.", "Destinations: pacs", "&lt;b&gt;no&lt;/b&gt;",
        "Changed: patient ID, sex", "How: page of the study, the viewer",
    ]  # fmt: skip
    places = [html.find(one) for one in said]
    assert -1 not in places
    assert places == sorted(places)
    assert "Anna Administrator" in html
    assert "<b>no</b>" not in html
    assert f'href="/studies/{told}/patient"' in html
    assert "generation" not in html


def test_in_danish_and_by_what_it_is_about(site, told):
    client = site.person(Role.AUDITOR, language="da")
    html = client.get(f"/studies/{told}/history").text
    assert "Undersøgelsens historik" in html
    assert "Ændret: patient-ID, køn" in html
    assert "Udtræk af loggen" in html
    seen = client.get(f"/studies/{told}/history?about=seen").text
    assert "undersøgelsens side, billedviseren" in seen
    assert "pacs" not in seen
    assert client.get(f"/studies/{told}/history?about=nonsense").status_code == 422
    assert client.get("/studies/nowhere/history").status_code == 404


def test_long_histories_have_pages(site, told, monkeypatch):
    monkeypatch.setattr("gransk.web.case_history.SHOWN", 3)
    client = site.person(Role.NURSE)
    first = client.get(f"/studies/{told}/history").text
    assert f'href="/studies/{told}/history?after=3"' in first
    assert first.count("<tr><td") == 3
    assert "after=0" in client.get(f"/studies/{told}/history?after=3").text


def test_every_event_of_a_study_belongs_somewhere_and_every_word_is_there():
    kinds = [kind for group in ABOUT.values() for kind in group]
    assert len(kinds) == len(set(kinds))
    for one in About:
        assert f"history_about_{one}" in catalogue()


def test_who_may_take_entries_out_does_and_it_is_an_entry(site, told):
    client = site.person(Role.AUDITOR, name="olga")
    patient = "000001-0000"
    answer = client.post("/audit/export", data={"patient_id": patient, "form": "jsonl"})
    assert answer.status_code == 200
    assert patient not in answer.headers["content-disposition"]
    about, *rows = map(json.loads, answer.text.splitlines())
    assert about["asked"]["patient_id"] == patient
    assert {row["subject"] for row in rows} == {told}
    table = client.post("/audit/export", data={"study": told, "form": "csv"})
    assert table.text.count("audit_exported") == 1
    with site.database.read() as session:
        found = session.scalars(select(Event).where(Event.kind == "audit_exported")).all()
    assert [(one.actor, one.subject, one.data["of"]) for one in found] == [
        ("olga", told, "patient"), ("olga", told, "study")]  # fmt: skip


@pytest.mark.parametrize("asked", [
    {}, {"patient_id": "x", "study": "y"}, {"study": "nowhere"},
])  # fmt: skip
def test_what_is_asked_for_wrongly_is_said(site, asked):
    answer = site.person(Role.AUDITOR).post("/audit/export", data=asked)
    assert answer.status_code == 422
    assert "Name either a patient" in answer.text


def test_the_page_says_whether_everything_holds(site, told):
    client = site.person(Role.AUDITOR)
    html = client.get("/audit?verify=1").text
    assert "No receiver is configured" in html
    assert 'class="good"' in html
    with site.database.begin() as session:
        session.execute(text("DROP TRIGGER event_no_update"))
        session.execute(text("UPDATE event SET actor = 'eve' WHERE number = 3"))
    html = client.get("/audit?verify=1").text
    assert "Event 3 is missing, was changed" in html
    assert "event_no_update" in html


def test_the_settings_are_those_that_the_study_was_queued_under(site, told):
    """A host may queue under the version before for a moment after another came into force."""
    with site.database.begin() as session:
        data = {"application": "lesion", "generation": 2, "settings": 7}
        record(session, "gransk", EventKind.ANALYSIS_QUEUED, told, data)
    html = site.person(Role.NURSE).get(f"/studies/{told}/history?about=analysis").text
    last = html.rsplit("<tr><td", 1)[1]
    assert last.count("Settings, version in force: 7") == 1
    assert last.count("version in force") == 1
