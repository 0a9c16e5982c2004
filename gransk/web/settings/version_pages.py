"""The settings' versions and drafts: what each changed, who approved; approve, turn down, undo."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.site.answering import LONGEST, SHELL
from gransk.site.database import utcnow
from gransk.site.differences import Change
from gransk.site.settings_acts import approve, turn_down, undo
from gransk.site.settings_drafts import (
    WHOLE_SITE,
    Draft,
    DraftState,
    answers_for,
    content_of,
    drafts,
    one_draft,
    settings_now,
)
from gransk.site.settings_file import export_settings
from gransk.site.settings_refusals import SettingsError, SettingsRefusal
from gransk.site.site_keys import machine_content
from gransk.site.tables import SettingVersion
from gransk.web.access import Caller, allow, language_of, person_of
from gransk.web.permissions import Permission
from gransk.web.rendering import page
from gransk.web.settings import words
from gransk.web.settings.faults import faults
from gransk.web.settings.house import (
    LARGEST,
    Number,
    look,
    said,
    status_of,
    told_changes,
)
from gransk.web.settings.subjects import SUBJECTS, places
from gransk.web.settings.trying import SHOWN as STUDIES_SHOWN
from gransk.web.settings.trying import read_totals, totals, try_out
from gransk.web.texts import text
from gransk.web.wiring import Wiring, wiring

SHOWN = 100
"""Versions on one page."""
DONE = {
    "drafted": "settings_done_drafted",
    "approved": "settings_done_approved",
    "overtaken": "settings_done_overtaken",
    "turned_down": "settings_done_turned_down",
}
Seeing = Annotated[Caller, Depends(allow(Permission.SETTINGS))]
Drafting = Annotated[Caller, Depends(allow(Permission.SETTINGS_DRAFT))]
Approving = Annotated[Caller, Depends(allow(Permission.SETTINGS_APPROVE))]

Before = Annotated[int | None, Query(ge=1, le=LARGEST)]

router = APIRouter()


@dataclass(frozen=True)
class VersionShown:
    """A version with the draft that it was made from."""

    row: SettingVersion
    draft: Draft | None
    changes: Sequence[words.Told]


@router.get("/settings")
def show_settings(request: Request, caller: Seeing) -> Response:
    """What is in force, what waits, and the way to each subject."""
    known = wiring(request)
    with known.database.read() as session:
        now = settings_now(session, known.host)
        version = session.get(SettingVersion, now.number)
        open_drafts = drafts(session, waiting=True)
    return page(
        request,
        "settings/home.html",
        caller,
        kept=version,
        open_drafts=open_drafts,
        subjects=[one for one in SUBJECTS if places(one, known.applications)],
        machine=[
            (key, words.value(value, language_of(request)))
            for key, value in machine_content(known.config).items()
        ],
    )


@router.get("/settings/versions")
def show_versions(request: Request, caller: Seeing, before: Before = None) -> Response:
    """Versions, the newest first, and drafts."""
    known, language = wiring(request), language_of(request)
    host = known.host
    with known.database.read() as session:
        query = select(SettingVersion).order_by(SettingVersion.number.desc()).limit(SHOWN)
        if before is not None:
            query = query.where(SettingVersion.number < before)
        rows = session.scalars(query).all()
        shown = [
            VersionShown(
                row,
                _draft_of(session, row),
                words.changes(_changes(session, known, row.number), known.applications, language),
            )
            for row in rows
        ]
        every = [] if before is not None else drafts(session, most=SHOWN)
        newest = settings_now(session, host).number
    return page(
        request,
        "settings/versions.html",
        caller,
        versions=shown,
        drafts=[one for one in every if one.state is not DraftState.IN_FORCE],
        newest=newest,
        older=rows[-1].number if len(rows) == SHOWN and rows[-1].number > 1 else None,
    )


@router.get("/settings/versions/{number}")
def show_version(number: Number, request: Request, caller: Seeing) -> Response:
    """One version: what it changed, why, by whom, and who approved it."""
    return _version(request, caller, number)


@router.get("/settings/versions/{number}/yaml")
def export_version(number: Number, request: Request, caller: Seeing) -> Response:
    """A version's site keys as YAML, as `gransk config export` writes them."""
    known = wiring(request)
    with known.database.read() as session:
        try:
            content = content_of(session, known.host, number)
        except SettingsError as error:
            raise HTTPException(404) from error
    return PlainTextResponse(
        export_settings(content),
        headers={"content-disposition": f'attachment; filename="gransk-settings-{number}.yaml"'},
    )


@router.post("/settings/versions/{number}/undo")
def undo_version(
    number: Number,
    request: Request,
    caller: Drafting,
    reason: Annotated[str, Form(max_length=LONGEST)] = "",
) -> Response:
    """Draft what stood before a version, by one click."""
    known, language = wiring(request), language_of(request)
    why = reason.strip() or text("settings_undo_reason", language, number=number)
    try:
        with known.database.begin() as session:
            made = undo(session, known.host, number, person_of(caller).name, why)
    except SettingsError as error:
        if error.refusal is SettingsRefusal.NO_VERSION:
            raise HTTPException(404) from error
        return _version(request, caller, number, said(error, language), status_of(error))
    look(known)
    return RedirectResponse(f"/settings/drafts/{made.number}?done=drafted", 303)


@router.get("/settings/drafts/{number}")
def show_draft(number: Number, request: Request, caller: Seeing) -> Response:
    """One draft: what it would change, and who must approve it."""
    return _draft(request, caller, number)


