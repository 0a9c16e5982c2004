"""The settings by REST: what is in force, versions, drafts, approval, undoing, preview.

A machine may read; what changes something is a person's, by their session.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.errors import ConfigurationError
from gransk.site.database import utcnow
from gransk.site.faults import read_yaml
from gransk.site.settings_acts import approve, propose, turn_down, undo
from gransk.site.settings_drafts import (
    Draft,
    changes_of,
    content_of,
    drafts,
    one_draft,
    settings_now,
    version_changes,
)
from gransk.site.settings_refusals import SettingsError, SettingsRefusal
from gransk.site.settings_tables import Origin
from gransk.site.site_keys import site_digest
from gransk.site.tables import SettingVersion
from gransk.web.access import Caller, allow, language_of, person_of
from gransk.web.permissions import Permission
from gransk.web.settings.faults import faults
from gransk.web.settings.house import LARGEST, Number, Why, base_of, look, status_of
from gransk.web.settings.trying import Tried, try_out
from gransk.web.texts import text
from gransk.web.wiring import Wiring, wiring

TOGETHER = 200
Seeing = Annotated[Caller, Depends(allow(Permission.SETTINGS))]
Drafting = Annotated[Caller, Depends(allow(Permission.SETTINGS_DRAFT))]
Approving = Annotated[Caller, Depends(allow(Permission.SETTINGS_APPROVE))]

router = APIRouter(prefix="/api/settings")


class Asked(BaseModel):
    """Other settings, as JSON or as a text of YAML.

    Parameters
    ----------
    settings : dict, optional
        Site keys; one that is not given stays as it is in ``base``.
    yaml : str, optional
        Every site key, as they are exported; one that is not given has its default.
    base : int, optional
        The version that they begin with; the one in force where absent.
    """

    model_config = ConfigDict(extra="forbid")

    settings: dict[str, Any] | None = None
    yaml: str | None = Field(default=None, max_length=400_000)
    base: int | None = Field(default=None, ge=0, le=LARGEST)

    @model_validator(mode="after")
    def _one(self) -> Asked:
        if (self.settings is None) == (self.yaml is None):
            raise ValueError("settings or yaml")
        return self


class NewDraft(Asked):
    """A change that is to be drafted, and why."""

    reason: str = Field(default="", max_length=2000)


class Tries(Asked):
    """Settings to be tried on the last days' studies.

    Parameters
    ----------
    until : datetime, optional
        As the call before answered, to go on with it.
    after : int
        Studies that were looked at before.
    """

    until: datetime.datetime | None = None
    after: int = Field(default=0, ge=0, le=LARGEST)


@router.get("")
def show_current(request: Request, caller: Seeing) -> dict[str, Any]:
    """The version in force: number, digest and site keys."""
    known = wiring(request)
    with known.database.read() as session:
        now = settings_now(session, known.host)
    return {"version": now.number, "digest": site_digest(now.content), "settings": now.content}


@router.get("/versions")
def list_versions(
    request: Request,
    caller: Seeing,
    before: Annotated[int | None, Query(ge=1, le=LARGEST)] = None,
    limit: Annotated[int, Query(ge=1, le=TOGETHER)] = 50,
) -> dict[str, Any]:
    """Versions that are or were in force, the newest first."""
    known = wiring(request)
    query = select(SettingVersion).order_by(SettingVersion.number.desc()).limit(limit)
    if before is not None:
        query = query.where(SettingVersion.number < before)
    with known.database.read() as session:
        return {"versions": [_version(session, row) for row in session.scalars(query)]}


@router.get("/versions/{number}")
def show_version(number: Number, request: Request, caller: Seeing) -> Response:
    """A version with its site keys, and what it changed."""
    known = wiring(request)
    host = known.host
    try:
        with known.database.read() as session:
            content = content_of(session, host, number)
            row = session.get(SettingVersion, number)
            if row is None:
                raise SettingsError(SettingsRefusal.NO_VERSION, str(number))
            changes = version_changes(session, host, number)
            told = _version(session, row)
    except SettingsError as error:
        return _refusal(request, error)
    return JSONResponse(
        {**told, "settings": content, "changes": [one.as_json() for one in changes]}
    )


@router.get("/drafts")
def list_drafts(request: Request, caller: Seeing, waiting: bool = False) -> dict[str, Any]:
    """Drafts, the newest first; only those that wait for an approval where asked."""
    with wiring(request).database.read() as session:
        return {"drafts": [_draft(one) for one in drafts(session, waiting, TOGETHER)]}


@router.get("/drafts/{number}")
def show_draft(number: Number, request: Request, caller: Seeing) -> Response:
    """A draft with its site keys, and what it would change."""
    known = wiring(request)
    try:
        with known.database.read() as session:
            found = one_draft(session, number)
            changes = changes_of(session, known.host, number)
    except SettingsError as error:
        return _refusal(request, error)
    told = {"settings": found.row.content, "changes": [one.as_json() for one in changes]}
    return JSONResponse(_draft(found) | told)


@router.post("/drafts")
def make_draft(asked: NewDraft, request: Request, caller: Drafting) -> Response:
    """Draft a change; where nobody has to approve it, it is in force at once."""
    known, account = wiring(request), person_of(caller)
    values: dict[str, Any] = {}
    try:
        base, values = _values(known, asked)
        with known.database.begin() as session:
            made = propose(
                session, known.host, values, account.name, asked.reason, Origin.REST, base
            )
            changes = changes_of(session, known.host, made.number)
    except SettingsError as error:
        return _refusal(request, error, values)
    look(known)
    told = {"changes": [one.as_json() for one in changes]}
    return JSONResponse(_draft(made) | told, 201)


@router.post("/drafts/{number}/approve")
def approve_draft(number: Number, request: Request, caller: Approving) -> Response:
    """Approve a draft for the units that the person answers for."""
    known, account = wiring(request), person_of(caller)
    try:
        with known.database.begin() as session:
            found = approve(session, known.host, number, account)
    except SettingsError as error:
        return _refusal(request, error)
    look(known)
    return JSONResponse(_draft(found))


@router.post("/drafts/{number}/turn-down")
def turn_down_draft(number: Number, why: Why, request: Request, caller: Drafting) -> Response:
    """Turn a draft down: a responsible radiologist of what it touches, or its author."""
    known, account = wiring(request), person_of(caller)
    try:
        with known.database.begin() as session:
            found = turn_down(session, known.host, number, account, why.reason)
    except SettingsError as error:
        return _refusal(request, error)
    return JSONResponse(_draft(found))


@router.post("/versions/{number}/undo")
def undo_version(number: Number, why: Why, request: Request, caller: Drafting) -> Response:
    """Draft what stood before a version."""
    known, account = wiring(request), person_of(caller)
    reason = why.reason.strip() or text("settings_undo_reason", language_of(request), number=number)
    try:
        with known.database.begin() as session:
            made = undo(session, known.host, number, account.name, reason)
    except SettingsError as error:
        return _refusal(request, error)
    look(known)
    return JSONResponse(_draft(made), 201)


@router.post("/preview")
def preview(asked: Tries, request: Request, caller: Drafting) -> Response:
    """Which of the last days' studies would have been otherwise, some at a time."""
    known = wiring(request)
    until = asked.until if asked.until is not None and asked.until.tzinfo else utcnow()
    values: dict[str, Any] = {}
    try:
        base, values = _values(known, asked)
        tried = try_out(known, caller, values, until, asked.after, base)
    except SettingsError as error:
        return _refusal(request, error, values)
    return JSONResponse(_preview(tried, language_of(request)))


