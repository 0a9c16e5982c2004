"""Signing in and out, and links."""

from __future__ import annotations

import hmac
import logging
import secrets
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from gransk.core.errors import ConfigurationError, InvalidValueError
from gransk.site import people
from gransk.site.provider import ProviderError
from gransk.web import texts
from gransk.web.access import (
    LANGUAGE_COOKIE,
    SESSION_COOKIE,
    AnyCaller,
    Person,
    allow,
    from_loopback,
    language_of,
)
from gransk.web.permissions import Permission
from gransk.web.rendering import NAVIGATION, page
from gransk.web.wiring import wiring

FORM_COOKIE = "gransk_form"
"""Ties a form to its browser before there is a session."""

Text = Annotated[str, Form(max_length=1024)]
public = [Depends(allow(Permission.PUBLIC))]
log = logging.getLogger(__name__)
router = APIRouter()


@router.get("/sign-in")
def show_sign_in(request: Request, caller: AnyCaller, next: str = "/") -> Response:
    """The page to sign in."""
    if caller.account:
        return RedirectResponse(_home(caller.may), 303)
    return show_door(request, next)


@router.post("/sign-in", dependencies=public)
def sign_in(
    request: Request, name: Text, password: Text, csrf: Text = "", next: str = "/"
) -> Response:
    """Check name and password; every failure reads the same and may lock the account."""
    _check_form(request, csrf)
    known = wiring(request)
    try:
        signed_in = people.sign_in(
            known.database,
            name,
            password,
            known.config.service.session_hours,
            known.config.password_rules,
            browser_of(request),
        )
    except people.SignInError:
        return show_door(request, next, name, "sign_in_wrong", 401)
    return enter(request, signed_in, next)


@router.post("/sign-out")
def sign_out(request: Request, caller: Person) -> Response:
    """End the session, and the provider's where it began there."""
    with wiring(request).database.begin() as session:
        id_token = people.sign_out(session, request.cookies.get(SESSION_COOKIE, ""))
    return signed_out(request, id_token)


@router.get("/start", dependencies=public)
def show_start(request: Request, token: str = "") -> Response:
    """A one-time link: the first administrator's, or a person's own."""
    first = _opened(request, token)
    if first is None:
        return show_door(request, error="link_wrong", status=403)
    return _door(request, *_start_texts(first), _start_fields(request, first), link_token=token)


@router.post("/start", dependencies=public)
def start(
    request: Request,
    token: Text,
    password: Text,
    csrf: Text = "",
    name: Text = "",
    full_name: Text = "",
) -> Response:
    """Use a one-time link: set the password, and sign in."""
    _check_form(request, csrf)
    known, language = wiring(request), language_of(request)
    first = _opened(request, token)
    hours, browser = known.config.service.session_hours, browser_of(request)
    rules = known.config.password_rules
    try:
        with known.database.begin() as session:
            signed_in = (
                people.use_first_link(
                    session, token, name, full_name, password, hours, language, browser
                )
                if first
                else people.use_link(session, token, password, hours, rules, browser)
            )
    except people.LinkError:
        return show_door(request, error="link_wrong", status=403)
    except InvalidValueError as error:
        fields = _start_fields(request, bool(first), name, full_name)
        key = refusal(error)
        return _door(request, *_start_texts(bool(first)), fields, key, 422, link_token=token)
    return enter(request, signed_in, "/")


def show_door(
    request: Request, next_page: str = "/", name: str = "", error: str = "", status: int = 200
) -> Response:
    """The page to sign in, by the provider where there is one, and by password."""
    action, fields = _action("/sign-in", next_page), _sign_in_fields(request, name)
    away = _action("/sign-in/provider", next_page)
    return _door(request, "sign_in", action, fields, error, status, away=away)


def signed_out(request: Request, id_token: str | None) -> Response:
    """What a browser gets that has no session any more."""
    address = _leaving(request, id_token)
    if address is None:
        answer: Response = RedirectResponse("/sign-in", 303)
    else:
        # A page, not a redirect: the policy of contents lets forms lead to this site alone.
        known = wiring(request).config.single_sign_on
        answer = page(request, "signed_out.html", None, leave=address, provider=known.title)
    answer.delete_cookie(SESSION_COOKIE, path="/")
    return answer


def _leaving(request: Request, id_token: str | None) -> str | None:
    """Where the provider's own session ends; None where there is no need or no answer."""
    known = wiring(request)
    if id_token is None or known.provider is None or not known.config.single_sign_on.end_session:
        return None
    try:
        return known.provider.end_session(id_token, f"{known.config.service.public_url}/sign-in")
    except (ProviderError, ConfigurationError) as error:
        log.warning("%s", error)
        return None


