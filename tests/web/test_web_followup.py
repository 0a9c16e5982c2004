"""The follow-up list: its page, forms, file and REST answer."""

from __future__ import annotations

import csv
import datetime
import io
from typing import Any

import pytest
from sqlalchemy import select

from gransk.core.followup import Advice
from gransk.core.keys import digest
from gransk.reading.tables import FollowUpRow, FollowUpState
from gransk.results.store import withdraw_report
from gransk.results.tables import Workitem, WorkState
from gransk.site.database import utcnow
from gransk.site.tables import Event, Role

TODAY = utcnow().date()
ADVICE = Advice(
    guideline="fleischner-2017",
    version="1",
    source_state="primary",
    status="advice",
    due=(TODAY, TODAY),
    text={"en": "CT in 6 months", "da": "CT om 6 måneder"},
    reason={"en": "-", "da": "-"},
)


def listed(site: Any, number: int = 1, days: int = 30, **values: Any) -> str:
    """A patient on the list whose last day is in some days; the row's id."""
    key = site.study(number, pending=False)
    ident = digest(["row", number])[:32]
    last = TODAY + datetime.timedelta(days=days)
    with site.database.begin() as session:
        session.add(
            FollowUpRow(
                **{
                    "id": ident, "application": "lesion", "patient_key": str(number),
                    "study_key": key, "study_date": datetime.date(2026, 1, 5), "report_key": "r",
                    "advice": ADVICE.model_dump(mode="json"), "due_from": last, "due_to": last,
                    "signed": True, "state": FollowUpState.DUE, "closing": None,
                    "responsible": "", "next_step": "", "note": "", "booked_on": None,
                    "told_overdue": None, "changed_at": utcnow(), "changed_by": "gransk",
                    "version": 1,
                }
                | values
            )
        )  # fmt: skip
    return ident


def row_of(site: Any, ident: str) -> FollowUpRow:
    with site.database.read() as session:
        return session.get_one(FollowUpRow, ident)


def change(site: Any, client: Any, ident: str, **form: Any) -> str:
    values = {"version": row_of(site, ident).version, "state": "due"} | form
    answer = client.post(f"/follow-up/{ident}", data=values)
    return answer.headers.get("location", str(answer.status_code)).split("done=")[-1]


def test_the_list_shows_who_is_due_and_alarms(site):
    listed(site, 1, days=30)
    listed(site, 2, days=-40)
    listed(site, 3, days=-100, state=FollowUpState.DIED)
    client = site.person(Role.COORDINATOR)
    html = client.get("/follow-up").text
    assert html.index("Patient2") < html.index("Patient1")
    assert "Patient3" not in html
    assert "One patient is overdue." in html
    assert "26 days overdue" in html
    assert "CT in 6 months" in html
    assert '<b class="count">1<' in client.get("/").text
    html = client.get("/follow-up?state=overdue").text
    assert "Patient2" in html
    assert "Patient1" not in html
    assert "Patient3" in client.get("/follow-up?state=died").text
    assert all(f"Patient{n}" in client.get("/follow-up?state=all").text for n in (1, 2, 3))
    assert client.get("/follow-up?state=nonsense").status_code == 422


def test_the_list_in_danish(site):
    listed(site, 1, days=-40)
    html = site.person(Role.NURSE, language="da").get("/follow-up").text
    assert "CT om 6 måneder" in html
    assert "Én patient er over tiden." in html
    assert "Skal kaldes" in html
    assert "når en radiolog underskriver" in html


def test_nothing_alarms_where_nobody_is_overdue(site):
    listed(site, 1, days=30)
    client = site.person(Role.COORDINATOR)
    assert 'role="alert"' not in client.get("/follow-up").text
    assert 'class="count"' not in client.get("/").text


def test_the_alarm_is_for_who_sees_the_list(site):
    listed(site, 1, days=-40)
    with site.database.begin() as session:
        assert session.scalars(select(FollowUpRow)).one()
    assert 'class="count"' in site.person(Role.AUDITOR).get("/events").text
    assert 'class="count"' not in site.client().get("/sign-in").text


def test_a_patient_is_booked_assigned_and_closed(site):
    ident = listed(site, 1, days=-40)
    client = site.person(Role.COORDINATOR, name="cleo")
    form = {"booked_on": (TODAY + datetime.timedelta(days=3)).isoformat(), "responsible": "cleo"}
    assert change(site, client, ident, state="booked", next_step="letter", **form) == (
        "follow_up_saved"
    )
    row = row_of(site, ident)
    assert (row.state, row.responsible, row.next_step) == ("booked", "cleo", "letter")
    html = client.get(f"/follow-up/{ident}").text
    assert "Booked, Responsible, Next step, Booked on" in html
    assert "overdue" not in html.split("<main")[1]
    assert "letter" in client.get("/follow-up?responsible=cleo").text
    assert "Patient1" not in client.get("/follow-up?responsible=-").text
    assert change(site, client, ident, state="closed") == "follow_up_wrong"
    closed = change(site, client, ident, state="closed", closing="declined", **form)
    assert closed == "follow_up_saved"
    assert row_of(site, ident).booked_on is None
    assert "The patient declined" in client.get("/follow-up?state=closed").text
    assert change(site, client, ident, state="due") == "follow_up_saved"
    assert row_of(site, ident).closing is None


