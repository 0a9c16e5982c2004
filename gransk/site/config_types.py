"""Kinds of values in the configuration, and secrets in files of their own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from holidays import list_supported_countries
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo
from pydantic_core import PydanticCustomError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from gransk.core.errors import ConfigurationError

DATABASES = ("sqlite", "postgresql")


def resolve(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder", Path.cwd())
    try:
        return (Path(folder) / path.expanduser()).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise PydanticCustomError("path", "a path that can exist on this machine") from error


def pattern_of(pattern: str, wants: str) -> AfterValidator:
    """Text that matches wholly; ``wants`` says it in words."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise PydanticCustomError("pattern", wants)
        return value

    return AfterValidator(check)


def names_differ(what: str) -> AfterValidator:
    """A tuple of sections, no two of which have one name; ``what`` they are, in words."""

    def check(values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len({one.name for one in values}) != len(values):
            raise PydanticCustomError("unique", f"{what} whose names differ")
        return values

    return AfterValidator(check)


def database_url(value: str) -> str:
    try:
        backend = make_url(value).get_backend_name()
    except ArgumentError:
        backend = ""
    if backend not in DATABASES:
        raise PydanticCustomError(
            "url",
            "a URL such as sqlite:////folder/gransk.db or {example}",
            {
                "example": "postgresql+psycopg://user@host/gransk",
            },
        )
    return value


def http_url(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise PydanticCustomError("url", "an address that starts with http:// or https://")
    return value.rstrip("/")


def time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise PydanticCustomError(
            "time_zone", "a name of the IANA time zone database, such as Europe/Copenhagen"
        ) from error
    return value


def holiday_country(value: str) -> str:
    name, hyphen, part = value.partition("-")
    known = list_supported_countries(include_aliases=False)
    if value and (name not in known or (hyphen and part not in known[name])):
        raise PydanticCustomError(
            "country", "a country of ISO 3166-1 with its part, if any, such as DK or DE-BY, or ''"
        )
    return value


SitePath = Annotated[Path, AfterValidator(resolve)]
DatabaseUrl = Annotated[str, AfterValidator(database_url)]
HttpUrl = Annotated[str, AfterValidator(http_url)]
TimeZone = Annotated[str, AfterValidator(time_zone)]
HolidayCountry = Annotated[str, AfterValidator(holiday_country)]
Whole = Annotated[int, Field(strict=True)]
Number = Annotated[float, Field(strict=True)]
Port = Annotated[Whole, Field(ge=1, le=65535)]
AeTitle = Annotated[
    str,
    pattern_of(
        r"[A-Za-z0-9_.-]([A-Za-z0-9_. -]{0,14}[A-Za-z0-9_.-])?",
        "1 to 16 of A-Z, a-z, 0-9, '_', '.', '-' and, within, spaces",
    ),
]
Name = Annotated[str, pattern_of(r"[a-z0-9_-]{1,64}", "1 to 64 of a-z, 0-9, '_' and '-'")]
WebPath = Annotated[
    str,
    pattern_of(r"(/[A-Za-z0-9_-]+)+", "a path such as /dicom-web, of A-Z, a-z, 0-9, '_' and '-'"),
]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def read_secret(path: Path, key: str) -> str:
    """The first line of a secret file.

    Raises
    ------
    ConfigurationError
        Where the file is missing or empty; ``key`` names the setting.
    """
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(
            f"{key}: {path} cannot be read ({error.strerror}); wants a file with the secret"
        ) from error
    if not secret:
        raise ConfigurationError(f"{key}: {path} is empty; wants a file with the secret")
    return secret
