"""The reading worklist, the event log, the source."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import select

import gransk
from gransk.reading.seeing import event_horizon
from gransk.site import events
from gransk.site.anchor import read_anchor
from gransk.site.tables import Event
from gransk.web import worklist
from gransk.web.access import Caller, allow, language_of
from gransk.web.permissions import Permission
from gransk.web.rendering import page
from gransk.web.seeing import looker_of
from gransk.web.status import Status, status
from gransk.web.wiring import wiring

EVENTS_SHOWN = 200
Reader = Annotated[Caller, Depends(allow(Permission.WORKLIST))]
Asked = Annotated[worklist.Query, Query()]

router = APIRouter()


@router.get("/")
def show_worklist(request: Request, query: Asked, caller: Reader) -> Response:
    """The reading worklist."""
    return page(
        request,
        "worklist.html",
        caller,
        **_list(request, query, caller),
        strip=_strip(request, caller),
    )


class Seen(worklist.Query):
    """A query, and the digest of the list that the browser shows."""

    seen: str = ""


@router.get("/worklist/list")
def show_list(request: Request, query: Annotated[Seen, Query()], caller: Reader) -> Response:
    """The list alone, for the page that is open; nothing where nothing changed."""
    asked = worklist.Query(**query.model_dump(exclude={"seen"}))
    values = _list(request, asked, caller)
    if values["seen"] == query.seen:
        return Response(status_code=204)
    return page(request, "list.html", caller, **values)


@router.get("/status")
def show_status(request: Request, caller: Reader) -> Response:
    """The status strip alone."""
    return page(request, "status.html", caller, strip=_strip(request, caller))


def _strip(request: Request, caller: Caller) -> Status:
    known = wiring(request)
    with known.database.read() as session:
        who = looker_of(known, session, caller)
    return status(known, language_of(request), who)


def _list(request: Request, query: worklist.Query, caller: Caller) -> dict[str, Any]:
    known, language = wiring(request), language_of(request)
    with known.database.read() as session:
        who = looker_of(known, session, caller)
        shown = worklist.page(session, query, language, known.applications, known.lines, who)
    content = repr([shown.counts, [_look(row) for row in shown.rows]])
    seen = hashlib.sha256(content.encode()).hexdigest()[:16]
    return {"page": shown, "seen": seen}


def _look(row: worklist.Row) -> tuple[Any, ...]:
    """Everything of a row that may change while the list is shown."""
    running = (row.item.step, round(row.item.share, 2)) if row.item else ()
    study = row.study
    named = (study.patient_name, study.patient_id, study.description, study.images)
    kept = (row.programme.programme, row.programme.conflict) if row.programme else ()
    moved = (row.urgency.level, row.urgency.rule, row.urgent_before) if row.urgency else ()
    shown = (row.state, row.reason, row.line, running, row.received_at)
    return (study.key, *shown, named, kept, moved)


@router.get("/events")
def show_events(
    request: Request,
    caller: Annotated[Caller, Depends(allow(Permission.EVENTS))],
    before: Annotated[int | None, Query(ge=1)] = None,
    verify: bool = False,
) -> Response:
    """The event log, newest first; whether its chain is whole, where that is asked.

    Parameters
    ----------
    before : int, optional
        Show events of lower numbers; the newest where absent.
    verify : bool
        Walk the whole chain, to the event noted outside the database.
    """
    known = wiring(request)
    noted = read_anchor(known.config.data_folder)
    with known.database.read() as session:
        horizon = event_horizon(session, looker_of(known, session, caller))
        last, _ = events.head(session)
        last = last if horizon is None else horizon - 1
        first = min(before or last + 1, last + 1)
        shown = session.scalars(
            select(Event)
            .where(Event.number < first)
            .order_by(Event.number.desc())
            .limit(EVENTS_SHOWN)
        ).all()
        broken = events.verify(session, noted) if verify else None
    return page(
        request,
        "events.html",
        caller,
        events=shown,
        subjects=True,
        verified=verify,
        broken=broken if broken is None or horizon is None else min(broken, horizon),
        count=last,
        held_back=horizon is not None,
        before=before,
        newer=min(first + EVENTS_SHOWN, last + 1) if first <= last else None,
        older=shown[-1].number if shown and shown[-1].number > 1 else None,
    )


@router.get("/source", dependencies=[Depends(allow(Permission.PUBLIC))])
def source(request: Request) -> Response:
    """The source of the running version, as AGPL section 13 asks."""
    name = f"gransk-{gransk.__version__}.tar.gz"
    return Response(
        wiring(request).source.content(),
        media_type="application/gzip",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )
