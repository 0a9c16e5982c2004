"""The part of the configuration about messages: who is told, and who may tell us."""

from __future__ import annotations

import ipaddress
import ssl
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from gransk.core.errors import ConfigurationError
from gransk.site.config_types import (
    HttpUrl,
    Name,
    Number,
    Port,
    Section,
    SitePath,
    Whole,
    names_differ,
    pattern_of,
    read_secret,
)
from gransk.site.hl7_mapping import Hl7Mapping, merged

Charset = Literal["UNICODE UTF-8", "8859/1", "8859/15", "ASCII"]
Hl7Name = Annotated[
    str, pattern_of(r"[^|^~\\&\x00-\x1f]{0,180}", "text without the signs | ^ ~ \\ &")
]
Account = Annotated[str, Field(min_length=1, max_length=64)]


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        raise PydanticCustomError(
            "network", "an address, or a network such as 10.0.0.0/24"
        ) from error


Network = Annotated[str, AfterValidator(_network)]


class TlsClient(Section):
    """TLS towards a peer.

    ``authority_file`` holds the authorities that may have signed the peer's certificate;
    absent, those of the machine. ``certificate_file`` and ``key_file`` are our own.
    """

    authority_file: SitePath | None = None
    certificate_file: SitePath | None = None
    key_file: SitePath | None = None

    @model_validator(mode="after")
    def _pair(self) -> TlsClient:
        if (self.certificate_file is None) != (self.key_file is None):
            raise PydanticCustomError("tls", "certificate_file and key_file together")
        return self

    def context(self) -> ssl.SSLContext:
        """What a connection is made with.

        Raises
        ------
        ConfigurationError
            Where a file cannot be read or is no certificate.
        """
        try:
            for path in filter(None, (self.authority_file, self.certificate_file, self.key_file)):
                path.open("rb").close()  # its error names the file, as those of ssl do not
            made = ssl.create_default_context(cafile=self.authority_file)
            if self.certificate_file is not None:
                made.load_cert_chain(self.certificate_file, self.key_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"tls: {_why(error)}; wants PEM files that are readable"
            ) from error
        return made


class OAuth(Section):
    """Client credentials (RFC 6749 4.4): a token is asked for, and renewed before it ends."""

    token_url: HttpUrl
    client_id: str = Field(min_length=1)
    client_secret_file: SitePath
    scope: str = ""
    client_authentication: Literal["client_secret_basic", "client_secret_post"] = (
        "client_secret_basic"
    )
    tls: TlsClient | None = None

    def secret(self) -> str:
        """The client's secret.

        Raises
        ------
        ConfigurationError
            Where its file is missing or empty.
        """
        return read_secret(self.client_secret_file, "oauth.client_secret_file")


class TlsServer(Section):
    """TLS of our own door; where ``clients_file`` is set, senders must show a certificate
    that one of its authorities signed."""

    certificate_file: SitePath
    key_file: SitePath
    clients_file: SitePath | None = None

    def context(self) -> ssl.SSLContext:
        """What connections are taken with.

        Raises
        ------
        ConfigurationError
            Where a file cannot be read or is no certificate.
        """
        try:
            made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            made.load_cert_chain(self.certificate_file, self.key_file)
            if self.clients_file is not None:
                made.load_verify_locations(self.clients_file)
                made.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"messages.listener.tls: {_why(error)}; wants PEM files that are readable"
            ) from error
        return made


class Subject(StrEnum):
    """What a system may be told."""

    DECISIONS = "decisions"
    """What was decided of screening exams."""
    FINDINGS = "findings"
    """Released reports of the applications."""
    PRIORITY = "priority"
    """Studies that the site's rules move up."""


class _Destination(Section):
    """What every system that is told something has."""

    name: Name
    tells: tuple[Subject, ...] = Field(default=(Subject.DECISIONS,), min_length=1)

    @field_validator("tells")
    @classmethod
    def _once(cls, values: tuple[Subject, ...]) -> tuple[Subject, ...]:
        if len(set(values)) != len(values):
            raise PydanticCustomError("unique", "each of decisions, findings and priority once")
        return values


class Hl7Destination(_Destination):
    """A system that is told by HL7 v2 over MLLP: ORU^R01, and OMG^O19 or ORM^O01 of priority."""

    kind: Literal["hl7"]
    host: str = Field(min_length=1)
    port: Port
    tls: TlsClient | None = None
    timeout_seconds: Number = Field(default=30, gt=0, le=600)
    idle_seconds: Number = Field(default=300, ge=0, le=86400)
    acknowledgement: Literal["application", "accept"] = "application"
    sending_application: Hl7Name = "GRANSK"
    sending_facility: Hl7Name = ""
    receiving_application: Hl7Name = ""
    receiving_facility: Hl7Name = ""
    version: Literal["2.3.1", "2.4", "2.5", "2.5.1"] = "2.5.1"
    charset: Charset = "UNICODE UTF-8"
    processing_id: Literal["P", "T", "D"] = "P"


