"""Who sees what of an exam, until its decision and after it."""

from __future__ import annotations

from dataclasses import replace

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
from gransk.reading.plan import PolicyKind
from gransk.reading.refusals import Refusal
from gransk.reading.sight import Sight, marks_shown


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
    assert all(see(room, name) is Sight.ALL for name in (*everybody[:4], "guest"))
    assert see(room, "tove") is Sight.TO_READ


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
