"""Reading YAML and saying what is wrong with it: the key, what it got, what it wants."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gransk.core.errors import ConfigurationError


def read_yaml(text: str, where: str) -> Any:
    """Values of a YAML text; an empty one is an empty mapping.

    Raises
    ------
    ConfigurationError
        Names line and column of what is no YAML, or of a key that stands twice.
    """
    try:
        values = yaml.load(text, _Loader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" line {mark.line + 1}, column {mark.column + 1}:" if mark else ""
        raise ConfigurationError(f"{where}:{line} {error.problem}; wants YAML") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{where}: {error}; wants YAML") from error
    return {} if values is None else values


def explain(error: ValidationError, schema: type[BaseModel], where: str) -> str:
    """Every fault in pydantic's error, one a line: the key, what it got, what it wants."""
    return "\n".join(f"{where}: {_fault(detail, schema)}" for detail in error.errors())


def _fault(detail: ErrorDetails, schema: type[BaseModel]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"])
    path = "".join(parts).removeprefix(".")
    kind, got = detail["type"], _shown(detail["input"], path)
    if kind == "extra_forbidden":
        return f"{path}: unknown key{near(str(detail['loc'][-1]), _keys(schema, detail['loc']))}"
    if kind == "invalid_key":
        return f"{path}: got {got} as a key, wants text"
    if kind == "missing":
        return f"{path}: missing; wants a value"
    wants = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    wants = wants.split(", unable to parse")[0]
    return f"{path or 'configuration'}: got {got}, wants {wants}"


def _shown(value: Any, path: str) -> str:
    """A value as an error may show it: short, and no password."""
    if "database" in path and isinstance(value, str) and "@" in value:
        return "a URL"
    if isinstance(value, BaseModel | Mapping):
        return "these values"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def near(name: str, known: Iterable[str]) -> str:
    """What may have been meant by a name that is unknown."""
    names = list(known)
    close = difflib.get_close_matches(name, names, 1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known here: {', '.join(sorted(names))}" if names else ""


def _keys(schema: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys allowed where an unknown one stood."""
    here: Any = schema
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        field = here.model_fields.get(part)
        if field is None:
            return []
        candidates = (field.annotation, *get_args(field.annotation))
        models = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if not models:
            return []
        here = models[0]
    return list(here.model_fields)


class _Loader(yaml.SafeLoader):
    """YAML's safe loader that refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue
            if key_node.value in seen and key_node.tag != "tag:yaml.org,2002:merge":
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key_node.value!r} stands twice",
                    problem_mark=key_node.start_mark,
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)
