"""Local validation: the report of a model on a unit's own exams, its signature, and its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field
from sqlalchemy.orm import Session

from gransk.core.findings import ModelIdentity
from gransk.core.keys import digest
from gransk.reading import gate, rooms
from gransk.reading.past import PastExam
from gransk.reading.past_keeping import Closed
from gransk.reading.policy import Minimum, Room
from gransk.reading.policy_refusals import PolicyError
from gransk.reading.policy_tables import Validation
from gransk.reading.validation.report import Report, validate
from gransk.site.events import EventKind, record
from gransk.web import texts
from gransk.web.access import Caller, allow, language_of, person_of
from gransk.web.permissions import Permission
from gransk.web.reading import roc, simulating, validation_pdf
from gransk.web.reading.asking import (
    Asked,
    answers_for,
    asker_of,
    check_unit,
    countable,
    titles,
    today,
)
from gransk.web.reading.policy_pages import BEGINNING, told
from gransk.web.reading.said import named, percent, plain
from gransk.web.rendering import page
from gransk.web.wiring import Wiring, wiring

APPLICATION = "mammo"
"""Whose models are validated where no version of the policies names another."""
USUAL_LIMIT = 10
"""As in MASAI, where the unit's policy has none by score."""

router = APIRouter()
Seeing = Annotated[Caller, Depends(allow(Permission.FIGURES))]
Signing = Annotated[Caller, Depends(allow(Permission.VALIDATION_SIGN))]


class ValidationAsked(Asked):
    """Which unit and model, over which period, and at which limit subgroups are counted."""

    model: Annotated[str, Field(max_length=128)] = ""
    recall_from: Annotated[int | None, Field(ge=1, le=10)] = None


@dataclass(frozen=True)
class Made:
    """A report as it is now, and what its signature would be of.

    Parameters
    ----------
    report : Report
    digest : str
    models : tuple of ModelIdentity
        Empty where the findings that name them cannot be read.
    application : str
    minimum_set : bool
        Whether the policies say what a validation must hold.
    """

    report: Report
    digest: str
    models: tuple[ModelIdentity, ...]
    application: str
    minimum_set: bool


@dataclass(frozen=True)
class Counted:
    """The models that gave a unit's exams a score, and the report of one; None without any."""

    models: list[str]
    made: Made | None


@router.get("/reading/validation")
def show_validation(
    request: Request, asked: Annotated[ValidationAsked, Query()], caller: Seeing
) -> Response:
    """How a model did on a unit's own exams so far."""
    return _show(request, caller, asked)


