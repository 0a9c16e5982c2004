"""Analyses beside the results in use: made, started, ended, stopped.

A row says which study is analysed under which settings; the analysis is sealed under its own
key. It is no result: no row of the worklist names it, no report is made of it.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, func, not_, select, update
from sqlalchemy.orm import Session

from gransk.archive.tables import Purpose, SeenStudy
from gransk.core.errors import GranskError
from gransk.core.exam_facts import Fact
from gransk.core.keys import digest
from gransk.core.reasons import Reason
from gransk.registry.beside_tables import BesideAsk, BesideRun, RunState
from gransk.results.exam_facts import rows as known_rows
from gransk.results.exam_facts import standing_of
from gransk.results.tables import Workitem, WorkState
from gransk.site.answering import reason_of
from gransk.site.config_shadows import Shadow
from gransk.site.database import utcnow
from gransk.site.events import SYSTEM, EventKind, record, take_turn

Hides = Callable[[SQLColumnExpression[str]], ColumnElement[bool]]
OPEN = (RunState.WAITING, RunState.RUNNING)
MOST = 5000
"""Studies that may be asked for at once."""


class BesideRefusal(StrEnum):
    """Why nothing is asked for: a closed list; texts stand in ``wording/comparing.yaml``."""

    NAME_TAKEN = "name_taken"
    NAME_WRONG = "name_wrong"
    NO_APPLICATION = "no_application"
    NO_STUDIES = "no_studies"
    SETTINGS_NONE = "settings_none"
    SETTINGS_WRONG = "settings_wrong"
    DAYS_WRONG = "days_wrong"
    MOST_WRONG = "most_wrong"


class BesideError(GranskError):
    """What is asked for cannot be.

    Parameters
    ----------
    refusal : BesideRefusal
    detail : str
        Names what is meant.
    """

    def __init__(self, refusal: BesideRefusal, detail: str = "") -> None:
        super().__init__(f"{refusal.value}: {detail}" if detail else refusal.value)
        self.refusal = refusal
        self.detail = detail


@dataclass(frozen=True)
class Run:
    """One try at one row: what a workflow is about."""

    id: str
    attempt: int

    @property
    def workflow_id(self) -> str:
        return f"beside-{self.id}-{self.attempt}"

    @classmethod
    def of(cls, row: BesideRun) -> Run:
        return cls(row.id, row.attempt)


@dataclass(frozen=True)
class Wanted:
    """Which past studies.

    Parameters
    ----------
    application : str
    first, last : date
        Of the study dates, both included.
    unit : str
        Empty: of all.
    """

    application: str
    first: datetime.date
    last: datetime.date
    unit: str = ""


def shadowed(session: Session, item: Workitem, shadows: Sequence[Shadow]) -> None:
    """Ask for what runs beside a study whose own analysis is sealed now."""
    for one in shadows:
        add(session, item, one.name, one.settings)


def add(
    session: Session, item: Workitem, name: str, settings: Mapping[str, Any], ask: int | None = None
) -> bool:
    """Ask for one study; False where the same comparison of the same analysis is there."""
    if item.analysis_key is None:
        return False
    settings_digest = digest(dict(settings))
    ident = digest(["beside", item.study_key, item.application, name, settings_digest])[:32]
    row = session.get(BesideRun, ident, with_for_update=True)
    if row is not None:
        if row.active_analysis == item.analysis_key:
            return False
        # Images came late: what is in use is another analysis than it was compared with.
        row.active_analysis, row.own_analysis = item.analysis_key, None
        _again(row)
        return True
    if ask is None and not _known(session, name, settings_digest):
        data = {"application": item.application, "settings": dict(settings)}
        record(session, SYSTEM, EventKind.COMPARISON_ASKED, name, data)
    session.add(
        BesideRun(
            id=ident, name=name, study_key=item.study_key, application=item.application,
            settings=dict(settings), settings_digest=settings_digest, ask=ask,
            state=RunState.WAITING, reason=None, detail="", attempt=0, deaths=0,
            active_analysis=item.analysis_key, own_analysis=None, created_at=utcnow(),
            started_at=None, finished_at=None,
        )
    )  # fmt: skip
    session.flush()
    return True


def past(session: Session, wanted: Wanted, hides: Hides | None = None) -> list[Workitem]:
    """Analysed studies of some days, the newest first; none that is there as a prior alone.

    ``hides`` says by its study key which a person may not see: they are left out.
    """
    query = (
        select(Workitem)
        .join(SeenStudy, SeenStudy.key == Workitem.study_key)
        .where(Workitem.application == wanted.application, Workitem.state == WorkState.READY)
        .where(Workitem.analysis_key.is_not(None), SeenStudy.purpose == Purpose.READING)
        .where(SeenStudy.study_date >= f"{wanted.first:%Y%m%d}")
        .where(SeenStudy.study_date <= f"{wanted.last:%Y%m%d}")
        .where(SeenStudy.deleted_at.is_(None))
        .order_by(SeenStudy.study_date.desc(), SeenStudy.key)
    )
    if hides is not None:
        query = query.where(not_(hides(Workitem.study_key)))
    found = list(session.scalars(query))
    if not wanted.unit:
        return found
    units = known_rows(session, [one.study_key for one in found])
    return [one for one in found if _unit(units.get(one.study_key)) == wanted.unit]


def ask(
    session: Session,
    wanted: Wanted,
    name: str,
    settings: Mapping[str, Any],
    author: str,
    reason: str,
    most: int = MOST,
    hides: Hides | None = None,
) -> BesideAsk:
    """Ask for past studies to be analysed under other settings, to be compared.

    Parameters
    ----------
    session : Session
        Of `Database.begin`.
    wanted : Wanted
    name : str
        Of the comparison; new.
    settings : mapping
        Laid over those of each study; checked by the caller (`check_beside`).
    author, reason : str
    most : int
        The newest so many.
    hides : callable, optional
        As for `past`.

    Raises
    ------
    BesideError
        Where the name is taken or no study matches.
    InvalidValueError
        Where the reason is none.
    """
    why = reason_of(reason)
    take_turn(session)
    if name_taken(session, name):
        raise BesideError(BesideRefusal.NAME_TAKEN, name)
    items = past(session, wanted, hides)[: min(most, MOST)]
    if not items:
        raise BesideError(BesideRefusal.NO_STUDIES)
    row = BesideAsk(
        name=name, application=wanted.application, settings=dict(settings), unit=wanted.unit,
        first=wanted.first, last=wanted.last, studies=len(items), reason=why, author=author,
        at=utcnow(), stopped_by=None, ended_at=None,
    )  # fmt: skip
    session.add(row)
    session.flush()
    for item in items:
        add(session, item, name, settings, row.number)
    data = {
        "application": wanted.application, "settings": dict(settings), "studies": len(items),
        "first": wanted.first.isoformat(), "last": wanted.last.isoformat(), "reason": why,
    }  # fmt: skip
    record(session, author, EventKind.COMPARISON_ASKED, name, data)
    return row


def name_taken(session: Session, name: str) -> bool:
    """Does a comparison of that name exist?"""
    asked = select(BesideAsk.number).where(BesideAsk.name == name)
    run = select(BesideRun.id).where(BesideRun.name == name)
    return session.scalar(asked.limit(1)) is not None or session.scalar(run.limit(1)) is not None


def stop(session: Session, name: str, author: str) -> bool:
    """Stop what was asked for: what runs ends, what waits does not begin."""
    row = session.scalar(select(BesideAsk).where(BesideAsk.name == name).with_for_update())
    if row is None or row.ended_at is not None:
        return False
    row.stopped_by = author
    session.execute(
        update(BesideRun)
        .where(BesideRun.ask == row.number, BesideRun.state.in_(OPEN))
        .values(state=RunState.STOPPED, finished_at=utcnow())
    )
    _ended(session, row)
    return True


def locked(session: Session, run: Run) -> BesideRun | None:
    """The row, locked, or None where this try is no longer wanted."""
    row = session.get(BesideRun, run.id, with_for_update=True, populate_existing=True)
    if row is None or row.attempt != run.attempt or row.state not in OPEN:
        return None
    return row


def item_of(session: Session, row: BesideRun) -> Workitem | None:
    """The row of the worklist that it runs beside."""
    return session.scalar(
        select(Workitem).where(
            Workitem.study_key == row.study_key, Workitem.application == row.application
        )
    )


def start(session: Session, run: Run, max_deaths: int) -> BesideRun | None:
    """Say that it runs, which counts a death; None where it shall not."""
    row = locked(session, run)
    if row is None:
        return None
    if row.deaths >= max_deaths:
        end(session, row, RunState.FAILED, Reason.WORKER_LOST, f"{row.deaths} deaths")
        return None
    row.state, row.started_at = RunState.RUNNING, utcnow()
    row.deaths += 1
    return row


def later(session: Session, run: Run) -> None:
    """Put it back: other work goes first."""
    row = locked(session, run)
    if row is not None:
        _again(row)


def clear_deaths(session: Session, run: Run) -> None:
    """The dangerous part ended, and the process told how."""
    row = locked(session, run)
    if row is not None:
        row.deaths = 0


def end(
    session: Session,
    row: BesideRun,
    state: RunState,
    reason: Reason | None = None,
    detail: str = "",
) -> None:
    """The row is done; with the last of what was asked for, that is ended too."""
    row.state, row.reason, row.detail = state, reason.value if reason else None, detail[:2000]
    row.finished_at = utcnow()
    session.flush()
    if row.ask is None:
        return
    asked = session.get_one(BesideAsk, row.ask, with_for_update=True)
    left = session.scalar(
        select(func.count()).where(BesideRun.ask == row.ask, BesideRun.state.in_(OPEN))
    )
    if not left and asked.ended_at is None:
        _ended(session, asked)


def _ended(session: Session, row: BesideAsk) -> None:
    row.ended_at = utcnow()
    states = session.execute(
        select(BesideRun.state, func.count())
        .where(BesideRun.ask == row.number)
        .group_by(BesideRun.state)
    )
    data = {"states": {RunState(state).value: count for state, count in states}}
    record(session, row.stopped_by or SYSTEM, EventKind.COMPARISON_ENDED, row.name, data)


def _again(row: BesideRun) -> None:
    row.state, row.reason, row.detail = RunState.WAITING, None, ""
    row.attempt += 1
    row.started_at = row.finished_at = None


def _known(session: Session, name: str, settings_digest: str) -> bool:
    query = select(BesideRun.id).where(
        BesideRun.name == name, BesideRun.settings_digest == settings_digest
    )
    return session.scalar(query.limit(1)) is not None


def _unit(known: Any) -> str:
    found = standing_of(known).get(Fact.UNIT)
    return found.value if found else ""
