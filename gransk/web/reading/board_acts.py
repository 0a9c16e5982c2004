"""What a coordinator does from the board: each act is confirmed on a page of its own, with why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from gransk.core.errors import InvalidValueError
from gransk.reading import acts, gate, lists
from gransk.reading.checking import check
from gransk.reading.entries import Entry, Kind, Moved, TaskKind
from gransk.reading.exam import Exam, State
from gransk.reading.pausing import give_back, to_return
from gransk.reading.policy_refusals import PolicyError
from gransk.reading.readers import qualifications
from gransk.reading.refusals import TEXTS, LedgerError, Refusal
from gransk.site.database import utcnow
from gransk.web.access import Caller, allow, language_of
from gransk.web.permissions import Permission
from gransk.web.reading import board_rows
from gransk.web.reading.overseeing import actor_of, full_names, wholly
from gransk.web.rendering import page
from gransk.web.texts import text
from gransk.web.wiring import wiring

WORDS = 500
Acting = Annotated[Caller, Depends(allow(Permission.BOARD_ACT))]
Reason = Annotated[str, Form(max_length=WORDS)]
Back = Annotated[str, Form(max_length=WORDS)]
BackAsked = Annotated[str, Query(max_length=WORDS)]
Simple = Literal["return", "withdraw"]
router = APIRouter()


@dataclass(frozen=True)
class Choice:
    """Somebody to whom a task may be given, or why not."""

    account: str
    name: str
    open: int
    refusal: Refusal | None


@dataclass(frozen=True)
class Move:
    """A task that may be moved, or that nobody has."""

    task: TaskKind
    giver: str
    choices: tuple[Choice, ...]
    taken_back: bool
    """Whether it may be taken back without another taker."""


@router.get("/reading/board/exams/{key}/reassign")
def show_reassign(key: str, request: Request, caller: Acting, back: BackAsked = "") -> Response:
    """Who has what of an exam, and to whom it may be given."""
    return _show_reassign(key, request, caller, back)


@router.post("/reading/board/exams/{key}/reassign")
def reassign(
    key: str,
    request: Request,
    caller: Acting,
    task: Annotated[TaskKind, Form()],
    version: Annotated[int, Form()],
    giver: Annotated[str, Form(max_length=64)] = "",
    taker: Annotated[str, Form(max_length=64)] = "",
    reason: Reason = "",
    back: Back = "",
) -> Response:
    """Give a task to somebody else, or take it back."""

    def act(session: Session, actor: acts.Actor) -> None:
        if giver == taker:
            raise LedgerError(Refusal.WRONG_CONTENT)
        moved = Moved(task=task, giver=giver, taker=taker)
        acts.reassign(session, key, actor, moved, reason, version)

    refusal = _do(request, caller, key, act)
    if refusal is None:
        return _back(back, "reassigned", key)
    return _show_reassign(key, request, caller, back, refusal)


@router.get("/reading/board/exams/{key}/{what}")
def show_act(
    key: str, what: Simple, request: Request, caller: Acting, back: BackAsked = ""
) -> Response:
    """Confirm that an exam goes to two people, or leaves the reading room."""
    return _show_act(key, what, request, caller, back)


@router.post("/reading/board/exams/{key}/{what}")
def do_act(
    key: str,
    what: Simple,
    request: Request,
    caller: Acting,
    version: Annotated[int, Form()],
    reason: Reason = "",
    back: Back = "",
) -> Response:
    """Return an exam to two people, or withdraw it."""
    what_to_do = {"return": acts.return_to_humans, "withdraw": acts.withdraw}[what]

    def act(session: Session, actor: acts.Actor) -> None:
        what_to_do(session, key, actor, reason, version)

    refusal = _do(request, caller, key, act)
    if refusal is None:
        return _back(back, {"return": "returned", "withdraw": "withdrawn"}[what], key)
    return _show_act(key, what, request, caller, back, refusal)


@router.get("/reading/board/units/{unit}/{what}")
def show_pause(
    unit: str,
    what: Literal["pause", "resume"],
    request: Request,
    caller: Acting,
    back: BackAsked = "",
) -> Response:
    """Confirm that a unit's AI is paused, or goes on."""
    return _show_pause(unit, what, request, caller, back)


@router.post("/reading/board/units/{unit}/{what}")
def pause(
    unit: str,
    what: Literal["pause", "resume"],
    request: Request,
    caller: Acting,
    reason: Reason = "",
    back: Back = "",
) -> Response:
    """Pause a unit's AI, which gives its open exams to two people, or let it go on."""
    known = wiring(request)
    language = language_of(request)
    actor_of(known.config.reading, caller, unit)
    if caller.account is None:
        raise HTTPException(403)
    change = gate.pause if what == "pause" else gate.resume
    try:
        with known.database.begin() as session:
            change(session, known.config.reading, caller.account, unit, reason)
    except PolicyError as error:
        return _show_pause(unit, what, request, caller, back, error.text(language))
    except InvalidValueError:
        told = TEXTS[Refusal.NO_REASON][language]
        return _show_pause(unit, what, request, caller, back, told)
    if what == "pause":
        _return_all(request)
    return _back(back, "paused" if what == "pause" else "resumed")


