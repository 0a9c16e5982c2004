"""The page of the audit: is the log whole, is the repository told, and entries as a file."""

from __future__ import annotations

import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request, Response

from gransk.archive.tables import SeenStudy
from gransk.oversight.audit import checking, export
from gransk.oversight.audit.sending import waiting
from gransk.reading.seeing import event_horizon
from gransk.site.database import utcnow
from gransk.web.access import Caller, allow
from gransk.web.permissions import Permission
from gransk.web.rendering import page
from gransk.web.seeing import BLINDED, looker_of
from gransk.web.wiring import wiring

Auditor = Annotated[Caller, Depends(allow(Permission.EVENTS))]
router = APIRouter()


@router.get("/audit")
def show_audit(
    request: Request,
    caller: Auditor,
    study: Annotated[str, Query(max_length=64)] = "",
    verify: bool = False,
) -> Response:
    """What may be done; whether everything holds, where that is asked."""
    return _show(request, caller, study=study, verify=verify)


@router.post("/audit/export")
def export_entries(
    request: Request,
    caller: Auditor,
    patient_id: Annotated[str, Form(max_length=128)] = "",
    issuer: Annotated[str, Form(max_length=128)] = "",
    study: Annotated[str, Form(max_length=64)] = "",
    form: Annotated[export.Form, Form()] = "jsonl",
) -> Response:
    """One patient's or one study's entries as a file; this is itself an entry.

    Who can be given an exam that is hidden from them takes nothing out: numbers of events without
    gaps would tell what was done at it.
    """
    patient_id, study = patient_id.strip(), study.strip()
    known = wiring(request)
    with known.database.begin() as session:
        if event_horizon(session, looker_of(known, session, caller)) is not None:
            raise HTTPException(403, BLINDED)
        if bool(patient_id) == bool(study) or (study and session.get(SeenStudy, study) is None):
            found = None
        else:
            found = (
                export.of_study(session, study)
                if study
                else export.of_patient(session, (patient_id, issuer.strip()))
            )
            export.note_exported(session, caller.name, found, form)
    if found is None:
        return _show(request, caller, study=study, error="audit_wants", status=422)
    day = utcnow().astimezone(known.config.zone).date()
    return Response(
        found.written(form),
        media_type=export.MEDIA_TYPES[form],
        headers={"content-disposition": f'attachment; filename="gransk-audit-{day}.{form}"'},
    )


def _show(
    request: Request,
    caller: Caller,
    study: str = "",
    verify: bool = False,
    error: str = "",
    status: int = 200,
) -> Response:
    known = wiring(request)
    noted = checking.notes(known.config.data_folder, ())
    now = utcnow()
    with known.database.read() as session:
        held_back = event_horizon(session, looker_of(known, session, caller)) is not None
        # How many events there are, and which, is what the horizon keeps back.
        found = checking.check(session, noted) if verify and not held_back else None
        cursor, left, seconds = waiting(session, now)
    return page(
        request,
        "audit.html",
        caller,
        status,
        study=study,
        error=error,
        found=found,
        held_back=held_back,
        repository=known.config.audit.repository,
        cursor=None if held_back else cursor,
        left=left,
        since=now - datetime.timedelta(seconds=seconds) if seconds else None,
        forms=export.FORMS,
    )
