"""The provider of single sign-on: OpenID Connect Core 1.0, authorization code flow with PKCE.

Authlib speaks OAuth 2.0 and joserfc checks signatures; what is ours is which answers
are believed: the issuer of the configuration alone, tokens signed by its published keys
with an asymmetric algorithm, meant for this client and this request.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from authlib.common.errors import AuthlibBaseError
from authlib.common.urls import add_params_to_uri
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from gransk.core.errors import GranskError
from gransk.site.config_sign_in import SingleSignOnSection
from gransk.site.database import utcnow

ANSWER_PATH = "/sign-in/provider/answer"
"""Where the pages take the provider's answers; registered there with the site's address."""

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
)  # fmt: skip
"""Of ID tokens. None that signs nothing, and none that signs with what both sides know."""

LEEWAY_SECONDS = 60
KEPT_SECONDS = 3600.0
"""How long the provider's description and keys are believed."""

PAUSE_SECONDS = 5.0
"""After a failure the provider is not asked again for so long: threads do not pile up."""

Result = TypeVar("Result")


class Fault(StrEnum):
    """What went wrong between us and the provider."""

    UNREACHABLE = "unreachable"
    """It does not answer, or does not describe itself as the configured issuer."""
    REFUSED = "refused"
    """It said no: to the person, or to us."""
    ANSWER = "answer"
    """The answer does not belong to what this browser asked for."""
    TOKEN = "token"  # noqa: S105
    """What it says of the person is not proven."""


class ProviderError(GranskError):
    """Signing in through the provider failed.

    Parameters
    ----------
    fault : Fault
    detail : str
        For the log; holds no token and nothing of the person.
    """

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__(f"single sign-on: {fault.value}: {detail}")
        self.fault = fault


@dataclass(frozen=True)
class Said:
    """What the provider says of a person, proven.

    Parameters
    ----------
    issuer, subject : str
        Who it is, for good.
    claims : mapping
    id_token : str
        By which the provider's own session can be ended.
    """

    issuer: str
    subject: str
    claims: Mapping[str, Any]
    id_token: str

    def values(self, path: str) -> tuple[str, ...]:
        """Texts of a claim: its name, or names joined by dots."""
        found = _claim(self.claims, path)
        several = found if isinstance(found, list) else [found]
        return tuple(value for value in several if isinstance(value, str) and value)

    def value(self, path: str) -> str:
        """The one text of a claim; empty where there is none or several."""
        found = self.values(path)
        return found[0] if len(found) == 1 else ""


