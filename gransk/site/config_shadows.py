"""The part of the configuration that lets other models run beside those in use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from gransk.core.application import Application
from gransk.core.errors import ConfigurationError
from gransk.core.keys import digest
from gransk.site.config_overrides import (
    StudyMatch,
    checked_settings,
    choosing_keys,
    laid_over,
)
from gransk.site.config_types import Name, Section
from gransk.site.faults import near

_SHARES = 1 << 32


class Shadow(Section):
    """Settings under which new studies are analysed once more, to be compared.

    Without ``where`` it is for every study; ``share`` of them, chosen by their keys.
    """

    name: Name
    application: Name
    where: StudyMatch | None = None
    settings: dict[str, Any] = Field(min_length=1)
    share: float = Field(default=1.0, gt=0, le=1)


def drawn(shadow: Shadow, study_key: str) -> bool:
    """Whether a study is of the share; the same answer each time."""
    number = int(digest(["shadow", shadow.name, study_key])[:8], 16)
    return number < shadow.share * _SHARES


def check_shadows(
    shadows: Iterable[Shadow],
    sections: Mapping[str, Mapping[str, Any]],
    units: Iterable[str],
    installed: Mapping[str, Application],
) -> None:
    """Check each shadow as it would run.

    Raises
    ------
    ConfigurationError
        Names the shadow and what is wrong with it.
    """
    names = tuple(units)
    for one in shadows:
        where = f"shadows[{one.name}]"
        application = installed.get(one.application)
        if application is None:
            raise ConfigurationError(
                f"{where}.application: no such application is installed"
                f"{near(one.application, installed)}"
            )
        unit = one.where.unit if one.where else None
        if unit is not None and unit not in names:
            raise ConfigurationError(
                f"{where}.where.unit: no unit is called {unit!r}{near(unit, names)}"
            )
        check_beside(application, sections.get(one.application, {}), one.settings, where)


def check_beside(
    application: Application, section: Mapping[str, Any], settings: Mapping[str, Any], where: str
) -> None:
    """Check settings that are laid over those in force to be compared with them.

    Images are chosen as they were, so that both look at the same ones.

    Raises
    ------
    ConfigurationError
    """
    choosing = sorted(set(settings) & set(choosing_keys(application)))
    if choosing:
        raise ConfigurationError(
            f"{where}.settings: got {', '.join(choosing)}, wants none of the settings by which "
            "images are chosen: results are compared on the same images"
        )
    checked_settings(application, laid_over(section, settings), f"{where}.settings")
