"""Earlier studies on the page of a case, and a patient's identifiers that people join."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive import patients, priors
from gransk.archive.patients import Identifier
from gransk.archive.tables import (
    FetchState,
    JoinedPatient,
    PriorSearch,
    PriorState,
    Purpose,
    SearchState,
    SeenStudy,
)
from gransk.core.errors import InvalidValueError
from gransk.reading.seeing import Looker, hidden
from gransk.results.tables import Workitem
from gransk.web.access import Caller, allow, language_of
from gransk.web.case_actions import study_of
from gransk.web.identity_pages import identities_shown
from gransk.web.permissions import Permission
from gransk.web.rendering import page
from gransk.web.texts import text
from gransk.web.wiring import wiring
from gransk.web.worklist import reason_text

Joiner = Annotated[Caller, Depends(allow(Permission.JOIN))]
Given = Annotated[str, Query(max_length=patients.LONGEST)]
router = APIRouter()


@dataclass(frozen=True)
class Earlier:
    """One earlier study as the page shows it.

    ``key`` is that of its own page, empty where it is not here; ``state`` a key of the
    catalogue, ``reason`` a sentence, ``detail`` what the archive answered last.
    """

    date: str
    source: str
    state: str
    reason: str
    detail: str
    key: str
    item: Workitem | None


@dataclass(frozen=True)
class EarlierStudies:
    """Every earlier study of a case, and archives that did not answer."""

    rows: Sequence[Earlier]
    unreached: Sequence[str]
    searching: bool


def earlier_studies(
    session: Session, study_key: str, language: str, who: Looker
) -> EarlierStudies | None:
    """What a study's page tells of its earlier ones; None where none are looked for.

    How the analysis of one is that ``who`` may not see is left out.
    """
    search = session.get(PriorSearch, study_key)
    if search is None:
        return None
    rows = []
    for prior, fetch in priors.of_study(session, study_key):
        seen = session.get(SeenStudy, prior.prior_key) if prior.prior_key else None
        items = select(Workitem).where(
            Workitem.study_key == prior.prior_key, ~hidden(who, Workitem.study_key)
        )
        state = f"prior_{prior.state}"
        if seen is not None and seen.deleted_at is not None:
            state = "prior_removed"
        elif prior.state == PriorState.WANTED and fetch is not None:
            state = "prior_coming" if fetch.state == FetchState.RUNNING else state
        rows.append(
            Earlier(
                date=prior.study_date,
                source=prior.source,
                state=state,
                reason=reason_text(prior.reason, language),
                detail=fetch.detail if fetch is not None and not prior.prior_key else "",
                key=prior.prior_key or "",
                item=session.scalars(items).first() if prior.prior_key else None,
            )
        )
    return EarlierStudies(rows, search.unreached, search.state != SearchState.DONE)


@router.post("/studies/{key}/read")
def read_prior(
    key: str, request: Request, caller: Annotated[Caller, Depends(allow(Permission.RERUN))]
) -> Response:
    """Take a study that was fetched to compare with for one to be read."""
    with wiring(request).database.begin() as session:
        study = session.get(SeenStudy, key, with_for_update=True)
        if study is None or study.purpose != Purpose.PRIOR or study.deleted_at is not None:
            raise HTTPException(404)
        priors.read(session, study, caller.name)
    wiring(request).nudge()
    return RedirectResponse(f"/studies/{key}", 303)


@router.get("/studies/{key}/patient")
def show_patient(
    key: str, request: Request, caller: Joiner, other: Given = "", issuer: Given = ""
) -> Response:
    """The patient's identifiers; before one is joined, whose it is."""
    return _show(request, caller, key, (other.strip(), issuer.strip()))


@router.post("/studies/{key}/join")
def join(
    key: str,
    request: Request,
    caller: Joiner,
    other: Annotated[str, Form()],
    issuer: Annotated[str, Form()] = "",
) -> Response:
    """Say that another identifier is this patient's, and look for earlier studies anew."""
    try:
        with wiring(request).database.begin() as session:
            one = _identifier(request, study_of(session, key))
            two = (other.strip(), issuer.strip() or wiring(request).config.priors.issuer)
            patients.join(session, one, two, caller.name, key)
            priors.ask_for_patient(session, *one)
    except InvalidValueError:
        return _show(request, caller, key, error="identifier_refused", status=422)
    return RedirectResponse(f"/studies/{key}/patient", 303)


@router.post("/studies/{key}/part")
def part(key: str, request: Request, caller: Joiner, link: Annotated[str, Form()]) -> Response:
    """Take a join back, and look for earlier studies anew."""
    with wiring(request).database.begin() as session:
        one = _identifier(request, study_of(session, key))
        if link not in {known.id for known in patients.links(session, one)}:
            raise HTTPException(404)
        priors.ask_for_patient(session, *one)  # those of both, while they are one
        patients.part(session, link, caller.name, key)
    return RedirectResponse(f"/studies/{key}/patient", 303)


def _identifier(request: Request, study: SeenStudy) -> Identifier:
    return patients.Patient.of_study(study).identifier(wiring(request).config.priors.issuer)


def _show(
    request: Request,
    caller: Caller,
    key: str,
    other: Identifier = ("", ""),
    error: str = "",
    status: int = 200,
) -> Response:
    with wiring(request).database.read() as session:
        study = study_of(session, key)
        links: list[JoinedPatient] = patients.links(session, _identifier(request, study))
        found = select(SeenStudy).where(SeenStudy.patient_id == other[0])
        studies = session.scalars(found.order_by(SeenStudy.study_date.desc()).limit(20)).all()
        return page(
            request,
            "patient.html",
            caller,
            status,
            study=study,
            identity=identities_shown(session, study, caller),
            links=links,
            other=other,
            studies=studies if other[0] else [],
            error=text(error, language_of(request)) if error else "",
        )
