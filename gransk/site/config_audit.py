"""The part of the configuration about who is told what people and machines did."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gransk.site.config_messages import TlsClient
from gransk.site.config_types import Number, Port, Section, Whole, pattern_of

Token = Annotated[
    str,
    pattern_of(r"[!-~]{1,48}", "1 to 48 printable ASCII characters without a space"),
]
"""What a header of syslog may hold (APP-NAME of RFC 5424, 48 characters)."""


class AuditRepository(Section):
    """The site's audit record repository, told by syslog over TLS (PS3.15 A.6, RFC 5425).

    ``source_id`` and ``enterprise_site_id`` name us there (AuditSourceID, AuditEnterpriseSiteID).
    ``patient_names`` and ``user_names`` say whether messages hold names beside identifiers.
    ``ends``: how the repository ends a connection that we ended: with an answer of its own
    (close_notify, RFC 5425 4.4), by which we know that it has read everything, or plainly.
    ``per_minute``: most messages in a minute, 0 as many as go.
    """

    host: str = Field(min_length=1)
    port: Port = 6514
    tls: TlsClient = Field(default_factory=TlsClient)
    source_id: Token = "gransk"
    enterprise_site_id: str = Field(default="", max_length=128)
    patient_names: bool = True
    user_names: bool = True
    timeout_seconds: Annotated[Number, Field(gt=0, le=300)] = 20.0
    ends: Literal["close_notify", "plain"] = "close_notify"
    per_minute: Annotated[Whole, Field(ge=0)] = 0


class AuditSection(Section):
    """Who is told what people and machines did; nobody where ``repository`` is absent."""

    repository: AuditRepository | None = None
