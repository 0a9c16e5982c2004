"""What the systems around are told, announced: one outbox for every kind, in order of commits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gransk.core.keys import digest
from gransk.results.message_tables import (
    Announcement,
    AnnouncementKind,
    MessageState,
    OutgoingMessage,
)
from gransk.site.database import utcnow
from gransk.site.events import SYSTEM, EventKind, record


class Told(BaseModel):
    """Root of what messages carry: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class News:
    """Something to be announced.

    Parameters
    ----------
    kind : AnnouncementKind
    study_key : str
    content : Told
        Kept as it is; the same again is the same announcement.
    event : EventKind
    data : mapping
        Of the event.
    application : str
    entry : int
        Of the ledger, of a decision.
    """

    kind: AnnouncementKind
    study_key: str
    content: Told
    event: EventKind
    data: Mapping[str, Any]
    application: str = ""
    entry: int = 0


def announce_news(session: Session, news: News, destinations: Iterable[str]) -> Announcement:
    """Tell every destination, once: the outbox is written in this transaction.

    The same news again change nothing. Call it late: the event log is locked until the
    transaction ends, and so numbers rise in the order of commits.

    Parameters
    ----------
    session : Session
        Of `Database.begin`.
    news : News
    destinations : iterable of str
        Names of ``messages.destinations``.
    """
    content = news.content.model_dump(mode="json")
    identity = digest([news.kind.value, content])[:32]
    known = session.scalar(select(Announcement).where(Announcement.id == identity))
    if known is not None:
        return known
    record(session, SYSTEM, news.event, news.study_key, dict(news.data))
    number = (session.scalar(select(func.max(Announcement.number))) or 0) + 1
    place = _before(session, news)
    told = Announcement(
        number=number,
        id=identity,
        kind=news.kind,
        study_key=news.study_key,
        application=news.application,
        entry=news.entry,
        content=content,
        at=utcnow(),
    )
    session.add(told)
    session.flush()
    session.add_all(
        OutgoingMessage(
            id=digest(["message", news.study_key, news.kind, news.application, place, name])[:32],
            announcement=number,
            study_key=news.study_key,
            destination=name,
            state=MessageState.WAITING,
            attempt=0,
            tries=0,
            refusals=0,
            error="",
            created_at=told.at,
        )
        for name in dict.fromkeys(destinations)
    )
    session.flush()
    return told


def _before(session: Session, news: News) -> int:
    """How much of this kind was announced of the study before.

    Pages name messages by an id made of this: the ledger's own numbers count what was done on
    other exams too.
    """
    same = select(func.count()).where(
        Announcement.study_key == news.study_key,
        Announcement.kind == news.kind,
        Announcement.application == news.application,
    )
    return session.scalar(same) or 0
