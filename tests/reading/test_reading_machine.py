"""Every transition of the reading room."""

from __future__ import annotations

from dataclasses import replace

import pytest
from reading_room import (
    NORMAL,
    RECALL,
    RECALL_LEFT,
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
    sealed,
    see,
    two,
)

from gransk.core.screening import Verdict
from gransk.reading.entries import Decision, Entry, Kind, Nothing, Planned, TaskKind
from gransk.reading.exam import State
from gransk.reading.machine import BrokenLedgerError, apply
from gransk.reading.opinions import AiSaid, Difference
from gransk.reading.plan import Arbitration, Differing, PlanReason, PolicyKind
from gransk.reading.refusals import Refusal
from gransk.reading.sight import Sight
from gransk.site.events import SYSTEM


def test_two_people_agree_on_normal():
    room = Room()
    room.open(plan())
    assert room.state is State.FIRST_READ
    assert len(room.asked()) == 2
    room.read(NORMAL)
    assert room.state is State.SECOND_READ
    room.read(NORMAL)
    assert room.state is State.DECIDED
    assert room.exam.outcome == Decision(verdict=Verdict.NORMAL)
    assert room.kinds[-2:] == [Kind.READ, Kind.DECIDED]


def test_an_agreed_recall_holds_what_both_pointed_at():
    room = Room()
    room.open(plan())
    room.read(RECALL, RECALL_LEFT)
    assert room.exam.outcome.verdict is Verdict.RECALL
    assert room.exam.outcome.suspects == (*RECALL.suspects, *RECALL_LEFT.suspects)


@pytest.mark.parametrize(
    ("opinions", "by", "difference"),
    [
        ((NORMAL, RECALL), Differing.VERDICT, Difference.VERDICT),
        ((TECHNICAL, NORMAL), Differing.VERDICT, Difference.TECHNICAL),
        ((RECALL, RECALL_LEFT), Differing.BREAST, Difference.BREAST),
    ],
)
def test_a_third_person_decides(opinions, by, difference):
    room = Room()
    room.open(plan(differing=by))
    first = set(room.asked())
    room.read(*opinions)
    assert (room.state, room.exam.difference) == (State.DISCORDANT, difference)
    arbiter = room.take()
    assert room.state is State.ARBITRATION
    assert arbiter not in first
    room.add(Kind.ARBITRATED, judgement(RECALL_LEFT), arbiter)
    assert room.state is State.DECIDED
    assert room.exam.outcome.suspects == RECALL_LEFT.suspects


def test_the_ai_is_the_second_reader():
    for said, opinion, state in (
        (AiSaid.NORMAL, NORMAL, State.DECIDED),
        (AiSaid.RECALL, RECALL, State.DECIDED),
        (AiSaid.RECALL, NORMAL, State.DISCORDANT),
        (AiSaid.NORMAL, RECALL, State.DISCORDANT),
    ):
        room = Room()
        room.open(plan(PolicyKind.REPLACE_READER), ai(said))
        assert len(room.asked()) == 1
        room.read(opinion)
        assert room.state is state
        assert Kind.AI_COUNTED in room.kinds


def test_the_ai_has_no_say_in_a_technical_repeat():
    room = Room()
    room.open(plan(PolicyKind.REPLACE_READER), ai(AiSaid.RECALL))
    room.read(TECHNICAL)
    assert room.state is State.TECHNICAL_REPEAT
    assert room.exam.outcome.technical == (TECHNICAL.technical,)
    assert Kind.AI_COUNTED not in room.kinds


def test_two_people_and_the_ai():
    room = Room()
    room.open(plan(PolicyKind.REPLACE_READER, human_reads=2), ai(AiSaid.RECALL))
    room.read(NORMAL, NORMAL)
    assert room.state is State.DISCORDANT


def test_one_person_alone():
    for values, opinion, state in (
        ({}, NORMAL, State.DECIDED),
        ({}, RECALL, State.DECIDED),
        ({}, TECHNICAL, State.TECHNICAL_REPEAT),
        ({"arbitrates_single_recall": True}, NORMAL, State.DECIDED),
        ({"arbitrates_single_recall": True}, RECALL, State.DISCORDANT),
    ):
        room = Room()
        room.open(plan(PolicyKind.TRIAGE, **values), ai())
        room.read(opinion)
        assert room.state is state
    assert room.exam.difference is None
    room.arbitrate(NORMAL)
    assert room.exam.outcome.verdict is Verdict.NORMAL


