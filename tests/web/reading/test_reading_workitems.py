"""The reading worklist by UPS-RS: what each person is given, in step with the room, and blind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from pydicom import Dataset
from reading_room import NORMAL, RECALL, ai, plan
from workitem_parts import (
    JSON,
    STATE,
    about,
    coded,
    discontinued,
    moved,
    performed,
    said,
    workitem,
)

from gransk.reading import acts
from gransk.reading.acts import Actor
from gransk.reading.entries import TaskKind
from gransk.reading.exam import State
from gransk.reading.opinions import AiSaid
from gransk.reading.plan import PolicyKind
from gransk.results.steps import Step
from gransk.results.urgency import Level, Urgency
from gransk.site.database import utcnow
from gransk.site.tables import Role

ITEMS = "/dicom-web/workitems"
ONE, TWO = "2.25.111", "2.25.222"
ALONE = plan(PolicyKind.REPLACE_READER)


@pytest.fixture
def ris(desks):
    return desks.site.machine("ris")


def listed(client, reader="", **asked):
    headers = JSON | ({"x-gransk-reader": reader} if reader else {})
    answer = client.get(ITEMS, params=asked, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def uid_of(found):
    return said(found, "00080018")


def states(client, reader=""):
    return [said(one, STATE) for one in listed(client, reader)]


def put(client, uid, to, transaction=ONE, reader=""):
    headers = JSON | ({"x-gransk-reader": reader} if reader else {})
    return client.put(f"{ITEMS}/{uid}/state", json=moved(to, transaction), headers=headers)


def read(desks, key, name, opinion=NORMAL):
    with desks.site.database.begin() as session:
        actor = Actor(name, "radiologist")
        acts.read(session, key, actor, opinion, desks.of(key).images)


def test_each_reader_has_their_own_workitem_and_sees_no_other(desks):
    key = desks.exam()
    one, other = desks.asked(key)
    (mine,) = listed(desks.at(one))
    (theirs,) = listed(desks.at(other))
    assert uid_of(mine) != uid_of(theirs)
    assert said(mine, "00741204") == "Read exam"
    assert said(said(mine, "00404018"), "00080100") == "110005"
    whole = Dataset.from_json(desks.at(one).get(f"{ITEMS}/{uid_of(mine)}", headers=JSON).json()[0])
    (human,) = whole.ScheduledHumanPerformersSequence
    assert human.HumanPerformerCodeSequence[0].CodeValue == one
    assert human.HumanPerformerName == f"{one.title()} Gransker"
    assert whole.InputInformationSequence[0].StudyInstanceUID == "1.2.3.1"
    assert whole.ExpectedCompletionDateTime > whole.ScheduledProcedureStepStartDateTime
    for answer in (
        desks.at(one).get(f"{ITEMS}/{uid_of(theirs)}", headers=JSON),
        put(desks.at(one), uid_of(theirs), "IN PROGRESS"),
        desks.at(one).post(f"{ITEMS}/{uid_of(theirs)}/subscribers/WS1"),
        desks.at(one).post(f"{ITEMS}/{uid_of(theirs)}/cancelrequest"),
        desks.at(one).post(f"{ITEMS}/{uid_of(theirs)}", json=performed(ONE), headers=JSON),
    ):
        assert answer.status_code == 404
    (third,) = {"anna", "bo", "cara", "dan"} - {one, other} - {"dan"}
    assert listed(desks.at(third)) == []


def test_a_read_on_our_pages_ends_the_workitem(desks):
    key = desks.exam()
    one, other = desks.asked(key)
    (mine,) = listed(desks.at(one))
    assert put(desks.at(one), uid_of(mine), "IN PROGRESS").status_code == 200
    before = listed(desks.at(other), includefield="all")
    read(desks, key, one)
    assert states(desks.at(one)) == ["COMPLETED"]
    assert listed(desks.at(other), includefield="all") == before
    read(desks, key, other, RECALL)
    (arbiter,) = desks.asked(key, TaskKind.ARBITRATION)
    (found,) = listed(desks.at(arbiter), includefield="all")
    told = {tag for tag in found if found[tag] != before[0].get(tag)}
    assert told <= {"00080018", "00404034"}
    late = put(desks.at(one), uid_of(mine), "COMPLETED")
    assert (late.status_code, "COMPLETED" in late.headers["warning"]) == (200, True)


def test_a_client_ends_its_own_books_and_writes_no_opinion(desks, ris):
    key = desks.exam()
    one, other = desks.asked(key)
    (mine,) = listed(ris, one)
    uid = uid_of(mine)
    assert put(ris, uid, "IN PROGRESS", reader=other).status_code == 404
    assert put(ris, uid, "IN PROGRESS", reader=one).status_code == 200
    for body, status in (
        (workitem(), 400),
        ({"00741204": {"vr": "LO", "Value": ["x"]}}, 400),
        (performed(ONE), 200),
    ):
        answer = ris.post(f"{ITEMS}/{uid}", json=body, headers=JSON | {"x-gransk-reader": one})
        assert answer.status_code == status, answer.text
    assert put(ris, uid, "COMPLETED", reader=one).status_code == 200
    assert states(ris, one) == ["COMPLETED"]
    assert desks.of(key).state is State.FIRST_READ
    assert desks.asked(key) == [one, other]
    read(desks, key, one)
    assert states(ris, one) == ["COMPLETED"]


def test_what_is_given_up_is_listed_again(desks):
    key = desks.exam()
    one = desks.asked(key)[0]
    (mine,) = listed(desks.at(one))
    put(desks.at(one), uid_of(mine), "IN PROGRESS")
    body = discontinued(ONE)
    desks.at(one).post(f"{ITEMS}/{uid_of(mine)}", json=body, headers=JSON)
    assert put(desks.at(one), uid_of(mine), "CANCELED").status_code == 200
    assert sorted(states(desks.at(one))) == ["CANCELED", "SCHEDULED"]


def test_what_is_taken_back_is_gone_with_its_claim(desks):
    key = desks.exam()
    one, other = desks.asked(key)
    (mine,) = listed(desks.at(one))
    put(desks.at(one), uid_of(mine), "IN PROGRESS")
    third = next(name for name in ("anna", "bo", "cara") if name not in (one, other))
    desks.move(key, one, third)
    assert listed(desks.at(one)) == []
    assert put(desks.at(one), uid_of(mine), "COMPLETED").status_code == 404
    assert states(desks.at(third)) == ["SCHEDULED"]


def test_a_machine_learns_nothing_of_an_exam_that_is_read(desks, ris):
    key = desks.exam(ALONE, ai(said=AiSaid.NORMAL))
    (one,) = desks.asked(key)
    scanner = desks.site.machine("scanner")
    (mine,) = listed(desks.at(one))
    for machine in (ris, scanner):
        assert listed(machine) == []
        assert machine.get(f"{ITEMS}/{uid_of(mine)}", headers=JSON).status_code == 404
    named = scanner.get(ITEMS, headers=JSON | {"x-gransk-reader": one})
    assert named.status_code == 403
    nobody = ris.get(ITEMS, headers=JSON | {"x-gransk-reader": "admin"})
    assert nobody.status_code == 403
    read(desks, key, one)
    assert desks.of(key).state is State.DECIDED
    assert listed(ris) == []


def test_who_may_not_see_an_exam_asks_for_nothing_of_it(desks):
    desks.exam()
    code = [coded("lesion", "99GRANSK")]
    body = workitem(InputInformationSequence=about("1.2.3.1"), ScheduledWorkitemCodeSequence=code)
    for name in ("anna", "tove"):
        answer = desks.at(name).post(f"{ITEMS}?1.2.3", json=body, headers=JSON)
        assert answer.status_code == 403
    by_machine = desks.site.machine("orders").post(f"{ITEMS}?1.2.3", json=body, headers=JSON)
    assert by_machine.status_code == 201
    assert all(listed(desks.at(name), SOPInstanceUID="1.2.3") == [] for name in ("anna", "dan"))


def test_who_oversees_sees_everything_and_claims_nothing(desks):
    desks.person("kim", Role.COORDINATOR)
    key = desks.exam()
    one, other = desks.asked(key)
    found = listed(desks.at("kim"))
    names = [said(said(said(item, "00404034"), "00404009"), "00080100") for item in found]
    assert sorted(names) == sorted([one, other, "tove"])
    assert put(desks.at("kim"), uid_of(found[0]), "IN PROGRESS").status_code == 403
    read(desks, key, one)
    assert sorted(states(desks.at("kim"))) == ["COMPLETED", "SCHEDULED", "SCHEDULED"]


def urgent(desks, key):
    with desks.site.database.begin() as session:
        session.add(
            Urgency(
                study_key=key, level=Level.STAT, rule="r", application="mammo",
                report_key="b", at=utcnow(),
            )
        )  # fmt: skip


def test_urgency_is_told_to_who_may_see_why_and_while_unread(desks):
    desks.person("kim", Role.COORDINATOR)
    key = desks.exam(plan(PolicyKind.DECISION_SUPPORT))
    one, other = desks.asked(key)
    urgent(desks, key)
    for name in (one, "kim"):
        assert {said(item, "00741200") for item in listed(desks.at(name))} == {"HIGH"}
    read(desks, key, one)
    read(desks, key, other)
    found = listed(desks.at("kim"))
    assert found
    assert {said(item, "00741200") for item in found} == {"MEDIUM"}, "it is read"


def test_urgency_is_told_to_nobody_while_reports_are_held(desks):
    desks.person("kim", Role.COORDINATOR)
    key = desks.exam()
    one = desks.asked(key)[0]
    urgent(desks, key)
    for name in (one, "kim"):
        assert {said(item, "00741200") for item in listed(desks.at(name))} == {"MEDIUM"}


def test_new_images_make_a_new_workitem(desks):
    key = desks.exam()
    one = desks.asked(key)[0]
    (mine,) = listed(desks.at(one))
    desks.new_images(key, how=plan())
    holder = desks.asked(key)[0]
    (found,) = listed(desks.at(holder))
    assert uid_of(found) != uid_of(mine)
    with desks.site.database.read() as session:
        assert session.get_one(Step, uid_of(mine)).taken_back
