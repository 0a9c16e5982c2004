"""The reading room's policies: what is in force, its versions, drafts, approval, return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from gransk.core.errors import ConfigurationError, InvalidValueError
from gransk.reading import gate, rooms
from gransk.reading.indicators.texts import text as indicator_text
from gransk.reading.plan import Differing, PolicyKind
from gransk.reading.policy import Room
from gransk.reading.policy_refusals import PolicyError, PolicyRefusal
from gransk.reading.room_changes import Evidence
from gransk.reading.room_file import read_room, write_room
from gransk.reading.room_words import differences, limit_words, room_words
from gransk.reading.rooms import Version
from gransk.reading.simulation.figures import Simulation
from gransk.site import answering
from gransk.web import texts
from gransk.web.access import Caller, allow, language_of, person_of
from gransk.web.permissions import Permission
from gransk.web.reading import policy_acts, simulating
from gransk.web.reading.asking import answers_for, titles, today
from gransk.web.reading.policy_form import (
    CHOICES,
    FACTS,
    MOST,
    OUTSIDE,
    PolicyFields,
    RoomFields,
    RuleFields,
    document,
    faults,
    fields_of,
    sent,
)
from gransk.web.reading.simulating import Tried
from gransk.web.rendering import page
from gransk.web.wiring import Wiring, wiring

DONE = {"approved": "policy_approved", "drafted": "policy_drafted"}
"""What the page of a version says after an act."""
BEGINNING: dict[str, Any] = {
    "policies": [{"name": "shadow", "kind": "shadow"}],
    "rules": [{"when": {"programmes": ["screening"]}, "policy": "shadow"}],
    "minimum": {"mammo": {"exams": 5000, "cancers": 50}},
}
"""What the form of a site's first version starts with: the AI in shadow, for local validation."""

router = APIRouter()
Seeing = Annotated[Caller, Depends(allow(Permission.POLICIES))]
Drafting = Annotated[Caller, Depends(allow(Permission.POLICIES_DRAFT))]
Approving = Annotated[Caller, Depends(allow(Permission.POLICIES_APPROVE))]


@dataclass(frozen=True)
class EvidenceShown:
    """A simulation that is attached: what of, and its table where the figures are Gransk's own."""

    evidence: Evidence
    what: str
    rounds: Sequence[simulating.RoundShown]


@dataclass
class Checked:
    """A draft as it was sent: a room, or what is wrong with it; what changes, and its evidence."""

    typed: RoomFields
    text: str
    mode: str
    reason: str
    room: Room | None = None
    faults: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    tried: list[Tried] = field(default_factory=list)
    shown: dict[int, Sequence[simulating.RoundShown]] = field(default_factory=dict)


@router.get("/reading/policies")
def show_policies(request: Request, caller: Seeing) -> Response:
    """What is in force, what is to come, and every version."""
    return _overview(request, caller)


@router.get("/reading/policies/versions/{number}")
def show_version(number: int, request: Request, caller: Seeing) -> Response:
    """One version: what it says, changes, rests on, and who approved it."""
    return _version_page(request, caller, number)


@router.get("/reading/policies/versions/{number}/yaml")
def export_version(number: int, request: Request, caller: Seeing) -> Response:
    """A version as the file that `gransk policies draft` reads."""
    with wiring(request).database.read() as session:
        found = _find(session, number)
    return PlainTextResponse(
        write_room(found.room),
        headers={"content-disposition": f'attachment; filename="policies-{number}.yaml"'},
    )


@router.get("/reading/policies/draft")
def show_draft(
    request: Request,
    caller: Drafting,
    of: int | None = None,
    mode: Literal["form", "text"] = "form",
    kind: PolicyKind | None = None,
    differing: Differing | None = None,
    recall_from: str = "",
    double_from: str = "",
    marks_from: str = "",
) -> Response:
    """The form of a new version, filled from another one.

    Parameters
    ----------
    of : int, optional
        A version; else the last that was approved, or the beginning of a first one.
    mode : ``form`` or ``text``
    kind : PolicyKind, optional
        A policy of this kind is to be as it was simulated; one is added where there is none.
    differing : Differing, optional
    recall_from, double_from, marks_from : str, optional
    """
    known = wiring(request)
    with known.database.read() as session:
        base = _find(session, of) if of is not None else rooms.newest_approved(session)
    room = base.room if base is not None else _beginning(known)
    typed = fields_of(room, today(known).isoformat())
    if kind is not None:
        tried = _of_kind(typed, kind)
        tried.recall_from, tried.double_from, tried.marks_from = (
            recall_from, double_from, marks_from
        )  # fmt: skip
        tried.differing = differing or tried.differing
    if max(len(room.policies), len(room.rules)) > MOST:
        mode = "text"
    dated = room.model_copy(update={"valid_from": today(known)})
    return _form(request, caller, Checked(typed, write_room(dated), mode, ""))


