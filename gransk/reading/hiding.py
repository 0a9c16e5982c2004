"""What lists hide from a person, as conditions on `ExamRow`.

Each hides at least what `gransk.reading.sight` does, and goes by the unit and by what the person
was given, not by the exam's entries.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection

from sqlalchemy import ColumnElement, Select, and_, or_, select

from gransk.reading.entries import TaskKind
from gransk.reading.exam import TaskState
from gransk.reading.exam_tables import ExamRow, TaskRow
from gransk.reading.plan import COUNTING
from gransk.reading.sight import HELD, Spell

Spells = tuple[tuple[str, tuple[Spell, ...]], ...]
"""By unit, when it let a person be given exams before."""


def could_be_given(units: Collection[str], before: Spells) -> ColumnElement[bool]:
    """Exams that the person can be given, or could since they arrived.

    Parameters
    ----------
    units : collection of str
        In which the person may be given something now.
    before : tuple
        When others did, or the same.
    """
    past = [
        and_(
            ExamRow.unit == unit,
            ExamRow.arrived_at >= spell.since,
            ExamRow.arrived_at < spell.until,
        )
        for unit, spells in before
        for spell in spells
    ]
    return or_(ExamRow.unit.in_(sorted(units)), *past)


def untrained(account: str) -> ColumnElement[bool]:
    """Exams that the person has yet to read as a trainee."""
    return ExamRow.study_key.in_(to_train(account))


def to_train(account: str) -> Select[str]:
    """Their study keys."""
    return select(TaskRow.study_key).where(
        TaskRow.account == account,
        TaskRow.state == TaskState.ASSIGNED,
        TaskRow.kind == TaskKind.TRAINEE,
    )


def held(account: str, at: datetime.datetime) -> ColumnElement[bool]:
    """Exams that are held from the person, who read them of late: `sight.held_from`."""
    kind = ExamRow.plan["kind"].as_string()
    return and_(ExamRow.study_key.in_(read_of_late(account, at)), kind.in_(sorted(COUNTING)))


def read_of_late(account: str, at: datetime.datetime) -> Select[str]:
    """Study keys of what the person read so lately that it may be held."""
    return select(TaskRow.study_key).where(
        TaskRow.account == account,
        TaskRow.state == TaskState.DONE,
        TaskRow.kind == TaskKind.FIRST,
        TaskRow.ended_at > at - HELD,
    )
