"""Reads, verdicts and lists by REST: the same refusals by code, and a repeat counts once."""

from __future__ import annotations

import pytest
from reading_room import NORMAL as SAID_NORMAL
from reading_room import RECALL as SAID_RECALL
from reading_room import ai, plan

from gransk.reading.entries import TaskKind
from gransk.reading.exam import State
from gransk.reading.ledger import entries
from gransk.reading.opinions import AiSaid
from gransk.reading.plan import PolicyKind
from gransk.site.tables import Role

NORMAL = SAID_NORMAL.model_dump(mode="json")
RECALL = SAID_RECALL.model_dump(mode="json")


@pytest.fixture
def ris(desks):
    return desks.site.machine("ris")


def call(client, key, what, reader="", control_id="", **given):
    headers = {"idempotency-key": control_id} if control_id else {}
    body = ({"reader": reader} if reader else {}) | given
    method = "POST" if what == "open" else "PUT"
    return client.request(method, f"/api/reading/exams/{key}/{what}", json=body, headers=headers)


def test_a_whole_double_reading_with_arbitration_through_a_ris(desks, ris):
    key = desks.exam()
    one, other = desks.asked(key)
    listed = ris.get("/api/reading/list", params={"reader": one}).json()
    assert (listed["reader"], listed["total"]) == (one, 1)
    (exam,) = listed["exams"]
    assert (exam["key"], exam["accession_number"], exam["patient_id"]) == (
        key, "ACC1", "000001-0000",
    )  # fmt: skip
    for name, opinion in ((one, NORMAL), (other, RECALL)):
        opened = call(ris, key, "open", name).json()
        assert opened == {"task": "first", "images": "i1"}
        answer = call(ris, key, "read", name, images="i1", opinion=opinion)
        assert (answer.status_code, answer.json()) == (200, {})
    (arbiter,) = desks.asked(key, TaskKind.ARBITRATION)
    opened = call(ris, key, "open", arbiter).json()
    assert (opened["task"], opened["difference"]) == ("arbitration", "verdict")
    assert [said["reader"] for said in opened["opinions"]] == [one, other]
    answer = call(ris, key, "verdict", arbiter, opinion=RECALL, why="overlooked")
    assert answer.json() == {}
    assert desks.of(key).state is State.DECIDED
    with desks.site.database.read() as session:
        reads = [entry for entry in entries(session, key) if entry.kind == "read"]
    assert [(entry.actor, entry.content.via) for entry in reads] == [(one, "ris"), (other, "ris")]


def test_a_repeat_of_a_control_id_is_answered_and_counted_once(desks, ris):
    key = desks.exam()
    one, other = desks.asked(key)
    for repeated in (False, True, True):
        answer = call(ris, key, "read", one, "C1", images="i1", opinion=NORMAL)
        assert answer.status_code == 200
        assert answer.json() == ({"repeated": True} if repeated else {})
    changed = call(ris, key, "read", one, "C1", images="i1", opinion=RECALL)
    assert changed.status_code == 409
    assert changed.json() == {"error": "The control id is another call's."}
    assert len(desks.of(key).reads) == 1
    refused = call(ris, key, "read", other, "C2", images="old", opinion=NORMAL)
    assert refused.json()["code"] == "other_images"
    assert call(ris, key, "read", other, "C2", images="i1", opinion=NORMAL).json() == {}


def test_a_person_calls_for_nobody_else(desks):
    key = desks.exam()
    one, other = desks.asked(key)
    page = desks.at(one)
    assert page.get("/api/reading/list").json()["reader"] == one
    assert page.get("/api/reading/list", params={"reader": other}).status_code == 403
    assert call(page, key, "read", other, images="i1", opinion=NORMAL).status_code == 403
    assert call(page, key, "read", images="i1", opinion=NORMAL).status_code == 200
    assert [read.account for read in desks.of(key).reads] == [one]
    token = page.headers.pop("x-csrf-token")
    assert call(page, key, "correction", images="i1", opinion=RECALL).status_code == 403
    page.headers["x-csrf-token"] = token
    assert call(page, key, "correction", images="i1", opinion=RECALL).status_code == 200