def test_the_safety_net_shows_and_a_reader_may_change():
    room = Room()
    room.open(plan(PolicyKind.SAFETY_NET), ai(AiSaid.RECALL))
    readers = room.asked()
    room.read(NORMAL, NORMAL)
    assert room.state is State.AGREED_NORMAL
    assert sorted(room.asked(TaskKind.SAFETY)) == sorted(readers)
    assert all(see(room, name) is Sight.ALL for name in readers)
    room.add(Kind.SAFETY_KEPT, actor=readers[0])
    assert room.state is State.AGREED_NORMAL
    room.add(Kind.SAFETY_CHANGED, room.reading(RECALL), readers[1])
    assert (room.state, room.exam.difference) == (State.DISCORDANT, Difference.VERDICT)
    kept = {read.account: read for read in room.exam.counting}
    assert kept[readers[1]].corrected
    assert kept[readers[1]].opinion == RECALL
    room.arbitrate(NORMAL)
    assert room.state is State.DECIDED


def test_the_safety_net_kept_by_both_or_silent():
    room = Room()
    room.open(plan(PolicyKind.SAFETY_NET), ai(AiSaid.RECALL))
    room.read(NORMAL, NORMAL)
    for name in room.asked(TaskKind.SAFETY):
        room.add(Kind.SAFETY_KEPT, actor=name)
    assert room.state is State.DECIDED
    for opinion in (ai(AiSaid.NORMAL), no_ai(), None):
        room = Room()
        room.open(plan(PolicyKind.SAFETY_NET), opinion)
        room.read(NORMAL, NORMAL)
        assert room.state is State.DECIDED


def test_one_of_the_readers_of_a_safety_net_is_away():
    room = Room()
    room.open(plan(PolicyKind.SAFETY_NET), ai(AiSaid.RECALL))
    room.read(NORMAL, NORMAL)
    one, other = room.asked(TaskKind.SAFETY)
    back = moved(TaskKind.SAFETY, one)
    room.add(Kind.REASSIGNED, back, "kim", "on leave")
    refused(room, Kind.REASSIGNED, moved(TaskKind.SAFETY, other), "kim", Refusal.NOT_COMPLETE)
    room.add(Kind.SAFETY_KEPT, actor=other)
    assert room.state is State.DECIDED


def test_a_consensus_meeting():
    room = Room()
    room.open(plan(arbitration=Arbitration.CONSENSUS))
    first = room.asked()
    room.read(NORMAL, RECALL)
    leads = room.take()
    refused(room, Kind.ARBITRATED, judgement(RECALL), leads, Refusal.CONSENSUS_WANTED)
    for met in ((leads,), (), (first[0], first[1]), (leads, leads)):
        refused(room, Kind.CONSENSUS, judgement(RECALL, *met), leads, Refusal.WHO_MET)
    room.add(Kind.CONSENSUS, judgement(RECALL, leads, *first), leads)
    assert room.state is State.DECIDED
    assert set(first) <= room.exam.seen


def test_two_readers_may_meet_where_nobody_else_is_there():
    both = {name: person(name, arbitrates=True) for name in ("anna", "bo")}
    room = Room(readers=both)
    room.open(plan(arbitration=Arbitration.CONSENSUS))
    room.read(NORMAL, RECALL)
    leads = room.take()
    room.add(Kind.CONSENSUS, judgement(NORMAL, "anna", "bo"), leads)
    assert room.state is State.DECIDED
    room = Room(readers=both)
    room.open(plan())
    room.read(NORMAL, RECALL)
    assert room.asked(TaskKind.ARBITRATION) == []
    assert room.book.missing is TaskKind.ARBITRATION


def test_a_third_reader_may_ask_others():
    room = Room()
    room.open(plan())
    room.read(NORMAL, RECALL)
    leads = room.take()
    room.add(Kind.CONSENSUS, judgement(NORMAL, leads, "anna"), leads)
    assert room.state is State.DECIDED