@pytest.mark.parametrize(
    ("form", "answer"),
    [
        ({"version": 7}, "follow_up_changed"),
        ({"state": "booked"}, "follow_up_wrong"),
        ({"state": "proposed"}, "follow_up_wrong"),
        ({"state": "closed", "closing": "new_study"}, "follow_up_wrong"),
        ({"responsible": "nobody"}, "follow_up_nobody"),
        ({"state": "nonsense"}, "422"),
        ({"note": "x" * 501}, "422"),
        ({"booked_on": "soon"}, "422"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(site, form, answer):
    ident = listed(site)
    assert change(site, site.person(Role.COORDINATOR), ident, **form) == answer
    assert row_of(site, ident).version == 1


def test_unknown_rows_are_not_found(site):
    client = site.person(Role.COORDINATOR)
    assert client.get("/follow-up/none").status_code == 404
    form = {"version": 1, "state": "due"}
    assert client.post("/follow-up/none", data=form).status_code == 404


def test_auditors_see_and_change_nothing(site):
    ident = listed(site)
    client = site.person(Role.AUDITOR)
    assert "Patient1" in client.get("/follow-up").text
    html = client.get(f"/follow-up/{ident}").text
    assert "<form" not in html.split("<main")[1]
    assert change(site, client, ident, state="lost") == "403"
    assert client.get("/follow-up.csv").status_code == 403


def test_the_file_has_every_row_and_no_formula(site):
    listed(site, 1, days=-40, note="=HYPERLINK(1)", next_step="letter; call")
    client = site.person(Role.COORDINATOR, language="da", name="cleo")
    answer = client.get("/follow-up.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "Testesen" not in answer.headers["content-disposition"]
    content = answer.content.decode("utf-8-sig")
    head, row = csv.reader(io.StringIO(content), delimiter=";")
    found = dict(zip(head, row, strict=True))
    assert found["Patient"] == "Testesen, Patient1"
    assert found["Note"] == "'=HYPERLINK(1)"
    assert found["Næste skridt"] == "letter; call"
    assert found["Dage over tiden"] == "26"
    assert found["Anbefaling"] == "CT om 6 måneder"
    with site.database.read() as session:
        (event,) = session.scalars(select(Event).where(Event.kind == "follow_up_exported"))
    assert (event.actor, event.data["rows"]) == ("cleo", 1)


def test_rest_answer(site):
    listed(site, 1, days=-40)
    listed(site, 2, days=4, state=FollowUpState.PROPOSED, signed=False)
    client = site.person(Role.RADIOLOGIST)
    answer = client.get("/api/follow-up").json()
    assert (answer["counts"]["overdue"], answer["counts"]["proposed"]) == (1, 1)
    (row,) = answer["follow_up"]
    assert (row["patient_id"], row["overdue_days"], row["state"]) == ("000001-0000", 26, "due")
    assert row["advice"]["text"]["en"] == "CT in 6 months"
    (row,) = client.get("/api/follow-up?state=proposed").json()["follow_up"]
    assert not row["signed"]
    assert client.get("/api/follow-up?state=x").status_code == 422
    assert site.client().get("/api/follow-up").status_code == 401


def test_a_report_that_was_taken_back_is_told(site):
    key = site.study(1)
    item = site.sealed(key)
    with site.database.begin() as session:
        report = session.get_one(Workitem, item).report_key
        withdraw_report(session, report, key)
    site.study_key = lambda number: digest(["study", number + 50])[:32]
    ident = listed(site, 1, report_key=report)
    client = site.person(Role.RADIOLOGIST)
    assert "was taken back" in client.get("/follow-up").text
    assert "was taken back" in client.get(f"/follow-up/{ident}").text


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, True),
        ({"study_date": "20260104"}, False),
        ({"patient_birth_date": "19500101"}, False),
        ({"deleted_at": utcnow()}, False),
    ],
)
def test_a_newer_study_without_a_report_is_told(site, values, told):
    ident = listed(site, 1)
    same = {"patient_id": "000001-0000", "study_date": "20260801", "pending": False}
    newer = site.study(2, **(same | values))
    site.item(newer, WorkState.NOT_ANALYSED, reason="slices_too_thick")
    client = site.person(Role.COORDINATOR)
    for address in ("/follow-up", f"/follow-up/{ident}"):
        html = client.get(address).text
        assert ("A study of 2026-08-01 is in the archive" in html) == told
    (row,) = client.get("/api/follow-up").json()["follow_up"]
    assert row["newer_study"] == ("2026-08-01" if told else None)


def test_a_long_list_has_pages(site, monkeypatch):
    monkeypatch.setattr("gransk.web.follow_up_pages.PAGE_SIZE", 2)
    for number in range(1, 6):
        listed(site, number, days=number)
    client = site.person(Role.COORDINATOR)
    first = client.get("/follow-up").text
    assert "Page 1 of 3, 5 patients" in first
    assert "Patient2" in first
    assert "Patient3" not in first
    last = client.get("/follow-up?page=3").text
    assert "Patient5" in last
    assert 'rel="next"' not in last
    assert len(client.get("/api/follow-up").json()["follow_up"]) == 5


def test_names_are_escaped(site):
    listed(site, 1)
    ident = listed(site, 2, next_step="<script>x</script>")
    with site.database.begin() as session:
        session.get_one(FollowUpRow, ident).note = '"><script>y</script>'
    client = site.person(Role.RADIOLOGIST)
    for address in ("/follow-up", f"/follow-up/{ident}"):
        html = client.get(address).text
        assert "<script>x" not in html
        assert "<script>y" not in html
