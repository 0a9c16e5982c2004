"""CSV files that people give: read whole, every fault told by its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gransk.core.errors import UnreadableInputError

LARGEST_BYTES = 64 * 1024 * 1024
FAULTS_SHOWN = 20
DELIMITERS = (",", ";", "\t")
T = TypeVar("T")


@dataclass(frozen=True)
class Line:
    """One row of a table: its line in the file, and its cells by column, without padding."""

    number: int
    cells: Mapping[str, str]


class CellError(Exception):
    """What is wrong with a line; names columns and never repeats a value."""


def read_table(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> list[Line]:
    """Rows of a CSV file whose first line names the columns.

    Cells are parted by comma, semicolon or tab, whichever the first line has; text is UTF-8.

    Raises
    ------
    UnreadableInputError
        Where it is no such table. The message names lines and columns and never values.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise UnreadableInputError(f"{path}: larger than {LARGEST_BYTES >> 20} MB")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UnreadableInputError(f"{path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UnreadableInputError(f"{path}: byte {error.start} is not UTF-8") from error
    first = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    known = {*columns, *optional}
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        missing = [name for name in columns if name not in names]
        if missing or len(set(names)) != len(names) or not set(names) <= known:
            more = f", and may have {', '.join(optional)}" if optional else ""
            raise UnreadableInputError(
                f"{path}: line 1 must name the columns {', '.join(columns)} once{more}; no others"
            )
        return _lines(path, reader, names)
    except csv.Error as error:
        raise UnreadableInputError(f"{path}: line {reader.line_num}: no CSV ({error})") from error


def read_lines(lines: Sequence[Line], read: Callable[[Line], T], path: Path) -> list[T]:
    """What ``read`` makes of every line; all faults are told together.

    Raises
    ------
    UnreadableInputError
        Where `CellError` was raised for any line.
    """
    found: list[T] = []
    faults: list[str] = []
    for line in lines:
        try:
            found.append(read(line))
        except CellError as error:
            faults.append(f"line {line.number}: {error}")
    if faults:
        shown = faults[:FAULTS_SHOWN]
        more = [f"and {len(faults) - FAULTS_SHOWN} more"] if len(faults) > FAULTS_SHOWN else []
        raise UnreadableInputError("\n".join(f"{path}: {one}" for one in (*shown, *more)))
    return found


def _lines(path: Path, reader: Any, names: Sequence[str]) -> list[Line]:
    lines = []
    number = reader.line_num + 1
    for cells in reader:
        if any(cell.strip() for cell in cells):
            if len(cells) != len(names):
                raise UnreadableInputError(
                    f"{path}: line {number}: {len(cells)} cells, line 1 has {len(names)}"
                )
            values = (cell.strip() for cell in cells)
            lines.append(Line(number, dict(zip(names, values, strict=True))))
        number = reader.line_num + 1
    return lines