def browser_of(request: Request) -> str:
    """What the browser calls itself."""
    return request.headers.get("user-agent", "")


def refusal(error: InvalidValueError) -> str:
    """Key of the text that says what a form's field wants."""
    return {
        "name": "refused_name",
        "full name": "refused_full_name",
        "password": "refused_password",
        "roles": "refused_roles",
    }.get(error.name, "error_422")


def _home(may: frozenset[Permission]) -> str:
    """The first page of the navigation that a person may see."""
    return next(address for _, address, permission in NAVIGATION if permission in may)


def enter(request: Request, signed_in: people.SignedIn, next_page: str) -> Response:
    """Go on as the person who has just signed in."""
    inside = next_page if next_page.startswith("/") and next_page[1:2] not in ("/", "\\") else "/"
    answer = RedirectResponse(inside, 303)
    answer.set_cookie(
        SESSION_COOKIE,
        signed_in.token,
        expires=signed_in.expires_at,
        httponly=True,
        samesite="lax",
        secure=secure(request),
        path="/",
    )
    answer.delete_cookie(FORM_COOKIE, path="/")
    return answer


def secure(request: Request) -> bool:
    """Are the pages reached by TLS?"""
    return wiring(request).config.service.public_url.startswith("https://")


def _opened(request: Request, token: str) -> bool | None:
    """Is a link the first administrator's? None where it is no good.

    The first administrator's link works from this machine alone.
    """
    with wiring(request).database.read() as session:
        try:
            first = people.open_link(session, token).account_id is None
        except people.LinkError:
            return None
    return None if first and not from_loopback(request.scope) else first


def _check_form(request: Request, shown: str) -> None:
    kept = request.cookies.get(FORM_COOKIE, "")
    if not kept or not hmac.compare_digest(kept.encode(), shown.encode()):
        raise HTTPException(403, "csrf")


def _action(path: str, next_page: str) -> str:
    return f"{path}?{urlencode({'next': next_page})}" if next_page != "/" else path


def _sign_in_fields(request: Request, name: str = "") -> list[dict[str, Any]]:
    t = texts.translator(language_of(request))
    return [
        {"name": "name", "label": t("account_name"), "autocomplete": "username", "value": name},
        {
            "name": "password",
            "label": t("password"),
            "type": "password",
            "autocomplete": "current-password",
        },
    ]


def _start_texts(first: bool) -> tuple[str, str]:
    return ("start" if first else "join"), "/start"


def _start_fields(
    request: Request, first: bool, name: str = "", full_name: str = ""
) -> list[dict[str, Any]]:
    t = texts.translator(language_of(request))
    password = {
        "name": "password",
        "label": t("new_password"),
        "type": "password",
        "autocomplete": "new-password",
        "hint": t("password_hint", length=people.PASSWORD_LENGTH),
        "minlength": people.PASSWORD_LENGTH,
    }
    if not first:
        return [password]
    return [
        {
            "name": "name",
            "label": t("account_name"),
            "autocomplete": "username",
            "hint": t("refused_name"),
            "value": name,
        },
        {
            "name": "full_name",
            "label": t("full_name"),
            "autocomplete": "name",
            "value": full_name,
        },
        password,
    ]


def _door(
    request: Request,
    kind: str,
    action: str,
    fields: list[dict[str, Any]],
    error: str = "",
    status: int = 200,
    link_token: str = "",
    away: str = "",
) -> Response:
    """A page for somebody who is not signed in: one form."""
    t = texts.translator(language_of(request))
    provider = wiring(request).config.single_sign_on
    form_csrf = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(32)
    answer = page(
        request,
        "sign_in.html",
        None,
        status,
        title=t("sign_in" if kind == "sign_in" else f"{kind}_title"),
        intro="" if kind == "sign_in" else t(f"{kind}_text"),
        button=t("sign_in" if kind == "sign_in" else f"{kind}_button"),
        action=action,
        fields=fields,
        error=t(error, length=people.PASSWORD_LENGTH, provider=provider.title) if error else "",
        link_token=link_token,
        away=away,
        provider=provider.title if away and provider.on else "",
        administrators_only=provider.administrators_only,
        form_csrf=form_csrf,
    )
    answer.set_cookie(
        FORM_COOKIE, form_csrf, httponly=True, samesite="strict", secure=secure(request), path="/"
    )
    asked = request.query_params.get("language")
    if asked in texts.LANGUAGES:
        answer.set_cookie(LANGUAGE_COOKIE, asked, max_age=31536000, samesite="lax", path="/")
    return answer
