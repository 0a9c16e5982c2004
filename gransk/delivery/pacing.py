"""How fast a destination is sent to, by all workers on all hosts together."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from sqlalchemy import String, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from gransk.site.database import Base, UtcDateTime, utcnow

LONGEST_WAIT_SECONDS = 300.0


@dataclass(frozen=True)
class Pace:
    """How a destination wants to be sent to.

    Parameters
    ----------
    per_minute : int
        Most objects in a minute; 0: as many as go.
    longest_wait_seconds : float
        Between two tries while it does not answer.
    """

    per_minute: int = 0
    longest_wait_seconds: float = LONGEST_WAIT_SECONDS


class DeliveryPace(Base):
    """When a destination may be sent the next object."""

    __tablename__ = "delivery_pace"

    destination: Mapped[str] = mapped_column(String(64), primary_key=True)
    next_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


def turn(session: Session, destination: str, per_minute: int) -> float:
    """Take a turn at a destination, where it is time for one.

    Turns are evenly apart, so that no minute has more of them than it may, wherever it begins.
    The clock is the database's, as hosts' own differ.

    Returns
    -------
    float
        0 where the turn is taken; else seconds to wait before it is asked for again.
    """
    now, apart = _now(session), datetime.timedelta(minutes=1) / per_minute
    row = _locked(session, destination, now)
    # Farther off than one turn: the clock was set back, or the pace is another.
    if now < row.next_at <= now + apart:
        return (row.next_at - now).total_seconds()
    row.next_at = now + apart
    return 0.0


def _locked(session: Session, destination: str, now: datetime.datetime) -> DeliveryPace:
    row = session.get(DeliveryPace, destination, with_for_update=True, populate_existing=True)
    if row is not None:
        return row
    try:
        with session.begin_nested():
            session.add(DeliveryPace(destination=destination, next_at=now))
    except IntegrityError:  # another worker wrote it at the same time
        pass
    return session.get_one(DeliveryPace, destination, with_for_update=True, populate_existing=True)


def _now(session: Session) -> datetime.datetime:
    if session.get_bind().dialect.name != "postgresql":
        return utcnow()
    now: datetime.datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return now
