"""The way into the administrator's rooms."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from gransk.web.access import Caller, allow
from gransk.web.permissions import Permission
from gransk.web.rendering import page

ROOMS: tuple[tuple[str, str, Permission], ...] = (
    ("nav_rules", "/rules", Permission.SETTINGS),
    ("nav_comparing", "/models/compare", Permission.MODELS),
    ("nav_monitoring", "/monitoring", Permission.MONITORING),
    ("nav_people", "/people", Permission.PEOPLE),
    ("nav_deliveries", "/deliveries", Permission.MESSAGES),
    ("nav_messages", "/messages", Permission.MESSAGES),
    ("nav_events", "/events", Permission.EVENTS),
)
"""Text, address and permission of each room, in order."""

router = APIRouter()


@router.get("/administration")
def show_rooms(
    request: Request, caller: Annotated[Caller, Depends(allow(Permission.MONITORING))]
) -> Response:
    """The rooms that the caller may enter."""
    rooms = [(key, address) for key, address, wants in ROOMS if wants in caller.may]
    return page(request, "administration.html", caller, rooms=rooms)