@router.post("/reading/policies/draft")
async def send_draft(request: Request, caller: Drafting) -> Response:
    """Check a draft and say what it changes, or keep it."""
    form = await request.form()
    return await run_in_threadpool(_send, request, caller, form)


@router.post("/reading/policies/versions/{number}/approve")
def approve(number: int, request: Request, caller: Approving) -> Response:
    """Approve a version for the units that the person answers for."""
    known = wiring(request)
    try:
        policy_acts.approve(known, caller, number)
    except PolicyError as error:
        return _refused(request, caller, number, error)
    return RedirectResponse(f"/reading/policies/versions/{number}?done=approved", 303)


@router.post("/reading/policies/versions/{number}/restore")
def restore(
    number: int,
    request: Request,
    caller: Drafting,
    reason: Annotated[str, Form(max_length=answering.LONGEST)] = "",
) -> Response:
    """Draft an earlier version again, valid from today."""
    known = wiring(request)
    try:
        made = policy_acts.restore(known, caller, number, reason)
    except PolicyError as error:
        return _refused(request, caller, number, error)
    except InvalidValueError:
        said = texts.text("policy_reason_wanted", language_of(request))
        return _version_page(request, caller, number, [said], 422)
    return RedirectResponse(f"/reading/policies/versions/{made.row.version}?done=drafted", 303)


# Drafts


def _send(request: Request, caller: Caller, form: FormData) -> Response:
    known = wiring(request)
    with known.database.read() as session:
        checked = _check(request, session, caller, form)
    if checked.faults or checked.room is None:
        return _form(request, caller, checked, 422)
    if form.get("step") != "keep":
        return _form(request, caller, checked)
    try:
        made = policy_acts.keep(known, caller, checked.room, checked.reason, checked.tried)
    except PolicyError as error:
        checked.faults = told(error, language_of(request))
        return _form(request, caller, checked, 409)
    except InvalidValueError:
        checked.faults = [texts.text("policy_reason_wanted", language_of(request))]
        return _form(request, caller, checked, 422)
    return RedirectResponse(f"/reading/policies/versions/{made.row.version}?done=drafted", 303)


def _check(request: Request, session: Session, caller: Caller, form: FormData) -> Checked:
    language = language_of(request)
    base = rooms.newest_approved(session)
    before = None if base is None else base.room
    mode = "text" if form.get("mode") == "text" else "form"
    written = _text(form, "text")[: policy_acts.LONGEST]
    kept = {} if before is None else fields_of(before, "").minimum
    checked = Checked(sent(form, kept), written, mode, _text(form, "reason"))
    checked.room, checked.faults = _room(checked, language)
    if checked.room is None:
        return checked
    if mode == "text":
        checked.typed = fields_of(checked.room, checked.room.valid_from.isoformat())
    else:
        checked.text = write_room(checked.room)
    try:
        checked.tried = policy_acts.try_room(request, session, caller, before, checked.room)
    except PolicyError as error:
        checked.faults = told(error, language)
        return checked
    checked.changes = differences(before, checked.room, language)
    checked.shown = {
        n: simulating.shown([one.simulation], language)
        for n, one in enumerate(checked.tried)
        if one.simulation is not None
    }
    return checked


def _room(checked: Checked, language: str) -> tuple[Room | None, list[str]]:
    """The room that was sent, or every fault of it."""
    try:
        if checked.mode == "text":
            return read_room(checked.text, "-"), []
        return Room.model_validate(document(checked.typed)), []
    except ConfigurationError as error:
        return None, [line.removeprefix("-: ") for line in str(error).splitlines()]
    except ValidationError as error:
        return None, faults(error, checked.typed, language)


def _form(request: Request, caller: Caller, checked: Checked, status: int = 200) -> Response:
    known, language = wiring(request), language_of(request)
    places = [int(rule.place) for rule in checked.typed.rules if rule.place.isdecimal()]
    return page(
        request,
        "reading/policy_draft.html",
        caller,
        status,
        checked=checked,
        policies=[*checked.typed.policies, PolicyFields()],
        rules=[*checked.typed.rules, RuleFields()],
        fits=max(len(checked.typed.policies), len(checked.typed.rules)) <= MOST,
        next_place=max(places, default=0) + 1,
        choices=CHOICES,
        facts=FACTS,
        outside=OUTSIDE,
        units=titles(known.config),
        round_name=partial(round_name, language=language),
        unused=_unused(checked.room),
        limited=lambda one: _limited(one.limited[0], dict(one.limited[1]), language),
        assumed=simulating.assumptions,
    )


