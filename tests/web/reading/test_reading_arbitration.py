"""Arbitration and consensus: who sees both opinions, and who decides."""

from __future__ import annotations

from reading_desks import NORMAL, RECALL, TECHNICAL
from reading_room import ai, plan
from sqlalchemy import select

from gransk.core.screening import Verdict
from gransk.reading.entries import TaskKind
from gransk.reading.exam import State
from gransk.reading.opinions import AiSaid, DifferenceReason
from gransk.reading.outcome_store import state_outcomes
from gransk.reading.outcomes import ACCESSION, Found, Outcome
from gransk.reading.plan import Arbitration, PolicyKind
from gransk.results.tables import FactSource
from gransk.site.tables import Event


def discordant(desks, how=None, opinion=None):
    """An exam whose opinions differ, its first readers, and who is asked to decide."""
    key = desks.exam(how, opinion)
    first = desks.asked(key)
    for name, form in zip(first, (NORMAL | {"comment": "intet nyt"}, RECALL), strict=False):
        desks.say(name, key, **form)
    assert desks.of(key).state is State.DISCORDANT
    (arbiter,) = desks.asked(key, TaskKind.ARBITRATION)
    assert arbiter not in first
    return key, first, arbiter


def test_both_opinions_side_by_side_and_a_verdict(desks):
    key, first, arbiter = discordant(desks)
    page = desks.at(arbiter)
    assert "by-person" not in page.get(f"/reading/{key}").text
    desks.open(arbiter, key)
    assert desks.of(key).state is State.ARBITRATION
    html = page.get(f"/reading/{key}").text
    assert html.count('class="said by-person"') == 2
    assert all(f"{name.title()} Gransker" in html for name in first)
    assert "intet nyt" in html
    assert "suspicion 4 high" in html
    assert "The opinions differ in recall or normal." in html
    assert "Arbitration opened" in page.get("/reading").text
    answer = desks.say(arbiter, key, "verdict", **RECALL, why="overlooked")
    assert answer.status_code == 303
    exam = desks.of(key)
    assert (exam.state, exam.outcome.verdict) == (State.DECIDED, Verdict.RECALL)
    assert exam.conclusion.why is DifferenceReason.OVERLOOKED
    told = desks.at(first[0]).get(f"/reading/{key}").text
    assert f"Third reader: {arbiter.title()} Gransker" in told
    assert "Overlooked" in told


def test_human_and_ai_are_marked_as_what_they_are(desks):
    how = plan(PolicyKind.REPLACE_READER)
    key, first, arbiter = discordant(desks, how, ai(AiSaid.RECALL, exam_score=9.0))
    desks.open(arbiter, key)
    html = desks.at(arbiter, "da").get(f"/reading/{key}").text
    assert html.count('<span class="by">Gransker</span>') == 1
    assert html.count('<span class="by">AI</span>') == 1
    assert "Score 9" in html
    assert html.count("<strong>Højre MLO</strong>") == 1, "the AI's mark"
    assert "by-ai" not in desks.at(first[0]).get(f"/reading/{key}").text


def test_an_ai_without_a_part_is_not_shown_to_the_arbiter(desks):
    for kind in (PolicyKind.SHADOW, PolicyKind.DOUBLE_READING):
        key, _, arbiter = discordant(desks, plan(kind), ai(AiSaid.RECALL, exam_score=9.0))
        desks.open(arbiter, key)
        html = desks.at(arbiter).get(f"/reading/{key}").text
        assert html.count('class="said by-person"') == 2
        assert "by-ai" not in html


def test_first_readers_and_others_stay_blinded_meanwhile(desks):
    key, first, arbiter = discordant(desks)
    desks.open(arbiter, key)
    for name in ("anna", "bo", "cara", "dan", "tove"):
        if name == arbiter:
            continue
        answer = desks.at(name).get(f"/reading/{key}")
        assert answer.text.count("by-person") == (1 if name in first else 0)
        assert "Arbitration" not in answer.text
        verdict = desks.at(name).post(f"/reading/{key}/verdict", data=NORMAL | {"why": "other"})
        assert verdict.status_code == 409
        listed = "not on the unit&#39;s list" if name == "tove" else "not on your list"
        assert listed in verdict.text
    assert desks.of(key).state is State.ARBITRATION


def test_a_verdict_says_all_or_is_refused(desks):
    key, _, arbiter = discordant(desks)
    for form, said in (
        (RECALL, "Choose why the opinions differed."),
        ({"why": "other"}, "Choose normal, recall or technical repeat."),
        (NORMAL | {"why": "other", "met": "yes"}, "A meeting is of at least two people"),
    ):
        answer = desks.say(arbiter, key, "verdict", **form, comment="kept")
        assert answer.status_code in (409, 422)
        assert said in answer.text
        assert "kept</textarea>" in answer.text
        assert answer.text.count('class="said by-person"') == 2
        assert desks.of(key).state is State.ARBITRATION


