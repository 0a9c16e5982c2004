"""Alarms: raised once, brought up to date while they last, ended when it is well again."""

from __future__ import annotations

import datetime
import re
import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.errors import InvalidValueError
from gransk.oversight.alarm_tables import Alarm, AlarmKind, AlarmNews
from gransk.site.database import utcnow
from gransk.site.events import SYSTEM, EventKind, record, take_turn

Figure = float | int | bool | str | None
STUDIES = 50
"""Studies that an alarm names at most."""
_NAME = re.compile(r"[a-z0-9_-]{1,64}(/[a-z0-9_-]{1,64}){0,7}")
_CODE = re.compile(r"[a-z0-9_]{1,64}")
_TOLD = re.compile(r"[a-z0-9_-]{0,64}|\d{4}-\d\d-\d\d(T[\d:.]+(\+00:00|Z))?")
"""Texts that a message may hold: codes, names of the configuration, days and instants."""


def raise_alarm(
    session: Session,
    kind: AlarmKind,
    about: str,
    figures: Mapping[str, Figure] | None = None,
    *,
    since: datetime.datetime | None = None,
    shown: Mapping[str, str] | None = None,
    studies: Sequence[str] = (),
) -> Alarm:
    """Say that something is wrong; where that was said already, how it is now.

    Call it late in a transaction, as others wait for its turn in the event log.

    Parameters
    ----------
    session : Session
    kind : AlarmKind
    about : str
        What it is about: names of the configuration and of charts, parted by ``/``.
    figures : mapping, optional
        Numbers, codes, days and instants that pages and messages tell.
    since : datetime, optional
        When it began; None: now.
    shown : mapping, optional
        Texts of images' headers, for pages alone.
    studies : sequence of str, optional
        Keys of studies that tell most, for pages alone.

    Raises
    ------
    InvalidValueError
        Where a name or figure is something that may not be told.
    """
    _check(about, figures or {})
    take_turn(session)
    now = utcnow()
    alarm = _open(session, kind, about)
    if alarm is None:
        alarm = Alarm(
            id=uuid.uuid4().hex,
            kind=kind,
            about=about,
            open_about=_key(kind, about),
            since=since or now,
            raised_at=now,
        )
        session.add(alarm)
        _set(alarm, now, figures or {}, shown or {}, studies)
        session.flush()
        record(session, SYSTEM, EventKind.ALARM_RAISED, alarm.id, {"kind": kind, "about": about})
        session.add(AlarmNews(alarm=alarm.id, ended=False, at=now))
        return alarm
    _set(alarm, now, figures or {}, shown or {}, studies)
    return alarm


def end_alarm(session: Session, kind: AlarmKind, about: str) -> Alarm | None:
    """Say that something is well again; the alarm that ends by it, if there was one."""
    take_turn(session)
    alarm = _open(session, kind, about)
    if alarm is None:
        return None
    now = utcnow()
    alarm.ended_at, alarm.updated_at, alarm.open_about = now, now, None
    session.flush()
    record(session, SYSTEM, EventKind.ALARM_ENDED, alarm.id, {"kind": kind, "about": about})
    session.add(AlarmNews(alarm=alarm.id, ended=True, at=now))
    return alarm


def open_alarms(session: Session, kind: AlarmKind | None = None) -> list[Alarm]:
    """Alarms that last, the latest first."""
    query = select(Alarm).where(Alarm.ended_at.is_(None))
    if kind is not None:
        query = query.where(Alarm.kind == kind)
    return list(session.scalars(query.order_by(Alarm.raised_at.desc(), Alarm.id)))


def ended_alarms(session: Session, most: int = 50) -> list[Alarm]:
    """The last alarms that ended."""
    query = select(Alarm).where(Alarm.ended_at.is_not(None))
    return list(session.scalars(query.order_by(Alarm.ended_at.desc(), Alarm.id).limit(most)))


def note_seen(session: Session, alarm: Alarm, account: str) -> bool:
    """Note that a person saw an alarm; False where somebody did before."""
    take_turn(session)
    session.flush()
    session.refresh(alarm)
    if alarm.seen_at is not None:
        return False
    alarm.seen_at, alarm.seen_by = utcnow(), account
    record(session, account, EventKind.ALARM_SEEN, alarm.id,
           {"kind": alarm.kind, "about": alarm.about})  # fmt: skip
    return True


def _open(session: Session, kind: AlarmKind, about: str) -> Alarm | None:
    return session.scalar(select(Alarm).where(Alarm.open_about == _key(kind, about)))


def _key(kind: AlarmKind, about: str) -> str:
    return f"{kind}:{about}"


def _set(
    alarm: Alarm,
    now: datetime.datetime,
    figures: Mapping[str, Figure],
    shown: Mapping[str, str],
    studies: Sequence[str],
) -> None:
    alarm.figures, alarm.shown = dict(figures), dict(shown)
    alarm.studies, alarm.updated_at = list(studies[:STUDIES]), now


def _check(about: str, figures: Mapping[str, Figure]) -> None:
    """What is told holds numbers and names of ours: nothing that may be a patient's."""
    if not _NAME.fullmatch(about) or len(about) > 200:
        raise InvalidValueError("about", "***", "names of a-z, 0-9, '_' and '-', parted by '/'")
    for name, value in figures.items():
        if not _CODE.fullmatch(name):
            raise InvalidValueError("figure", "***", "a name of a-z, 0-9 and '_'")
        if isinstance(value, str) and not _TOLD.fullmatch(value):
            raise InvalidValueError(name, "***", "a code, a day or an instant")
