"""The risk profile of a study: a page with every question, and the same as REST."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from gransk.core.application import Presentation
from gransk.core.errors import UnreadableInputError
from gransk.core.findings import Findings
from gransk.core.followup import Advice, FollowUp, Risk, renamed
from gransk.results import edits, tracks
from gransk.results.blobs import BlobError
from gransk.results.store import read_follow_up
from gransk.results.tables import Report, Workitem
from gransk.web import profile_store, texts
from gransk.web.access import Caller, allow, language_of
from gransk.web.case_actions import Done, study_of
from gransk.web.permissions import Permission
from gransk.web.profile_form import SOURCES, Asker, Question, answered
from gransk.web.profile_store import application_of, keep, schema_of
from gransk.web.rendering import page
from gransk.web.seeing import check_sight
from gransk.web.wiring import Wiring, wiring

BODY_BYTES = 1 << 20
Reader = Annotated[Caller, Depends(allow(Permission.WORKLIST))]
Answering = Annotated[Caller, Depends(allow(Permission.PROFILE))]

router = APIRouter()


@dataclass(frozen=True)
class Term:
    """One term of a risk model as the page shows it."""

    label: str
    value: str
    added: str


@dataclass(frozen=True)
class RiskShown:
    """One model for one lesion."""

    lesion: str
    model: str
    probability: str
    terms: Sequence[Term]
    warnings: Sequence[str]


@dataclass(frozen=True)
class Lesion:
    """One lesion and its questions."""

    name: str
    questions: Sequence[Question]


@router.get("/studies/{key}/profile")
def show_profile(key: str, request: Request, caller: Reader, done: str = "") -> Response:
    """Every question with its answer, source and date; risk with what every term adds."""
    message = texts.text(done, language_of(request)) if done in frozenset(Done) else ""
    return _page(request, caller, key, message=message)


@router.post("/studies/{key}/profile")
async def answer(key: str, request: Request, caller: Answering) -> Response:
    """Keep what a person answered; what was left as it is stays."""
    form = {name: str(value) for name, value in (await request.form()).items()}
    return await run_in_threadpool(_answer, key, request, caller, form)


def _answer(key: str, request: Request, caller: Caller, form: Mapping[str, str]) -> Response:
    known, language = wiring(request), language_of(request)
    try:
        date = datetime.date.fromisoformat(form.get("date", ""))
    except ValueError:
        error = texts.text("profile_date_wrong", language)
        return _page(request, caller, key, error=error, status=422)
    try:
        with known.database.begin() as session:
            study = study_of(session, key)
            check_sight(known, session, caller, key)
            application = application_of(known, session, key)
            schema = schema_of(application)
            current = profile_store.current(session, study, application.id)
            added = answered(schema, form, current, date, language)
            count = keep(session, study, application, added, caller.name, language)
    except UnreadableInputError as wrong:
        return _page(request, caller, key, error=str(wrong), status=422)
    done = Done.PROFILE_KEPT if count else Done.PROFILE_UNCHANGED
    return RedirectResponse(f"/studies/{key}/profile?done={done}", 303)


@router.get("/api/studies/{key}/profile")
def read_profile(key: str, request: Request, caller: Answering) -> dict[str, Any]:
    """What is known, by the application's profile schema."""
    known = wiring(request)
    with known.database.read() as session:
        study = study_of(session, key)
        check_sight(known, session, caller, key)
        application = application_of(known, session, key)
        return profile_store.current(session, study, application.id)


@router.put("/api/studies/{key}/profile")
async def write_profile(key: str, request: Request, caller: Answering) -> JSONResponse:
    """Keep the answers of a profile; what it does not name stays as it is."""
    given = await body_of(request)
    return await run_in_threadpool(_write, key, request, caller, given)


def _write(key: str, request: Request, caller: Caller, given: Mapping[str, Any]) -> JSONResponse:
    known = wiring(request)
    try:
        with known.database.begin() as session:
            study = study_of(session, key)
            check_sight(known, session, caller, key)
            application = application_of(known, session, key)
            count = keep(session, study, application, given, caller.name, "en")
            current = profile_store.current(session, study, application.id)
    except UnreadableInputError as error:
        return JSONResponse({"error": str(error)}, 422)
    return JSONResponse({"added": count, "profile": current})


async def body_of(request: Request) -> dict[str, Any]:
    """A request's JSON object; 413 where it is too large, 422 where it is none."""
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > BODY_BYTES:
            raise HTTPException(413)
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise HTTPException(422) from error
    if not isinstance(found, dict):
        raise HTTPException(422)
    return found


