"""Which programme an exam belongs to: machines, people, the worklist and the case."""

import re

import pytest
from sqlalchemy import func, select

from gransk.core.programme import Programme
from gransk.pipeline import programmes
from gransk.results.programmes import programme_of
from gransk.results.tables import ProgrammeSource, ProgrammeStatement, WorkState
from gransk.site.events import EventKind
from gransk.site.tables import Event, Role


def put(client, accession, programme):
    return client.put(f"/api/exams/{accession}/programme", json={"programme": programme})


def counts(site, key):
    with site.database.read() as session:
        return programme_of(session, key)


def events(site, kind):
    with site.database.read() as session:
        return session.scalars(select(Event).where(Event.kind == kind)).all()


def statements(site):
    with site.database.read() as session:
        return session.scalar(select(func.count()).select_from(ProgrammeStatement))


def test_a_machine_says_it_after_the_images_arrived(site):
    key = site.study(1)
    answer = put(site.machine("booking"), "ACC1", "screening")
    assert answer.status_code == 200
    assert answer.json()["added"] is True
    assert answer.json()["studies"] == [
        {"key": key, "programme": "screening", "source": "machine", "conflict": None}
    ]
    assert answer.json()["said"][0]["by"] == "booking"
    assert counts(site, key) is Programme.SCREENING


def test_the_same_again_changes_nothing(site):
    key = site.study(1)
    machine = site.machine()
    put(machine, "ACC1", "screening")
    again = put(machine, "ACC1", "screening")
    assert (again.status_code, again.json()["added"]) == (200, False)
    assert statements(site) == 1
    assert len(events(site, EventKind.PROGRAMME_STATED)) == 1
    (changed,) = events(site, EventKind.PROGRAMME_CHANGED)
    assert changed.subject == key


def test_the_latest_word_of_a_rank_counts_and_unknown_takes_it_back(site):
    key = site.study(1)
    machine = site.machine()
    for programme in ("screening", "clinical"):
        put(machine, "ACC1", programme)
    assert counts(site, key) is Programme.CLINICAL
    put(machine, "ACC1", "unknown")
    assert counts(site, key) is None
    assert put(machine, "ACC1", "unknown").json()["added"] is False


def test_a_persons_word_counts_before_a_machines_and_the_page_says_that_they_differ(site):
    key = site.study(1)
    coordinator = site.person(Role.COORDINATOR)
    assert coordinator.post(f"/studies/{key}/programme", data={"programme": "high_risk"})
    put(site.machine(), "ACC1", "screening")
    assert counts(site, key) is Programme.HIGH_RISK
    html = coordinator.get(f"/studies/{key}").text
    assert "High-risk programme" in html
    assert "What was stated differs" in html
    assert "from another system · scanner" in html
    row = coordinator.get("/api/worklist").json()["studies"][0]["programme"]
    assert row == {"programme": "high_risk", "source": "person", "conflict": "disagree"}
    assert "unclear" not in coordinator.get("/").text
    coordinator.post(f"/studies/{key}/programme", data={"programme": "unknown"})
    assert counts(site, key) is Programme.SCREENING


def test_the_worklist_calls_unclear_what_no_person_said(site):
    site.study(1)
    site.study(2, accession_number="ACC1")
    put(site.machine(), "ACC1", "screening")
    html = site.person(Role.RADIOLOGIST).get("/").text
    assert html.count("unclear") == 2
    assert 'class="programme">Unknown<' in html


def test_the_later_of_two_words_of_people_counts_wherever_it_was_said(site):
    key = site.study(1)
    coordinator = site.person(Role.COORDINATOR)
    put(coordinator, "ACC1", "screening")
    coordinator.post(f"/studies/{key}/programme", data={"programme": "clinical"})
    assert counts(site, key) is Programme.CLINICAL
    assert put(coordinator, "ACC1", "screening").json()["added"] is True
    assert counts(site, key) is Programme.SCREENING


def test_an_accession_number_of_two_patients_says_nothing(site):
    machine = site.machine()
    first = site.study(1)
    put(machine, "ACC1", "screening")
    second = site.study(2, accession_number="ACC1")
    put(machine, "ACC1", "clinical")
    assert counts(site, first) is None
    assert counts(site, second) is None
    page = site.person(Role.ADMINISTRATOR, language="da", name="da").get(f"/studies/{first}").text
    assert "Undersøgelser af flere patienter" in page
    coordinator = site.person(Role.COORDINATOR)
    coordinator.post(f"/studies/{first}/programme", data={"programme": "screening"})
    assert counts(site, first) is Programme.SCREENING
    assert counts(site, second) is None


