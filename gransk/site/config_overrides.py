"""The part of the configuration that differs by unit, scanner or patient."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gransk.core.programme import Programme
from gransk.site.config_types import Name, Section


class StudyMatch(Section):
    """Which studies an override is for: everything that is given must hold.

    Texts are compared without regard to case, ``*`` and ``?`` as in file names. A study that
    does not say what is asked is not matched.
    """

    unit: Name | None = None
    institution: str | None = Field(default=None, min_length=1, max_length=64)
    station: str | None = Field(default=None, min_length=1, max_length=16)
    manufacturer: str | None = Field(default=None, min_length=1, max_length=64)
    model_name: str | None = Field(default=None, min_length=1, max_length=64)
    kernel: str | None = Field(default=None, min_length=1, max_length=64)
    age_from: float | None = Field(default=None, ge=0, le=150)
    age_below: float | None = Field(default=None, gt=0, le=150)
    programme: Programme | None = None

    @model_validator(mode="after")
    def _some(self) -> StudyMatch:
        if all(value is None for value in self.model_dump().values()):
            raise PydanticCustomError("match", "at least one thing that a study must be")
        return self


class Override(Section):
    """Settings of an application that differ for some studies; of several the later wins."""

    name: Name
    application: Name
    where: StudyMatch
    settings: dict[str, Any] = Field(min_length=1)
