"""Acts on models: admit one, move it, keep evidence, decide, take it back."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from gransk.registry.admission import NEW, Admission
from gransk.registry.choice import used_by
from gransk.registry.evidence import figures_of
from gransk.registry.refusals import ModelRefusal, RegistryError
from gransk.registry.rollback import roll_back
from gransk.registry.stages import Evidence, add_evidence, decide, one, propose
from gransk.registry.tables import EvidenceKind, Source, Stage
from gransk.site.settings_refusals import SettingsError
from gransk.web.access import Caller, allow, language_of
from gransk.web.model_evidence import comparisons, counted, linkable
from gransk.web.model_pages import model_page, overview, told
from gransk.web.permissions import Permission
from gransk.web.seeing import hides_from
from gransk.web.texts import text
from gransk.web.wiring import Wiring, wiring

EVIDENCE_MB = 20
Changing = Annotated[Caller, Depends(allow(Permission.MODELS_CHANGE))]
Approving = Annotated[Caller, Depends(allow(Permission.MODELS_APPROVE))]
Drafting = Annotated[Caller, Depends(allow(Permission.SETTINGS_DRAFT))]
router = APIRouter()


@router.post("/models")
async def upload(request: Request, caller: Changing) -> Response:
    """Check a zip that is uploaded, and admit it or say what is wrong."""
    form = await _form(request)
    return await run_in_threadpool(_admit, request, caller, form.get("file"))


@router.post("/models/{name}/stage")
async def stage(name: str, request: Request, caller: Changing) -> Response:
    """Move a model to another stage, or propose it, with evidence."""
    form = await _form(request)
    return await run_in_threadpool(_stage, request, caller, name, form)


@router.post("/models/{name}/evidence")
async def keep_evidence(name: str, request: Request, caller: Changing) -> Response:
    """Keep evidence with a model's last step."""
    form = await _form(request)
    return await run_in_threadpool(_evidence, request, caller, name, form)


@router.post("/models/{name}/decide")
async def decide_step(name: str, request: Request, caller: Approving) -> Response:
    """Approve the proposed step, or turn it down."""
    form = await _form(request)
    approved = form.get("approved") == "yes"
    return await run_in_threadpool(_decide, request, caller, name, approved, _text(form, "reason"))


@router.post("/models/{name}/withdraw")
async def withdraw(name: str, request: Request, caller: Changing) -> Response:
    """Take back a step that one proposed oneself."""
    form = await _form(request)
    return await run_in_threadpool(_decide, request, caller, name, False, _text(form, "reason"))


@router.post("/models/{name}/roll-back")
async def take_back(name: str, request: Request, caller: Drafting) -> Response:
    """Draft the settings before the model was chosen, and move it to shadow."""
    form = await _form(request)
    return await run_in_threadpool(_roll_back, request, caller, name, _text(form, "reason"))


async def _form(request: Request) -> FormData:
    return await request.form(max_files=1)


def _admit(request: Request, caller: Caller, file: Any) -> Response:
    known, language = wiring(request), language_of(request)
    if not isinstance(file, UploadFile) or not file.filename:
        return overview(request, caller, text("model_file_wanted", language), 422)
    root = known.config.admitted_folder
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{NEW}upload-", dir=root) as folder:
        path = Path(folder) / "model.zip"
        with path.open("wb") as written:
            shutil.copyfileobj(file.file, written)
        admission = Admission(known.config, known.database)
        attempt = admission.admit(path, Source.PAGE, caller.name, Path(file.filename).name)
    if not attempt.admitted:
        return RedirectResponse(f"/models?refused={attempt.number}", 303)
    return RedirectResponse(f"/models/{attempt.model}?done=admitted", 303)


def _stage(request: Request, caller: Caller, name: str, form: FormData) -> Response:
    known = wiring(request)
    try:
        wanted = Stage(_text(form, "stage"))
    except ValueError as error:
        raise HTTPException(422) from error
    try:
        evidence = _pieces(known, caller, name, form)
        with known.database.begin() as session:
            used = used_by(session, known.config, name)
            step = propose(
                session, name, wanted, caller.name, _text(form, "reason"), evidence, used
            )
    except RegistryError as error:
        return _refused(request, caller, name, error)
    done = "proposed" if step.row.wants_approval else "staged"
    return RedirectResponse(f"/models/{name}?done={done}", 303)


def _evidence(request: Request, caller: Caller, name: str, form: FormData) -> Response:
    known = wiring(request)
    try:
        evidence = _pieces(known, caller, name, form)
        if not evidence:
            raise RegistryError(ModelRefusal.NO_FIGURES)
        with known.database.begin() as session:
            add_evidence(session, name, caller.name, evidence)
    except RegistryError as error:
        return _refused(request, caller, name, error)
    return RedirectResponse(f"/models/{name}?done=kept", 303)


def _decide(request: Request, caller: Caller, name: str, approved: bool, reason: str) -> Response:
    if caller.account is None:
        raise HTTPException(403)
    try:
        with wiring(request).database.begin() as session:
            decide(session, name, caller.account, approved, reason)
    except RegistryError as error:
        return _refused(request, caller, name, error)
    done = "approved" if approved else "turned_down"
    return RedirectResponse(f"/models/{name}?done={done}", 303)


def _roll_back(request: Request, caller: Caller, name: str, reason: str) -> Response:
    known, language = wiring(request), language_of(request)
    try:
        with known.database.begin() as session:
            roll_back(session, known.host, name, caller.name, reason)
    except RegistryError as error:
        return _refused(request, caller, name, error)
    except SettingsError as error:
        said = f"{error.text(language)} ({error.detail})" if error.detail else error.text(language)
        return model_page(request, caller, name, said, 409)
    return RedirectResponse(f"/models/{name}?done=rolled_back", 303)


def _pieces(known: Wiring, caller: Caller, name: str, form: FormData) -> list[Evidence]:
    """What a form brings as evidence: figures, a file, validations, comparisons."""
    pieces = []
    figures = _text(form, "figures")
    if figures:
        pieces.append(Evidence(EvidenceKind.FIGURES, "", figures_of(figures)))
    file = form.get("file")
    if isinstance(file, UploadFile) and file.filename:
        content = file.file.read(EVIDENCE_MB * 1024 * 1024 + 1)
        if len(content) > EVIDENCE_MB * 1024 * 1024:
            raise RegistryError(ModelRefusal.TOO_LARGE, f"{EVIDENCE_MB} MB")
        title = Path(file.filename).name
        pieces.append(Evidence(EvidenceKind.FILE, title, {}, known.blobs.put(content)))
    with known.database.read() as session:
        links = linkable(session, one(session, name).card)
        hides = hides_from(known, session, caller)
        wanted = {str(value) for value in form.getlist("comparison")}
        beside = [
            c
            for c in comparisons(session, hides, name)
            if f"{c.name} {c.settings_digest}" in wanted
        ]
        pieces += counted(session, known.summaries, hides, beside)
    wanted = {str(value) for value in form.getlist("link")}
    return pieces + [link for link in links if str(link.content["number"]) in wanted]


def _refused(request: Request, caller: Caller, name: str, error: RegistryError) -> Response:
    if error.refusal is ModelRefusal.UNKNOWN:
        raise HTTPException(404) from error
    return model_page(request, caller, name, told(error, language_of(request)), 409)


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""
