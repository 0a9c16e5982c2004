"""Reads, verdicts and lists by REST: a person's own, or through a machine for a reader.

Refusals are those of the pages, by code. A call with an ``Idempotency-Key`` may be repeated: it
is answered again and counted once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from gransk.archive.tables import SeenStudy
from gransk.reading import acts, desk, lists
from gransk.reading.desk import Desk, Person
from gransk.reading.entries import TaskKind
from gransk.reading.opinions import DifferenceReason, Opinion
from gransk.reading.refusals import LedgerError, Refusal
from gransk.reading.sight import Sight, ai_shown
from gransk.results.message_tables import ReceivedMessage
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record
from gransk.site.people import find_account
from gransk.web.access import Caller, allow, language_of
from gransk.web.permissions import Permission, permissions
from gransk.web.profile_pages import body_of
from gransk.web.reading.common import refusal_text, studies
from gransk.web.wiring import Wiring, wiring
from gransk.web.worklist import urgent_json

Calling = Annotated[Caller, Depends(allow(Permission.READING_CALLS))]
Name = Annotated[str, Query(max_length=64)]
LONGEST_ID = 199
STATUS = {
    Refusal.NO_EXAM: 404,
    Refusal.NOT_YOURS: 403,
    Refusal.NOT_QUALIFIED: 403,
    Refusal.NOT_EXPERIENCED: 403,
    Refusal.WRONG_CONTENT: 422,
}
"""Of a refusal; 409 of all others."""
router = APIRouter()


class Said(BaseModel):
    """An opinion that somebody gives.

    Parameters
    ----------
    reader : str
        Account, where a machine calls.
    images : str
        Digest that ``open`` gave.
    opinion : Opinion
    """

    model_config = ConfigDict(extra="forbid")

    reader: str = Field(default="", max_length=64)
    images: str = Field(min_length=1, max_length=64)
    opinion: Opinion


class Judged(BaseModel):
    """A verdict on opinions that differ; with participants it is a meeting's."""

    model_config = ConfigDict(extra="forbid")

    reader: str = Field(default="", max_length=64)
    images: str = Field(default="", max_length=64)
    opinion: Opinion
    why: DifferenceReason
    participants: tuple[str, ...] = Field(default=(), max_length=20)


class Kept(BaseModel):
    """The safety net's answer: keep to normal."""

    model_config = ConfigDict(extra="forbid")

    reader: str = Field(default="", max_length=64)


@router.get("/api/reading/list")
def read_list(
    request: Request,
    caller: Calling,
    reader: Name = "",
    offset: Annotated[int, Query(ge=0)] = 0,
) -> dict[str, Any]:
    """What is a reader's to read, in the order of the list."""
    rules = wiring(request).config.priority
    with wiring(request).database.read() as session:
        person = _person(wiring(request), session, caller, reader)
        found = lists.mine(session, person.account, offset=offset)
        seen = studies(session, [one.study_key for one in found])
        return {
            "reader": person.account,
            "total": lists.count_mine(session, person.account),
            "exams": [
                {
                    "key": one.study_key,
                    "unit": one.unit,
                    "arrived_at": one.arrived_at.isoformat(),
                    "again": one.again,
                    "urgent": urgent_json(one.urgency, rules),
                    **_identity(seen.get(one.study_key)),
                }
                for one in found
            ],
        }


@router.post("/api/reading/exams/{key}/open")
async def open_exam(key: str, request: Request, caller: Calling) -> JSONResponse:
    """Open an exam of a reader's list: what it came for, and the digest of its images."""

    def act(session: Session, person: Person, _said: Kept) -> dict[str, Any]:
        found = desk.open_exam(session, key, person)
        record(session, caller.name, EventKind.STUDY_OPENED, key, {"in": "reading"})
        return _opened(found)

    return await _answered(request, caller, Kept, act)


@router.put("/api/reading/exams/{key}/read")
async def put_read(key: str, request: Request, caller: Calling) -> JSONResponse:
    """Record a reader's opinion; nothing is told of what it led to."""
    via = caller.machine.name if caller.machine else ""

    def act(session: Session, person: Person, said: Said) -> None:
        desk.read(session, key, person, said.opinion, said.images, via)

    return await _answered(request, caller, Said, act)


@router.put("/api/reading/exams/{key}/correction")
async def put_correction(key: str, request: Request, caller: Calling) -> JSONResponse:
    """Change a reader's own opinion, where that tells nothing of others."""

    def act(session: Session, person: Person, said: Said) -> None:
        desk.correct(session, key, person, said.opinion, said.images)

    return await _answered(request, caller, Said, act)


@router.put("/api/reading/exams/{key}/kept")
async def put_kept(key: str, request: Request, caller: Calling) -> JSONResponse:
    """Keep to normal after the AI's opinion was shown (safety net)."""

    def act(session: Session, person: Person, _said: Kept) -> None:
        acts.keep(session, key, person.actor(TaskKind.SAFETY))

    return await _answered(request, caller, Kept, act)


@router.put("/api/reading/exams/{key}/changed")
async def put_changed(key: str, request: Request, caller: Calling) -> JSONResponse:
    """Change to recall after the AI's opinion was shown (safety net)."""

    def act(session: Session, person: Person, said: Said) -> None:
        acts.change(session, key, person.actor(TaskKind.SAFETY), said.opinion, said.images)

    return await _answered(request, caller, Said, act)


