"""What stands still in the reading room, and what was refused: what the board names to be done."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, exists, false, func, not_, or_, select, tuple_
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


Gone = Collection[tuple[str, str]]
"""Unit and account of those who were given something that they cannot do now."""


def condition(trouble: Trouble, now: datetime.datetime, gone: Gone) -> ColumnElement[bool]:
    """Exams that have a trouble, as a condition on `ExamRow`."""
    state, missing = ExamRow.state, ExamRow.missing
    conditions: dict[Trouble, ColumnElement[bool]] = {
        Trouble.NOT_OPENED: and_(state == State.WAITING, ExamRow.opens_at < now - OPENS_WITHIN),
        Trouble.NO_READER: and_(missing == TaskKind.FIRST, state.not_in(ENDED)),
        Trouble.NO_ARBITER: and_(missing == TaskKind.ARBITRATION, state.not_in(ENDED)),
        Trouble.READER_GONE: _given_to(gone),
        Trouble.IMAGES_CHANGED: and_(state == State.DECIDED, _alerted(now)),
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
    found: dict[str, list[Stuck]] = {}
    for trouble in Trouble:
        query = select(ExamRow.study_key).where(
            ExamRow.study_key.in_(keys), condition(trouble, now, gone)
        )
        for key in session.scalars(query):
            found.setdefault(key, []).append(_stuck(session, key, trouble, gone))
    return found


def gone(session: Session) -> list[tuple[str, str]]:
    """Unit and account of those who have something to do that they cannot do now."""
    query = (
        select(TaskRow.unit, TaskRow.account)
        .outerjoin(
            ReaderRow, and_(ReaderRow.unit == TaskRow.unit, ReaderRow.account == TaskRow.account)
        )
        .outerjoin(Account, Account.name == TaskRow.account)
        .where(
            TaskRow.state == TaskState.ASSIGNED,
            TaskRow.kind != TaskKind.TRAINEE,
            or_(
                ReaderRow.account.is_(None), not_(ReaderRow.active),
                Account.name.is_(None), not_(Account.active),
            ),
        )
        .distinct()
    )  # fmt: skip
    return [(unit, account) for unit, account in session.execute(query)]


def _given_to(gone: Gone) -> ColumnElement[bool]:
    if not gone:
        return false()
    given = select(TaskRow.study_key).where(
        tuple_(TaskRow.unit, TaskRow.account).in_(list(gone)),
        TaskRow.state == TaskState.ASSIGNED,
        TaskRow.kind != TaskKind.TRAINEE,
    )
    return ExamRow.study_key.in_(given)


def _alerted(now: datetime.datetime) -> ColumnElement[bool]:
    alerts = select(EntryRow.study_key).where(
        EntryRow.kind == Kind.ALERT, EntryRow.at >= now - ALERTED
    )
    return ExamRow.study_key.in_(alerts)


def _analysis(state: WorkState) -> ColumnElement[bool]:
    return exists().where(
        Workitem.study_key == ExamRow.study_key,
        Workitem.application == ExamRow.application,
        Workitem.state == state,
    )


def _stuck(session: Session, key: str, trouble: Trouble, gone: Gone) -> Stuck:
    if trouble in (Trouble.ANALYSIS_FAILED, Trouble.ANALYSIS_REFUSED):
        query = (
            select(Workitem.reason)
            .join(ExamRow, ExamRow.study_key == Workitem.study_key)
            .where(Workitem.study_key == key, Workitem.application == ExamRow.application)
        )
        return Stuck(trouble, reason=session.scalar(query) or "")
    if trouble is Trouble.READER_GONE:
        accounts = select(TaskRow.account).where(
            TaskRow.study_key == key,
            TaskRow.state == TaskState.ASSIGNED,
            tuple_(TaskRow.unit, TaskRow.account).in_(list(gone)),
        )
        return Stuck(trouble, account=", ".join(session.scalars(accounts)))
    return Stuck(trouble)
