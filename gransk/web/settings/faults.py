"""What is wrong with settings that were sent: each fault at its field, in a person's language."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gransk.core.application import Application
from gransk.core.errors import ConfigurationError
from gransk.site.config import Config
from gransk.site.faults import place_of
from gransk.site.settings_refusals import SettingsError, SettingsRefusal
from gransk.web.settings.subjects import IN_PART
from gransk.web.texts import catalogue, text

_KEYS = {
    "missing": "missing", "union_tag_not_found": "missing", "union_tag_invalid": "choice",
    "extra_forbidden": "unknown", "bool_type": "flag", "bool_parsing": "flag",
    "int_type": "whole", "int_parsing": "whole", "int_from_float": "whole",
    "int_parsing_size": "whole", "float_type": "number", "float_parsing": "number",
    "finite_number": "number", "string_type": "text", "model_type": "keys",
    "model_attributes_type": "keys", "dict_type": "keys", "mapping_type": "keys",
    "list_type": "list", "tuple_type": "list", "set_type": "list", "frozen_set_type": "list",
    "path_type": "path", "literal_error": "choice", "enum": "choice",
    "string_pattern_mismatch": "form",
}  # fmt: skip
_PLACE = re.compile(r"^(?P<key>[A-Za-z_]+(?:\.[A-Za-z0-9_-]+|\[[^\]]+\])*)(?:, [a-z ]+)?: ")


def faults(
    error: SettingsError,
    values: Mapping[str, Any],
    installed: Mapping[str, Application],
    language: str,
) -> dict[str, str]:
    """Faults by the name of their field; ``""`` for what belongs to none.

    Parameters
    ----------
    error : SettingsError
    values : mapping
        The site keys that were checked.
    installed : mapping of str to Application
    language : str
    """
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        return _each(cause, Config, "", language)
    if error.refusal is not SettingsRefusal.INVALID:
        said = error.text(language)
        return {"": f"{said} ({error.detail})" if error.detail else said}
    if isinstance(cause, ConfigurationError):
        place = _named(str(cause), values)
        inner = cause.__cause__
        if isinstance(inner, ValidationError):
            schema = _schema(place, values, installed)
            if schema is not None:
                return _each(inner, schema, place, language)
        return _told(str(cause), values)
    return {"": error.text(language)}


def _each(
    error: ValidationError, schema: type[BaseModel], prefix: str, language: str
) -> dict[str, str]:
    found: dict[str, str] = {}
    for detail in error.errors():
        where = place_of(schema, detail["loc"])
        name = ".".join(str(part) for part in (*filter(None, [prefix]), *where))
        found.setdefault(name, fault_text(detail, language))
    return found


def fault_text(detail: ErrorDetails, language: str) -> str:
    """One fault in words."""
    limits = {
        name: int(limit) if isinstance(limit, float) and limit.is_integer() else limit
        for name, limit in detail.get("ctx", {}).items()
    }
    kind = str(detail["type"])
    if kind == "string_too_short" and limits.get("min_length") == 1:
        return text("fault_empty", language)
    if kind == "union_tag_invalid":
        limits["expected"] = limits.get("expected_tags", "")
    if "expected" in limits:
        limits["expected"] = str(limits["expected"]).replace("'", "").replace(" or ", ", ")
    own = f"wants: {detail['msg']}"
    if own in catalogue():
        return catalogue()[own][language]
    key = f"fault_{_KEYS.get(kind, kind)}"
    if key in catalogue():
        return text(key, language, **limits)
    return text("fault_other", language, wants=detail["msg"].removeprefix("Value error, "))


def _told(message: str, values: Mapping[str, Any]) -> dict[str, str]:
    """Faults of a check that says them in words, each at the key that it begins with."""
    found: dict[str, str] = {}
    for line in message.splitlines():
        match = _PLACE.match(line)
        name = _named(line, values) if match else ""
        found.setdefault(name, line[match.end() :] if match else line)
    return found


def _named(message: str, values: Mapping[str, Any]) -> str:
    """The field that a message begins with; names of things are taken as their numbers."""
    match = _PLACE.match(message)
    if match is None:
        return ""
    here: Any = values
    found: list[str] = []
    for part in re.findall(r"[^.\[\]]+", match["key"]):
        if isinstance(here, Sequence) and not isinstance(here, str):
            number = int(part) if part.isdecimal() else _number(here, part)
            here = here[number] if number is not None and number < len(here) else None
            found.append(part if number is None else str(number))
        else:
            here = here.get(part) if isinstance(here, Mapping) else None
            found.append(part)
    return ".".join(found)


def _number(items: Iterable[Any], name: str) -> int | None:
    return next(
        (n for n, one in enumerate(items) if isinstance(one, Mapping) and one.get("name") == name),
        None,
    )


def _schema(
    place: str, values: Mapping[str, Any], installed: Mapping[str, Application]
) -> type[BaseModel] | None:
    """The settings of the application that a place is of."""
    parts = place.split(".")
    name = ""
    if parts[0] == "applications" and len(parts) > 1:
        name = parts[1]
    elif parts[0] in IN_PART and len(parts) > 1 and parts[1].isdecimal():
        name = str(values[parts[0]][int(parts[1])].get("application", ""))
    return installed[name].settings_schema if name in installed else None
