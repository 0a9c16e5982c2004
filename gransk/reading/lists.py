"""Lists of the reading room: what is mine to read, and the coordinator's board.

My list is in the order of arrival, urgent exams first where the policy shows the AI's marks to who
reads, and there alone. It does not say whether a line is a first read or an
arbitration. On the board whoever reads in a unit sees of its undecided exams that they are
there, and nothing else.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    select,
)
from sqlalchemy.orm import Session

from gransk.reading.entries import TaskKind
from gransk.reading.exam import State, TaskState
from gransk.reading.exam_tables import ExamRow, TaskRow
from gransk.reading.hiding import could_be_given, held, read_of_late, to_train, untrained
from gransk.reading.readers import spells, units_of
from gransk.reading.targets import Limit
from gransk.reading.urgent import rank_of_task
from gransk.results.urgency import Urgency
from gransk.site.database import UtcDateTime, utcnow

PAGE = 50


@dataclass(frozen=True)
class Mine:
    """A line of a person's list.

    Parameters
    ----------
    study_key : str
    unit : str
    arrived_at : datetime
    again : bool
        Whether the person is to look again at an exam that the AI would recall (safety net);
        of everything else the list does not say what it is.
    urgency : Urgency, optional
        Why it comes before what arrived earlier: only where the policy shows marks to who reads.
    """

    study_key: str
    unit: str
    arrived_at: datetime.datetime
    again: bool
    urgency: Urgency | None = None


def mine(session: Session, account: str, limit: int = PAGE, offset: int = 0) -> list[Mine]:
    """What a person has to read: urgent exams whose marks show first, else by arrival."""
    rank = rank_of_task()
    query = (
        select(TaskRow, Urgency, rank)
        .outerjoin(Urgency, Urgency.study_key == TaskRow.study_key)
        .where(*_mine(account))
        .order_by(rank.desc(), TaskRow.arrived_at, TaskRow.study_key)
        .limit(limit)
        .offset(offset)
    )
    return [
        Mine(
            row.study_key, row.unit, row.arrived_at, row.kind == TaskKind.SAFETY,
            urgency if moved else None,
        )
        for row, urgency, moved in session.execute(query)
    ]  # fmt: skip


def urgent_of_mine(session: Session, account: str) -> list[str]:
    """Study keys of the urgent exams that come first in a person's list, in its order."""
    rank = rank_of_task()
    query = (
        select(TaskRow.study_key)
        .join(Urgency, Urgency.study_key == TaskRow.study_key)
        .where(*_mine(account), rank > 0)
        .order_by(rank.desc(), TaskRow.arrived_at, TaskRow.study_key)
    )
    return list(session.scalars(query))


def count_mine(session: Session, account: str) -> int:
    """How many exams a person has to read."""
    return session.scalar(select(func.count()).select_from(TaskRow).where(*_mine(account))) or 0


def _mine(account: str) -> tuple[ColumnElement[bool], ...]:
    return TaskRow.account == account, TaskRow.state == TaskState.ASSIGNED


@dataclass(frozen=True)
class Line:
    """An exam on the board.

    Parameters
    ----------
    study_key, unit : str
    arrived_at : datetime
    state : State, optional
        None where the person may still be given the exam: then nothing more is told.
    opened_at, decided_at : datetime, optional
    verdict : str
        Empty before the decision.
    missing : str
        What nobody is there for; see `gransk.reading.entries.TaskKind`.
    alerts : int
    version : int
        To be given back with an act; 0 where nothing is told.
    policy : str
        By which it is read; empty before it opened, and where nothing is told.
    """

    study_key: str
    unit: str
    arrived_at: datetime.datetime
    state: State | None
    opened_at: datetime.datetime | None = None
    decided_at: datetime.datetime | None = None
    verdict: str = ""
    missing: str = ""
    alerts: int = 0
    version: int = 0
    policy: str = ""


