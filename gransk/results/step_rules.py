"""What a workitem (Unified Procedure Step) must hold, walked from the standard's table.

A workitem is a dict of the DICOM JSON model (PS3.18 F.2). The rules are rows of
``step_attributes.txt``, PS3.4 Table CC.2.5-3; nothing of them is written in code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from pydicom.datadict import dictionary_has_tag, dictionary_VR

from gransk.core.errors import UnreadableInputError

Attributes = dict[str, Any]
"""Attributes of the DICOM JSON model, by tag."""

TRANSACTION, CLASS, INSTANCE = "00081195", "00080016", "00080018"
STATE, READINESS, PRIORITY = "00741000", "00404041", "00741200"
PROGRESS, PERFORMED = "00741002", "00741216"
CANCELLED_AT = "00404052"
OUTPUT = "00404033"
STATION, PERFORMERS = "00404025", "00404034"
MODIFIED = "00404010"
MAY_BE_EMPTY = frozenset({OUTPUT})
"""Final values that may have no items: there may be no output (PS3.4 Table CC.2.5-3)."""
VALUES = {
    PRIORITY: ("HIGH", "MEDIUM", "LOW"),
    READINESS: ("INCOMPLETE", "UNAVAILABLE", "READY"),
}
"""Enumerated values (PS3.3 C.30.1, C.30.2)."""
DEEPEST = 8
_TAG = re.compile(r"[0-9A-F]{8}")


class StepState(StrEnum):
    """Procedure Step State (PS3.4 CC.1.1)."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"


OPEN = (StepState.SCHEDULED, StepState.IN_PROGRESS)
FINAL = (StepState.COMPLETED, StepState.CANCELED)


class WorkitemError(UnreadableInputError):
    """A workitem is not what the standard asks; the message names the attributes."""


@dataclass(frozen=True)
class Rule:
    """One row of the table.

    Parameters
    ----------
    name : str
    path : tuple of str
        Tags from the outermost sequence to the attribute.
    create, set, final : str
        Types and states, as the file's head explains them.
    match, returned : str
        Of a search.
    """

    name: str
    path: tuple[str, ...]
    create: str
    set: str
    final: str
    match: str
    returned: str


@cache
def rules() -> tuple[Rule, ...]:
    """Every row, in the order of the standard."""
    text = Path(__file__).with_name("step_attributes.txt").read_text(encoding="ascii")
    found: list[Rule] = []
    parents: tuple[str, ...] = ()
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, tag, *columns = line.split("|")
        depth = len(name) - len(name.lstrip(">"))
        parents = (*parents[:depth], tag)
        found.append(Rule(name.lstrip(">"), parents, *columns))
    return tuple(found)


@cache
def _below(path: tuple[str, ...]) -> dict[str, Rule]:
    return {rule.path[-1]: rule for rule in rules() if rule.path[:-1] == path}


@cache
def returned() -> frozenset[str]:
    """Tags that every search answers with, where they have a place (return key types 1 and 2)."""
    return frozenset(
        rule.path[0] for rule in rules() if len(rule.path) == 1 and rule.returned[0] in "12"
    )


def has_value(element: Mapping[str, Any] | None) -> bool:
    """Has an attribute a value, or a sequence an item?"""
    values = (element or {}).get("Value") or []
    return any(value not in (None, "", {}) for value in values)


def value(attributes: Mapping[str, Any], tag: str) -> Any:
    """The first value of an attribute; an empty text where there is none."""
    values = attributes.get(tag, {}).get("Value") or [""]
    return "" if values[0] is None else values[0]


def items(attributes: Mapping[str, Any], tag: str) -> list[Attributes]:
    """The items of a sequence."""
    return [item for item in attributes.get(tag, {}).get("Value") or [] if isinstance(item, dict)]


def element(tag: str, *values: Any) -> Attributes:
    """One attribute, as a dict to be joined with others; without values it is empty."""
    made: dict[str, Any] = {"vr": dictionary_VR(int(tag, 16))}
    kept = [one for one in values if one not in (None, "")]
    if kept:
        made["Value"] = kept
    return {tag: made}


