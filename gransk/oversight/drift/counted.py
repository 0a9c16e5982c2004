"""Which studies are counted where drift is looked for: those of which nothing is held any more.

An exam of the reading room is counted once it is decided and nothing of it is held from anybody
(`gransk.reading.sight`). Studies of one application and unit are counted in the order in which they
were analysed, each after those before it: so the order tells nothing of an exam's state, and the
first ones are no choice by score.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection
from itertools import groupby

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.reading.entries import TaskKind
from gransk.reading.exam import Exam
from gransk.reading.exam_tables import ExamRow
from gransk.reading.ledger import exam_of
from gransk.reading.past_ledger import CLOSED
from gransk.reading.sight import held_from
from gransk.results.observed import Observation

LONGEST_WAIT = datetime.timedelta(days=90)
"""An exam that is not decided for so long holds up no others."""


def count_new(session: Session, entering: Collection[str], at: datetime.datetime) -> int:
    """Count what may be counted by now.

    Parameters
    ----------
    session : Session
    entering : collection of str
        Keys of exams that are about to enter the reading room.
    at : datetime

    Returns
    -------
    int
        How many studies are counted anew.
    """
    query = select(Observation).where(Observation.counted_at.is_(None))
    order = (Observation.application, Observation.unit, Observation.at, Observation.study_key)
    found = 0
    waiting = session.scalars(query.order_by(*order))
    for _, rows in groupby(waiting, key=lambda row: (row.application, row.unit)):
        for row in rows:
            if row.study_key not in entering and told_to_all(session, row.study_key, at):
                row.counted_at = at
                found += 1
            elif at - row.at < LONGEST_WAIT:
                break
    return found


def told_to_all(session: Session, study_key: str, at: datetime.datetime) -> bool:
    """Is nothing of a study held from anybody?"""
    row = session.get(ExamRow, study_key)
    if row is None:
        return True
    return row.state in CLOSED and is_told(exam_of(session, study_key), at)


def is_told(exam: Exam, at: datetime.datetime) -> bool:
    """Is an exam decided, and nothing of it held from anybody?"""
    closed = exam.state in CLOSED
    return closed and not exam.open_tasks(TaskKind.TRAINEE) and not held_from(exam, at)
