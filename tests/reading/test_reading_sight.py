"""Who sees what of an exam, until its decision and after it."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest
from reading_room import (
    NORMAL,
    RECALL,
    Room,
    ai,
    images,
    judgement,
    moved,
    opened,
    person,
    plan,
    refused,
    see,
    trainee,
)

from gransk.reading.entries import Kind, TaskKind
from gransk.reading.exam import State
from gransk.reading.opinions import AiSaid
from gransk.reading.plan import COUNTING, Arbitration, PolicyKind
from gransk.reading.refusals import Refusal
from gransk.reading.sight import HELD, Sight, Spell, Standing, marks_shown, sight


def test_sight_until_the_decision():
    room = opened(plan(PolicyKind.REPLACE_READER), ai(AiSaid.RECALL))
    everybody = ("anna", "bo", "cara", "dan", "tove")
    assert all(see(room, name) is Sight.TO_READ for name in everybody)
    assert all(see(room, name, oversees=True) is Sight.TO_READ for name in everybody)
    assert see(room, "kim", oversees=True) is Sight.ALL
    assert see(room, "guest") is Sight.TO_READ
    reader = room.asked()[0]
    room.read(NORMAL)
    assert room.state is State.DISCORDANT
    assert see(room, reader, oversees=True) is Sight.OWN
    (arbiter,) = room.asked(TaskKind.ARBITRATION)
    assert see(room, arbiter) is Sight.TO_READ
    room.take()
    assert see(room, arbiter) is Sight.ALL
    room.add(Kind.ARBITRATED, judgement(NORMAL), arbiter)
    others = [name for name in (*everybody[:4], "guest") if name != reader]
    assert all(see(room, name) is Sight.ALL for name in others)
    assert see(room, "tove") is Sight.TO_READ
    assert see(room, reader, oversees=True) is Sight.OWN
    assert see(room, reader, after=HELD) is Sight.ALL


@pytest.mark.parametrize("kind", PolicyKind)
def test_who_read_is_told_nothing_for_a_while_where_one_or_two_read(kind):
    """By the time of the own read alone; where two read anyway the decision tells nothing."""
    room = opened(plan(kind), ai())
    while room.state is not State.DECIDED:
        room.read(NORMAL)
    reads = room.exam.counting
    for read in reads:
        name, since = read.account, read.at - room.at
        early = HELD - datetime.timedelta(seconds=1)
        held = Sight.OWN if kind in COUNTING else Sight.ALL
        assert see(room, name, True, since + early) is held
        assert see(room, name, True, since + HELD) is Sight.ALL
    (other, *_) = sorted(set(room.readers) - {read.account for read in reads} - {"tove"})
    assert see(room, other) is Sight.ALL


def test_who_was_at_the_consensus_meeting_is_told_at_once():
    room = opened(plan(PolicyKind.TRIAGE, human_reads=2, arbitration=Arbitration.CONSENSUS))
    room.read(NORMAL, RECALL)
    one, other = (read.account for read in room.exam.counting)
    leader = room.take()
    met = tuple(dict.fromkeys((leader, one)))
    if len(met) < 2:
        met = (leader, other)
    room.add(Kind.CONSENSUS, judgement(NORMAL, *met), leader)
    assert room.state is State.DECIDED
    for name in (one, other):
        assert see(room, name) is (Sight.ALL if name in met else Sight.OWN)


def test_who_leaves_the_list_sees_no_more_of_what_could_be_given_until_then():
    room = opened(plan(PolicyKind.TRIAGE), ai(AiSaid.RECALL))
    arrived, hour = room.exam.arrived_at, datetime.timedelta(hours=1)

    def left(since, until):
        asks = Standing("anna", True, spells=(Spell(arrived + since, arrived + until),))
        return sight(room.exam, asks, room.at)

    assert left(-hour, hour) is Sight.TO_READ
    assert left(0 * hour, hour) is Sight.TO_READ
    assert left(hour, 2 * hour) is Sight.ALL, "listed after it arrived, as somebody who saw it"
    assert left(-2 * hour, -hour) is Sight.ALL, "off the list before it arrived"
    assert left(-hour, 0 * hour) is Sight.ALL


def test_a_read_of_earlier_images_is_not_shown_to_who_reads_anew():
    room = Room(readers={"anna": person("anna"), "bo": person("bo")})
    room.open(plan())
    name = room.asked()[0]
    room.read(RECALL)
    assert see(room, name) is Sight.OWN
    room.add(Kind.IMAGES_CHANGED, images("images-2"))
    assert see(room, name) is Sight.TO_READ
    room.open(plan())
    assert sorted(room.asked()) == ["anna", "bo"]
    assert see(room, name) is Sight.TO_READ


def test_marks_are_shown_to_who_reads_and_to_nobody_else():
    room = opened(plan(PolicyKind.DECISION_SUPPORT), ai(AiSaid.RECALL))
    asked = room.asked()
    shown = {name for name in room.readers if marks_shown(room.exam, name)}
    assert shown == set(asked)
    assert not any(marks_shown(opened().exam, name) for name in room.readers)


def test_who_is_off_the_list_and_oversees_sees_all_and_is_never_asked_again():
    room = opened()
    name = room.asked()[0]
    listed = room.readers.pop(name)
    assert see(room, name, oversees=True) is Sight.ALL
    room.readers[name] = replace(listed, blind_since=room.at)
    refused(room, Kind.READ, room.reading(NORMAL), name, Refusal.SEEN_BEFORE)


def test_a_trainee_is_nothing_else():
    room = Room(readers={"anna": person("anna"), "bo": person("bo"), "tove": trainee("tove")})
    room.open(plan())
    assert sorted(room.asked()) == ["anna", "bo"]
    both = moved(TaskKind.TRAINEE, "tove", "anna")
    refused(room, Kind.REASSIGNED, both, "kim", Refusal.NOT_QUALIFIED)
    name = room.asked()[0]
    room.readers["tove"] = person("tove")
    promoted = moved(TaskKind.FIRST, name, "tove")
    refused(room, Kind.REASSIGNED, promoted, "kim", Refusal.READ_BEFORE)
