"""An exam in the reading room as its entries make it, and who may still be given it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from enum import StrEnum

from gransk.reading.entries import Decision, Judgement, Sealed, TaskKind
from gransk.reading.opinions import Difference, Opinion
from gransk.reading.plan import Arbitration, Plan


class State(StrEnum):
    """Where an exam is. *Overdue* is no state: the clock decides it."""

    WAITING = "waiting"
    """Here, and not open yet."""
    FIRST_READ = "first_read"
    """Open; the first opinion is awaited."""
    SECOND_READ = "second_read"
    """One opinion is recorded; another, of a person or the AI, is awaited."""
    AGREED_NORMAL = "agreed_normal"
    AGREED_RECALL = "agreed_recall"
    DISCORDANT = "discordant"
    """First opinions differ; nobody has opened the arbitration."""
    ARBITRATION = "arbitration"
    """A third reader or a consensus meeting is at it."""
    DECIDED = "decided"
    TECHNICAL_REPEAT = "technical_repeat"
    """Images are to be made again."""
    WITHDRAWN = "withdrawn"


ENDED = (State.DECIDED, State.TECHNICAL_REPEAT, State.WITHDRAWN)
"""States in which nobody in the reading room has anything to do."""


class TaskState(StrEnum):
    """What became of what a person was given."""

    ASSIGNED = "assigned"
    DONE = "done"
    TAKEN_BACK = "taken_back"


@dataclass(frozen=True)
class Given:
    """What a person was given; ``round`` counts the openings of the exam from 1."""

    round: int
    task: TaskKind
    account: str
    state: TaskState = TaskState.ASSIGNED


@dataclass(frozen=True)
class Read:
    """One person's read; it counts while ``round`` is the exam's."""

    round: int
    account: str
    opinion: Opinion
    at: datetime.datetime
    corrected: bool = False


@dataclass(frozen=True)
class Qualification:
    """What a unit lets a person do.

    Parameters
    ----------
    account : str
    reads, arbitrates : bool
    experienced : bool
        May read alone where the policy asks for that.
    trainee : bool
        Reads, and never counts.
    blind_since : datetime
        Before it the person may have seen what others said of an exam.
    """

    account: str
    reads: bool
    arbitrates: bool
    experienced: bool
    trainee: bool
    blind_since: datetime.datetime


@dataclass(frozen=True)
class Exam:
    """An exam as its entries make it; made by `gransk.reading.machine.fold` alone.

    Parameters
    ----------
    unit, application : str
    images : str
        Digest of the images as they are now.
    arrived_at : datetime
        When it entered the reading room for the first time.
    images_at, opens_at : datetime
    state : State
    round : int
        Rises with each arrival and change of images; what was read in an earlier one is void.
    entries : int
        How many it was made of.
    ai : Sealed, optional
        The last opinion that was sealed on these images before it opened.
    late_ai : Sealed, optional
    plan : Plan, optional
    drawn : tuple of str
        Readers in the order of the draw.
    returned : bool
        Whether two people must read it, whatever a policy says.
    opened_at, decided_at : datetime, optional
    tasks : tuple of Given
    reads, trainee_reads : tuple of Read
        Of every round.
    ai_counted : bool
    difference : Difference, optional
        In what the first opinions differ; None also where one person's recall is looked at again.
    shown_after : bool
        Whether the safety net has shown the AI's opinion to those who read.
    kept : tuple of str
        Who kept to normal after that.
    taker : str
        Who opened the arbitration; empty while nobody has.
    conclusion : Judgement, optional
    outcome : Decision, optional
    seen : frozenset of str
        Accounts that have been shown what others said: they are never given it again.
    alerts : int
    """

    unit: str
    application: str
    images: str
    arrived_at: datetime.datetime
    images_at: datetime.datetime
    opens_at: datetime.datetime
    state: State = State.WAITING
    round: int = 1
    entries: int = 1
    ai: Sealed | None = None
    late_ai: Sealed | None = None
    plan: Plan | None = None
    drawn: tuple[str, ...] = ()
    returned: bool = False
    opened_at: datetime.datetime | None = None
    decided_at: datetime.datetime | None = None
    tasks: tuple[Given, ...] = ()
    reads: tuple[Read, ...] = ()
    trainee_reads: tuple[Read, ...] = ()
    ai_counted: bool = False
    difference: Difference | None = None
    shown_after: bool = False
    kept: tuple[str, ...] = ()
    taker: str = ""
    conclusion: Judgement | None = None
    outcome: Decision | None = None
    seen: frozenset[str] = frozenset()
    alerts: int = 0

    @property
    def counting(self) -> tuple[Read, ...]:
        """Reads of the images as they are."""
        return tuple(read for read in self.reads if read.round == self.round)

    @property
    def readers(self) -> frozenset[str]:
        """Everybody who ever read it, counting or not."""
        return frozenset(read.account for read in (*self.reads, *self.trainee_reads))

    @property
    def seal(self) -> str:
        """Of the AI's opinion; empty where none was sealed."""
        return "" if self.ai is None else self.ai.seal

    def open_tasks(self, kind: TaskKind) -> tuple[Given, ...]:
        """What is given of a kind and not done."""
        return tuple(
            given
            for given in self.tasks
            if (given.round, given.task, given.state) == (self.round, kind, TaskState.ASSIGNED)
        )

    def holds(self, account: str, kind: TaskKind) -> bool:
        """Is it on the person's list?"""
        return any(given.account == account for given in self.open_tasks(kind))

    def missing_reads(self) -> int:
        """First reads that the plan wants and that nobody has or was given."""
        if self.plan is None:
            return 0
        held = len(self.counting) + len(self.open_tasks(TaskKind.FIRST))
        return max(0, self.plan.human_reads - held)


def blind(exam: Exam, who: Qualification) -> bool:
    """Can the person never have learned what others said of the exam?"""
    return who.account not in exam.seen and who.blind_since <= exam.arrived_at


def may_read(exam: Exam, who: Qualification) -> bool:
    """May the person be given a first read of the images as they are?

    Whoever read earlier images and saw no other opinion may.
    """
    read = {read.account for read in (*exam.counting, *exam.trainee_reads)}
    alone = exam.plan is not None and exam.plan.experienced and exam.plan.human_reads == 1
    return who.reads and blind(exam, who) and who.account not in read and (
        who.experienced or not alone
    )  # fmt: skip


def may_arbitrate(exam: Exam, who: Qualification) -> bool:
    """May the person be given the arbitration?

    A third reader never read the exam, of whatever images. A consensus meeting may be led by
    one of its first readers.
    """
    meets = exam.plan is not None and exam.plan.arbitration is Arbitration.CONSENSUS
    counting = {read.account for read in exam.counting} if meets else set()
    return who.arbitrates and blind(exam, who) and who.account not in exam.readers - counting


def may_train(exam: Exam, who: Qualification) -> bool:
    """May the person be given the exam as a trainee?"""
    return who.trainee and blind(exam, who) and who.account not in exam.readers
