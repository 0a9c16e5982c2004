"""What a form of settings sent, as values; and what its buttons do to its lists."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import FormData

from gransk.core.errors import ConfigurationError
from gransk.site.faults import read_yaml
from gransk.web.settings.schema import COUNT, ON, Kind, Schema, choices

MOST_ITEMS = 500
LEFT_OUT = object()
"""A value that was not given."""


class Sent:
    """Values of a form that was sent.

    What fits no number or YAML stays the text that it is: the check of the settings says so at
    its place. ``faults`` are those that no check could find, by place.
    """

    def __init__(self, form: FormData, schema: Schema) -> None:
        self._form = form
        self._schema = schema
        self.faults: dict[str, str] = {}

    def read(self, at: Mapping[str, Any], name: str) -> Any:
        """The value of a place; `LEFT_OUT` where none was given."""
        shape = self._schema.shape(at)
        kind = self._schema.kind(shape.schema)
        if kind is Kind.GROUP:
            partial = self._schema.partial(name)
            if shape.optional and not partial and not self._text(f"{name}.{ON}"):
                return None
            found = self._group(shape.schema, name)
            return LEFT_OUT if partial and not found else found
        if kind is Kind.ITEMS:
            return self._items(shape.schema, name)
        return self._value(kind, shape.schema, name, optional=shape.optional)

    def _group(self, said: Mapping[str, Any], name: str) -> dict[str, Any]:
        found = {}
        for key, inner in said["properties"].items():
            value = self.read(inner, f"{name}.{key}")
            if value is not LEFT_OUT:
                found[key] = value
        return found

    def _items(self, said: Mapping[str, Any], name: str) -> Any:
        count = self._text(f"{name}.{COUNT}")
        if not count.isdecimal():
            return LEFT_OUT
        found = []
        for number in range(min(int(count), MOST_ITEMS)):
            place = f"{name}.{number}"
            kinds = self._schema.kinds(said["items"])
            kind = self._text(f"{place}.{self._schema.told_by(said['items'])}")
            kind = kind if kind in kinds else kinds[0]
            found.append(self._group(self._schema.variant(said["items"], kind), place))
        return found

    def _value(self, kind: Kind, said: Mapping[str, Any], name: str, optional: bool) -> Any:
        partial = self._schema.partial(name)
        if kind is Kind.CHECKS:
            some = [str(one) for one in self._form.getlist(name)]
            return LEFT_OUT if partial and not some else some
        if kind is Kind.FLAG:
            text = self._text(name)
            if partial and text == "":
                return LEFT_OUT
            return text == "yes"
        if name not in self._form:
            return LEFT_OUT
        text = self._text(name)
        if text == "" and (partial or kind in (Kind.WHOLE, Kind.NUMBER, Kind.CHOICE) or optional):
            return None if optional and not partial else LEFT_OUT
        if kind is Kind.LINES:
            return [line.strip() for line in text.splitlines() if line.strip()]
        if kind is Kind.YAML:
            return self._yaml(said, name, text)
        if kind is Kind.CHOICE and text not in choices(said):
            return text
        return _typed(kind, text)

    def _yaml(self, said: Mapping[str, Any], name: str, text: str) -> Any:
        if not text:
            return [] if said.get("type") == "array" else {}
        try:
            return read_yaml(text, name)
        except ConfigurationError as error:
            self.faults[name] = str(error).removeprefix(f"{name}: ").removeprefix(f"{name}:")
            return text

    def _text(self, name: str) -> str:
        value = self._form.get(name, "")
        return value.replace("\r\n", "\n").strip() if isinstance(value, str) else ""


def _typed(kind: Kind, text: str) -> Any:
    """A number where it is one, else the text."""
    with contextlib.suppress(ValueError):
        if kind is Kind.WHOLE:
            return int(text)
        if kind is Kind.NUMBER:
            number = float(text.replace(",", "."))
            return int(number) if number.is_integer() and "." not in text else number
    return text


def act(values: dict[str, Any], do: str) -> str:
    """What a button of a list does to the values; the place that it leads to.

    Parameters
    ----------
    values : dict
        Changed in place.
    do : str
        ``remove:PLACE``, ``up:PLACE``, ``down:PLACE``, or ``add:PLACE:KEY:KIND``, where an item
        says its kind by a key.
    """
    what, _, rest = do.partition(":")
    place, key, kind = (*rest.split(":"), "", "")[:3]
    *path, last = place.split(".")
    if what == "add":
        holder = _at(values, path)
        if isinstance(holder, dict):
            items = holder.get(last) or []
            holder[last] = [*items, {key: kind} if kind else {}]
            return f"{place}.{len(items)}"
        return ""
    items = _at(values, path)
    if not isinstance(items, list) or not last.isdecimal() or int(last) >= len(items):
        return ""
    n = int(last)
    if what == "remove":
        del items[n]
        return ".".join(path)
    other = n - 1 if what == "up" else n + 1
    if what not in ("up", "down") or not 0 <= other < len(items):
        return place
    items[n], items[other] = items[other], items[n]
    return ".".join([*path, str(other)])


def _at(values: Any, path: list[str]) -> Any:
    here = values
    for part in path:
        if isinstance(here, dict):
            here = here.get(part)
        elif isinstance(here, list) and part.isdecimal() and int(part) < len(here):
            here = here[int(part)]
        else:
            return None
    return here
