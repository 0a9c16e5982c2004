"""The reader's list: what is theirs to read, in its order, and one way into it.

The list does not say what an exam came for, nor anything of other people.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from gransk.archive.tables import SeenStudy
from gransk.reading import desk, lists
from gransk.reading.entries import TaskKind
from gransk.reading.refusals import LedgerError
from gransk.results.urgency import Urgency
from gransk.site.events import EventKind, record
from gransk.site.tables import Role
from gransk.web.access import Caller, language_of
from gransk.web.reading.common import Reader, person_of, refusal_text, studies
from gransk.web.rendering import page
from gransk.web.texts import text
from gransk.web.wiring import wiring

Page = Annotated[int, Query(ge=1, le=10_000)]
router = APIRouter()


@dataclass(frozen=True)
class Line:
    """An exam of the own list.

    Parameters
    ----------
    key, unit : str
    study : SeenStudy, optional
        None where the archive has it no more.
    arrived_at : datetime
    again : bool
        To be looked at again, as the AI would recall (safety net).
    opened : TaskKind, optional
        What it came for, once the person has opened it.
    urgency : Urgency, optional
        Why it comes before what arrived earlier.
    """

    key: str
    unit: str
    study: SeenStudy | None
    arrived_at: datetime.datetime
    again: bool
    opened: TaskKind | None
    urgency: Urgency | None = None


@dataclass(frozen=True)
class Mine:
    """A page of the own list, and the own reads of the last hours."""

    lines: Sequence[Line]
    total: int
    number: int
    recent: Sequence[tuple[str, SeenStudy | None, datetime.datetime]]
    trainee: bool

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // lists.PAGE))


@router.get("/reading")
def show_list(request: Request, caller: Reader, number: Page = 1, done: str = "") -> Response:
    """What is the caller's to read."""
    message = text(done, language_of(request)) if done in DONE else ""
    values = _list(request, caller, number)
    return page(request, "reading/mine.html", caller, **values, message=message)


@router.get("/reading/list")
def renew_list(request: Request, caller: Reader, number: Page = 1) -> Response:
    """The list alone, for the page that is open."""
    return page(request, "reading/lines.html", caller, **_list(request, caller, number))


@router.post("/reading/next")
def open_next(request: Request, caller: Reader) -> Response:
    """Open the first exam of the list."""
    return go_on(request, caller)


@router.post("/reading/{key}/open")
def open_one(key: str, request: Request, caller: Reader) -> Response:
    """Open an exam of the list; what it came for shows then."""
    try:
        open_here(request, caller, key)
    except LedgerError as error:
        return _refused(request, caller, error)
    return RedirectResponse(f"/reading/{key}", 303)


DONE = ("reading_saved", "reading_all_done")
"""Texts that the list may be asked to show."""


def open_here(request: Request, caller: Caller, key: str) -> None:
    """Open an exam, as an act of its own and an event.

    Raises
    ------
    LedgerError
    """
    with wiring(request).database.begin() as session:
        desk.open_exam(session, key, person_of(caller))
        record(session, caller.name, EventKind.STUDY_OPENED, key, {"in": "reading"})


def go_on(request: Request, caller: Caller, after: str = "") -> Response:
    """Open the next exam of the list; the list itself where there is none."""
    with wiring(request).database.read() as session:
        following = desk.following(session, person_of(caller).account, after)
    if following is None:
        return RedirectResponse(f"/reading?done={DONE[0] if after else DONE[1]}", 303)
    try:
        open_here(request, caller, following)
    except LedgerError as error:
        return _refused(request, caller, error)
    saved = f"?{urlencode({'saved': after})}" if after else ""
    return RedirectResponse(f"/reading/{following}{saved}", 303)


def _refused(request: Request, caller: Caller, error: LedgerError) -> Response:
    """The list, and why an exam of it did not open."""
    told = refusal_text(error, language_of(request))
    values = _list(request, caller, 1) | {"error": told}
    return page(request, "reading/mine.html", caller, 409, **values, message="")


def _list(request: Request, caller: Caller, number: int) -> dict[str, Any]:
    account = person_of(caller).account
    with wiring(request).database.read() as session:
        found = lists.mine(session, account, offset=(number - 1) * lists.PAGE)
        known = desk.opened(session, account, [one.study_key for one in found])
        recent = desk.recent(session, account)
        seen = studies(session, [one.study_key for one in found] + [key for key, _ in recent])
        mine = Mine(
            lines=[
                Line(one.study_key, one.unit, seen.get(one.study_key), one.arrived_at, one.again,
                     known.get(one.study_key), one.urgency)
                for one in found
            ],
            total=lists.count_mine(session, account),
            number=number,
            recent=[(key, seen.get(key), at) for key, at in recent],
            trainee=_trainee(session, caller),
        )  # fmt: skip
    units = {unit.name: unit.title for unit in wiring(request).config.reading.units}
    return {"mine": mine, "units": units, "error": ""}


def _trainee(session: Session, caller: Caller) -> bool:
    return caller.account is not None and Role.TRAINEE.value in caller.account.roles