@router.post("/settings/drafts/{number}/approve")
def approve_draft(number: Number, request: Request, caller: Approving) -> Response:
    """Approve a draft for the units that the person answers for."""
    known = wiring(request)
    try:
        with known.database.begin() as session:
            found = approve(session, known.host, number, person_of(caller))
    except SettingsError as error:
        return _refused(request, caller, number, error)
    look(known)
    done = "overtaken" if found.state is DraftState.OVERTAKEN else "approved"
    return RedirectResponse(f"/settings/drafts/{number}?done={done}", 303)


@router.post("/settings/drafts/{number}/turn-down")
def turn_down_draft(
    number: Number,
    request: Request,
    caller: Drafting,
    reason: Annotated[str, Form(max_length=LONGEST)] = "",
) -> Response:
    """Turn a draft down: a responsible radiologist of what it touches, or its author."""
    known = wiring(request)
    try:
        with known.database.begin() as session:
            turn_down(session, known.host, number, person_of(caller), reason)
    except SettingsError as error:
        return _refused(request, caller, number, error)
    return RedirectResponse(f"/settings/drafts/{number}?done=turned_down", 303)


@router.post("/settings/preview")
def show_preview(
    request: Request,
    caller: Drafting,
    settings: Annotated[str, Form()] = "",
    until: Annotated[datetime.datetime | None, Form()] = None,
    after: Annotated[int, Form(ge=0, le=LARGEST)] = 0,
    base: Annotated[int | None, Form(ge=0, le=LARGEST)] = None,
    so_far: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Which of the last days' studies would have been otherwise, some at a time."""
    known, language = wiring(request), language_of(request)
    try:
        values = json.loads(settings)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise HTTPException(422)
    bare = "hx-request" in request.headers
    known_until = utcnow() if until is None or until.tzinfo is None else until
    try:
        tried = try_out(known, caller, values, known_until, after, base)
    except SettingsError as error:
        wrong = faults(error, values, known.applications, language)
        return page(request, "settings/preview.html", caller, 422, wrong=wrong, bare=bare)
    kinds, untold, changed = read_totals(totals(tried.found, so_far))
    return page(
        request,
        "settings/preview.html",
        caller,
        wrong={},
        bare=bare,
        tried=tried,
        found=tried.found,
        content=settings,
        base=base,
        so_far=totals(tried.found, so_far),
        kinds=kinds,
        untold=untold,
        changed=changed,
        most=STUDIES_SHOWN,
        listed=Permission.WORKLIST in caller.may,
        title=lambda name: words.application(name, known.applications, language),
    )


def _version(
    request: Request, caller: Caller, number: int, refused: str = "", status: int = 200
) -> Response:
    known, language = wiring(request), language_of(request)
    host = known.host
    with known.database.read() as session:
        row = session.get(SettingVersion, number)
        if row is None:
            raise HTTPException(404)
        changes = _changes(session, known, number)
        made = _draft_of(session, row)
        newest = settings_now(session, host).number
    return page(
        request,
        "settings/version.html",
        caller,
        status,
        kept=row,
        draft=made,
        changes=words.changes(changes, known.applications, language),
        newest=newest,
        refused=refused,
        units=_units(known, language),
    )


def _draft(
    request: Request, caller: Caller, number: int, refused: str = "", status: int = 200
) -> Response:
    known, language = wiring(request), language_of(request)
    host = known.host
    with known.database.read() as session:
        try:
            found = one_draft(session, number)
            before = content_of(session, host, found.row.base)
        except SettingsError as error:
            raise HTTPException(404) from error
        section = settings_now(session, host).config.reading
    account = caller.account
    own = account is not None and found.row.author.removeprefix(SHELL) == account.name
    waits = found.state is DraftState.WAITING
    mine = [
        unit
        for unit in found.open_units
        if account is not None and waits and answers_for(section, account, unit)
    ]
    done = request.query_params.get("done", "")
    in_force = done == "drafted" and found.state is DraftState.IN_FORCE
    said_of = "settings_done_in_force" if in_force else DONE.get(done, "")
    return page(
        request,
        "settings/draft.html",
        caller,
        status,
        draft=found,
        changes=words.changes(
            told_changes(before, found.row.content, known.applications),
            known.applications,
            language,
        ),
        content=json.dumps(found.row.content, ensure_ascii=False) if waits else "",
        units=_units(known, language),
        mine=mine if Permission.SETTINGS_APPROVE in caller.may else [],
        own=own,
        may_turn_down=waits and Permission.SETTINGS_DRAFT in caller.may and (own or bool(mine)),
        refused=refused,
        message=text(said_of, language) if said_of else "",
    )


def _changes(session: Session, known: Wiring, number: int) -> list[Change]:
    """What a version changed against the one before it; of the first, nothing."""
    before = session.scalar(
        select(SettingVersion.number)
        .where(SettingVersion.number < number)
        .order_by(SettingVersion.number.desc())
        .limit(1)
    )
    if before is None:
        return []
    host = known.host
    old, new = (content_of(session, host, one) for one in (before, number))
    return told_changes(old, new, known.applications)


def _draft_of(session: Session, row: SettingVersion) -> Draft | None:
    return None if row.draft is None else one_draft(session, row.draft)


def _units(known: Wiring, language: str) -> dict[str, str]:
    """What each unit is called; the whole site where there is none."""
    titles = {unit.name: unit.title for unit in known.config.reading.units}
    return {WHOLE_SITE: text("settings_whole_site", language), **titles}


def _refused(request: Request, caller: Caller, number: int, error: SettingsError) -> Response:
    if error.refusal is SettingsRefusal.NO_DRAFT:
        raise HTTPException(404)
    return _draft(request, caller, number, said(error, language_of(request)), status_of(error))
