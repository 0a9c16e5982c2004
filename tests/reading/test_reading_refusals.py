"""Refusals that hold while an exam is between two entries, and of what no page of ours asks.

The suite concludes in the same transaction in which somebody acts; here a ledger is looked at
before it has, as it would stand if anything else wrote to it.
"""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest
from reading_room import (
    NORMAL,
    RECALL,
    TECHNICAL,
    UNIT,
    Room,
    ai,
    judgement,
    moved,
    no_ai,
    opened,
    person,
    plan,
    refused,
    trainee,
)

from gransk.reading.checking import check
from gransk.reading.entries import (
    Decision,
    Entry,
    Kind,
    Nothing,
    Planned,
    Task,
    TaskKind,
)
from gransk.reading.exam import State
from gransk.reading.opinions import AiSaid
from gransk.reading.plan import PolicyKind
from gransk.reading.refusals import LedgerError, Refusal
from gransk.site.events import SYSTEM

FIVE = dict(UNIT) | {"eva": person("eva", arbitrates=True)}


def given(task, account):
    return Task(task=task, account=account)


def unsettled(room, kind, content, actor):
    """An entry without what the suite makes of it."""
    room.book.add(Entry(kind, content, room.at, actor, "radiologist"))


# What the suite does


@pytest.mark.parametrize("opinion", [None, no_ai(), ai(AiSaid.SCORE), ai(AiSaid.NORMAL)])
def test_nothing_is_shown_of_an_ai_that_would_not_recall(opinion):
    room = opened(plan(PolicyKind.SAFETY_NET), opinion)
    for name in room.asked():
        unsettled(room, Kind.READ, room.reading(NORMAL), name)
    assert room.state is State.AGREED_NORMAL
    refused(room, Kind.SAFETY_SHOWN, Nothing(), SYSTEM, Refusal.NO_AI_OPINION)


def test_a_technical_repeat_is_decided_once():
    room = opened()
    room.read(TECHNICAL, TECHNICAL)
    assert room.state is State.TECHNICAL_REPEAT
    refused(room, Kind.DECIDED, room.exam.outcome, SYSTEM, Refusal.WRONG_STATE)
    refused(room, Kind.DECIDED, Decision(verdict="normal"), SYSTEM, Refusal.WRONG_STATE)


# What is given


def test_who_is_looked_up_is_who_is_given_it():
    """Another person's qualification lets nobody read, nor take over."""
    room = Room(readers={"anna": UNIT["anna"]})
    room.open(plan())
    assert room.exam.missing_reads() == 1
    for kind, content, actor in (
        (Kind.ASSIGNED, given(TaskKind.FIRST, "bo"), SYSTEM),
        (Kind.REASSIGNED, moved(TaskKind.FIRST, "", "bo"), "kim"),
    ):
        entry = Entry(kind, content, room.at, actor, "", "because")
        check(room.exam, entry, UNIT["bo"])
        with pytest.raises(LedgerError) as error:
            check(room.exam, entry, UNIT["cara"])
        assert error.value.code is Refusal.NOT_QUALIFIED


def test_nobody_is_asked_where_enough_people_are():
    room = opened()
    free = min({"anna", "bo", "cara", "dan"} - set(room.asked()))
    refused(room, Kind.ASSIGNED, given(TaskKind.FIRST, free), SYSTEM, Refusal.WRONG_STATE)
    room.read(NORMAL)
    refused(room, Kind.ASSIGNED, given(TaskKind.FIRST, free), SYSTEM, Refusal.WRONG_STATE)


def test_one_arbiter_is_asked():
    room = Room(readers=dict(FIVE))
    room.open(plan())
    room.read(NORMAL, RECALL)
    (asked,) = room.asked(TaskKind.ARBITRATION)
    other = min({"cara", "dan", "eva"} - room.exam.readers - {asked})
    second = given(TaskKind.ARBITRATION, other)
    refused(room, Kind.ASSIGNED, second, SYSTEM, Refusal.WRONG_STATE)
    beside = moved(TaskKind.ARBITRATION, "", other)
    refused(room, Kind.REASSIGNED, beside, "kim", Refusal.WRONG_STATE)


