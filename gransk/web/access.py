"""Who calls, and may they: sessions, machine tokens, CSRF.

Every route declares what it asks by ``Depends(allow(Permission.X))``; a test
walks the routes and fails on one that does not.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from starlette.concurrency import run_in_threadpool
from starlette.types import Scope

from gransk.site import people, sessions
from gransk.site.tables import Account, MachineToken, WebSession
from gransk.web import texts
from gransk.web.permissions import OF_MACHINE, Permission, permissions
from gransk.web.wiring import Wiring, wiring

SESSION_COOKIE = "gransk_session"
LANGUAGE_COOKIE = "gransk_language"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
RENEWING = "x-gransk-renewing"
"""Header of what a page asks for by itself: no sign of life of its reader."""
FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via")
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
FORM_BYTES = 1024 * 1024
"""Of a form beside the file in it."""
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True)
class Caller:
    """A person with a session, a machine with a token, or nobody."""

    account: Account | None = None
    session: WebSession | None = None
    machine: MachineToken | None = None

    @property
    def name(self) -> str:
        """As the event log names the caller."""
        if self.account:
            return self.account.name
        return self.machine.name if self.machine else people.UNKNOWN

    @property
    def may(self) -> frozenset[Permission]:
        if self.account:
            return permissions(self.account.roles)
        return OF_MACHINE if self.machine else frozenset()

    @property
    def csrf(self) -> str:
        return self.session.csrf if self.session else ""


def identify(known: Wiring, cookie: str, authorization: str, active: bool = True) -> Caller:
    """Who a request's cookie or bearer token belongs to.

    Parameters
    ----------
    known : Wiring
    cookie, authorization : str
    active : bool
        Whether a person asked, whose session then rests from now on.
    """
    scheme, _, token = authorization.partition(" ")
    idle = known.config.sign_in.idle_minutes
    with known.database.read() as session:
        if scheme.lower() == "bearer" and token:
            return Caller(machine=people.machine_of(session, token.strip()))
        found = people.session_of(session, cookie, idle) if cookie else None
        writes = bool(cookie) and sessions.wants_keeping(session, cookie, idle, active=active)
    if writes:
        with known.database.begin() as session:
            sessions.keep(session, cookie, idle, active=active)
    return Caller(account=found[0], session=found[1]) if found else Caller()


async def caller_of(request: Request) -> Caller:
    """Who calls; found once a request."""
    if not hasattr(request.state, "caller"):
        request.state.caller = await run_in_threadpool(
            identify,
            wiring(request),
            request.cookies.get(SESSION_COOKIE, ""),
            request.headers.get("authorization", ""),
            RENEWING not in request.headers,
        )
    found = request.state.caller
    return found if isinstance(found, Caller) else Caller()


class Allow:
    """A route's permission, checked before the route runs."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self, request: Request) -> Caller:
        if self.permission is Permission.NUDGE:
            _check_nudge(request)
            return Caller()
        caller = await caller_of(request)
        if self.permission is Permission.PUBLIC:
            return caller
        if not caller.may:
            raise HTTPException(401)
        if self.permission not in caller.may:
            raise HTTPException(403)
        if caller.session and request.method not in SAFE:
            await _check_csrf(request, caller.session)
        return caller


def allow(permission: Permission) -> Allow:
    """The dependency that lets only callers with ``permission`` pass."""
    return Allow(permission)


async def _check_csrf(request: Request, session: WebSession) -> None:
    """A session's unsafe request must carry the session's own token."""
    token = request.headers.get("x-csrf-token", "")
    kind = request.headers.get("content-type", "").lower()
    if not token and kind.startswith(FORMS):
        _check_size(request)
        token = str((await request.form(max_files=1)).get("csrf", ""))
    if not people.csrf_matches(session, token):
        raise HTTPException(403, "csrf")


def _check_size(request: Request) -> None:
    """A form's body is taken in before it is looked at: it must say that it is not too large."""
    said = request.headers.get("content-length", "")
    if not said.isdecimal():
        raise HTTPException(411)
    if int(said) > wiring(request).config.models.max_mb * 1024 * 1024 + FORM_BYTES:
        raise HTTPException(413)


def _check_nudge(request: Request) -> None:
    """Orthanc's plugin shows the secret of the configuration."""
    secret = wiring(request).config.service.nudge_secret()
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(shown.encode(), secret.encode()):
        raise HTTPException(401)


def person_of(caller: Caller) -> Account:
    """The account of who asks, a person.

    Raises
    ------
    HTTPException
        403 for a machine.
    """
    if caller.account is None:
        raise HTTPException(403)
    return caller.account


def language_of(request: Request) -> str:
    """The account's language, else the browser's choice here, else the site's."""
    caller = getattr(request.state, "caller", None)
    if isinstance(caller, Caller) and caller.account:
        return caller.account.language
    asked = request.query_params.get("language") or request.cookies.get(LANGUAGE_COOKIE, "")
    return asked if asked in texts.LANGUAGES else wiring(request).config.language


def from_loopback(scope: Scope) -> bool:
    """Does the request come from this machine itself?

    A forwarded request does not, whoever forwards it; nor does one that names
    this machine by a foreign host name.
    """
    client = scope.get("client")
    headers = dict(scope["headers"])
    if client is None or any(name in headers for name in FORWARDED):
        return False
    host = headers.get(b"host", b"").decode("latin-1")
    name = host if host.endswith("]") else host.rsplit(":", 1)[0]
    try:
        return ipaddress.ip_address(client[0]).is_loopback and name in LOOPBACK_NAMES
    except ValueError:
        return False


AnyCaller = Annotated[Caller, Depends(allow(Permission.PUBLIC))]
Person = Annotated[Caller, Depends(allow(Permission.SIGNED_IN))]
