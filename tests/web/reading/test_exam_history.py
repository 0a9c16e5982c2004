"""One exam's history: in words, its seal checked, and to whom it is shown."""

from __future__ import annotations

import re

import pytest
from board_site import UNITS, WHY, Board
from reading_room import NORMAL, RECALL, TECHNICAL, ai, judgement, no_ai, plan, sealed
from reading_room import images as new_images
from sqlalchemy import select, text

from gransk.core.screening import TechnicalReason
from gransk.reading import acts
from gransk.reading.entries import (
    Alert,
    AlertCode,
    Arrival,
    Counted,
    Decision,
    Entry,
    Kind,
    Moved,
    Nothing,
    Opening,
    Planned,
    Reading,
    Task,
    TaskKind,
)
from gransk.reading.exam import State
from gransk.reading.exam_tables import EntryRow
from gransk.reading.ledger import settle
from gransk.reading.opinions import AiSaid, DifferenceReason, Technical
from gransk.reading.plan import PlanReason, PolicyKind
from gransk.site.tables import Role
from gransk.web.reading.entry_words import Words
from gransk.web.reading.state_drawing import PLACES, drawing


@pytest.fixture
def room(make_site):
    site = make_site(reading=UNITS)
    found = Board(site)
    found.staff()
    return found


def history(room, name, key):
    answer = room.signed_in(name).get(f"/reading/board/exams/{key}")
    assert answer.status_code == 200
    return re.sub(r'<meta name="csrf".*?>|name="csrf" value=".*?"', "", answer.text)


def decided(room):
    """An exam that an arbiter decided, read beside the AI before it went back to two people."""
    key = room.by_ai()
    room.act(acts.return_to_humans, key, "kim", "doubt")
    room.read(key, NORMAL, RECALL)
    (arbiter,) = room.asked(key, TaskKind.ARBITRATION)
    room.act(acts.take, key, arbiter)
    room.act(acts.arbitrate, key, arbiter, RECALL, WHY)
    return key


@pytest.mark.parametrize("language", ["en", "da"])
def test_every_entry_with_who_when_and_why(room, language):
    room.person("lis", "Lis Lund", Role.AUDITOR, language=language)
    key = decided(room)
    html = history(room, "lis", key)
    body = re.search(r'class="history".*?</table>', html, re.DOTALL).group()
    with room.database.read() as session:
        query = select(EntryRow).where(EntryRow.study_key == key).order_by(EntryRow.place)
        written = session.scalars(query).all()
    assert body.count("<tr") == len(written) + 1
    wanted = {
        "en": ("doubt", "Kim Koordinator", "Right breast, MLO, mass, suspicion 4",
               "one of them did not see it", "Seal checked; it holds.", "All 13 entries stand",
               "Why: given to two people", "Radiologist"),
        "da": ("doubt", "Kim Koordinator", "Højre bryst, MLO, tumor, mistanke 4",
               "den ene så det ikke", "Forseglingen er kontrolleret", "Alle 13 registreringer",
               "Hvorfor: givet til to granskere", "Udtrukket: "),
    }  # fmt: skip
    for words in wanted[language]:
        assert words in html, words
    assert len(written) == 13
    assert room.state_of(key).seal in html


@pytest.mark.parametrize(
    ("kind", "shown"), [(PolicyKind.REPLACE_READER, True), (PolicyKind.SHADOW, False)]
)
def test_an_opinion_kept_as_shadow_is_told_by_its_seal_alone(room, kind, shown):
    key = room.exam(plan(kind), opinion=ai(AiSaid.RECALL, exam_score=9.0))
    html = history(room, "kim", key)
    assert ("AI: recall" in html, "Score 9" in html) == (shown, shown)
    assert ("The AI&#39;s opinion is sealed and is not shown." in html) is not shown
    assert room.state_of(key).seal in html
    assert "Seal checked; it holds." in html


def test_a_changed_entry_and_a_broken_seal_are_told(room):
    key = decided(room)
    with room.database.begin() as session:
        session.execute(text("DROP TRIGGER reading_entry_no_update"))
        session.execute(
            text(
                "UPDATE reading_entry SET content = replace(content, '\"exam_score\": 3.0', "
                "'\"exam_score\": 9.0') WHERE kind = 'ai_sealed'"
            )
        )
    html = history(room, "kim", key)
    assert "The opinion is not the one that was sealed." in html
    assert "Not as the event log noted it." in html
    assert "Entries are not as they were written." in html
    assert "Seal checked; it holds." not in html
    room.person("ole", "Ole Olsen", Role.COORDINATOR, Role.RADIOLOGIST)
    room.listed("ole")
    assert "sealed" not in history(room, "ole", key)


def test_a_lost_entry_is_told(room):
    key = room.exam()
    with room.database.begin() as session:
        session.execute(text("DROP TRIGGER reading_entry_no_delete"))
        session.execute(text("DELETE FROM reading_entry WHERE kind = 'opened'"))
    assert "1 entries that the event log noted are not there." in history(room, "kim", key)


