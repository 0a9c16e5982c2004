"""Earlier studies on the pages: seen from the case, in no list, and identifiers joined."""

from __future__ import annotations

import datetime

import pytest
from sqlalchemy import select

from gransk.archive.tables import (
    FetchState,
    JoinedPatient,
    Prior,
    PriorFetch,
    PriorSearch,
    PriorState,
    Purpose,
    SearchState,
    SeenStudy,
)
from gransk.core.reasons import Reason, text
from gransk.pipeline.priors import STEP
from gransk.results.tables import WorkState
from gransk.site.database import utcnow
from gransk.site.tables import Event, Role


def search(site, key, **values):
    now = utcnow()
    known = {"state": SearchState.DONE, "unreached": [], "announced": []} | values
    with site.database.begin() as session:
        session.add(
            PriorSearch(study_key=key, deadline=now, asked_at=now, attempts=1, next_at=now, **known)
        )


def prior(site, key, uid, **values):
    known = {"place": 0, "source": "", "study_date": "20230101", "reason": None, "prior_key": None}
    with site.database.begin() as session:
        session.add(Prior(study_key=key, study_instance_uid=uid, **(known | values)))


def fetched(site, number, **values):
    key = site.study(number, purpose=Purpose.PRIOR, settled_fingerprint="f" * 64, **values)
    now = utcnow()
    with site.database.begin() as session:
        session.add(
            PriorFetch(
                study_instance_uid=f"1.2.3.{number}",
                sources=["pacs"],
                state=FetchState.HERE,
                reason=None,
                detail="",
                priority=0,
                attempts=1,
                asked_at=now,
                next_at=now,
                ended_at=now,
                last_update="",
                remove_at=now + datetime.timedelta(days=1),
            )
        )
    return key


def test_a_prior_is_in_no_list_and_no_count(site):
    site.item(site.study(1), WorkState.WAITING, step=STEP)
    site.item(fetched(site, 2), WorkState.FAILED, reason=Reason.WORKER_LOST)
    client = site.person(Role.RADIOLOGIST)
    html = client.get("/").text
    assert "Testesen, Patient1" in html
    assert "Testesen, Patient2" not in html
    assert "Waiting for earlier studies" in html
    listed = client.get("/api/worklist").json()
    assert listed["total"] == 1
    assert listed["counts"]["failed"] == 0


def test_a_case_tells_of_its_earlier_studies_and_their_failures(site):
    current = site.study(1)
    site.item(current, WorkState.WAITING)
    here = fetched(site, 2)
    site.item(here, WorkState.FAILED, reason=Reason.MEMORY_LIMIT)
    search(site, current, unreached=["vna"])
    prior(site, current, "1.2.3.2", state=PriorState.HERE, source="pacs", prior_key=here)
    prior(
        site, current, "9.9", state=PriorState.REFUSED, place=1, source="pacs",
        study_date="20220203", reason=Reason.PRIOR_IDENTITY_MISMATCH.value,
    )  # fmt: skip
    html = site.person(Role.RADIOLOGIST).get(f"/studies/{current}").text
    for words in (
        f'href="/studies/{here}"', text(Reason.MEMORY_LIMIT, "en"), "2022-02-03",
        text(Reason.PRIOR_IDENTITY_MISMATCH, "en").split(":")[0], "vna", "pacs",
    ):  # fmt: skip
        assert words in html
    danish = site.person(Role.NURSE, language="da").get(f"/studies/{current}").text
    assert "Tidligere undersøgelser" in danish
    assert f"/studies/{current}/patient" not in danish, "a nurse joins no identifiers"


def test_a_fetched_study_may_be_taken_for_one_to_read(site):
    key = fetched(site, 2)
    client = site.person(Role.RADIOLOGIST)
    assert "Fetched to compare with" in client.get(f"/studies/{key}").text
    assert client.post(f"/studies/{key}/read").status_code == 303
    with site.database.read() as session:
        seen = session.get_one(SeenStudy, key)
        assert (seen.purpose, seen.pending, seen.settled_fingerprint) == (Purpose.READING, True, "")
        assert session.get_one(PriorFetch, seen.study_instance_uid).state == FetchState.KEPT
    assert client.post(f"/studies/{key}/read").status_code == 404
    assert site.person(Role.NURSE).post(f"/studies/{key}/read").status_code == 403


def test_identifiers_are_joined_and_parted_by_a_person(site):
    current = site.study(1)
    site.study(2, patient_id="REPL-1", patient_name="<b>Ukendt</b>")
    search(site, current)
    client = site.person(Role.RADIOLOGIST, name="anna")
    shown = client.get(f"/studies/{current}/patient?other=REPL-1").text
    assert "&lt;b&gt;Ukendt" in shown
    answer = client.post(f"/studies/{current}/join", data={"other": " REPL-1 "})
    assert answer.status_code == 303
    with site.database.read() as session:
        link = session.scalars(select(JoinedPatient)).one()
        assert (link.other_id, link.joined_by, link.parted_at) == ("REPL-1", "anna", None)
        assert session.get_one(PriorSearch, current).state == SearchState.WAITING
        event = session.scalars(select(Event).where(Event.kind == "patients_joined")).one()
        assert (event.actor, event.subject) == ("anna", current)
        assert "REPL" not in str(event.data)
    assert "REPL-1" in client.get(f"/studies/{current}/patient").text
    assert client.post(f"/studies/{current}/part", data={"link": "x"}).status_code == 404
    assert client.post(f"/studies/{current}/part", data={"link": link.id}).status_code == 303
    with site.database.read() as session:
        assert session.get_one(JoinedPatient, link.id).parted_by == "anna"
    assert "Parted by anna" in client.get(f"/studies/{current}/patient").text


@pytest.mark.parametrize("other", ["", " ", "x" * 129])
def test_an_identifier_that_is_none_is_refused(site, other):
    current = site.study(1)
    answer = site.person(Role.RADIOLOGIST).post(f"/studies/{current}/join", data={"other": other})
    assert answer.status_code == 422
