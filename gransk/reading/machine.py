"""The state machine of the reading room: one table, one pure fold.

`TABLE` says which entry is possible in which state, and where it leads; the diagram in the
documents is made from it. `fold` makes an exam of its entries, `check` refuses an entry that
cannot be made, `follow_up` names the entry that the suite itself makes next.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any

from gransk.core.errors import GranskError
from gransk.core.screening import Verdict
from gransk.reading.entries import (
    CONTENT,
    Arrival,
    Counted,
    Decision,
    Entry,
    Images,
    Judgement,
    Kind,
    Moved,
    Nothing,
    Opening,
    Reading,
    Task,
    TaskKind,
)
from gransk.reading.exam import Exam, Given, Read, State, TaskState
from gransk.reading.opinions import (
    AiOpinion,
    AiSaid,
    Difference,
    Opinion,
    Suspect,
    differ,
)

Targets = tuple[State, ...]

_OPEN = (
    State.FIRST_READ, State.SECOND_READ, State.AGREED_NORMAL, State.AGREED_RECALL,
    State.DISCORDANT, State.ARBITRATION,
)  # fmt: skip
_UNDECIDED = (State.WAITING, *_OPEN, State.TECHNICAL_REPEAT)
_READ_TO = (
    State.AGREED_NORMAL, State.AGREED_RECALL, State.DISCORDANT, State.TECHNICAL_REPEAT,
)  # fmt: skip


def _stays(*states: State) -> dict[State | None, Targets]:
    return {state: (state,) for state in states}


TABLE: Mapping[Kind, Mapping[State | None, Targets]] = {
    Kind.ARRIVED: {None: (State.WAITING,), State.WITHDRAWN: (State.WAITING,)},
    Kind.AI_SEALED: _stays(State.WAITING),
    Kind.PLANNED: _stays(State.WAITING),
    Kind.ASSIGNED: _stays(
        State.WAITING, State.FIRST_READ, State.SECOND_READ, State.DISCORDANT
    ),
    Kind.OPENED: {State.WAITING: (State.FIRST_READ,)},
    Kind.READ: {
        State.FIRST_READ: (State.SECOND_READ, *_READ_TO),
        State.SECOND_READ: (State.SECOND_READ, *_READ_TO),
    },
    Kind.CORRECTED: _stays(State.SECOND_READ),
    Kind.AI_COUNTED: {
        State.SECOND_READ: (State.AGREED_NORMAL, State.AGREED_RECALL, State.DISCORDANT)
    },
    Kind.TRAINEE_READ: _stays(*_OPEN, State.TECHNICAL_REPEAT, State.DECIDED),
    Kind.SAFETY_SHOWN: _stays(State.AGREED_NORMAL),
    Kind.SAFETY_KEPT: _stays(State.AGREED_NORMAL),
    Kind.SAFETY_CHANGED: {State.AGREED_NORMAL: (State.DISCORDANT,)},
    Kind.TAKEN: {State.DISCORDANT: (State.ARBITRATION,)},
    Kind.ARBITRATED: _stays(State.ARBITRATION),
    Kind.CONSENSUS: _stays(State.ARBITRATION),
    Kind.DECIDED: {
        State.AGREED_NORMAL: (State.DECIDED,),
        State.AGREED_RECALL: (State.DECIDED,),
        State.ARBITRATION: (State.DECIDED, State.TECHNICAL_REPEAT),
        State.TECHNICAL_REPEAT: (State.TECHNICAL_REPEAT,),
    },
    Kind.REASSIGNED: {
        **_stays(
            State.FIRST_READ, State.SECOND_READ, State.AGREED_NORMAL, State.DISCORDANT
        ),
        State.ARBITRATION: (State.DISCORDANT,),
    },
    Kind.RETURNED_TO_HUMANS: _stays(State.WAITING, State.FIRST_READ, State.SECOND_READ),
    Kind.IMAGES_CHANGED: dict.fromkeys(_UNDECIDED, (State.WAITING,)),
    Kind.ALERT: _stays(State.DECIDED),
    Kind.WITHDRAWN: dict.fromkeys(_UNDECIDED, (State.WITHDRAWN,)),
    Kind.LATE_AI: _stays(*_OPEN, State.TECHNICAL_REPEAT, State.DECIDED),
}  # fmt: skip
"""By kind of entry: the states in which it is possible, and those that it may lead to."""


class BrokenLedgerError(GranskError):
    """Entries that cannot have been written in this order."""


def fold(entries: Iterable[Entry]) -> Exam:
    """The exam that its entries make.

    Raises
    ------
    BrokenLedgerError
        Where there are none, or they cannot stand in this order.
    """
    exam: Exam | None = None
    for entry in entries:
        exam = apply(exam, entry)
    if exam is None:
        raise BrokenLedgerError("an exam without entries: restore the database from a backup")
    return exam


def apply(exam: Exam | None, entry: Entry) -> Exam:
    """The exam after one more entry, which `check` found possible.

    Raises
    ------
    BrokenLedgerError
        Where the table has no such transition.
    """
    before = None if exam is None else exam.state
    targets = TABLE[entry.kind].get(before, ())
    if not isinstance(entry.content, CONTENT[entry.kind]):
        raise BrokenLedgerError(f"{entry.kind} holds {type(entry.content).__name__}")
    after = _arrive(exam, entry) if entry.kind is Kind.ARRIVED else _MAKE[entry.kind](exam, entry)
    if after.state not in targets:
        raise BrokenLedgerError(f"{entry.kind} leads from {before} to {after.state}")
    return replace(after, entries=1 if exam is None else exam.entries + 1)


def follow_up(exam: Exam, at: datetime.datetime) -> Entry | None:
    """The entry that the suite makes next by itself; None where it waits for somebody."""
    if exam.plan is None:
        return None
    if exam.state is State.SECOND_READ and _only_ai_missing(exam):
        return Entry(Kind.AI_COUNTED, Counted(seal=exam.seal), at)
    if exam.state is State.AGREED_NORMAL and _to_be_shown(exam):
        return Entry(Kind.SAFETY_SHOWN, Nothing(), at)
    decided = outcome(exam)
    return None if decided is None else Entry(Kind.DECIDED, decided, at)


def outcome(exam: Exam) -> Decision | None:
    """The decision that follows from what was said; None where it does not yet, or is made."""
    if exam.outcome is not None:
        return None
    if exam.state is State.ARBITRATION:
        return None if exam.conclusion is None else _decision([exam.conclusion.opinion])
    if exam.state is State.AGREED_NORMAL and (
        _to_be_shown(exam) or exam.open_tasks(TaskKind.SAFETY)
    ):
        return None
    if exam.state in (State.AGREED_NORMAL, State.AGREED_RECALL, State.TECHNICAL_REPEAT):
        return _decision([read.opinion for read in exam.counting])
    return None


def _decision(opinions: list[Opinion]) -> Decision:
    suspects: dict[Suspect, None] = {}
    for opinion in opinions:
        suspects.update(dict.fromkeys(opinion.suspects))
    technical = tuple(opinion.technical for opinion in opinions if opinion.technical is not None)
    return Decision(verdict=opinions[0].verdict, suspects=tuple(suspects), technical=technical)


def _only_ai_missing(exam: Exam) -> bool:
    plan = exam.plan
    return (
        plan is not None
        and plan.ai_counts
        and not exam.ai_counted
        and len(exam.counting) == plan.human_reads
    )


def _to_be_shown(exam: Exam) -> bool:
    """Has the safety net something to show that it has not shown?"""
    return (
        exam.plan is not None
        and exam.plan.shows_ai_after
        and not exam.shown_after
        and exam.ai is not None
        and exam.ai.opinion.said is AiSaid.RECALL
    )


def _judged(exam: Exam) -> Exam:
    """Where the first opinions lead."""
    plan, reads = exam.plan, exam.counting
    if plan is None or len(reads) < plan.human_reads:
        return replace(exam, state=State.SECOND_READ if reads else State.FIRST_READ)
    said: list[Opinion | AiOpinion] = [read.opinion for read in reads]
    verdicts = {read.opinion.verdict for read in reads}
    if verdicts == {Verdict.TECHNICAL}:
        # The AI has no say in whether images must be made again.
        return replace(exam, state=State.TECHNICAL_REPEAT)
    if plan.ai_counts and exam.ai is not None:
        if not exam.ai_counted:
            return replace(exam, state=State.SECOND_READ)
        said.append(exam.ai.opinion)
    found = (differ(one, other, plan.differing) for one, other in combinations(said, 2))
    difference = next(filter(None, found), None)
    alone = len(said) == 1 and plan.arbitrates_single_recall
    if difference is not None or (alone and verdicts == {Verdict.RECALL}):
        return replace(exam, state=State.DISCORDANT, difference=difference)
    agreed = State.AGREED_NORMAL if verdicts == {Verdict.NORMAL} else State.AGREED_RECALL
    return replace(exam, state=agreed)


# What each kind of entry makes of an exam


def _arrive(exam: Exam | None, entry: Entry) -> Exam:
    new: Arrival = _held(entry)
    if exam is not None:
        return replace(_anew(exam, new), unit=new.unit, application=new.application)
    return Exam(
        unit=new.unit,
        application=new.application,
        images=new.images,
        arrived_at=entry.at,
        images_at=new.images_at,
        opens_at=new.opens_at,
    )


def _anew(exam: Exam, new: Images) -> Exam:
    """Another round: what was read, planned and given before is kept, and counts no more."""
    return replace(
        _taken_back(exam, *TaskKind),
        images=new.images,
        images_at=new.images_at,
        opens_at=new.opens_at,
        state=State.WAITING,
        round=exam.round + 1,
        ai=None,
        plan=None,
        drawn=(),
        opened_at=None,
        decided_at=None,
        ai_counted=False,
        difference=None,
        shown_after=False,
        kept=(),
        taker="",
        conclusion=None,
        outcome=None,
    )


def _sealed(exam: Exam, entry: Entry) -> Exam:
    return replace(exam, ai=_held(entry))


def _late(exam: Exam, entry: Entry) -> Exam:
    return replace(exam, late_ai=_held(entry))


def _planned(exam: Exam, entry: Entry) -> Exam:
    return replace(exam, plan=_held(entry).plan)


def _returned(exam: Exam, entry: Entry) -> Exam:
    planned = exam.plan if exam.state is State.WAITING else _held(entry).plan
    return replace(exam, plan=planned, returned=True)


def _assigned(exam: Exam, entry: Entry) -> Exam:
    given: Task = _held(entry)
    return _give(exam, given.task, given.account)


def _opened(exam: Exam, entry: Entry) -> Exam:
    new: Opening = _held(entry)
    return replace(exam, state=State.FIRST_READ, opened_at=entry.at, drawn=new.drawn)


def _read(exam: Exam, entry: Entry) -> Exam:
    new: Reading = _held(entry)
    read = Read(exam.round, entry.actor, new.opinion, entry.at)
    done = _done(exam, TaskKind.FIRST, entry.actor)
    return _judged(replace(done, reads=(*exam.reads, read)))


def _corrected(exam: Exam, entry: Entry) -> Exam:
    new: Reading = _held(entry)
    read = Read(exam.round, entry.actor, new.opinion, entry.at, corrected=True)
    reads = tuple(
        read if (one.round, one.account) == (exam.round, entry.actor) else one for one in exam.reads
    )
    return replace(exam, reads=reads)


def _counted(exam: Exam, entry: Entry) -> Exam:
    return _judged(replace(exam, ai_counted=True))


def _trainee(exam: Exam, entry: Entry) -> Exam:
    new: Reading = _held(entry)
    read = Read(exam.round, entry.actor, new.opinion, entry.at)
    done = _done(exam, TaskKind.TRAINEE, entry.actor)
    return replace(done, trainee_reads=(*exam.trainee_reads, read))


def _shown(exam: Exam, entry: Entry) -> Exam:
    readers = [read.account for read in exam.counting]
    for account in readers:
        exam = _give(exam, TaskKind.SAFETY, account)
    return replace(exam, shown_after=True, seen=exam.seen | set(readers))


def _kept(exam: Exam, entry: Entry) -> Exam:
    done = _done(exam, TaskKind.SAFETY, entry.actor)
    return replace(done, kept=(*exam.kept, entry.actor))


def _changed(exam: Exam, entry: Entry) -> Exam:
    done = _corrected(_done(exam, TaskKind.SAFETY, entry.actor), entry)
    left = _taken_back(done, TaskKind.SAFETY)
    return replace(left, state=State.DISCORDANT, difference=Difference.VERDICT)


def _taken(exam: Exam, entry: Entry) -> Exam:
    seen = exam.seen | {entry.actor}
    return replace(exam, state=State.ARBITRATION, taker=entry.actor, seen=seen)


def _concluded(exam: Exam, entry: Entry) -> Exam:
    new: Judgement = _held(entry)
    done = _done(exam, TaskKind.ARBITRATION, entry.actor)
    return replace(done, conclusion=new, seen=exam.seen | set(new.participants))


def _decided(exam: Exam, entry: Entry) -> Exam:
    new: Decision = _held(entry)
    technical = new.verdict is Verdict.TECHNICAL
    kinds = [kind for kind in TaskKind if kind is not TaskKind.TRAINEE]
    return replace(
        _taken_back(exam, *kinds),
        state=State.TECHNICAL_REPEAT if technical else State.DECIDED,
        decided_at=entry.at,
        outcome=new,
    )


def _reassigned(exam: Exam, entry: Entry) -> Exam:
    new: Moved = _held(entry)
    exam = _end(exam, new.task, new.giver, TaskState.TAKEN_BACK)
    if new.taker:
        exam = _give(exam, new.task, new.taker)
    if new.task is TaskKind.ARBITRATION:
        return replace(exam, state=State.DISCORDANT, taker="")
    return exam


def _images(exam: Exam, entry: Entry) -> Exam:
    return _anew(exam, _held(entry))


def _alert(exam: Exam, entry: Entry) -> Exam:
    return replace(exam, images=_held(entry).images or exam.images, alerts=exam.alerts + 1)


def _withdrawn(exam: Exam, entry: Entry) -> Exam:
    return replace(_taken_back(exam, *TaskKind), state=State.WITHDRAWN)


_MAKE: Mapping[Kind, Callable[[Any, Entry], Exam]] = {
    Kind.AI_SEALED: _sealed,
    Kind.PLANNED: _planned,
    Kind.ASSIGNED: _assigned,
    Kind.OPENED: _opened,
    Kind.READ: _read,
    Kind.CORRECTED: _corrected,
    Kind.AI_COUNTED: _counted,
    Kind.TRAINEE_READ: _trainee,
    Kind.SAFETY_SHOWN: _shown,
    Kind.SAFETY_KEPT: _kept,
    Kind.SAFETY_CHANGED: _changed,
    Kind.TAKEN: _taken,
    Kind.ARBITRATED: _concluded,
    Kind.CONSENSUS: _concluded,
    Kind.DECIDED: _decided,
    Kind.REASSIGNED: _reassigned,
    Kind.RETURNED_TO_HUMANS: _returned,
    Kind.IMAGES_CHANGED: _images,
    Kind.ALERT: _alert,
    Kind.WITHDRAWN: _withdrawn,
    Kind.LATE_AI: _late,
}


def _held(entry: Entry) -> Any:
    """The content; `apply` has checked its type."""
    return entry.content


def _give(exam: Exam, kind: TaskKind, account: str) -> Exam:
    kept = tuple(
        one for one in exam.tasks if (one.round, one.task, one.account) !=
        (exam.round, kind, account)
    )  # fmt: skip
    return replace(exam, tasks=(*kept, Given(exam.round, kind, account)))


def _done(exam: Exam, kind: TaskKind, account: str) -> Exam:
    return _end(exam, kind, account, TaskState.DONE)


def _end(exam: Exam, kind: TaskKind, account: str, state: TaskState) -> Exam:
    wanted = Given(exam.round, kind, account)
    return replace(
        exam, tasks=tuple(replace(one, state=state) if one == wanted else one for one in exam.tasks)
    )


def _taken_back(exam: Exam, *kinds: TaskKind) -> Exam:
    tasks = tuple(
        replace(one, state=TaskState.TAKEN_BACK)
        if one.state is TaskState.ASSIGNED and one.task in kinds
        else one
        for one in exam.tasks
    )
    return replace(exam, tasks=tasks)
