"""A FHIR server that is told reports: by PUT under an id of ours (FHIR R4, ``update``).

The id is the same for every version of a report, so that a repeat changes nothing and a later
version takes the place of an earlier one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx

from gransk.core.errors import ConfigurationError
from gransk.core.keys import digest
from gransk.delivery.destination import RefusedError, UnavailableError
from gransk.delivery.fhir.codes import Json
from gransk.delivery.hl7.outgoing import Announced, Made
from gransk.delivery.tokens import TokenError, Tokens
from gransk.site.config_messages import FhirDestination, TlsClient

ANSWER_BYTES = 65536
AGAIN = frozenset({401, 403, 408, 425, 429})
"""Refusals that pass: a token that is renewed, a system that is busy."""
MEDIA_TYPE = "application/fhir+json"

Resource = Callable[[Announced[Any]], Json]


def no_resource(_told: Announced[Any]) -> Json:
    """For configurations without a FHIR server.

    Raises
    ------
    RefusedError
    """
    raise RefusedError("nothing here makes FHIR resources")


class FhirSystem:
    """A FHIR R4 server; any answer of 200 to 299 acknowledges.

    Parameters
    ----------
    settings : FhirDestination
    resource : callable
        Makes what is told.
    """

    def __init__(self, settings: FhirDestination, resource: Resource) -> None:
        self.settings = settings
        self._resource = resource
        self._tokens = None if settings.oauth is None else Tokens(settings.oauth)
        self._client: httpx.Client | None = None

    def make(self, told: Announced[Any]) -> Made:
        content = json.dumps(self._resource(told), ensure_ascii=False, sort_keys=True).encode()
        return Made(digest([self.settings.name, told.number, content.decode()])[:32], content)

    def send(self, control_id: str, content: bytes) -> bytes:
        resource = json.loads(content)
        address = f"{self.settings.url}/{resource['resourceType']}/{resource['id']}"
        headers = {"content-type": MEDIA_TYPE, "accept": MEDIA_TYPE, "x-request-id": control_id}
        try:
            token = self.settings.token() if self._tokens is None else self._tokens.token()
            if token:
                headers["authorization"] = f"Bearer {token}"
            answer = self._connected().put(address, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise UnavailableError(type(error).__name__) from error
        except (ConfigurationError, TokenError) as error:
            raise UnavailableError(str(error)) from error
        if answer.is_success:
            return answer.content[:ANSWER_BYTES]
        if answer.status_code == httpx.codes.UNAUTHORIZED and self._tokens is not None:
            self._tokens.forget(token)
        told = f"answered {answer.status_code}"
        if answer.is_client_error and answer.status_code not in AGAIN:
            raise RefusedError(told)
        raise UnavailableError(told)

    def _connected(self) -> httpx.Client:
        if self._client is None:
            self._client = httpx.Client(
                timeout=self.settings.timeout_seconds,
                verify=(self.settings.tls or TlsClient()).context(),
                follow_redirects=False,
                trust_env=False,
            )
        return self._client
