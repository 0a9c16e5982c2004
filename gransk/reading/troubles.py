"""What stands still in the reading room, and what was refused: what the board names to be done."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, false, func, not_, select, tuple_
from sqlalchemy.orm import Session

from gransk.reading.entries import Kind, TaskKind
from gransk.reading.exam import ENDED, State, TaskState
from gransk.reading.exam_tables import EntryRow, ExamRow, ReaderRow, TaskRow
from gransk.reading.lists import hidden
from gransk.results.tables import Workitem, WorkState
from gransk.site.tables import Account

OPENS_WITHIN = datetime.timedelta(minutes=10)
"""An exam that is still closed so long after its instant stands still."""
ALERTED = datetime.timedelta(days=30)
"""How long an alert is shown."""


class Trouble(StrEnum):
    """Why an exam needs somebody's hand: a closed list, the most pressing first."""

    NOT_OPENED = "not_opened"
    """Its instant has passed, and it is closed."""
    NO_READER = "no_reader"
    """Nobody is there for a first read."""
    NO_ARBITER = "no_arbiter"
    READER_GONE = "reader_gone"
    """It stands on the list of somebody who may do nothing in the unit now."""
    IMAGES_CHANGED = "images_changed"
    """After its decision."""
    REPEAT_AWAITED = "repeat_awaited"
    """Images are to be made again, and are not here."""
    ANALYSIS_FAILED = "analysis_failed"
    ANALYSIS_REFUSED = "analysis_refused"
    """The application will not read the images."""


@dataclass(frozen=True)
class Stuck:
    """A trouble of an exam.

    Parameters
    ----------
    trouble : Trouble
    reason : str
        A code of `gransk.core.reasons`, where an analysis says why.
    account : str
        Who is gone.
    """

    trouble: Trouble
    reason: str = ""
    account: str = ""


OF_ANALYSIS = frozenset({Trouble.ANALYSIS_FAILED, Trouble.ANALYSIS_REFUSED})
_OF_EXAM = and_(
    Workitem.study_key == ExamRow.study_key, Workitem.application == ExamRow.application
)
Gone = Collection[tuple[str, str]]
"""Unit and account of those who were given something that they cannot do now."""


def condition(trouble: Trouble, now: datetime.datetime, gone: Gone) -> ColumnElement[bool]:
    """Exams that have a trouble, as a condition on `ExamRow`."""
    state, missing = ExamRow.state, ExamRow.missing
    conditions: dict[Trouble, ColumnElement[bool]] = {
        Trouble.NOT_OPENED: and_(state == State.WAITING, ExamRow.opens_at < now - OPENS_WITHIN),
        Trouble.NO_READER: missing == TaskKind.FIRST,
        Trouble.NO_ARBITER: missing == TaskKind.ARBITRATION,
        Trouble.READER_GONE: _given_to(gone),
        Trouble.IMAGES_CHANGED: _alerted(now),
        Trouble.REPEAT_AWAITED: state == State.TECHNICAL_REPEAT,
        Trouble.ANALYSIS_FAILED: and_(state.not_in(ENDED), _analysis(WorkState.FAILED)),
        Trouble.ANALYSIS_REFUSED: and_(state.not_in(ENDED), _analysis(WorkState.NOT_ANALYSED)),
    }
    return conditions[trouble]


def count(
    session: Session, account: str, units: tuple[str, ...], now: datetime.datetime, gone: Gone
) -> dict[Trouble, int]:
    """How many exams have each trouble, of those that a person may see; none that nobody has."""
    visible = not_(hidden(session, account))
    of_units = ExamRow.unit.in_(units) if units else not_(false())
    found = {}
    for trouble in Trouble:
        query = select(func.count()).select_from(ExamRow)
        wanted = condition(trouble, now, gone)
        found[trouble] = session.scalar(query.where(wanted, visible, of_units)) or 0
    return {trouble: number for trouble, number in found.items() if number}


def of_exams(
    session: Session, study_keys: Iterable[str], now: datetime.datetime, gone: Gone
) -> dict[str, list[Stuck]]:
    """The troubles of exams, by study key; the caller shows them only of what a person sees."""
    keys = list(study_keys)
    has = [condition(trouble, now, gone) for trouble in Trouble]
    query = select(ExamRow.study_key, *has).where(ExamRow.study_key.in_(keys))
    reasons, absent = _reasons(session, keys), _absent(session, keys, gone)
    found: dict[str, list[Stuck]] = {}
    for key, *flags in session.execute(query):
        for trouble, flag in zip(Trouble, flags, strict=True):
            if flag:
                reason = reasons.get(key, "") if trouble in OF_ANALYSIS else ""
                account = absent.get(key, "") if trouble is Trouble.READER_GONE else ""
                found.setdefault(key, []).append(Stuck(trouble, reason, account))
    return found


def gone(session: Session) -> list[tuple[str, str]]:
    """Unit and account of those who have something to do that they cannot do now."""
    given = (
        select(TaskRow.unit, TaskRow.account)
        .where(TaskRow.state == TaskState.ASSIGNED, TaskRow.kind != TaskKind.TRAINEE)
        .distinct()
    )
    listed = (
        select(ReaderRow.unit, ReaderRow.account)
        .join(Account, Account.name == ReaderRow.account)
        .where(ReaderRow.active, Account.active)
    )
    able = {tuple(row) for row in session.execute(listed)}
    return [(unit, name) for unit, name in session.execute(given) if (unit, name) not in able]


def _reasons(session: Session, keys: list[str]) -> dict[str, str]:
    """Why analyses ended without a result."""
    query = (
        select(Workitem.study_key, Workitem.reason)
        .join(ExamRow, _OF_EXAM)
        .where(Workitem.study_key.in_(keys), Workitem.reason.is_not(None))
    )
    return {key: str(reason) for key, reason in session.execute(query)}


def _absent(session: Session, keys: list[str], gone: Gone) -> dict[str, str]:
    """Who is gone and has something of an exam."""
    if not gone:
        return {}
    query = (
        select(TaskRow.study_key, TaskRow.account)
        .where(TaskRow.study_key.in_(keys), *_held_by(gone))
        .order_by(TaskRow.study_key, TaskRow.account.desc())
    )
    return {key: account for key, account in session.execute(query)}


def _given_to(gone: Gone) -> ColumnElement[bool]:
    if not gone:
        return false()
    given = select(TaskRow.study_key).where(*_held_by(gone))
    return ExamRow.study_key.in_(given)


def _held_by(gone: Gone) -> tuple[ColumnElement[bool], ...]:
    return (
        tuple_(TaskRow.unit, TaskRow.account).in_(list(gone)),
        TaskRow.state == TaskState.ASSIGNED,
        TaskRow.kind != TaskKind.TRAINEE,
    )


def _alerted(now: datetime.datetime) -> ColumnElement[bool]:
    alerts = select(EntryRow.study_key).where(
        EntryRow.kind == Kind.ALERT, EntryRow.at >= now - ALERTED
    )
    return ExamRow.study_key.in_(alerts)


def _analysis(state: WorkState) -> ColumnElement[bool]:
    # Twice, as the first part alone leads a database from the few rows of the worklist to exams.
    of = Workitem.state == state
    return and_(
        ExamRow.study_key.in_(select(Workitem.study_key).where(of)),
        tuple_(ExamRow.study_key, ExamRow.application).in_(
            select(Workitem.study_key, Workitem.application).where(of)
        ),
    )
