"""Access tokens of a destination: OAuth 2.0 client credentials (RFC 6749 4.4)."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from requests.adapters import HTTPAdapter

from gransk.core.errors import GranskError
from gransk.site.config_destinations import OAuth
from gransk.site.config_messages import TlsClient

TIMEOUT_SECONDS = 30.0
LEEWAY_SECONDS = 30.0
"""A token is renewed so long before it ends, or at half its life where that is shorter."""


class TokenError(GranskError):
    """The server that gives tokens gave none."""


class Tokens:
    """The token of a destination: asked for when it is needed, and kept until it ends.

    Parameters
    ----------
    settings : OAuth
    clock : callable
        Seconds, for tests.
    """

    def __init__(self, settings: OAuth, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._until = float("inf")

    def token(self) -> str:
        """A token that stands, as far as it says.

        Raises
        ------
        TokenError
            Where there is none to be had.
        ConfigurationError
            Where the client's secret, or a file of TLS, cannot be read.
        """
        with self._lock:
            if not self._token or self._clock() >= self._until:
                asked = self._clock()
                answer = self._ask()
                self._token, self._until = answer["access_token"], asked + _life(answer)
            return self._token

    def forget(self, token: str) -> None:
        """The destination did not take this token: the next is asked for anew."""
        with self._lock:
            if self._token == token:
                self._token = ""

    def _ask(self) -> dict[str, Any]:
        settings = self.settings
        client = OAuth2Session(
            settings.client_id,
            settings.secret(),
            token_endpoint_auth_method=settings.client_authentication,
            scope=settings.scope or None,
        )
        client.trust_env = False
        client.mount("https://", _Adapter((settings.tls or TlsClient()).context()))
        try:
            with client:
                found = client.fetch_token(
                    settings.token_url,
                    grant_type="client_credentials",
                    timeout=TIMEOUT_SECONDS,
                    allow_redirects=False,
                )
        except AuthlibBaseError as error:
            raise TokenError(f"no token: error {str(error.error)[:64]!r}") from error
        except (OSError, ValueError, TypeError) as error:  # what requests raises is an OSError
            raise TokenError(f"no token: {type(error).__name__}") from error
        token = found.get("access_token") if isinstance(found, dict) else None
        if not isinstance(token, str) or not token or not token.isprintable():
            raise TokenError("no token: the answer has none")
        return dict(found)


class _Adapter(HTTPAdapter):
    """Connects by a context of ours, so that the machine's authorities count."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, ssl_context=self._context, **named)


def _life(answer: dict[str, Any]) -> float:
    """Seconds for which a token is used; for ever where it does not say when it ends."""
    try:
        seconds = float(answer["expires_in"])
    except (KeyError, TypeError, ValueError):
        return float("inf")
    return seconds - min(LEEWAY_SECONDS, seconds / 2)
