"""``GET /fhir/Task``: the reads that are wanted, as FHIR R4 (docs/fhir.md).

There is a task for each study that an application takes, from its arrival, whatever is found in
it. Who may not see the exam is told that it is to be read and nothing else; so is a machine, of an
exam in the reading room whose reports are held.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import (
    ColumnElement,
    Label,
    Select,
    and_,
    case,
    false,
    func,
    null,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.orm import Session, aliased

from gransk.archive.followed import exam_identity
from gransk.archive.tables import Purpose, SeenStudy
from gransk.core.patients import ExamIdentity
from gransk.delivery.fhir.codes import (
    ACCOUNT,
    Json,
    order,
    patient_identifier,
    spoken,
    uid_identifier,
)
from gransk.delivery.fhir.report import instant
from gransk.reading.entries import Kind, TaskKind
from gransk.reading.exam import State, TaskState
from gransk.reading.exam_tables import EntryRow, ExamRow, TaskRow
from gransk.reading.urgent import stands
from gransk.results.tables import Workitem, WorkState
from gransk.results.urgency import Level, Urgency
from gransk.results.versions import SIGNED, ReportStatus, ReportVersion
from gransk.site.database import UtcDateTime
from gransk.site.tables import Account
from gransk.web.access import Caller, allow
from gransk.web.fhir_search import (
    ORDER,
    PATIENT,
    Asked,
    SearchError,
    after,
    asked,
    dated,
    not_found,
    of_exam,
    of_order,
    of_patient,
    outcome,
    resource,
    searchset,
    tokens,
)
from gransk.web.permissions import Permission
from gransk.web.seeing import hides_from, holds_back
from gransk.web.wiring import Wiring, wiring

KIND = "Task"
PARAMETERS = (
    "_id", "_lastUpdated", "status", "owner", "owner:identifier", "priority", "identifier",
    *PATIENT, *ORDER,
)  # fmt: skip
REQUESTED, STARTED, COMPLETED, CANCELLED = "requested", "in-progress", "completed", "cancelled"
ROUTINE, URGENT, STAT = "routine", "urgent", "stat"
TASK_CODES = "http://hl7.org/fhir/CodeSystem/task-code"
Reads = Annotated[Caller, Depends(allow(Permission.RESULTS))]
router = APIRouter()


class Row(NamedTuple):
    """A task as far as the caller may know of it."""

    item: Workitem
    study: SeenStudy
    status: str
    priority: str
    rule: str | None
    updated: datetime.datetime
    started: datetime.datetime | None
    ended: datetime.datetime | None
    owner: str | None
    report: int | None


@router.get("/fhir/Task")
def search(request: Request, caller: Reads) -> Response:
    """Search the reads that are wanted, in the order of their last change."""
    known = wiring(request)
    try:
        wanted = asked(request, PARAMETERS)
        with known.database.read() as session:
            query, columns = _tasks(known, session, caller)
            query = query.where(*_conditions(known, wanted, columns))
            total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
            updated = columns["updated"]
            page = query.where(*after(wanted.after, updated, Workitem.id))
            page = page.order_by(updated, Workitem.id).limit(wanted.count + 1)
            found = _rows(session, page) if wanted.count else []
            rows = found[: wanted.count]
            made = [_made(known, session, one) for one in rows]
    except SearchError as error:
        return outcome(400, "invalid", str(error))
    more = None
    if len(found) > len(rows):
        more = (instant(rows[-1].updated), rows[-1].item.id)
    return searchset(request, KIND, wanted, total, made, more)


@router.get("/fhir/Task/{ident}")
def read(ident: str, request: Request, caller: Reads) -> Response:
    """The read that is wanted of one study."""
    known = wiring(request)
    with known.database.read() as session:
        query, _ = _tasks(known, session, caller)
        rows = _rows(session, query.where(Workitem.id == ident))
        return resource(_made(known, session, rows[0])) if rows else not_found()


def _rows(session: Session, query: Select[Any]) -> list[Row]:
    return [Row(*one) for one in session.execute(query)]


def _tasks(
    known: Wiring, session: Session, caller: Caller
) -> tuple[Select[Any], dict[str, Label[Any]]]:
    """Every task with what the caller may know of it, and the columns that a search asks."""
    machine = caller.account is None
    hides = holds_back(known, session) if machine else hides_from(known, session, caller)
    hidden = hides(Workitem.study_key)
    deleted = SeenStudy.deleted_at.is_not(None)
    # The archive shows to machines that a study is gone, whatever is held.
    gone = deleted if machine else false()
    greatest = func.max if session.get_bind().dialect.name == "sqlite" else func.greatest
    version = aliased(ReportVersion)
    urgency = aliased(Urgency, select(Urgency).where(stands()).subquery())
    first, owner = _first_look(), _owner()
    begun = and_(
        first.is_not(None), or_(ExamRow.study_key.is_(None), ExamRow.state != State.WAITING)
    )
    signed = version.status.in_(SIGNED)
    over = ExamRow.state.in_((State.DECIDED, State.TECHNICAL_REPEAT))
    status = case(
        (gone, CANCELLED),
        (hidden, REQUESTED),
        (or_(Workitem.state == WorkState.WITHDRAWN, deleted), CANCELLED),
        (ExamRow.state == State.WITHDRAWN, CANCELLED),
        (over, COMPLETED),
        (ExamRow.study_key.is_not(None), case((begun, STARTED), else_=REQUESTED)),
        (signed, COMPLETED),
        (version.status == ReportStatus.PRELIMINARY, STARTED),
        else_=REQUESTED,
    ).label("status")
    told = or_(hidden, urgency.study_key.is_(None), version.number.is_(None))
    priority = case(
        (told, ROUTINE), (urgency.level == Level.STAT, STAT), else_=URGENT
    ).label("priority")  # fmt: skip
    ended = case(
        (gone, SeenStudy.deleted_at),
        (hidden, null()),
        (deleted, SeenStudy.deleted_at),
        (over, ExamRow.decided_at),
        (and_(ExamRow.study_key.is_(None), signed), version.at),
    )
    raised = case((version.number.is_(None), null()), else_=urgency.at)
    anew = _images_changed()
    told_anew = case((version.number.is_not(None), anew))

    def last(*instants: Any) -> Any:
        known_at = [func.coalesce(one, Workitem.created_at) for one in instants]
        return greatest(Workitem.created_at, *known_at)

    kept = last(case((gone, SeenStudy.deleted_at)), told_anew) if machine else Workitem.created_at
    updated = case(
        (hidden, kept),
        else_=last(first, ExamRow.decided_at, SeenStudy.deleted_at, version.at, raised, anew),
    )
    columns: dict[str, Label[Any]] = {
        "status": status,
        "priority": priority,
        "rule": case((told, null()), else_=urgency.rule).label("rule"),
        "updated": type_coerce(updated, UtcDateTime).label("updated"),
        "started": type_coerce(case((hidden, null()), else_=first), UtcDateTime).label("started"),
        "ended": type_coerce(ended, UtcDateTime).label("ended"),
        "owner": case((hidden, null()), else_=owner).label("owner"),
        "report": case((hidden, null()), else_=version.number).label("report"),
    }
    query = (
        select(Workitem, SeenStudy, *columns.values())
        .join(SeenStudy, SeenStudy.key == Workitem.study_key)
        .outerjoin(ExamRow, ExamRow.study_key == Workitem.study_key)
        .outerjoin(urgency, urgency.study_key == Workitem.study_key)
        .outerjoin(version, version.workitem_id == Workitem.id)
        .where(or_(version.number.is_(None), version.number == _newest()))
        .where(Workitem.application != "", SeenStudy.purpose == Purpose.READING)
    )
    return query, columns


def _newest() -> ColumnElement[int]:
    other = aliased(ReportVersion)
    found: ColumnElement[int] = (
        select(func.max(other.number))
        .where(other.workitem_id == Workitem.id)
        .correlate(Workitem)
        .scalar_subquery()
    )
    return found


def _first_look() -> ColumnElement[datetime.datetime | None]:
    """When somebody first opened the exam to read it."""
    found: ColumnElement[datetime.datetime | None] = (
        select(func.min(TaskRow.looked_at))
        .where(TaskRow.study_key == Workitem.study_key, TaskRow.kind == TaskKind.FIRST)
        .correlate(Workitem)
        .scalar_subquery()
    )
    return found


def _images_changed() -> ColumnElement[datetime.datetime]:
    """When images last came to the undecided exam, and it and its reports were held again."""
    found: ColumnElement[datetime.datetime] = (
        select(func.max(EntryRow.at))
        .where(EntryRow.study_key == Workitem.study_key, EntryRow.kind == Kind.IMAGES_CHANGED)
        .correlate(Workitem)
        .scalar_subquery()
    )
    return found


def _owner() -> ColumnElement[str | None]:
    """Who read an exam that is decided, where it was one person: others are told by no task.

    Before the decision nobody is named: how many were asked tells what the AI said.
    """
    one = select(func.min(TaskRow.account)).where(
        TaskRow.study_key == Workitem.study_key,
        TaskRow.kind == TaskKind.FIRST,
        TaskRow.state == TaskState.DONE,
        ExamRow.state == State.DECIDED,
    )
    alone = one.having(func.count(TaskRow.account.distinct()) == 1)
    found: ColumnElement[str | None] = alone.correlate(Workitem, ExamRow).scalar_subquery()
    return found


def _conditions(
    known: Wiring, wanted: Asked, columns: dict[str, Label[Any]]
) -> Sequence[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    for name, value in wanted.parameters:
        values = [one.value for one in tokens(value)]
        if name == "_id":
            found.append(Workitem.id.in_(value.split(",")))
        elif name == "_lastUpdated":
            found.append(dated(name, value).holds(columns["updated"].element, lambda at: at))
        elif name in ("status", "priority"):
            found.append(columns[name].element.in_(values))
        elif name in ("owner", "owner:identifier"):
            found.append(columns["owner"].element.in_(values))
        elif name == "identifier":
            found.append(of_exam(value))
        elif name in ORDER:
            found.append(of_order(value))
        else:
            found.append(of_patient(value, known.config.fhir.issuers))
    return found


def _made(known: Wiring, session: Session, row: Row) -> Json:
    exam = exam_identity(session, row.study.key) or ExamIdentity("", row.study.study_instance_uid)
    made: Json = {
        "resourceType": "Task",
        "id": row.item.id,
        "meta": {"lastUpdated": instant(row.updated)},
        "basedOn": order(exam),
        "status": row.status,
        "intent": "order",
        "priority": row.priority,
        "code": {"coding": [{"system": TASK_CODES, "code": "fulfill"}], "text": "Read the images"},
        "focus": {"type": "ImagingStudy", "identifier": uid_identifier(exam.study_instance_uid)},
        "for": _patient(exam, known),
        "authoredOn": instant(row.item.created_at),
        "lastModified": instant(row.updated),
        "owner": _reader(session, row.owner),
        "executionPeriod": {
            name: instant(at)
            for name, at in (("start", row.started), ("end", row.ended))
            if at is not None
        },
    }
    if row.rule:
        made["reasonCode"] = {"text": known.config.priority.words(row.rule, known.config.language)}
    if row.report is not None:
        made["output"] = [
            {
                "type": {"text": "Report"},
                "valueReference": {"reference": f"DiagnosticReport/{row.item.id}"},
            }
        ]
    return {key: value for key, value in made.items() if value not in ("", [], {}, None)}


def _patient(exam: ExamIdentity, known: Wiring) -> Json:
    said: Json = {"type": "Patient"}
    if exam.patient_id:
        said["identifier"] = patient_identifier(exam, known.config.fhir.systems)
    if name := spoken(exam.patient_name.split("=")[0]):
        said["display"] = name
    return said if len(said) > 1 else {}


def _reader(session: Session, account: str | None) -> Json:
    if account is None:
        return {}
    found = session.scalar(select(Account).where(Account.name == account))
    said: Json = {
        "type": "Practitioner",
        "identifier": {"system": ACCOUNT, "value": account},
    }
    return said | ({"display": found.full_name} if found is not None else {})
