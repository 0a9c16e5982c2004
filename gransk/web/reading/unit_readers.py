"""Who reads in which unit: the page, and its changes, each an event of the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.errors import InvalidValueError
from gransk.reading.exam_tables import ReaderRow
from gransk.reading.readers import Listing, list_reader, readers
from gransk.site.answering import responsible
from gransk.site.config_reading import ReadingSection
from gransk.site.people import list_accounts
from gransk.site.tables import Account, Role
from gransk.web.access import Caller, allow, language_of
from gransk.web.permissions import Permission
from gransk.web.rendering import page
from gransk.web.texts import text
from gransk.web.wiring import wiring

ENOUGH = 3
"""Readers of a unit, so that nobody can tell how many read an exam."""
Tick = Annotated[bool, Form()]
router = APIRouter()


class RefusedError(Exception):
    """A change that is refused, with the key of its text."""


@dataclass(frozen=True)
class UnitList:
    """A unit's list, and what the person may change of it."""

    name: str
    title: str
    rows: Sequence[ReaderRow]
    others: Sequence[Account]
    qualifies: bool
    """Whether the person decides who does what."""
    pauses: bool
    """Whether the person takes people off the list and puts them back."""

    @property
    def few(self) -> bool:
        return sum(row.active and row.reads for row in self.rows) < ENOUGH


@router.get("/reading/readers")
def show_readers(
    request: Request,
    caller: Annotated[Caller, Depends(allow(Permission.BOARD))],
    done: bool = False,
) -> Response:
    """Every unit's list."""
    return _show(request, caller, done=done)


@router.post("/reading/readers")
def change_reader(
    request: Request,
    caller: Annotated[Caller, Depends(allow(Permission.READERS))],
    unit: Annotated[str, Form(max_length=64)],
    account: Annotated[str, Form(max_length=64)],
    reads: Tick = False,
    arbitrates: Tick = False,
    experienced: Tick = False,
    trainee: Tick = False,
    active: Tick = False,
) -> Response:
    """Put a person on a unit's list, or change what it says of the person."""
    known = wiring(request)
    try:
        with known.database.begin() as session:
            _check_unit(session, known.config.reading, unit)
            wanted = (reads, arbitrates, experienced, trainee)
            listing = _listing(session, known.config.reading, caller, unit, account, wanted, active)
            list_reader(session, unit, account, listing, caller.name)
    except RefusedError as error:
        return _show(request, caller, error=str(error))
    return RedirectResponse("/reading/readers?done=true", 303)


def _check_unit(session: Session, section: ReadingSection, unit: str) -> None:
    if unit not in section.names and not readers(session, unit):
        raise HTTPException(404)


def _listing(
    session: Session,
    section: ReadingSection,
    caller: Caller,
    unit: str,
    account: str,
    wanted: tuple[bool, bool, bool, bool],
    active: bool,
) -> Listing:
    """What the list will say, as far as the person decides it."""
    if session.scalar(select(Account.id).where(Account.name == account)) is None:
        raise RefusedError("readers_refused_unknown")
    if not qualifies(section, caller, unit):
        row = session.get(ReaderRow, (unit, account))
        if row is None or not _coordinates(caller):
            raise HTTPException(403, "board_not_yours")
        return Listing(row.reads, row.arbitrates, row.experienced, row.trainee, active)
    reads, arbitrates, _, trainee = wanted
    if active and not (reads or arbitrates or trainee):
        raise RefusedError("readers_refused_nothing")
    try:
        return Listing(*wanted, active)
    except InvalidValueError as error:
        raise RefusedError("readers_refused_trainee") from error


def qualifies(section: ReadingSection, caller: Caller, unit: str) -> bool:
    """Does the person decide what others may do in a unit?"""
    account = caller.account
    if account is None:
        return False
    return Role.ADMINISTRATOR in account.roles or responsible(section, account, unit)


def _coordinates(caller: Caller) -> bool:
    return caller.account is not None and Role.COORDINATOR in caller.account.roles


def _show(request: Request, caller: Caller, done: bool = False, error: str = "") -> Response:
    known = wiring(request)
    section, language = known.config.reading, language_of(request)
    with known.database.read() as session:
        accounts = list_accounts(session)
        rows = readers(session)
    titles = {unit.name: unit.title for unit in section.units}
    names = dict.fromkeys([*section.names, *(row.unit for row in rows)])
    units = []
    for name in names:
        mine = [row for row in rows if row.unit == name]
        known_here = {row.account for row in mine}
        others = [one for one in accounts if one.active and one.name not in known_here]
        may = qualifies(section, caller, name)
        units.append(
            UnitList(name, titles.get(name, name), mine, others, may, may or _coordinates(caller))
        )
    return page(
        request, "reading/unit_readers.html", caller, 422 if error else 200, units=units,
        people={one.name: one for one in accounts},
        message=text("readers_saved", language) if done else "",
        error=text(error, language) if error else "",
    )  # fmt: skip