def _values(known: Wiring, asked: Asked) -> tuple[int, dict[str, Any]]:
    """The version that a change begins with, and every site key as it should be."""
    with known.database.read() as session:
        base, content = base_of(session, known.host, asked.base)
    if asked.settings is not None:
        return base, {**content, **asked.settings}
    try:
        values = read_yaml(asked.yaml or "", "yaml")
    except ConfigurationError as error:
        raise SettingsError(SettingsRefusal.UNREADABLE, str(error)) from error
    if not isinstance(values, dict):
        raise SettingsError(SettingsRefusal.UNREADABLE, type(values).__name__)
    return base, values


def _version(session: Session, row: SettingVersion) -> dict[str, Any]:
    made = None if row.draft is None else one_draft(session, row.draft)
    return {
        "number": row.number,
        "digest": row.digest,
        "author": row.author,
        "at": row.at.isoformat(timespec="seconds"),
        "reason": row.reason,
        "draft": row.draft,
        "approved_by": [] if made is None else list(made.approved_by),
    }


def _draft(found: Draft) -> dict[str, Any]:
    row = found.row
    return {
        "number": row.number,
        "state": found.state.value,
        "version": found.version,
        "base": row.base,
        "digest": row.digest,
        "origin": str(row.origin),
        "undoes": row.undoes,
        "author": row.author,
        "at": row.at.isoformat(timespec="seconds"),
        "reason": row.reason,
        "units": list(row.units),
        "open_units": list(found.open_units),
        "approved_by": list(found.approved_by),
        "turned_down_by": None if found.turned_down is None else found.turned_down.account,
    }


def _preview(tried: Tried, language: str) -> dict[str, Any]:
    found = tried.found
    return {
        "since": found.since.isoformat(timespec="seconds"),
        "until": found.until.isoformat(),
        "studies": found.studies,
        "looked": found.looked,
        "whole": found.whole,
        "changed": len(found.changed),
        "kinds": {kind.value: count for kind, count in sorted(found.kinds.items())},
        "retention": None
        if tried.removed is None
        else [{"objects": one.counts(), "bytes": one.size} for one in tried.removed],
        "untold": {why.value: count for why, count in sorted(found.untold.items())},
        "list": [
            {
                "study": one.changed.study_key,
                "application": one.changed.application,
                "changes": [
                    {
                        "kind": change.kind.value,
                        "before": change.before.get(language, ""),
                        "after": change.after.get(language, ""),
                    }
                    for change in one.changed.changes
                ],
            }
            for one in tried.shown
        ],
    }


def _refusal(
    request: Request, error: SettingsError, values: dict[str, Any] | None = None
) -> Response:
    known, language = wiring(request), language_of(request)
    told: dict[str, Any] = {
        "error": error.text(language),
        "code": error.refusal.value,
        "detail": error.detail,
    }
    if values:
        told["faults"] = faults(error, values, known.applications, language)
    return JSONResponse(told, status_of(error))
