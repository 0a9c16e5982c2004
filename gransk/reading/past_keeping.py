"""A site's past kept converted: of what has ended, only what changed is converted again.

Where the last words of ledger, statements and policies are as they were, nothing is asked. Else one
question tells which exams stand otherwise than they were converted, and these alone are.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import and_, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from gransk.core.exam_facts import FLAGS, Fact, Round
from gransk.core.programme import Programme
from gransk.reading import rooms
from gransk.reading.entries import Entry, TaskKind
from gransk.reading.exam import Exam, State
from gransk.reading.exam_tables import EntryRow, ExamRow
from gransk.reading.knowing import known_by
from gransk.reading.machine import fold
from gransk.reading.outcome_store import name_of, outcomes_of
from gransk.reading.outcomes import ACCESSION, STUDY, Name, Outcome
from gransk.reading.past import PastExam
from gransk.reading.past_ledger import CLOSED, Beside, Told, told
from gransk.reading.planning import Known, resolved
from gransk.reading.policy import Room
from gransk.reading.policy_tables import OutcomeStatement, RoomApproval
from gransk.reading.sight import held_from
from gransk.reading.working_days import MONDAY_TO_FRIDAY, WorkingDays
from gransk.results.exam_facts import rows, standing_of
from gransk.results.tables import (
    ExamFact,
    ExamKnown,
    ExamProgramme,
    ProgrammeStatement,
    Workitem,
)
from gransk.site.database import utcnow

TOGETHER = 400
"""Exams that are asked for at once; SQLite takes so many values in one question."""
LATE = 500
"""Rows before the last one among which one may still come: two transactions may end in another
order than they took their numbers."""
PAUSE_SECONDS = 0.0001
"""Between exams, so that whoever asks for a page meanwhile comes in between."""

T = TypeVar("T")


class Whose(NamedTuple):
    """Who and when an exam is of, as the archive knows it.

    Parameters
    ----------
    woman : str
        Pseudonymous key.
    date : date, optional
    accession_number, study_instance_uid : str
        By which outcomes find it; an accession number that several patients' exams bear is left
        empty.
    """

    woman: str
    date: datetime.date | None
    accession_number: str
    study_instance_uid: str


NOBODY = Whose("", None, "", "")


@dataclass(frozen=True)
class Owners:
    """The archive's word on whose exams are.

    Parameters
    ----------
    of : callable
        Whose exams are, by their study keys.
    mark : callable
        Another value where that of an exam may have changed without an entry in its ledger.
    """

    of: Callable[[Session, Collection[str]], Mapping[str, Whose]]
    mark: Callable[[Session], Hashable]


@dataclass(frozen=True)
class Closed:
    """An exam that has ended.

    Parameters
    ----------
    past : PastExam
    analysis_key : str
        Of the AI's opinion that is counted; empty where there is none.
    guarded : Exam, optional
        The exam itself where what a person may see of it depends on the person.
    asks : frozenset of str
        Of which persons; empty: of everybody.
    """

    past: PastExam
    analysis_key: str
    guarded: Exam | None = None
    asks: frozenset[str] = frozenset()

    def open_to(self, account: str) -> bool:
        """May the person see everything of it, without anything else being asked?"""
        return self.guarded is None or (bool(self.asks) and account not in self.asks)


class Whole(NamedTuple):
    """Every exam that has ended.

    Parameters
    ----------
    version : int
        Another one wherever the past has changed.
    closed : list of Closed
        By date.
    guarded : list of Closed
        Those among them of which it depends on the person what may be seen.
    """

    version: int
    closed: list[Closed]
    guarded: list[Closed]


class _Folded(NamedTuple):
    """What is kept of a ledger that was folded."""

    entries: int
    application: str
    told: Told
    guarded: Exam | None
    asks: frozenset[str]


class _Marks(NamedTuple):
    """Where none is another, the past is the same."""

    words: tuple[Hashable, ...]
    outcomes: tuple[int, int]
    room: int
    owners: Hashable


class KeptPast:
    """Every exam that has ended, converted; for one caller at a time.

    Parameters
    ----------
    owners : Owners
    zone : tzinfo, optional
        The site's; None: the machine's own.
    """

    def __init__(
        self,
        owners: Owners,
        zone: datetime.tzinfo | None = None,
        working: WorkingDays = MONDAY_TO_FRIDAY,
    ) -> None:
        self._owners = owners
        self._zone = zone
        self._working = working
        self._marks: _Marks | None = None
        self._stands: dict[str, tuple[Any, ...]] = {}
        self._folded: dict[str, _Folded] = {}
        self._heard: set[int] = set()
        self._heard_to = 0
        self._whose: dict[str, Whose] = {}
        self._named: dict[Name, set[str]] = {}
        self._women: dict[str, set[str]] = {}
        self._beside: dict[str, Beside] = {}
        self._closed: dict[str, Closed] = {}
        self._whole = Whole(0, [], [])

    def __call__(self, session: Session, today: datetime.date) -> Whole:
        """The past as it is now.

        Parameters
        ----------
        session : Session
        today : date
            By the policies of which it is told whether two people would read an exam anyway.
        """
        room = rooms.in_force(session, today)
        marks = _Marks(
            _last_words(session),
            _last(session, OutcomeStatement.number),
            0 if room is None else room.version,
            self._owners.mark(session),
        )
        if marks != self._marks:
            # Where it fails midway, what was heard would not be heard again: then all is looked up.
            before, self._marks = self._marks, None
            self._bring_up(session, room, marks, before)
            self._marks = marks
        return self._whole

    def _bring_up(
        self, session: Session, room: Room | None, marks: _Marks, before: _Marks | None
    ) -> None:
        stands = _stands(session)
        gone = self._closed.keys() - stands.keys()
        changed = {key for key, stand in stands.items() if self._stands.get(key) != stand}
        if before is None or (before.room, before.owners) != (marks.room, marks.owners):
            changed = set(stands)
        told_of = self._told_of(session, marks.outcomes[0], anew=before is None)
        changed |= told_of & stands.keys()
        touched = self._women_of(changed | gone)
        for key in gone:
            self._forget(key)
        self._fold(session, {key: stands[key][0] for key in changed})
        self._look_up(session, changed, room)
        touched |= self._women_of(changed)
        again = changed.union(*(self._women.get(woman, ()) for woman in touched))
        for key in again:
            self._convert(key)
        self._stands = stands
        if again or gone or before is None:
            every = sorted(self._closed.values(), key=lambda one: (one.past.date, one.past.exam))
            guarded = [one for one in every if one.guarded is not None]
            self._whole = Whole(self._whole.version + 1, every, guarded)

    def _told_of(self, session: Session, last: int, anew: bool) -> set[str]:
        """Exams of which an outcome was stated that has not been heard yet."""
        number = OutcomeStatement.number
        since = (last if anew else self._heard_to) - LATE
        new = set(session.scalars(select(number).where(number > since))) - self._heard
        names = {
            name_of(row)
            for some in _chunks(sorted(new))
            for row in session.scalars(select(OutcomeStatement).where(number.in_(some)))
        }
        self._heard_to = max(self._heard_to, last)
        self._heard = {one for one in self._heard | new if one > self._heard_to - LATE}
        return set().union(*(self._named.get(name, ()) for name in names))

    def _women_of(self, keys: Iterable[str]) -> set[str]:
        found = {self._beside[key].woman for key in keys if key in self._beside}
        return found - {""}

    def _forget(self, key: str) -> None:
        self._unname(key)
        for kept in (self._folded, self._beside, self._closed, self._whose):
            kept.pop(key, None)

    def _unname(self, key: str) -> None:
        if key in self._whose:
            for name in _names(self._whose[key]):
                self._named[name].discard(key)
        if key in self._beside:
            self._women.get(self._beside[key].woman, set()).discard(key)

    def _fold(self, session: Session, counts: Mapping[str, int]) -> None:
        new = [
            key
            for key, count in counts.items()
            if key not in self._folded or self._folded[key].entries != count
        ]
        columns = (EntryRow.study_key, EntryRow.kind, EntryRow.content, EntryRow.at,
                   EntryRow.actor, EntryRow.role, EntryRow.reason)  # fmt: skip
        for some in _chunks(new):
            query = select(*columns).where(EntryRow.study_key.in_(some))
            found = session.execute(query.order_by(EntryRow.study_key, EntryRow.place)).all()
            for key, those in groupby(found, key=lambda row: row[0]):
                exam = fold(Entry.read(*row[1:]) for row in those)
                self._folded[key] = _folded(key, exam, self._zone)
                time.sleep(PAUSE_SECONDS)

    def _look_up(self, session: Session, keys: Collection[str], room: Room | None) -> None:
        """What others say of exams beside their ledgers."""
        for some in _chunks(sorted(keys)):
            whose = self._owners.of(session, some)
            query = select(ExamProgramme).where(ExamProgramme.study_key.in_(some))
            programmes = {row.study_key: row for row in session.scalars(query)}
            facts = rows(session, some)
            incomplete = self._incomplete(session, some)
            outcomes = _outcomes(session, {key: whose.get(key, NOBODY) for key in some})
            for key in some:
                standing = standing_of(facts.get(key))
                known = known_by(programmes.get(key), standing, incomplete=key in incomplete)
                owner, equipment = whose.get(key, NOBODY), standing.get(Fact.EQUIPMENT)
                beside = Beside(
                    woman=owner.woman,
                    date=owner.date,
                    known=known,
                    humans_only=_humans_only(room, known),
                    equipment=equipment.value if equipment else "",
                    outcome=outcomes.get(key),
                )
                self._keep(key, owner, beside)

    def _keep(self, key: str, owner: Whose, beside: Beside) -> None:
        self._unname(key)
        self._whose[key], self._beside[key] = owner, beside
        for name in _names(owner):
            self._named.setdefault(name, set()).add(key)
        if beside.woman:
            self._women.setdefault(beside.woman, set()).add(key)

    def _incomplete(self, session: Session, keys: Sequence[str]) -> set[str]:
        query = select(Workitem.study_key, Workitem.application).where(
            Workitem.study_key.in_(keys), Workitem.incomplete
        )
        found = session.execute(query)
        return {key for key, name in found if self._folded[key].application == name}

    def _convert(self, key: str) -> None:
        folded, beside = self._folded[key], self._beside[key]
        past = folded.told.beside(
            replace(beside, previous_on=self._previous(beside)), self._working
        )
        self._closed[key] = Closed(past, folded.told.analysis_key, folded.guarded, folded.asks)

    def _previous(self, beside: Beside) -> datetime.date | None:
        """The day of the woman's screening before, as far as the ledger has it."""
        date = beside.date
        if date is None or not beside.woman or beside.known.round is Round.FIRST:
            return None
        others = (self._beside[key] for key in self._women[beside.woman])
        days = (one.date for one in others if one.known.programme is Programme.SCREENING)
        return max((day for day in days if day is not None and day < date), default=None)


