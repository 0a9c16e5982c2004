"""Runs that differ in the AI alone answer alike at every door, and every door has a probe."""

from __future__ import annotations

import blinding_dicom
import blinding_look
import blinding_orthanc
import pytest
from blinding_doors import orthanc, ours
from blinding_look import PROBES, LeakError, compare, missing
from blinding_messages import DELIVERED, LOG, OPENING
from blinding_programme import BLINDED, Ai

from gransk.core.screening import Verdict
from gransk.reading import acts
from gransk.reading.acts import Actor
from gransk.reading.entries import TaskKind
from gransk.reading.exam import State
from gransk.reading.opinions import Opinion
from gransk.reading.seeing import looker, sight_of
from gransk.reading.sight import Sight

pytestmark = [pytest.mark.blinding, pytest.mark.system]

UNDECIDED_DOORS = (
    "GET /", "GET /worklist/list", "GET /api/worklist", "GET /status", "GET /studies/{key}",
    "GET /api/studies/{key}", "GET /events", "GET /follow-up", "GET /messages",
    "GET /api/decisions", "POST /studies/{key}/rerun", "POST /studies/{key}/priority",
    "GET /reading", "GET /reading/{key}", "GET /reading/board", "GET /reading/board/list",
    "GET /reading/board/exams/{key}", "GET /reading/own-figures", "GET /reading/indicators",
    "GET /api/reading/list",
)  # fmt: skip


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
    assert found[DELIVERED, "the outbox of results"] == b"['1.2.826.0.1.5.99']"
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


def _no_state_shows(run):
    """From one read to arbitration: who may still be given the exam sees no change."""
    assert run.exam(3).state is State.SECOND_READ
    before = blinding_look.look(run, UNDECIDED_DOORS, ended=False)
    run.read(3, Opinion(verdict=Verdict.NORMAL))
    assert run.exam(3).state is State.DISCORDANT
    (arbiter,) = [one.account for one in run.exam(3).open_tasks(TaskKind.ARBITRATION)]
    assert arbiter != run.blinded[0]
    compare(before, blinding_look.look(run, UNDECIDED_DOORS, ended=False))
    with run.site.database.begin() as session:
        acts.take(session, run.key(3), Actor(arbiter, "arbiter"))
    compare(before, blinding_look.look(run, UNDECIDED_DOORS, ended=False))
    with run.site.database.begin() as session:
        acts.return_to_humans(session, run.key(1), Actor("karen", "coordinator"), "as asked")
    compare(before, blinding_look.look(run, UNDECIDED_DOORS, ended=False))


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