def _return_all(request: Request) -> None:
    """What a crash leaves undone here, the loop of the service does."""
    database = wiring(request).database
    with database.read() as session:
        keys = to_return(session)
    for key in keys:
        with database.begin() as session:
            give_back(session, key)


def _do(
    request: Request, caller: Caller, key: str, act: Callable[[Session, acts.Actor], None]
) -> str | None:
    """Act on an exam; why it was refused, in words."""
    known = wiring(request)
    try:
        with known.database.begin() as session:
            found = wholly(session, caller, key)
            act(session, actor_of(known.config.reading, caller, found.row.unit))
    except LedgerError as error:
        return TEXTS[error.code][language_of(request)]
    return None


def _show_reassign(
    key: str, request: Request, caller: Caller, back: str, error: str = ""
) -> Response:
    known = wiring(request)
    with known.database.read() as session:
        found = wholly(session, caller, key)
        actor = actor_of(known.config.reading, caller, found.row.unit)
        names = full_names(session)
        moves = _moves(session, found.exam, actor, names, caller.name)
        row = board_rows.row_of(session, known.config.reading, caller, key, known.config.zone)
    titles = {unit.name: unit.title for unit in known.config.reading.units}
    return page(
        request, "reading/reassign.html", caller, 409 if error else 200,
        unit=titles.get(found.row.unit, found.row.unit), key=key, row=found.row, moves=moves,
        patient=row.patient, names=names, back=back, error=error,
        refusals={code: told[language_of(request)] for code, told in TEXTS.items()},
    )  # fmt: skip


def _moves(
    session: Session, exam: Exam, actor: acts.Actor, names: dict[str, str], seer: str
) -> list[Move]:
    since = utcnow()
    open_ = {
        load.account: load.open
        for load in lists.workload(session, seer, since)
        if load.unit == exam.unit
    }
    unit = qualifications(session, exam.unit)
    held = [
        (given.task, given.account)
        for kind in TaskKind
        for given in exam.open_tasks(kind)
    ]  # fmt: skip
    if exam.missing_reads():
        held.append((TaskKind.FIRST, ""))
    if exam.state is State.DISCORDANT and not exam.open_tasks(TaskKind.ARBITRATION):
        held.append((TaskKind.ARBITRATION, ""))
    moves = []
    for task, giver in held:
        choices = [
            Choice(
                name, names.get(name, name), open_.get(name, 0),
                _refused(exam, actor, Moved(task=task, giver=giver, taker=name), who),
            )
            for name, who in unit.items()
            if name != giver
        ]  # fmt: skip
        choices.sort(key=lambda one: (one.refusal is not None, one.open, one.name))
        back = bool(giver) and _refused(exam, actor, Moved(task=task, giver=giver), None) is None
        moves.append(Move(task, giver, tuple(choices), back))
    return moves


def _refused(exam: Exam, actor: acts.Actor, moved: Moved, who: Any) -> Refusal | None:
    """Why a task cannot be moved so; None where it can."""
    entry = Entry(Kind.REASSIGNED, moved, utcnow(), actor.account, actor.role, "?")
    try:
        check(exam, entry, who)
    except LedgerError as error:
        return error.code
    return None


def _show_act(
    key: str, what: Simple, request: Request, caller: Caller, back: str, error: str = ""
) -> Response:
    known = wiring(request)
    with known.database.read() as session:
        found = wholly(session, caller, key)
        actor_of(known.config.reading, caller, found.row.unit)
        row = board_rows.row_of(session, known.config.reading, caller, key, known.config.zone)
    return _confirm(
        request, caller, what, found.row.unit, f"/reading/board/exams/{key}/{what}", back, error,
        entries=found.row.entries, line=row.line, patient=row.patient,
    )  # fmt: skip


def _show_pause(
    unit: str, what: str, request: Request, caller: Caller, back: str, error: str = ""
) -> Response:
    known = wiring(request)
    if unit not in known.config.reading.names:
        raise HTTPException(404)
    actor_of(known.config.reading, caller, unit)
    return _confirm(
        request, caller, what, unit, f"/reading/board/units/{unit}/{what}", back, error,
        entries=None, line=None, patient=None,
    )  # fmt: skip


def _confirm(
    request: Request,
    caller: Caller,
    what: str,
    unit: str,
    action: str,
    back: str,
    error: str,
    **values: Any,
) -> Response:
    language = language_of(request)
    titles = {one.name: one.title for one in wiring(request).config.reading.units}
    return page(
        request, "reading/confirm.html", caller, 409 if error else 200,
        unit=titles.get(unit, unit),
        title=text(f"board_{what}", language), told=text(f"board_{what}_told", language),
        action=action, back=back, error=error, **values,
    )  # fmt: skip


def _back(back: str, done: str, key: str = "") -> Response:
    """To the board as it was, at the exam's line."""
    query = urlencode([*parse_qsl(back), ("done", done)])
    place = f"#exam-{key}" if key else ""
    return RedirectResponse(f"/reading/board?{query}{place}", 303)
