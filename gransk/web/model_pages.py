"""Models: which there are, at which stage, on what evidence, and what names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from sqlalchemy.orm import Session

from gransk.core.errors import ModelError
from gransk.core.models import Card
from gransk.registry.admission import attempts
from gransk.registry.checks import Result
from gransk.registry.choice import chosen_by, named_by
from gransk.registry.refusals import ModelRefusal, RegistryError
from gransk.registry.stages import Registered, Step, one, registered, responsible
from gransk.registry.tables import ModelAttempt, ModelEvidence, Stage
from gransk.results.blobs import BlobError
from gransk.results.store import studies_of_model
from gransk.site.answering import SHELL
from gransk.site.model_library import library_of
from gransk.web.access import Caller, allow, language_of
from gransk.web.model_evidence import comparisons, linkable
from gransk.web.permissions import Permission
from gransk.web.rendering import page
from gransk.web.seeing import hides_from
from gransk.web.texts import text
from gransk.web.wiring import Wiring, wiring

ATTEMPTS = 50
Seeing = Annotated[Caller, Depends(allow(Permission.MODELS))]
DONE = (
    "admitted", "staged", "proposed", "approved", "turned_down", "kept", "rolled_back",
)  # fmt: skip
"""What a page says after an act, as ``model_done_<code>``."""
router = APIRouter()


@dataclass(frozen=True)
class Shipped:
    """A model that comes with Gransk.

    Parameters
    ----------
    name : str
        Its bare id.
    card : Card, optional
        None where it cannot be read; ``fault`` says why.
    fault : str
    """

    name: str
    card: Card | None
    fault: str = ""


@dataclass(frozen=True)
class Tried:
    """A try to admit a model, with what was wrong."""

    row: ModelAttempt
    results: Sequence[Result]

    @property
    def faults(self) -> list[Result]:
        return [result for result in self.results if result.fault is not None]


@router.get("/models")
def show_models(request: Request, caller: Seeing, refused: int | None = None) -> Response:
    """Every model, and what was tried to be admitted; ``refused`` is an attempt just made."""
    said = ""
    if refused is not None:
        said = text("model_not_admitted", language_of(request), number=str(refused))
    return overview(request, caller, said)


@router.get("/models/{name}")
def show_model(name: str, request: Request, caller: Seeing) -> Response:
    """One model: its card, figures, limits, checks, stages with their evidence, and its use."""
    return model_page(request, caller, name)


@router.get("/models/{name}/evidence/{number}")
def download_evidence(name: str, number: int, request: Request, caller: Seeing) -> Response:
    """A file that was kept as evidence, never shown as a page."""
    known = wiring(request)
    with known.database.read() as session:
        piece = session.get(ModelEvidence, number)
        found = _find(session, name)
        kept = {each.number for step in found.steps for each in step.evidence}
        if piece is None or piece.number not in kept or piece.sha256 is None:
            raise HTTPException(404)
        sha256, title = piece.sha256, piece.title
    try:
        content = known.blobs.get(sha256)
    except BlobError as error:
        raise HTTPException(404) from error
    disposition = f"attachment; filename*=UTF-8''{quote(title, safe='')}"
    return Response(
        content, media_type="application/octet-stream",
        headers={"content-disposition": disposition},
    )  # fmt: skip


@router.get("/api/models")
def list_models(request: Request, caller: Seeing) -> dict[str, Any]:
    """Every model as it stands; digests in hexadecimal, instants as ISO 8601.

    ``sha256`` is that of the weights, ``digest`` what reports name it by.
    """
    known = wiring(request)
    with known.database.read() as session:
        found = registered(session)
        return {
            "shipped": [
                _card_json(one.card) | {"name": one.name, "stage": Stage.ACTIVE.value}
                for one in shipped(known)
                if one.card is not None
            ],
            "admitted": [_json(known, one) for one in found],
        }


def overview(request: Request, caller: Caller, refused: str = "", status: int = 200) -> Response:
    """The page of all models; ``refused`` says what was just wrong."""
    known, language = wiring(request), language_of(request)
    done = request.query_params.get("done", "")
    with known.database.read() as session:
        found = registered(session)
        tried = [_tried(row) for row in attempts(session, ATTEMPTS)]
    return page(
        request,
        "models.html",
        caller,
        status,
        shipped=shipped(known),
        admitted=found,
        attempts=tried,
        used={each.row.name: named_by(known.config, each.row.name) for each in found},
        inbox=str(known.config.admitted_folder / "inbox"),
        max_mb=known.config.models.max_mb,
        refused=refused,
        message=text(f"model_done_{done}", language) if done in DONE else "",
    )


def model_page(
    request: Request, caller: Caller, name: str, refused: str = "", status: int = 200
) -> Response:
    """The page of one model; ``refused`` says what was just wrong."""
    known, language = wiring(request), language_of(request)
    done = request.query_params.get("done", "")
    with known.database.read() as session:
        ship = next((one for one in shipped(known) if one.name == name), None)
        found = None if ship is not None else _find(session, name)
        card = found.card if found is not None else ship.card if ship is not None else None
        links = [] if card is None else linkable(session, card)
        studies = 0 if card is None else studies_of_model(session, card.id, card.digest)
        chosen = chosen_by(session, name)
        beside = comparisons(session, hides_from(known, session, caller), name)
    proposed = None if found is None else found.proposed
    return page(
        request,
        "model.html",
        caller,
        status,
        name=name,
        card=card,
        fault="" if ship is None else ship.fault,
        found=found,
        results=[] if found is None else _tried(found.attempt).results,
        steps=[] if found is None else list(reversed(found.steps)),
        proposed=proposed,
        may_decide=_may_decide(caller, proposed),
        own=proposed is not None and _own(caller, proposed),
        used=named_by(known.config, name),
        chosen=chosen,
        studies=studies,
        links=links,
        comparisons=beside,
        refused=refused,
        message=text(f"model_done_{done}", language) if done in DONE else "",
    )


def shipped(known: Wiring) -> list[Shipped]:
    """The models that come with Gransk."""
    library, found = library_of(known.config), []
    try:
        for name in library.ids():
            try:
                found.append(Shipped(name, library.card(name)))
            except ModelError as error:
                found.append(Shipped(name, None, str(error)))
    except ModelError:
        # The doctor says that the folder is missing.
        return []
    return found


def told(error: RegistryError, language: str) -> str:
    """What a person reads of a refusal."""
    said = text(f"model_refusal_{error.refusal.value}", language)
    return f"{said} ({error.detail})" if error.detail else said


def _find(session: Session, name: str) -> Registered:
    try:
        return one(session, name)
    except RegistryError as error:
        if error.refusal is not ModelRefusal.UNKNOWN:
            raise
        raise HTTPException(404) from error


def _tried(row: ModelAttempt) -> Tried:
    return Tried(row, [Result.model_validate(result) for result in row.results])


def _own(caller: Caller, step: Step) -> bool:
    return step.row.author.removeprefix(SHELL) == caller.name


def _may_decide(caller: Caller, step: Step | None) -> bool:
    if step is None or caller.account is None or Permission.MODELS_APPROVE not in caller.may:
        return False
    return responsible(caller.account) and not _own(caller, step)


def _json(known: Wiring, found: Registered) -> dict[str, Any]:
    return _card_json(found.card) | {
        "name": found.row.name,
        "stage": found.stage.value,
        "proposed": None if found.proposed is None else found.proposed.stage.value,
        "signer": found.row.signer,
        "seconds": found.row.seconds,
        "peak_mb": found.row.peak_mb,
        "admitted_at": found.attempt.at.isoformat(timespec="seconds"),
        "named_by": list(named_by(known.config, found.row.name)),
    }


def _card_json(card: Card) -> dict[str, Any]:
    return {
        "id": card.id,
        "version": card.version,
        "task": card.task,
        "sha256": card.sha256,
        "digest": card.digest,
        "research": card.research,
        "licence": card.licence,
        "limits": list(card.limits),
    }
