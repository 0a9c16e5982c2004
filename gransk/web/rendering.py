"""Templates and what every page knows."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

import gransk
from gransk.reading.followup import count_overdue
from gransk.results.urgency import Urgency
from gransk.site.config_priority import PrioritySection
from gransk.site.database import utcnow
from gransk.web import texts
from gransk.web.access import Caller, language_of
from gransk.web.administration import HUB, room_at, rooms_of
from gransk.web.permissions import Permission
from gransk.web.seeing import hides_from
from gransk.web.viewer import STUDY_PAGE
from gransk.web.wiring import Wiring, wiring
from gransk.web.worklist import Blinded, Query, Row, reason_text

NAVIGATION = (
    ("nav_worklist", "/", Permission.WORKLIST),
    ("nav_reading", "/reading", Permission.READING),
    ("nav_board", "/reading/board", Permission.BOARD),
    ("nav_follow_up", "/follow-up", Permission.FOLLOW_UP),
    ("nav_figures", "/reading/indicators", Permission.FIGURES),
    ("nav_own_figures", "/reading/own-figures", Permission.OWN_FIGURES),
    ("nav_policies", "/reading/policies", Permission.POLICIES),
    ("nav_administration", HUB, Permission.SIGNED_IN),
    ("nav_account", "/account", Permission.SIGNED_IN),
)
STEPS = (
    "priors", "start", "fetch", "select", "digest", "pictures", "compare", "assess", "objects",
)  # fmt: skip
"""The pipeline's own steps; the others are named by the application."""

environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def in_language(request: Request, code: str) -> str:
    """The address of this page in another language; a token in it stays."""
    return "?" + urlencode({**request.query_params, "language": code})


def page(
    request: Request, template: str, caller: Caller | None = None, status: int = 200, **values: Any
) -> HTMLResponse:
    """One page, in the caller's language.

    Parameters
    ----------
    request : Request
    template : str
        File in ``templates``.
    caller : Caller, optional
        Who sees it; nobody by default.
    status : int
    **values
        What the template needs beside what every page knows.
    """
    language = language_of(request)
    known = wiring(request)
    may = caller.may if caller else frozenset()
    inside = rooms_of(may)
    everything = {
        "t": texts.translator(language),
        "language": language,
        "languages": texts.NAMES,
        "in_language": partial(in_language, request),
        "account": caller.account if caller else None,
        "csrf": caller.csrf if caller else "",
        "may": may,
        "navigation": navigation(may),
        "hub": HUB,
        "room": room_at(request.url.path) if inside else "",
        "rooms_here": inside,
        "path": request.url.path,
        "version": gransk.__version__,
        "source": known.config.service.source_url or "/source",
        "person": texts.person_name,
        "day": partial(texts.day, language=language),
        "alarms": partial(alarms, known, caller),
        "date": partial(texts.dicom_date, language=language),
        "time": partial(moment, language=language, zone=known.config.zone),
        "zone": known.config.time_zone or texts.zone_name(utcnow().astimezone()),
        "number": partial(texts.number, language=language),
        "viewer": viewer_address,
        "address": query_address,
        "priority": priority,
        "moved_up": partial(moved_up, known.config.priority, language),
        "step": partial(step_text, known.applications, language),
        "reason": partial(reason_text, language=language),
        "kind": lambda code: named("kind", language, code.lower()),
        "event_name": partial(named, "event", language),
        **values,
    }
    template_of = environment.get_template(template)
    return HTMLResponse(template_of.render(everything), status)


def navigation(may: Collection[Permission]) -> list[tuple[str, str]]:
    """Text and address of what somebody may enter; the administrator's rooms behind one."""
    return [
        (key, address)
        for key, address, wants in NAVIGATION
        if (rooms_of(may) if address == HUB else wants in may)
    ]


def alarms(known: Wiring, caller: Caller | None) -> dict[str, int]:
    """By address, how much there waits for somebody who may see it."""
    if caller is None or Permission.FOLLOW_UP not in caller.may:
        return {}
    today = utcnow().astimezone(known.config.zone).date()
    with known.database.read() as session:
        hides = hides_from(known, session, caller)
        late = count_overdue(session, today, known.config.follow_up.grace_days, hides)
    return {"/follow-up": late} if late else {}


def moment(value: datetime.datetime | None, language: str, zone: datetime.tzinfo | None) -> Markup:
    """An instant as an element whose title says its seconds and zone."""
    if value is None:
        return Markup("")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        value.isoformat(timespec="seconds"),
        texts.instant(value, language, zone, full=True),
        texts.instant(value, language, zone),
    )


def viewer_address(
    study_instance_uid: str, series_instance_uid: str = "", sop_instance_uid: str = ""
) -> str:
    """Where the viewer shows a study, at one of its series or images where one is named."""
    address = STUDY_PAGE + quote(study_instance_uid, safe="")
    if series_instance_uid:
        address += "&initialSeriesInstanceUID=" + quote(series_instance_uid, safe="")
    if sop_instance_uid:
        address += "&initialSOPInstanceUID=" + quote(sop_instance_uid, safe="")
    return address


def query_address(query: Query, **changes: Any) -> str:
    """A query, changed, as the part of an address after the question mark."""
    values = query.model_dump() | changes
    defaults = Query().model_dump()
    return urlencode({k: str(v) for k, v in values.items() if v != defaults[k]})


def priority(row: Row) -> str:
    """``urgent`` or ``routine``; of what a person may not see always the latter."""
    if row.state is Blinded.TO_READ:
        return "routine"
    value = row.item.priority if row.item else row.study.priority
    return "urgent" if value > 0 else "routine"


def moved_up(rules: PrioritySection, language: str, urgency: Urgency | None) -> str:
    """Why the site's rules moved a study up, in words; empty where they did not."""
    return "" if urgency is None else rules.words(urgency.rule, language)


def step_text(applications: dict[str, Any], language: str, row: Row) -> str:
    """What a running study's step is called."""
    step = row.item.step if row.item else ""
    if step in STEPS:
        return texts.text(f"step_{step}", language)
    application = applications.get(row.item.application) if row.item else None
    named_by = application.presentation.texts if application else {}
    found = named_by.get(f"step_{step}") or named_by.get(step) or {}
    return str(found.get(language, step))


def named(prefix: str, language: str, code: str) -> str:
    """The text of a code of another room; one that the catalogue lacks stays as it is."""
    return texts.catalogue().get(f"{prefix}_{code}", {}).get(language, code)
