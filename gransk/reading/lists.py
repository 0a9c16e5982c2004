"""Lists of the reading room: what is mine to read, and the coordinator's board.

My list is in the order of arrival alone, and does not say whether a line is a first read or an
arbitration. On the board whoever reads in a unit sees of its undecided exams that they are
there, and nothing else.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, case, func, null, or_, select
from sqlalchemy.orm import Session

from gransk.reading.entries import TaskKind
from gransk.reading.exam import State, TaskState
from gransk.reading.exam_tables import ExamRow, TaskRow
from gransk.reading.readers import units_of
from gransk.reading.seeing import untrained

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
    """

    study_key: str
    unit: str
    arrived_at: datetime.datetime
    again: bool


def mine(session: Session, account: str, limit: int = PAGE, offset: int = 0) -> list[Mine]:
    """What a person has to read, in the order of arrival."""
    query = (
        _my_tasks(account).order_by(TaskRow.arrived_at, TaskRow.study_key)
        .limit(limit).offset(offset)
    )  # fmt: skip
    return [
        Mine(row.study_key, row.unit, row.arrived_at, row.kind == TaskKind.SAFETY)
        for row in session.scalars(query)
    ]


def count_mine(session: Session, account: str) -> int:
    """How many exams a person has to read."""
    query = select(func.count()).select_from(_my_tasks(account).subquery())
    return session.scalar(query) or 0


def _my_tasks(account: str) -> Select[TaskRow]:
    return select(TaskRow).where(TaskRow.account == account, TaskRow.state == TaskState.ASSIGNED)


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
    before : datetime, optional
        Only what arrived before.
    """

    units: tuple[str, ...] = ()
    states: tuple[State, ...] = ()
    missing: bool = False
    before: datetime.datetime | None = None


OPEN = tuple(state for state in State if state not in (State.DECIDED, State.WITHDRAWN))


def board(
    session: Session, account: str, wanted: Wanted, limit: int = PAGE, offset: int = 0
) -> list[Line]:
    """Exams as the person may see them, oldest first."""
    own = units_of(session, account)
    query = select(ExamRow, untrained(account)).where(*_conditions(wanted, own))
    ordered = query.order_by(ExamRow.arrived_at, ExamRow.study_key).limit(limit).offset(offset)
    return [_line(row, own, to_train) for row, to_train in session.execute(ordered)]


def _line(row: ExamRow, own: frozenset[str], to_train: bool) -> Line:
    if to_train or (row.unit in own and row.state != State.DECIDED):
        return Line(row.study_key, row.unit, row.arrived_at, None)
    return Line(
        row.study_key, row.unit, row.arrived_at, State(row.state), row.opened_at, row.decided_at,
        row.verdict or "", row.missing, row.alerts, row.entries,
    )  # fmt: skip


def _conditions(wanted: Wanted, own: frozenset[str]) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.units:
        found.append(ExamRow.unit.in_(wanted.units))
    if wanted.before is not None:
        found.append(ExamRow.arrived_at < wanted.before)
    asked: ColumnElement[bool] = ExamRow.state.in_(wanted.states or OPEN)
    hidden = ExamRow.unit.in_(own)
    if not wanted.states and not wanted.missing:
        # Of the person's own units everything undecided, which tells nothing of its state.
        undecided = (hidden & (ExamRow.state != State.DECIDED)) if own else None
        found.append(asked if undecided is None else or_(undecided, asked))
        return found
    if own:
        asked = asked & or_(~hidden, ExamRow.state == State.DECIDED)
    found.append(asked)
    if wanted.missing:
        found.append(ExamRow.missing != "")
    return found


@dataclass(frozen=True)
class Count:
    """Exams of a unit in a state.

    Parameters
    ----------
    unit : str
    state : State, optional
        None for the undecided ones that the person may still be given, all together.
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


def counts(session: Session, account: str, limits: Sequence[datetime.datetime] = ()) -> list[Count]:
    """Undecided exams by unit, state and age, as the person may see them."""
    own = units_of(session, account)
    hidden = ExamRow.unit.in_(own)
    state = case((hidden, null()), else_=ExamRow.state) if own else ExamRow.state
    missing = case((ExamRow.missing != "", 1), else_=0)
    if own:
        missing = case((hidden, 0), (ExamRow.missing != "", 1), else_=0)
    # Of the person's own units also what is withdrawn: else its count would tell of it.
    kept = or_(ExamRow.state.in_(OPEN), hidden & (ExamRow.state == State.WITHDRAWN)) if own else (
        ExamRow.state.in_(OPEN)
    )  # fmt: skip
    older = [func.sum(case((ExamRow.arrived_at < limit, 1), else_=0)) for limit in limits]
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
    """

    unit: str
    account: str
    open: int
    done: int


def workload(session: Session, account: str, since: datetime.datetime) -> list[Load]:
    """First reads and arbitrations by reader, without the units in which the person reads."""
    own = units_of(session, account)
    query = (
        select(
            TaskRow.unit,
            TaskRow.account,
            func.sum(case((TaskRow.state == TaskState.ASSIGNED, 1), else_=0)),
            func.sum(case((TaskRow.state == TaskState.DONE, 1), else_=0)),
        )
        .where(
            TaskRow.kind != TaskKind.TRAINEE,
            TaskRow.unit.not_in(own),
            or_(TaskRow.state == TaskState.ASSIGNED, TaskRow.ended_at >= since),
        )
        .group_by(TaskRow.unit, TaskRow.account)
        .order_by(TaskRow.unit, TaskRow.account)
    )
    return [Load(*row) for row in session.execute(query)]