def test_who_may_still_be_given_the_exam_sees_the_own_read_alone(room):
    room.person("ole", "Ole Olsen", Role.COORDINATOR, Role.RADIOLOGIST)
    for name in ("anna", "bo", "cara", "dan"):
        room.listed(name, active=False)
    room.listed("ole")
    room.listed("cara")
    key = room.exam()
    assert set(room.asked(key)) == {"ole", "cara"}
    before = history(room, "ole", key)
    room.read_as(key, "cara", RECALL)
    assert history(room, "ole", key) == before
    assert "Cara" not in before
    room.read_as(key, "ole", NORMAL)
    after = history(room, "ole", key)
    assert "Your own read" in after
    assert room.row(key).state == State.DISCORDANT
    for hidden in ("Cara", "Opinions differ", "Right breast", 'class="states-drawn', "Recall"):
        assert hidden not in after, hidden
    room.listed("dan", arbitrates=True)
    room.listed("ole", active=False)
    assert history(room, "ole", key) == after, "who could be given it sees no more off the list"
    with room.database.begin() as session:
        settle(session, key)
    room.act(acts.take, key, "dan")
    room.act(acts.arbitrate, key, "dan", RECALL, WHY)
    assert "Cara" in history(room, "ole", key)


def test_decided_it_is_shown_to_all_but_a_trainee_who_has_yet_to_read_it(room):
    room.person("ole", "Ole Olsen", Role.COORDINATOR, Role.RADIOLOGIST)
    room.listed("ole")
    room.person("tove", "Tove Thomsen", Role.COORDINATOR, Role.TRAINEE)
    room.listed("tove", reads=False, experienced=False, trainee=True)
    key = room.exam()
    room.read(key, NORMAL, NORMAL)
    assert "Exam decided" in history(room, "ole", key)
    tove = room.signed_in("tove")
    assert "Exam decided" not in history(room, "tove", key)
    assert f'id="exam-{key}"' in tove.get("/reading/board").text
    assert f'id="exam-{key}"' not in tove.get("/reading/board?state=decided").text
    room.act(acts.read, key, "tove", NORMAL, "i1")
    assert "Exam decided" in history(room, "tove", key)
    assert f'id="exam-{key}"' in tove.get("/reading/board?state=decided").text
    assert tove.get("/reading/board/exams/nothing").status_code == 404


CONTENTS = {
    Kind.ARRIVED: Arrival(unit="u", application="mammo", **new_images("i").model_dump()),
    Kind.AI_SEALED: sealed(ai(AiSaid.RECALL)),
    Kind.LATE_AI: sealed(no_ai("time_limit")),
    Kind.PLANNED: Planned(plan=plan(PolicyKind.TRIAGE, shows_marks=True)),
    Kind.ASSIGNED: Task(task=TaskKind.TRAINEE, account="anna"),
    Kind.OPENED: Opening(drawn=("anna",)),
    Kind.READ: Reading(opinion=TECHNICAL, images="i", seconds=41.2, via="ris"),
    Kind.AI_COUNTED: Counted(seal="a" * 64),
    Kind.CONSENSUS: judgement(RECALL, "anna", "bo"),
    Kind.DECIDED: Decision(verdict="technical", technical=(TECHNICAL.technical,)),
    Kind.REASSIGNED: Moved(task=TaskKind.FIRST, giver="anna"),
    Kind.ALERT: Alert(code=AlertCode.IMAGES_CHANGED),
    Kind.TAKEN: Nothing(),
}


@pytest.mark.parametrize("language", ["en", "da"])
def test_every_content_has_words(language):
    words = Words(language, {"anna": "Anna Andersen"})
    at = new_images("i").images_at
    told = {kind: words.details(Entry(kind, content, at)) for kind, content in CONTENTS.items()}
    assert [kind for kind, lines in told.items() if not lines] == [Kind.TAKEN]
    assert any("Anna Andersen" in line for line in told[Kind.REASSIGNED])
    for kind in PolicyKind:
        counts = {"human_reads": 1, "ai_counts": True} if kind == "replace_reader" else {}
        how = plan(kind, reasons=tuple(PlanReason), **counts)
        lines = words.details(Entry(Kind.PLANNED, Planned(plan=how), at))
        assert len(set(lines)) == len(lines) >= 2 + len(PlanReason)
    for why in DifferenceReason:
        content = judgement(NORMAL).model_copy(update={"why": why})
        assert len(words.details(Entry(Kind.ARBITRATED, content, at))) == 2
    for reason in TechnicalReason:
        assert words.technical(Technical(views=(("L", "CC"),), reason=reason)).startswith("L CC: ")


def test_every_state_has_a_place_of_its_own_and_the_path_is_drawn():
    assert set(PLACES) == set(State)
    assert len(set(PLACES.values())) == len(State)
    path = [State.WAITING, State.FIRST_READ, State.SECOND_READ, State.DISCORDANT]
    drawn = drawing(path)
    assert [box.state for box in drawn.boxes if box.look == "now"] == [State.DISCORDANT]
    assert sum(box.look == "passed" for box in drawn.boxes) == 3
    assert sum(arrow.passed for arrow in drawn.arrows) == 3
    # To arbitration, back for new images, and out.
    assert sum(not arrow.passed for arrow in drawn.arrows) == 3
