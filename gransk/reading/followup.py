"""The follow-up list: one row a patient and application, fed by released reports.

What a guideline advised with a date puts the patient on it, by default once a person has
signed; a report of a newer study takes the old advice off and brings its own. *Overdue* is
asked of the clock each time and stored nowhere.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, SQLColumnExpression, and_, false, func, or_, select
from sqlalchemy.orm import Session

from gransk.core.errors import GranskError
from gransk.reading.tables import BY_PERSON, OPEN, Closing, FollowUpRow, FollowUpState
from gransk.results.tables import Report
from gransk.site.database import utcnow
from gransk.site.events import SYSTEM, EventKind, record
from gransk.site.tables import Account, Event

WORDS = 500
"""Most characters of a next step or a note."""


class FollowUpError(GranskError):
    """A change that cannot be made; ``code`` is of a closed list."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def changed(session: Session, row: FollowUpRow, actor: str, data: dict[str, object]) -> None:
    """Note who changed a row; the event tells no words that a person wrote."""
    row.changed_at, row.changed_by = utcnow(), actor
    row.version += 1
    session.flush()
    told = {
        "application": row.application,
        "study": row.study_key,
        "state": FollowUpState(row.state).value,
        "due": row.due_to.isoformat() if row.due_to else None,
        **({"closing": Closing(row.closing).value} if row.closing else {}),
        **data,
    }
    record(session, actor, EventKind.FOLLOW_UP_CHANGED, row.id, told)


@dataclass(frozen=True)
class Wish:
    """What a person makes of a row.

    Parameters
    ----------
    state : FollowUpState
    closing : Closing, optional
        Of `BY_PERSON`, where and only where the state is *closed*.
    responsible : str
        Name of an active account; empty for nobody.
    next_step, note : str
        The person's own words.
    booked_on : date, optional
        Day of the booked study, where and only where the state is *booked*.
    """

    state: FollowUpState
    closing: Closing | None = None
    responsible: str = ""
    next_step: str = ""
    note: str = ""
    booked_on: datetime.date | None = None


