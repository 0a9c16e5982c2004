"""The programme that an exam belongs to, as far as its order says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydicom import Dataset

from gransk.core.study import Study


class Programme(StrEnum):
    """Why a person is examined. An exam whose programme nobody said has none of them."""

    SCREENING = "screening"
    """Of people without symptoms, by invitation."""
    CLINICAL = "clinical"
    """Because of symptoms or findings, or to follow a disease."""
    HIGH_RISK = "high_risk"
    """Regular controls of people whose own risk is high."""


UNKNOWN = "unknown"
"""What stands, to people and machines, where no programme is known."""

CODE_SEQUENCES = (
    "RequestedProcedureCodeSequence",
    "ReasonForRequestedProcedureCodeSequence",
    "ScheduledProtocolCodeSequence",
    "ProcedureCodeSequence",
)
"""Coded reasons and procedures: of the order in the Request Attributes Sequence (PS3.3 Table
10-9), and of the study (PS3.3 C.7.2.1, C.7.3.1)."""

TEXTS = (
    "ReasonForTheRequestedProcedure",
    "RequestedProcedureDescription",
    "ScheduledProcedureStepDescription",
    "StudyDescription",
)

CodeKey = tuple[str, str]
"""Coding Scheme Designator and code value."""


@dataclass(frozen=True)
class Order:
    """What the images say of the order: codes, and texts as they stand."""

    codes: frozenset[CodeKey]
    texts: frozenset[str]


def order_of(study: Study) -> Order:
    """Codes and texts of every image's request attributes and of the images themselves."""
    codes: set[CodeKey] = set()
    texts: set[str] = set()
    for instance in study.instances:
        for level in (instance.header, *_items(instance.header, "RequestAttributesSequence")):
            for keyword in CODE_SEQUENCES:
                codes.update(filter(None, map(_code, _items(level, keyword))))
            texts.update(filter(None, (_text(level, keyword) for keyword in TEXTS)))
    return Order(frozenset(codes), frozenset(texts))


def programmes_of(
    order: Order, codes: Mapping[CodeKey, Programme], texts: Mapping[str, Programme]
) -> tuple[Programme, ...]:
    """Programmes that a site's tables read in an order: by its codes, else by its texts.

    Returns
    -------
    tuple of Programme
        Empty where the tables know nothing of it; more than one where it contradicts itself.
    """
    found = {codes[code] for code in order.codes if code in codes}
    found = found or {texts[text] for text in order.texts if text in texts}
    return tuple(sorted(found))


def _items(level: Dataset, keyword: str) -> Iterator[Dataset]:
    held: Any = level.get(keyword)
    if isinstance(held, (str, bytes)) or held is None:
        return
    for item in held:
        if isinstance(item, Dataset):
            yield item


def _code(item: Dataset) -> CodeKey | None:
    """Scheme and value of a code (PS3.3 Table 8.8-1); None where either is missing."""
    scheme = _text(item, "CodingSchemeDesignator")
    value = next(filter(None, (_text(item, k) for k in ("CodeValue", "LongCodeValue"))), "")
    return (scheme, value) if scheme and value else None


def _text(level: Dataset, keyword: str) -> str:
    value = level.get(keyword)
    return value.strip() if isinstance(value, str) else ""
