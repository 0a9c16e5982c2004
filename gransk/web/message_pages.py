"""Messages to the systems around: what is not delivered, what was refused, decisions by REST."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive.followed import exam_identity
from gransk.core.patients import ExamIdentity
from gransk.delivery import messages
from gransk.delivery.hl7.outgoing import decision_json
from gransk.reading.seeing import Looker, hidden
from gransk.results.decisions import announcements
from gransk.results.message_tables import (
    Announcement,
    AnnouncementKind,
    OutgoingMessage,
    ReceivedMessage,
)
from gransk.web.access import Caller, allow, language_of
from gransk.web.hl7_taking import READS
from gransk.web.permissions import Permission
from gransk.web.rendering import page
from gransk.web.seeing import check_sight, hides_from, looker_of
from gransk.web.texts import text
from gransk.web.wiring import wiring

SHOWN = 200
TOGETHER = 500
Seeing = Annotated[Caller, Depends(allow(Permission.MESSAGES))]
router = APIRouter()


@dataclass(frozen=True)
class MessagesShown:
    """What the page lists: messages out that are not acknowledged, and refused ones in."""

    out: Sequence[OutgoingMessage]
    kinds: Mapping[int, AnnouncementKind]
    """Of what is told, by the number of its announcement."""
    refused: Sequence[ReceivedMessage]


def messages_shown(session: Session, who: Looker) -> MessagesShown:
    """What waits, failed or was refused; the oldest out first, the latest in first.

    Who reads sees neither what tells of an exam that is hidden from the person, nor refused
    reads: that one came in is another's opinion.
    """
    reads = ["^".join(kind) for kind in READS] if who.reads else []
    refused = (
        select(ReceivedMessage)
        .where(ReceivedMessage.taken.is_(False), ReceivedMessage.kind.not_in(reads))
        .order_by(ReceivedMessage.last_at.desc())
        .limit(SHOWN)
    )
    out = messages.undelivered(session, SHOWN, ~hidden(who, OutgoingMessage.study_key))
    return MessagesShown(out, messages.kinds(session, out), session.scalars(refused).all())


@router.get("/messages")
def show_messages(request: Request, caller: Seeing, done: bool | None = None) -> Response:
    """Messages that are not delivered, and those that were not taken."""
    with wiring(request).database.read() as session:
        shown = messages_shown(session, looker_of(wiring(request), session, caller))
    said = "" if done is None else "message_retried" if done else "message_not_retried"
    told = text(said, language_of(request)) if said else ""
    return page(request, "messages.html", caller, shown=shown, message=told)


@router.post("/messages/{row}/retry")
def retry(
    row: str,
    request: Request,
    caller: Seeing,
    back: Annotated[Literal["", "board"], Form()] = "",
) -> Response:
    """Let a failed message be tried again; ``back`` is the page to return to."""
    with wiring(request).database.begin() as session:
        found = session.get(OutgoingMessage, row)
        if found is not None:
            check_sight(wiring(request), session, caller, found.study_key)
        done = messages.rerun(session, row, caller.name)
    if back:
        return RedirectResponse(f"/reading/board?done={'' if done else 'not_'}retried", 303)
    return RedirectResponse(f"/messages?done={str(done).lower()}", 303)


@router.get("/api/decisions")
def list_decisions(
    request: Request,
    caller: Annotated[Caller, Depends(allow(Permission.DECISIONS))],
    since: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=TOGETHER)] = 100,
) -> dict[str, Any]:
    """Decisions that were announced after the cursor ``since``, in order.

    ``cursor`` is what the next call gives as ``since``; asked again it gives the same.
    """
    known = wiring(request)
    with known.database.read() as session:
        hides = hides_from(known, session, caller)
        told = announcements(session, since, limit, ~hides(Announcement.study_key))
        decisions = []
        for one in told:
            exam = exam_identity(session, one.study_key) or ExamIdentity("", "")
            decisions.append(
                decision_json(messages.announced_decision(session, one, exam, known.config.zone))
            )
    return {"decisions": decisions, "cursor": told[-1].number if told else since}
