"""The part of the configuration about alarms: who is told when something drifts or fails."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gransk.site.config_messages import TlsClient
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

Address = Annotated[
    str, pattern_of(r"[^@\s,;<>\"]{1,64}@[A-Za-z0-9.-]{1,190}", "an address such as it@example.org")
]


class MailSection(Section):
    """A mail server, and who is told through it.

    ``security`` is ``starttls`` (a connection that turns to TLS, or nothing is sent), ``tls``
    (TLS from the first byte), or ``none``.
    """

    host: str = Field(min_length=1, max_length=253)
    port: Port = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = Field(default="", max_length=256)
    password_file: SitePath | None = None
    tls: TlsClient | None = None
    sender: Address
    receivers: tuple[Address, ...] = Field(min_length=1, max_length=50)
    timeout_seconds: Number = Field(default=30, gt=0, le=600)

    @model_validator(mode="after")
    def _secret(self) -> MailSection:
        if bool(self.username) != (self.password_file is not None):
            raise PydanticCustomError("mail", "username and password_file together")
        if self.username and self.security == "none":
            raise PydanticCustomError("mail", "security starttls or tls where a password is sent")
        return self

    def password(self) -> str:
        """The password.

        Raises
        ------
        ConfigurationError
            Where its file is missing or empty.
        """
        if self.password_file is None:
            return ""
        return read_secret(self.password_file, "monitoring.mail.password_file")


class Webhook(Section):
    """An address that is told by POST of JSON, signed with the secret."""

    name: Annotated[Name, Field(max_length=56)]
    url: HttpUrl
    secret_file: SitePath
    tls: TlsClient | None = None
    timeout_seconds: Number = Field(default=30, gt=0, le=600)

    def secret(self) -> str:
        """The secret as it is written: ``whsec_`` and base64.

        Raises
        ------
        ConfigurationError
            Where its file is missing or empty.
        """
        return read_secret(self.secret_file, f"monitoring.webhooks.{self.name}.secret_file")


class ReferencePeriod(Section):
    """Days whose studies are the reference of an application, at a unit or at all."""

    application: Name
    unit: Name | None = None
    first: datetime.date
    last: datetime.date

    @model_validator(mode="after")
    def _order(self) -> ReferencePeriod:
        if self.last < self.first:
            raise PydanticCustomError("order", "last no earlier than first")
        return self


class DriftSection(Section):
    """What counts as drift."""

    enabled: bool = True
    reference_studies: Whole = Field(default=1000, ge=100, le=100_000)
    references: tuple[ReferencePeriod, ...] = ()
    false_alarms_per_year: Number = Field(default=1, gt=0, le=100)
    shift: Number = Field(default=0.2, ge=0.05, le=2)
    batch_studies: Whole = Field(default=100, ge=20, le=10_000)
    follow_up_months: Number = Field(default=24, gt=0, le=120)
    look_minutes: Number = Field(default=60, ge=0.05, le=1440)

    def period(self, application: str, unit: str) -> ReferencePeriod | None:
        """The reference's days that are configured: for the unit, else for the application."""
        found = [one for one in self.references if one.application == application]
        exact = [one for one in found if one.unit == unit]
        return next(iter(exact or [one for one in found if one.unit is None]), None)


class OperationSection(Section):
    """How long something may wait before it is an alarm."""

    enabled: bool = True
    queue_minutes: Number = Field(default=60, gt=0, le=10_080)
    destination_minutes: Number = Field(default=120, gt=0, le=10_080)
    intake_minutes: Number = Field(default=10, gt=0, le=1440)


class MonitoringSection(Section):
    """Alarms: who is told when something drifts or fails."""

    operation: OperationSection = Field(default_factory=OperationSection)
    drift: DriftSection = Field(default_factory=DriftSection)
    mail: MailSection | None = None
    webhooks: Annotated[tuple[Webhook, ...], names_differ("webhooks")] = ()
    summary_minutes: Number = Field(default=60, ge=0, le=1440)
