"""Facts of exams by REST: round, earlier treatment, implant, no AI wished, unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import JSONResponse
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from gransk.archive.tables import SeenStudy
from gransk.core.errors import InvalidValueError
from gransk.core.exam_facts import STATED, Fact
from gransk.core.programme import UNKNOWN
from gransk.pipeline import exam_facts
from gransk.pipeline.programmes import accession as checked_number
from gransk.results.exam_facts import known_of, statements
from gransk.results.tables import FactSource
from gransk.web.access import Caller, allow
from gransk.web.permissions import Permission
from gransk.web.profile_pages import body_of
from gransk.web.wiring import wiring

Saying = Annotated[Caller, Depends(allow(Permission.PROGRAMME))]
router = APIRouter()


@router.get("/api/exams/{accession:path}/facts")
def read_facts(accession: str, request: Request, caller: Saying) -> dict[str, Any]:
    """What counts at each study of an accession number, and what was said of it."""
    with wiring(request).database.read() as session:
        return _answer(session, _number(accession))


@router.put("/api/exams/{accession:path}/facts")
async def write_facts(accession: str, request: Request, caller: Saying) -> JSONResponse:
    """Say facts of an exam; the same again changes nothing, facts that are not named neither.

    The exam may arrive later. ``unknown`` takes back what was said before by the same rank.
    """
    given = await body_of(request)
    return await run_in_threadpool(_write, accession, request, caller, given)


def _write(
    accession: str, request: Request, caller: Caller, given: Mapping[str, Any]
) -> JSONResponse:
    units = wiring(request).config.reading.names
    try:
        facts = {Fact(name): _value(Fact(name), value, units) for name, value in given.items()}
    except ValueError:
        facts = {}
    if not facts:
        told = {fact.value: [*exam_facts.choices(fact, units), UNKNOWN] for fact in STATED}
        return JSONResponse({"error": "wants at least one of these keys", "keys": told}, 422)
    number = _number(accession)
    source = FactSource.MACHINE if caller.machine else FactSource.PERSON
    with wiring(request).database.begin() as session:
        stated = exam_facts.state_exams(session, {number: facts}, source, caller.name)
        answer = _answer(session, number)
    return JSONResponse({"added": stated.added > 0, **answer})


def _value(fact: Fact, value: object, units: tuple[str, ...]) -> str:
    allowed = (*exam_facts.choices(fact, units), UNKNOWN)
    if fact not in STATED or not isinstance(value, str) or value not in allowed:
        raise InvalidValueError(fact, value, "one of its values")
    return "" if value == UNKNOWN else value


def _answer(session: Session, number: str) -> dict[str, Any]:
    keys = session.scalars(
        select(SeenStudy.key).where(
            SeenStudy.accession_number == number, SeenStudy.deleted_at.is_(None)
        )
    ).all()
    return {
        "studies": [
            {
                "key": key,
                "facts": {
                    fact.value: {"value": one.value, "source": one.source.value}
                    for fact, one in known_of(session, key).items()
                },
            }
            for key in sorted(keys)
        ],
        "said": [
            {
                "fact": row.fact,
                "value": row.value or UNKNOWN,
                "source": row.source,
                "by": row.actor,
                "at": row.at.isoformat(),
            }
            for row in statements(session, [number], ())
        ],
    }


def _number(text: str) -> str:
    try:
        return checked_number(text)
    except InvalidValueError as error:
        raise HTTPException(422) from error