def test_a_correction_until_the_opinions_are_complete():
    room = Room()
    room.open(plan())
    one, other = room.asked()
    room.add(Kind.READ, room.reading(NORMAL), one)
    room.add(Kind.CORRECTED, room.reading(RECALL), one)
    assert room.state is State.SECOND_READ
    refused(room, Kind.CORRECTED, room.reading(RECALL), other, Refusal.NOT_YOURS)
    room.add(Kind.READ, room.reading(RECALL), other)
    assert room.exam.outcome.verdict is Verdict.RECALL
    refused(room, Kind.CORRECTED, room.reading(NORMAL), one, Refusal.WRONG_STATE)


@pytest.mark.parametrize("kind", [PolicyKind.TRIAGE, PolicyKind.REPLACE_READER])
def test_where_one_or_two_read_a_correction_does_not_tell_how_many(kind):
    """One who reads alone and is through, and one of two whose other read is awaited."""
    alone, of_two = Room(), Room()
    alone.open(plan(kind), ai())
    of_two.open(plan(kind, human_reads=2, ai_counts=False), ai())
    for room in (alone, of_two):
        one = room.asked()[0]
        room.add(Kind.READ, room.reading(NORMAL), one)
        refused(room, Kind.CORRECTED, room.reading(RECALL), one, Refusal.WRONG_STATE)
        refused(
            room, Kind.CORRECTED, room.reading(RECALL, images="others"), one, Refusal.WRONG_STATE
        )
    assert (alone.state, of_two.state) == (State.DECIDED, State.SECOND_READ)


def test_returned_to_two_people():
    room = Room()
    room.open(plan(PolicyKind.REPLACE_READER), ai())
    (first,) = room.asked()
    drawn = room.exam.drawn
    room.add(Kind.RETURNED_TO_HUMANS, two(), "kim", "AI paused")
    assert room.asked() == [first, drawn[1]] == list(drawn)
    refused(room, Kind.RETURNED_TO_HUMANS, two(), "kim", Refusal.TWO_ALREADY)
    room.read(NORMAL, NORMAL)
    assert Kind.AI_COUNTED not in room.kinds
    assert room.state is State.DECIDED


def test_returned_before_it_opens():
    room = Room()
    room.add(Kind.RETURNED_TO_HUMANS, two(), "kim", "she asked for it")
    room.add(Kind.AI_SEALED, sealed(ai()))
    one = Planned(plan=plan(PolicyKind.REPLACE_READER))
    refused(room, Kind.PLANNED, one, SYSTEM, Refusal.WRONG_CONTENT)
    room.open(plan())
    assert len(room.asked()) == 2


def test_reassigned():
    room = Room()
    room.open(plan())
    giver = room.asked()[0]
    (taker,) = {"anna", "bo", "cara", "dan"} - set(room.asked()) - {"dan"} or {"dan"}
    room.add(Kind.REASSIGNED, moved(TaskKind.FIRST, giver, taker), "kim", "on leave")
    assert taker in room.asked()
    assert giver not in room.asked()
    refused(room, Kind.READ, room.reading(NORMAL), giver, Refusal.NOT_YOURS)
    again = moved(TaskKind.FIRST, giver, taker)
    refused(room, Kind.REASSIGNED, again, "kim", Refusal.NOT_YOURS)
    third = moved(TaskKind.FIRST, "", "dan")
    refused(room, Kind.REASSIGNED, third, "kim", Refusal.WRONG_STATE)


def test_taken_back_goes_to_somebody_else():
    room = Room()
    room.open(plan())
    giver = room.asked()[0]
    room.add(Kind.REASSIGNED, moved(TaskKind.FIRST, giver), "kim", "on leave")
    assert len(room.asked()) == 2
    assert giver not in room.asked()


def test_an_arbitration_goes_to_somebody_else():
    five = dict(UNIT) | {"eva": person("eva", arbitrates=True)}
    room = Room(readers=five)
    room.open(plan())
    room.read(NORMAL, RECALL)
    first = room.take()
    room.add(Kind.REASSIGNED, moved(TaskKind.ARBITRATION, first), "kim", "ill")
    assert room.state is State.DISCORDANT
    assert room.asked(TaskKind.ARBITRATION) not in ([], [first])
    refused(
        room, Kind.REASSIGNED,
        moved(TaskKind.ARBITRATION, room.asked(TaskKind.ARBITRATION)[0], first), "kim",
        Refusal.SEEN_BEFORE,
    )  # fmt: skip
    room.arbitrate(NORMAL)
    assert room.state is State.DECIDED


