"""The part of the configuration that differs by unit, scanner or patient."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from gransk.core.application import Application, SaysWhatChooses
from gransk.core.errors import ConfigurationError
from gransk.core.programme import Programme
from gransk.site.config_types import Name, Section
from gransk.site.faults import explain, near


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


def checked_settings(application: Application, given: Mapping[str, Any], where: str) -> BaseModel:
    """An application's settings, checked against its own schema.

    Parameters
    ----------
    application : Application
    given : mapping
    where : str
        Names the settings in errors.

    Raises
    ------
    ConfigurationError
        Names the key, what it got and what it wants.
    """
    schema = application.settings_schema
    try:
        # As JSON, a list may still be a tuple where nothing else is taken for another kind.
        return schema.model_validate_json(json.dumps(given, default=str), strict=True)
    except ValidationError as error:
        raise ConfigurationError(explain(error, schema, where)) from error


def laid_over(settings: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with others laid over them, section by section; a list is replaced whole."""
    found = dict(settings)
    for key, value in more.items():
        here = found.get(key)
        both = isinstance(here, Mapping) and isinstance(value, Mapping)
        found[key] = laid_over(here, value) if both else value  # type: ignore[arg-type]
    return found


def check_overrides(
    overrides: Iterable[Override],
    sections: Mapping[str, Mapping[str, Any]],
    units: Iterable[str],
    installed: Mapping[str, Application],
) -> None:
    """Check each override as it would be used, and all that hold for one application together.

    Raises
    ------
    ConfigurationError
        Names the override and what is wrong with it.
    """
    names = tuple(units)
    together: dict[str, Mapping[str, Any]] = {}
    for one in overrides:
        where = f"overrides[{one.name}]"
        application = installed.get(one.application)
        if application is None:
            raise ConfigurationError(
                f"{where}.application: no such application is installed"
                f"{near(one.application, installed)}"
            )
        if one.where.unit is not None and one.where.unit not in names:
            raise ConfigurationError(
                f"{where}.where.unit: no unit is called {one.where.unit!r}"
                f"{near(one.where.unit, names)}"
            )
        choosing = sorted(set(one.settings) & set(choosing_keys(application)))
        if one.where.kernel is not None and choosing:
            raise ConfigurationError(
                f"{where}.settings: got {', '.join(choosing)}, wants none of the settings by which "
                "images are chosen: a kernel is known of images that are chosen already"
            )
        section = sections.get(one.application, {})
        checked_settings(application, laid_over(section, one.settings), f"{where}.settings")
        before = together.get(one.application, section)
        together[one.application] = laid_over(before, one.settings)
        told = f"{where}.settings, laid over those before it"
        checked_settings(application, together[one.application], told)


def choosing_keys(application: Application) -> tuple[str, ...]:
    """Settings by which an application chooses images; none where it does not say."""
    return application.choosing if isinstance(application, SaysWhatChooses) else ()
