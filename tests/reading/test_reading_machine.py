"""Every transition of the reading room, and every refusal."""

from __future__ import annotations

import datetime
import itertools
from dataclasses import fields, replace

import pytest
from pydantic import ValidationError
from reading_room import (
    IMAGES,
    NORMAL,
    RECALL,
    RECALL_LEFT,
    START,
    TECHNICAL,
    UNIT,
    Room,
    ai,
    arrival,
    images,
    judgement,
    moved,
    no_ai,
    opened,
    person,
    place,
    plan,
    refused,
    sealed,
    suspect,
    trainee,
    two,
)

from gransk.core.screening import Verdict
from gransk.reading.book import Book
from gransk.reading.checking import check
from gransk.reading.entries import (
    BY_SYSTEM,
    CONTENT,
    Alert,
    AlertCode,
    Counted,
    Decision,
    Entry,
    Kind,
    Nothing,
    Opening,
    Planned,
    Sealed,
    Task,
    TaskKind,
)
from gransk.reading.exam import Read, State, TaskState
from gransk.reading.machine import TABLE, BrokenLedgerError, apply, fold
from gransk.reading.opinions import (
    AiOpinion,
    AiSaid,
    Difference,
    Opinion,
    differ,
    seal,
    verify,
)
from gransk.reading.plan import COUNTING, Arbitration, Differing, PlanReason, PolicyKind
from gransk.reading.refusals import TEXTS, LedgerError, Refusal
from gransk.reading.sight import HELD, Sight, Spell, Standing, marks_shown, sight
from gransk.site.events import SYSTEM

# Opinions


def test_opinions_refuse_what_contradicts_itself():
    for values in (
        {"verdict": "recall"},
        {"verdict": "normal", "suspects": (suspect(),)},
        {"verdict": "technical"},
        {"verdict": "normal", "technical": TECHNICAL.technical},
        {"verdict": "recall", "suspects": (suspect(suspicion=None),)},
    ):
        with pytest.raises(ValidationError):
            Opinion(**values)
    for values in (
        {"said": AiSaid.NO_OPINION},
        {"said": AiSaid.NO_OPINION, "reason": "bad mood"},
        {"said": AiSaid.NORMAL, "reason": "time_limit"},
        {"said": AiSaid.NORMAL, "analysis_key": ""},
        {"sealed_at": datetime.datetime(2026, 1, 1)},
    ):
        with pytest.raises(ValidationError):
            ai(**values)


def test_a_seal_holds_every_word():
    opinion = ai(AiSaid.RECALL)
    kept = AiOpinion.model_validate(opinion.model_dump(mode="json"))
    assert verify(seal(opinion), kept)
    for changed in (
        {"said": AiSaid.NORMAL},
        {"exam_score": 3.1},
        {"models": {"mass": "d" * 64}},
        {"policy_version": 2},
        {"sealed_at": START + datetime.timedelta(microseconds=1)},
    ):
        assert not verify(seal(opinion), opinion.model_copy(update=changed))
    with pytest.raises(ValidationError):
        Sealed(opinion=opinion, seal=seal(ai(AiSaid.NORMAL)))


def recall(*suspects):
    return Opinion(verdict=Verdict.RECALL, suspects=suspects)


NEAR, FAR = suspect(place=place(100)), suspect(place=place(300))


@pytest.mark.parametrize(
    ("one", "other", "by", "found"),
    [
        (NORMAL, NORMAL, Differing.LESION, None),
        (NORMAL, RECALL, Differing.VERDICT, Difference.VERDICT),
        (TECHNICAL, NORMAL, Differing.VERDICT, Difference.TECHNICAL),
        (RECALL, TECHNICAL, Differing.VERDICT, Difference.TECHNICAL),
        (RECALL, RECALL_LEFT, Differing.VERDICT, None),
        (RECALL, RECALL_LEFT, Differing.BREAST, Difference.BREAST),
        (RECALL, RECALL_LEFT, Differing.LESION, Difference.BREAST),
        (recall(NEAR), recall(FAR), Differing.BREAST, None),
        (recall(NEAR), recall(FAR), Differing.LESION, Difference.LESION),
        (recall(NEAR), recall(FAR, suspect(place=place(115))), Differing.LESION, None),
        (recall(NEAR), recall(suspect(place=place(300, image="1.2.4"))), Differing.LESION, None),
        (recall(NEAR), recall(suspect()), Differing.LESION, None),
        (
            recall(NEAR.model_copy(update={"lesion_uid": "1.1"})),
            recall(FAR.model_copy(update={"lesion_uid": "1.1"})), Differing.LESION, None,
        ),
        (NORMAL, ai(AiSaid.RECALL), Differing.BREAST, Difference.VERDICT),
        (RECALL_LEFT, ai(AiSaid.RECALL), Differing.BREAST, Difference.BREAST),
        (RECALL_LEFT, ai(AiSaid.RECALL, marks=()), Differing.LESION, None),
    ],
)  # fmt: skip
def test_when_two_opinions_differ(one, other, by, found):
    assert differ(one, other, by) is found
    assert differ(other, one, by) is found


# What leads where


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


# Who reads


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


# What is refused


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


# Who sees what


def see(room, name, oversees=False, after=datetime.timedelta(0)):
    return sight(room.exam, Standing(name, oversees, room.readers.get(name)), room.at + after)


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
    room = kept_by_one()
    (kept,) = room.exam.kept
    (other,) = room.asked(TaskKind.SAFETY)
    assert kept != other
    room.add(Kind.REASSIGNED, moved(TaskKind.SAFETY, other), "kim", "on leave")
    assert (room.state, room.exam.decided_at) == (State.DECIDED, room.at)
