"""The reading worklist, the page of a case, the event log, the source."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import func, select
from sqlalchemy.orm import Session

import gransk
from gransk.archive.tables import SeenStudy
from gransk.core.findings import Finding, Findings
from gransk.pipeline import workitems
from gransk.results.store import BlobError
from gransk.results.tables import Analysis, Delivery, ReportObject, Workitem
from gransk.site.events import EventKind, record, verify
from gransk.site.tables import Event
from gransk.web import worklist
from gransk.web.access import Caller, allow, language_of
from gransk.web.permissions import Permission
from gransk.web.rendering import page
from gransk.web.status import status
from gransk.web.texts import text
from gransk.web.wiring import Wiring, wiring

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
        **_list(request, query),
        strip=status(wiring(request), language_of(request)),
    )


class Seen(worklist.Query):
    """A query, and the digest of the list that the browser shows."""

    seen: str = ""


@router.get("/worklist/list")
def show_list(request: Request, query: Annotated[Seen, Query()], caller: Reader) -> Response:
    """The list alone, for the page that is open; nothing where nothing changed."""
    asked = worklist.Query(**query.model_dump(exclude={"seen"}))
    values = _list(request, asked)
    if values["seen"] == query.seen:
        return Response(status_code=204)
    return page(request, "list.html", caller, **values)


@router.get("/status")
def show_status(request: Request, caller: Reader) -> Response:
    """The status strip alone."""
    return page(request, "status.html", caller, strip=status(wiring(request), language_of(request)))


def _list(request: Request, query: worklist.Query) -> dict[str, Any]:
    known, language = wiring(request), language_of(request)
    with known.database.read() as session:
        shown = worklist.page(session, query, language, known.applications, known.lines)
    content = repr([shown.counts, [_look(row) for row in shown.rows]])
    seen = hashlib.sha256(content.encode()).hexdigest()[:16]
    return {"page": shown, "seen": seen}


def _look(row: worklist.Row) -> tuple[Any, ...]:
    """Everything of a row that may change while the list is shown."""
    running = (row.item.step, round(row.item.share, 2)) if row.item else ()
    study = row.study
    named = (study.patient_name, study.patient_id, study.description, study.images)
    return (study.key, row.state, row.reason, row.line, running, row.received_at, named)


@dataclass(frozen=True)
class Case:
    """One application's part of a case page; findings only once released."""

    row: worklist.Row
    findings: Findings | None
    details: list[tuple[Finding, list[tuple[str, str]]]]
    choice: list[str]
    notes: list[str]
    deliveries: list[tuple[ReportObject, Delivery]]
    seconds: float | None


@router.get("/studies/{key}")
def show_case(key: str, request: Request, caller: Reader, done: str = "") -> Response:
    """One study: findings, why these images, models, delivery, events."""
    known, language = wiring(request), language_of(request)
    with known.database.begin() as session:
        study = _study(session, key)
        record(session, caller.name, EventKind.STUDY_OPENED, key)
    with known.database.read() as session:
        items = session.scalars(
            select(Workitem).where(Workitem.study_key == key).order_by(Workitem.application)
        ).all()
        rows: list[Workitem | None] = [*items] or [None]
        cases = [_case(known, session, study, item, language) for item in rows]
        events = session.scalars(
            select(Event)
            .where(Event.subject == key)
            .order_by(Event.number.desc())
            .limit(EVENTS_SHOWN)
        ).all()
    message = text(done, language) if done in ("rerun_started", "rerun_not_possible") else ""
    return page(
        request,
        "case.html",
        caller,
        study=study,
        cases=cases,
        events=events,
        subjects=False,
        message=message,
    )


def _study(session: Session, key: str) -> SeenStudy:
    study = session.get(SeenStudy, key)
    if study is None:
        raise HTTPException(404)
    return study


def _case(
    known: Wiring, session: Session, study: SeenStudy, item: Workitem | None, language: str
) -> Case:
    row = worklist.make_row(session, study, item, language, known.applications, known.lines)
    if item is None or row.line is None:
        return Case(row, None, [], [], [], [], None)
    presentation = known.applications[item.application].presentation
    try:
        findings = known.findings(session, str(item.analysis_key))
    except (BlobError, KeyError):
        return Case(row, None, [], [], [], [], None)
    sent = session.execute(
        select(ReportObject, Delivery)
        .join(Delivery, Delivery.sop_instance_uid == ReportObject.sop_instance_uid)
        .where(ReportObject.report_key == item.report_key)
        .order_by(Delivery.destination, ReportObject.kind)
    ).all()
    analysis = session.get(Analysis, item.analysis_key)
    return Case(
        row=row,
        findings=findings,
        details=[(f, presentation.details(f, language)) for f in findings.findings],
        choice=[presentation.text(note, language) for note in findings.choice],
        notes=[presentation.text(note, language) for note in findings.notes],
        deliveries=[(made, delivery) for made, delivery in sent],
        seconds=analysis.seconds if analysis else None,
    )


@router.post("/studies/{key}/rerun")
def rerun(
    key: str,
    request: Request,
    workitem: Annotated[str, Form()],
    caller: Annotated[Caller, Depends(allow(Permission.RERUN))],
) -> Response:
    """Analyse a study again that failed or was refused."""
    with wiring(request).database.begin() as session:
        item = session.get(Workitem, workitem)
        if item is None or item.study_key != key:
            raise HTTPException(404)
        started = workitems.rerun(session, workitem, caller.name)
    done = "rerun_started" if started else "rerun_not_possible"
    return RedirectResponse(f"/studies/{key}?done={done}", 303)


@router.get("/events")
def show_events(
    request: Request,
    caller: Annotated[Caller, Depends(allow(Permission.EVENTS))],
    before: int | None = None,
) -> Response:
    """The event log, newest first, and whether its chain is whole."""
    with wiring(request).database.read() as session:
        shown = select(Event).order_by(Event.number.desc()).limit(EVENTS_SHOWN)
        if before is not None:
            shown = shown.where(Event.number < before)
        events = session.scalars(shown).all()
        broken = verify(session)
        count = session.scalar(select(func.count()).select_from(Event))
    more = bool(events) and events[-1].number > 1
    return page(
        request,
        "events.html",
        caller,
        events=events,
        subjects=True,
        broken=broken,
        count=count,
        older=events[-1].number if more else None,
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
