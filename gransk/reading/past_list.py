"""Past exams as a list: how a site's history before Gransk, or another system's, comes in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gransk.core.exam_facts import Round
from gransk.core.programme import Programme
from gransk.core.screening import Breast, Verdict
from gransk.reading.outcomes import (
    Name,
    Outcome,
    cell,
    checked,
    day,
    number,
    one_of,
    truth,
)
from gransk.reading.past import (
    Density,
    PastAi,
    PastExam,
    PastRead,
)
from gransk.reading.plan import PolicyKind
from gransk.site.lists import CellError, Line, read_lines, read_table

ACCESSION = "accession_number"
NEEDED = ("exam", "woman", "date", "unit", "first_read", "decision")
PEOPLE = ("first", "second", "arbiter")
OPTIONAL = (
    ACCESSION, "programme", "round", "age", "density", "equipment", "previous_on", "dose_mgy",
    "humans_only", "policy", "policy_version", "kind", "marks_shown", "ai_counted", "first_reader",
    "first_breasts", "second_reader", "second_read", "second_breasts", "arbiter_reader",
    "arbiter_read", "arbiter_breasts", "ai_score", "ai_high", "ai_probability", "ai_breasts",
    "ai_said", "ai_model", "ai_in_time", "working_days",
)  # fmt: skip


def read_past(path: Path, outcomes: Mapping[Name, Outcome] | None = None) -> list[PastExam]:
    """Exams of a list, the whole file or nothing (docs/outcomes.md).

    Parameters
    ----------
    path : Path
    outcomes : mapping of Name to Outcome, optional
        As `gransk.reading.outcomes.read_outcomes` gives them; found by accession number.

    Raises
    ------
    UnreadableInputError
        Names every line that is wrong, and repeats no value.
    """
    seen: set[str] = set()
    numbers: set[str] = set()

    def read(line: Line) -> PastExam:
        name, number_ = line.cells["exam"], line.cells.get(ACCESSION, "")
        if name in seen or (number_ and number_ in numbers):
            raise CellError("the exam stands twice")
        seen.add(name)
        numbers.add(number_)
        known = (outcomes or {}).get((ACCESSION, number_)) if number_ else None
        return _exam(line, known)

    return read_lines(read_table(path, NEEDED, OPTIONAL), read, path)


def _exam(line: Line, outcome: Outcome | None) -> PastExam:
    read: dict[str, Callable[[str], Any]] = {
        "exam": str, "woman": str, "date": day, "unit": str, "programme": one_of(Programme),
        "round": one_of(Round), "age": whole, "density": one_of(Density), "equipment": str,
        "previous_on": day, "dose_mgy": number, "humans_only": truth, "policy": str,
        "policy_version": whole, "kind": one_of(PolicyKind), "marks_shown": truth,
        "ai_counted": truth, "decision": one_of(Verdict), "working_days": whole,
    }  # fmt: skip
    given = {name: cell(line, name, how) for name, how in read.items()}
    values = {name: value for name, value in given.items() if value is not None}
    first, second, arbiter = (_read(line, who) for who in PEOPLE)
    values |= {
        "reads": tuple(one for one in (first, second) if one is not None),
        "arbitration": arbiter,
        "ai": _ai(line),
        "outcome": outcome,
    }
    if first is None and second is not None:
        raise CellError("second_read: none without a first_read")
    return checked(lambda: PastExam.model_validate(values))


def _read(line: Line, who: str) -> PastRead | None:
    verdict = cell(line, f"{who}_read", one_of(Verdict))
    if verdict is None:
        return None
    values = {
        "reader": cell(line, f"{who}_reader", str) or "",
        "verdict": verdict,
        "breasts": cell(line, f"{who}_breasts", breasts) or frozenset(),
    }
    return checked(lambda: PastRead.model_validate(values))


def _ai(line: Line) -> PastAi | None:
    """What the AI gave; None where the line says nothing of it."""
    read: dict[str, Callable[[str], Any]] = {
        "score": number, "high": truth, "probability": number, "breasts": breasts,
        "said": one_of(Verdict), "model": str, "in_time": truth,
    }  # fmt: skip
    given = {name: cell(line, f"ai_{name}", how) for name, how in read.items()}
    values = {name: value for name, value in given.items() if value is not None}
    return checked(lambda: PastAi.model_validate(values)) if values else None


def whole(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("a whole number")
    return int(text)


def breasts(text: str) -> frozenset[Breast]:
    """Letters R and L, in any order."""
    try:
        return frozenset(Breast(letter) for letter in text.upper())
    except ValueError as error:
        raise ValueError("R, L or RL") from error