def test_only_a_machine_of_the_configuration_calls_for_readers(desks, ris):
    key = desks.exam()
    one = desks.asked(key)[0]
    scanner = desks.site.machine("scanner")
    assert scanner.get("/api/reading/list", params={"reader": one}).status_code == 403
    assert call(scanner, key, "read", one, images="i1", opinion=NORMAL).status_code == 403
    desks.person("nora", Role.NURSE)
    for reader in ("", "nobody", "nora", "admin"):
        assert ris.get("/api/reading/list", params={"reader": reader}).status_code == 403
    for address in ("/reading", f"/reading/{key}"):
        assert ris.get(address).status_code == 403
    assert desks.of(key).reads == ()


CALLS = (
    ("read", {"images": "i1", "opinion": NORMAL}),
    ("correction", {"images": "i1", "opinion": NORMAL}),
    ("changed", {"images": "i1", "opinion": RECALL}),
    ("kept", {}),
    ("verdict", {"opinion": NORMAL, "why": "other"}),
    ("open", {}),
)


def test_who_was_given_nothing_is_refused_by_one_code(desks, ris):
    key = desks.exam()
    asked = desks.asked(key)
    stranger = next(name for name in ("anna", "bo", "cara", "dan") if name not in asked)
    for name in (*asked, ""):  # whatever others have done meanwhile
        for what, given in CALLS:
            answer = call(ris, key, what, stranger, **given)
            assert (answer.status_code, answer.json()["code"]) == (403, "not_yours")
        if name:
            said = call(ris, key, "read", name, images="i1", opinion=NORMAL)
            assert said.status_code == 200
    assert desks.of(key).state is State.DECIDED


def test_refusals_by_code(desks, ris):
    key = desks.exam()
    one = desks.asked(key)[0]
    assert (
        call(ris, "unknown", "read", one, images="i1", opinion=NORMAL).json()["code"] == "no_exam"
    )
    assert call(ris, key, "read", one, images="i0", opinion=NORMAL).json()["code"] == "other_images"
    off = SAID_RECALL.suspects[0].model_copy(update={"suspicion": 9}).model_dump(mode="json")
    answer = call(ris, key, "read", one, images="i1", opinion=RECALL | {"suspects": [off]})
    assert (answer.status_code, answer.json()["error"]) == (
        422, "A suspicion is not on the site's scale.",
    )  # fmt: skip
    bare = call(ris, key, "read", one, images="i1", opinion={"verdict": "recall"})
    assert (bare.status_code, bare.json()["fields"]) == (422, ["opinion"])
    odd = call(ris, key, "read", one, images="i1", opinion=NORMAL, name="Anna")
    assert odd.json()["fields"] == ["name"]
    desks.new_images(key)
    late = call(ris, key, "read", one, images="i1", opinion=NORMAL)
    assert late.json()["code"] in ("not_yours", "other_images")
    assert desks.of(key).counting == ()


def test_the_ai_is_told_where_the_policy_shows_it(desks, ris):
    key = desks.exam(plan(PolicyKind.DECISION_SUPPORT), ai(AiSaid.RECALL, exam_score=7.0))
    opened = call(ris, key, "open", desks.asked(key)[0]).json()
    assert (opened["ai"]["said"], opened["ai"]["exam_score"]) == ("recall", 7.0)
    assert "opinions" not in opened
    assert "ai" not in call(ris, key, "open", "tove").json()
    key = desks.exam(plan(PolicyKind.REPLACE_READER), ai(AiSaid.RECALL, exam_score=7.0))
    assert set(call(ris, key, "open", desks.asked(key)[0]).json()) == {"task", "images"}
