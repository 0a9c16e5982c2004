"""May an entry be made? Every refusal has a code of `gransk.reading.refusals`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gransk.core.screening import Verdict
from gransk.reading.entries import (
    BY_EITHER,
    BY_SYSTEM,
    CONTENT,
    WITH_REASON,
    Counted,
    Entry,
    Images,
    Judgement,
    Kind,
    Moved,
    Opening,
    Planned,
    Reading,
    Sealed,
    Task,
    TaskKind,
)
from gransk.reading.exam import (
    Exam,
    Qualification,
    State,
    blind,
    may_arbitrate,
    may_read,
    may_train,
)
from gransk.reading.machine import TABLE, outcome
from gransk.reading.opinions import AiSaid
from gransk.reading.plan import COUNTING, Arbitration, Plan
from gransk.reading.refusals import LedgerError, Refusal
from gransk.site.events import SYSTEM

_BY_TASK = {
    Kind.READ: TaskKind.FIRST,
    Kind.TRAINEE_READ: TaskKind.TRAINEE,
    Kind.SAFETY_KEPT: TaskKind.SAFETY,
    Kind.SAFETY_CHANGED: TaskKind.SAFETY,
    Kind.TAKEN: TaskKind.ARBITRATION,
}
"""Entries of a person who was given something."""


def check(exam: Exam | None, entry: Entry, who: Qualification | None = None) -> None:
    """Refuse an entry that cannot be made.

    Parameters
    ----------
    exam : Exam or None
        None before the first entry.
    entry : Entry
    who : Qualification, optional
        What the unit lets the person do whom the entry is about: who is given something, else
        who acts. None for somebody who is not on the unit's list.

    Raises
    ------
    LedgerError
    """
    _refuse(not isinstance(entry.content, CONTENT[entry.kind]), Refusal.WRONG_CONTENT)
    by_system = entry.actor == SYSTEM
    if entry.kind not in BY_EITHER:
        _refuse(by_system != (entry.kind in BY_SYSTEM), Refusal.WRONG_ACTOR)
    _refuse(entry.kind in WITH_REASON and not entry.reason.strip(), Refusal.NO_REASON)
    if exam is None:
        _refuse(None not in TABLE[entry.kind], Refusal.NO_EXAM)
        return
    # Before the state is looked at: who was given nothing always gets the same answer.
    _refuse(not _theirs(exam, entry), Refusal.NOT_YOURS)
    _refuse(exam.state not in TABLE[entry.kind], Refusal.WRONG_STATE)
    if entry.kind in _CHECKS:
        _CHECKS[entry.kind](exam, entry, who)


def _theirs(exam: Exam, entry: Entry) -> bool:
    """Has who acts been given what the entry is about?"""
    if entry.kind in _BY_TASK:
        return exam.holds(entry.actor, _BY_TASK[entry.kind])
    if entry.kind is Kind.CORRECTED:
        return any(read.account == entry.actor for read in exam.counting)
    if entry.kind in (Kind.ARBITRATED, Kind.CONSENSUS):
        return exam.taker == entry.actor
    return True


def _refuse(when: bool, code: Refusal, detail: str = "") -> None:
    if when:
        raise LedgerError(code, detail)


def _qualified(who: Qualification | None) -> Qualification:
    if who is None:
        raise LedgerError(Refusal.NOT_QUALIFIED)
    return who


def _content(entry: Entry) -> Any:
    """The content; `check` has looked at its type."""
    return entry.content


# What the suite does


def _seals(exam: Exam, entry: Entry, _who: Qualification | None) -> None:
    new: Sealed = _content(entry)
    _refuse(exam.plan is not None, Refusal.WRONG_STATE, "it is planned already")
    _refuse(new.opinion.application != exam.application, Refusal.WRONG_CONTENT)


def _plans(exam: Exam, entry: Entry, _who: Qualification | None) -> None:
    new: Planned = _content(entry)
    _refuse(exam.plan is not None, Refusal.WRONG_STATE, "it is planned already")
    _refuse(exam.returned and not two_people(new.plan), Refusal.WRONG_CONTENT)
    said = None if exam.ai is None else exam.ai.opinion.said
    verdict = said in (AiSaid.NORMAL, AiSaid.RECALL)
    _refuse(new.plan.ai_counts and not verdict, Refusal.NO_AI_OPINION)


def _opens(exam: Exam, entry: Entry, _who: Qualification | None) -> None:
    new: Opening = _content(entry)
    _refuse(exam.plan is None, Refusal.NO_PLAN)
    _refuse(entry.at < exam.opens_at, Refusal.TOO_EARLY)
    _refuse(len(set(new.drawn)) < len(new.drawn), Refusal.WRONG_CONTENT)


def _counts(exam: Exam, entry: Entry, _who: Qualification | None) -> None:
    new: Counted = _content(entry)
    plan = exam.plan
    _refuse(plan is None or not plan.ai_counts or exam.ai_counted, Refusal.WRONG_STATE)
    _refuse(new.seal != exam.seal, Refusal.OTHER_OPINION)
    _refuse(plan is not None and len(exam.counting) < plan.human_reads, Refusal.NOT_COMPLETE)


def _shows(exam: Exam, _entry: Entry, _who: Qualification | None) -> None:
    plan = exam.plan
    _refuse(plan is None or not plan.shows_ai_after or exam.shown_after, Refusal.WRONG_STATE)
    said = None if exam.ai is None else exam.ai.opinion.said
    _refuse(said is not AiSaid.RECALL, Refusal.NO_AI_OPINION)


def _decides(exam: Exam, entry: Entry, _who: Qualification | None) -> None:
    _refuse(exam.outcome is not None, Refusal.WRONG_STATE)
    wanted = outcome(exam)
    _refuse(wanted is None, Refusal.NOT_COMPLETE)
    _refuse(wanted != entry.content, Refusal.WRONG_CONTENT)


def _changes_images(exam: Exam, entry: Entry, _who: Qualification | None) -> None:
    new: Images = _content(entry)
    _refuse(new.images == exam.images, Refusal.WRONG_CONTENT, "the images are the same")


# What is given


def _gives(exam: Exam, entry: Entry, who: Qualification | None) -> None:
    new: Task = _content(entry)
    person = _qualified(who)
    _refuse(person.account != new.account, Refusal.NOT_QUALIFIED)
    _may_be_given(exam, new.task, person)
    if new.task is TaskKind.FIRST:
        _refuse(exam.plan is None, Refusal.NO_PLAN)
        _refuse(exam.missing_reads() == 0, Refusal.WRONG_STATE, "enough people are asked")
    if new.task is TaskKind.ARBITRATION:
        taken = bool(exam.open_tasks(TaskKind.ARBITRATION))
        _refuse(taken, Refusal.WRONG_STATE, "somebody is asked")


def _moves(exam: Exam, entry: Entry, who: Qualification | None) -> None:
    new: Moved = _content(entry)
    _refuse(bool(new.giver) and not exam.holds(new.giver, new.task), Refusal.NOT_YOURS)
    if new.task is TaskKind.SAFETY:
        _refuse(bool(new.taker), Refusal.WRONG_CONTENT, "only taken back")
        answered = len(exam.kept) + len(exam.open_tasks(TaskKind.SAFETY)) - 1
        _refuse(answered < 1, Refusal.NOT_COMPLETE, "nobody would look again")
        return
    concluded = new.task is TaskKind.ARBITRATION and exam.conclusion is not None
    _refuse(concluded, Refusal.WRONG_STATE, "it is concluded")
    if not new.giver:
        full = exam.missing_reads() == 0 if new.task is TaskKind.FIRST else bool(
            exam.open_tasks(new.task)
        )  # fmt: skip
        _refuse(full, Refusal.WRONG_STATE, "somebody is asked")
    if new.taker:
        person = _qualified(who)
        _refuse(person.account != new.taker, Refusal.NOT_QUALIFIED)
        _may_be_given(exam, new.task, person)


def _may_be_given(exam: Exam, task: TaskKind, who: Qualification) -> None:
    states = {
        TaskKind.FIRST: (State.WAITING, State.FIRST_READ, State.SECOND_READ),
        TaskKind.TRAINEE: (State.WAITING, State.FIRST_READ, State.SECOND_READ),
        TaskKind.ARBITRATION: (State.DISCORDANT, State.ARBITRATION),
        TaskKind.SAFETY: (),
    }
    _refuse(exam.state not in states[task], Refusal.WRONG_STATE)
    _refuse(exam.holds(who.account, task), Refusal.WRONG_STATE, "the person has it already")
    _may_do(exam, task, who)
    # Who was a trainee when it opened, and is a reader now, reads it once.
    other = {TaskKind.FIRST: TaskKind.TRAINEE, TaskKind.TRAINEE: TaskKind.FIRST}.get(task)
    _refuse(other is not None and exam.holds(who.account, other), Refusal.READ_BEFORE)


def _may_do(exam: Exam, task: TaskKind, who: Qualification) -> None:
    """Refuse with the reason that tells a coordinator most."""
    may = {
        TaskKind.FIRST: may_read,
        TaskKind.ARBITRATION: may_arbitrate,
        TaskKind.TRAINEE: may_train,
    }[task]
    if may(exam, who):
        return
    listed = {
        TaskKind.FIRST: who.reads,
        TaskKind.ARBITRATION: who.arbitrates,
        TaskKind.TRAINEE: who.trainee,
    }[task]
    _refuse(not listed, Refusal.NOT_QUALIFIED)
    _refuse(not blind(exam, who), Refusal.SEEN_BEFORE)
    alone = exam.plan is not None and exam.plan.experienced and exam.plan.human_reads == 1
    lacks = task is TaskKind.FIRST and alone and not who.experienced
    _refuse(True, Refusal.NOT_EXPERIENCED if lacks else Refusal.READ_BEFORE)


# What people do


def _reads(exam: Exam, entry: Entry, who: Qualification | None) -> None:
    _on_these_images(exam, entry)
    person = _qualified(who)
    _may_do(exam, _BY_TASK[entry.kind], person)


def _corrects(exam: Exam, entry: Entry, who: Qualification | None) -> None:
    # Before all else: where one or two read, that a read can be changed would tell how many
    # were planned, and by it the score. Once it is decided the refusal is the same.
    _refuse(not keeps_corrections(exam.plan), Refusal.WRONG_STATE)
    _on_these_images(exam, entry)
    person = _qualified(who)
    _refuse(not person.reads, Refusal.NOT_QUALIFIED)
    _refuse(not blind(exam, person), Refusal.SEEN_BEFORE)


def keeps_corrections(plan: Plan | None) -> bool:
    """Do two people read every exam of the policy, so that a read may be corrected?"""
    return plan is not None and plan.kind not in COUNTING


def _trains(exam: Exam, entry: Entry, who: Qualification | None) -> None:
    # A trainee may read to the end and after the decision: nothing of it counts.
    _on_these_images(exam, entry)
    _may_do(exam, TaskKind.TRAINEE, _qualified(who))


def _changes(exam: Exam, entry: Entry, _who: Qualification | None) -> None:
    _on_these_images(exam, entry)
    new: Reading = _content(entry)
    _refuse(new.opinion.verdict is not Verdict.RECALL, Refusal.WRONG_CONTENT)


def _on_these_images(exam: Exam, entry: Entry) -> None:
    new: Reading = _content(entry)
    _refuse(new.images != exam.images, Refusal.OTHER_IMAGES)
    _refuse(new.seal != exam.seal, Refusal.OTHER_OPINION)


def _takes(exam: Exam, _entry: Entry, who: Qualification | None) -> None:
    _may_do(exam, TaskKind.ARBITRATION, _qualified(who))


def _arbitrates(exam: Exam, entry: Entry, who: Qualification | None) -> None:
    new: Judgement = _content(entry)
    _leads(exam, entry, who)
    plan = exam.plan
    meets = plan is not None and plan.arbitration is Arbitration.CONSENSUS
    _refuse(meets, Refusal.CONSENSUS_WANTED)
    _refuse(bool(new.participants), Refusal.WRONG_CONTENT, "a third reader decides alone")


def _agrees(exam: Exam, entry: Entry, who: Qualification | None) -> None:
    new: Judgement = _content(entry)
    _leads(exam, entry, who)
    met = set(new.participants)
    alone = len(met) < 2 or len(met) < len(new.participants)
    _refuse(alone or entry.actor not in met, Refusal.WHO_MET)


def _leads(exam: Exam, entry: Entry, who: Qualification | None) -> None:
    _refuse(exam.conclusion is not None, Refusal.WRONG_STATE)
    _refuse(not _qualified(who).arbitrates, Refusal.NOT_QUALIFIED)


def _returns(exam: Exam, entry: Entry, _who: Qualification | None) -> None:
    new: Planned = _content(entry)
    _refuse(not two_people(new.plan), Refusal.WRONG_CONTENT, "two people, without the AI")
    known = exam.plan is not None and two_people(exam.plan)
    _refuse(exam.returned or known, Refusal.TWO_ALREADY)


def two_people(plan: Plan) -> bool:
    """Do two people read, and does the AI not count?"""
    return plan.human_reads == 2 and not plan.ai_counts


_CHECKS: Mapping[Kind, Callable[[Exam, Entry, Qualification | None], None]] = {
    Kind.AI_SEALED: _seals,
    Kind.PLANNED: _plans,
    Kind.ASSIGNED: _gives,
    Kind.OPENED: _opens,
    Kind.READ: _reads,
    Kind.CORRECTED: _corrects,
    Kind.AI_COUNTED: _counts,
    Kind.TRAINEE_READ: _trains,
    Kind.SAFETY_SHOWN: _shows,
    Kind.SAFETY_CHANGED: _changes,
    Kind.TAKEN: _takes,
    Kind.ARBITRATED: _arbitrates,
    Kind.CONSENSUS: _agrees,
    Kind.DECIDED: _decides,
    Kind.REASSIGNED: _moves,
    Kind.RETURNED_TO_HUMANS: _returns,
    Kind.IMAGES_CHANGED: _changes_images,
}
