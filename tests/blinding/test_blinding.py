"""Runs that differ in the AI alone answer alike at every door, and every door has a probe."""

from __future__ import annotations

import ast
from dataclasses import replace

import blinding_dicom
import blinding_look
import blinding_orthanc
import pytest
from blinding_doors import orthanc, ours
from blinding_look import PROBES, LeakError, compare, missing
from blinding_messages import DELIVERED, LOG, OPENING
from blinding_probes import UNDECIDED_DOORS
from blinding_programme import BLINDED, READERS, SECRET, Ai
from reading_room import suspect

from gransk.core.screening import Verdict
from gransk.reading import acts
from gransk.reading.acts import Actor
from gransk.reading.entries import TaskKind
from gransk.reading.exam import State
from gransk.reading.opinions import Opinion
from gransk.reading.seeing import looker, sight_of
from gransk.reading.sight import Sight

pytestmark = [pytest.mark.blinding, pytest.mark.system]

SECOND = "zweitbefund"
"""Stands in what the second reader of an exam says."""


def test_runs_that_differ_in_the_ai_alone_answer_alike(answers):
    compare(answers(Ai.LOW, False), answers(Ai.HIGH, False))


@pytest.mark.full
@pytest.mark.parametrize("other", [Ai.HIGH, Ai.NONE, Ai.LATE])
def test_they_answer_alike_to_everybody(answers, other):
    compare(answers(Ai.LOW, True), answers(other, True))


def test_the_comparison_holds_something(answers):
    """Runs did differ, and what may be seen is seen: the probes are not blind themselves."""
    found = answers(Ai.LOW, False).of
    assert len(found) > 1000
    opened = found[OPENING, "hours and first readers"]
    assert opened.count(b"datetime.datetime(2026, 3, 2, 8, 35") == 3
    left = ast.literal_eval(found[DELIVERED, "the outbox of results"].decode())
    assert {series for series, _ in left} == {"1.2.826.0.1.5.99"}, "the decided exam"
    assert {name for _, name in left} == {"orthanc", "nothing", "low", "north"}
    lists = [said for (door, _), said in found.items() if door == "GET /"]
    assert all(said.count(b"chip to_read") <= len(BLINDED) for said in lists)
    assert any(said.count(b"chip to_read") == len(BLINDED) for said in lists)
    assert any(b"chip ready" in said for said in lists), "the decided exam"
    gets = {said for (door, what), said in found.items() if door.endswith("ModelGet")}
    assert any(b"1.2.826.0.1.5.99.1 Result" in said for said in gets), "a peer sees what left"
    assert (LOG, "every line") in found


def test_every_door_has_a_probe(living, folder):
    with living(Ai.LOW) as run:
        lacking = missing(ours(run.site.app), PROBES, "blinding_probes.PROBES")
        lacking += blinding_orthanc.unprobed(orthanc(folder)) + blinding_dicom.unprobed(run)
        assert not lacking, "\n".join(lacking)
        assert blinding_orthanc.refuses(run, folder, {"gransk_session": "any"}) > 300
        _sight_is_as_the_lists_have_it(run)
        _the_event_log_ends_before_the_reading(run)
        _no_state_shows(run)


def _sight_is_as_the_lists_have_it(run):
    with run.site.database.read() as session:
        who = looker(session, run.blinded[0], ["administrator"], run.site.app.state.wiring.entering)
        seen = {number: sight_of(session, who, run.key(number)) for number in (*BLINDED, 5)}
    assert seen == dict.fromkeys(BLINDED, Sight.TO_READ) | {5: Sight.ALL}


def _the_event_log_ends_before_the_reading(run):
    """Who reads in no unit finds what happened to exams there; who reads finds none of it."""
    with run.doors():
        for name, finds in (("admin", True), (run.blinded[0], False)):
            with run.person(name) as client:
                said = client.get("/events").text
            assert [run.key(3) in said, "Exam opened for reading" in said, "Exam read" in said] == [
                finds
            ] * 3


def _seen(run, name, **asked):
    """What one person finds, and the words of others that they may not."""
    found = blinding_look.look(run, UNDECIDED_DOORS, ended=False, names=(name,), **asked)
    own = name in run.exam(3).readers
    return replace(found, secrets=found.secrets - {SECRET} | {SECOND} if own else found.secrets)


CHANNEL = "WEBSOCKET /dicom-web/subscribers/{aetitle}"
"""It tells who is given an exam that it came to their list, as the list does: the second time."""
OWN_PAGE = "GET /reading/{key}"
"""Where two people read anyway it ends to offer a correction once both have."""


def _without(answers, door):
    return replace(answers, of={key: said for key, said in answers.of.items() if key[0] != door})


def _asked(run, number, task):
    return [one.account for one in run.exam(number).open_tasks(task)]


