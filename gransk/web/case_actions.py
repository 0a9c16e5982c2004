"""What a person may do on the page of a case: another try, another place in the queue."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from gransk.archive.studies import ROUTINE, URGENT
from gransk.archive.tables import SeenStudy
from gransk.delivery import deliver
from gransk.pipeline import workitems
from gransk.pipeline.priority import set_priority
from gransk.results.tables import Delivery, Report, Workitem
from gransk.web.access import Caller, allow
from gransk.web.permissions import Permission
from gransk.web.seeing import check_sight
from gransk.web.wiring import wiring

router = APIRouter()


class Done(StrEnum):
    """What became of it: the text that the page then shows."""

    RERUN_STARTED = "rerun_started"
    RERUN_NOT_POSSIBLE = "rerun_not_possible"
    DELIVERY_STARTED = "delivery_started"
    DELIVERY_NOT_POSSIBLE = "delivery_not_possible"
    PRIORITY_SET = "priority_set"
    PRIORITY_NOT_POSSIBLE = "priority_not_possible"
    PROFILE_KEPT = "profile_kept"
    PROFILE_UNCHANGED = "profile_unchanged"
    PROGRAMME_KEPT = "programme_kept"


def study_of(session: Session, key: str) -> SeenStudy:
    """The study of a key; 404 where there is none."""
    study = session.get(SeenStudy, key)
    if study is None:
        raise HTTPException(404)
    return study


@router.post("/studies/{key}/rerun")
def rerun(
    key: str,
    request: Request,
    workitem: Annotated[str, Form()],
    caller: Annotated[Caller, Depends(allow(Permission.RERUN))],
) -> Response:
    """Analyse a study again that failed or was refused."""
    with wiring(request).database.begin() as session:
        check_sight(wiring(request), session, caller, key)
        item = session.get(Workitem, workitem)
        if item is None or item.study_key != key:
            raise HTTPException(404)
        started = workitems.rerun(session, workitem, caller.name)
    return _back(key, Done.RERUN_STARTED if started else Done.RERUN_NOT_POSSIBLE)


@router.post("/studies/{key}/deliver")
def deliver_again(
    key: str,
    request: Request,
    delivery: Annotated[str, Form()],
    caller: Annotated[Caller, Depends(allow(Permission.RERUN))],
) -> Response:
    """Send an object again, or remove it again, where that had failed for good."""
    with wiring(request).database.begin() as session:
        check_sight(wiring(request), session, caller, key)
        line = session.get(Delivery, delivery)
        report = session.get(Report, line.report_key) if line else None
        item = session.get(Workitem, report.workitem_id) if report else None
        if item is None or item.study_key != key:
            raise HTTPException(404)
        started = deliver.rerun(session, delivery, caller.name)
    return _back(key, Done.DELIVERY_STARTED if started else Done.DELIVERY_NOT_POSSIBLE)


@router.post("/studies/{key}/priority")
def prioritise(
    key: str,
    request: Request,
    urgent: Annotated[bool, Form()],
    caller: Annotated[Caller, Depends(allow(Permission.PRIORITY))],
) -> Response:
    """Analyse a waiting study before the others, or in its turn again."""
    with wiring(request).database.begin() as session:
        study = study_of(session, key)
        check_sight(wiring(request), session, caller, key)
        changed = set_priority(session, study, URGENT if urgent else ROUTINE, caller.name)
    return _back(key, Done.PRIORITY_SET if changed else Done.PRIORITY_NOT_POSSIBLE)


def _back(key: str, done: Done) -> Response:
    return RedirectResponse(f"/studies/{key}?done={done}", 303)