def check_model(given: Any, depth: int = 0) -> Attributes:
    """A dataset of the DICOM JSON model, as it was sent.

    Raises
    ------
    WorkitemError
        Where it is none, or a known attribute has another representation than the dictionary's.
    """
    if not isinstance(given, dict) or depth > DEEPEST:
        raise WorkitemError("a dataset is an object of attributes by tag (PS3.18 F.2)")
    for tag, one in given.items():
        if not _TAG.fullmatch(str(tag)) or not isinstance(one, dict):
            raise WorkitemError(f"{tag!r} is no attribute: write eight hexadecimal digits")
        _check_element(tag, one, depth)
    return given


def _check_element(tag: str, one: dict[str, Any], depth: int) -> None:
    vr = one.get("vr")
    number = int(tag, 16)
    known = dictionary_VR(number) if dictionary_has_tag(number) else str(vr)
    if not isinstance(vr, str) or vr not in known.split(" or "):
        raise WorkitemError(f"{tag} has the value representation {vr!r}, wants {known}")
    values = one.get("Value", [])
    if not isinstance(values, list):
        raise WorkitemError(f"{tag} has a Value that is no list")
    for part in values:
        if vr == "SQ":
            check_model(part, depth + 1)
        elif vr == "PN":
            if part is not None and not isinstance(part, dict):
                raise WorkitemError(f"{tag} is a person's name: write an object with Alphabetic")
        elif isinstance(part, dict | list):
            raise WorkitemError(f"{tag} has a value that is no {vr}")


def check_create(given: Attributes) -> None:
    """Refuse a new workitem that its N-CREATE column does not allow (PS3.4 CC.2.5.3).

    Raises
    ------
    WorkitemError
    """
    _raise(_wrong(given, "create", ()))
    if value(given, STATE) != StepState.SCHEDULED:
        raise WorkitemError("Procedure Step State (00741000) of a new workitem is SCHEDULED")
    _check_values(given)


def check_set(given: Attributes) -> None:
    """Refuse changes that the N-SET column does not allow (PS3.4 CC.2.6.3).

    Raises
    ------
    WorkitemError
    """
    _raise(_wrong(given, "set", ()))
    _check_values(given)


def _check_values(given: Attributes) -> None:
    wrong = [
        f"{tag} is one of {', '.join(allowed)}"
        for tag, allowed in VALUES.items()
        if tag in given and value(given, tag) not in allowed
    ]
    _raise(wrong)


def _raise(wrong: list[str]) -> None:
    if wrong:
        raise WorkitemError("; ".join(wrong))


def _wrong(given: Attributes, column: str, path: tuple[str, ...]) -> list[str]:
    found = []
    below = _below(path)
    for tag, rule in below.items():
        kind = getattr(rule, column)
        there, valued = tag in given, has_value(given.get(tag))
        if kind == "1" and not valued:
            found.append(f"{rule.name} ({tag}) wants a value")
        elif kind == "2" and not there:
            found.append(f"{rule.name} ({tag}) is missing; it may be empty")
        elif kind == "0" and valued:
            found.append(f"{rule.name} ({tag}) must be empty")
        elif kind == "-" and there:
            found.append(f"{rule.name} ({tag}) is not allowed")
    for tag in given:
        if tag in below:
            for item in items(given, tag):
                found += _wrong(item, column, (*path, tag))
    return found


def missing_final(given: Attributes, state: StepState) -> list[str]:
    """What a workitem lacks before it may end in a state (PS3.4 CC.2.5.1.3)."""
    wanted = {"R", "P"} if state is StepState.COMPLETED else {"R", "X"}
    return list(_lacking(given, wanted, ()))


def _lacking(given: Attributes, wanted: set[str], path: tuple[str, ...]) -> Iterator[str]:
    for tag, rule in _below(path).items():
        there = has_value(given.get(tag)) or (tag in MAY_BE_EMPTY and tag in given)
        if rule.final in wanted and not there:
            yield f"{rule.name} ({tag})"
        for item in items(given, tag):
            yield from _lacking(item, wanted, (*path, tag))
