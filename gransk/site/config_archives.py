"""The part of the configuration about earlier studies and the archives that may hold them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gransk.site.config_types import (
    AeTitle,
    HttpUrl,
    Name,
    Number,
    Port,
    Section,
    SitePath,
    Whole,
    names_differ,
    read_secret,
)


class PriorArchive(Section):
    """A remote archive that may hold a patient's earlier studies.

    ``dimse`` is asked by C-FIND and C-MOVE, ``dicomweb`` by QIDO-RS and WADO-RS.
    """

    name: Name
    kind: Literal["dimse", "dicomweb"]
    aet: AeTitle | None = None
    host: str = ""
    port: Port = 104
    calling_aet: AeTitle | None = None
    url: HttpUrl | None = None
    username: str = ""
    password_file: SitePath | None = None
    token_file: SitePath | None = None
    certificate_file: SitePath | None = None
    timeout_seconds: Number = Field(default=30, gt=0, le=600)

    @model_validator(mode="after")
    def _whole(self) -> PriorArchive:
        if self.kind == "dimse" and not (self.aet and self.host):
            raise PydanticCustomError("archive", "aet and host, as kind dimse has them")
        if self.kind == "dicomweb" and self.url is None:
            raise PydanticCustomError("archive", "url, as kind dicomweb has it")
        if self.username and self.password_file is None:
            raise PydanticCustomError("archive", "password_file beside username")
        return self

    def secret(self) -> str:
        """Password or token, read from its file; empty where none is named.

        Raises
        ------
        ConfigurationError
            Where the file is missing or empty.
        """
        path = self.password_file or self.token_file
        return read_secret(path, f"priors.archives.{self.name}") if path else ""


class PriorsSection(Section):
    """Which earlier studies are looked for, how long is waited, how long they stay."""

    most: Whole = Field(default=3, ge=0, le=20)
    oldest_years: Number = Field(default=6, gt=0, le=100)
    wait_minutes: Number = Field(default=20, ge=0, le=1440)
    search_hours: Number = Field(default=24, gt=0, le=168)
    keep_days: Number = Field(default=14, gt=0, le=3650)
    issuer: str = ""
    archives: Annotated[tuple[PriorArchive, ...], names_differ("archives")] = ()