def test_a_study_without_accession_number_is_nobody_elses(site):
    one, other = site.study(1, accession_number=""), site.study(2, accession_number="")
    coordinator = site.person(Role.COORDINATOR)
    coordinator.post(f"/studies/{one}/programme", data={"programme": "clinical"})
    assert counts(site, one) is Programme.CLINICAL
    assert counts(site, other) is None


@pytest.mark.parametrize(
    ("address", "accession"), [("2026/17", "2026/17"), ("A%20B", "A B"), ("Ø-1", "Ø-1")]
)
def test_an_accession_number_is_matched_as_it_stands(site, address, accession):
    key = site.study(1, accession_number=accession)
    assert put(site.machine(), address, "clinical").status_code == 200
    assert counts(site, key) is Programme.CLINICAL


@pytest.mark.parametrize(
    ("accession", "body"),
    [
        ("A" * 65, {"programme": "screening"}),
        ("%20", {"programme": "screening"}),
        ("a%5Cb", {"programme": "screening"}),
        ("a%09b", {"programme": "screening"}),
        ("ACC1", {"programme": "Screening"}),
        ("ACC1", {"programme": None}),
        ("ACC1", {"programme": "screening", "patient": "x"}),
        ("ACC1", {}),
        ("ACC1", []),
    ],
)
def test_what_makes_no_sense_is_refused_and_kept_nowhere(site, accession, body):
    answer = site.machine().put(f"/api/exams/{accession}/programme", json=body)
    assert answer.status_code == 422
    assert "ACC1" not in answer.text
    assert statements(site) == 0


def test_no_event_repeats_an_accession_number(site):
    site.study(1)
    machine, coordinator = site.machine(), site.person(Role.COORDINATOR)
    put(machine, "ACC1", "screening")
    put(coordinator, "ACC-LATER", "screening")
    told = [
        *events(site, EventKind.PROGRAMME_STATED),
        *events(site, EventKind.PROGRAMME_CHANGED),
    ]
    assert len(told) == 3
    assert not [one for one in told if "ACC" in repr((one.subject, one.actor, one.data))]


@pytest.mark.parametrize("role", [Role.RADIOLOGIST, Role.NURSE, Role.AUDITOR, Role.TRAINEE])
def test_others_may_not_say_it(site, role):
    key = site.study(1)
    client = site.person(role)
    assert put(client, "ACC1", "screening").status_code == 403
    answer = client.post(f"/studies/{key}/programme", data={"programme": "screening"})
    assert answer.status_code == 403
    assert statements(site) == 0
    if role is Role.RADIOLOGIST:
        assert "programme-choice" not in client.get(f"/studies/{key}").text


def test_the_worklist_shows_and_filters(site):
    for number, programme in ((1, "screening"), (2, "clinical"), (3, None)):
        site.item(site.study(number), WorkState.WAITING)
        if programme:
            put(site.machine(f"m{number}"), f"ACC{number}", programme)
    client = site.person(Role.RADIOLOGIST)
    html = client.get("/").text
    assert len(re.findall(r'class="programme">(\w+)', html)) == 2
    for programme, patient in (("screening", 1), ("clinical", 2), ("unknown", 3)):
        found = client.get(f"/?programme={programme}").text
        assert re.findall(r"Testesen, Patient(\d)</a>", found) == [str(patient)]
        waiting = re.search(r'id="filter-waiting" href="/\?([^"]*)"', found)[1]
        assert f"programme={programme}" in waiting.split("&amp;")
    assert client.get("/?programme=nonsense").status_code == 422


def test_the_open_list_is_sent_again_where_the_programme_changed(site):
    key = site.study(1)
    client = site.person(Role.COORDINATOR)
    page = client.get("/").text
    assert 'name="programme"' not in page
    seen = re.search(r'data-seen="(\w+)"', page)[1]
    client.post(f"/studies/{key}/programme", data={"programme": "screening"})
    assert client.get(f"/worklist/list?seen={seen}").status_code == 200


def test_one_event_tells_of_a_whole_list(site):
    keys = [site.study(1), site.study(2)]
    said = {"ACC1": Programme.SCREENING, "ACC2": Programme.CLINICAL, "ACC3": Programme.CLINICAL}
    with site.database.begin() as session:
        done = programmes.state_exams(session, said, ProgrammeSource.FILE, "shell:it")
    assert (done.added, done.studies) == (3, 2)
    assert [counts(site, key) for key in keys] == [Programme.SCREENING, Programme.CLINICAL]
    (told,) = events(site, EventKind.PROGRAMME_STATED)
    assert told.data == {"source": "file", "programmes": {"clinical": 2, "screening": 1}}
    put(site.machine(), "ACC1", "high_risk")
    assert counts(site, keys[0]) is Programme.HIGH_RISK
