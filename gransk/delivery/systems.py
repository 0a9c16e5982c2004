"""Systems that are told something: over MLLP, and by POST."""

from __future__ import annotations

import ssl

import httpx

from gransk.core.errors import ConfigurationError
from gransk.delivery.destination import RefusedError, UnavailableError
from gransk.delivery.fhir.system import AGAIN, ANSWER_BYTES, FhirSystem, Resource, no_resource
from gransk.delivery.hl7.client import MllpClient
from gransk.delivery.hl7.outgoing import Made, decision_hl7, decision_post
from gransk.delivery.hl7.priority import priority_hl7, priority_post
from gransk.delivery.hl7.report import report_hl7, report_post
from gransk.delivery.messages import AnyNews, System
from gransk.results.decisions import Decision
from gransk.results.told_reports import ReportTold
from gransk.site.config_messages import (
    FhirDestination,
    Hl7Destination,
    HttpDestination,
    MessageDestination,
    MessagesSection,
    TlsClient,
)
from gransk.site.hl7_mapping import Hl7Mapping


class Hl7System:
    """A system that takes HL7 v2 over MLLP."""

    def __init__(self, settings: Hl7Destination, mapping: Hl7Mapping) -> None:
        self.settings = settings
        self.mapping = mapping
        self._client = MllpClient(settings)

    def make(self, told: AnyNews) -> Made:
        if isinstance(told.news, Decision):
            return decision_hl7(told, self.settings, self.mapping)
        if isinstance(told.news, ReportTold):
            return report_hl7(told, self.settings, self.mapping)
        return priority_hl7(told, self.settings, self.mapping)

    def send(self, control_id: str, content: bytes) -> bytes:
        return self._client.send(control_id, content)


class HttpSystem:
    """A system that takes JSON by POST; any answer of 200 to 299 acknowledges.

    The message's control id is the header ``Idempotency-Key``: the same message again bears the
    same key and the same bytes.
    """

    def __init__(self, settings: HttpDestination) -> None:
        self.settings = settings
        self._client: httpx.Client | None = None

    def make(self, told: AnyNews) -> Made:
        if isinstance(told.news, Decision):
            return decision_post(told)
        if isinstance(told.news, ReportTold):
            return report_post(told)
        return priority_post(told)

    def send(self, control_id: str, content: bytes) -> bytes:
        headers = {"content-type": "application/json", "idempotency-key": control_id}
        try:
            if token := self.settings.token():
                headers["authorization"] = f"Bearer {token}"
            answer = self._connected().post(self.settings.url, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise UnavailableError(type(error).__name__) from error
        except ConfigurationError as error:
            raise UnavailableError(str(error)) from error
        if answer.is_success:
            return answer.content[:ANSWER_BYTES]
        told = f"answered {answer.status_code}"
        if answer.is_client_error and answer.status_code not in AGAIN:
            raise RefusedError(told)
        raise UnavailableError(told)

    def _connected(self) -> httpx.Client:
        if self._client is None:
            self._client = httpx.Client(
                timeout=self.settings.timeout_seconds,
                verify=_context(self.settings.tls),
                follow_redirects=False,
                trust_env=False,
            )
        return self._client


def make_systems(section: MessagesSection, resource: Resource = no_resource) -> dict[str, System]:
    """The systems of a configuration, by name.

    Parameters
    ----------
    section : MessagesSection
    resource : callable
        Makes what FHIR servers are told.
    """
    codes = section.codes

    def system(one: MessageDestination) -> System:
        if isinstance(one, Hl7Destination):
            return Hl7System(one, codes)
        return FhirSystem(one, resource) if isinstance(one, FhirDestination) else HttpSystem(one)

    return {one.name: system(one) for one in section.destinations}


def _context(tls: TlsClient | None) -> ssl.SSLContext:
    return (tls or TlsClient()).context()
