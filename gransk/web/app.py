"""The web application: pages, REST, the DICOMweb proxy and the viewer put together."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.routing import Match

from gransk.archive.orthanc import Orthanc
from gransk.core.application import applications
from gransk.reading.figures import NotYetCountedError
from gransk.site.config import Config
from gransk.site.database import Database, utcnow
from gransk.site.live import InForce, in_force
from gransk.web import (
    account_pages,
    administration_pages,
    api,
    audit_pages,
    case,
    case_actions,
    case_history,
    comparing_pages,
    delivery_pages,
    dicomweb,
    doors,
    drift_pages,
    edit_actions,
    fact_pages,
    fhir,
    fhir_capability,
    fhir_outcomes,
    fhir_reports,
    fhir_tasks,
    follow_up,
    follow_up_pages,
    identity_pages,
    message_pages,
    model_changes,
    model_pages,
    monitoring_pages,
    pages,
    people_pages,
    pointing,
    prior_pages,
    profile_pages,
    programme_pages,
    rule_pages,
    single_sign_on,
    viewer,
    workitem_channel,
    workitem_subscriptions,
    workitems,
)
from gransk.web.access import Caller, caller_of, language_of
from gransk.web.fhir_search import refusal
from gransk.web.guard import Guard
from gransk.web.reading import (
    arbitration_pages,
    board,
    board_acts,
    exam_history,
    exam_pages,
    indicator_pages,
    list_pages,
    own_figures,
    policy_calls,
    policy_pages,
    reading_calls,
    simulation_pages,
    trainee_pages,
    unit_readers,
    validation_pages,
    view_pictures,
)
from gransk.web.rendering import page
from gransk.web.settings import calls, drafting, version_pages
from gransk.web.texts import catalogue, text
from gransk.web.upstream import Upstream
from gransk.web.watching import Watcher
from gransk.web.wiring import Nudged, Wiring

SIGN_OUT = "/sign-out"
MACHINE_PATHS = ("/api/", "/dicom-web/", "/fhir", "/metrics", "/nudge")
FHIR_PATHS = ("/fhir/metadata", "/fhir/DiagnosticReport", "/fhir/Task")
log = logging.getLogger(__name__)


def create_app(
    settings: Config | InForce,
    database: Database,
    orthanc: Orthanc,
    intake: Nudged | None = None,
) -> FastAPI:
    """The web application.

    Making it touches nothing; connections open when it starts.

    Parameters
    ----------
    settings : Config or InForce
    database : Database
        Upgraded to the schema of this code.
    orthanc : Orthanc
    intake : optional
        Told of a nudge.
    """
    live = in_force(settings)
    config = live.config
    wiring = Wiring(
        live=live,
        database=database,
        orthanc=orthanc,
        intake=intake,
        applications=applications(),
        viewer_folder=config.service.viewer_folder,
        upstream=Upstream(config.orthanc),
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        wiring.upstream.open()
        wiring.figures.warm(utcnow().astimezone(wiring.config.zone).date())
        yield
        await wiring.upstream.close()

    app = FastAPI(
        title="Gransk", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan
    )
    app.state.wiring = wiring
    for room in (
        pages, audit_pages, case, case_history, case_actions, edit_actions, pointing, follow_up,
        follow_up_pages,
        profile_pages, prior_pages, identity_pages, programme_pages, fact_pages,
        message_pages, delivery_pages, doors,
        account_pages, single_sign_on, people_pages,
        administration_pages, drafting, version_pages, calls, monitoring_pages, drift_pages,
        rule_pages, comparing_pages, model_pages, model_changes,
        board, board_acts, exam_history, unit_readers, indicator_pages, own_figures,
        policy_pages, policy_calls, simulation_pages, validation_pages, list_pages, trainee_pages,
        # Its addresses begin with an exam's key: after every other page of the reading room.
        exam_pages, view_pictures, arbitration_pages, reading_calls, api, fhir, fhir_outcomes,
        fhir_capability, fhir_reports, fhir_tasks, workitems, workitem_subscriptions,
        workitem_channel, dicomweb, viewer,
    ):  # fmt: skip
        app.include_router(room.router)
    static = StaticFiles(directory=Path(__file__).parent / "static")
    app.mount("/static", static, name="static")
    app.include_router(viewer.files)
    app.add_exception_handler(HTTPException, _refused)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _invalid)  # type: ignore[arg-type]
    app.add_exception_handler(NotYetCountedError, _counting)
    app.add_exception_handler(Exception, _failed)
    app.add_middleware(Watcher, views=wiring.views)
    app.add_middleware(Guard, wiring=wiring)
    return app


async def _refused(request: Request, error: HTTPException) -> Response:
    return await _answer(request, error.status_code, str(error.detail))


async def _invalid(request: Request, _error: RequestValidationError) -> Response:
    return await _answer(request, 422, "")


async def _counting(request: Request, _error: Exception) -> Response:
    """A page whose figures are not there yet: it comes by itself."""
    again = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return page(request, "reading/counting.html", await caller_of(request), 202, again=again)


async def _failed(request: Request, error: Exception) -> Response:
    # Starlette raises it again after this answer, so that the server logs it.
    if request.headers.get("x-gransk-counting"):
        # The page that waits for figures asks no more: it shows the error itself.
        return Response(status_code=500, headers={"hx-refresh": "true"})
    return await _answer(request, 500, "")


async def _answer(request: Request, status: int, detail: str) -> Response:
    """What a person reads, or a machine, of a refusal."""
    for_machine = request.url.path.startswith(MACHINE_PATHS)
    if status == 401 and not for_machine:
        return _to_sign_in(request)
    caller = await caller_of(request) if status != 500 else Caller()
    language = language_of(request)
    key = detail if detail in catalogue() else f"error_{status}"
    said = text(key if key in catalogue() else "error_400", language)
    if for_machine:
        headers = {"www-authenticate": "Bearer"} if status == 401 else None
        if request.url.path.startswith(FHIR_PATHS):
            return refusal(status, said, headers)
        return JSONResponse({"error": said}, status, headers)
    return page(request, "error.html", caller, status, error=said)


def _to_sign_in(request: Request) -> Response:
    address = "/sign-in"
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={"hx-redirect": address})
    back = _page_of(request)
    if urlsplit(back).path != "/":
        address += "?" + urlencode({"next": back})
    return RedirectResponse(address, 303)


def _page_of(request: Request) -> str:
    """The page that was asked for, or whose form was sent; the first page where none is known."""
    if request.method == "GET":
        page_of = urlsplit(str(request.url))
    else:
        page_of = urlsplit(request.headers.get("referer", ""))
        if page_of.netloc != request.url.netloc or request.url.path == SIGN_OUT:
            return "/"
        if not _shows(request, page_of.path):
            # A form that was shown again stands where it was sent to: below the page of its exam.
            return page_of.path.rpartition("/")[0] or "/"
    return page_of.path + (f"?{page_of.query}" if page_of.query else "")


def _shows(request: Request, path: str) -> bool:
    """Is there a page at an address, and not only a form's?"""
    scope = {"type": "http", "method": "GET", "path": path, "root_path": ""}
    found = (route.matches(scope)[0] for route in request.app.routes)
    # The viewer's files, the last of all, take every address.
    return next((match for match in found if match is not Match.NONE), None) is Match.FULL
