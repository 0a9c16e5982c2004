"""Who is drawn for an exam."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest
from reading_room import (
    NORMAL,
    RECALL,
    START,
    UNIT,
    Room,
    ai,
    images,
    moved,
    person,
    plan,
    refused,
    trainee,
)

from gransk.reading.entries import Kind, TaskKind
from gransk.reading.opinions import AiSaid
from gransk.reading.plan import PolicyKind
from gransk.reading.refusals import Refusal
from gransk.reading.sight import Sight, Standing, sight


def test_the_first_reader_is_the_same_whether_one_or_two_read():
    firsts = []
    for number in range(40):
        names = set()
        for how, opinion in (
            (plan(PolicyKind.TRIAGE), ai()),
            (plan(PolicyKind.TRIAGE, human_reads=2), ai(AiSaid.RECALL)),
            (plan(PolicyKind.REPLACE_READER), ai()),
            (plan(), None),
        ):
            room = Room(key=f"study{number}")
            room.open(how, opinion)
            names.add(room.asked()[0])
            drawn = room.exam.drawn
        assert names == {drawn[0]}
        firsts.append(drawn[0])
    assert set(firsts) == {"anna", "bo", "cara", "dan"}


def test_an_arbiter_is_left_for_the_third_read():
    few = {n: person(n) for n in ("anna", "bo")} | {"cara": person("cara", arbitrates=True)}
    for number in range(20):
        room = Room(readers=few, key=f"study{number}")
        room.open(plan())
        assert sorted(room.asked()) == ["anna", "bo"]


def test_one_of_each_pair_is_experienced_and_reads_alone():
    unit = {
        "anna": person("anna", experienced=False), "bo": person("bo", experienced=False),
        "cara": person("cara"), "dan": person("dan", arbitrates=True, reads=False),
    }  # fmt: skip
    for number in range(10):
        room = Room(readers=unit, key=f"study{number}")
        room.open(plan(PolicyKind.TRIAGE, experienced=True), ai())
        assert room.asked() == ["cara"]
    del unit["cara"]
    room = Room(readers=unit)
    room.open(plan(PolicyKind.TRIAGE, experienced=True), ai())
    assert room.asked() == []
    assert room.book.missing is TaskKind.FIRST
    one = moved(TaskKind.FIRST, "", "anna")
    refused(room, Kind.REASSIGNED, one, "kim", Refusal.NOT_EXPERIENCED)


def test_nobody_is_there():
    room = Room(readers={"anna": person("anna")})
    room.open(plan())
    assert room.asked() == ["anna"]
    assert room.book.missing is TaskKind.FIRST
    room.readers["bo"] = person("bo")
    room.book.settle(room.at)
    assert room.asked() == ["anna", "bo"]


def test_who_could_see_undecided_exams_gets_those_alone_that_come_later():
    late = person("eva", arbitrates=True, blind_since=START + datetime.timedelta(seconds=1))
    room = Room(readers={"anna": person("anna"), "bo": person("bo"), "eva": late})
    room.open(plan())
    room.read(NORMAL, RECALL)
    assert room.asked(TaskKind.ARBITRATION) == []
    one = moved(TaskKind.ARBITRATION, "", "eva")
    refused(room, Kind.REASSIGNED, one, "kim", Refusal.SEEN_BEFORE)
    assert sight(room.exam, Standing("eva", True, late), room.at) is Sight.ALL


@pytest.mark.parametrize(
    ("values", "asked"),
    [
        ({"experienced": False}, 1),
        ({"experienced": True}, 0),
        ({"experienced": True, "human_reads": 2, "ai_counts": False}, 2),
    ],
)
def test_only_who_reads_alone_must_be_experienced_and_only_where_the_policy_asks(values, asked):
    new = {name: person(name, experienced=False) for name in ("anna", "bo")}
    room = Room(readers=new)
    room.open(plan(PolicyKind.REPLACE_READER, **values), ai())
    assert len(room.asked()) == asked


def test_a_trainee_is_given_what_the_trainee_neither_saw_nor_read():
    late = replace(trainee("tove"), blind_since=START + datetime.timedelta(seconds=1))
    just = replace(trainee("tom"), blind_since=START)
    for who, given in ((late, False), (just, True)):
        room = Room(readers={**{name: UNIT[name] for name in ("anna", "bo")}, who.account: who})
        room.open(plan())
        assert (room.asked(TaskKind.TRAINEE) == [who.account]) is given
    room = Room(readers={name: UNIT[name] for name in ("anna", "bo", "cara")})
    room.open(plan())
    first = room.asked()[0]
    room.read(NORMAL)
    room.readers[first] = trainee(first)
    room.add(Kind.IMAGES_CHANGED, images("images-2"))
    room.open(plan())
    assert room.asked(TaskKind.TRAINEE) == []
