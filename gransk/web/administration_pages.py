"""The way into the administrator's rooms."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, HTTPException, Request, Response

from gransk.web.access import Caller, Person, language_of
from gransk.web.administration import WAITING, rooms_of
from gransk.web.rendering import page
from gransk.web.seeing import hides_from
from gransk.web.texts import catalogue, text
from gransk.web.wiring import wiring

router = APIRouter()


@dataclass(frozen=True)
class Room:
    """A room as the hub shows it: what it is for, and what waits there, in words."""

    key: str
    address: str
    purpose: str
    waits: str


@router.get("/administration")
def show_rooms(request: Request, caller: Person) -> Response:
    """The rooms that the caller may enter; refused where there is none."""
    mine = rooms_of(caller.may)
    if not mine:
        raise HTTPException(403)
    waits, language = _waiting(request, caller), language_of(request)
    rooms = [Room(key, a, _purpose(key, language), waits.get(a, "")) for key, a in mine]
    return page(request, "administration.html", caller, rooms=rooms)


def _purpose(key: str, language: str) -> str:
    return catalogue().get(f"{key}_room", {}).get(language, "")


def _waiting(request: Request, caller: Caller) -> dict[str, str]:
    known, language = wiring(request), language_of(request)
    mine = {address for _, address in rooms_of(caller.may)}
    with known.database.read() as session:
        hides = hides_from(known, session, caller)
        counts = {
            address: (key, count(session, known, hides))
            for address, (key, count) in WAITING.items()
            if address in mine
        }
    return {a: text(key, language, count=n) for a, (key, n) in counts.items() if n}
