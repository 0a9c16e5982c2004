"""What is refused, and by which code."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from reading_room import (
    IMAGES,
    NORMAL,
    RECALL,
    START,
    UNIT,
    Room,
    ai,
    arrival,
    images,
    judgement,
    moved,
    no_ai,
    opened,
    plan,
    refused,
    sealed,
)

from gransk.core.screening import Verdict
from gransk.reading.book import Book
from gransk.reading.checking import check
from gransk.reading.entries import (
    BY_SYSTEM,
    CONTENT,
    Counted,
    Decision,
    Entry,
    Kind,
    Nothing,
    Opening,
    Planned,
    Task,
    TaskKind,
)
from gransk.reading.exam import Read, State, TaskState
from gransk.reading.machine import TABLE, BrokenLedgerError, apply, fold
from gransk.reading.opinions import AiSaid
from gransk.reading.plan import PolicyKind
from gransk.reading.refusals import TEXTS, LedgerError, Refusal
from gransk.site.events import SYSTEM


def test_a_concluded_arbitration_is_given_to_nobody():
    """Between the conclusion and the decision that follows from it."""
    room = opened()
    room.read(NORMAL, RECALL)
    taker = room.take()
    (other,) = {"cara", "dan"} - {taker}
    entry = Entry(Kind.ARBITRATED, judgement(NORMAL), room.at, taker, "arbiter")
    concluded = apply(room.exam, entry)
    assert concluded.state is State.ARBITRATION
    assert concluded.conclusion is not None
    for giver in ("", taker):
        move = moved(TaskKind.ARBITRATION, giver, other)
        again = Entry(Kind.REASSIGNED, move, room.at, "kim", "coordinator", "ill")
        with pytest.raises(LedgerError) as error:
            check(concluded, again, room.readers[other])
        wanted = Refusal.NOT_YOURS if giver else Refusal.WRONG_STATE
        assert error.value.code is wanted


def test_refusals_of_what_comes_before_reading():
    room = Room()
    plain = Planned(plan=plan())
    refused(room, Kind.OPENED, Opening(), SYSTEM, Refusal.NO_PLAN)
    one = Planned(plan=plan(PolicyKind.REPLACE_READER))
    for opinion in (None, no_ai(), ai(AiSaid.SCORE)):
        if opinion is not None:
            room.add(Kind.AI_SEALED, sealed(opinion))
        refused(room, Kind.PLANNED, one, SYSTEM, Refusal.NO_AI_OPINION)
    other = sealed(ai(application="nodule"))
    refused(room, Kind.AI_SEALED, other, SYSTEM, Refusal.WRONG_CONTENT)
    first = Task(task=TaskKind.FIRST, account="anna")
    refused(room, Kind.ASSIGNED, first, SYSTEM, Refusal.NO_PLAN)
    room.add(Kind.PLANNED, plain)
    refused(room, Kind.PLANNED, plain, SYSTEM, Refusal.WRONG_STATE)
    refused(room, Kind.AI_SEALED, sealed(ai()), SYSTEM, Refusal.WRONG_STATE)
    refused(room, Kind.OPENED, Opening(), SYSTEM, Refusal.TOO_EARLY)
    twice = Opening(drawn=("anna", "anna"))
    room.at = room.exam.opens_at
    refused(room, Kind.OPENED, twice, SYSTEM, Refusal.WRONG_CONTENT)
    same = images(IMAGES)
    refused(room, Kind.IMAGES_CHANGED, same, SYSTEM, Refusal.WRONG_CONTENT)


def test_refusals_of_who_acts():
    room = opened()
    name = room.asked()[0]
    refused(room, Kind.DECIDED, Decision(verdict="normal"), "anna", Refusal.WRONG_ACTOR)
    refused(room, Kind.READ, room.reading(NORMAL), SYSTEM, Refusal.WRONG_ACTOR)
    refused(room, Kind.READ, Nothing(), name, Refusal.WRONG_CONTENT)
    refused(room, Kind.WITHDRAWN, Nothing(), "kim", Refusal.NO_REASON, reason="  ")
    refused(room, Kind.READ, room.reading(NORMAL), "kim", Refusal.NOT_YOURS)
    room.readers[name] = replace(room.readers[name], reads=False)
    refused(room, Kind.READ, room.reading(NORMAL), name, Refusal.NOT_QUALIFIED)
    del room.readers[name]
    refused(room, Kind.READ, room.reading(NORMAL), name, Refusal.NOT_QUALIFIED)


def test_refusals_of_reads():
    room = opened(plan(PolicyKind.REPLACE_READER, human_reads=2), ai())
    one, other = room.asked()
    wrong = room.reading(NORMAL, images="others")
    refused(room, Kind.READ, wrong, one, Refusal.OTHER_IMAGES)
    refused(room, Kind.READ, room.reading(NORMAL, seal=""), one, Refusal.OTHER_OPINION)
    counted = Counted(seal=room.exam.seal)
    room.add(Kind.READ, room.reading(NORMAL), one)
    refused(room, Kind.AI_COUNTED, counted, SYSTEM, Refusal.NOT_COMPLETE)
    refused(room, Kind.READ, room.reading(NORMAL), one, Refusal.NOT_YOURS)
    twice = moved(TaskKind.FIRST, other, one)
    refused(room, Kind.REASSIGNED, twice, "kim", Refusal.READ_BEFORE)
    unlisted = moved(TaskKind.FIRST, other, "nobody")
    refused(room, Kind.REASSIGNED, unlisted, "kim", Refusal.NOT_QUALIFIED)
    learner = moved(TaskKind.FIRST, other, "tove")
    refused(room, Kind.REASSIGNED, learner, "kim", Refusal.NOT_QUALIFIED)


def test_refusals_of_what_is_counted_shown_and_decided():
    room = opened()
    room.read(NORMAL)
    refused(room, Kind.AI_COUNTED, Counted(seal="0" * 64), SYSTEM, Refusal.WRONG_STATE)
    room = opened(plan(PolicyKind.REPLACE_READER), ai())
    refused(room, Kind.AI_COUNTED, Counted(seal="0" * 64), SYSTEM, Refusal.WRONG_STATE)
    room.book.add(Entry(Kind.READ, room.reading(NORMAL), room.at, room.asked()[0], "r"))
    refused(room, Kind.AI_COUNTED, Counted(seal="0" * 64), SYSTEM, Refusal.OTHER_OPINION)
    room.book.add(Entry(Kind.AI_COUNTED, Counted(seal=room.exam.seal), room.at))
    assert room.state is State.AGREED_NORMAL
    refused(room, Kind.SAFETY_SHOWN, Nothing(), SYSTEM, Refusal.WRONG_STATE)
    wrong = Decision(verdict=Verdict.RECALL, suspects=RECALL.suspects)
    refused(room, Kind.DECIDED, wrong, SYSTEM, Refusal.WRONG_CONTENT)
    room.book.settle(room.at)
    assert room.state is State.DECIDED
    refused(room, Kind.DECIDED, Decision(verdict="normal"), SYSTEM, Refusal.WRONG_STATE)
    room = opened(plan(PolicyKind.SAFETY_NET), ai(AiSaid.RECALL))
    room.read(NORMAL, NORMAL)
    refused(room, Kind.DECIDED, Decision(verdict="normal"), SYSTEM, Refusal.NOT_COMPLETE)
    name = room.asked(TaskKind.SAFETY)[0]
    normal = room.reading(NORMAL)
    refused(room, Kind.SAFETY_CHANGED, normal, name, Refusal.WRONG_CONTENT)
    taker = moved(TaskKind.SAFETY, name, "dan")
    refused(room, Kind.REASSIGNED, taker, "kim", Refusal.WRONG_CONTENT)


def test_refusals_of_arbitration():
    room = opened()
    first = room.asked()
    room.read(NORMAL, RECALL)
    (arbiter,) = room.asked(TaskKind.ARBITRATION)
    for name in (*first, "kim"):
        refused(room, Kind.TAKEN, Nothing(), name, Refusal.NOT_YOURS)
    mine = moved(TaskKind.ARBITRATION, arbiter, first[0])
    lacks = Refusal.READ_BEFORE if UNIT[first[0]].arbitrates else Refusal.NOT_QUALIFIED
    refused(room, Kind.REASSIGNED, mine, "kim", lacks)
    refused(room, Kind.ARBITRATED, judgement(NORMAL), arbiter, Refusal.NOT_YOURS)
    room.add(Kind.TAKEN, actor=arbiter)
    several = judgement(NORMAL, arbiter, "anna")
    refused(room, Kind.ARBITRATED, several, arbiter, Refusal.WRONG_CONTENT)
    refused(room, Kind.ARBITRATED, judgement(NORMAL), first[0], Refusal.NOT_YOURS)
    room.readers[arbiter] = replace(room.readers[arbiter], arbitrates=False)
    refused(room, Kind.ARBITRATED, judgement(NORMAL), arbiter, Refusal.NOT_QUALIFIED)


def test_an_entry_of_no_exam():
    book = Book("study", {}, lambda _task, _at: {})
    with pytest.raises(LedgerError) as error:
        book.add(Entry(Kind.READ, opened().reading(NORMAL), START, "anna", "r"))
    assert error.value.code is Refusal.NO_EXAM
    with pytest.raises(BrokenLedgerError):
        fold([])
    with pytest.raises(BrokenLedgerError):
        fold([Entry(Kind.ARRIVED, arrival(), START), Entry(Kind.OPENED, Opening(), START),
              Entry(Kind.OPENED, Opening(), START)])  # fmt: skip


READ = Read(1, "anna", NORMAL, START)

STATES = (None, *State)


@pytest.mark.parametrize(("kind", "state"), list(itertools.product(Kind, STATES)))
def test_what_the_table_does_not_name_is_refused(kind, state):
    """Each kind in each state: refused by its code where the table has no transition."""
    if state in TABLE[kind]:
        return
    room = opened()
    exam = None if state is None else replace(
        room.exam, state=state, taker="anna", reads=(replace(READ, account="anna"),),
        tasks=tuple(
            replace(room.exam.tasks[0], task=task, account="anna", state=TaskState.ASSIGNED)
            for task in TaskKind
        ),
    )  # fmt: skip
    actor = SYSTEM if kind in BY_SYSTEM else "anna"
    content = CONTENT[kind].model_construct()
    with pytest.raises(LedgerError) as error:
        check(exam, Entry(kind, content, room.at, actor, "", "because"))
    assert error.value.code is (Refusal.NO_EXAM if state is None else Refusal.WRONG_STATE)


def test_every_refusal_has_its_words():
    assert set(TEXTS) == set(Refusal)
    assert all(set(words) == {"en", "da"} for words in TEXTS.values())
    assert set(CONTENT) == set(TABLE) == set(Kind)