def _unused(room: Room | None) -> list[str]:
    """Policies that no rule names."""
    if room is None:
        return []
    named = {rule.policy for rule in room.rules}
    return [policy.name for policy in room.policies if policy.name not in named]


def _of_kind(typed: RoomFields, kind: PolicyKind) -> PolicyFields:
    """The first policy of a kind, or a new one of that name."""
    for one in typed.policies:
        if one.kind == kind:
            return one
    typed.policies.append(PolicyFields(name=kind.value, kind=kind.value))
    return typed.policies[-1]


def _beginning(known: Wiring) -> Room:
    return Room.model_validate({"valid_from": today(known), **BEGINNING})


# What there is


def _overview(request: Request, caller: Caller) -> Response:
    known, language = wiring(request), language_of(request)
    day = today(known)
    with known.database.read() as session:
        every = rooms.versions(session)
        current = rooms.in_force(session, day)
        pauses = {
            unit: last
            for unit in known.config.reading.names
            if (last := gate.last_pause(session, unit)) is not None and last.paused
        }
    return page(
        request,
        "reading/policies.html",
        caller,
        current=current,
        words=room_words(current, language) if current is not None else [],
        versions=[(one, policy_acts.state_of(one, every, current, day)) for one in reversed(every)],
        units=titles(known.config),
        pauses=pauses,
    )


def _version_page(
    request: Request,
    caller: Caller,
    number: int,
    refused: Sequence[str] = (),
    status: int = 200,
) -> Response:
    known, language = wiring(request), language_of(request)
    day, config = today(known), known.config
    with known.database.read() as session:
        found = _find(session, number)
        every = rooms.versions(session)
        base = _find(session, found.row.base) if found.row.base else None
        current = rooms.in_force(session, day)
    account = person_of(caller)
    mine = [unit for unit in found.open_units if unit in answers_for(config, account)]
    own = found.row.author.removeprefix(answering.SHELL) == account.name
    state = policy_acts.state_of(found, every, current, day)
    done = request.query_params.get("done", "")
    return page(
        request,
        "reading/policy_version.html",
        caller,
        status,
        kept=found,
        state=state,
        words=room_words(found.room, language),
        changes=differences(None if base is None else base.room, found.room, language),
        evidence=[_evidence(one, language) for one in found.row.evidence],
        units=titles(config),
        round_name=partial(round_name, language=language),
        mine=mine if Permission.POLICIES_APPROVE in caller.may and state == "open" else [],
        own=own,
        refused=list(refused),
        message=texts.text(DONE[done], language) if done in DONE else "",
    )


def _evidence(kept: Mapping[str, Any], language: str) -> EvidenceShown:
    evidence = Evidence.model_validate(kept)
    try:
        simulation = Simulation.model_validate(evidence.figures)
        rounds: Sequence[simulating.RoundShown] = simulating.shown([simulation], language)
    except ValidationError:
        # Figures that were attached from a file of another make.
        rounds = ()
    return EvidenceShown(evidence, _limited(evidence.kind, evidence.limits, language), rounds)


def _limited(kind: str, limits: Mapping[str, Any], language: str) -> str:
    """A kind of policy with its limits, in words."""
    said = texts.text(f"policy_kind_{kind}", language)
    told = [
        f"{texts.text(f'policy_field_{name}', language)} {limit_words(limit, language)}"
        for name, limit in limits.items()
    ]
    return ", ".join([said, *told])


def _refused(request: Request, caller: Caller, number: int, error: PolicyError) -> Response:
    if error.refusal is PolicyRefusal.NO_VERSION:
        raise HTTPException(404)
    return _version_page(request, caller, number, told(error, language_of(request)), 409)


def told(error: PolicyError, language: str) -> list[str]:
    """A refusal with its cause, and what to do about it."""
    cause = error.text(language)
    remedy = texts.text(f"policy_remedy_{error.refusal}", language)
    return [f"{cause} {error.detail}".strip(), remedy]


def round_name(name: str, language: str) -> str:
    """A round of screening in words."""
    return indicator_text("round", name, language)


def _find(session: Session, number: int) -> Version:
    try:
        return rooms.one_version(session, number)
    except PolicyError as error:
        raise HTTPException(404) from error


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""
