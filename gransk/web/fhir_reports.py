"""``GET /fhir/DiagnosticReport``: released reports as FHIR R4 (docs/fhir.md).

A machine sees what is released and nothing else; a person with a session sees of it what the
person may see of the exam. What is not to be seen is not there: it is in no list and no count.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Session, aliased

from gransk.archive.followed import exam_identity
from gransk.archive.tables import SeenStudy
from gransk.core.errors import GranskError
from gransk.core.patients import ExamIdentity
from gransk.delivery.fhir.codes import Json
from gransk.delivery.fhir.report import diagnostic_report, instant
from gransk.delivery.fhir.told import Reader
from gransk.results.tables import Workitem
from gransk.results.versions import ReportVersion, versions_of
from gransk.web.access import Caller, allow
from gransk.web.dicomweb import own_address
from gransk.web.fhir_search import (
    KEPT,
    ORDER,
    PATIENT,
    ROOT,
    Asked,
    Fhir,
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
from gransk.web.seeing import hides_from, sees_all
from gransk.web.wiring import Wiring, wiring

KIND = "DiagnosticReport"
PARAMETERS = ("_id", "_lastUpdated", "identifier", "status", "date", *PATIENT, *ORDER)
Reads = Annotated[Caller, Depends(allow(Permission.RESULTS))]
router = APIRouter()
log = logging.getLogger(__name__)


@router.get("/fhir/DiagnosticReport")
def search(request: Request, caller: Reads) -> Response:
    """Search released reports, in the order of their last change."""
    known = wiring(request)
    try:
        wanted = asked(request, PARAMETERS)
        conditions = _conditions(known, wanted)
    except SearchError as error:
        return outcome(400, "invalid", str(error))
    with known.database.read() as session:
        hides = hides_from(known, session, caller)
        query = _latest().where(~hides(Workitem.study_key), *conditions)
        total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
        page = query.where(*after(wanted.after, ReportVersion.at, ReportVersion.workitem_id))
        page = page.order_by(ReportVersion.at, ReportVersion.workitem_id)
        found = session.execute(page.limit(wanted.count + 1)).all() if wanted.count else []
        rows = found[: wanted.count]
        made, unreadable = _readable(known, session, [(row[0], row[1]) for row in rows])
        request.state.shown = [row[1].key for row in rows]
    more = None
    if len(found) > len(rows):
        last = rows[-1][0]
        more = (instant(last.at), last.workitem_id)
    return searchset(request, KIND, wanted, total, made, more, unreadable)


@router.get("/fhir/DiagnosticReport/{ident}")
def read(ident: str, request: Request, caller: Reads) -> Response:
    """The report of a row of the worklist as it is now."""
    known = wiring(request)
    with known.database.read() as session:
        versions = _versions(known, session, caller, ident)
        if not versions:
            return not_found()
        version, seen = versions[-1]
        return resource(_made(known, session, version, seen))


@router.get("/fhir/DiagnosticReport/{ident}/_history")
def history(ident: str, request: Request, caller: Reads) -> Response:
    """Every version, the newest first; where the site keeps older ones back, the present alone."""
    known = wiring(request)
    with known.database.read() as session:
        versions = _versions(known, session, caller, ident)
        if not versions:
            return not_found()
        shown = versions if known.config.fhir.older_versions else versions[-1:]
        made = [_made(known, session, version, seen) for version, seen in reversed(shown)]
    address = f"{own_address(request)}{ROOT}/{KIND}/{ident}"
    entries = [
        {
            "fullUrl": address,
            "resource": one,
            "request": {"method": "PUT", "url": f"{KIND}/{ident}"},
            "response": {
                "status": "201" if one["meta"]["versionId"] == "1" else "200",
                "etag": f'W/"{one["meta"]["versionId"]}"',
                "lastModified": one["meta"]["lastUpdated"],
            },
        }
        for one in made
    ]
    bundle: Json = {
        "resourceType": "Bundle",
        "type": "history",
        "total": len(entries),
        "link": [{"relation": "self", "url": f"{address}/_history"}],
        "entry": entries,
    }
    return Fhir(bundle, headers=KEPT)


@router.get("/fhir/DiagnosticReport/{ident}/_history/{version}")
def vread(ident: str, version: str, request: Request, caller: Reads) -> Response:
    """One version."""
    known = wiring(request)
    with known.database.read() as session:
        versions = _versions(known, session, caller, ident)
        shown = versions if known.config.fhir.older_versions else versions[-1:]
        for one, seen in shown:
            if str(one.number) == version:
                return resource(_made(known, session, one, seen))
    return not_found()


def _latest() -> Select[ReportVersion, SeenStudy]:
    """The newest version of each row's report, with its study."""
    newer = aliased(ReportVersion)
    newest = (
        select(func.max(newer.number))
        .where(newer.workitem_id == ReportVersion.workitem_id)
        .correlate(ReportVersion)
        .scalar_subquery()
    )
    return (
        select(ReportVersion, SeenStudy)
        .join(Workitem, Workitem.id == ReportVersion.workitem_id)
        .join(SeenStudy, SeenStudy.key == Workitem.study_key)
        .where(ReportVersion.number == newest)
    )


def _versions(
    known: Wiring, session: Session, caller: Caller, ident: str
) -> Sequence[tuple[ReportVersion, SeenStudy]]:
    """Every version of a report that the caller may see; none where there is nothing to see."""
    item = session.get(Workitem, ident)
    if item is None or not sees_all(known, session, caller, item.study_key):
        return []
    seen = session.get(SeenStudy, item.study_key)
    return [] if seen is None else [(one, seen) for one in versions_of(session, ident)]


def _readable(
    known: Wiring, session: Session, rows: Sequence[tuple[ReportVersion, SeenStudy]]
) -> tuple[list[Json], list[str]]:
    """Reports of a page, and the ids of those whose objects are missing or damaged."""
    made, unreadable = [], []
    for version, seen in rows:
        try:
            made.append(_made(known, session, version, seen))
        except (GranskError, KeyError, OSError, ValueError) as error:
            log.error("report of study %s cannot be read: %s", seen.key, type(error).__name__)
            unreadable.append(version.workitem_id)
    return made, unreadable


def _made(known: Wiring, session: Session, version: ReportVersion, seen: SeenStudy) -> Json:
    reader = Reader(known.blobs, known.applications, known.config.language)
    exam = exam_identity(session, seen.key) or ExamIdentity("", seen.study_instance_uid)
    told = reader(session, version, exam, tuple(seen.modalities))
    return diagnostic_report(told, known.config.fhir.systems, known.config.zone)


def _conditions(known: Wiring, wanted: Asked) -> list[ColumnElement[bool]]:
    """What a search wants of version and study.

    Raises
    ------
    SearchError
        Where a value is none.
    """
    found: list[ColumnElement[bool]] = []
    for name, value in wanted.parameters:
        if name == "_id":
            found.append(ReportVersion.workitem_id.in_(value.split(",")))
        elif name == "_lastUpdated":
            found.append(dated(name, value).holds(ReportVersion.at, lambda at: at))
        elif name == "status":
            found.append(ReportVersion.status.in_([one.value for one in tokens(value)]))
        elif name == "date":
            at = dated(name, value).holds(SeenStudy.study_date, _day)
            found.append(and_(SeenStudy.study_date != "", at))
        elif name == "identifier":
            found.append(of_exam(value))
        elif name in ORDER:
            found.append(of_order(value))
        else:
            found.append(of_patient(value, known.config.fhir.issuers))
    return found


def _day(at: datetime.datetime) -> str:
    """A day as DICOM writes it."""
    return at.strftime("%Y%m%d")
