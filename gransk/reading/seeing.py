"""`sight` as pages ask it: of the database, for one exam, and as a condition of lists.

A list goes by the unit, not by the exam's entries: it may hide more than `sight`, never less.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, and_, func, or_, select
from sqlalchemy.orm import Session

from gransk.reading.entering import Entering
from gransk.reading.exam import State
from gransk.reading.exam_tables import ExamRow
from gransk.reading.hiding import Spells, could_be_given, held, untrained
from gransk.reading.ledger import exam_of
from gransk.reading.readers import OVERSEEING, spells, standing, units_of
from gransk.reading.sight import Sight, marks_shown, sight
from gransk.site.database import utcnow
from gransk.site.tables import Event


@dataclass(frozen=True)
class Looker:
    """Who looks.

    Parameters
    ----------
    account : str
    oversees : bool
        Whether a role lets the person see undecided exams that the person cannot be given.
    units : frozenset of str
        In which the person may be given exams now.
    entering : frozenset of str
        Study keys of exams that enter the reading room with its loop's next look.
    spells : tuple
        When units let the person be given exams before, of who oversees.
    """

    account: str
    oversees: bool
    units: frozenset[str]
    entering: frozenset[str] = frozenset()
    spells: Spells = ()

    @property
    def reads(self) -> bool:
        """Can the person be given anything?"""
        return bool(self.units)


def looker(
    session: Session, account: str, roles: Iterable[str], entering: Entering | None = None
) -> Looker:
    """Who looks, as the lists of readers have it now."""
    oversees = bool(OVERSEEING & set(roles))
    return Looker(
        account,
        oversees,
        units_of(session, account),
        frozenset() if entering is None else entering.keys(session),
        tuple(spells(session, account).items()) if oversees else (),
    )


def sight_of(session: Session, who: Looker, study_key: str) -> Sight:
    """What the person may see of a study; of one that is in no reading room ``ALL``.

    An exam that is about to enter is hidden from everybody who may read or does not oversee:
    its unit is told when it enters.
    """
    row = session.get(ExamRow, study_key)
    if row is None:
        hides = study_key in who.entering and (who.reads or not who.oversees)
        return Sight.TO_READ if hides else Sight.ALL
    exam = exam_of(session, study_key)
    asks = standing(session, exam.unit, who.account, who.oversees)
    return sight(exam, asks, utcnow())


def sees_all(session: Session, who: Looker, study_key: str) -> bool:
    """May everything of a study be shown to the person?"""
    return sight_of(session, who, study_key) is Sight.ALL


def sees_results(session: Session, who: Looker, study_key: str) -> bool:
    """May released results of a study be shown to the person, as all or as the policy's marks?"""
    if sees_all(session, who, study_key):
        return True
    row = session.get(ExamRow, study_key)
    return row is not None and marks_shown(exam_of(session, study_key), who.account)


def hidden(who: Looker, key: SQLColumnExpression[str]) -> ColumnElement[bool]:
    """Is a study one of which a list tells the person nothing but that it is here?

    Parameters
    ----------
    key : column
        Study key of the row that the list asks about.
    """
    found = key.in_(hidden_keys(who))
    soon = who.entering if who.reads or not who.oversees else frozenset()
    return or_(found, key.in_(sorted(soon))) if soon else found


def hidden_keys(who: Looker) -> Select[str]:
    """Study keys of exams in the reading room that lists hide from the person."""
    undecided: ColumnElement[bool] = ExamRow.state != State.DECIDED
    if who.oversees:
        undecided = and_(undecided, could_be_given(who.units, who.spells))
    return select(ExamRow.study_key).where(
        or_(undecided, untrained(who.account), held(who.account, utcnow()))
    )


def event_horizon(session: Session, who: Looker) -> int | None:
    """Number of the first event that the person may not see; None where there is none.

    Events are numbered without gaps: one that is left out, or its time beside others, would tell
    that something was done. So of the log ends, for who can be given an exam, where the oldest
    exam that is hidden from the person begins.
    """
    query = select(func.min(Event.number)).where(hidden(who, Event.subject))
    return session.scalar(query)
