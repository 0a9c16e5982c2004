"""What differs between two settings, and one change laid over another.

Lists whose items have names are compared name by name; another list is one value.
A key reads ``destinations[pacs].host``.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gransk.core.errors import InvalidValueError


class Kind(StrEnum):
    """What became of a key."""

    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"
    ORDERED = "ordered"
    """Named things stand in another order; before and after are their names."""


@dataclass(frozen=True)
class Change:
    """One key that differs.

    Parameters
    ----------
    key : str
        With dots; names of things in brackets.
    before, after : JSON value
        None where the key was or is not there (see ``kind``).
    kind : Kind
    """

    key: str
    before: Any
    after: Any
    kind: Kind = Kind.CHANGED

    @property
    def section(self) -> str:
        """The first part of the key."""
        return re.split(r"[.\[]", self.key, maxsplit=1)[0]

    def as_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "kind": self.kind.value,
            "before": self.before,
            "after": self.after,
        }


class _Missing:
    """No value at all, which null is."""


_MISSING = _Missing()


def differences(before: Any, after: Any) -> list[Change]:
    """Every key that differs, in the order of the settings after, then of those before."""
    return list(_differences(before, after, ""))


def merge(base: Any, mine: Any, theirs: Any) -> tuple[Any, list[str]]:
    """What two made of one base (a three-way merge).

    Parameters
    ----------
    base, mine, theirs : JSON values
        What both began with, and what each made of it.

    Returns
    -------
    merged : JSON value
        ``theirs`` with the changes from ``base`` to ``mine``.
    conflicts : list of str
        Keys that both changed, to different things; ``merged`` has theirs.
    """
    conflicts: list[str] = []
    merged = _merge(base, mine, theirs, "", conflicts)
    return (None if merged is _MISSING else copy.deepcopy(merged)), conflicts


def with_value(content: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Settings with another value at a key; a part of the key that is not there is made.

    Parameters
    ----------
    content : mapping
        Is left as it is.
    key : str
        As `Change.key` writes it. A name in brackets that is not there is added last.
    value : JSON value

    Raises
    ------
    InvalidValueError
        Where the key is none, or leads through a value that holds no keys.
    """
    found: dict[str, Any] = copy.deepcopy(dict(content))
    holder, last = _holder(found, key)
    if isinstance(last, int):
        named = {"name": _parts(key)[-1][1], **value} if isinstance(value, Mapping) else value
        if last == len(holder):
            holder.append(named)
        else:
            holder[last] = named
    else:
        holder[last] = value
    return found


def without(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Settings without a key, or without a named thing; what is not there is none the less so.

    Raises
    ------
    InvalidValueError
        As `with_value`.
    """
    found: dict[str, Any] = copy.deepcopy(dict(content))
    holder, last = _holder(found, key)
    if isinstance(last, int):
        del holder[last : last + 1]
    else:
        holder.pop(last, None)
    return found


def _differences(before: Any, after: Any, key: str) -> Iterator[Change]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in (*after, *(name for name in before if name not in after)):
            inner = f"{key}.{name}" if key else str(name)
            yield from _one(before.get(name, _MISSING), after.get(name, _MISSING), inner)
        return
    if _named(before) and _named(after) and (before or after):
        old, new = _by_name(before), _by_name(after)
        for name in (*new, *(name for name in old if name not in new)):
            yield from _one(old.get(name, _MISSING), new.get(name, _MISSING), f"{key}[{name}]")
        if [n for n in old if n in new] != [n for n in new if n in old]:
            yield Change(key, list(old), list(new), Kind.ORDERED)
        return
    yield Change(key, before, after)


def _one(before: Any, after: Any, key: str) -> Iterator[Change]:
    if before is _MISSING:
        yield Change(key, None, after, Kind.ADDED)
    elif after is _MISSING:
        yield Change(key, before, None, Kind.REMOVED)
    else:
        yield from _differences(before, after, key)


def _merge(base: Any, mine: Any, theirs: Any, key: str, conflicts: list[str]) -> Any:
    if mine in (base, theirs):
        return theirs
    if theirs == base:
        return mine
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        old = base if isinstance(base, Mapping) else {}
        return _merge_keys(old, mine, theirs, f"{key}.{{}}" if key else "{}", conflicts)
    if _named(mine) and _named(theirs):
        old = _by_name(base) if _named(base) else {}
        my, their = _by_name(mine), _by_name(theirs)
        merged = _merge_keys(old, my, their, f"{key}[{{}}]", conflicts)
        both = [[name for name in one if name in my and name in their] for one in (my, their)]
        if _moved(list(old), list(my)) and _moved(list(old), list(their)) and both[0] != both[1]:
            conflicts.append(key)
            my = their
        return [merged[name] for name in _order(list(old), list(my), list(their), merged)]
    conflicts.append(key)
    return theirs


def _merge_keys(
    base: Mapping[str, Any],
    mine: Mapping[str, Any],
    theirs: Mapping[str, Any],
    key: str,
    conflicts: list[str],
) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for name in (*theirs, *(name for name in mine if name not in theirs)):
        old, my, their = (one.get(name, _MISSING) for one in (base, mine, theirs))
        value = _merge(old, my, their, key.replace("{}", name), conflicts)
        if value is not _MISSING:
            merged[name] = value
    return merged


def _order(
    base: list[str], mine: list[str], theirs: list[str], there: Mapping[str, Any]
) -> list[str]:
    """Names in the order of who changed it; what only the other has comes after."""
    first, then = (mine, theirs) if _moved(base, mine) else (theirs, mine)
    return [n for n in (*first, *(n for n in then if n not in first)) if n in there]


def _moved(base: list[str], other: list[str]) -> bool:
    """Do names that both have stand in another order?"""
    return [name for name in base if name in other] != [name for name in other if name in base]


def _named(value: Any) -> bool:
    """Is it a list of things whose names differ?"""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return False
    names = [one.get("name") if isinstance(one, Mapping) else None for one in value]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def _by_name(values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {str(one["name"]): one for one in values}


_PART = re.compile(r"(?:^|(?<!^)\.)([A-Za-z0-9_-]+)|\[([^\[\]]+)\]")


def _parts(key: str) -> list[tuple[bool, str]]:
    """Parts of a key: whether each is the name of a thing, and the part."""
    found, end = [], 0
    for match in _PART.finditer(key):
        if match.start() != end:
            break
        found.append((match[1] is None, match[1] or match[2]))
        end = match.end()
    if end != len(key) or not found or found[0][0]:
        raise InvalidValueError("key", key, "a key such as destinations[pacs].host")
    return found


def _holder(content: dict[str, Any], key: str) -> tuple[Any, Any]:
    """What holds the last part of a key, and the key or place of it there."""
    here: Any = content
    parts = _parts(key)
    for number, (is_name, part) in enumerate(parts):
        last = number == len(parts) - 1
        if is_name:
            place = _place(here, part, key)
            if last:
                return here, place
            if place == len(here):
                here.append({"name": part})
            here = here[place]
            continue
        if not isinstance(here, dict):
            raise InvalidValueError("key", key, "a key that leads through keys with values")
        if last:
            return here, part
        if here.get(part) is None:
            here[part] = [] if parts[number + 1][0] else {}
        here = here[part]
    raise InvalidValueError("key", key, "a key such as destinations[pacs].host")


def _place(here: Any, name: str, key: str) -> int:
    if not isinstance(here, list) or not _named(here):
        raise InvalidValueError("key", key, "names of things only where things have names")
    return next((n for n, one in enumerate(here) if one["name"] == name), len(here))
