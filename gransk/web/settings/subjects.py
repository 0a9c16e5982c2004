"""What a site may set, by subject: which keys stand together on a page."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from gransk.core.application import Application
from gransk.site.config import Config
from gransk.site.site_keys import MACHINE_WITHIN, SITE
from gransk.web.settings.schema import Field, Kind, Schema, fields

LIMITS, REST = "limits", "rest"
OVERRIDES = "overrides"
IN_PART = {OVERRIDES: "Override", "shadows": "Shadow"}
"""Lists of sections with some of an application's settings, and the sections' schema."""
_SETTINGS_IN_PART = re.compile(rf"^(?:{'|'.join(IN_PART)})\.\d+\.settings\.")


@dataclass(frozen=True)
class Subject:
    """A page of settings.

    Parameters
    ----------
    name : str
    keys : tuple of str
        Places with dots; ``*`` stands for every application, and ``*.limits`` for its values
        that are no section.
    """

    name: str
    keys: tuple[str, ...]


SUBJECTS = (
    Subject("limits", ("applications.*.limits",)),
    Subject("overrides", ("overrides",)),
    Subject("series", ("applications.*.series", "applications.*.views")),
    Subject("guidelines", ("applications.*.follow_up", "follow_up")),
    Subject("comparison", ("applications.*.tracking", "priors")),
    Subject("models", ("applications.*.models", "applications.*.calibration")),
    Subject("shadows", ("shadows",)),
    Subject("reading", ("reading", "programme", "release")),
    Subject("routing", ("destinations",)),
    Subject("urgency", ("priority",)),
    Subject("messages", ("messages", "fhir", "identity")),
    Subject("retention", ("retention",)),
    Subject("monitoring", ("monitoring", "audit")),
    Subject("site", ("language", "organization", "time_zone")),
    Subject("rest", ("applications.*.rest",)),
)
"""In the order of the page. ``*.rest`` is what no other subject names of an application."""

_NAMED = frozenset(
    key.rpartition(".")[2]
    for subject in SUBJECTS
    for key in subject.keys
    if key.startswith("applications.*.")
) - {LIMITS, REST}


def subject(name: str) -> Subject | None:
    """A subject by its name."""
    return next((one for one in SUBJECTS if one.name == name), None)


@dataclass(frozen=True)
class Place:
    """One key of a page with its schema."""

    name: str
    schema: Schema
    at: Mapping[str, Any]

    def field(self, content: Mapping[str, Any]) -> Field:
        """Filled with what stands there."""
        return fields(self.schema, self.at, self.name, value_at(content, self.name))


def places(subject: Subject, installed: Mapping[str, Application]) -> list[Place]:
    """The keys of a page, those of each application after each other."""
    return [place for key in subject.keys for place in _places(key, installed)]


def _places(key: str, installed: Mapping[str, Application]) -> Iterator[Place]:
    if not key.startswith("applications.*."):
        yield _of_site(key, installed)
        return
    wanted = key.removeprefix("applications.*.")
    for name, application in installed.items():
        schema = _schema_of(application)
        for inner, at in schema.document.get("properties", {}).items():
            if wanted in (inner, _of(schema, inner, at)):
                yield Place(f"applications.{name}.{inner}", schema, at)


def _of(schema: Schema, key: str, at: Mapping[str, Any]) -> str:
    """Which of the collecting places a key of an application belongs to."""
    if key in _NAMED:
        return ""
    return LIMITS if schema.kind(schema.shape(at).schema) is not Kind.GROUP else REST


def _of_site(key: str, installed: Mapping[str, Application]) -> Place:
    if key in IN_PART:
        schema = _in_part(key, installed)
        return Place(key, schema, schema.document["properties"][key])
    schema = _site()
    return Place(key, schema, schema.at([key]))


@cache
def _site() -> Schema:
    document = copy.deepcopy(Config.model_json_schema())
    for section, key in MACHINE_WITHIN.items():
        name = str(document["properties"][section]["$ref"]).rsplit("/", 1)[-1]
        document["$defs"][name]["properties"].pop(key)
    return Schema(document)


def _schema_of(application: Application) -> Schema:
    return Schema(application.settings_schema.model_json_schema())


def _in_part(key: str, installed: Mapping[str, Application]) -> Schema:
    """Sections by application, each with that application's settings in part."""
    site = _site().document["$defs"]
    definitions = dict(site)
    mapping = {}
    for name, application in installed.items():
        theirs = application.settings_schema.model_json_schema()
        prefix = f"{name}:"
        for inner, schema in theirs.pop("$defs", {}).items():
            definitions[prefix + inner] = _prefixed(schema, prefix)
        definitions[prefix] = _prefixed(theirs, prefix)
        one = copy.deepcopy(site[IN_PART[key]])
        one["properties"]["application"] = {"const": name, "type": "string"}
        one["properties"]["settings"] = {"$ref": f"#/$defs/{prefix}"}
        definitions[f"{IN_PART[key]} {name}"] = one
        mapping[name] = f"#/$defs/{IN_PART[key]} {name}"
    items = {
        "oneOf": [{"$ref": one} for one in mapping.values()],
        "discriminator": {"propertyName": "application", "mapping": mapping},
    }
    document = {
        "$defs": definitions,
        "properties": {key: {"type": "array", "items": items}},
    }
    return Schema(document, partial=_SETTINGS_IN_PART)


def _prefixed(schema: Any, prefix: str) -> Any:
    """References into a document's own definitions, where these have a prefix."""
    if isinstance(schema, Mapping):
        return {
            key: f"#/$defs/{prefix}{str(value).rsplit('/', 1)[-1]}"
            if key == "$ref"
            else _prefixed(value, prefix)
            for key, value in schema.items()
        }
    if isinstance(schema, list):
        return [_prefixed(one, prefix) for one in schema]
    return schema


def value_at(content: Mapping[str, Any], name: str) -> Any:
    """What stands at a place; None where nothing does."""
    here: Any = content
    for part in name.split("."):
        here = here.get(part) if isinstance(here, Mapping) else None
    return here


def with_values(content: Mapping[str, Any], values: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Site keys with other values at some places."""
    found = copy.deepcopy(dict(content))
    for name, value in values:
        *path, last = name.split(".")
        here = found
        for part in path:
            here = here.setdefault(part, {})
        here[last] = value
    return found


def left_out(installed: Mapping[str, Application]) -> set[str]:
    """Site keys that no subject has: none, as a test holds."""
    there: Sequence[str] = [place.name for one in SUBJECTS for place in places(one, installed)]
    keys = {key for key in SITE if key != "applications"}
    mine = {
        f"applications.{name}.{key}"
        for name, application in installed.items()
        for key in application.settings_schema.model_fields
    }
    return (keys | mine) - set(there)