@dataclass(frozen=True)
class Wanted:
    """Which exams are asked for.

    Parameters
    ----------
    units : tuple of str
        Empty for all.
    states : tuple of State
        Empty for all that are not decided or withdrawn.
    missing : bool
        Only where nobody is there for what is to be done.
    reader : str
        Only what this account was given and has not done.
    since : datetime, optional
        Only what arrived from then on.
    before : datetime or Limit, optional
        Only what arrived before.
    decided_since : datetime, optional
        Only what was decided from then on.
    only : condition, optional
        On `ExamRow`; then of every state that is not asked for otherwise.
    """

    units: tuple[str, ...] = ()
    states: tuple[State, ...] = ()
    missing: bool = False
    reader: str = ""
    since: datetime.datetime | None = None
    before: datetime.datetime | Limit | None = None
    decided_since: datetime.datetime | None = None
    only: ColumnElement[bool] | None = None

    @property
    def tells(self) -> bool:
        """Would it tell something of an exam to be among these?"""
        return (
            bool(self.states or self.missing or self.reader or self.decided_since)
            or self.only is not None
        )


OPEN = tuple(state for state in State if state not in (State.DECIDED, State.WITHDRAWN))


def hidden(session: Session, account: str) -> ColumnElement[bool]:
    """Of which exams a person sees "to read" alone, as a condition on `ExamRow`.

    It never shows more than `gransk.reading.sight.sight` does: of the units in which the person
    may be given something it hides everything undecided, withdrawn or not, of others what the
    person could be given before, and what a trainee has yet to read or a reader read of late.
    """
    # As `gransk.reading.seeing.hidden_keys` for who oversees; without a subquery where it can be.
    own, before, now = units_of(session, account), spells(session, account), utcnow()
    found: list[ColumnElement[bool]] = []
    if own or before:
        could = could_be_given(own, tuple(before.items()))
        found.append(and_(could, ExamRow.state != State.DECIDED))
    if session.scalar(to_train(account).limit(1)) is not None:
        found.append(untrained(account))
    if session.scalar(read_of_late(account, now).limit(1)) is not None:
        found.append(held(account, now))
    return or_(*found) if found else false()


def blind_units(session: Session, account: str) -> frozenset[str]:
    """Units of which a person is told no loads: where they read, or an exam is hidden from them.

    There the numbers would tell who was asked for how much, and so of opinions.
    """
    query = select(ExamRow.unit).where(hidden(session, account)).distinct()
    return units_of(session, account) | set(session.scalars(query))


def board(
    session: Session, account: str, wanted: Wanted, limit: int = PAGE, offset: int = 0
) -> list[Line]:
    """Exams as the person may see them, oldest first."""
    hides = hidden(session, account)
    query = select(ExamRow, hides).where(*_conditions(wanted, hides))
    ordered = query.order_by(ExamRow.arrived_at, ExamRow.study_key).limit(limit).offset(offset)
    return [_line(row, hides_it) for row, hides_it in session.execute(ordered)]


def line_of(session: Session, account: str, study_key: str) -> Line | None:
    """One exam as the board has it; None where there is none."""
    query = select(ExamRow, hidden(session, account)).where(ExamRow.study_key == study_key)
    found = session.execute(query).first()
    return None if found is None else _line(*found)


def count_board(session: Session, account: str, wanted: Wanted) -> int:
    """How many exams `board` has."""
    conditions = _conditions(wanted, hidden(session, account))
    return session.scalar(select(func.count()).select_from(ExamRow).where(*conditions)) or 0


def _line(row: ExamRow, hides_it: bool) -> Line:
    if hides_it:
        return Line(row.study_key, row.unit, row.arrived_at, None)
    return Line(
        row.study_key, row.unit, row.arrived_at, State(row.state), row.opened_at, row.decided_at,
        row.verdict or "", row.missing, row.alerts, row.entries, (row.plan or {}).get("policy", ""),
    )  # fmt: skip


def _conditions(wanted: Wanted, hides: ColumnElement[bool]) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.units:
        found.append(ExamRow.unit.in_(wanted.units))
    if wanted.since is not None:
        found.append(ExamRow.arrived_at >= wanted.since)
    if wanted.before is not None:
        found.append(arrived_before(wanted.before, hides))
    asked: ColumnElement[bool] = ExamRow.state.in_(wanted.states or OPEN)
    if not wanted.tells:
        # What is hidden is there in any state: that it is tells nothing of it.
        return [*found, or_(hides, asked)]
    found.append(not_(hides))
    if wanted.states or wanted.only is None:
        found.append(asked)
    if wanted.only is not None:
        found.append(wanted.only)
    if wanted.missing:
        found.append(ExamRow.missing != "")
    if wanted.reader:
        found.append(_given(wanted.reader))
    if wanted.decided_since is not None:
        found.append(ExamRow.decided_at >= wanted.decided_since)
    return found


