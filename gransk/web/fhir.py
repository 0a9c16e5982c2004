"""``POST /fhir``: FHIR R4 resources that answer risk profiles."""

from __future__ import annotations

import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from gransk.archive.patients import identifiers_of
from gransk.archive.tables import SeenStudy
from gransk.core.application import Application, FollowsUp, KnowsCodes
from gransk.core.errors import UnreadableInputError
from gransk.core.profile_codes import CodeTable
from gransk.results import profiles
from gransk.results.tables import Workitem
from gransk.web.access import Caller, allow
from gransk.web.fhir_answers import About, Answer, Left, NotTaken, read
from gransk.web.fhir_resources import Identifier
from gransk.web.permissions import Permission
from gransk.web.profile_pages import body_of
from gransk.web.profile_store import keep
from gransk.web.wiring import Wiring, wiring

CPR = "urn:oid:1.2.208.176.1.2"
"""Danish civil registration numbers: FHIR writes ten digits, DICOM often a hyphen among them."""
CPR_DIGITS = 10
SOURCE = "fhir"

router = APIRouter()


@router.post("/fhir")
async def receive(
    request: Request, caller: Annotated[Caller, Depends(allow(Permission.PROFILE))]
) -> JSONResponse:
    """Keep what a Bundle or a single resource answers; tell what was not taken, and why."""
    sent = await body_of(request)
    return await run_in_threadpool(_received, wiring(request), sent, caller)


def _received(known: Wiring, sent: dict[str, Any], caller: Caller) -> JSONResponse:
    today = _today(known)
    taken: list[dict[str, Any]] = []
    left: list[Left] = []
    for application in known.applications.values():
        if not isinstance(application, KnowsCodes) or not isinstance(application, FollowsUp):
            continue
        table: CodeTable = application.profile_codes
        try:
            found = read(sent, table, today)
        except ValidationError as error:
            raise HTTPException(422) from error
        left += found.left
        with known.database.begin() as session:
            for about in found.patients:
                kept, not_kept = _keep(known, session, application, table, about, caller.name)
                taken += kept
                left += not_kept
    left.sort(key=lambda one: one.entry)
    return JSONResponse(
        {
            "taken": sorted(taken, key=lambda one: int(one["entry"])),
            "not_taken": [one.as_json() for one in left],
        }
    )


def _today(known: Wiring) -> datetime.date:
    return datetime.datetime.now(known.config.zone).date()


def _keep(
    known: Wiring,
    session: Session,
    application: Application,
    table: CodeTable,
    about: About,
    actor: str,
) -> tuple[list[dict[str, Any]], list[Left]]:
    """The answers about one patient that were kept, and those that were not."""
    study = _latest(session, known, application.id, about.identifiers)
    if study is None:
        return [], _all_left(about, NotTaken.UNKNOWN_PATIENT)
    born = study.patient_birth_date
    if about.birth_date and born and about.birth_date.strftime("%Y%m%d") != born:
        return [], _all_left(about, NotTaken.IDENTITY_MISMATCH)
    taken: list[dict[str, Any]] = []
    left: list[Left] = []
    for answer in _in_order(about.answers):
        if answer.key == table.gender_key and _known(session, study, application.id, table, answer):
            taken.append({"entry": answer.entry, "key": answer.key, "new": False})
            continue
        given = {"value": answer.value, "source": SOURCE, "date": answer.date.isoformat()}
        profile = {table.part: {answer.key: given}}
        try:
            count = keep(session, study, application, profile, actor, at_study=False)
        except UnreadableInputError:
            left.append(Left(answer.entry, answer.key, NotTaken.REFUSED))
            continue
        taken.append({"entry": answer.entry, "key": answer.key, "new": bool(count)})
    return taken, left


def _known(
    session: Session, study: SeenStudy, application: str, table: CodeTable, answer: Answer
) -> bool:
    """Does the same value count already? A Patient has no date, so that each day would be new."""
    current = profiles.current(session, study, application, identifiers_of(session, study))
    counts = current.get(table.part, {}).get(answer.key)
    return counts is not None and bool(counts["value"] == answer.value)


def _in_order(answers: tuple[Answer, ...]) -> list[Answer]:
    """A cancer before what follows from it, so that none contradicts what counts still."""
    return sorted(answers, key=lambda one: (one.entry, one.key == "known_primary_cancer"))


def _all_left(about: About, reason: NotTaken) -> list[Left]:
    entries = dict.fromkeys(answer.entry for answer in about.answers)
    return [Left(entry, "", reason) for entry in entries]


def _latest(
    session: Session, known: Wiring, application: str, identifiers: tuple[Identifier, ...]
) -> SeenStudy | None:
    """The patient's latest study that the application has; None where nobody is meant surely."""
    issuers = known.config.fhir.issuers
    for identifier in identifiers:
        if identifier.system not in issuers or not identifier.value.strip():
            continue
        found = session.scalars(
            select(SeenStudy)
            .join(Workitem, Workitem.study_key == SeenStudy.key)
            .where(
                Workitem.application == application,
                SeenStudy.patient_id.in_(written(identifier)),
                SeenStudy.issuer_of_patient_id == issuers[identifier.system],
                SeenStudy.deleted_at.is_(None),
            )
            .order_by(SeenStudy.study_date.desc(), SeenStudy.study_time.desc())
            .limit(1)
        ).first()
        if found is not None:
            return found
    return None


def written(identifier: Identifier) -> set[str]:
    """How images may write an identifier."""
    value = identifier.value.strip()
    if identifier.system == CPR and len(value) == CPR_DIGITS:
        return {value, f"{value[:6]}-{value[6:]}"}
    return {value}
