"""Which keys of the configuration are a machine's own, and which are the site's.

Machine keys count from each host's own file, from the next start. Site keys are versions in
the database, the same for every host, and count while everything runs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from gransk.core.application import Application, applications
from gransk.core.errors import ConfigurationError
from gransk.core.keys import digest
from gransk.site.config import Config, check_applications, load_config, without_nulls
from gransk.site.config_files import SECTIONS, named_file
from gransk.site.faults import explain, near
from gransk.site.settings_refusals import SettingsError, SettingsRefusal

MACHINE = (
    "data_folder", "database", "orthanc", "service", "models", "intake", "workers", "commitment",
    "sign_in", "single_sign_on",
)  # fmt: skip
"""Keys of each host's own file."""
MACHINE_WITHIN = {"messages": "listener"}
"""Machine keys within a section that is the site's otherwise."""
SITE = tuple(key for key in Config.model_fields if key not in MACHINE)
"""Keys whose versions are in the database, in the order of the file."""
CLINICAL = frozenset(
    {
        "applications", "overrides", "reading", "priority", "priors", "programme", "follow_up",
        "release",
    }
)  # fmt: skip
"""Keys that touch clinical output: a change is approved by the units' responsible radiologists."""

Content = dict[str, Any]
"""Site keys with all their defaults, as JSON values."""


def site_content(config: Config) -> Content:
    """The site keys of a configuration, complete, as JSON values.

    Two configurations that say the same have equal contents, however they were written.
    """
    content = config.model_dump(mode="json", include=set(SITE))
    for section, key in MACHINE_WITHIN.items():
        content[section].pop(key, None)
    return {key: content[key] for key in SITE}


def machine_content(config: Config) -> Content:
    """The machine keys of a configuration as JSON values, passwords in URLs masked."""
    content = config.content()
    found = {key: content[key] for key in MACHINE}
    for section, key in MACHINE_WITHIN.items():
        found[f"{section}.{key}"] = content[section][key]
    return found


def site_digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of site keys; what a version is known by."""
    return digest(dict(content))


@dataclass(frozen=True)
class Host:
    """What site keys are checked against: a machine's own keys, and what is installed there.

    Parameters
    ----------
    config : Config
        As the machine's file says it; its site keys are not looked at.
    applications : mapping of str to Application
    folder : Path
        Of the machine's file: relative paths count from it.
    further : tuple of callable
        Checks that need the database, such as whether models are admitted: each is called with
        session and configuration and raises `SettingsError`.
    """

    config: Config
    applications: Mapping[str, Application]
    folder: Path
    further: tuple[Callable[[Session, Config], None], ...] = ()

    @classmethod
    def of_file(cls, path: Path) -> Host:
        """The host whose file this is, with what is installed.

        Raises
        ------
        ConfigurationError
        """
        return cls(load_config(path), applications(), path.resolve().parent)

    def config_of(self, content: Mapping[str, Any]) -> Config:
        """The whole configuration here under site keys; what they leave out has its default.

        Parameters
        ----------
        content : mapping
            Site keys alone, as YAML or JSON says them. Of versions kept by an earlier release,
            which hold machine keys too, take `site_part`. A file that stands for settings
            (`gransk.site.config_files`) is refused: who writes on a page or by REST must not
            read this machine's files through it.

        Raises
        ------
        SettingsError
            ``MACHINE_KEY``, ``UNKNOWN_KEY`` or ``INVALID``: the detail names every key that is
            wrong, what it got and what it wants.
        """
        _only_site_keys(content)
        values = without_nulls(copy.deepcopy(dict(content)))
        try:
            _only_values(content)
            config = Config.model_validate(
                {**_machine_values(self.config, values), **_others(values)},
                context={"folder": self.folder},
            )
            check_applications(config, self.applications)
        except ValidationError as error:
            told = explain(error, Config, "settings")
            raise SettingsError(code_of(error), told) from error
        except ConfigurationError as error:
            raise SettingsError(SettingsRefusal.INVALID, str(error)) from error
        return config

    def complete(self, content: Mapping[str, Any]) -> Content:
        """Site keys as they are kept: checked, with defaults, in order. Raises as `config_of`."""
        return site_content(self.config_of(content))


def site_part(content: Mapping[str, Any]) -> dict[str, Any]:
    """The site keys of a kept version; releases before 0.7.0 kept machine keys beside them."""
    part = {key: copy.deepcopy(content[key]) for key in SITE if key in content}
    for section, key in MACHINE_WITHIN.items():
        if isinstance(part.get(section), dict):
            part[section].pop(key, None)
    return part


def code_of(error: ValidationError) -> SettingsRefusal:
    """``UNKNOWN_KEY`` where nothing else is wrong."""
    unknown = all(one["type"] == "extra_forbidden" for one in error.errors())
    return SettingsRefusal.UNKNOWN_KEY if unknown else SettingsRefusal.INVALID


def _only_site_keys(content: Mapping[str, Any]) -> None:
    machine = [key for key in content if key in MACHINE]
    for section, key in MACHINE_WITHIN.items():
        inner = content.get(section)
        if isinstance(inner, Mapping) and key in inner:
            machine.append(f"{section}.{key}")
    if machine:
        raise SettingsError(SettingsRefusal.MACHINE_KEY, ", ".join(machine))
    unknown = [str(key) for key in content if key not in SITE]
    if unknown:
        told = ", ".join(f"{key}{near(key, SITE)}" for key in unknown)
        raise SettingsError(SettingsRefusal.UNKNOWN_KEY, told)


def _only_values(content: Mapping[str, Any]) -> None:
    for section in SECTIONS:
        key = named_file(content.get(section), section)
        if key is not None:
            raise ConfigurationError(
                f"{key}: got the name of a file, wants what it says: files are named in a "
                "machine's own file, or for gransk config import"
            )


def _machine_values(config: Config, values: Mapping[str, Any]) -> dict[str, Any]:
    """Machine keys of a host, beside the site's own keys of the sections that they share."""
    dumped = config.model_dump(mode="json")
    found = {key: dumped[key] for key in MACHINE}
    for section, key in MACHINE_WITHIN.items():
        inner = values.get(section, {})
        shared = {**inner, key: dumped[section][key]} if isinstance(inner, Mapping) else inner
        found[section] = shared
    return found


def _others(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in MACHINE_WITHIN}
