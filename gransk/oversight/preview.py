"""Which of the last days' studies a draft of the settings would have changed.

What only the images tell is counted by why, and never guessed: other rules of choosing images, a
lower limit than what was measured, another model. What somebody may not see of an exam is neither
listed nor counted.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, func, select
from sqlalchemy.orm import Session

from gransk.archive.priors import prior_keys
from gransk.core.reasons import Reason
from gransk.oversight.preview_study import Change, Kind, Untold, Viewer
from gransk.results.tables import Workitem, WorkState
from gransk.site.database import Database

DAYS = 30
TOGETHER = 100
"""Studies that one call looks at."""
SETTLED = (WorkState.READY, WorkState.NOT_ANALYSED)
Hides = Callable[[SQLColumnExpression[Any]], ColumnElement[bool]]


@dataclass(frozen=True)
class StudyChanged:
    """A study that would have been otherwise."""

    study_key: str
    application: str
    changes: tuple[Change, ...]


@dataclass
class Preview:
    """What was looked at, from where to go on, and what came of it.

    Parameters
    ----------
    since, until : datetime
        Studies whose last image came from the first up to the second are looked at.
    studies : int
        How many there are.
    looked : int
        How many of these were looked at, the newest first; where to go on.
    changed : list of StudyChanged
    kinds : Counter of Kind
        Studies by what would have been otherwise.
    untold : Counter of Untold
        Studies of which something cannot be told, by why.
    """

    since: datetime.datetime
    until: datetime.datetime
    studies: int
    looked: int
    changed: list[StudyChanged] = field(default_factory=list)
    kinds: Counter[Kind] = field(default_factory=Counter)
    untold: Counter[Untold] = field(default_factory=Counter)

    @property
    def whole(self) -> bool:
        """Was every study looked at?"""
        return self.looked >= self.studies


def first_instant(
    until: datetime.datetime, zone: datetime.tzinfo | None, days: int = DAYS
) -> datetime.datetime:
    """The beginning, by a site's clock, of the day so many days before an instant."""
    day = until.astimezone(zone).date() - datetime.timedelta(days=days)
    return datetime.datetime.combine(day, datetime.time(), zone).astimezone(datetime.UTC)


def preview(
    database: Database,
    viewer: Viewer,
    hides: Callable[[Session], Hides],
    until: datetime.datetime,
    after: int = 0,
    most: int = TOGETHER,
) -> Preview:
    """Look at some studies.

    Parameters
    ----------
    database : Database
    viewer : Viewer
    hides : callable
        Makes of a session what says of a study key whether the person may not see it.
    until : datetime
        The same in each call that goes on with another.
    after : int
        How many were looked at before.
    most : int
        Studies that are looked at; another call goes on with the others.
    """
    since = first_instant(until, viewer.now.zone)
    found = Preview(since, until, 0, after)
    with database.read() as session:
        query = _studies(since, until, hides(session))
        found.studies = session.scalar(select(func.count()).select_from(query.subquery())) or 0
        items = session.scalars(query.offset(after).limit(most)).all()
        for item in items:
            _look(found, viewer, session, item)
    if len(items) < most:
        found.studies = found.looked
    return found


def _studies(since: datetime.datetime, until: datetime.datetime, hides: Hides) -> Select[Workitem]:
    return (
        select(Workitem)
        .where(Workitem.state.in_(SETTLED), Workitem.application != "")
        .where(Workitem.images_at >= since, Workitem.images_at <= until)
        .where(Workitem.study_key.not_in(prior_keys()), ~hides(Workitem.study_key))
        .order_by(Workitem.images_at.desc(), Workitem.id)
    )


def _look(found: Preview, viewer: Viewer, session: Session, item: Workitem) -> None:
    found.looked += 1
    if item.state == WorkState.NOT_ANALYSED:
        # Whether it would be read under other rules, its images alone tell.
        if item.reason != Reason.NO_APPLICATION and viewer.chooses_otherwise(item.application):
            found.untold[Untold.SERIES] += 1
        return
    looked = viewer.look(session, item)
    found.untold.update(looked.untold)
    if looked.changes:
        found.kinds.update({one.kind for one in looked.changes})
        found.changed.append(StudyChanged(item.study_key, item.application, looked.changes))