@router.post("/reading/validation/sign")
def sign(
    request: Request,
    caller: Signing,
    unit: Annotated[str, Form(max_length=64)] = "",
    model: Annotated[str, Form(max_length=128)] = "",
    recall_from: Annotated[int, Form(ge=1, le=10)] = USUAL_LIMIT,
    first: Annotated[str, Form(max_length=10)] = "",
    last: Annotated[str, Form(max_length=10)] = "",
    seen: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Sign the report as it was shown; where it has changed since, it is shown again."""
    known, language = wiring(request), language_of(request)
    check_unit(known.config, unit, needed=True)
    asked = ValidationAsked.model_validate(
        {"unit": unit, "model": model, "recall_from": recall_from, "first": first, "last": last}
    )
    made = _counted(known, caller, asked, until_there=True).made
    if made is None:
        raise HTTPException(404)
    if made.digest != seen:
        return _show(request, caller, asked, texts.text("validation_changed", language), 409)
    if not made.models or not made.report.counts.counted:
        return _show(request, caller, asked, texts.text("validation_nothing", language), 409)
    try:
        with known.database.begin() as session:
            row = gate.sign(
                session, known.config.reading, person_of(caller), unit, made.application,
                made.models, made.report.model_dump(mode="json"),
                made.report.counts.counted, made.report.counts.cancers,
            )  # fmt: skip
            session.flush()
            number = row.number
    except PolicyError as error:
        return _show(request, caller, asked, " ".join(told(error, language)), 409)
    return RedirectResponse(f"/reading/validation/{number}?done=signed", 303)


@router.get("/reading/validation/{number}")
def show_signed(number: int, request: Request, caller: Seeing, done: str = "") -> Response:
    """A report as it was signed."""
    known, language = wiring(request), language_of(request)
    with known.database.read() as session:
        row = _find(session, number)
        room = rooms.in_force(session, today(known))
    report = Report.model_validate(row.report)
    minimum = None if room is None else room.minimum.get(row.application)
    message = texts.text("validation_signed_now", language) if done == "signed" else ""
    return page(
        request,
        "reading/validation_signed.html",
        caller,
        row=row,
        units=titles(known.config),
        whole_report=row.digest == digest(row.report),
        counts_now=minimum is not None and gate.fulfils(row, minimum),
        message=message,
        **_values(report, language),
    )


@router.get("/reading/validation/{number}/json")
def export_json(number: int, request: Request, caller: Seeing) -> Response:
    """A signed report as data, with its digest and signature."""
    with wiring(request).database.begin() as session:
        row = _find(session, number)
        content = _json(row)
        _exported(session, caller, number, "json")
    return Response(
        json.dumps(content, indent=1, ensure_ascii=False),
        media_type="application/json",
        headers={"content-disposition": f'attachment; filename="validation-{number}.json"'},
    )


@router.get("/reading/validation/{number}/pdf")
def export_pdf(number: int, request: Request, caller: Seeing) -> Response:
    """A signed report as a document."""
    known, language = wiring(request), language_of(request)
    with known.database.begin() as session:
        row = _find(session, number)
        report = Report.model_validate(row.report)
        unit = titles(known.config).get(row.unit, row.unit)
        content = validation_pdf.as_pdf(row, report, unit, language, known.config.zone)
        _exported(session, caller, number, "pdf")
    return Response(
        content,
        media_type="application/pdf",
        headers={"content-disposition": f'attachment; filename="validation-{number}.pdf"'},
    )


# Making one


def _show(
    request: Request,
    caller: Caller,
    asked: ValidationAsked,
    error: str = "",
    status: int = 200,
) -> Response:
    known, language = wiring(request), language_of(request)
    check_unit(known.config, asked.unit)
    units = known.config.reading.names
    asked = asked.model_copy(update={"unit": asked.unit or (units[0] if units else "")})
    # A refusal cannot be asked for again: it waits for its figures.
    counted = _counted(known, caller, asked, until_there=bool(error))
    made = counted.made
    with known.database.read() as session:
        application = APPLICATION if made is None else made.application
        signed = gate.validations(session, asked.unit, application)
    may = Permission.VALIDATION_SIGN in caller.may and asked.unit in answers_for(
        known.config, person_of(caller)
    )
    return page(
        request,
        "reading/validation.html",
        caller,
        status,
        asked=asked,
        units=titles(known.config),
        models=counted.models,
        made=made,
        signed=signed,
        may_sign=may and made is not None and made.minimum_set and bool(made.models),
        error=error,
        **({} if made is None else _values(made.report, language)),
    )


def _counted(
    known: Wiring,
    caller: Caller,
    asked: ValidationAsked,
    until_there: bool = False,
) -> Counted:
    def make(session: Session, closed: list[Closed]) -> Counted:
        models = simulating.models_of(countable(closed), asked.unit)
        return Counted(models, _made(known, session, closed, asked))

    return known.figures(asker_of(known, caller), ("validation", asked), make, until_there)


def _made(
    known: Wiring, session: Session, every: list[Closed], asked: ValidationAsked
) -> Made | None:
    """The report of what is asked for; None where no model gave the unit a score."""
    room = rooms.in_force(session, today(known))
    application = APPLICATION if room is None else room.application
    minimum = None if room is None else room.minimum.get(application)
    closed = [one for one in every if asked.holds(one.past.date)]
    models = simulating.models_of(countable(closed), asked.unit)
    if not models:
        return None
    model = asked.model if asked.model in models else models[0]
    ours = {
        one.exam for one in simulating.past_of_model(countable(closed), asked.unit, model).exams
    }
    chosen = [one for one in closed if one.past.exam in ours]
    report = validate(
        known.past.with_density(session, chosen),
        asked.unit,
        model,
        minimum or Minimum.model_validate(BEGINNING["minimum"][APPLICATION]),
        asked.recall_from or _limit(room, asked.unit),
    )
    return Made(
        report=report,
        digest=digest(report.model_dump(mode="json")),
        models=known.past.models(session, [one for one in chosen if _is_of(one.past, model)]),
        application=application,
        minimum_set=minimum is not None,
    )


def _limit(room: Room | None, unit: str) -> int:
    """The score from which on the unit's policy acts; else the usual one."""
    policy = simulating.in_force_at(room, unit)
    for name in ("recall_from", "double_from"):
        limit = None if policy is None else getattr(policy, name)
        if isinstance(limit, int):
            return limit
    return USUAL_LIMIT


def _is_of(exam: PastExam, model: str) -> bool:
    return exam.ai is not None and exam.ai.model == model


# Showing one


def _values(report: Report, language: str) -> dict[str, Any]:
    """What a template of a report needs."""
    return {
        "report": report,
        "roc": roc.drawn(report, language) if report.curve else "",
        "roc_words": roc.described(report, language),
        "percent": partial(percent, language=language),
        "plain": partial(plain, language=language),
        "named": partial(named, language=language),
    }


def _json(row: Validation) -> dict[str, Any]:
    return {
        "number": row.number,
        "unit": row.unit,
        "application": row.application,
        "models": {
            name: {"version": version, "sha256": sha256}
            for name, (version, sha256) in row.models.items()
        },
        "exams": row.exams,
        "cancers": row.cancers,
        "signed_by": row.signed_by,
        "signed_at": row.signed_at.isoformat(),
        "digest": row.digest,
        "report": row.report,
    }


def _exported(session: Session, caller: Caller, number: int, form: str) -> None:
    data: Mapping[str, Any] = {"what": "validation", "form": form, "number": number}
    record(session, caller.name, EventKind.FIGURES_EXPORTED, caller.name, data)


def _find(session: Session, number: int) -> Validation:
    row = session.get(Validation, number)
    if row is None:
        raise HTTPException(404)
    return row
