"""People and machines, for the administrator."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from gransk.core.errors import InvalidValueError
from gransk.site import identities, lockout, people
from gransk.site.tables import Account, Role
from gransk.web import texts
from gransk.web.access import Caller, allow, language_of
from gransk.web.doors import Text, refusal
from gransk.web.permissions import Permission
from gransk.web.rendering import page
from gransk.web.wiring import wiring

Administrator = Annotated[Caller, Depends(allow(Permission.PEOPLE))]
Roles = Annotated[list[Role] | None, Form()]
router = APIRouter()


@router.get("/people")
def show_people(request: Request, caller: Administrator) -> Response:
    """Every person and machine."""
    return _show(request, caller)


@router.post("/people")
def add_person(
    request: Request, caller: Administrator, name: Text, full_name: Text, roles: Roles = None
) -> Response:
    """Add a person, who signs in by a link shown once, or through the provider."""
    known = wiring(request)
    rules = known.config.password_rules
    try:
        with known.database.begin() as session:
            account = people.create_account(
                session,
                name,
                full_name,
                roles or [],
                language=language_of(request),
                actor=caller.name,
            )
            if not people.uses_password(account, rules):
                return RedirectResponse("/people", 303)
            token = people.sign_in_link(session, account, actor=caller.name, rules=rules)
    except InvalidValueError as error:
        return _show(request, caller, error=refusal(error), status=422)
    return _show(request, caller, secret=_link(request, token), added=account.full_name)


@router.post("/people/{name}/roles")
def change_roles(
    name: str, request: Request, caller: Administrator, roles: Roles = None
) -> Response:
    """Give a person other roles; the sessions of the person end."""
    try:
        with wiring(request).database.begin() as session:
            people.change_account(session, _find(session, name), roles=roles, actor=caller.name)
            if not roles:
                raise InvalidValueError("roles", [], "at least one role")
    except InvalidValueError as error:
        return _show(request, caller, error=refusal(error), status=422)
    except people.LastAdministratorError:
        return _show(request, caller, error="last_administrator", status=409)
    return RedirectResponse("/people", 303)


@router.post("/people/{name}/active")
def change_active(name: str, request: Request, caller: Administrator, active: Text) -> Response:
    """Deactivate a person, or bring one back."""
    try:
        with wiring(request).database.begin() as session:
            people.set_active(session, _find(session, name), active == "yes", actor=caller.name)
    except people.LastAdministratorError:
        return _show(request, caller, error="last_administrator", status=409)
    return RedirectResponse("/people", 303)


@router.post("/people/{name}/link")
def make_link(name: str, request: Request, caller: Administrator) -> Response:
    """A new link for a person who lost password or link."""
    try:
        with wiring(request).database.begin() as session:
            account = _find(session, name)
            rules = wiring(request).config.password_rules
            token = people.sign_in_link(session, account, actor=caller.name, rules=rules)
    except InvalidValueError as error:
        return _show(request, caller, error=refusal(error), status=422)
    return _show(request, caller, secret=_link(request, token), added=account.full_name)


@router.post("/people/{name}/unlock")
def unlock(name: str, request: Request, caller: Administrator) -> Response:
    """Let a person in whose account is locked."""
    with wiring(request).database.begin() as session:
        lockout.unlock(session, _find(session, name), actor=caller.name)
    return RedirectResponse("/people", 303)


@router.post("/people/{name}/unlink")
def unlink(name: str, request: Request, caller: Administrator) -> Response:
    """Part a person from the one at the provider; the next who has the name there is joined."""
    with wiring(request).database.begin() as session:
        identities.unlink(session, _find(session, name), actor=caller.name)
    return RedirectResponse("/people", 303)


@router.post("/people/{name}/password/remove")
def remove_password(name: str, request: Request, caller: Administrator) -> Response:
    """Let a person in through the provider alone."""
    if not wiring(request).config.single_sign_on.on:
        raise HTTPException(409)
    try:
        with wiring(request).database.begin() as session:
            people.remove_password(session, _find(session, name), actor=caller.name)
    except people.LastAdministratorError:
        return _show(request, caller, error="last_administrator", status=409)
    return RedirectResponse("/people", 303)


@router.post("/machines")
def add_machine(request: Request, caller: Administrator, machine_name: Text) -> Response:
    """Add a machine, whose token is shown once."""
    try:
        with wiring(request).database.begin() as session:
            token = people.create_token(session, machine_name, actor=caller.name)
    except InvalidValueError as error:
        return _show(request, caller, error=refusal(error), status=422)
    return _show(request, caller, secret=token, added=machine_name, key="machine_added")


@router.post("/machines/{name}/revoke")
def revoke_machine(name: str, request: Request, caller: Administrator) -> Response:
    """End a machine's token for good."""
    try:
        with wiring(request).database.begin() as session:
            people.revoke_token(session, name, actor=caller.name)
    except InvalidValueError as error:
        raise HTTPException(404) from error
    return RedirectResponse("/people", 303)


def _find(session: Session, name: str) -> Account:
    account = people.find_account(session, name)
    if account is None:
        raise HTTPException(404)
    return account


def _link(request: Request, token: str) -> str:
    return f"{wiring(request).config.service.public_url}/start?token={token}"


def _show(
    request: Request,
    caller: Caller,
    status: int = 200,
    error: str = "",
    secret: str = "",
    added: str = "",
    key: str = "person_added",
) -> Response:
    t = texts.translator(language_of(request))
    config = wiring(request).config
    rules = config.password_rules
    with wiring(request).database.read() as session:
        accounts = people.list_accounts(session)
        values: dict[str, Any] = {
            "people": accounts,
            "machines": people.list_tokens(session),
            "locked": {one.id for one in accounts if lockout.locked(one, rules)},
            "linkable": {one.id for one in accounts if people.uses_password(one, rules)},
            "provider": config.single_sign_on.title if config.single_sign_on.on else "",
        }
    return page(
        request,
        "people.html",
        caller,
        status,
        roles=[role.value for role in Role],
        error=t(error, length=people.PASSWORD_LENGTH) if error else "",
        secret=secret,
        secret_text=t(key, name=added) if secret else "",
        **values,
    )
