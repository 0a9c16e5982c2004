"""What became of women after an exam: the record, and the list that a site imports."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError, model_validator

from gransk.core.findings import Frozen
from gransk.site.lists import CellError, Line, read_lines, read_table

ACCESSION, STUDY = "accession_number", "study_instance_uid"
CANCER, FOUND, DIAGNOSED, FOLLOWED = "cancer", "found", "diagnosed_on", "follow_up_months"
INVASIVE, SIZE, NODES, STAGE = "invasive", "size_mm", "node_positive", "stage"
SURGERY = "surgery"
OPTIONAL = (ACCESSION, STUDY, FOUND, DIAGNOSED, FOLLOWED, INVASIVE, SIZE, NODES, STAGE, SURGERY)
YES, NO = ("yes", "true", "1", "ja"), ("no", "false", "0", "nej")
T = TypeVar("T")


class Found(StrEnum):
    """When a cancer was found."""

    SCREENING = "screening"
    """By the recall from this exam."""
    INTERVAL = "interval"
    """After this exam had ended without recall, or its recall without cancer, and before the
    next screening."""


class Stage(StrEnum):
    """Of the TNM classification (UICC)."""

    ZERO = "0"
    ONE = "I"
    TWO = "II"
    THREE = "III"
    FOUR = "IV"


class Surgery(StrEnum):
    """Of the breast, after this exam."""

    NONE = "none"
    BENIGN = "benign"
    """Open biopsy or operation of what turned out benign."""
    CONSERVING = "conserving"
    MASTECTOMY = "mastectomy"


class Outcome(Frozen):
    """What became of a woman after an exam; None is not known.

    Parameters
    ----------
    cancer : bool
        Breast cancer, in situ or invasive, found at this exam or until the next one.
    found : Found, optional
    diagnosed_on : date, optional
    follow_up_months : float, optional
        How long it is known what became of her.
    invasive : bool, optional
        False: in situ alone.
    size_mm : float, optional
        Greatest extent of the invasive tumour, by pathology.
    node_positive : bool, optional
        Metastasis in a lymph node.
    stage : Stage, optional
    surgery : Surgery, optional
    """

    cancer: bool
    found: Found | None = None
    diagnosed_on: datetime.date | None = None
    follow_up_months: float | None = Field(default=None, ge=0, le=600)
    invasive: bool | None = None
    size_mm: float | None = Field(default=None, gt=0, le=300)
    node_positive: bool | None = None
    stage: Stage | None = None
    surgery: Surgery | None = None

    @model_validator(mode="after")
    def _check(self) -> Outcome:
        of_cancer = {
            FOUND: self.found, DIAGNOSED: self.diagnosed_on, INVASIVE: self.invasive,
            SIZE: self.size_mm, NODES: self.node_positive, STAGE: self.stage,
        }  # fmt: skip
        given = [name for name, value in of_cancer.items() if value is not None]
        if not self.cancer and given:
            raise ValueError(f"{', '.join(given)}: nothing where there is no cancer")
        if self.invasive is False and (self.size_mm or self.stage not in (None, Stage.ZERO)):
            raise ValueError("in situ has stage 0 and no invasive size")
        if self.invasive and self.stage is Stage.ZERO:
            raise ValueError("stage 0 is in situ")
        if self.surgery is Surgery.BENIGN and self.cancer:
            raise ValueError("surgery: benign only where there is no cancer")
        if self.surgery in (Surgery.CONSERVING, Surgery.MASTECTOMY) and not self.cancer:
            raise ValueError("surgery: of a cancer only where there is one")
        return self

    def known(self, follow_up_months: float) -> bool:
        """Is it known: cancer, or none over so many months?"""
        return self.cancer or (self.follow_up_months or 0) >= follow_up_months


Name = tuple[str, str]
"""How a list calls an exam: the column, and what stands in it. The study where both are given."""


def read_outcomes(path: Path) -> dict[Name, Outcome]:
    """Outcomes of a list, the whole file or nothing (docs/outcomes.md).

    Raises
    ------
    UnreadableInputError
        Names every line that is wrong, and repeats no value.
    """
    found: dict[Name, Outcome] = {}

    def read(line: Line) -> None:
        column = next((name for name in (STUDY, ACCESSION) if line.cells.get(name)), None)
        if column is None:
            raise CellError(f"wants {ACCESSION} or {STUDY}")
        name = (column, line.cells[column])
        if name in found:
            raise CellError("the exam stands twice")
        found[name] = _outcome(line)

    read_lines(read_table(path, (CANCER,), OPTIONAL), read, path)
    return found


def _outcome(line: Line) -> Outcome:
    read: dict[str, Callable[[str], Any]] = {
        CANCER: truth, FOUND: one_of(Found), DIAGNOSED: day, FOLLOWED: number,
        INVASIVE: truth, SIZE: number, NODES: truth, STAGE: one_of(Stage), SURGERY: one_of(Surgery),
    }  # fmt: skip
    values = {name: cell(line, name, how) for name, how in read.items()}
    if values[CANCER] is None:
        raise CellError(f"{CANCER}: wants yes or no")
    return checked(lambda: Outcome.model_validate(values))


def cell(line: Line, column: str, how: Callable[[str], T]) -> T | None:
    """What a cell says; None where it is empty or the column is missing.

    Raises
    ------
    CellError
        Names the column and what it wants.
    """
    text = line.cells.get(column, "")
    if not text:
        return None
    try:
        return how(text)
    except ValueError as error:
        raise CellError(f"{column}: wants {error}") from error


def checked(make: Callable[[], T]) -> T:
    """A record made of a line.

    Raises
    ------
    CellError
        What the record refuses, without the values.
    """
    try:
        return make()
    except ValidationError as error:
        told = [_told(one["loc"], one["msg"]) for one in error.errors(include_input=False)]
        raise CellError("; ".join(told)) from error


def _told(place: tuple[int | str, ...], message: str) -> str:
    where = ".".join(map(str, place))
    return f"{where}: {message}" if where else message.removeprefix("Value error, ")


def truth(text: str) -> bool:
    if text.lower() not in YES + NO:
        raise ValueError("yes or no")
    return text.lower() in YES


def day(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise ValueError("a date as 2026-01-31") from error


def number(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError as error:
        raise ValueError("a number") from error


def one_of(kind: type[StrEnum]) -> Callable[[str], StrEnum]:
    """Reads a word of a closed list, in either case."""

    def read(text: str) -> StrEnum:
        for one in kind:
            if one.value.lower() == text.lower():
                return one
        raise ValueError(", ".join(kind))

    return read