def _no_state_shows(run):
    """From one read to arbitration: who may still be given the exam sees no change.

    Nor does who read it first, nor who is given its arbitration until they open it: it stands on
    their list as a first read did.
    """
    assert run.exam(3).state is State.SECOND_READ
    (first,), (second,) = run.exam(3).readers, _asked(run, 3, TaskKind.FIRST)
    blinded = run.blinded[0]
    assert blinded not in (first, second)
    third = next(name for name, arbitrates in READERS.items()
                 if arbitrates and name not in (first, second, blinded))  # fmt: skip
    before, own = _seen(run, blinded), _seen(run, first)
    run.give(3, TaskKind.FIRST, second, third)
    to_read = _seen(run, third)
    run.give(3, TaskKind.FIRST, third, second)
    run.read(3, Opinion(verdict=Verdict.NORMAL, comment=SECOND))
    assert run.exam(3).state is State.DISCORDANT
    (arbiter,) = _asked(run, 3, TaskKind.ARBITRATION)
    if arbiter != third:
        run.give(3, TaskKind.ARBITRATION, arbiter, third)
    compare(before, _seen(run, blinded))
    read = _seen(run, first)
    compare(_without(own, OWN_PAGE), _without(read, OWN_PAGE))
    compare(_without(to_read, CHANNEL), _without(_seen(run, third), CHANNEL))
    with run.site.database.begin() as session:
        acts.take(session, run.key(3), Actor(third, "arbiter"))
    compare(before, _seen(run, blinded))
    compare(read, _seen(run, first))
    opened = blinding_look.look(run, (OWN_PAGE,), ended=False, names=(third,), numbers=(3,))
    with pytest.raises(LeakError, match="tells a secret"):
        compare(opened, opened)  # who opened the arbitration sees it
    with run.site.database.begin() as session:
        acts.return_to_humans(session, run.key(1), Actor("karen", "coordinator"), "as asked")
    compare(before, _seen(run, blinded))


SAFETY = 6


def _safety_net(run):
    """Looks of three people at an exam of the safety net, in the order of what happens."""
    spared = set(READERS) - {run.exam(1).drawn[1]}
    third = next(name for name in sorted(spared) if READERS[name])
    one, other = sorted(spared - {third})[:2]
    run.safety_net(SAFETY, one, other)
    found = [(name, _seen(run, name, numbers=(SAFETY,))) for name in (one, third)]
    run.say(SAFETY, one, Opinion(verdict=Verdict.NORMAL))
    found += [(name, _seen(run, name, numbers=(SAFETY,))) for name in (one, other, third)]
    return one, other, third, found


def test_the_safety_net_shows_nothing_before_both_have_read(living):
    with living(Ai.LOW) as run:
        *_, found = _safety_net(run)
        run.read(SAFETY, Opinion(verdict=Verdict.NORMAL))
        assert run.exam(SAFETY).state is State.DECIDED
    with living(Ai.HIGH) as run:
        one, other, third, then = _safety_net(run)
        for (name, said), (same, again) in zip(found, then, strict=True):
            assert name == same
            compare(said, again)
        own, unasked = then[2][1], then[4][1]
        compare(then[1][1], unasked)
        run.give(SAFETY, TaskKind.FIRST, other, third)
        to_read = _seen(run, third, numbers=(SAFETY,))
        run.give(SAFETY, TaskKind.FIRST, third, other)
        run.read(SAFETY, Opinion(verdict=Verdict.NORMAL))
        assert sorted(_asked(run, SAFETY, TaskKind.SAFETY)) == sorted([one, other])
        compare(unasked, _seen(run, third, numbers=(SAFETY,)))
        with pytest.raises(LeakError):
            compare(own, _seen(run, one, numbers=(SAFETY,)))  # who read is shown the AI now
        with run.site.database.begin() as session:
            recall = Opinion(verdict=Verdict.RECALL, suspects=(suspect("L"),), comment=SECRET)
            actor = Actor(other, "radiologist")
            acts.change(session, run.key(SAFETY), actor, recall, run.exam(SAFETY).images)
        assert run.exam(SAFETY).state is State.DISCORDANT
        (arbiter,) = _asked(run, SAFETY, TaskKind.ARBITRATION)
        if arbiter != third:
            run.give(SAFETY, TaskKind.ARBITRATION, arbiter, third)
        found = _seen(run, third, numbers=(SAFETY,))
        compare(_without(to_read, CHANNEL), _without(found, CHANNEL))


def test_a_door_without_a_probe_is_named():
    (told,) = missing({*PROBES, "GET /reading/new"}, PROBES, "blinding_probes.PROBES")
    assert told.startswith("GET /reading/new has no probe: say in blinding_probes.PROBES")
    (told,) = missing(set(PROBES) - {"GET /events"}, PROBES, "blinding_probes.PROBES")
    assert told.startswith("GET /events of blinding_probes.PROBES is no door any more")
    (told,) = blinding_orthanc.unprobed(frozenset({"GET /new", "POST /tools/new"}))
    assert told.startswith("POST /tools/new has no probe")


def test_answers_that_part_are_named(answers):
    found = answers(Ai.LOW, False)
    door, asked = next(key for key in found.of if key[0] == "GET /status")
    other = blinding_look.Answers(dict(found.of) | {(door, asked): b"x"}, found.secrets)
    with pytest.raises(LeakError, match="GET /status differs where"):
        compare(found, other)