def _given(account: str) -> ColumnElement[bool]:
    given = select(TaskRow.study_key).where(
        TaskRow.account == account,
        TaskRow.state == TaskState.ASSIGNED,
        TaskRow.kind != TaskKind.TRAINEE,
    )
    return ExamRow.study_key.in_(given)


def arrived_before(
    limit: datetime.datetime | Limit, hides: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Exams that arrived before; which policy reads a hidden one makes no difference."""
    if isinstance(limit, datetime.datetime):
        return ExamRow.arrived_at < limit
    policy = ExamRow.plan["policy"].as_string()
    others = [
        (and_(not_(hides), policy == name), literal(at, UtcDateTime))
        for name, at in limit.of.items()
    ]
    usual = literal(limit.at, UtcDateTime)
    return ExamRow.arrived_at < (case(*others, else_=usual) if others else usual)


@dataclass(frozen=True)
class Count:
    """Exams of a unit in a state.

    Parameters
    ----------
    unit : str
    state : State, optional
        None for those that the person may still be given, all together.
    total : int
    older : tuple of int
        How many arrived before each of the instants that were asked for.
    missing : int
        How many lack somebody.
    """

    unit: str
    state: State | None
    total: int
    older: tuple[int, ...]
    missing: int


def counts(
    session: Session, account: str, limits: Sequence[datetime.datetime | Limit] = ()
) -> list[Count]:
    """Undecided exams by unit, state and age, as the person may see them."""
    hides = hidden(session, account)
    state = case((hides, null()), else_=ExamRow.state)
    missing = case((hides, 0), (ExamRow.missing != "", 1), else_=0)
    # What is hidden is counted in any state: else its count would tell of it.
    kept = or_(hides, ExamRow.state.in_(OPEN))
    older = [func.sum(case((arrived_before(limit, hides), 1), else_=0)) for limit in limits]
    query = (
        select(ExamRow.unit, state.label("shown"), func.count(), func.sum(missing), *older)
        .where(kept)
        .group_by(ExamRow.unit, "shown")
        .order_by(ExamRow.unit)
    )
    return [
        Count(unit, None if shown is None else State(shown), total, tuple(ages), lacking)
        for unit, shown, total, lacking, *ages in session.execute(query)
    ]


@dataclass(frozen=True)
class Load:
    """What a reader has to do, and did.

    Parameters
    ----------
    unit, account : str
    open, done : int
        Done since the instant that was asked for.
    arbitrations : int
        Of what is open.
    oldest : datetime, optional
        When the first of what is open arrived.
    """

    unit: str
    account: str
    open: int
    done: int
    arbitrations: int = 0
    oldest: datetime.datetime | None = None


def workload(session: Session, account: str, since: datetime.datetime) -> list[Load]:
    """First reads and arbitrations by reader, without the person's `blind_units`."""
    blind = blind_units(session, account)
    visible = (TaskRow.kind != TaskKind.TRAINEE, TaskRow.unit.not_in(blind))
    whose = (TaskRow.unit, TaskRow.account)
    arbitrations = func.sum(case((TaskRow.kind == TaskKind.ARBITRATION, 1), else_=0))
    open_ = (
        select(*whose, func.count(), arbitrations, func.min(TaskRow.arrived_at))
        .where(TaskRow.state == TaskState.ASSIGNED, *visible)
        .group_by(*whose)
    )
    # Counted here: grouped by the database, it would walk through all that was ever done.
    done = select(*whose, TaskRow.state).where(TaskRow.ended_at >= since, *visible)
    ended = Counter(
        (unit, name) for unit, name, state in session.execute(done) if state == TaskState.DONE
    )
    found = [
        Load(unit, name, count, ended.pop((unit, name), 0), judged, oldest)
        for unit, name, count, judged, oldest in session.execute(open_)
    ]
    found += [Load(unit, name, 0, count) for (unit, name), count in ended.items()]
    return sorted(found, key=lambda load: (load.unit, load.account))


def hidden_keys(session: Session, account: str, study_keys: Collection[str]) -> set[str]:
    """Of some studies those of which a person sees "to read" alone."""
    query = select(ExamRow.study_key).where(
        ExamRow.study_key.in_(study_keys), hidden(session, account)
    )
    return set(session.scalars(query))