def _folded(key: str, exam: Exam, zone: datetime.tzinfo | None) -> _Folded:
    # Nobody reads it any more: from whom it is held now, it is later from nobody else.
    held = held_from(exam, utcnow())
    of_some = exam.state is State.DECIDED and not exam.open_tasks(TaskKind.TRAINEE)
    return _Folded(
        exam.entries,
        exam.application,
        told(key, exam, zone),
        None if of_some and not held else exam,
        held if of_some else frozenset(),
    )


def _last_words(session: Session) -> tuple[Hashable, ...]:
    """The last entry and statements: where none is new, the past is the same."""
    columns: tuple[InstrumentedAttribute[int], ...] = (
        EntryRow.number, ExamFact.number, ProgrammeStatement.number, RoomApproval.number,
    )  # fmt: skip
    return tuple(_last(session, column) for column in columns)


def _last(session: Session, column: InstrumentedAttribute[int]) -> tuple[int, int]:
    """The last number, and how many there are of the numbers before it."""
    last = session.scalar(select(func.max(column))) or 0
    return last, session.scalar(select(func.count(column)).where(column > last - LATE)) or 0


def _stands(session: Session) -> dict[str, tuple[Any, ...]]:
    """By what each exam that has ended is converted: entries first, then what was said of it."""
    incomplete = and_(
        Workitem.study_key == ExamRow.study_key,
        Workitem.application == ExamRow.application,
        Workitem.incomplete,
    )
    query = (
        select(
            ExamRow.study_key, ExamRow.entries, ExamProgramme.programme, ExamProgramme.source,
            ExamKnown.at, Workitem.id,
        )
        .outerjoin(ExamProgramme, ExamProgramme.study_key == ExamRow.study_key)
        .outerjoin(ExamKnown, ExamKnown.study_key == ExamRow.study_key)
        .outerjoin(Workitem, incomplete)
        .where(ExamRow.state.in_([state.value for state in CLOSED]))
    )  # fmt: skip
    return {row[0]: tuple(row[1:]) for row in session.execute(query)}


def _outcomes(session: Session, whose: Mapping[str, Whose]) -> dict[str, Outcome]:
    """What became of each exam: by its study where that was said, else by its accession number."""
    names = {key: _names(one) for key, one in whose.items()}
    said = outcomes_of(session, {name for some in names.values() for name in some})
    found = {key: next((said[n] for n in some if n in said), None) for key, some in names.items()}
    return {key: outcome for key, outcome in found.items() if outcome is not None}


def _names(whose: Whose) -> list[Name]:
    """What outcomes may call an exam, the surer name first."""
    pair = ((STUDY, whose.study_instance_uid), (ACCESSION, whose.accession_number))
    return [name for name in pair if name[1]]


def _humans_only(room: Room | None, known: Known) -> bool:
    """Would two people read it under every policy, for what is known of the woman and images?"""
    if known.incomplete or room is None:
        return known.incomplete
    return any(resolved(room, known, fact) is not False for fact in FLAGS)


def _chunks(keys: Sequence[T]) -> Iterable[Sequence[T]]:
    return (keys[n : n + TOGETHER] for n in range(0, len(keys), TOGETHER))
