"""A person's own account: language, password, sessions."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from gransk.core.errors import InvalidValueError
from gransk.site import people, sessions
from gransk.web import texts
from gransk.web.access import Person, language_of
from gransk.web.doors import Text, browser_of, enter, refusal, signed_out
from gransk.web.rendering import page
from gransk.web.wiring import wiring

router = APIRouter()


@router.get("/account")
def show_account(request: Request, caller: Person, done: str = "") -> Response:
    """A person's own account."""
    return _account(request, caller, message="password_changed" if done == "password" else "")


@router.post("/account/language")
def change_language(request: Request, caller: Person, language: Text) -> Response:
    """Choose the language of the pages."""
    with wiring(request).database.begin() as session:
        account = people.find_account(session, caller.name)
        if account is None or language not in texts.LANGUAGES:
            raise HTTPException(422)
        people.change_account(session, account, language=language, actor=caller.name)
    return RedirectResponse("/account", 303)


@router.post("/account/password")
def change_password(request: Request, caller: Person, current: Text, new: Text) -> Response:
    """Choose a new password, which ends every session of the account but a new one."""
    known = wiring(request)
    rules = known.config.password_rules
    try:
        people.change_own_password(known.database, caller.name, current, new, rules)
    except people.SignInError:
        return _account(request, caller, error="sign_in_wrong", status=422)
    except InvalidValueError as error:
        return _account(request, caller, error=refusal(error), status=422)
    hours, browser = known.config.service.session_hours, browser_of(request)
    signed_in = people.sign_in(known.database, caller.name, new, hours, rules, browser)
    return enter(request, signed_in, "/account?done=password")


@router.post("/account/sign-out-everywhere")
def sign_out_everywhere(request: Request, caller: Person) -> Response:
    """End every session of the account, on every browser."""
    with wiring(request).database.begin() as session:
        account = people.find_account(session, caller.name)
        if account is None:
            raise HTTPException(404)
        sessions.sign_out_everywhere(session, account, actor=caller.name)
    return signed_out(request, caller.session.id_token if caller.session else None)


def _account(
    request: Request, caller: Any, message: str = "", error: str = "", status: int = 200
) -> Response:
    t = texts.translator(language_of(request))
    known = wiring(request)
    with known.database.read() as session:
        mine = sessions.list_sessions(session, caller.account, known.config.sign_in.idle_minutes)
    return page(
        request,
        "account.html",
        caller,
        status,
        message=t(message) if message else "",
        error=t(error, length=people.PASSWORD_LENGTH) if error else "",
        shortest=people.PASSWORD_LENGTH,
        sessions=mine,
        this=caller.session.token_hash,
        has_password=people.uses_password(caller.account, known.config.password_rules),
        provider=known.config.single_sign_on.title,
    )
