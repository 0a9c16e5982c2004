"""How the suite runs: a page, figures for Prometheus, and whether it is ready."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from gransk.oversight import alarms_text
from gransk.oversight.alarms import open_alarms
from gransk.oversight.metrics import Figures, written
from gransk.oversight.readiness import readiness
from gransk.oversight.running import alive, nothing_hidden, running
from gransk.site.database import utcnow
from gransk.site.settings import latest_settings
from gransk.web.access import Caller, allow, language_of
from gransk.web.bars import bars, by_hour
from gransk.web.permissions import Permission
from gransk.web.rendering import page
from gransk.web.seeing import hides_from, holds_back
from gransk.web.wiring import wiring

router = APIRouter()


@router.get("/api/ready", dependencies=[Depends(allow(Permission.PUBLIC))])
def ready(request: Request) -> JSONResponse:
    """Is the suite able to work? 503 where it is not, with the part that fails."""
    known = wiring(request)
    intake = known.intake.status() if known.intake else None
    seconds = known.config.workers.lost_after_seconds
    parts = readiness(known.database, known.version(), intake, seconds)
    good = all(parts.values())
    content = {"ready": good, "parts": {part.value: holds for part, holds in parts.items()}}
    return JSONResponse(content, 200 if good else 503)


@router.get("/metrics")
def metrics(
    request: Request, caller: Annotated[Caller, Depends(allow(Permission.METRICS))]
) -> Response:
    """The figures in Prometheus' text format.

    A machine is told nothing of how an exam ended that is still held in the reading room, and a
    person nothing of what the person may not see.
    """
    known = wiring(request)
    machine = caller.account is None
    with known.database.read() as session:
        hides = holds_back(known, session) if machine else hides_from(known, session, caller)
        waiting = nothing_hidden if machine else hides
        found = running(session, known.config, hides, utcnow(), waiting_hides=waiting)
        latest = latest_settings(session)
        events = known.event_counts(session) if machine else None
        alarms = Counter(one.kind for one in open_alarms(session))
    intake = known.intake.status() if known.intake else None
    figures = Figures(found, intake, latest.number if latest else 0, events, alarms.items())
    content, kind = written(figures, request.headers.get("accept", ""))
    return Response(content, media_type=kind)


@router.get("/monitoring")
def show_monitoring(
    request: Request, caller: Annotated[Caller, Depends(allow(Permission.MONITORING))]
) -> Response:
    """How the suite runs, for sites without a monitoring of their own."""
    known, language = wiring(request), language_of(request)
    with known.database.read() as session:
        hides = hides_from(known, session, caller)
        found = running(session, known.config, hides, utcnow())
        lasting = open_alarms(session)
    intake = known.intake.status() if known.intake else None
    return page(
        request,
        "monitoring.html",
        caller,
        found=found,
        lasting=lasting,
        alarm_title=lambda a: alarms_text.title_of(a.kind, a.about, a.figures, language),
        alive=alive(found.workers),
        intake=intake.text(language) if intake and intake.cause else "",
        orthanc=known.version(),
        titles={name: app.presentation.title[language] for name, app in known.applications.items()},
        drawn=bars(by_hour(found.hours, known.config.zone)),
    )
