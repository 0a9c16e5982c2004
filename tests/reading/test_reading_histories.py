"""Random histories of exams: whatever people try, some things never happen."""

from __future__ import annotations

import datetime
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from reading_room import (
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
    person,
    plan,
    sealed,
    two,
)

from gransk.core.screening import Verdict
from gransk.reading.entries import Alert, AlertCode, Kind, Moved, Task, TaskKind
from gransk.reading.exam import ENDED, State
from gransk.reading.machine import TABLE, fold
from gransk.reading.opinions import AiSaid
from gransk.reading.plan import Arbitration, Differing, PolicyKind
from gransk.reading.refusals import LedgerError
from gransk.reading.sight import Sight, Standing, sight

PEOPLE = sorted([*UNIT, "eva", "kim"])
OPINIONS = st.sampled_from([NORMAL, NORMAL, RECALL, RECALL, RECALL_LEFT, TECHNICAL])
ANYBODY = st.sampled_from(PEOPLE)
READING = {Kind.READ, Kind.CORRECTED, Kind.TRAINEE_READ, Kind.TAKEN}


@st.composite
def plans(draw):
    kind = draw(st.sampled_from(list(PolicyKind)))
    values = {
        "differing": draw(st.sampled_from(list(Differing))),
        "arbitration": draw(st.sampled_from(list(Arbitration))),
        "experienced": draw(st.booleans()),
        "arbitrates_single_recall": draw(st.booleans()),
    }
    if kind in (PolicyKind.REPLACE_READER, PolicyKind.TRIAGE) and draw(st.booleans()):
        values |= {"human_reads": 2, "ai_counts": draw(st.booleans())}
    return plan(kind, **values)


