"""Signing in through the provider: away to it, and back."""

from __future__ import annotations

import base64
import binascii
import json
import logging
import secrets
from dataclasses import astuple, dataclass

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from gransk.core.errors import ConfigurationError
from gransk.site import identities, people
from gransk.site.events import SYSTEM, EventKind, record
from gransk.site.identities import AdmissionError, Refusal
from gransk.site.provider import ANSWER_PATH, Fault, Provider, ProviderError
from gransk.web.access import language_of
from gransk.web.doors import browser_of, enter, public, secure, show_door
from gransk.web.wiring import wiring

AWAY_PATH = "/sign-in/provider"
AWAY_COOKIE = "gransk_away"
"""Ties an answer of the provider to the browser that asked; gone after one answer."""

AWAY_SECONDS = 600
FAULTS = {
    Fault.UNREACHABLE: ("provider_unreachable", 503),
    Fault.REFUSED: ("provider_refused", 403),
    Fault.ANSWER: ("provider_again", 400),
    Fault.TOKEN: ("provider_again", 400),
}
REFUSALS = {
    Refusal.NAME: "provider_no_account",
    Refusal.NO_ACCOUNT: "provider_no_account",
    Refusal.LOCAL_ACCOUNT: "provider_no_account",
    Refusal.OTHER_PERSON: "provider_no_account",
    Refusal.DEACTIVATED: "provider_deactivated",
    Refusal.NO_ROLE: "provider_no_role",
}
log = logging.getLogger(__name__)
router = APIRouter()


@dataclass(frozen=True)
class Away:
    """What a browser keeps while its person is at the provider.

    Parameters
    ----------
    state, nonce : str
        Tie the answer, and the token in it, to this browser's request.
    verifier : str
        Of PKCE (RFC 7636).
    next_page : str
    """

    state: str = ""
    nonce: str = ""
    verifier: str = ""
    next_page: str = "/"

    def pack(self) -> str:
        return base64.urlsafe_b64encode(json.dumps(astuple(self)).encode()).decode()

    @classmethod
    def unpack(cls, text: str) -> Away:
        """As it was packed; an empty one, which fits no answer, where it was not."""
        try:
            values = json.loads(base64.urlsafe_b64decode(text.encode()))
        except (binascii.Error, ValueError):
            return cls()
        whole = isinstance(values, list) and len(values) == 4
        return cls(*values) if whole and all(isinstance(v, str) for v in values) else cls()


@router.get(AWAY_PATH, dependencies=public)
def leave(request: Request, next: str = "/") -> Response:
    """Send the browser to the provider."""
    state, nonce, verifier = (secrets.token_urlsafe(48) for _ in range(3))
    try:
        address = _provider(request).address(state, nonce, verifier)
    except (ProviderError, ConfigurationError) as error:
        return _failed(request, error)
    answer = RedirectResponse(address, 303)
    answer.set_cookie(
        AWAY_COOKIE,
        Away(state, nonce, verifier, next[:1024]).pack(),
        max_age=AWAY_SECONDS,
        httponly=True,
        samesite="lax",
        secure=secure(request),
        path=AWAY_PATH,
    )
    return answer


@router.get(ANSWER_PATH, dependencies=public)
def come_back(request: Request) -> Response:
    """The provider's answer: proven, it signs the person in; it counts once."""
    away = Away.unpack(request.cookies.get(AWAY_COOKIE, ""))
    known = wiring(request)
    try:
        said = _provider(request).redeem(
            dict(request.query_params), away.state, away.nonce, away.verifier
        )
        signed_in = identities.admit(
            known.database,
            known.config.single_sign_on,
            said,
            known.config.service.session_hours,
            browser=browser_of(request),
            language=language_of(request),
        )
        answer = enter(request, signed_in, away.next_page)
    except (ProviderError, ConfigurationError, AdmissionError) as error:
        answer = _failed(request, error)
    answer.delete_cookie(AWAY_COOKIE, path=AWAY_PATH)
    return answer


def _provider(request: Request) -> Provider:
    provider = wiring(request).provider
    if provider is None:
        raise HTTPException(404)
    return provider


def _failed(
    request: Request, error: ProviderError | ConfigurationError | AdmissionError
) -> Response:
    """The page to sign in, which says what to do; the log says what it was."""
    log.warning("%s", error)
    if isinstance(error, AdmissionError):
        return show_door(request, error=REFUSALS[error.refusal], status=403)
    fault = error.fault if isinstance(error, ProviderError) else Fault.UNREACHABLE
    if fault is Fault.TOKEN:
        with wiring(request).database.begin() as session:
            data = {"why": fault.value}
            record(session, SYSTEM, EventKind.SINGLE_SIGN_ON_REFUSED, people.UNKNOWN, data)
    key, status = FAULTS[fault]
    return show_door(request, error=key, status=status)
