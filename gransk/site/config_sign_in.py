"""How people sign in: lockout, sessions, and single sign-on by OpenID Connect."""

from __future__ import annotations

import ipaddress
import os
from enum import StrEnum
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from gransk.core.errors import ConfigurationError
from gransk.site.config_types import Number, Section, SitePath, Whole, read_secret
from gransk.site.tables import Role


def _issuer(value: str) -> str:
    """Kept letter by letter: the provider's tokens must say the same."""
    parts = urlsplit(value)
    whole = parts.scheme == "https" or (parts.scheme == "http" and _loopback(parts.hostname))
    if not whole or not parts.hostname or parts.query or parts.fragment:
        raise PydanticCustomError(
            "issuer", "an https:// address without query, as the provider names itself"
        )
    return value


def _loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


Issuer = Annotated[str, AfterValidator(_issuer)]
Claim = Annotated[str, Field(min_length=1, max_length=128)]


class SignInSection(Section):
    """How often a password may be guessed, and how long a session may rest."""

    lock_after: Whole = Field(default=5, ge=3, le=20)
    lock_minutes: Whole = Field(default=30, ge=0, le=1440)
    idle_minutes: Whole = Field(default=60, ge=5, le=1440)


class LocalPasswords(StrEnum):
    """Who may sign in by a password of ours where there is single sign-on."""

    EVERYONE = "everyone"
    ADMINISTRATORS = "administrators"


class SingleSignOnSection(Section):
    """A provider of OpenID Connect that says who people are, and which roles they have."""

    issuer: Issuer | None = None
    label: str = Field(default="", max_length=64)
    client_id: str = Field(default="", max_length=256)
    client_secret_file: SitePath | None = None
    client_secret_variable: str = ""
    client_authentication: Literal["client_secret_basic", "client_secret_post"] = (
        "client_secret_basic"
    )
    scopes: tuple[Claim, ...] = ("openid", "profile")
    name_claim: Claim = "preferred_username"
    name_domain: str = Field(default="", max_length=255)
    full_name_claim: Claim = "name"
    role_claim: Claim = "groups"
    roles: dict[Role, tuple[Claim, ...]] = Field(default_factory=dict)
    make_accounts: bool = False
    local_passwords: LocalPasswords = LocalPasswords.EVERYONE
    end_session: bool = True
    certificate_file: SitePath | None = None
    timeout_seconds: Number = Field(default=10, gt=0, le=60)

    @model_validator(mode="after")
    def _whole(self) -> SingleSignOnSection:
        if self.issuer is None:
            return self
        if not self.client_id:
            raise PydanticCustomError("provider", "client_id beside issuer")
        if (self.client_secret_file is None) == (not self.client_secret_variable):
            raise PydanticCustomError(
                "provider", "client_secret_file or client_secret_variable beside issuer, not both"
            )
        if "openid" not in self.scopes:
            raise PydanticCustomError("provider", "openid among scopes")
        if self.make_accounts and not self.roles:
            raise PydanticCustomError("provider", "roles beside make_accounts")
        return self

    @property
    def on(self) -> bool:
        """Is there a provider?"""
        return self.issuer is not None

    @property
    def administrators_only(self) -> bool:
        """Are passwords of ours for administrators alone, as the way in when the provider fails?"""
        return self.on and self.local_passwords is LocalPasswords.ADMINISTRATORS

    @property
    def title(self) -> str:
        """What people know the provider as."""
        return self.label or urlsplit(self.issuer or "").hostname or ""

    def secret(self) -> str:
        """The client's secret, read from its file or the environment.

        Raises
        ------
        ConfigurationError
            Where it is missing or empty.
        """
        if self.client_secret_file is not None:
            return read_secret(self.client_secret_file, "single_sign_on.client_secret_file")
        secret = os.environ.get(self.client_secret_variable, "").strip()
        if not secret:
            raise ConfigurationError(
                f"single_sign_on.client_secret_variable: {self.client_secret_variable} is not set; "
                "wants an environment variable with the secret"
            )
        return secret
