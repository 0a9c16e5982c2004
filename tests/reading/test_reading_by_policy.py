"""From what is known of a woman to her decision: the site's policies and the ledger in one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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
)
from test_reading_planning import (
    AT,
    cases,
    facts,
    room,
    rooms,
    said_no,
    surely,
)

from gransk.core.exam_facts import Fact
from gransk.core.programme import Programme
from gransk.core.screening import Verdict
from gransk.reading.entries import Kind, TaskKind
from gransk.reading.exam import ENDED, State
from gransk.reading.machine import fold
from gransk.reading.opinions import AiSaid
from gransk.reading.plan import COUNTING, Arbitration, PolicyKind
from gransk.reading.planning import choose, plan, says
from gransk.reading.refusals import LedgerError, Refusal

EVERYBODY = {name: replace(who, arbitrates=not who.trainee) for name, who in UNIT.items()}
"""A unit in which whoever reads may arbitrate."""
OPINIONS = st.lists(st.sampled_from([NORMAL, NORMAL, RECALL, RECALL_LEFT, TECHNICAL]), min_size=8,
                    max_size=8)  # fmt: skip


def read_to_the_end(made, case, opinions):
    """The exam, opened by its plan and read by whoever is asked; and the plan."""
    known, said, gate = case
    found = plan(made, known, said, gate, AT)
    opened, choice = Room(readers=dict(EVERYBODY)), choose(made, known)
    opinion = None
    if said is not None and said.sealed_at <= AT:
        verdict = None if choice is None else says(choice.policy, said)
        opinion = no_ai() if verdict is None else ai(AiSaid(verdict))
    opened.open(found, opinion)
    left = iter(opinions)
    while opened.state not in ENDED:
        answer(opened, next(left))
    return opened, found


def answer(opened, opinion):
    """The next who is asked says something."""
    nobody_is_asked_again(opened)
    for name in opened.asked():
        opened.add(Kind.READ, opened.reading(opinion), name)
        return
    for name in opened.asked(TaskKind.SAFETY):
        if opinion.verdict is Verdict.RECALL:
            opened.add(Kind.SAFETY_CHANGED, opened.reading(opinion), name)
        else:
            opened.add(Kind.SAFETY_KEPT, actor=name)
        return
    arbiter = opened.take()
    if opened.exam.plan.arbitration is Arbitration.CONSENSUS:
        opened.add(Kind.CONSENSUS, judgement(opinion, arbiter, "guest"), arbiter)
    else:
        opened.add(Kind.ARBITRATED, judgement(opinion), arbiter)


def nobody_is_asked_again(opened):
    """Who read it can be given neither another read of it nor the arbitration."""
    for task in (TaskKind.FIRST, TaskKind.ARBITRATION):
        for giver in opened.asked(task):
            for reader in opened.exam.counting:
                if reader.account != giver:
                    again = moved(task, giver, reader.account)
                    consensus = opened.exam.plan.arbitration is Arbitration.CONSENSUS
                    if task is TaskKind.ARBITRATION and consensus:
                        continue
                    with pytest.raises(LedgerError) as error:
                        opened.add(Kind.REASSIGNED, again, "kim", "because")
                    assert error.value.code is Refusal.READ_BEFORE


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made=rooms, case=cases, opinions=OPINIONS)
def test_every_exam_ends_and_the_ai_spares_a_reading_only_where_it_may(made, case, opinions):
    """Eight answers are enough for any exam; whoever reads alone does so for every good reason."""
    opened, found = read_to_the_end(made, case, opinions)
    known, said, gate = case
    exam, kinds = opened.exam, opened.kinds
    assert exam.outcome is not None
    assert fold(opened.book.new) == exam
    readers = [read.account for read in exam.counting]
    assert len(set(readers)) == len(readers) == found.human_reads
    third = [one.actor for one in opened.book.new if one.kind is Kind.ARBITRATED]
    assert not set(third) & set(readers)
    if len(readers) == 2 and Kind.AI_COUNTED not in kinds:
        return
    assert found.kind in COUNTING
    assert known.programme is Programme.SCREENING
    assert not any((known.incomplete, known.returned, gate.paused))
    assert all(
        said_no(known, made, fact) for fact in (Fact.IMPLANT, Fact.TREATED, Fact.DECLINES_AI)
    )
    assert said is not None
    assert (said.refused, said.sealed_at <= AT) == (None, True)
    rule = next(rule for rule in made.rules if surely(rule.when, known, made))
    if not (rule.study and AT.date() <= rule.study.until):
        assert (gate.validated, said.research) == (True, False)
    technical = {read.opinion.verdict for read in exam.counting} == {Verdict.TECHNICAL}
    counts = found.kind is PolicyKind.REPLACE_READER and not technical
    assert (Kind.AI_COUNTED in kinds) is counts


@settings(max_examples=100, deadline=None)
@given(case=cases, opinions=OPINIONS, policy=st.sampled_from(["double", "shadow", "support"]))
def test_without_a_counting_policy_the_ai_changes_no_decision(case, opinions, policy):
    """The same exam with the opposite opinion of the AI: the same entries of the same people."""
    known, said, gate = case
    made = room(policy, facts=facts())
    if said is None or choose(made, known) is None:
        return
    low = read_to_the_end(made, (known, with_score(said, 1, "low"), gate), opinions)[0]
    high = read_to_the_end(made, (known, with_score(said, 10, "high"), gate), opinions)[0]
    assert [(one.kind, one.actor) for one in low.book.new] == [
        (one.kind, one.actor) for one in high.book.new
    ]
    assert low.exam.outcome == high.exam.outcome
    assert low.state in (State.DECIDED, State.TECHNICAL_REPEAT)


def with_score(said, score, category):
    return replace(said, score=score, category=category)
