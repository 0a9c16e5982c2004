"""The administrator's rooms: where they are, who may enter, and what waits in each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, func, select
from sqlalchemy.orm import Session

from gransk.delivery import overview
from gransk.oversight.alarms import open_alarms
from gransk.results.message_tables import MessageState, OutgoingMessage
from gransk.site.settings_drafts import drafts
from gransk.web.permissions import Permission
from gransk.web.wiring import Wiring

HUB = "/administration"
ROOMS: tuple[tuple[str, str, Permission], ...] = (
    ("nav_settings", "/settings", Permission.SETTINGS),
    ("nav_rules", "/rules", Permission.SETTINGS),
    ("nav_models", "/models", Permission.MODELS),
    ("nav_comparing", "/models/compare", Permission.MODELS),
    ("nav_monitoring", "/monitoring", Permission.MONITORING),
    ("nav_drift", "/monitoring/drift", Permission.MONITORING),
    ("nav_people", "/people", Permission.PEOPLE),
    ("nav_deliveries", "/deliveries", Permission.MESSAGES),
    ("nav_messages", "/messages", Permission.MESSAGES),
    ("nav_events", "/events", Permission.EVENTS),
    ("nav_audit", "/audit", Permission.EVENTS),
)
"""Text, address and permission of each room, in order.

What a room is for is the text of that key with ``_room`` after it.
"""

Hides = Callable[[SQLColumnExpression[Any]], ColumnElement[bool]]
Waits = Callable[[Session, Wiring, Hides], int]


def rooms_of(may: Collection[Permission]) -> list[tuple[str, str]]:
    """Text and address of each room that somebody may enter."""
    return [(key, address) for key, address, wants in ROOMS if wants in may]


def room_at(path: str) -> str:
    """The address of the room that a page stands in; empty where it is of none."""
    if path == HUB:
        return HUB
    inside = [a for _, a, _ in ROOMS if path == a or path.startswith(f"{a}/")]
    return max(inside, key=len, default="")


def waiting_drafts(session: Session, _known: Wiring, _hides: Hides) -> int:
    """Changes of the settings that wait for an approval."""
    return len(drafts(session, waiting=True))


def lasting_alarms(session: Session, _known: Wiring, _hides: Hides) -> int:
    """Alarms that last and that nobody has noted as seen."""
    return sum(one.seen_at is None for one in open_alarms(session))


def failed_deliveries(session: Session, known: Wiring, hides: Hides) -> int:
    """Objects that a destination will not get unless somebody acts."""
    every = overview.standings(session, known.config.destinations, hides)
    return sum(one.failed for one in every)


def failed_messages(session: Session, known: Wiring, hides: Hides) -> int:
    """Messages that nobody will get unless somebody acts."""
    failed = (
        select(func.count())
        .select_from(OutgoingMessage)
        .where(OutgoingMessage.state == MessageState.FAILED, ~hides(OutgoingMessage.study_key))
    )
    return session.scalar(failed) or 0


WAITING: Mapping[str, tuple[str, Waits]] = {
    "/settings": ("waits_settings", waiting_drafts),
    "/monitoring/drift": ("waits_drift", lasting_alarms),
    "/deliveries": ("waits_deliveries", failed_deliveries),
    "/messages": ("waits_messages", failed_messages),
}
"""By a room's address: the text that says what waits there, and how much.

What somebody may not see of an exam is not counted.
"""
