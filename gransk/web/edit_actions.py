"""What a person may do on findings: confirm, reject, relabel, add, take back, sign."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from gransk.core.application import Application, FollowsUp, Place
from gransk.core.findings import Quality
from gransk.pipeline import workitems
from gransk.results import edits
from gransk.results.blobs import BlobError
from gransk.results.edits import EditError, Person, Seen
from gransk.results.tables import Workitem
from gransk.site.events import EventKind
from gransk.web import editing
from gransk.web.access import Caller, allow, language_of
from gransk.web.case_actions import study_of
from gransk.web.permissions import Permission, role_for
from gransk.web.rendering import page
from gransk.web.seeing import check_sight
from gransk.web.wiring import Wiring, wiring

router = APIRouter()
Colleague = Annotated[Caller, Depends(allow(Permission.PREPARE))]
Key = Annotated[str, Form(max_length=64)]


class EditDone(StrEnum):
    """What became of it: the text that the page then shows."""

    CONFIRMED = "edit_confirmed"
    REJECTED = "edit_rejected"
    RELABELLED = "edit_relabelled"
    ADDED = "edit_added"
    WITHDRAWN = "edit_withdrawn"
    SIGNED = "edit_signed"
    NOT_POSSIBLE = "edit_not_possible"
    NOTHING = "edit_nothing"
    CHANGED = "edit_changed"
    NOT_YET = "edit_not_yet"
    NOT_YOURS = "edit_not_yours"
    NO_PLACE = "edit_no_place"


@dataclass(frozen=True)
class Desk:
    """What an act is done on."""

    session: Session
    item: Workitem
    application: Application
    shown: editing.Edited
    seen: Seen
    by: Person

    def finding(self, uid: str) -> str:
        """A finding that is there; 404 where it is not."""
        if uid not in {finding.tracking_uid for finding in self.shown.findings.findings}:
            raise HTTPException(404)
        return uid


def act(
    request: Request,
    key: str,
    workitem: str,
    caller: Caller,
    do: Callable[[Desk], EditDone],
    permission: Permission = Permission.PREPARE,
) -> Response:
    """Do an act and ask for a new report, in one transaction; then back to the case."""
    known = wiring(request)
    with known.database.begin() as session:
        study_of(session, key)
        check_sight(known, session, caller, key)
        item = session.get(Workitem, workitem, with_for_update=True)
        if item is None or item.study_key != key:
            raise HTTPException(404)
        desk = _desk(known, session, item, caller, permission)
        done = EditDone.NOT_POSSIBLE if desk is None else _tried(desk, do)
        if done in CHANGES:
            workitems.report_again(session, item.id, caller.name, EventKind.ANALYSIS_QUEUED)
    return RedirectResponse(f"/studies/{key}?done={done}", 303)


CHANGES = frozenset(list(EditDone)[:6])
"""What makes a new report."""

CODES = {
    "act_of_another": EditDone.NOT_YOURS,
    "act_unmeasured": EditDone.NOT_YET,
    "act_unknown": EditDone.CHANGED,
    "act_withdrawn": EditDone.CHANGED,
}


def _tried(desk: Desk, do: Callable[[Desk], EditDone]) -> EditDone:
    try:
        return do(desk)
    except EditError as error:
        return CODES[error.code]


def _desk(
    known: Wiring, session: Session, item: Workitem, caller: Caller, permission: Permission
) -> Desk | None:
    """None where no released report of the present images is there."""
    application = known.applications.get(item.application)
    account = caller.account
    report = editing.standing_report(session, item)
    if application is None or report is None or account is None:
        return None
    try:
        shown = editing.edited(known, session, item)
    except (BlobError, KeyError, ValueError):
        return None
    by = Person(account.name, account.full_name, role_for(account.roles, permission).value)
    return Desk(session, item, application, shown, Seen.of(item), by)


@router.post("/studies/{key}/findings/confirm")
def confirm(key: str, request: Request, workitem: Key, finding: Key, caller: Colleague) -> Response:
    """It is one."""

    def do(desk: Desk) -> EditDone:
        edits.confirm(desk.session, desk.seen, desk.by, desk.finding(finding))
        return EditDone.CONFIRMED

    return act(request, key, workitem, caller, do)


@router.post("/studies/{key}/findings/reject")
def reject(
    key: str,
    request: Request,
    workitem: Key,
    finding: Key,
    reason: Key,
    caller: Colleague,
    words: Annotated[str, Form(max_length=edits.WORDS)] = "",
) -> Response:
    """It is none, and why."""

    def do(desk: Desk) -> EditDone:
        if reason not in desk.application.presentation.rejections:
            raise HTTPException(422)
        uid = desk.finding(finding)
        edits.reject(desk.session, desk.seen, desk.by, uid, reason, words.strip())
        return EditDone.REJECTED

    return act(request, key, workitem, caller, do)


@router.post("/studies/{key}/findings/relabel")
def relabel(
    key: str,
    request: Request,
    workitem: Key,
    finding: Key,
    caller: Colleague,
    labels: Annotated[list[str], Form(max_length=32)],
) -> Response:
    """Its properties, each as ``name=value``; empty ones stay as they are."""

    def do(desk: Desk) -> EditDone:
        uid = desk.finding(finding)
        chosen = [_label(desk.application, label) for label in labels if label]
        if not chosen:
            return EditDone.NOTHING
        edits.relabel(desk.session, desk.seen, desk.by, uid, [q for qs in chosen for q in qs])
        return EditDone.RELABELLED

    return act(request, key, workitem, caller, do)


def _label(application: Application, label: str) -> tuple[Quality, ...]:
    name, _, value = label.partition("=")
    try:
        return application.presentation.labels[name][value]
    except KeyError as error:
        raise HTTPException(422) from error


@router.post("/studies/{key}/findings/add")
def add(
    key: str,
    request: Request,
    workitem: Key,
    image: Annotated[int, Form(ge=1)],
    caller: Colleague,
    column: Annotated[float, Form(ge=0, le=65536)] = 0.0,
    row: Annotated[float, Form(ge=0, le=65536)] = 0.0,
    scale: Annotated[float, Form(gt=0, le=64)] = 1.0,
    clicked_x: Annotated[float, Form(ge=0, alias="point.x")] = 0.0,
    clicked_y: Annotated[float, Form(ge=0, alias="point.y")] = 0.0,
) -> Response:
    """A finding at a place on an image: clicked on, or typed as column and row.

    Parameters
    ----------
    image : int
        Among the analysed images, from 1.
    column, row : float
        DICOM image coordinates.
    scale : float
        Pixels of the page for one of the image, for a click.
    """

    def do(desk: Desk) -> EditDone:
        frames = desk.shown.findings.frames
        if not isinstance(desk.application, FollowsUp):
            return EditDone.NOT_POSSIBLE
        if image > len(frames):
            raise HTTPException(404)
        clicked = (clicked_x / scale, clicked_y / scale)
        where = clicked if any(clicked) else (column, row)
        if not all(where):
            return EditDone.NO_PLACE
        frame = frames[image - 1]
        place = Place(frame.sop_instance_uid, *where, frame=frame.frame)
        edits.add(desk.session, desk.seen, desk.by, place)
        return EditDone.ADDED

    return act(request, key, workitem, caller, do)


@router.post("/studies/{key}/findings/withdraw")
def withdraw(
    key: str, request: Request, workitem: Key, number: Annotated[int, Form()], caller: Colleague
) -> Response:
    """Take an own act back."""

    def do(desk: Desk) -> EditDone:
        edits.withdraw(desk.session, desk.seen, desk.by, number)
        return EditDone.WITHDRAWN

    return act(request, key, workitem, caller, do)


@router.post("/studies/{key}/sign")
def sign(
    key: str,
    request: Request,
    workitem: Key,
    report: Key,
    caller: Annotated[Caller, Depends(allow(Permission.SIGN))],
) -> Response:
    """Sign the report that the page showed; not another that was made meanwhile."""

    def do(desk: Desk) -> EditDone:
        if desk.item.report_key != report:
            return EditDone.CHANGED
        if desk.item.state in workitems.OPEN:
            return EditDone.NOT_YET
        if desk.shown.signature is not None:
            return EditDone.NOT_POSSIBLE
        edits.sign(desk.session, desk.seen, desk.by)
        return EditDone.SIGNED

    return act(request, key, workitem, caller, do, Permission.SIGN)


@router.get("/studies/{key}/desk/{workitem}")
def show_desk(
    key: str,
    workitem: str,
    request: Request,
    caller: Annotated[Caller, Depends(allow(Permission.WORKLIST))],
) -> Response:
    """Who prepared and signed, alone, for a page that waits for the new report."""
    known = wiring(request)
    with known.database.read() as session:
        study = study_of(session, key)
        check_sight(known, session, caller, key)
        item = session.get(Workitem, workitem)
        if item is None or item.study_key != key:
            raise HTTPException(404)
        report = editing.standing_report(session, item)
        application = known.applications.get(item.application)
        if report is None or application is None:
            raise HTTPException(404)
        shown = editing.edited(known, session, item)
    found = editing.desk(item, report, shown, application, caller, language_of(request))
    return page(request, "desk.html", caller, study=study, desk=found)