def _page(
    request: Request,
    caller: Caller,
    key: str,
    message: str = "",
    error: str = "",
    status: int = 200,
) -> Response:
    known, language = wiring(request), language_of(request)
    with known.database.read() as session:
        study = study_of(session, key)
        check_sight(known, session, caller, key)
        application = application_of(known, session, key)
        profile = profile_store.current(session, study, application.id)
        history = profile_store.history(session, study, application.id)
        item = session.scalars(
            select(Workitem).where(
                Workitem.study_key == key, Workitem.application == application.id
            )
        ).one()
        findings, follow_up = _released(known, session, item)
    presentation = application.presentation
    counted = _counted(follow_up)
    asker = Asker(schema_of(application), presentation, profile, findings, counted, language)
    patient, lesions = asker.parts()
    return page(
        request,
        "profile.html",
        caller,
        status,
        study=study,
        title=presentation.title[language],
        patient=[question for part in patient for question in asker.patient(part)],
        lesions=_lesions(asker, lesions, findings),
        risks=_risks(presentation, findings, follow_up, language),
        advice=_advice(findings, follow_up, language),
        notes=_notes(presentation, findings, language),
        history=history,
        sources=SOURCES,
        today=datetime.datetime.now(known.config.zone).date().isoformat(),
        message=message,
        error=error,
    )


def _released(
    known: Wiring, session: Session, item: Workitem
) -> tuple[Findings | None, FollowUp | None]:
    """Findings under the names that reports write, and what the report tells beside them."""
    report = session.get(Report, item.report_key) if item.report_key else None
    if report is None or report.released_at is None or report.withdrawn_at is not None:
        return None, None
    try:
        findings = known.findings(session, report.analysis_key)
        follow_up = read_follow_up(session, known.blobs, report.key)
    except (BlobError, KeyError, ValidationError):
        return None, None
    names = tracks.tracking(session, report.analysis_key)
    known_acts = edits.acts(session, item.study_key, item.application, report.analysis_key)
    return renamed(edits.edited(findings, known_acts), names), follow_up


def _lesions(asker: Asker, parts: Sequence[str], findings: Findings | None) -> list[Lesion]:
    kept = [] if findings is None else [one for one in findings.findings if not one.rejected]
    return [
        Lesion(one.tracking_id, asker.lesion(part, one.tracking_uid))
        for part in parts
        for one in kept
    ]


def _counted(follow_up: FollowUp | None) -> dict[tuple[str, str], Any]:
    """What the risk models took, by lesion and key; for the patient under an empty name too."""
    assessment = None if follow_up is None else follow_up.assessment
    found: dict[tuple[str, str], Any] = {}
    for risk in () if assessment is None else assessment.risks:
        for part in risk.contributions:
            if part.value is not None and not isinstance(part.value, tuple):
                found[risk.tracking_uid, part.input] = part.value
                found["", part.input] = part.value
    return found


def _names(findings: Findings | None) -> dict[str, str]:
    found = () if findings is None else findings.findings
    return {one.tracking_uid: one.tracking_id for one in found}


def _risks(
    presentation: Presentation, findings: Findings | None, follow_up: FollowUp | None, language: str
) -> list[RiskShown]:
    assessment = None if follow_up is None else follow_up.assessment
    names = _names(findings)
    shown = []
    for risk in () if assessment is None else assessment.risks:
        warnings = [presentation.text(note, language) for note in risk.warnings]
        if risk.refused is not None:
            warnings.insert(0, presentation.text(risk.refused, language))
        shown.append(
            RiskShown(
                lesion=names.get(risk.tracking_uid, risk.tracking_uid),
                model=risk.calculated_by or risk.model,
                probability=_ends(risk.probability, 100, 1, language, " %"),
                terms=_terms(presentation, risk, language),
                warnings=warnings,
            )
        )
    return shown


def _terms(presentation: Presentation, risk: Risk, language: str) -> list[Term]:
    def word(code: str, otherwise: str) -> str:
        return presentation.texts.get(code, {}).get(language, otherwise)

    terms = []
    for part in risk.contributions:
        value = part.value
        if value is None:
            unknown = part.input != "constant"
            shown = texts.text("answer_unknown", language) if unknown else ""
        elif isinstance(value, str):
            shown = word(f"answer_{value}", value)
        elif isinstance(value, tuple):
            shown = _ends(value, 1, 3, language)
        else:
            shown = f"{value:g}".replace(".", "," if language == "da" else ".")
        label = word(f"profile_{part.input}", part.input)
        terms.append(Term(label, shown, _ends(part.log_odds, 1, 3, language)))
    return terms


def _ends(
    ends: tuple[float, float] | None, times: float, digits: int, language: str, unit: str = ""
) -> str:
    """One number, or least and most."""
    if ends is None:
        return ""
    shown = [texts.number(times * end, digits, language) for end in ends]
    told = (
        shown[0]
        if shown[0] == shown[1]
        else texts.text("low_to_high", language, low=shown[0], high=shown[1])
    )
    return told + unit


def _advice(
    findings: Findings | None, follow_up: FollowUp | None, language: str
) -> list[tuple[str, Advice]]:
    assessment = None if follow_up is None else follow_up.assessment
    names = _names(findings)
    return [
        (names.get(one.tracking_uid or "", ""), one)
        for one in (() if assessment is None else assessment.advice)
    ]


def _notes(presentation: Presentation, findings: Findings | None, language: str) -> list[str]:
    """What a reader must know of what was measured of the study."""
    if findings is None or not findings.measurements:
        return []
    return [presentation.text(note, language) for note in findings.notes]