def test_a_task_is_given_in_its_own_states():
    room = Room(readers=dict(FIVE))
    room.open(plan())
    arbiter = min({"cara", "dan", "eva"} - set(room.asked()))
    room.readers["tim"] = trainee("tim")
    for task in (TaskKind.ARBITRATION, TaskKind.SAFETY):
        refused(room, Kind.ASSIGNED, given(task, arbiter), SYSTEM, Refusal.WRONG_STATE)
    early = moved(TaskKind.ARBITRATION, "", arbiter)
    refused(room, Kind.REASSIGNED, early, "kim", Refusal.WRONG_STATE)
    room.add(Kind.TRAINEE_READ, room.reading(NORMAL), "tove")
    room.read(NORMAL, RECALL)
    assert room.state is State.DISCORDANT
    refused(room, Kind.ASSIGNED, given(TaskKind.TRAINEE, "tim"), SYSTEM, Refusal.WRONG_STATE)
    late = moved(TaskKind.TRAINEE, "", "tim")
    refused(room, Kind.REASSIGNED, late, "kim", Refusal.WRONG_STATE)


def test_nobody_is_given_twice_what_is_on_the_list_already():
    room = Room(readers={"anna": UNIT["anna"]})
    room.open(plan())
    assert room.asked() == ["anna"]
    assert room.exam.missing_reads() == 1
    refused(room, Kind.ASSIGNED, given(TaskKind.FIRST, "anna"), SYSTEM, Refusal.WRONG_STATE)
    beside = moved(TaskKind.FIRST, "", "anna")
    refused(room, Kind.REASSIGNED, beside, "kim", Refusal.WRONG_STATE)
    room = opened()
    one, other = room.asked()
    refused(room, Kind.REASSIGNED, moved(TaskKind.FIRST, one, other), "kim", Refusal.WRONG_STATE)


# What people do


def test_a_read_is_corrected_by_who_may_still_read_it():
    room = opened()
    name = room.asked()[0]
    room.add(Kind.READ, room.reading(NORMAL), name)
    assert room.state is State.SECOND_READ
    listed = room.readers[name]
    corrected = room.reading(RECALL)
    room.readers[name] = replace(listed, reads=False)
    refused(room, Kind.CORRECTED, corrected, name, Refusal.NOT_QUALIFIED)
    late = room.exam.arrived_at + datetime.timedelta(seconds=1)
    room.readers[name] = replace(listed, blind_since=late)
    refused(room, Kind.CORRECTED, corrected, name, Refusal.SEEN_BEFORE)
    room.readers[name] = listed
    room.add(Kind.CORRECTED, corrected, name)
    assert room.exam.counting[0].opinion == RECALL


@pytest.mark.parametrize("second", [Kind.ARBITRATED, Kind.CONSENSUS])
def test_an_arbitration_is_concluded_once(second):
    room = opened()
    room.read(NORMAL, RECALL)
    arbiter = room.take()
    unsettled(room, Kind.ARBITRATED, judgement(NORMAL), arbiter)
    assert room.state is State.ARBITRATION
    met = (arbiter, "anna") if second is Kind.CONSENSUS else ()
    refused(room, second, judgement(RECALL, *met), arbiter, Refusal.WRONG_STATE)


@pytest.mark.parametrize("people", [1, 2])
def test_what_is_returned_goes_to_two_people_without_the_ai(people):
    how = plan(PolicyKind.REPLACE_READER, human_reads=people)
    room = opened(how, ai())
    refused(room, Kind.RETURNED_TO_HUMANS, Planned(plan=how), "kim", Refusal.WRONG_CONTENT)
