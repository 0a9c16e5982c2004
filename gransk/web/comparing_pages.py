"""Comparisons of analyses that run beside those in use, and asking for past studies."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive.tables import SeenStudy
from gransk.core.errors import InvalidValueError
from gransk.core.findings import Findings
from gransk.oversight.compared import FOLLOW_UP_MONTHS, Listed, compared, evidence, listed, reasons
from gransk.oversight.comparing import matched
from gransk.registry import beside
from gransk.registry.asking import check_ask, settings_of
from gransk.registry.beside import MOST, BesideError, BesideRefusal, Wanted
from gransk.registry.beside_tables import BesideRun, RunState
from gransk.site.config_reading import ReadingSection
from gransk.site.database import utcnow
from gransk.web.access import Caller, allow, language_of
from gransk.web.case_actions import study_of
from gransk.web.permissions import Permission
from gransk.web.rendering import page
from gransk.web.seeing import check_sight, hides_from
from gransk.web.texts import text
from gransk.web.views import View, png, view_of
from gransk.web.wiring import Wiring, wiring

SIDES = ("active", "own")
MOST_PICTURES = 12
Seeing = Annotated[Caller, Depends(allow(Permission.MODELS))]
Changing = Annotated[Caller, Depends(allow(Permission.MODELS_CHANGE))]
Line = Annotated[str, Form(max_length=64)]
router = APIRouter()


@dataclass(frozen=True)
class Typed:
    """The form as it was typed."""

    application: str = ""
    settings: str = ""
    first: str = ""
    last: str = ""
    unit: str = ""
    most: str = str(MOST)
    name: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Shown:
    """One side of a study: its findings in words, and its pictures."""

    side: str
    line: str
    models: list[str]
    summary: list[tuple[str, str]]
    findings: list[tuple[str, float, bool, list[tuple[str, str]]]]
    """Name, probability, whether the other side has it too, and more."""
    pictures: list[View]


@router.get("/models/compare")
def show_comparisons(request: Request, caller: Seeing) -> Response:
    """Every comparison, and the form that asks for one."""
    return _list(request, caller, Typed())


@router.post("/models/compare")
def ask_comparison(
    request: Request,
    caller: Changing,
    application: Line = "",
    settings: Annotated[str, Form(max_length=20_000)] = "",
    first: Line = "",
    last: Line = "",
    unit: Line = "",
    most: Line = str(MOST),
    name: Line = "",
    reason: Annotated[str, Form(max_length=1000)] = "",
    sure: Line = "",
) -> Response:
    """Say how many studies match; with ``sure``, ask for them."""
    known, language = wiring(request), language_of(request)
    typed = Typed(application, settings, first, last, unit, most, name.strip(), reason)
    try:
        with known.database.begin() as session:
            hides = hides_from(known, session, caller)
            wanted = _wanted(typed, known.config.reading)
            changed = settings_of(settings.splitlines())
            check_ask(session, known.config, known.applications, application, changed, typed.name)
            if beside.name_taken(session, typed.name):
                raise BesideError(BesideRefusal.NAME_TAKEN, typed.name)
            if not sure:
                count = min(len(beside.past(session, wanted, hides)), _most(typed))
            else:
                beside.ask(
                    session, wanted, typed.name, changed, caller.name, reason, _most(typed), hides
                )
    except BesideError as error:
        fault = text(f"comparing_{error.refusal}", language) + (
            f" {error.detail}" if error.detail else ""
        )
        return _list(request, caller, typed, 422, fault=fault)
    except InvalidValueError:
        return _list(request, caller, typed, 422, fault=text("comparing_reason_wrong", language))
    if not sure:
        return _list(request, caller, typed, count=count)
    return RedirectResponse(f"/models/compare/{typed.name}", 303)


@router.get("/models/compare/{name}")
def show_comparison(name: str, request: Request, caller: Seeing, settings: str = "") -> Response:
    """What a comparison says; without ``settings`` under its newest ones."""
    known = wiring(request)
    with known.database.read() as session:
        hides = hides_from(known, session, caller)
        versions = listed(session, hides, name)
        chosen = _chosen(versions, settings)
        found = compared(session, known.summaries, chosen, hides, FOLLOW_UP_MONTHS)
        why = reasons(session, chosen, hides)
        keys = [case.key for case in found.differing]
        query = select(SeenStudy).where(SeenStudy.key.in_(keys))
        dates = {study.key: study.study_date for study in session.scalars(query)}
    return page(
        request,
        "comparison.html",
        caller,
        of=chosen,
        versions=versions,
        found=found,
        why=why,
        dates=dates,
        title=_title(known, chosen.application, language_of(request)),
        months=FOLLOW_UP_MONTHS,
    )


@router.get("/models/compare/{name}/figures.json")
def take_figures(name: str, request: Request, caller: Seeing, settings: str = "") -> Response:
    """The figures of a comparison, to be kept with a step of a model; no study is named."""
    known = wiring(request)
    with known.database.read() as session:
        hides = hides_from(known, session, caller)
        chosen = _chosen(listed(session, hides, name), settings)
        found = compared(session, known.summaries, chosen, hides, FOLLOW_UP_MONTHS)
    headers = {"content-disposition": f'attachment; filename="{chosen.name}.json"'}
    return JSONResponse(evidence(chosen, found, utcnow()), headers=headers)


@router.post("/models/compare/{name}/stop")
def stop_comparison(name: str, request: Request, caller: Changing) -> Response:
    """Stop what was asked for."""
    with wiring(request).database.begin() as session:
        if not beside.stop(session, name, caller.name):
            raise HTTPException(404)
    return RedirectResponse(f"/models/compare/{name}", 303)


@router.get("/models/compare/{name}/studies/{key}")
def show_study(
    name: str, key: str, request: Request, caller: Seeing, settings: str = ""
) -> Response:
    """Both analyses of one study, side by side."""
    known, language = wiring(request), language_of(request)
    with known.database.read() as session:
        study = study_of(session, key)
        run = _run(known, session, caller, name, key, settings)
        found = [known.findings(session, one) for one in _analyses(run)]
        pairs = matched(found[1].findings, found[0].findings)
        both = ({pair[1] for pair in pairs}, {pair[0] for pair in pairs})
        sides = [
            _side(known, session, side, analysis, findings, shared, language)
            for side, analysis, findings, shared in zip(
                SIDES, _analyses(run), found, both, strict=True
            )
        ]
    return page(request, "comparison_study.html", caller, run=run, study=study, sides=sides)


@router.get("/models/compare/{name}/studies/{key}/{side}/{index}.png")
def show_side_picture(
    name: str, key: str, side: str, index: int, request: Request, caller: Seeing,
    settings: str = "",
) -> Response:  # fmt: skip
    """One picture of one side."""
    known = wiring(request)
    with known.database.read() as session:
        study_of(session, key)
        run = _run(known, session, caller, name, key, settings)
        if side not in SIDES:
            raise HTTPException(404)
        pictures = known.pictures(session, _analyses(run)[SIDES.index(side)])
    if not 0 <= index < len(pictures):
        raise HTTPException(404)
    headers = {"cache-control": "private, no-store"}
    return Response(png(pictures[index]), media_type="image/png", headers=headers)


def _list(
    request: Request,
    caller: Caller,
    typed: Typed,
    status: int = 200,
    fault: str = "",
    count: int | None = None,
) -> Response:
    known, language = wiring(request), language_of(request)
    with known.database.read() as session:
        found = listed(session, hides_from(known, session, caller))
    titles = {name: _title(known, name, language) for name in known.applications}
    return page(
        request,
        "comparisons.html",
        caller,
        status,
        found=found,
        titles=titles,
        shadows={one.name for one in known.config.shadows},
        units=known.config.reading.names,
        typed=typed,
        fault=fault,
        count=count,
        most=MOST,
    )


def _wanted(typed: Typed, reading: ReadingSection) -> Wanted:
    try:
        first, last = map(datetime.date.fromisoformat, (typed.first, typed.last))
    except ValueError as error:
        raise BesideError(BesideRefusal.DAYS_WRONG) from error
    if last < first:
        raise BesideError(BesideRefusal.DAYS_WRONG)
    return Wanted(typed.application, first, last, reading.narrows(typed.unit))


def _most(typed: Typed) -> int:
    if not typed.most.isdecimal() or not 1 <= int(typed.most) <= MOST:
        raise BesideError(BesideRefusal.MOST_WRONG, str(MOST))
    return int(typed.most)


def _chosen(versions: list[Listed], settings: str) -> Listed:
    for one in versions:
        if one.settings_digest.startswith(settings):
            return one
    raise HTTPException(404)


def _run(
    known: Wiring, session: Session, caller: Caller, name: str, key: str, settings: str
) -> BesideRun:
    """The run that a page shows, to who may see the study and its images."""
    check_sight(known, session, caller, key)
    if Permission.IMAGES not in caller.may:
        raise HTTPException(403)
    query = (
        select(BesideRun)
        .where(BesideRun.name == name, BesideRun.study_key == key)
        .where(BesideRun.state == RunState.READY, BesideRun.settings_digest.startswith(settings))
        .order_by(BesideRun.created_at.desc())
    )
    run = session.scalars(query).first()
    if run is None:
        raise HTTPException(404)
    return run


def _analyses(run: BesideRun) -> tuple[str, str]:
    return run.active_analysis, str(run.own_analysis)


def _side(
    known: Wiring,
    session: Session,
    side: str,
    analysis: str,
    findings: Findings,
    shared: set[str],
    language: str,
) -> Shown:
    presentation = known.applications[findings.application].presentation
    pictures = known.pictures(session, analysis)[:MOST_PICTURES]
    return Shown(
        side=side,
        line=presentation.line(findings, language),
        models=[f"{model.id} {model.version}" for model in findings.models],
        summary=presentation.summary(findings, language),
        findings=[
            (one.tracking_id, one.probability, one.tracking_uid in shared,
             presentation.details(one, language))
            for one in findings.findings
        ],
        pictures=[view_of(n, picture, language) for n, picture in enumerate(pictures)],
    )  # fmt: skip


def _title(known: Wiring, application: str, language: str) -> str:
    found = known.applications.get(application)
    return application if found is None else found.presentation.title[language]
