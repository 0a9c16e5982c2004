"""``POST /fhir/outcomes``: FHIR R4 resources that tell what became of women (docs/outcomes.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from gransk.archive.tables import SeenStudy
from gransk.reading.outcome_codes import outcome_codes
from gransk.reading.outcome_store import outcomes_of, state_outcomes
from gransk.reading.outcomes import STUDY, Name
from gransk.results.tables import FactSource
from gransk.web.access import Caller, allow
from gransk.web.fhir import written
from gransk.web.fhir_answers import Left, NotTaken
from gransk.web.fhir_outcome_reading import Told, read
from gransk.web.permissions import Permission
from gransk.web.profile_pages import body_of
from gransk.web.wiring import Wiring, wiring

router = APIRouter()


@router.post("/fhir/outcomes")
async def receive(
    request: Request, caller: Annotated[Caller, Depends(allow(Permission.PROGRAMME))]
) -> JSONResponse:
    """Keep what a Bundle or a single resource tells; say what was not taken, and why.

    Of one exam everything is taken or nothing; the last word about it counts, and the same again
    changes nothing.
    """
    sent = await body_of(request)
    return await run_in_threadpool(_received, wiring(request), sent, caller)


def _received(known: Wiring, sent: dict[str, Any], caller: Caller) -> JSONResponse:
    try:
        found = read(sent, outcome_codes())
    except ValidationError as error:
        raise HTTPException(422) from error
    left = list(found.left)
    taken: list[dict[str, Any]] = []
    source = FactSource.MACHINE if caller.machine else FactSource.PERSON
    with known.database.begin() as session:
        ours = [one for one in found.told if _hers(session, known.config.fhir.issuers, one)]
        for one in found.told:
            if one not in ours:
                left += [Left(number, "", NotTaken.IDENTITY_MISMATCH) for number in one.entries]
        before = outcomes_of(session, [one.name for one in ours])
        state_outcomes(session, {one.name: one.outcome for one in ours}, source, caller.name)
    for one in ours:
        new = before.get(one.name) != one.outcome
        taken += [{"entry": number, "new": new} for number in one.entries]
    return JSONResponse(
        {
            "taken": sorted(taken, key=lambda one: int(one["entry"])),
            "not_taken": [one.as_json() for one in sorted(left, key=lambda one: one.entry)],
        }
    )


def _hers(session: Session, issuers: Mapping[str, str], told: Told) -> bool:
    """Is the exam, where it is here, of the woman whom the entries name?

    An exam that is not here yet, and a woman named by no system of the configuration, are taken
    as sent: the exam is named by its own number.
    """
    named = [one for one in told.identifiers if one.system in issuers and one.value.strip()]
    studies = _studies(session, told.name)
    if not named or not studies:
        return True
    wanted = {(value, issuers[one.system]) for one in named for value in written(one)}
    return any((study.patient_id, study.issuer_of_patient_id) in wanted for study in studies)


def _studies(session: Session, name: Name) -> list[SeenStudy]:
    column, value = name
    where = SeenStudy.study_instance_uid if column == STUDY else SeenStudy.accession_number
    query = select(SeenStudy).where(where == value, SeenStudy.deleted_at.is_(None))
    return list(session.scalars(query))
