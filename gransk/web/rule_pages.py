"""Rules: what the site's settings would do with a study. Nothing is run or sent."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from gransk.core.application import Application
from gransk.oversight.rule_test import Ruled, in_archive, ruled
from gransk.pipeline.trial import InArchive, Tried, try_rules
from gransk.site.config import Config
from gransk.site.database import utcnow
from gransk.site.settings_acts import draft_config
from gransk.site.settings_drafts import drafts
from gransk.site.settings_refusals import SettingsError
from gransk.web.access import Caller, allow, language_of
from gransk.web.permissions import Permission
from gransk.web.rendering import page
from gransk.web.settings.house import LARGEST, status_of
from gransk.web.texts import text
from gransk.web.viewed import Named, Seen, Way
from gransk.web.wiring import Wiring, wiring

MOST_FILES = 20_000
Seeing = Annotated[Caller, Depends(allow(Permission.SETTINGS))]
router = APIRouter()


@router.get("/rules")
def show_rules(request: Request, caller: Seeing, study: str = "") -> Response:
    """The page on which a study is chosen, or a folder dropped."""
    return _page(request, caller, study=study)


@router.post("/rules")
def try_study(
    request: Request,
    caller: Seeing,
    study: Annotated[str, Form(max_length=64)] = "",
    draft: Annotated[int, Form(ge=0, le=LARGEST)] = 0,
) -> Response:
    """Try the rules on a study of the archive."""
    known = wiring(request)
    with known.database.read() as session:
        config = _settings(known, session, draft)
        found = in_archive(session, study.strip())
    if found is None:
        said = text("rules_no_study", language_of(request))
        return _page(request, caller, 404, study=study, draft=draft, fault=said)
    known.views.note_new(Seen(caller.name, Way.RULES.value, Named.KEY.value, found.key))
    tried = _try(known, config, found)
    if tried is None:
        return _busy(request, caller, study=study, draft=draft)
    return _answer(request, caller, config, tried, found.key, study=study, draft=draft)


@router.post("/rules/folder")
async def try_folder(request: Request, caller: Seeing) -> Response:
    """Try the rules on files that are sent along; they are removed again."""
    limit = wiring(request).config.service.max_upload_mb * 1024 * 1024
    said = request.headers.get("content-length", "")
    if not said.isdecimal():
        raise HTTPException(411)
    if int(said) > limit:
        raise HTTPException(413)
    form = await request.form(max_files=MOST_FILES)
    files = [file for file in form.getlist("files") if isinstance(file, UploadFile)]
    number = str(form.get("draft", "0"))
    draft = int(number) if number.isdecimal() and len(number) < 10 else 0
    return await run_in_threadpool(_try_files, request, caller, files, draft)


def _try_files(request: Request, caller: Caller, files: list[UploadFile], draft: int) -> Response:
    known = wiring(request)
    with known.database.read() as session:
        config = _settings(known, session, draft)
    if not any(file.filename for file in files):
        fault = text("rules_no_files", language_of(request))
        return _page(request, caller, 422, draft=draft, fault=fault)
    config.scratch_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rules.", dir=config.scratch_folder) as folder:
        for number, file in enumerate(files):
            # Their names may be a patient's: they are numbered.
            with (Path(folder) / f"{number:06}").open("wb") as written:
                shutil.copyfileobj(file.file, written)
        tried = _try(known, config, folder=Path(folder))
    if tried is None:
        return _busy(request, caller, draft=draft)
    return _answer(request, caller, config, tried, None, draft=draft)


def _try(
    known: Wiring, config: Config, found: InArchive | None = None, folder: Path | None = None
) -> Tried | None:
    """What the rules make of a study or folder; None where as many are tried as may be."""
    if not known.trials.acquire(blocking=False):
        return None
    try:
        return try_rules(config, found, folder)
    finally:
        known.trials.release()


def _busy(request: Request, caller: Caller, study: str = "", draft: int = 0) -> Response:
    said = text("rules_busy", language_of(request))
    return _page(request, caller, 429, study=study, draft=draft, fault=said)


def _settings(known: Wiring, session: Session, draft: int) -> Config:
    """The settings in force, or those of a draft."""
    if not draft:
        return known.config
    try:
        return draft_config(session, known.host, draft)
    except SettingsError as error:
        raise HTTPException(status_of(error)) from error


def _answer(
    request: Request,
    caller: Caller,
    config: Config,
    tried: Tried,
    key: str | None,
    study: str = "",
    draft: int = 0,
) -> Response:
    known, language = wiring(request), language_of(request)
    now = utcnow().astimezone(config.zone)
    with known.database.read() as session:
        found = ruled(session, config, tried, key, now)
    shown = [
        _shown(one, known.applications[one.read.application], language)
        for one in found
        if one.read.application in known.applications
    ]
    return _page(request, caller, study=study, draft=draft, tried=tried, found=shown)


def _shown(one: Ruled, application: Application, language: str) -> dict[str, Any]:
    """One application's answer, its notes in words."""
    presentation = application.presentation
    return {
        "ruled": one,
        "title": presentation.title[language],
        "choice": [presentation.text(note, language) for note in one.read.choice],
        "notes": [presentation.text(note, language) for note in one.read.notes],
        "priority": [(rule, rule.words(language)) for rule in one.priority],
    }


def _page(
    request: Request,
    caller: Caller,
    status: int = 200,
    study: str = "",
    draft: int = 0,
    fault: str = "",
    tried: Tried | None = None,
    found: list[dict[str, Any]] | None = None,
) -> Response:
    with wiring(request).database.read() as session:
        waiting = [(one.number, one.row.reason) for one in drafts(session, waiting=True)]
    return page(
        request,
        "rules.html",
        caller,
        status,
        study=study,
        draft=draft,
        waiting=waiting,
        fault=fault,
        tried=tried,
        found=found or [],
    )
