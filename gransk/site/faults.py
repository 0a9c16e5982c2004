"""Reading YAML and saying what is wrong with it: the key, what it got, what it wants."""

from __future__ import annotations

import datetime
import difflib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gransk.core.errors import ConfigurationError

MOST_VALUES = 100_000


def read_yaml(text: str, where: str) -> Any:
    """Values of a YAML text; an empty one is an empty mapping.

    Raises
    ------
    ConfigurationError
        Names line and column of what is no YAML, or of a key that stands twice. An anchor may
        be used often (``*name``), but not within itself, and not so often that a short text
        stands for more than `MOST_VALUES`.
    """
    try:
        values = _values(text)
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
    location, keys = _place(schema, detail["loc"])
    kind, limits = detail["type"], detail.get("ctx", {})
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        location = (*location, limits["discriminator"].strip("'"))
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    path = path.removeprefix(".")
    if kind == "union_tag_invalid":
        *some, last = limits["expected_tags"].replace("'", "").split(", ")
        return f"{path}: got {_shown(limits['tag'], path)}, wants {', '.join(some)} or {last}"
    got = _shown(detail["input"], path)
    if kind == "extra_forbidden":
        return f"{path}: unknown key{near(str(location[-1]), keys)}"
    if kind == "invalid_key":
        return f"{path}: got {got} as a key, wants text"
    if kind in ("missing", "union_tag_not_found"):
        return f"{path}: missing; wants a value"
    return f"{path or 'configuration'}: got {got}, wants {_wants(detail)}"


_WHOLE, _NUMBER, _KEYS, _LIST = "a whole number", "a number", "keys with values", "a list"
_WANTS = {
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "string_too_short": "text of at least {min_length} characters",
    "string_too_long": "text of at most {max_length} characters",
    "string_pattern_mismatch": "text of the form {pattern}",
    "path_type": "a path, as text",
    "model_type": _KEYS,
    "model_attributes_type": _KEYS,
    "dict_type": _KEYS,
    "mapping_type": _KEYS,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "enum": "{expected}",
}


def _wants(detail: ErrorDetails) -> str:
    """What a key wants, in an administrator's words."""
    known = _WANTS.get(detail["type"])
    if detail["type"] == "string_too_short" and detail["ctx"]["min_length"] == 1:
        return "text that is not empty"
    if known is not None:
        limits = detail.get("ctx", {})
        return known.format(
            **{
                name: int(limit) if isinstance(limit, float) and limit.is_integer() else limit
                for name, limit in limits.items()
            }
        )
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return message.split(", unable to parse")[0]


def _shown(value: Any, path: str) -> str:
    """A value as an error may show it: short, and no password."""
    if "database" in path and isinstance(value, str) and "@" in value:
        return "a URL"
    if isinstance(value, BaseModel | Mapping):
        return "these values"
    if isinstance(value, bool):
        return f"{str(value).lower()} (as YAML reads yes, no, on and off)"
    text = value.isoformat() if isinstance(value, datetime.date) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def near(name: str, known: Iterable[str]) -> str:
    """What may have been meant by a name that is unknown."""
    names = list(known)
    close = difflib.get_close_matches(name, names, 1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known here: {', '.join(sorted(names))}" if names else ""


def place_of(schema: type[BaseModel], location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Where in the values a fault of pydantic's is: its location without names of kinds."""
    return _place(schema, location)[0]


def _place(
    schema: type[BaseModel], location: tuple[int | str, ...]
) -> tuple[tuple[int | str, ...], list[str]]:
    """Where in the file a fault is, and the keys that are known where its last part stands.

    pydantic names the kind of a section between its place in a list and its keys: no part of
    the file.
    """
    here: list[type[BaseModel]] = [schema]
    found: list[int | str] = []
    known: list[str] = []
    for part in location:
        if isinstance(part, int):
            found.append(part)
            continue
        of_kind = [model for model in here if _is_kind(model, part)] if len(here) > 1 else []
        if of_kind:
            here = of_kind
            continue
        found.append(part)
        known = [name for model in here for name in model.model_fields]
        fields = [model.model_fields[part] for model in here if part in model.model_fields]
        here = [model for field in fields for model in _models(field.annotation)]
    return tuple(found), known


def _is_kind(model: type[BaseModel], name: str) -> bool:
    """Is a section of the kind of that name?"""
    kind = model.model_fields.get("kind")
    return kind is not None and name in get_args(kind.annotation)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections that a value may be."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for one in get_args(annotation):
        yield from _models(one)


def _values(text: str) -> Any:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, {})
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _count(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    """How many values a node is when each alias is written out.

    Parameters
    ----------
    node : yaml.Node
    known : dict of yaml.Node to int
        Of what was counted; 0 while it is being counted.

    Raises
    ------
    ValueError
    """
    if isinstance(node, yaml.ScalarNode):
        return 1
    if node in known:
        if not known[node]:
            raise ValueError("an anchor stands within itself")
        return known[node]
    known[node] = 0
    inner = itertools.chain(*node.value) if isinstance(node, yaml.MappingNode) else node.value
    total = 1 + sum(_count(one, known) for one in inner)
    if total > MOST_VALUES:
        raise ValueError(f"aliases stand for more than {MOST_VALUES} values")
    known[node] = total
    return total


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
