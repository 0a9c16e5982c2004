"""An exam's ledger while it is written, without a database: what follows by itself is added.

The same for a site (`gransk.reading.ledger` stores what is new) and for a simulated programme.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from gransk.reading.assigning import draw_one, draw_readers
from gransk.reading.checking import check
from gransk.reading.entries import (
    Content,
    Entry,
    Kind,
    Moved,
    Opening,
    Planned,
    Task,
    TaskKind,
)
from gransk.reading.exam import (
    Exam,
    Qualification,
    State,
    may_arbitrate,
    may_read,
    may_train,
)
from gransk.reading.machine import apply, follow_up
from gransk.reading.plan import Plan

Loads = Callable[[TaskKind, datetime.datetime], Mapping[str, int]]
"""How much each account was given of late, seen from an instant; of first reads how often drawn."""


@dataclass
class Book:
    """The ledger of one exam, open for writing.

    Parameters
    ----------
    study_key : str
    readers : mapping of str to Qualification
        The unit's active list, by account.
    loads : callable
    exam : Exam, optional
        As its entries made it so far; None before the first.
    new : list of Entry
        What was added.
    """

    study_key: str
    readers: Mapping[str, Qualification]
    loads: Loads
    exam: Exam | None = None
    new: list[Entry] = field(default_factory=list)

    def add(self, entry: Entry) -> Exam:
        """Add an entry that can be made.

        Raises
        ------
        LedgerError
        """
        about = entry.actor
        if isinstance(entry.content, Task):
            about = entry.content.account
        elif isinstance(entry.content, Moved):
            about = entry.content.taker
        check(self.exam, entry, self.readers.get(about))
        self.exam = apply(self.exam, entry)
        self.new.append(entry)
        return self.exam

    def open(self, plan: Plan, at: datetime.datetime) -> Exam:
        """Plan an exam, give it to its readers, and open it.

        Who is drawn depends on the exam, the unit's list and earlier draws alone: the plan only
        says whether the second is asked.
        """
        exam = self._exam()
        drawn = self._draw(exam, at)
        exam = self._system(Kind.PLANNED, Planned(plan=plan), at)
        for account in drawn[: plan.human_reads]:
            if may_read(exam, self.readers[account]):
                exam = self._give(TaskKind.FIRST, account, at)
        trainee = self._one(TaskKind.TRAINEE, may_train, at, without=drawn)
        if trainee is not None:
            self._give(TaskKind.TRAINEE, trainee, at)
        return self._system(Kind.OPENED, Opening(drawn=drawn), at)

    def settle(self, at: datetime.datetime) -> Exam:
        """Add what follows by itself: what the suite concludes, and who is given what is open."""
        while True:
            entry = follow_up(self._exam(), at) or self._gap(at)
            if entry is None:
                return self._exam()
            self.add(entry)

    @property
    def missing(self) -> TaskKind | None:
        """What nobody is there for."""
        exam = self._exam()
        if exam.state in (State.FIRST_READ, State.SECOND_READ) and exam.missing_reads():
            return TaskKind.FIRST
        if exam.state is State.DISCORDANT and not exam.open_tasks(TaskKind.ARBITRATION):
            return TaskKind.ARBITRATION
        return None

    def _exam(self) -> Exam:
        if self.exam is None:
            raise KeyError(self.study_key)
        return self.exam

    def _system(self, kind: Kind, content: Content, at: datetime.datetime) -> Exam:
        return self.add(Entry(kind, content, at))

    def _give(self, task: TaskKind, account: str, at: datetime.datetime) -> Exam:
        return self._system(Kind.ASSIGNED, Task(task=task, account=account), at)

    def _draw(self, exam: Exam, at: datetime.datetime) -> tuple[str, ...]:
        plain = replace(exam, plan=None)
        return draw_readers(
            self.study_key,
            exam.round,
            [who for who in self.readers.values() if may_read(plain, who)],
            self.loads(TaskKind.FIRST, at),
            exam.readers,
            [name for name, who in self.readers.items() if who.arbitrates],
        )

    def _gap(self, at: datetime.datetime) -> Entry | None:
        """The entry that gives somebody what nobody has; None where nobody is there for it."""
        task = self.missing
        if task is None:
            return None
        account = self._second() if task is TaskKind.FIRST else None
        may = may_read if task is TaskKind.FIRST else may_arbitrate
        account = account or self._one(task, may, at)
        if account is None:
            return None
        return Entry(Kind.ASSIGNED, Task(task=task, account=account), at)

    def _second(self) -> str | None:
        """The next of those who were drawn when it opened."""
        return next((name for name in self._exam().drawn if self._free(TaskKind.FIRST, name)), None)

    def _one(
        self,
        task: TaskKind,
        may: Callable[[Exam, Qualification], bool],
        at: datetime.datetime,
        without: Iterable[str] = (),
    ) -> str | None:
        exam = self._exam()
        names = [
            name
            for name, who in self.readers.items()
            if name not in without and may(exam, who) and self._free(task, name)
        ]
        fresh = [name for name in names if name not in exam.readers]
        return draw_one(self.study_key, exam.round, task, fresh or names, self.loads(task, at))

    def _free(self, task: TaskKind, account: str) -> bool:
        """May the person be asked: on the list, and neither asked nor relieved in this round?"""
        exam = self._exam()
        asked = {
            given.account
            for given in exam.tasks
            if given.round == exam.round and given.task in (task, TaskKind.TRAINEE)
        }
        who = self.readers.get(account)
        if who is None or account in asked:
            return False
        return task is not TaskKind.FIRST or may_read(exam, who)
