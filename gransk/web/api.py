"""The REST interface."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

import gransk
from gransk.archive.orthanc import ArchiveRefusedError, ArchiveUnavailableError
from gransk.archive.tables import SeenStudy
from gransk.results.tables import ExamProgramme, Workitem
from gransk.site.config_priority import PrioritySection
from gransk.web import editing, worklist
from gransk.web.access import Caller, allow, language_of
from gransk.web.dicomweb import limited, note_stored
from gransk.web.permissions import Permission
from gransk.web.programme_pages import programme_json
from gransk.web.seeing import looker_of, sees_all
from gransk.web.wiring import wiring
from gransk.web.worklist import urgent_json

INSTANCE_MB = 1024
"""Largest single DICOM object that ``POST /api/studies`` takes."""

router = APIRouter()
Reader = Annotated[Caller, Depends(allow(Permission.WORKLIST))]


@router.get("/api/health", dependencies=[Depends(allow(Permission.PUBLIC))])
def health() -> dict[str, str]:
    """The service answers; says nothing of patients."""
    return {"status": "ok", "version": gransk.__version__}


@router.post("/nudge", dependencies=[Depends(allow(Permission.NUDGE))])
def nudge(request: Request) -> dict[str, str]:
    """Orthanc's plugin tells that something changed."""
    wiring(request).nudge()
    return {"status": "ok"}


@router.get("/api/worklist")
def list_studies(
    request: Request, query: Annotated[worklist.Query, Query()], caller: Reader
) -> dict[str, Any]:
    """One page of the worklist."""
    known, language = wiring(request), language_of(request)
    with known.database.read() as session:
        who = looker_of(known, session, caller)
        shown = worklist.page(session, query, language, known.applications, known.lines, who)
    return {
        "total": shown.total,
        "page": query.page,
        "pages": shown.pages,
        "counts": {state.value: count for state, count in shown.counts.items()},
        "studies": [row_json(row, known.config.priority) for row in shown.rows],
    }


@router.get("/api/studies/{key}")
def show_study(key: str, request: Request, caller: Reader) -> list[dict[str, Any]]:
    """One study: a row for each application, with released findings."""
    known, language = wiring(request), language_of(request)
    with known.database.read() as session:
        study = session.get(SeenStudy, key)
        if study is None:
            raise HTTPException(404)
        items = session.scalars(select(Workitem).where(Workitem.study_key == key)).all()
        if not sees_all(known, session, caller, key):
            programme = session.get(ExamProgramme, key)
            hidden = [worklist.to_read(study, item, programme) for item in items]
            return [row_json(row, known.config.priority) for row in hidden]
        rows: list[Workitem | None] = [*items] or [None]
        answer = []
        for item in rows:
            row = worklist.make_row(
                session,
                study,
                item,
                language,
                known.applications,
                known.lines,
                session.get(ExamProgramme, key),
            )
            found = row_json(row, known.config.priority)
            if item is not None and row.line is not None:
                shown = editing.edited(known, session, item)
                left_out = {"candidates", "frames"}
                found["result"] = shown.findings.model_dump(mode="json", exclude=left_out)
                signed = shown.signature
                found["signed"] = None if signed is None else signed.model_dump(mode="json")
            answer.append(found)
    return answer


@router.post("/api/studies", status_code=201)
async def store(
    request: Request, caller: Annotated[Caller, Depends(allow(Permission.STORE))]
) -> JSONResponse:
    """Store one DICOM object, the request's body (``application/dicom``), in the archive."""
    if not request.headers.get("content-type", "").lower().startswith("application/dicom"):
        raise HTTPException(415)
    limit = min(INSTANCE_MB, wiring(request).config.service.max_upload_mb) * 1024 * 1024
    content = b"".join([chunk async for chunk in limited(request, limit)])
    if content[128:132] != b"DICM":
        raise HTTPException(422, "not DICOM")
    try:
        stored = await run_in_threadpool(wiring(request).orthanc.store, content)
    except ArchiveRefusedError as error:
        raise HTTPException(422, "refused") from error
    except ArchiveUnavailableError as error:
        raise HTTPException(502, "orthanc") from error
    wiring(request).nudge()
    await run_in_threadpool(note_stored, request, caller)
    return JSONResponse({"stored": stored}, 201)


def _priority(row: worklist.Row) -> int:
    if row.state is worklist.Blinded.TO_READ:
        return 0
    return row.item.priority if row.item else row.study.priority


def row_json(row: worklist.Row, rules: PrioritySection) -> dict[str, Any]:
    """A row of the worklist as JSON."""
    item = row.item
    return {
        "key": row.study.key,
        "study_instance_uid": row.study.study_instance_uid,
        "patient_name": row.study.patient_name,
        "patient_id": row.study.patient_id,
        "patient_birth_date": row.study.patient_birth_date,
        "study_date": row.study.study_date,
        "description": row.study.description,
        "accession_number": row.study.accession_number,
        "images": row.study.images,
        "application": item.application if item else "",
        "state": row.state.value,
        "reason": (item.reason or "") if item else "",
        "reason_text": row.reason,
        "step": item.step if item else "",
        "share": item.share if item else 0.0,
        "incomplete": item.incomplete if item else False,
        "findings": row.line,
        "programme": programme_json(row.programme),
        "priority": _priority(row),
        "urgent": urgent_json(row.urgency, rules),
        "received_at": row.received_at.isoformat(),
    }
