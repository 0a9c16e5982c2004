"""Deliveries: how each destination stands, what did not arrive, and another try at it."""

from __future__ import annotations

import datetime
import logging
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from gransk.delivery import deliver, overview
from gransk.results.blobs import BlobError
from gransk.results.router import Router, route_again
from gransk.results.tables import Delivery, Report, Workitem
from gransk.site.database import utcnow
from gransk.web.access import Caller, allow, language_of
from gransk.web.permissions import Permission
from gransk.web.rendering import page
from gransk.web.seeing import check_sight, hides_from
from gransk.web.texts import text
from gransk.web.wiring import wiring

SHOWN = 200
TOGETHER = 500
"""Reports that one click may send on."""
LOOKED_AT = 5000
"""Reports of which one click asks whether the rules want them there."""
LONGEST_DAYS = 3660
DONE = ("delivery_started", "delivery_not_possible", "deliveries_started", "deliveries_sent_on")
Seeing = Annotated[Caller, Depends(allow(Permission.MESSAGES))]
router = APIRouter()
log = logging.getLogger(__name__)


@router.get("/deliveries")
def show_deliveries(request: Request, caller: Seeing, done: str = "", count: int = 0) -> Response:
    """Each destination as it stands, and what is not there."""
    known = wiring(request)
    with known.database.read() as session:
        hides = hides_from(known, session, caller)
        standings = overview.standings(session, known.config.destinations, hides)
        rows = overview.undelivered(session, SHOWN, hides)
    said = text(done, language_of(request), count=str(count)) if done in DONE else ""
    return page(
        request,
        "deliveries.html",
        caller,
        standings=standings,
        rows=rows,
        more=len(rows) == SHOWN,
        names=[one.name for one in known.config.destinations],
        days=LONGEST_DAYS,
        message=said,
    )


@router.get("/api/deliveries")
def list_deliveries(
    request: Request, caller: Annotated[Caller, Depends(allow(Permission.DELIVERIES))]
) -> dict[str, Any]:
    """Each destination as it stands; instants as ISO 8601, counts of objects."""
    known = wiring(request)
    with known.database.read() as session:
        hides = hides_from(known, session, caller)
        found = overview.standings(session, known.config.destinations, hides)
    return {"destinations": [_json(one) for one in found]}


@router.post("/deliveries/{row}/retry")
def retry(row: str, request: Request, caller: Seeing) -> Response:
    """Let an object be sent, hidden or removed again, where that failed for good."""
    known = wiring(request)
    with known.database.begin() as session:
        line = session.get(Delivery, row)
        if line is not None:
            report = session.get_one(Report, line.report_key)
            item = session.get_one(Workitem, report.workitem_id)
            check_sight(known, session, caller, item.study_key)
        done = deliver.rerun(session, row, caller.name)
    return _back("delivery_started" if done else "delivery_not_possible")


@router.post("/deliveries/retry")
def retry_all(request: Request, caller: Seeing, destination: Annotated[str, Form()]) -> Response:
    """Let everything be tried again that failed at a destination."""
    known = wiring(request)
    with known.database.read() as session:
        hides = hides_from(known, session, caller)
        ids = overview.failed_at(session, destination, hides)
    count = overview.rerun_all(known.database, ids, caller.name)
    return _back("deliveries_started", count)


@router.post("/deliveries/send")
def send_on(
    request: Request,
    caller: Seeing,
    destination: Annotated[str, Form()],
    days: Annotated[int, Form(ge=1, le=LONGEST_DAYS)],
) -> Response:
    """Send reports of the last days to a destination that was added later, by its rules."""
    known = wiring(request)
    if destination not in {one.name for one in known.config.destinations}:
        raise HTTPException(404)
    since = utcnow() - datetime.timedelta(days=days)
    routes = Router(known.config.destinations, known.blobs, known.config.reading)
    with known.database.read() as session:
        hides = hides_from(known, session, caller)
        keys = overview.never_sent(session, destination, since, LOOKED_AT, hides)
    count = 0
    for key in keys:
        try:
            with known.database.begin() as session:
                count += bool(route_again(session, key, caller.name, routes, [destination]))
        except BlobError as error:
            log.error("report %s is not sent on: %s", key[:12], error)
        if count == TOGETHER:
            break
    return _back("deliveries_sent_on", count)


def _json(one: overview.Standing) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": one.kind,
        "waiting": one.waiting,
        "oldest": _instant(one.oldest),
        "failed": one.failed,
        "sent": one.sent,
        "last_sent": _instant(one.last_sent),
        "commitment": {"asked": one.commits, "open": one.uncommitted},
        "superseded": {"hidden": one.hidden, "kept": one.kept, "removed": one.removed},
        "error": one.error,
    }


def _instant(at: datetime.datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")


def _back(done: str, count: int = 0) -> Response:
    return RedirectResponse(f"/deliveries?{urlencode({'done': done, 'count': count})}", 303)
