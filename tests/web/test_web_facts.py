"""Facts of exams by REST: who may say them, which, and what counts."""

import pytest
from sqlalchemy import select

from gransk.core.exam_facts import Fact
from gransk.results.exam_facts import known_of
from gransk.site.events import EventKind
from gransk.site.tables import Event, Role


def put(client, accession="ACC1", **facts):
    return client.put(f"/api/exams/{accession}/facts", json=facts)


def known(site, key):
    with site.database.read() as session:
        return {fact.value: one.value for fact, one in known_of(session, key).items()}


def test_a_machine_says_facts_and_the_answer_lists_them(site):
    key = site.study(1)
    answer = put(site.machine("booking"), round="first", treated="no")
    assert (answer.status_code, answer.json()["added"]) == (200, True)
    (study,) = answer.json()["studies"]
    assert study == {
        "key": key,
        "facts": {
            "round": {"value": "first", "source": "machine"},
            "treated": {"value": "no", "source": "machine"},
        },
    }
    assert {one["by"] for one in answer.json()["said"]} == {"booking"}
    again = put(site.machine("other"), round="first")
    assert (again.status_code, again.json()["added"]) == (200, False)
    assert known(site, key) == {"round": "first", "treated": "no"}
    with site.database.read() as session:
        events = session.scalars(select(Event).where(Event.kind == EventKind.EXAM_FACTS_STATED))
        (event,) = events
    assert event.data == {"source": "machine", "facts": {"round": 1, "treated": 1}}


def test_a_persons_word_counts_before_a_machines(site):
    key = site.study(1)
    put(site.machine(), treated="yes", declines_ai="yes")
    assert put(site.person(Role.COORDINATOR), treated="no").status_code == 200
    assert known(site, key) == {"treated": "no", "declines_ai": "yes"}
    put(site.machine("second"), declines_ai="unknown")
    assert known(site, key) == {"treated": "no"}


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"round": "second"},
        {"treated": True},
        {"age": "55"},
        {"age": "unknown"},
        {"equipment": "x"},
        {"unit": "nowhere"},
        {"treated": "yes", "other": "no"},
    ],
)
def test_what_is_no_fact_is_refused_whole(site, facts):
    key = site.study(1)
    answer = put(site.machine(), **facts)
    assert answer.status_code == 422
    assert answer.json()["keys"]["treated"] == ["yes", "no", "unknown"]
    assert known(site, key) == {}


@pytest.mark.parametrize("role", [Role.RADIOLOGIST, Role.ARBITER, Role.TRAINEE, Role.AUDITOR])
def test_who_may_not_say_it(site, role):
    site.study(1)
    assert put(site.person(role), treated="no").status_code == 403
    assert site.person(role, name="second").get("/api/exams/ACC1/facts").status_code == 403
    assert put(site.client(), treated="no").status_code == 401


def test_words_about_a_shared_number_do_not_count(site):
    one, other = site.study(1, accession_number="A"), site.study(2, accession_number="A")
    put(site.machine(), "A", implant="yes")
    assert known(site, one) == known(site, other) == {}
    assert Fact.IMPLANT not in known(site, one)
