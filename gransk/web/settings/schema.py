"""Form fields from a JSON schema as pydantic makes it, filled with values.

A field's name is its place in the values, with dots: ``destinations.0.host``. What no field fits
is a text of YAML, so that everything can be said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import yaml

COUNT, ON = "#count", "#on"
"""Beside a list's name: how many items were sent; beside a section's: that it is there."""
_CHOICES = re.compile(r"^\^\(([a-z_0-9]+(?:\|[a-z_0-9]+)+)\)\$$")


class Kind(StrEnum):
    """How a value is typed in."""

    TEXT = "text"
    WHOLE = "whole"
    NUMBER = "number"
    FLAG = "flag"
    CHOICE = "choice"
    CHECKS = "checks"
    """Several of a closed list, whose order says nothing."""
    LINES = "lines"
    """A list of texts, one a line."""
    YAML = "yaml"
    GROUP = "group"
    ITEMS = "items"


@dataclass
class Field:
    """One value of a form, or a section with fields of its own.

    Parameters
    ----------
    name : str
        Its place, with dots.
    key : str
        The last part of it that is no number.
    kind : Kind
    value : any
        As it stands or was typed; of a section or list, nothing.
    optional : bool
        It may be left out: null, or as the site has it.
    choices : tuple of str
    least, most : float, optional
    open_least, open_most : bool
        Whether the limit itself is no value.
    longest : int, optional
        Characters of a text.
    help : str
        What the schema says of it.
    children : list of Field
        Of a section its fields, of a list a section for each item.
    on : bool
        Whether a section that may be left out is there.
    partial : bool
        What is left out is as the site has it.
    adds : tuple of str
        Kinds of item that may be added; an empty one where there is one kind.
    told_by : str
        The key by which an item says its kind.
    fault : str
        What is wrong with it, in words.
    """

    name: str
    key: str
    kind: Kind
    value: Any = None
    optional: bool = False
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    open_least: bool = False
    open_most: bool = False
    longest: int | None = None
    help: str = ""
    children: list[Field] = field(default_factory=list)
    on: bool = True
    partial: bool = False
    adds: tuple[str, ...] = ()
    told_by: str = ""
    fault: str = ""

    @property
    def title(self) -> str:
        """What an item is called: its name, else nothing."""
        named = next((one for one in self.children if one.key in ("name", "title")), None)
        return "" if named is None or named.value is None else str(named.value)

    def every(self) -> list[Field]:
        """This field and those within."""
        return [self, *(inner for one in self.children for inner in one.every())]


@dataclass(frozen=True)
class Shape:
    """What a schema says of one place.

    Parameters
    ----------
    schema : mapping
        References resolved at its own level.
    optional : bool
        Null is a value too.
    """

    schema: Mapping[str, Any]
    optional: bool


class Schema:
    """A JSON schema with its definitions.

    Parameters
    ----------
    document : mapping
        As ``model_json_schema`` makes it.
    partial : pattern, optional
        Of the names of values that may be left out: they are as the site has them then.
    """

    def __init__(self, document: Mapping[str, Any], partial: re.Pattern[str] | None = None) -> None:
        self.document = document
        self._partial = partial
        self._definitions: Mapping[str, Any] = document.get("$defs", {})

    def partial(self, name: str) -> bool:
        """Is what is left out at a place as the site has it?"""
        return self._partial is not None and self._partial.match(name) is not None

    def at(self, path: Sequence[str]) -> Mapping[str, Any]:
        """The schema of a key within sections.

        Raises
        ------
        KeyError
            Where there is no such key.
        """
        here: Mapping[str, Any] = self.document
        for part in path:
            here = self.shape(here).schema["properties"][part]
        return here

    def shape(self, schema: Mapping[str, Any]) -> Shape:
        """References resolved, null taken out."""
        found, optional = dict(schema), False
        while True:
            if "$ref" in found:
                name = str(found.pop("$ref")).rsplit("/", 1)[-1]
                found = {**self._definitions[name], **found}
            elif "anyOf" in found:
                parts = [one for one in found["anyOf"] if one.get("type") != "null"]
                optional = optional or len(parts) < len(found["anyOf"])
                if len(parts) != 1:
                    return Shape({**found, "anyOf": parts}, optional)
                found = {**parts[0], **{k: v for k, v in found.items() if k != "anyOf"}}
            else:
                return Shape(found, optional)

    def variant(self, schema: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
        """The section of a list's item that may be of several kinds.

        Raises
        ------
        KeyError
            Where there is no such kind.
        """
        if "oneOf" not in schema:
            return self.shape(schema).schema
        return self.shape({"$ref": schema["discriminator"]["mapping"][kind]}).schema

    def told_by(self, schema: Mapping[str, Any]) -> str:
        """The key by which a list's item says its kind; empty where there is one kind."""
        return str(schema["discriminator"]["propertyName"]) if "oneOf" in schema else ""

    def kinds(self, schema: Mapping[str, Any]) -> tuple[str, ...]:
        """Kinds of item that a list may have."""
        return tuple(schema["discriminator"]["mapping"]) if "oneOf" in schema else ("",)

    def kind(self, schema: Mapping[str, Any]) -> Kind:
        """How a value of a resolved schema is typed in."""
        said = schema.get("type")
        if "enum" in schema or _CHOICES.match(str(schema.get("pattern", ""))):
            return Kind.CHOICE
        if "const" in schema:
            return Kind.CHOICE
        if said == "array":
            return self._of_list(schema)
        if said == "object":
            return Kind.GROUP if schema.get("properties") else Kind.YAML
        of_type = {
            "string": Kind.TEXT,
            "integer": Kind.WHOLE,
            "number": Kind.NUMBER,
            "boolean": Kind.FLAG,
        }
        return of_type.get(str(said), Kind.YAML)

    def _of_list(self, schema: Mapping[str, Any]) -> Kind:
        inner = schema.get("items")
        if not isinstance(inner, Mapping) or "prefixItems" in schema:
            return Kind.YAML
        if "oneOf" in inner:
            return Kind.ITEMS
        found = self.shape(inner).schema
        if found.get("properties"):
            return Kind.ITEMS
        if "enum" in found:
            return Kind.LINES if schema.get("ordered") else Kind.CHECKS
        return Kind.LINES if found.get("type") == "string" else Kind.YAML