def test_a_late_opinion_is_kept_and_changes_nothing():
    room = Room()
    room.open(plan(reasons=(PlanReason.LATE,)))
    room.read(NORMAL)
    room.add(Kind.LATE_AI, sealed(ai(AiSaid.RECALL)))
    assert room.state is State.SECOND_READ
    room.read(NORMAL)
    assert room.exam.outcome.verdict is Verdict.NORMAL
    room.add(Kind.LATE_AI, sealed(ai(AiSaid.RECALL)))
    assert (room.state, room.exam.ai) == (State.DECIDED, None)


def test_trainees_read_and_never_count():
    room = Room()
    room.open(plan())
    assert room.asked(TaskKind.TRAINEE) == ["tove"]
    room.add(Kind.TRAINEE_READ, room.reading(RECALL), "tove")
    assert (room.state, room.exam.counting) == (State.FIRST_READ, ())
    room.read(NORMAL, NORMAL)
    assert room.exam.outcome.verdict is Verdict.NORMAL
    room = Room()
    room.open(plan())
    room.read(NORMAL, NORMAL)
    assert see(room, "tove") is Sight.TO_READ, "decided, and still to be read blinded"
    room.add(Kind.TRAINEE_READ, room.reading(RECALL), "tove")
    assert see(room, "tove") is Sight.ALL


def test_an_entry_that_holds_something_else_breaks_the_ledger():
    room = opened()
    with pytest.raises(BrokenLedgerError, match="holds"):
        apply(room.exam, Entry(Kind.READ, Nothing(), room.at, "anna", "r"))


def test_the_safety_net_holds_up_no_recall():
    room = opened(plan(PolicyKind.SAFETY_NET), ai(AiSaid.RECALL))
    room.read(RECALL, RECALL)
    assert (room.state, room.exam.outcome.verdict) == (State.DECIDED, Verdict.RECALL)
    assert not room.exam.shown_after


def test_an_exam_counts_its_entries():
    room = opened()
    room.read(NORMAL, NORMAL)
    assert room.exam.entries == len(room.book.new)


@pytest.mark.parametrize("kind", [PolicyKind.DOUBLE_READING, PolicyKind.SHADOW])
def test_only_a_safety_net_shows_what_the_ai_would_recall(kind):
    room = opened(plan(kind), ai(AiSaid.RECALL))
    room.read(NORMAL, NORMAL)
    assert room.state is State.DECIDED
    assert Kind.SAFETY_SHOWN not in room.kinds


def test_two_recalls_that_agree_need_no_second_look():
    room = opened(plan(PolicyKind.TRIAGE, human_reads=2, arbitrates_single_recall=True), ai())
    room.read(RECALL, RECALL)
    assert room.exam.outcome.verdict is Verdict.RECALL
    assert Kind.TAKEN not in room.kinds


def test_a_late_opinion_is_kept_and_changes_nothing_else():
    room = opened()
    before = room.exam
    late = sealed(ai(AiSaid.RECALL))
    room.add(Kind.LATE_AI, late)
    assert room.exam == replace(before, late_ai=late, entries=before.entries + 1)


def test_a_trainees_read_is_kept_and_counts_for_nothing():
    room = opened()
    room.add(Kind.TRAINEE_READ, room.reading(RECALL), "tove")
    assert [(one.account, one.opinion) for one in room.exam.trainee_reads] == [("tove", RECALL)]
    room.read(NORMAL, NORMAL)
    assert room.exam.outcome.verdict is Verdict.NORMAL


def test_a_look_that_one_kept_lets_the_other_be_taken_back():
    room = opened(plan(PolicyKind.SAFETY_NET), ai(AiSaid.RECALL))
    room.read(NORMAL, NORMAL)
    room.add(Kind.SAFETY_KEPT, actor=room.asked(TaskKind.SAFETY)[0])
    (kept,) = room.exam.kept
    (other,) = room.asked(TaskKind.SAFETY)
    assert kept != other
    room.add(Kind.REASSIGNED, moved(TaskKind.SAFETY, other), "kim", "on leave")
    assert (room.state, room.exam.decided_at) == (State.DECIDED, room.at)
