"""The pages on which settings are changed: a form for each subject, a text of YAML for each key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from gransk.core.errors import ConfigurationError
from gransk.site.faults import read_yaml
from gransk.site.settings_acts import propose
from gransk.site.settings_refusals import SettingsError, SettingsRefusal
from gransk.site.settings_tables import Origin
from gransk.site.site_keys import SITE, Content
from gransk.web.access import Caller, allow, language_of, person_of
from gransk.web.permissions import Permission
from gransk.web.rendering import page
from gransk.web.settings import words
from gransk.web.settings.faults import faults
from gransk.web.settings.house import (
    base_of,
    filled,
    look,
    only_given,
    said,
    status_of,
    told_changes,
    with_defaults,
)
from gransk.web.settings.schema import Field, written
from gransk.web.settings.sent import LEFT_OUT, Sent, act
from gransk.web.settings.subjects import OVERRIDES, Subject, places, subject, with_values
from gransk.web.texts import text
from gransk.web.wiring import Wiring, wiring

ALL = "all"
"""The page of the text of everything: what is exported and imported."""
LONGEST = 400_000
"""Characters of a text of YAML."""
Seeing = Annotated[Caller, Depends(allow(Permission.SETTINGS))]
Drafting = Annotated[Caller, Depends(allow(Permission.SETTINGS_DRAFT))]

router = APIRouter()


@dataclass
class Typed:
    """A change as it was typed, and what is known of it.

    Parameters
    ----------
    base : int
        The version that it begins with.
    before : dict
        The site keys of that version.
    content : dict
        Site keys with what was typed.
    reason : str
    wanted : dict, optional
        Checked and complete; None where something is wrong, or nothing was checked.
    faults : dict of str to str
        By the name of the field; ``""`` for what belongs to none.
    """

    base: int
    before: Content
    content: dict[str, Any]
    reason: str = ""
    wanted: Content | None = None
    faults: dict[str, str] = field(default_factory=dict)


@router.get("/settings/of/{subject_name}")
def show_subject(subject_name: str, request: Request, caller: Seeing) -> Response:
    """What is set about a subject, as a form."""
    mine = _subject(subject_name)
    known = wiring(request)
    with known.database.read() as session:
        number, content = base_of(session, known.host, None)
    return _form(request, caller, mine, Typed(number, content, content))


@router.post("/settings/of/{subject_name}")
async def send_subject(subject_name: str, request: Request, caller: Drafting) -> Response:
    """Check a change of a subject and say what it does, or make it a draft."""
    form = await request.form(max_fields=20_000)
    return await run_in_threadpool(_send, _subject(subject_name), request, caller, form)


@router.get("/settings/text/{section}")
def show_text(section: str, request: Request, caller: Seeing) -> Response:
    """A key as YAML, or everything."""
    _check_section(section)
    known = wiring(request)
    with known.database.read() as session:
        number, content = base_of(session, known.host, None)
    return _text_page(request, caller, section, Typed(number, content, content))


@router.post("/settings/text/{section}")
async def send_text(section: str, request: Request, caller: Drafting) -> Response:
    """Check a key that was written as YAML, or make it a draft."""
    _check_section(section)
    form = await request.form()
    return await run_in_threadpool(_send_text, section, request, caller, form)


# Forms


def _send(mine: Subject, request: Request, caller: Caller, form: FormData) -> Response:
    known, language = wiring(request), language_of(request)
    typed, wrong = _typed(known, mine, form)
    if wrong:
        typed.faults = wrong
        return _form(request, caller, mine, typed, status=422)
    do = _said(form, "do")
    if do:
        focus = act(typed.content, do)
        return _form(request, caller, mine, typed, focus=focus)
    answer = _settle(request, caller, typed, form, language)
    if answer is not None:
        return answer
    return _form(request, caller, mine, typed, status=422 if typed.faults else 200)


def _typed(known: Wiring, mine: Subject, form: FormData) -> tuple[Typed, dict[str, str]]:
    """The site keys as a form has them, and what is no YAML."""
    base, before = _base(known, form)
    shown = with_defaults(before, known.applications)
    values: list[tuple[str, Any]] = []
    wrong: dict[str, str] = {}
    for place in places(mine, known.applications):
        sent = Sent(form, place.schema)
        value = sent.read(place.at, place.name)
        wrong |= sent.faults
        if value is not LEFT_OUT:
            values.append((place.name, value))
    content = with_values(shown, values)
    content["applications"] = {
        name: only_given(one, before.get("applications", {}).get(name), _usual(known, name))
        for name, one in content["applications"].items()
        if one != _usual(known, name) or name in before.get("applications", {})
    }
    return Typed(base, before, content, _said(form, "reason")), wrong


def _usual(known: Wiring, name: str) -> dict[str, Any]:
    return filled(known.applications[name], {}) if name in known.applications else {}


def _form(
    request: Request,
    caller: Caller,
    mine: Subject,
    typed: Typed,
    status: int = 200,
    focus: str = "",
) -> Response:
    known, language = wiring(request), language_of(request)
    shown = _shown(known, typed.content)
    made = [place.field(shown) for place in places(mine, known.applications)]
    every = {inner.name: inner for one in made for inner in one.every()}
    about = []
    for name, told in typed.faults.items():
        if name in every:
            every[name].fault = told
        elif name not in ("", "reason"):
            about.append(f"{words.path(name, known.applications, language)}: {told}")
        elif name == "":
            about.append(told)
    return page(
        request,
        "settings/subject.html",
        caller,
        status,
        subject=mine,
        fields=_grouped(made, known, language),
        about=about,
        focus=focus,
        overrides=_overrides(shown, known, language) if mine.name == "limits" else (),
        text_keys=sorted({key.partition(".")[0] for key in mine.keys}, key=SITE.index),
        **_common(known, caller, typed, language),
    )


def _shown(known: Wiring, content: Mapping[str, Any]) -> dict[str, Any]:
    """Site keys with defaults where they can be told; as typed where something is wrong."""
    given = content.get("applications", {})
    shown = {}
    for name, application in known.applications.items():
        mine = given.get(name, {})
        try:
            shown[name] = filled(application, mine)
        except ConfigurationError:
            shown[name] = _laid(filled(application, {}), mine)
    return {**content, "applications": {**given, **shown}}


def _laid(under: Any, over: Any) -> Any:
    if not isinstance(under, Mapping) or not isinstance(over, Mapping):
        return over
    return {**under, **{key: _laid(under.get(key), one) for key, one in over.items()}}


@dataclass(frozen=True)
class Part:
    """Fields that stand together under a heading."""

    title: str
    fields: list[Field]


def _grouped(made: list[Field], known: Wiring, language: str) -> list[Part]:
    """Fields of an application under its title, others under their own."""
    parts: dict[str, Part] = {}
    for one in made:
        first, _, rest = one.name.partition(".")
        name = rest.partition(".")[0]
        if first == "applications":
            title = words.application(name, known.applications, language)
            parts.setdefault(f"{first}.{name}", Part(title, [])).fields.append(one)
        elif one.children or one.adds:
            parts[one.name] = Part(words.label(one.name, language), [one])
        else:
            parts.setdefault("", Part("", [])).fields.append(one)
    return list(parts.values())


@dataclass(frozen=True)
class OverrideShown:
    """An override beside the limits of its application."""

    name: str
    application: str
    where: str
    settings: str


def _overrides(content: Mapping[str, Any], known: Wiring, language: str) -> list[OverrideShown]:
    return [
        OverrideShown(
            one["name"],
            words.application(one["application"], known.applications, language),
            words.where(one["where"], language),
            words.settings(one["settings"], language),
        )
        for one in content.get(OVERRIDES, ())
    ]


# Texts


def _send_text(section: str, request: Request, caller: Caller, form: FormData) -> Response:
    known, language = wiring(request), language_of(request)
    base, before = _base(known, form)
    typed = Typed(base, before, dict(before), _said(form, "reason"))
    given = _said(form, "text")
    wrong = ""
    if len(given) > LONGEST:
        wrong = text("settings_text_long", language, count=LONGEST)
    else:
        try:
            value = read_yaml(given, "YAML")
            wrong = _fit(typed, section, value, language)
        except ConfigurationError as error:
            wrong = str(error)
    if wrong:
        typed.faults = {"": wrong}
        return _text_page(request, caller, section, typed, given, 422)
    answer = _settle(request, caller, typed, form, language)
    if answer is not None:
        return answer
    return _text_page(request, caller, section, typed, given, 422 if typed.faults else 200)


def _fit(typed: Typed, section: str, value: Any, language: str) -> str:
    """Take what was written as site keys; what is wrong with it, if anything."""
    if section == ALL:
        if not isinstance(value, Mapping):
            return text("fault_keys", language)
        typed.content = dict(value)
    else:
        typed.content[section] = value
    return ""


def _text_page(
    request: Request,
    caller: Caller,
    section: str,
    typed: Typed,
    given: str | None = None,
    status: int = 200,
) -> Response:
    known, language = wiring(request), language_of(request)
    value = typed.before if section == ALL else {section: typed.before.get(section)}
    shown = written(value if section == ALL else value[section]) if given is None else given
    about = [
        told if name in ("", "reason") else f"{name}: {told}"
        for name, told in typed.faults.items()
        if name != "reason"
    ]
    return page(
        request,
        "settings/text.html",
        caller,
        status,
        section=section,
        sections=SITE,
        written=shown,
        about=about,
        **_common(known, caller, typed, language),
    )


# Both


def _settle(
    request: Request, caller: Caller, typed: Typed, form: FormData, language: str
) -> Response | None:
    """Check what was typed; make it a draft where that is asked. None where a page is to say it."""
    known = wiring(request)
    host = known.host
    try:
        typed.wanted = host.complete(typed.content)
    except SettingsError as error:
        typed.faults = faults(error, typed.content, known.applications, language)
        return None
    if form.get("step") != "keep":
        if typed.wanted == typed.before:
            typed.faults = {"": text("settings_no_change", language)}
        return None
    account = person_of(caller)
    try:
        with known.database.begin() as session:
            made = propose(
                session, host, typed.content, account.name, typed.reason, Origin.PAGE, typed.base
            )
    except SettingsError as error:
        where = "reason" if error.refusal is SettingsRefusal.REASON else ""
        typed.faults = {where: said(error, language)}
        if status_of(error) == 409:
            typed.wanted = None
        return None
    look(known)
    return RedirectResponse(f"/settings/drafts/{made.number}?done=drafted", 303)


def _common(known: Wiring, caller: Caller, typed: Typed, language: str) -> dict[str, Any]:
    """What both kinds of page show of a change."""
    changes = (
        [] if typed.wanted is None else told_changes(typed.before, typed.wanted, known.applications)
    )
    return {
        "typed": typed,
        "may_draft": Permission.SETTINGS_DRAFT in caller.may,
        "changes": words.changes(changes, known.applications, language),
        "content": json.dumps(typed.content, ensure_ascii=False) if changes else "",
        "label": lambda key: words.label(key, language),
        "help_of": partial(words.help_of, language=language),
        "choice": lambda name, one: words.choice(name, one, language),
        "limits": lambda one: words.limits(one, language),
        "plain": lambda value: words.plain(value, language),
        "has_fault": lambda one: any(inner.fault for inner in one.every()),
        "given": lambda one: any(inner.value not in (None, "") for inner in one.every()),
    }


def _base(known: Wiring, form: FormData) -> tuple[int, Content]:
    given = _said(form, "base")
    number = int(given) if given.isdecimal() and len(given) < 9 else None
    with known.database.read() as session:
        try:
            return base_of(session, known.host, number)
        except SettingsError:
            return base_of(session, known.host, None)


def _subject(name: str) -> Subject:
    found = subject(name)
    if found is None:
        raise HTTPException(404)
    return found


def _check_section(section: str) -> None:
    if section != ALL and section not in SITE:
        raise HTTPException(404)


def _said(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""
