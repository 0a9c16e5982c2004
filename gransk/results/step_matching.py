"""Searching workitems: matching keys, and which attributes an answer has.

PS3.18 8.3.4 says how a query is written, PS3.4 C.2.2.2 how values match.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.datadict import dictionary_has_tag, dictionary_VR, tag_for_keyword

from gransk.results.step_rules import (
    CLASS,
    INSTANCE,
    TRANSACTION,
    Attributes,
    WorkitemError,
    items,
    returned,
)

HOW = frozenset({"includefield", "fuzzymatching", "limit", "offset", "emptyvaluematching"})
"""Parameters of a search that match nothing."""
RANGED = frozenset({"DA", "DT", "TM"})
LISTED = frozenset({"UI"})
EXACT = frozenset({"UI", "DA", "DT", "TM", "IS", "DS", "US", "UL", "SS", "SL", "AT", "SQ"})
"""Representations without wildcards (PS3.4 C.2.2.2.4)."""
_TAG = re.compile(r"[0-9A-Fa-f]{8}")


@dataclass(frozen=True)
class Key:
    """One matching key.

    Parameters
    ----------
    path : tuple of str
        Tags from the outermost sequence to the attribute.
    value : str
        Empty matches everything, and asks for the attribute.
    """

    path: tuple[str, ...]
    value: str


@dataclass(frozen=True)
class Search:
    """What a search asks for.

    Parameters
    ----------
    keys : tuple of Key
    fields : frozenset of str
        Tags that it wants beside the usual ones.
    everything : bool
    fuzzy : bool
    limit, offset : int
    """

    keys: tuple[Key, ...]
    fields: frozenset[str] = frozenset()
    everything: bool = False
    fuzzy: bool = False
    limit: int | None = None
    offset: int = 0

    def single(self, tag: str) -> str:
        """The value that an attribute must have; empty where any will do."""
        return next((key.value for key in self.keys if key.path == (tag,)), "")


def parse(asked: Sequence[tuple[str, str]]) -> Search:
    """A search as its query says.

    Raises
    ------
    WorkitemError
        Where a parameter is no attribute, or cannot be matched.
    """
    keys: list[Key] = []
    fields: set[str] = set()
    numbers = {"limit": -1, "offset": 0}
    everything = fuzzy = False
    for name, value in asked:
        if name == "includefield":
            everything = everything or value == "all"
            fields |= {path_of(one)[0] for one in value.split(",") if one and one != "all"}
        elif name == "fuzzymatching":
            fuzzy = value == "true"
        elif name in numbers:
            if not value.isdecimal():
                raise WorkitemError(f"{name} is a number")
            numbers[name] = int(value)
        elif name not in HOW:
            keys.append(Key(path_of(name), value))
    if any(key.path[-1] == TRANSACTION for key in keys) or TRANSACTION in fields:
        raise WorkitemError(f"Transaction UID ({TRANSACTION}) cannot be searched for")
    limit = None if numbers["limit"] < 0 else numbers["limit"]
    return Search(tuple(keys), frozenset(fields), everything, fuzzy, limit, numbers["offset"])


def keys_of(asked: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Matching keys of a filter: ``filter=a=b,c=d`` as the standard writes it, or one by one."""
    found: list[tuple[str, str]] = []
    for name, value in asked:
        if name == "filter":
            found += [
                (one.partition("=")[0], one.partition("=")[2]) for one in value.split(",") if one
            ]
        elif name not in ("deletionlock", "accept", "charset"):
            found.append((name, value))
    return found


def path_of(name: str) -> tuple[str, ...]:
    """Tags of an attribute that a query names by keyword or tag, dots between levels.

    Raises
    ------
    WorkitemError
    """
    return tuple(_tag(part) for part in name.split("."))


def _tag(name: str) -> str:
    if _TAG.fullmatch(name):
        return name.upper()
    found = tag_for_keyword(name)
    if found is None:
        raise WorkitemError(f"{name[:64]!r} is no attribute: write its keyword or its tag")
    return f"{int(found):08X}"


def matches(attributes: Attributes, keys: Sequence[Key]) -> bool:
    """Does a workitem match every key?"""
    return all(_match(attributes, key.path, key.value) for key in keys)


def _match(attributes: Mapping[str, Any], path: tuple[str, ...], wanted: str) -> bool:
    if not wanted:
        return True
    if len(path) > 1:
        return any(_match(item, path[1:], wanted) for item in items(attributes, path[0]))
    vr = _vr(path[0])
    values = attributes.get(path[0], {}).get("Value") or []
    return any(_fits(_text(one), wanted, vr) for one in values if one is not None)


def _vr(tag: str) -> str:
    number = int(tag, 16)
    return dictionary_VR(number) if dictionary_has_tag(number) else "LO"


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("Alphabetic") or "")
    return str(value)


def _fits(value: str, wanted: str, vr: str) -> bool:
    if vr in RANGED and "-" in _without_zone(wanted):
        return _within(value, wanted)
    if vr in LISTED:
        return value in re.split(r"[,\\]", wanted)
    if vr in EXACT:
        return value.startswith(wanted) if vr in RANGED else value == wanted
    if vr == "PN":
        value, wanted = value.casefold(), wanted.casefold()
    pattern = wanted.replace("[", "[[]")
    return fnmatch.fnmatchcase(value, pattern)


def _without_zone(wanted: str) -> str:
    """A value of date and time without an offset behind it, whose minus sign makes no range."""
    return re.sub(r"(?<=\d{14})-(?:0\d|1[0-2])[0-5]\d$", "", wanted)


def _within(value: str, wanted: str) -> bool:
    first, _, last = wanted.partition("-")
    length = max(len(first), len(last), 8)
    moment = value[:length]
    return (not first or moment >= first) and (not last or moment[: len(last)] <= last)


def chosen(attributes: Attributes, search: Search) -> Attributes:
    """What an answer has of a workitem: return keys, what was matched, and what was asked for."""
    wanted = returned() | search.fields | {key.path[0] for key in search.keys}
    wanted |= {CLASS, INSTANCE}
    return {
        tag: one
        for tag, one in sorted(attributes.items())
        if tag != TRANSACTION and (search.everything or tag in wanted)
    }