class Provider:
    """The configured provider; asks it nothing before it must.

    Parameters
    ----------
    section : SingleSignOnSection
        With an issuer.
    redirect_uri : str
        Where it sends browsers back, as registered there.
    """

    def __init__(self, section: SingleSignOnSection, redirect_uri: str) -> None:
        self._section = section
        self._redirect_uri = redirect_uri
        self._metadata = _Kept(self._ask_metadata)
        self._keys = _Kept(self._ask_keys)

    @property
    def issuer(self) -> str:
        return self._section.issuer or ""

    def metadata(self) -> Mapping[str, Any]:
        """How the provider describes itself (OpenID Connect Discovery 1.0).

        Raises
        ------
        ProviderError
        """
        return self._metadata()

    def keys(self) -> KeySet:
        """The keys it signs with.

        Raises
        ------
        ProviderError
        """
        return self._keys()

    def address(self, state: str, nonce: str, verifier: str) -> str:
        """Where a browser is sent to sign in.

        Raises
        ------
        ProviderError
        """
        endpoint = self.metadata()["authorization_endpoint"]
        with self._client() as client:
            address, _ = client.create_authorization_url(
                endpoint, state=state, code_verifier=verifier, nonce=nonce
            )
        return str(address)

    def redeem(self, answer: Mapping[str, str], state: str, nonce: str, verifier: str) -> Said:
        """What the provider says of the person whose browser brought an answer.

        Parameters
        ----------
        answer : mapping
            Parameters of the address at which the browser came back.
        state, nonce, verifier : str
            As the same browser was sent away.

        Raises
        ------
        ProviderError
        """
        metadata = self.metadata()
        self._check_answer(answer, state, metadata)
        with self._client() as client:
            token = self._fetch(client, metadata["token_endpoint"], answer["code"], verifier)
            id_token = token.get("id_token")
            if not isinstance(id_token, str):
                raise ProviderError(Fault.TOKEN, "the answer holds no ID token")
            claims = self._proven(id_token, nonce, token.get("access_token"))
            claims = {**self._more(client, claims, metadata), **claims}
        return Said(self.issuer, str(claims["sub"]), claims, id_token)

    def end_session(self, id_token: str, back: str) -> str | None:
        """Where a browser is sent to end the provider's session; None where it has no such place.

        Raises
        ------
        ProviderError
        """
        endpoint = self.metadata().get("end_session_endpoint")
        if not isinstance(endpoint, str) or not self._safe(endpoint):
            return None
        values = {
            "id_token_hint": id_token,
            "client_id": self._section.client_id,
            "post_logout_redirect_uri": back,
        }
        return str(add_params_to_uri(endpoint, list(values.items())))

    def _check_answer(
        self, answer: Mapping[str, str], state: str, metadata: Mapping[str, Any]
    ) -> None:
        if not state or answer.get("state") != state:
            raise ProviderError(Fault.ANSWER, "state differs")
        # RFC 9207: a provider that names itself in answers must be the one that was asked.
        named = answer.get("iss")
        must = metadata.get("authorization_response_iss_parameter_supported") is True
        if (named is None and must) or (named is not None and named != self.issuer):
            raise ProviderError(Fault.ANSWER, "iss differs")
        if "error" in answer:
            raise ProviderError(Fault.REFUSED, f"error {answer['error'][:64]!r}")
        if not answer.get("code"):
            raise ProviderError(Fault.ANSWER, "no code")

    def _fetch(
        self, client: OAuth2Session, endpoint: str, code: str, verifier: str
    ) -> dict[str, Any]:
        try:
            token = client.fetch_token(
                endpoint,
                grant_type="authorization_code",
                code=code,
                code_verifier=verifier,
                redirect_uri=self._redirect_uri,
                allow_redirects=False,
            )
        except AuthlibBaseError as error:
            raise ProviderError(Fault.REFUSED, f"error {str(error.error)[:64]!r}") from error
        except (OSError, ValueError) as error:  # what requests raises is an OSError
            raise ProviderError(Fault.UNREACHABLE, f"token endpoint: {_cause(error)}") from error
        return dict(token)

    def _proven(self, id_token: str, nonce: str, access_token: Any) -> dict[str, Any]:
        """Claims of an ID token, checked (OpenID Connect Core 1.0, 3.1.3.7)."""
        try:
            decoded = self._decode(id_token)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "value": self.issuer},
                    "aud": {"essential": True, "value": self._section.client_id},
                },
                {
                    "nonce": nonce,
                    "client_id": self._section.client_id,
                    "access_token": access_token,
                },
            )
            claims.validate(now=int(utcnow().timestamp()), leeway=LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError) as error:
            raise ProviderError(Fault.TOKEN, _cause(error)) from error
        if not nonce or not isinstance(claims["sub"], str) or not claims["sub"]:
            raise ProviderError(Fault.TOKEN, "nonce or sub is missing")
        return dict(claims)

    def _decode(self, id_token: str) -> jwt.Token:
        """A token whose signature holds; keys are asked for again where it does not."""
        keys = self.keys()
        try:
            return jwt.decode(id_token, keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            fresh = self._keys.again(keys)
            if fresh is keys:
                raise
            return jwt.decode(id_token, fresh, algorithms=ALGORITHMS)

    def _more(
        self, client: OAuth2Session, claims: Mapping[str, Any], metadata: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Claims that the provider keeps for its userinfo endpoint, where one is missing."""
        section = self._section
        wanted = [section.name_claim, *([section.role_claim] if section.roles else [])]
        endpoint = metadata.get("userinfo_endpoint")
        if all(_claim(claims, path) is not None for path in wanted) or endpoint is None:
            return {}
        found = self._get(client, str(endpoint), withhold_token=False)
        if found.get("sub") != claims["sub"]:
            raise ProviderError(Fault.TOKEN, "userinfo is of somebody else")
        return found

    def _ask_metadata(self) -> Mapping[str, Any]:
        with self._client() as client:
            found = self._get(client, get_well_known_url(self.issuer, external=True))
        if found.get("issuer") != self.issuer:
            raise ProviderError(Fault.UNREACHABLE, "it names itself by another issuer")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(found.get(name), str) or not self._safe(found[name]):
                raise ProviderError(Fault.UNREACHABLE, f"its {name} is missing or not https")
        return found

    def _ask_keys(self) -> KeySet:
        endpoint = self.metadata()["jwks_uri"]
        with self._client() as client:
            found = self._get(client, endpoint)
        try:
            return KeySet.import_key_set(found)  # type: ignore[arg-type]
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ProviderError(Fault.UNREACHABLE, f"its keys: {_cause(error)}") from error

    def _get(
        self, client: OAuth2Session, address: str, withhold_token: bool = True
    ) -> dict[str, Any]:
        if not self._safe(address):
            raise ProviderError(Fault.UNREACHABLE, "an address of its is not https")
        try:
            answer = client.request(
                "GET", address, withhold_token=withhold_token, allow_redirects=False
            )
            answer.raise_for_status()
            found = answer.json()
        except (OSError, AuthlibBaseError, ValueError) as error:
            raise ProviderError(Fault.UNREACHABLE, _cause(error)) from error
        if answer.status_code != 200 or not isinstance(found, dict):
            raise ProviderError(Fault.UNREACHABLE, f"answers {answer.status_code}, wants JSON keys")
        return found

    def _safe(self, address: str) -> bool:
        """https; http only where the issuer itself is on loopback."""
        return address.startswith("https://") or self.issuer.startswith("http://")

    def _client(self) -> OAuth2Session:
        section = self._section
        client = OAuth2Session(
            section.client_id,
            section.secret(),
            token_endpoint_auth_method=section.client_authentication,
            scope=" ".join(section.scopes),
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            default_timeout=section.timeout_seconds,
        )
        client.trust_env = False
        if section.certificate_file is not None:
            client.verify = str(section.certificate_file)
        return client


class _Kept(Generic[Result]):
    """Something asked for once an hour, by one thread; the others wait for its answer."""

    def __init__(self, ask: Callable[[], Result]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._known: Result | None = None
        self._asked = -KEPT_SECONDS
        self._failed = -PAUSE_SECONDS

    def __call__(self) -> Result:
        with self._lock:
            if self._known is None or time.monotonic() - self._asked >= KEPT_SECONDS:
                self._renew()
            return self._answer()

    def again(self, seen: Result) -> Result:
        """Ask again, because what was seen does not serve; at most once a pause."""
        with self._lock:
            if self._known is seen and time.monotonic() - self._asked >= PAUSE_SECONDS:
                self._renew()
            return self._answer()

    def _answer(self) -> Result:
        if self._known is None:
            raise ProviderError(Fault.UNREACHABLE, "did not answer")
        return self._known

    def _renew(self) -> None:
        if time.monotonic() - self._failed < PAUSE_SECONDS:
            raise ProviderError(Fault.UNREACHABLE, "did not answer a moment ago")
        try:
            self._known = self._ask()
        except ProviderError:
            self._known, self._failed = None, time.monotonic()
            raise
        self._asked = time.monotonic()


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, which may hold dots, or by names joined by dots."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _cause(error: Exception) -> str:
    """The kind of an error: its text may quote what the provider sent."""
    named = getattr(error, "claim", None) or getattr(error, "claim_name", None)
    return f"{type(error).__name__}{f' ({named})' if named else ''}"
