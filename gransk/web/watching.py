"""What each door shows of studies, and to whom: as it is answered, it is noted.

A door that shows something of one study stands in `DOORS`, one that lists studies in `LISTS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gransk.web.access import RENEWING, Caller
from gransk.web.viewed import Named, Seen, Views, Way

KEYS = 20
"""Names of a search's parameters that are kept."""
SHOWN = "shown"
"""Of a request's state: keys of studies that a search answers in full."""


@dataclass(frozen=True)
class Door:
    """A door at which a study is looked at.

    Parameters
    ----------
    way : Way
    place : str
        Parameter of the path that names the study; of a viewer's page, of its query.
    named : Named
    """

    way: Way
    place: str = "key"
    named: Named = Named.KEY


DOORS: dict[str, Door] = {
    "/studies/{key}": Door(Way.CASE),
    "/studies/{key}/history": Door(Way.HISTORY),
    "/studies/{key}/desk/{workitem}": Door(Way.CASE),
    "/studies/{key}/point/{workitem}": Door(Way.PICTURES),
    "/studies/{key}/pictures/{analysis_key}/{index}.png": Door(Way.PICTURES),
    "/studies/{key}/comparisons/{comparison_key}/{index}.png": Door(Way.PICTURES),
    "/studies/{key}/patient": Door(Way.PATIENT),
    "/studies/{key}/profile": Door(Way.PROFILE),
    "/api/studies/{key}": Door(Way.REST),
    "/api/studies/{key}/profile": Door(Way.PROFILE),
    "/api/exams/{accession:path}/facts": Door(Way.FACTS, "accession", Named.ACCESSION),
    "/api/exams/{accession:path}/programme": Door(Way.FACTS, "accession", Named.ACCESSION),
    "/reading/{key}": Door(Way.READING),
    "/reading/{key}/correct": Door(Way.READING),
    "/reading/{key}/views": Door(Way.PICTURES),
    "/reading/{key}/pictures/{index}.png": Door(Way.PICTURES),
    "/reading/board/exams/{key}": Door(Way.HISTORY),
    "/reading/board/exams/{key}/reassign": Door(Way.HISTORY),
    "/reading/board/exams/{key}/{what}": Door(Way.HISTORY),
    "/models/compare/{name}/studies/{key}": Door(Way.COMPARISON),
    "/models/compare/{name}/studies/{key}/{side}/{index}.png": Door(Way.PICTURES),
    "/viewer": Door(Way.VIEWER, "StudyInstanceUIDs", Named.UID),
    "/viewer/{page:path}": Door(Way.VIEWER, "StudyInstanceUIDs", Named.UID),
    "/viewer/app-config.js": Door(Way.VIEWER, "StudyInstanceUIDs", Named.UID),
    "/fhir/DiagnosticReport/{ident}": Door(Way.FHIR, "ident", Named.WORKITEM),
    "/fhir/DiagnosticReport/{ident}/_history": Door(Way.FHIR, "ident", Named.WORKITEM),
    "/fhir/DiagnosticReport/{ident}/_history/{version}": Door(Way.FHIR, "ident", Named.WORKITEM),
    "/fhir/Task/{ident}": Door(Way.FHIR, "ident", Named.WORKITEM),
    "/follow-up/{row}": Door(Way.FOLLOW_UP, "row", Named.FOLLOW_UP),
    "/dicom-web/workitems/{uid}": Door(Way.WORKITEM, "uid", Named.STEP),
    "/dicom-web/{path:path}": Door(Way.IMAGES, "path", Named.UID),
}
"""By path of the route, each GET that shows something of one study."""

LISTS: dict[str, str] = {
    "/": "worklist",
    "/worklist/list": "worklist",
    "/api/worklist": "worklist",
    "/follow-up": "follow_up",
    "/api/follow-up": "follow_up",
    "/reading": "own_list",
    "/reading/list": "own_list",
    "/api/reading/list": "own_list",
    "/reading/board": "board",
    "/reading/board/list": "board",
    "/dicom-web/{path:path}": "dicomweb",
    "/dicom-web/workitems": "workitems",
    "/fhir/DiagnosticReport": "fhir",
    "/fhir/Task": "fhir",
    "/api/decisions": "decisions",
}
"""Each GET that lists studies, and what the list is called: a search, not a view of each row."""
UNTOLD = frozenset({"includefield", "limit", "offset", "fuzzymatching", "page", "sort", "seen"})
"""Parameters of a list that look for nobody."""


class Watcher:
    """ASGI middleware: notes what is shown, before it is shown; streams pass untouched."""

    def __init__(self, app: ASGIApp, views: Views) -> None:
        self._app = app
        self._views = views

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or _renews(scope):
            await self._app(scope, receive, send)
            return

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in (200, 206, 304):
                for seen in seen_of(scope):
                    if self._views.is_new(seen):
                        await run_in_threadpool(self._views.note, seen)
            await send(message)

        await self._app(scope, receive, send_noted)


def seen_of(scope: Scope) -> list[Seen]:
    """What an answered request showed to whom; nothing where it showed no study."""
    caller = (scope.get("state") or {}).get("caller")
    path = getattr(scope.get("route"), "path", "")
    if not isinstance(caller, Caller) or not caller.may:
        return []
    door = DOORS.get(path)
    names = [] if door is None else _names(door, scope)
    if door is not None and names:
        return [Seen(caller.name, door.way.value, door.named.value, name) for name in names]
    # What a search answers in full is seen, too.
    keys = (scope.get("state") or {}).get(SHOWN, ())
    found = [Seen(caller.name, Way.FHIR.value, Named.KEY.value, key) for key in keys]
    if path in LISTS:
        found.append(Seen(caller.name, LISTS[path], "", " ".join(_asks(scope))))
    return found


def _names(door: Door, scope: Scope) -> list[str]:
    if door.way is Way.VIEWER:
        return [one for one in _query(scope).get(door.place, [""])[0].split(",") if one]
    value = str(scope.get("path_params", {}).get(door.place, ""))
    if door.way is Way.IMAGES:
        parts = value.split("/")
        return [parts[1]] if len(parts) > 1 and parts[0] == "studies" else []
    return [value] if value else []


def _renews(scope: Scope) -> bool:
    """Is it asked by a page that is left open? What it shows was seen when it was opened."""
    return any(name == RENEWING.encode() for name, _ in scope["headers"])


def _query(scope: Scope) -> dict[str, list[str]]:
    return parse_qs(scope.get("query_string", b"").decode("latin-1"))


def _asks(scope: Scope) -> list[str]:
    """Names of the parameters by which somebody is looked for; never their values."""
    names = {one for one in _query(scope) if one.isascii() and one.replace(".", "").isalnum()}
    return sorted(one[:64] for one in names - UNTOLD)[:KEYS]
