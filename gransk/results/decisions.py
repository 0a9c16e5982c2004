"""Decisions of screening exams as the systems around are told them.

Who decides calls `announce` in the transaction that decides; `gransk.delivery` does the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import AwareDatetime, Field, model_validator
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from gransk.core.screening import Breast, FindingType, TechnicalReason, Verdict, View
from gransk.results.announcing import News, Told, announce_news
from gransk.results.message_tables import Announcement, AnnouncementKind, OutgoingMessage
from gransk.site.events import EventKind


class Mark(Told):
    """One thing that an opinion or a decision points at.

    Parameters
    ----------
    breast : Breast
    view : View, optional
        None where it is told of the breast as a whole.
    finding_type : FindingType
    suspicion : int, optional
        On the site's scale.
    """

    breast: Breast
    view: View | None = None
    finding_type: FindingType
    suspicion: int | None = Field(default=None, ge=0, le=10)


class Repeat(Told):
    """Which images must be made again, and why."""

    views: tuple[tuple[Breast, View], ...] = Field(min_length=1, max_length=4)
    reason: TechnicalReason


class Decision(Told):
    """What was decided of an exam.

    Parameters
    ----------
    study_key : str
    number : int
        Of the decision's entry in the ledger: a later one replaces an earlier.
    outcome : Verdict
    marks : tuple of Mark
        Of a recall.
    repeat : Repeat, optional
        Of a technical recall, and of it alone.
    corrected : bool
        Whether another decision of the exam was told before, or this one under another identity.
    identity : str
        Digest of the identity under which a decision is told again, and after which
        announcement; empty at first.
    decided_at : datetime
    """

    study_key: str = Field(min_length=1, max_length=32)
    number: int = Field(ge=0)
    outcome: Verdict
    marks: tuple[Mark, ...] = Field(default=(), max_length=20)
    repeat: Repeat | None = None
    corrected: bool = False
    identity: str = Field(default="", exclude_if=lambda value: not value)
    decided_at: AwareDatetime

    @model_validator(mode="after")
    def _check(self) -> Decision:
        if self.outcome is not Verdict.RECALL and self.marks:
            raise ValueError("only a recall has marks")
        if (self.repeat is not None) != (self.outcome is Verdict.TECHNICAL):
            raise ValueError("a technical recall, and it alone, names views and why")
        return self


def announce(session: Session, decision: Decision, destinations: Iterable[str]) -> Announcement:
    """Tell every destination a decision, once: the outbox is written in this transaction.

    The same decision again changes nothing. Call it late: the event log is locked until the
    transaction ends, and so numbers rise in the order of commits.

    Parameters
    ----------
    session : Session
        Of `Database.begin`.
    decision : Decision
    destinations : iterable of str
        Names of ``messages.destinations``.
    """
    news = News(
        AnnouncementKind.DECISION,
        decision.study_key,
        decision,
        EventKind.DECISION_ANNOUNCED,
        {"number": decision.number},
        entry=decision.number,
    )
    return announce_news(session, news, destinations)


def announce_again(
    session: Session, study_key: str, identity: str, destinations: Iterable[str]
) -> bool:
    """Tell the last decision of an exam anew, whose patient has another identifier now.

    Who was never told of the exam is not told now: what waits for them is made when it is sent,
    and names the patient of then. False where nobody was told.
    """
    last = session.scalars(
        select(Announcement)
        .where(Announcement.study_key == study_key, Announcement.kind == AnnouncementKind.DECISION)
        .order_by(Announcement.number.desc())
        .limit(1)
    ).first()
    if last is None:
        return False
    told = set(
        session.scalars(
            select(OutgoingMessage.destination)
            .join(Announcement, Announcement.number == OutgoingMessage.announcement)
            .where(Announcement.kind == AnnouncementKind.DECISION)
            .where(OutgoingMessage.study_key == study_key, OutgoingMessage.sha256.is_not(None))
        )
    )
    decision = decision_of(last)
    if decision.identity.partition(".")[0] == identity:
        return True
    # The patient may be whose it was once before: that is told anew.
    update = {"corrected": True, "identity": f"{identity}.{last.number}"}
    names = [name for name in destinations if name in told]
    announce(session, decision.model_copy(update=update), names)
    return True


def announcements(
    session: Session, since: int, limit: int, *conditions: ColumnElement[bool]
) -> Sequence[Announcement]:
    """Decisions that were announced after a number, in order."""
    query = select(Announcement).where(
        Announcement.number > since,
        Announcement.kind == AnnouncementKind.DECISION,
        *conditions,
    )
    return session.scalars(query.order_by(Announcement.number).limit(limit)).all()


def decision_of(told: Announcement) -> Decision:
    """The decision that an announcement tells."""
    return Decision.model_validate(told.content)
