"""The coordinator's board: the page, and what of it renews itself."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response

from gransk.reading.rooms import first_day
from gransk.web.access import Caller, allow, language_of
from gransk.web.permissions import Permission
from gransk.web.reading import board_rows
from gransk.web.reading.board_rows import AGES, Asked, Board
from gransk.web.reading.overseeing import full_names
from gransk.web.rendering import page
from gransk.web.texts import text
from gransk.web.wiring import wiring

Overseer = Annotated[Caller, Depends(allow(Permission.BOARD))]
DONE = (
    "reassigned", "returned", "withdrawn", "paused", "resumed", "retried", "not_retried",
)  # fmt: skip
"""What a person did, as the board then says; each has a text ``board_done_…``."""

router = APIRouter()


class Seen(Asked):
    """A query, and the digest of what the browser shows."""

    seen: Annotated[str, Query(max_length=64)] = ""


@router.get("/reading/board")
def show_board(
    request: Request, asked: Annotated[Asked, Query()], caller: Overseer, done: str = ""
) -> Response:
    """The board."""
    told = text(f"board_done_{done}", language_of(request)) if done in DONE else ""
    values = _values(request, caller, asked)
    with wiring(request).database.read() as session:
        governed = bool(values["board"].ages) or first_day(session) is not None
    return page(request, "reading/board.html", caller, message=told, governed=governed, **values)


@router.get("/reading/board/list")
def show_list(request: Request, asked: Annotated[Seen, Query()], caller: Overseer) -> Response:
    """What renews itself, for the page that is open; nothing where nothing changed."""
    values = _values(request, caller, Asked(**asked.model_dump(exclude={"seen"})))
    if values["seen"] == asked.seen:
        return Response(status_code=204)
    return page(request, "reading/board_list.html", caller, **values)


def _values(request: Request, caller: Caller, asked: Asked) -> dict[str, Any]:
    known = wiring(request)
    config = known.config
    with known.database.read() as session:
        names = full_names(session)
        shown = board_rows.board(session, config.reading, caller, asked, config.zone, names)
    return {
        "board": shown,
        "seen": _digest(shown),
        "names": names,
        "titles": {unit.name: unit.title for unit in config.reading.units},
        "ages": AGES,
        "board_address": address,
    }


def _digest(shown: Board) -> str:
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


def address(asked: Asked, **changes: Any) -> str:
    """A query of the board, changed, as the part of an address after the question mark.

    Another filter begins at its first page.
    """
    values = asked.model_dump() | {"page": 1} | changes
    defaults = Asked().model_dump()
    return urlencode({k: str(v) for k, v in values.items() if v != defaults[k]})