def test_a_meeting_names_who_met(desks):
    how = plan(arbitration=Arbitration.CONSENSUS)
    key, first, _ = discordant(desks, how)
    (leader,) = desks.asked(key, TaskKind.ARBITRATION)
    desks.open(leader, key)
    html = desks.at(leader).get(f"/reading/{key}").text
    assert "By the policy a consensus meeting decides." in html
    assert f'name="participants" value="{first[0]}"' in html
    assert f'name="participants" value="{leader}"' not in html
    form = RECALL | {"why": "judged_benign", "met": "yes", "participants": first}
    assert desks.say(leader, key, "verdict", **form).status_code == 303
    exam = desks.of(key)
    assert exam.conclusion.participants == (leader, *first)
    assert "consensus" in desks.kinds(key)
    assert "Consensus meeting" in desks.at("anna").get(f"/reading/{key}").text


def test_a_third_reader_may_ask_for_a_meeting_and_decides_alone_where_the_policy_says_so(desks):
    key, first, arbiter = discordant(desks)
    form = NORMAL | {"why": "known", "met": "yes", "participants": [first[0]]}
    assert desks.say(arbiter, key, "verdict", **form).status_code == 303
    assert desks.of(key).conclusion.participants == (arbiter, first[0])

    key, _, leader = discordant(desks, plan(arbitration=Arbitration.CONSENSUS))
    alone = desks.say(leader, key, "verdict", **NORMAL, why="known")
    assert alone.status_code == 409
    assert "A consensus meeting decides this exam." in alone.text


def test_an_arbitration_may_end_in_a_technical_repeat(desks):
    key, _, arbiter = discordant(desks)
    desks.say(arbiter, key, "verdict", **TECHNICAL, why="technical")
    assert desks.of(key).state is State.TECHNICAL_REPEAT


def test_new_images_take_the_arbitration_away_and_nothing_typed_is_lost(desks):
    key, _, arbiter = discordant(desks)
    token = desks.open(arbiter, key)
    desks.new_images(key)
    form = RECALL | {"images": token, "why": "other", "comment": "my words"}
    answer = desks.at(arbiter).post(f"/reading/{key}/verdict", data=form)
    assert answer.status_code == 409
    assert "my words</textarea>" in answer.text
    assert "New images have arrived" in answer.text
    assert desks.of(key).conclusion is None


def test_a_trainee_compares_once_the_exam_is_decided(desks):
    key = desks.exam()
    desks.say("tove", key, **RECALL)
    page = desks.at("tove")
    assert "None of your reads is of a decided exam yet." in page.get("/reading/compared").text
    for name in desks.asked(key):
        desks.say(name, key, **NORMAL)
    unread = desks.exam()
    for name in desks.asked(unread):
        desks.say(name, unread, **NORMAL)
    html = page.get("/reading/compared").text
    assert "0 of 1 as decided" in html
    assert f'href="/reading/{key}"' in html
    assert unread not in html, "it is still to be read"
    assert "by-person" not in page.get(f"/reading/{unread}").text
    assert page.get(f"/reading/{key}").text.count('class="said by-person"') == 3
    desks.say("tove", unread, **NORMAL)
    assert "1 of 2 as decided" in page.get("/reading/compared").text


def test_a_trainee_sees_what_became_of_the_woman(desks):
    key = desks.exam()
    desks.say("tove", key, **RECALL)
    for name in desks.asked(key):
        desks.say(name, key, **RECALL)
    assert "not known" in desks.at("tove").get("/reading/compared").text
    with desks.site.database.begin() as session:
        outcome = Outcome(cancer=True, found=Found.SCREENING)
        state_outcomes(session, {(ACCESSION, "ACC1"): outcome}, FactSource.FILE, "list")
    html = desks.at("tove").get("/reading/compared").text
    assert "<strong>Cancer</strong>" in html
    assert "found at this screening" in html


def test_who_decides_is_told_what_was_decided_before(desks):
    before = desks.exam(study_date="20240110")
    for name in desks.asked(before):
        desks.say(name, before, **RECALL)
    key = desks.exam()
    desks.join(key, before)
    first = desks.asked(key)
    for name, form in zip(first, (NORMAL, RECALL), strict=True):
        desks.open(name, key)
        assert "Earlier decisions" not in desks.at(name).get(f"/reading/{key}").text
        desks.say(name, key, **form)
    (arbiter,) = desks.asked(key, TaskKind.ARBITRATION)
    desks.open(arbiter, key)
    html = desks.at(arbiter).get(f"/reading/{key}").text
    assert "<li>2024-01-10: Recall</li>" in html


def test_what_people_do_is_in_the_event_log(desks):
    key, first, arbiter = discordant(desks)
    desks.say(arbiter, key, "verdict", **NORMAL, why="known")
    with desks.site.database.read() as session:
        events = session.scalars(select(Event).where(Event.subject == key)).all()
    people = [(event.actor, event.kind) for event in events if event.actor in (*first, arbiter)]
    assert people == [
        (first[0], "study_opened"), (first[0], "reading_read"),
        (first[1], "study_opened"), (first[1], "reading_read"),
        (arbiter, "reading_taken"), (arbiter, "study_opened"), (arbiter, "reading_arbitrated"),
    ]  # fmt: skip
    assert all(event.data == {"in": "reading"} for event in events if event.kind == "study_opened")