class Histories(RuleBasedStateMachine):
    """One exam, and everybody who may try anything with it at any time."""

    def __init__(self):
        super().__init__()
        unit = dict(UNIT) | {"eva": person("eva", arbitrates=True, reads=False)}
        unit["bo"] = replace(unit["bo"], experienced=False)
        self.room = Room(readers=unit)
        self.saw = set()
        """Who was shown everything of the exam before it was decided."""
        self.pictures = 1

    def attempt(self, kind, content=None, actor="", reason="because"):
        before, count = self.room.exam, len(self.room.book.new)
        try:
            self.room.add(kind, content, actor, reason)
        except LedgerError:
            assert self.room.exam is before
            assert len(self.room.book.new) == count
        self.look(count)

    def look(self, since):
        """Nobody who had seen everything is in what was added; then note who sees it now."""
        for entry in self.room.book.new[since:]:
            if entry.kind in READING:
                assert entry.actor not in self.saw, f"{entry.kind} by one who had seen all"
            if isinstance(entry.content, Task):
                assert entry.content.account not in self.saw
            if isinstance(entry.content, Moved) and entry.content.task is not TaskKind.SAFETY:
                assert entry.content.taker not in self.saw
        if self.room.state is State.DECIDED:
            return
        for name in PEOPLE:
            who = self.room.readers.get(name)
            if sight(self.room.exam, Standing(name, True, who), self.room.at) is Sight.ALL:
                self.saw.add(name)

    @rule(how=plans(), said=st.sampled_from([None, *AiSaid]))
    def opens(self, how, said):
        if self.room.state is not State.WAITING:
            return
        count = len(self.room.book.new)
        opinion = None if said is None else no_ai() if said is AiSaid.NO_OPINION else ai(said)
        counts = how.ai_counts and said not in (AiSaid.NORMAL, AiSaid.RECALL)
        if self.room.exam.returned or counts:
            how = plan()
        self.room.open(how, opinion)
        self.look(count)

    @rule(opinion=OPINIONS)
    def somebody_reads(self, opinion):
        for name in self.room.asked()[:1]:
            self.attempt(Kind.READ, self.room.reading(opinion), name)

    @rule(name=ANYBODY, opinion=OPINIONS)
    def anybody_reads(self, name, opinion):
        self.attempt(Kind.READ, self.room.reading(opinion), name)

    @rule(name=ANYBODY, opinion=OPINIONS)
    def anybody_corrects(self, name, opinion):
        self.attempt(Kind.CORRECTED, self.room.reading(opinion), name)

    @rule(opinion=OPINIONS)
    def a_trainee_reads(self, opinion):
        self.attempt(Kind.TRAINEE_READ, self.room.reading(opinion), "tove")

    @rule(name=ANYBODY, changes=st.booleans())
    def looks_again(self, name, changes):
        if changes:
            self.attempt(Kind.SAFETY_CHANGED, self.room.reading(RECALL), name)
        else:
            self.attempt(Kind.SAFETY_KEPT, actor=name)

    @rule(name=ANYBODY)
    def takes(self, name):
        self.attempt(Kind.TAKEN, actor=name)

    @rule()
    def the_arbiter_takes(self):
        for name in self.room.asked(TaskKind.ARBITRATION):
            self.attempt(Kind.TAKEN, actor=name)

    @rule(name=st.sampled_from(["cara", "dan", "eva"]), opinion=OPINIONS)
    def an_arbiter_of_choice(self, name, opinion):
        """Readers differ, and a coordinator chooses who decides."""
        for said in (NORMAL, RECALL):
            for reader in self.room.asked()[:1]:
                self.attempt(Kind.READ, self.room.reading(said), reader)
        giver = next(iter(self.room.asked(TaskKind.ARBITRATION)), "")
        if giver != name:
            chosen = moved(TaskKind.ARBITRATION, giver, name)
            self.attempt(Kind.REASSIGNED, chosen, "kim")
        self.attempt(Kind.TAKEN, actor=name)
        self.attempt(Kind.ARBITRATED, judgement(opinion), name)

    @rule(name=ANYBODY, opinion=OPINIONS, others=st.lists(ANYBODY, max_size=3))
    def concludes(self, name, opinion, others):
        name = self.room.exam.taker or name
        self.attempt(Kind.ARBITRATED, judgement(opinion), name)
        self.attempt(Kind.CONSENSUS, judgement(opinion, name, *others), name)

    @rule(
        giver=st.sampled_from([*PEOPLE, ""]), taker=st.sampled_from([*PEOPLE, ""]),
        task=st.sampled_from(list(TaskKind)),
    )  # fmt: skip
    def reassigns(self, giver, taker, task):
        if giver != taker:
            self.attempt(Kind.REASSIGNED, moved(task, giver, taker), "kim")

    @rule()
    def returns(self):
        self.attempt(Kind.RETURNED_TO_HUMANS, two(), "kim")

    @rule()
    def other_images(self):
        self.pictures += 1
        new = images(f"images-{self.pictures}")
        if self.room.state is State.DECIDED:
            alert = Alert(code=AlertCode.IMAGES_CHANGED, images=new.images)
            self.attempt(Kind.ALERT, alert)
        else:
            self.attempt(Kind.IMAGES_CHANGED, new)

    @rule()
    def withdrawn_and_back(self):
        self.attempt(Kind.WITHDRAWN, actor="kim")
        if self.room.state is State.WITHDRAWN:
            self.attempt(Kind.ARRIVED, arrival())

    @rule(said=st.sampled_from(list(AiSaid)))
    def late(self, said):
        self.attempt(Kind.LATE_AI, sealed(no_ai() if said is AiSaid.NO_OPINION else ai(said)))

    @rule(name=st.sampled_from(sorted(UNIT)))
    def off_the_list_and_on_again(self, name):
        """Off the list the person may see everything; on again, only what comes is given."""
        if name in self.room.readers:
            self.room.readers.pop(name)
        else:
            late = self.room.at + datetime.timedelta(seconds=1)
            self.room.readers[name] = replace(UNIT[name], blind_since=late)
        self.look(len(self.room.book.new))

    def teardown(self):
        assert fold(self.room.book.new) == self.room.exam

    @invariant()
    def it_is_never_lost(self):
        """Somebody is to do something, or is known to be missing, until it has ended."""
        exam = self.room.exam
        if exam.state in (*ENDED, State.WAITING):
            return
        asked = [given for task in TaskKind for given in exam.open_tasks(task)]
        asked = [given for given in asked if given.task is not TaskKind.TRAINEE]
        assert asked or self.room.book.missing
        assert any(exam.state in states for states in TABLE.values())

    @invariant()
    def nobody_reads_twice(self):
        seen = [(read.round, read.account) for read in self.room.exam.reads]
        assert len(seen) == len(set(seen))
        trainees = {read.account for read in self.room.exam.trainee_reads}
        assert not trainees & {account for _, account in seen}

    @invariant()
    def no_decision_without_its_reads(self):
        exam = self.room.exam
        if exam.outcome is None:
            return
        history = self.room.book.new
        opened = max(n for n, entry in enumerate(history) if entry.kind is Kind.OPENED)
        since = history[opened:]
        readers = [entry.actor for entry in since if entry.kind is Kind.READ]
        assert len(set(readers)) == len(readers) == exam.plan.human_reads
        said = [read.opinion.verdict for read in exam.counting]
        kinds = [entry.kind for entry in since]
        technical = set(said) == {Verdict.TECHNICAL}
        if exam.plan.ai_counts and not technical:
            assert kinds.count(Kind.AI_COUNTED) == 1
            said.append(Verdict(exam.ai.opinion.said.value))
        concluded = kinds.count(Kind.ARBITRATED) + kinds.count(Kind.CONSENSUS)
        if len(set(said)) > 1:
            assert concluded == 1
        if concluded:
            assert exam.outcome.verdict is exam.conclusion.opinion.verdict
        else:
            assert {exam.outcome.verdict} == set(said)

    @invariant()
    def no_third_reader_who_read_it_before(self):
        history = self.room.book.new
        for number, entry in enumerate(history):
            if entry.kind is Kind.ARBITRATED:
                assert not any(
                    before.actor == entry.actor and before.kind in (Kind.READ, Kind.TRAINEE_READ)
                    for before in history[:number]
                )

    @invariant()
    def a_first_reader_sees_no_other_opinion_before_all_are_in(self):
        exam = self.room.exam
        if exam.state not in (State.FIRST_READ, State.SECOND_READ):
            return
        for name, who in self.room.readers.items():
            if exam.holds(name, TaskKind.FIRST) and who.reads:
                seen = sight(exam, Standing(name, True, who), self.room.at)
                assert seen is Sight.TO_READ or who.blind_since > START


Histories.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestHistories = Histories.TestCase
