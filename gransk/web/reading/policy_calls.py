"""The reading room's policies by REST: what is in force, versions, drafts, approval, return.

A machine may read; what changes something is a person's, by their session.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.orm import Session

from gransk.core.errors import ConfigurationError, GranskError, InvalidValueError
from gransk.reading import rooms
from gransk.reading.figures import NotYetCountedError
from gransk.reading.policy import Room
from gransk.reading.policy_refusals import PolicyError, PolicyRefusal
from gransk.reading.room_file import room_of, write_room
from gransk.reading.room_words import differences
from gransk.reading.rooms import Version
from gransk.site.faults import read_yaml
from gransk.web.access import Caller, allow, language_of
from gransk.web.permissions import Permission
from gransk.web.reading import policy_acts
from gransk.web.reading.asking import today
from gransk.web.reading.simulating import Tried
from gransk.web.settings.house import LARGEST, Number, Why
from gransk.web.texts import text
from gransk.web.wiring import Wiring, wiring

TOGETHER = 200
STATUS = {
    PolicyRefusal.NO_VERSION: 404,
    PolicyRefusal.NOT_RESPONSIBLE: 403,
    PolicyRefusal.OWN_DRAFT: 403,
    PolicyRefusal.NO_CHANGE: 409,
    PolicyRefusal.NOT_NEWEST: 409,
    PolicyRefusal.STALE: 409,
    PolicyRefusal.APPROVED: 409,
    PolicyRefusal.NOT_VALIDATED: 409,
}
"""Of an answer; 422 for what is not here."""
COUNTING = "counting"
WRONG = {
    COUNTING: "policy_counting",
    "unreadable": "policy_unreadable",
    "invalid": "policy_invalid",
    "reason": "policy_reason_wanted",
}
"""Texts of why a call is not done, by its code."""
Seeing = Annotated[Caller, Depends(allow(Permission.POLICIES))]
Drafting = Annotated[Caller, Depends(allow(Permission.POLICIES_DRAFT))]
Approving = Annotated[Caller, Depends(allow(Permission.POLICIES_APPROVE))]

router = APIRouter(prefix="/api/policies")


class Asked(BaseModel):
    """A whole room, as JSON or as the YAML that ``gransk policies`` reads.

    Parameters
    ----------
    document : dict, optional
    yaml : str, optional
    """

    model_config = ConfigDict(extra="forbid")

    document: dict[str, Any] | None = None
    yaml: str | None = Field(default=None, max_length=policy_acts.LONGEST)

    @model_validator(mode="after")
    def _one(self) -> Asked:
        if (self.document is None) == (self.yaml is None):
            raise ValueError("document or yaml")
        return self


class NewVersion(Asked):
    """A version that is to be drafted, and why."""

    reason: str = Field(default="", max_length=2000)


class WrongCallError(GranskError):
    """What was sent cannot be read or is no room, or its simulation cannot be made yet.

    Parameters
    ----------
    code : str
        One of `WRONG`.
    detail : str
    faults : dict of str to str
        By key, in English.
    """

    def __init__(self, code: str, detail: str = "", faults: dict[str, str] | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.faults = faults or {}


@router.get("")
def show_current(request: Request, caller: Seeing) -> dict[str, Any]:
    """The version in force; number 0 where there is none."""
    known = wiring(request)
    with known.database.read() as session:
        current = rooms.in_force(session, today(known))
        if current is None:
            return {"number": 0}
        every = rooms.versions(session)
        found = next(one for one in every if one.row.version == current.version)
        (told,) = _versions(session, known, every, [found])
    return told | _content(found.room)


@router.get("/versions")
def list_versions(
    request: Request,
    caller: Seeing,
    before: Annotated[int | None, Query(ge=1, le=LARGEST)] = None,
    limit: Annotated[int, Query(ge=1, le=TOGETHER)] = 50,
) -> dict[str, Any]:
    """Versions, drafts among them, the newest first."""
    known = wiring(request)
    with known.database.read() as session:
        every = rooms.versions(session)
        found = [one for one in reversed(every) if before is None or one.row.version < before]
        return {"versions": _versions(session, known, every, found[:limit])}


@router.get("/versions/{number}")
def show_version(number: Number, request: Request, caller: Seeing) -> Response:
    """A version with its document, what it changes, and what was simulated for it."""
    known = wiring(request)
    try:
        with known.database.read() as session:
            found = rooms.one_version(session, number)
            base = rooms.one_version(session, found.row.base).room if found.row.base else None
            (told,) = _versions(session, known, rooms.versions(session), [found])
    except PolicyError as error:
        return _refusal(request, error)
    changes = differences(base, found.room, language_of(request))
    evidence = [
        {key: value for key, value in one.items() if key != "figures"} for one in found.row.evidence
    ]
    return JSONResponse(told | _content(found.room) | {"changes": changes, "evidence": evidence})


@router.post("/check")
def check(asked: Asked, request: Request, caller: Drafting) -> Response:
    """What a draft would change, and whether each limit that changes has a simulation."""
    try:
        room = _room(asked)
        before, tried = _try(request, caller, room)
    except (PolicyError, WrongCallError) as error:
        return _refusal(request, error)
    changes = differences(before, room, language_of(request))
    return JSONResponse({"changes": changes, "simulations": _simulations(tried)})


@router.post("/versions")
def make_version(asked: NewVersion, request: Request, caller: Drafting) -> Response:
    """Keep a version that waits for approval, with what is simulated for it."""
    known = wiring(request)
    try:
        room = _room(asked)
        _, tried = _try(request, caller, room)
        made = policy_acts.keep(known, caller, room, asked.reason, tried)
    except (PolicyError, WrongCallError) as error:
        return _refusal(request, error)
    except InvalidValueError:
        return _refusal(request, WrongCallError("reason"))
    return _answer(known, made.row.version, 201)


@router.post("/versions/{number}/approve")
def approve(number: Number, request: Request, caller: Approving) -> Response:
    """Approve a version for the units that the person answers for."""
    known = wiring(request)
    try:
        policy_acts.approve(known, caller, number)
    except PolicyError as error:
        return _refusal(request, error)
    return _answer(known, number)


@router.post("/versions/{number}/restore")
def restore(number: Number, why: Why, request: Request, caller: Drafting) -> Response:
    """Draft an earlier version again, valid from today."""
    known = wiring(request)
    try:
        made = policy_acts.restore(known, caller, number, why.reason)
    except PolicyError as error:
        return _refusal(request, error)
    except InvalidValueError:
        return _refusal(request, WrongCallError("reason"))
    return _answer(known, made.row.version, 201)


def _room(asked: Asked) -> Room:
    try:
        values = asked.document if asked.yaml is None else read_yaml(asked.yaml, "yaml")
    except ConfigurationError as error:
        raise WrongCallError("unreadable", str(error)) from error
    if not isinstance(values, dict):
        raise WrongCallError("unreadable", type(values).__name__)
    try:
        return room_of(values, "-")
    except ConfigurationError as error:
        lines = [line.removeprefix("-: ") for line in str(error).splitlines()]
        faults = dict(line.split(": ", 1) for line in lines if ": " in line)
        raise WrongCallError("invalid", "; ".join(lines), faults) from error


def _try(request: Request, caller: Caller, room: Room) -> tuple[Room | None, list[Tried]]:
    """The room that a draft would follow, and its simulations."""
    with wiring(request).database.read() as session:
        base = rooms.newest_approved(session)
        before = None if base is None else base.room
        try:
            return before, policy_acts.try_room(request, session, caller, before, room)
        except NotYetCountedError as error:
            raise WrongCallError(COUNTING) from error


def _answer(known: Wiring, number: int, status: int = 200) -> Response:
    with known.database.read() as session:
        found = rooms.one_version(session, number)
        (told,) = _versions(session, known, rooms.versions(session), [found])
    return JSONResponse(told, status)


def _versions(
    session: Session, known: Wiring, every: Sequence[Version], wanted: Sequence[Version]
) -> list[dict[str, Any]]:
    day = today(known)
    current = rooms.in_force(session, day)
    return [
        {
            "number": one.row.version,
            "state": policy_acts.state_of(one, every, current, day),
            "digest": one.row.digest,
            "base": one.row.base,
            "restores": one.row.restores,
            "author": one.row.author,
            "at": one.row.at.isoformat(timespec="seconds"),
            "reason": one.row.reason,
            "units": list(one.row.units),
            "open_units": list(one.open_units),
            "approved_by": {approval.unit: approval.account for approval in one.approvals},
            "valid_from": one.row.valid_from.isoformat(),
            "in_force_from": None if one.from_day is None else one.from_day.isoformat(),
        }
        for one in wanted
    ]


def _content(room: Room) -> dict[str, Any]:
    """A room as it is drafted: as JSON, and as the file that is exported."""
    return {"document": room.document(), "yaml": write_room(room)}


def _simulations(tried: Sequence[Tried]) -> list[dict[str, Any]]:
    return [
        {
            "unit": one.unit,
            "kind": one.limited[0],
            "limits": dict(one.limited[1]),
            "exams": None if one.evidence is None else one.evidence.exams,
            "missing": one.why or None,
        }
        for one in tried
    ]


def _refusal(request: Request, error: PolicyError | WrongCallError) -> Response:
    language = language_of(request)
    if isinstance(error, PolicyError):
        told = {"error": error.text(language), "code": error.refusal.value, "detail": error.detail}
        return JSONResponse(told, STATUS.get(error.refusal, 422))
    said = {"error": text(WRONG[error.code], language), "code": error.code, "detail": error.detail}
    status = 503 if error.code == COUNTING else 422
    return JSONResponse({**said, "faults": error.faults} if error.faults else said, status)
