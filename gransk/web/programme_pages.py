"""Which programme an exam belongs to: said on the page of a case, and by machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from gransk.archive.tables import SeenStudy
from gransk.core.errors import InvalidValueError
from gransk.core.programme import UNKNOWN, Programme
from gransk.pipeline import programmes
from gransk.results.programmes import statements
from gransk.results.tables import ExamProgramme, ProgrammeSource, ProgrammeStatement
from gransk.web.access import Caller, allow
from gransk.web.case_actions import Done, study_of
from gransk.web.permissions import Permission
from gransk.web.profile_pages import body_of
from gransk.web.wiring import wiring

Saying = Annotated[Caller, Depends(allow(Permission.PROGRAMME))]
Said = Programme | Literal["unknown"]
router = APIRouter()


class Body(BaseModel):
    """What a machine says of an exam."""

    model_config = ConfigDict(extra="forbid")

    programme: Said


@dataclass(frozen=True)
class ProgrammeShown:
    """What counts at a study, and everything that was said, the latest first."""

    counts: ExamProgramme | None
    said: Sequence[ProgrammeStatement]
    choices: Sequence[str] = (*Programme, UNKNOWN)


def programme_shown(session: Session, study: SeenStudy) -> ProgrammeShown:
    """What the page of a study tells of its programme."""
    said = programmes.said_of(session, study)
    return ProgrammeShown(session.get(ExamProgramme, study.key), list(reversed(said)))


def programme_json(row: ExamProgramme | None) -> dict[str, Any]:
    """What counts at a study, as JSON."""
    return {
        "programme": (row and row.programme) or UNKNOWN,
        "source": row and row.source,
        "conflict": (row and row.conflict) or None,
    }


@router.post("/studies/{key}/programme")
def say(key: str, request: Request, programme: Annotated[Said, Form()], caller: Saying) -> Response:
    """Say which programme a study belongs to, or take one's word back."""
    with wiring(request).database.begin() as session:
        programmes.state_study(session, study_of(session, key), _word(programme), caller.name)
    return RedirectResponse(f"/studies/{key}?done={Done.PROGRAMME_KEPT}", 303)


@router.get("/api/exams/{accession:path}/programme")
def read_programme(accession: str, request: Request, caller: Saying) -> dict[str, Any]:
    """What counts at each study of an accession number, and what was said of it."""
    with wiring(request).database.read() as session:
        return _answer(session, _number(accession))


@router.put("/api/exams/{accession:path}/programme")
async def write_programme(accession: str, request: Request, caller: Saying) -> JSONResponse:
    """Say which programme an exam belongs to; the same again changes nothing.

    The exam may arrive later. ``unknown`` takes back what was said before by the same rank.
    """
    given = await body_of(request)
    return await run_in_threadpool(_write, accession, request, caller, given)


def _write(
    accession: str, request: Request, caller: Caller, given: Mapping[str, Any]
) -> JSONResponse:
    try:
        body = Body.model_validate(given)
    except ValidationError:
        wants = ", ".join((*Programme, UNKNOWN))
        return JSONResponse({"error": f"wants the key programme alone: {wants}"}, 422)
    number = _number(accession)
    source = ProgrammeSource.MACHINE if caller.machine else ProgrammeSource.PERSON
    with wiring(request).database.begin() as session:
        said = {number: _word(body.programme)}
        stated = programmes.state_exams(session, said, source, caller.name)
        answer = _answer(session, number)
    return JSONResponse({"added": stated.added > 0, **answer})


def _answer(session: Session, number: str) -> dict[str, Any]:
    keys = session.scalars(
        select(SeenStudy.key).where(
            SeenStudy.accession_number == number, SeenStudy.deleted_at.is_(None)
        )
    ).all()
    return {
        "studies": [
            {"key": key, **programme_json(session.get(ExamProgramme, key))} for key in sorted(keys)
        ],
        "said": [
            {
                "programme": row.programmes[0] if row.programmes else UNKNOWN,
                "source": row.source,
                "by": row.actor,
                "at": row.at.isoformat(),
            }
            for row in statements(session, [number], ())
        ],
    }


def _word(programme: Said) -> Programme | None:
    return None if programme == UNKNOWN else Programme(programme)


def _number(text: str) -> str:
    try:
        return programmes.accession(text)
    except InvalidValueError as error:
        raise HTTPException(422) from error
