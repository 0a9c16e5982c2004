"""A room as a YAML file: what is written reads back as the same."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import ValidationError

from gransk.core.errors import ConfigurationError
from gransk.reading.policy import Room
from gransk.site.faults import explain, read_yaml


def read_room(text: str, where: str) -> Room:
    """The room of a YAML text.

    Parameters
    ----------
    text : str
    where : str
        Names it in errors.

    Raises
    ------
    ConfigurationError
        Names every key that is wrong, what it got and what it wants.
    """
    return room_of(read_yaml(text, where), where)


def room_of(values: Any, where: str) -> Room:
    """The room of what a file or a call says.

    Raises
    ------
    ConfigurationError
        Names every key that is wrong, what it got and what it wants.
    """
    if isinstance(values, dict) and "version" in values:
        raise ConfigurationError(f"{where}: version: unknown key; a version is given when kept")
    try:
        return Room.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(explain(error, Room, where)) from error


def write_room(room: Room) -> str:
    """A room as YAML; what is not said, or is as it is by default, is left out."""
    values = room.model_dump(mode="json", exclude_defaults=True)
    values["policies"] = [_policy(policy) for policy in room.policies]
    values["rules"] = [
        {"when": rule.when.model_dump(mode="json", exclude_defaults=True), "policy": rule.policy}
        | ({"study": rule.study.model_dump(mode="json")} if rule.study else {})
        for rule in room.rules
    ]
    values["valid_from"] = room.valid_from
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _policy(policy: Any) -> dict[str, Any]:
    found: dict[str, Any] = policy.model_dump(mode="json", exclude_defaults=True)
    return found
