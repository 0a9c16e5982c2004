"""Other images, repeats and withdrawals: how an exam opens anew."""

from __future__ import annotations

import datetime
from dataclasses import fields

import pytest
from reading_room import (
    NORMAL,
    RECALL,
    START,
    TECHNICAL,
    Room,
    ai,
    arrival,
    images,
    opened,
    person,
    plan,
    refused,
)

from gransk.core.screening import Verdict
from gransk.reading.entries import Alert, AlertCode, Kind, Nothing, TaskKind
from gransk.reading.exam import State
from gransk.reading.opinions import AiSaid
from gransk.reading.plan import PolicyKind
from gransk.reading.refusals import LedgerError, Refusal
from gransk.site.events import SYSTEM


def test_new_images_before_the_decision_open_it_anew():
    room = Room()
    room.open(plan(PolicyKind.REPLACE_READER), ai())
    (reader,) = room.asked()
    old = room.reading(NORMAL)
    room.add(Kind.IMAGES_CHANGED, images("images-2"))
    assert room.state is State.WAITING
    assert (room.exam.ai, room.exam.plan, room.asked()) == (None, None, [])
    room.open(plan())
    assert len(room.asked()) == 2
    name = room.asked()[0]
    refused(room, Kind.READ, old, name, Refusal.OTHER_IMAGES)
    room.read(NORMAL, NORMAL)
    assert room.state is State.DECIDED
    assert {task.round for task in room.exam.tasks if task.account == reader} <= {1, 2}


def test_reads_of_other_images_are_kept_and_count_no_more():
    room = Room()
    room.open(plan())
    room.read(RECALL)
    (early,) = room.exam.readers
    room.add(Kind.IMAGES_CHANGED, images("images-2"))
    room.open(plan())
    assert early not in room.asked(), "somebody fresh is asked first"
    room.read(NORMAL, NORMAL)
    assert room.exam.outcome.verdict is Verdict.NORMAL
    assert [read.opinion for read in room.exam.reads] == [RECALL, NORMAL, NORMAL]
    assert len(room.exam.counting) == 2


def test_in_a_small_unit_who_read_other_images_reads_again_and_never_arbitrates():
    few = {name: person(name) for name in ("anna", "bo")} | {"cara": person(
        "cara", arbitrates=True
    )}  # fmt: skip
    room = Room(readers=few)
    room.open(plan())
    assert sorted(room.asked()) == ["anna", "bo"]
    room.read(RECALL)
    room.add(Kind.IMAGES_CHANGED, images("images-2"))
    room.open(plan())
    room.read(NORMAL, RECALL)
    assert room.state is State.DISCORDANT
    # Whoever of the three is left has read it, unless it is the arbiter.
    left = room.asked(TaskKind.ARBITRATION)
    assert left == ([] if "cara" in room.exam.readers else ["cara"])


def test_a_technical_repeat_opens_with_its_images():
    room = Room()
    room.open(plan())
    room.read(TECHNICAL, TECHNICAL)
    assert room.state is State.TECHNICAL_REPEAT
    room.add(Kind.IMAGES_CHANGED, images("images-2"))
    assert (room.state, room.exam.outcome) == (State.WAITING, None)
    room.open(plan())
    room.read(NORMAL, NORMAL)
    assert room.state is State.DECIDED


def test_an_arbiter_may_ask_for_a_technical_repeat():
    room = Room()
    room.open(plan())
    room.read(NORMAL, RECALL)
    room.arbitrate(TECHNICAL)
    assert room.state is State.TECHNICAL_REPEAT


def test_new_images_after_the_decision_raise_an_alert():
    room = Room()
    room.open(plan())
    room.read(NORMAL, NORMAL)
    refused(room, Kind.IMAGES_CHANGED, images("images-2"), SYSTEM, Refusal.WRONG_STATE)
    before = room.exam.outcome
    room.add(Kind.ALERT, Alert(code=AlertCode.IMAGES_CHANGED, images="images-2"))
    assert (room.state, room.exam.alerts, room.exam.outcome) == (State.DECIDED, 1, before)
    assert room.exam.images == "images-2"


def test_withdrawn_and_back():
    room = Room()
    room.open(plan())
    room.read(NORMAL)
    room.add(Kind.WITHDRAWN, actor="kim", reason="cancelled")
    assert (room.state, room.asked()) == (State.WITHDRAWN, [])
    refused(room, Kind.WITHDRAWN, Nothing(), "kim", Refusal.WRONG_STATE)
    room.add(Kind.ARRIVED, arrival())
    assert room.state is State.WAITING
    assert room.exam.counting == ()
    assert room.exam.arrived_at == START


def test_other_images_open_the_exam_at_their_own_instant():
    room = opened()
    later = START + datetime.timedelta(hours=5)
    new = images("images-2", later)
    room.add(Kind.IMAGES_CHANGED, new)
    assert (room.exam.images_at, room.exam.opens_at) == (later, new.opens_at)
    with pytest.raises(LedgerError) as error:
        room.book.open(plan(), new.opens_at - datetime.timedelta(seconds=1))
    assert error.value.code is Refusal.TOO_EARLY


def arbitrated_repeat():
    room = opened()
    room.read(NORMAL, RECALL)
    room.arbitrate(TECHNICAL)
    assert room.state is State.TECHNICAL_REPEAT
    return room


def kept_by_one():
    room = opened(plan(PolicyKind.SAFETY_NET), ai(AiSaid.RECALL))
    room.read(NORMAL, NORMAL)
    room.add(Kind.SAFETY_KEPT, actor=room.asked(TaskKind.SAFETY)[0])
    return room


def counted_and_taken():
    room = opened(plan(PolicyKind.REPLACE_READER), ai(AiSaid.RECALL))
    room.read(NORMAL)
    room.take()
    return room


KEPT_OVER_ROUNDS = {
    "unit", "application", "images", "arrived_at", "images_at", "opens_at", "round", "entries",
    "late_ai", "returned", "tasks", "reads", "trainee_reads", "seen", "alerts",
}  # fmt: skip


@pytest.mark.parametrize("made", [arbitrated_repeat, kept_by_one, counted_and_taken])
def test_other_images_begin_as_if_nothing_had_been_said(made):
    room = made()
    reads, seen = room.exam.reads, room.exam.seen
    room.add(Kind.IMAGES_CHANGED, images("images-2"))
    for field in fields(room.exam):
        if field.name not in KEPT_OVER_ROUNDS:
            assert getattr(room.exam, field.name) == field.default, field.name
    assert (room.exam.round, room.exam.reads, room.exam.seen) == (2, reads, seen)
    assert not any(room.asked(task) for task in TaskKind)