@router.put("/api/reading/exams/{key}/verdict")
async def put_verdict(key: str, request: Request, caller: Calling) -> JSONResponse:
    """Decide where opinions differ, as who opened the arbitration."""

    def act(session: Session, person: Person, said: Judged) -> None:
        met = said.participants or None
        desk.decide(session, key, person, said.opinion, said.why, met, said.images)

    return await _answered(request, caller, Judged, act)


Content = TypeVar("Content", Kept, Said, Judged)
Act = Callable[[Session, Person, Content], dict[str, Any] | None]
"""Does what a call asks for; what it answers with, if anything."""


async def _answered(
    request: Request, caller: Caller, shape: type[Content], act: Act[Content]
) -> JSONResponse:
    """The answer to a call: checked by its shape, done for its reader, and once for each id."""
    given = await body_of(request)
    return await run_in_threadpool(_act, request, caller, shape, given, act)


def _act(
    request: Request,
    caller: Caller,
    shape: type[Content],
    given: Mapping[str, Any],
    act: Act[Content],
) -> JSONResponse:
    """Do what a call asks for, once for each ``Idempotency-Key``."""
    try:
        said = shape.model_validate(given)
    except ValidationError as error:
        wrong = sorted({".".join(map(str, part["loc"])) or part["msg"] for part in error.errors()})
        return JSONResponse({"error": "wants another content", "fields": wrong}, 422)
    if not isinstance(said, Kept):
        _on_scale(request, said.opinion)
    known = wiring(request)
    control_id = request.headers.get("idempotency-key", "") if request.method == "PUT" else ""
    if len(control_id) > LONGEST_ID:
        raise HTTPException(422)
    try:
        with known.database.begin() as session:
            person = _person(known, session, caller, said.reader)
            if control_id and not _first(session, request, caller, control_id, given):
                return JSONResponse({"repeated": True})
            return JSONResponse(act(session, person, said) or {})
    except LedgerError as error:
        told = {"error": refusal_text(error, language_of(request)), "code": error.code.value}
        return JSONResponse(told, STATUS.get(error.code, 409))


def _person(known: Wiring, session: Session, caller: Caller, reader: str) -> Person:
    """For whom the call is made.

    A person calls for nobody else. A machine calls for readers only where the configuration
    names it; 403 otherwise, and where the reader has no active account that may read.
    """
    if caller.account is not None:
        if reader not in ("", caller.account.name):
            raise HTTPException(403)
        return Person.of(caller.account.name, caller.account.roles)
    systems = known.config.reading.systems
    if caller.machine is None or caller.machine.name not in systems:
        raise HTTPException(403)
    account = find_account(session, reader)
    if account is None or not account.active:
        raise HTTPException(403)
    if Permission.READING not in permissions(account.roles):
        raise HTTPException(403)
    return Person.of(account.name, account.roles)


def _first(
    session: Session, request: Request, caller: Caller, control_id: str, given: Mapping[str, Any]
) -> bool:
    """Is it the first call of this id? It is kept with the act, or not at all; 409 for another.

    Kept beside the control ids of messages, under the caller's name.
    """
    said = json.dumps([request.method, request.url.path, given], sort_keys=True)
    sha256 = hashlib.sha256(said.encode()).hexdigest()
    identity = (f"rest:{caller.name}"[:64], control_id)
    row = session.get(ReceivedMessage, identity, with_for_update=True)
    now = utcnow()
    if row is None:
        session.add(
            ReceivedMessage(
                sender=identity[0], control_id=control_id, sha256=sha256, kind="REST", taken=True,
                refusal=None, detail="", times=1, first_at=now, last_at=now,
            )
        )  # fmt: skip
        return True
    if row.sha256 != sha256:
        raise HTTPException(409, "reading_control_id_used")
    row.times, row.last_at = row.times + 1, now
    return False


def _on_scale(request: Request, opinion: Opinion) -> None:
    """422 where a suspicion is none of the site's scale."""
    levels = {level.value for level in wiring(request).config.reading.suspicion}
    if any(suspect.suspicion not in levels for suspect in opinion.suspects):
        raise HTTPException(422, "reading_off_scale")


def _opened(found: Desk) -> dict[str, Any]:
    """What a reader has before them; opinions only where they are shown."""
    exam = found.exam
    answer: dict[str, Any] = {
        "task": found.task.value if found.task else None,
        "images": exam.images,
    }
    if found.sight is Sight.ALL:
        answer["difference"] = exam.difference.value if exam.difference else None
        answer["opinions"] = [
            {"reader": read.account, "opinion": read.opinion.model_dump(mode="json")}
            for read in exam.counting
        ]
    if exam.ai is not None and ai_shown(exam, found.account, found.sight):
        shown = {"said", "reason", "exam_score", "category", "probability", "research", "marks"}
        answer["ai"] = exam.ai.opinion.model_dump(mode="json", include=shown)
    return answer


def _identity(study: SeenStudy | None) -> dict[str, str]:
    return {
        "study_instance_uid": study.study_instance_uid if study else "",
        "accession_number": study.accession_number if study else "",
        "patient_id": study.patient_id if study else "",
    }
