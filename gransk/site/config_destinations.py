"""The part of the configuration about where results go: destinations and their rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from gransk.core.object_kinds import ObjectKind
from gransk.site.config_messages import OAuth as OAuth
from gransk.site.config_messages import TlsClient
from gransk.site.config_types import (
    AeTitle,
    HttpUrl,
    Name,
    Number,
    Port,
    Section,
    SitePath,
    Whole,
    read_secret,
)

STANDARD = (ObjectKind.SR, ObjectKind.SEG, ObjectKind.SC)
Outcome = Literal["findings", "none"]
Superseded = Literal["keep", "hide", "delete"]


class Origin(Section):
    """Where an exam comes from: each attribute that is given is equal, case aside."""

    institution: str = Field(default="", max_length=64)
    department: str = Field(default="", max_length=64)
    station: str = Field(default="", max_length=16)
    aet: AeTitle | None = None
    unit: Name | None = None

    @model_validator(mode="after")
    def _some(self) -> Origin:
        if not any(part and part.strip() for part in (*self.model_dump().values(),)):
            raise PydanticCustomError("match", "institution, department, station, aet or unit")
        return self


class Rule(Section):
    """Reports that go to a destination: what is given holds; what is not given does not matter."""

    applications: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    score_from: Number | None = None
    score_to: Number | None = None
    modalities: tuple[str, ...] = ()
    origins: tuple[Origin, ...] = ()

    @model_validator(mode="after")
    def _some(self) -> Rule:
        if not any(value not in ((), None) for value in self.model_dump().values()):
            raise PydanticCustomError("rule", "at least one of its keys")
        low, high = self.score_from, self.score_to
        if low is not None and high is not None and low > high:
            raise PydanticCustomError("order", "score_from no greater than score_to")
        return self


class _Destination(Section):
    """What every destination has.

    A report goes where one of ``when`` holds, and everywhere where there is none. ``superseded``
    says what happens there to a report that fell: it stays, is hidden (rejected by a Key Object
    note, IHE IOCM), or is deleted where the destination can. One that does not answer is tried
    again ever more seldom, at last every ``retry_seconds``, for as long as it takes.
    """

    name: Name
    objects: tuple[ObjectKind, ...] = Field(default=STANDARD, min_length=1)
    when: tuple[Rule, ...] = ()
    superseded: Superseded = "keep"
    per_minute: Whole = Field(default=0, ge=0, le=60_000)
    timeout_seconds: Number = Field(default=30, gt=0, le=600)
    retry_seconds: Number = Field(default=300, gt=0, le=3600)

    @field_validator("objects")
    @classmethod
    def _each_once(cls, values: tuple[ObjectKind, ...]) -> tuple[ObjectKind, ...]:
        if len(set(values)) != len(values):
            raise PydanticCustomError("unique", "each kind of object once")
        return values


class Marks(Section):
    """Labels and metadata by which other tools of Orthanc know studies with a released report.

    ``metadata`` is the number of Orthanc's user-defined metadata that holds the same words, for
    versions without labels; ``name`` is what Orthanc calls it.
    """

    prefix: str = Field(default="gransk-", pattern=r"^[A-Za-z0-9_-]{1,32}$")
    metadata: Whole = Field(default=1024, ge=1024, le=65535)
    name: str = Field(default="gransk-marks", pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")


class OrthancDestination(_Destination):
    """The archive of the configuration; ``marks`` says whether its studies are marked there."""

    kind: Literal["orthanc"]
    superseded: Superseded = "delete"
    marks: Marks | None = None


class DicomDestination(_Destination):
    """A C-STORE peer; ``commitment`` asks it to keep what it took (PS3.4 Annex J)."""

    kind: Literal["dicom"]
    aet: AeTitle
    host: str = Field(min_length=1)
    port: Port = 104
    calling_aet: AeTitle = "GRANSK"
    tls: TlsClient | None = None
    commitment: bool = False
    commitment_hours: Number = Field(default=24, gt=0, le=720)

    @model_validator(mode="after")
    def _can(self) -> DicomDestination:
        if self.superseded == "delete":
            raise PydanticCustomError("superseded", "keep or hide: DICOM has no deletion")
        return self


class DicomwebDestination(_Destination):
    """A STOW-RS server (PS3.18 10.5); ``url`` ends before ``/studies``.

    ``superseded: delete`` asks it by DELETE of the instance, as many servers take it.
    """

    kind: Literal["dicomweb"]
    url: HttpUrl
    username: str = ""
    password_file: SitePath | None = None
    token_file: SitePath | None = None
    oauth: OAuth | None = None
    tls: TlsClient | None = None

    @model_validator(mode="after")
    def _one_way(self) -> DicomwebDestination:
        if bool(self.username) != (self.password_file is not None):
            raise PydanticCustomError("destination", "username and password_file together")
        ways = (self.password_file, self.token_file, self.oauth)
        if sum(way is not None for way in ways) > 1:
            raise PydanticCustomError(
                "destination", "one of username with password_file, token_file, oauth"
            )
        return self

    def secret(self) -> str:
        """Password or token, read from its file; empty where none is named.

        Raises
        ------
        ConfigurationError
            Where the file is missing or empty.
        """
        path = self.password_file or self.token_file
        return read_secret(path, f"destinations.{self.name}") if path else ""


Destination = Annotated[
    OrthancDestination | DicomDestination | DicomwebDestination, Field(discriminator="kind")
]


def marked(destinations: Sequence[Destination]) -> tuple[str, Marks] | None:
    """Our archive's name as a destination, and how studies are marked there; None: they are not."""
    for one in destinations:
        if isinstance(one, OrthancDestination) and one.marks is not None:
            return one.name, one.marks
    return None


ORTHANC = OrthancDestination(name="orthanc", kind="orthanc")