def change(session: Session, row_id: str, version: int, wish: Wish, actor: str) -> FollowUpRow:
    """Change a row as a person wishes; closed ones are opened again the same way.

    Parameters
    ----------
    version : int
        Of the row that the person saw.

    Raises
    ------
    KeyError
        Where there is no such row.
    FollowUpError
        ``follow_up_changed`` where another change came first; ``follow_up_wrong`` where the
        wish makes no sense; ``follow_up_nobody`` where nobody active is called so.
    """
    row = session.get(FollowUpRow, row_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise KeyError(row_id)
    if row.version != version:
        raise FollowUpError("follow_up_changed", "another change came first; look again")
    _check(session, row, wish)
    names = ("state", "closing", "responsible", "next_step", "note", "booked_on")
    fields = [name for name in names if getattr(row, name) != getattr(wish, name)]
    if not fields:
        return row
    for name in fields:
        setattr(row, name, getattr(wish, name))
    changed(session, row, actor, {"fields": fields})
    return row


def _check(session: Session, row: FollowUpRow, wish: Wish) -> None:
    closes = wish.state == FollowUpState.CLOSED
    kept = closes and wish.closing == row.closing and row.state == FollowUpState.CLOSED
    sound = (
        closes == (wish.closing is not None),
        wish.closing is None or wish.closing in BY_PERSON or kept,
        (wish.booked_on is not None) == (wish.state == FollowUpState.BOOKED),
        wish.state != FollowUpState.PROPOSED or row.state == FollowUpState.PROPOSED,
        max(len(wish.next_step), len(wish.note)) <= WORDS,
    )
    if not all(sound):
        raise FollowUpError("follow_up_wrong", f"a follow-up cannot become {wish.state} so")
    if wish.responsible and wish.responsible != row.responsible:
        account = session.scalar(select(Account).where(Account.name == wish.responsible))
        if account is None or not account.active:
            raise FollowUpError("follow_up_nobody", "nobody active has that account")


@dataclass(frozen=True)
class Line:
    """A row of the list as it stands today.

    Parameters
    ----------
    row : FollowUpRow
    overdue_days : int
        Days past the last day, grace and all; 0 where it is not overdue.
    withdrawn : bool
        Its report was taken back, such as by deletion of the study; the patient stays on the
        list until a person decides.
    """

    row: FollowUpRow
    overdue_days: int = 0
    withdrawn: bool = False


@dataclass(frozen=True)
class Filter:
    """Which rows are asked for.

    Parameters
    ----------
    state : str
        ``open`` (due, booked and overdue), ``overdue``, a state, or empty for all.
    responsible : str
        Name of an account; ``-`` for nobody; empty for anyone.
    """

    state: str = "open"
    responsible: str = ""


Hidden = Callable[[SQLColumnExpression[str]], ColumnElement[bool]]
"""Says by its study key which row a person may not see (`gransk.reading.seeing.hidden`)."""


def nothing_hidden(key: SQLColumnExpression[str]) -> ColumnElement[bool]:
    """Of a list that is shown to nobody, such as the doctor's counts."""
    return false()


def lines(
    session: Session,
    wanted: Filter,
    today: datetime.date,
    grace_days: int,
    hides: Hidden = nothing_hidden,
) -> list[Line]:
    """The list: overdue ones first, then by the last day of what is due.

    Parameters
    ----------
    today : date
        In the site's time zone.
    grace_days : int
        ``config.follow_up.grace_days``.
    hides : callable
    """
    late = _overdue(today, grace_days)
    query = (
        select(FollowUpRow, Report.withdrawn_at)
        .outerjoin(Report, Report.key == FollowUpRow.report_key)
        .where(*_wanted(wanted, late), ~hides(FollowUpRow.study_key))
        .order_by(_last_day().is_(None), _last_day(), FollowUpRow.id)
    )
    found = [
        Line(row, overdue_days(row, today, grace_days), withdrawn is not None)
        for row, withdrawn in session.execute(query)
    ]
    return sorted(found, key=lambda line: line.overdue_days == 0)


def line_of(session: Session, row: FollowUpRow, today: datetime.date, grace_days: int) -> Line:
    """One row as it stands today."""
    report = session.get(Report, row.report_key)
    withdrawn = report is not None and report.withdrawn_at is not None
    return Line(row, overdue_days(row, today, grace_days), withdrawn)


def _wanted(wanted: Filter, late: ColumnElement[bool]) -> list[ColumnElement[bool]]:
    conditions = []
    if wanted.state == "overdue":
        conditions.append(late)
    elif wanted.state == "open":
        due = FollowUpRow.state.in_((FollowUpState.DUE, FollowUpState.BOOKED))
        conditions.append(or_(due, late))
    elif wanted.state:
        conditions.append(FollowUpRow.state == wanted.state)
    if wanted.responsible:
        name = "" if wanted.responsible == "-" else wanted.responsible
        conditions.append(FollowUpRow.responsible == name)
    return conditions


def _last_day() -> ColumnElement[datetime.date | None]:
    """The booked day where there is one, else the last day of what is due."""
    return func.coalesce(FollowUpRow.booked_on, FollowUpRow.due_to)


def _overdue(today: datetime.date, grace_days: int) -> ColumnElement[bool]:
    limit = today - datetime.timedelta(days=grace_days)
    return and_(FollowUpRow.state.in_(OPEN), _last_day() < limit)


def overdue_days(row: FollowUpRow, today: datetime.date, grace_days: int) -> int:
    """Days past the last day and the days of grace; 0 where it is not overdue."""
    last = row.booked_on or row.due_to
    if row.state not in OPEN or last is None:
        return 0
    return max(0, (today - last).days - grace_days)


def counts(
    session: Session, today: datetime.date, grace_days: int, hides: Hidden = nothing_hidden
) -> dict[str, int]:
    """Rows in each state, and those that are ``overdue``."""
    query = (
        select(FollowUpRow.state, func.count())
        .where(~hides(FollowUpRow.study_key))
        .group_by(FollowUpRow.state)
    )
    found = {state.value: 0 for state in FollowUpState}
    found |= {FollowUpState(state).value: count for state, count in session.execute(query)}
    return found | {"overdue": count_overdue(session, today, grace_days, hides)}


def count_overdue(
    session: Session, today: datetime.date, grace_days: int, hides: Hidden = nothing_hidden
) -> int:
    """How many patients are overdue."""
    query = (
        select(func.count())
        .select_from(FollowUpRow)
        .where(_overdue(today, grace_days), ~hides(FollowUpRow.study_key))
    )
    return session.scalar(query) or 0


def tell_overdue(session: Session, today: datetime.date, grace_days: int) -> int:
    """Write an event for each that has become overdue, once for each last day; returns how many."""
    query = select(FollowUpRow).where(_overdue(today, grace_days)).with_for_update()
    told = 0
    for row in session.scalars(query):
        last = row.booked_on or row.due_to
        if row.told_overdue == last:
            continue
        row.told_overdue = last
        data = {"study": row.study_key, "overdue_since": last.isoformat() if last else None}
        record(session, SYSTEM, EventKind.FOLLOW_UP_CHANGED, row.id, data)
        told += 1
    return told


def history(session: Session, row: FollowUpRow) -> Sequence[Event]:
    """What became of a row, latest first."""
    return session.scalars(
        select(Event).where(Event.subject == row.id).order_by(Event.number.desc())
    ).all()
