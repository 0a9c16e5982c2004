"""What a person types to have past studies analysed beside, checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from sqlalchemy.orm import Session

from gransk.core.application import Application
from gransk.core.errors import ConfigurationError
from gransk.registry.beside import BesideError, BesideRefusal
from gransk.registry.choice import check_beside_models
from gransk.site.config import Config
from gransk.site.config_shadows import check_beside

_NAME = re.compile(r"[a-z0-9_-]{1,64}")


def settings_of(lines: Iterable[str]) -> dict[str, Any]:
    """Settings from lines such as ``models.detector=nodule-detector@2.0.0``; values are YAML.

    Raises
    ------
    BesideError
        Names the line that is none.
    """
    found: dict[str, Any] = {}
    for line in (line.strip() for line in lines):
        if not line:
            continue
        key, equals, text = line.partition("=")
        *path, last = key.strip().split(".")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise BesideError(BesideRefusal.SETTINGS_WRONG, line) from error
        inner = found
        for part in path:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise BesideError(BesideRefusal.SETTINGS_WRONG, line)
        if not equals or not last:
            raise BesideError(BesideRefusal.SETTINGS_WRONG, line)
        inner[last] = value
    return found


def check_ask(
    session: Session,
    config: Config,
    installed: Mapping[str, Application],
    application: str,
    settings: Mapping[str, Any],
    name: str,
) -> None:
    """Check what is asked for, before any study is looked for.

    Raises
    ------
    BesideError
    """
    if _NAME.fullmatch(name) is None:
        raise BesideError(BesideRefusal.NAME_WRONG, name)
    if any(one.name == name for one in config.shadows):
        raise BesideError(BesideRefusal.NAME_TAKEN, name)
    if application not in installed:
        raise BesideError(BesideRefusal.NO_APPLICATION, application)
    if not settings:
        raise BesideError(BesideRefusal.SETTINGS_NONE)
    section = config.applications.get(application, {})
    try:
        check_beside(installed[application], section, settings, name)
        check_beside_models(session, config, settings)
    except ConfigurationError as error:
        raise BesideError(BesideRefusal.SETTINGS_WRONG, str(error)) from error