class HttpDestination(_Destination):
    """A system that is told by JSON, by POST."""

    kind: Literal["http"]
    url: HttpUrl
    token_file: SitePath | None = None
    tls: TlsClient | None = None
    timeout_seconds: Number = Field(default=30, gt=0, le=600)

    def token(self) -> str:
        """The bearer token; empty where none is named.

        Raises
        ------
        ConfigurationError
            Where its file is missing or empty.
        """
        if self.token_file is None:
            return ""
        return read_secret(self.token_file, f"messages.destinations.{self.name}.token_file")


class FhirDestination(_Destination):
    """A FHIR R4 server that is told reports by PUT of a DiagnosticReport; ``url`` is its base."""

    kind: Literal["fhir"]
    tells: tuple[Literal[Subject.FINDINGS], ...] = Field(default=(Subject.FINDINGS,), min_length=1)
    url: HttpUrl
    token_file: SitePath | None = None
    oauth: OAuth | None = None
    tls: TlsClient | None = None
    timeout_seconds: Number = Field(default=30, gt=0, le=600)

    @model_validator(mode="after")
    def _one_way(self) -> FhirDestination:
        if self.token_file is not None and self.oauth is not None:
            raise PydanticCustomError("destination", "one of token_file and oauth")
        return self

    def token(self) -> str:
        """The bearer token; empty where none is named.

        Raises
        ------
        ConfigurationError
            Where its file is missing or empty.
        """
        if self.token_file is None:
            return ""
        return read_secret(self.token_file, f"messages.destinations.{self.name}.token_file")


MessageDestination = Annotated[
    Hl7Destination | HttpDestination | FhirDestination, Field(discriminator="kind")
]


class Sender(Section):
    """A system whose HL7 messages are taken: from these addresses, as this application.

    ``facility`` empty: any.
    """

    name: Name
    addresses: tuple[Network, ...] = Field(min_length=1)
    application: Hl7Name = Field(min_length=1)
    facility: Hl7Name = ""
    takes: tuple[Literal["reads", "orders", "adt"], ...] = ("reads", "orders")

    def is_from(self, address: str, application: str, facility: str) -> bool:
        """Whether a message of this application at this address is this sender's."""
        named = application == self.application and self.facility in ("", facility)
        return named and self.reaches(address)

    def reaches(self, address: str) -> bool:
        """Whether an address is one of the sender's."""
        known = ipaddress.ip_address(address)
        if isinstance(known, ipaddress.IPv6Address) and known.ipv4_mapped is not None:
            known = known.ipv4_mapped
        return any(known in ipaddress.ip_network(one) for one in self.addresses)


class ListenerSection(Section):
    """Our door for HL7 v2 messages."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: Port
    tls: TlsServer | None = None
    senders: Annotated[tuple[Sender, ...], names_differ("senders")] = Field(min_length=1)
    readers: dict[Account, Account] = Field(default_factory=dict)
    largest_kb: Whole = Field(default=1024, ge=4, le=65536)
    connections: Whole = Field(default=32, ge=1, le=1024)
    idle_seconds: Number = Field(default=3600, gt=0)
    message_seconds: Number = Field(default=60, gt=0, le=600)
    charset: Charset = "UNICODE UTF-8"
    processing_id: Literal["P", "T", "D"] = "P"


class MessagesSection(Section):
    """Messages to and from the systems around: RIS, screening administration."""

    destinations: Annotated[tuple[MessageDestination, ...], names_differ("destinations")] = ()
    listener: ListenerSection | None = None
    mapping: dict[str, Any] = Field(default_factory=dict)
    """What differs from the documented default."""

    def names(self, subject: Subject) -> tuple[str, ...]:
        """Names of the destinations that are told of a subject."""
        return tuple(one.name for one in self.destinations if subject in one.tells)

    @property
    def codes(self) -> Hl7Mapping:
        """The whole mapping: the site's over the default."""
        return Hl7Mapping.model_validate(merged(self.mapping))

    @field_validator("mapping")
    @classmethod
    def _known(cls, given: dict[str, Any]) -> dict[str, Any]:
        try:
            Hl7Mapping.model_validate(merged(given))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise PydanticCustomError(
                "mapping",
                "keys and values as in gransk/site/hl7_mapping.yaml (here {where}: {why})",
                {"where": where, "why": first["msg"]},
            ) from error
        return given


def _why(error: Exception) -> str:
    name = getattr(error, "filename", None)
    why = getattr(error, "strerror", None) or type(error).__name__
    return f"{name}: {why}" if name else why