def choices(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Values of a closed list."""
    if "enum" in schema:
        return tuple(str(one) for one in schema["enum"])
    if "const" in schema:
        return (str(schema["const"]),)
    found = _CHOICES.match(str(schema.get("pattern", "")))
    return tuple(found[1].split("|")) if found else ()


def fields(schema: Schema, at: Mapping[str, Any], name: str, value: Any) -> Field:
    """A field with those within, filled.

    Parameters
    ----------
    schema : Schema
    at : mapping
        The schema of the place.
    name : str
        The place, with dots.
    value : any
        As JSON; what was typed and fits nothing is shown as it was.
    """
    shape = schema.shape(at)
    said, kind = shape.schema, schema.kind(shape.schema)
    made = Field(
        name=name,
        key=next((p for p in reversed(name.split(".")) if not p.isdecimal()), name),
        kind=kind,
        optional=shape.optional or schema.partial(name),
        partial=schema.partial(name),
        help=str(at.get("description") or ""),
    )
    if kind is Kind.GROUP:
        _fill_group(schema, said, made, value, null=shape.optional)
    elif kind is Kind.ITEMS:
        _fill_items(schema, said, made, value)
    else:
        _fill_value(schema, said, made, value)
    return made


def _fill_group(
    schema: Schema, said: Mapping[str, Any], made: Field, value: Any, null: bool
) -> None:
    given = value if isinstance(value, Mapping) else {}
    made.optional = null and not made.partial
    made.on = not made.optional or isinstance(value, Mapping)
    for key, inner in said["properties"].items():
        name = f"{made.name}.{key}"
        default = None if schema.partial(name) else inner.get("default")
        made.children.append(fields(schema, inner, name, given.get(key, default)))


def _fill_items(schema: Schema, said: Mapping[str, Any], made: Field, value: Any) -> None:
    inner = said["items"]
    made.adds, made.told_by = schema.kinds(inner), schema.told_by(inner)
    for number, one in enumerate(value if isinstance(value, list | tuple) else ()):
        kind = str(one.get(made.told_by, "")) if isinstance(one, Mapping) else ""
        kind = kind if kind in made.adds else made.adds[0]
        item = Field(name=f"{made.name}.{number}", key=made.key, kind=Kind.GROUP)
        _fill_group(schema, schema.variant(inner, kind), item, one, null=False)
        made.children.append(item)


def _fill_value(schema: Schema, said: Mapping[str, Any], made: Field, value: Any) -> None:
    made.value = value
    made.choices = choices(said)
    if made.kind is Kind.CHECKS or (made.kind is Kind.LINES and "enum" in _inner(schema, said)):
        made.choices = choices(_inner(schema, said))
    if made.kind in (Kind.WHOLE, Kind.NUMBER):
        made.open_least = "exclusiveMinimum" in said
        made.open_most = "exclusiveMaximum" in said
        made.least = said.get("exclusiveMinimum", said.get("minimum"))
        made.most = said.get("exclusiveMaximum", said.get("maximum"))
    if made.kind is Kind.TEXT:
        made.longest = said.get("maxLength")
    if made.kind is Kind.LINES and isinstance(value, list | tuple):
        made.value = "\n".join(str(one) for one in value)
    if made.kind is Kind.YAML and not isinstance(value, str):
        made.value = "" if value in (None, {}, []) else written(value)


def _inner(schema: Schema, said: Mapping[str, Any]) -> Mapping[str, Any]:
    return schema.shape(said["items"]).schema


def written(value: Any) -> str:
    """A value as YAML, in the order in which it was given."""
    return yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=96)
