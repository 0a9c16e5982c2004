"""``gransk outcomes``: a list of what became of women after their exams."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from gransk.cli.options import ConfigOption, config_path
from gransk.core.errors import GranskError, InvalidValueError, UnreadableInputError
from gransk.pipeline.programmes import accession
from gransk.reading.outcome_store import Outcome, state_outcomes
from gransk.results.tables import FactSource
from gransk.site.config import load_config
from gransk.site.lists import CellError, Line, read_lines, read_table
from gransk.site.migrate import open_database

FAILED, UNREADABLE = 1, 4
ACCESSION = "accession_number"
NEEDED = (ACCESSION, "outcome_date", "cancer")
OPTIONAL = ("detection", "size_mm", "invasive", "node_positive", "stage")
FLAGS = ("cancer", "invasive", "node_positive")
YES_NO = {"yes": True, "ja": True, "1": True, "no": False, "nej": False, "0": False}
WORDS = {
    "en": "{added} of {exams} outcomes are new",
    "da": "{added} af {exams} udfald er nye",
}


def outcomes(
    file: Annotated[Path, typer.Argument(help="CSV with accession_number and outcome.")],
    config: ConfigOption = None,
) -> None:
    """Import what became of women after their exams, the whole file or nothing.

    Columns are accession_number, outcome_date (as 2026-03-31), cancer (yes, no), and may be
    detection (screen, interval), size_mm, invasive, node_positive (yes, no) and stage. Of one
    exam the last word counts. Exit codes: 0 imported, 4 the file is wrong (errors by line,
    nothing was imported), 1 failed.
    """
    try:
        said = read_outcomes(file)
        site = load_config(config_path(config))
        database = open_database(site)
        try:
            with database.begin() as session:
                actor = f"shell:{getpass.getuser()}"[:64]
                added = state_outcomes(session, said, FactSource.FILE, actor)
        finally:
            database.close()
    except UnreadableInputError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(UNREADABLE) from error
    except GranskError as error:
        typer.echo(f"gransk outcomes: {error}", err=True)
        raise typer.Exit(FAILED) from error
    typer.echo(WORDS[site.language].format(added=added, exams=len(said)))


def read_outcomes(path: Path) -> dict[str, Outcome]:
    """Outcomes of a list, by accession number.

    Raises
    ------
    UnreadableInputError
        Names every line that is wrong, and repeats no value.
    """
    said: dict[str, Outcome] = {}
    first: dict[str, int] = {}

    def read(line: Line) -> None:
        try:
            number = accession(line.cells[ACCESSION])
        except InvalidValueError as error:
            raise CellError(f"{ACCESSION}: wants {error.wants}") from error
        found = _outcome(line)
        if number in said and said[number] != found:
            raise CellError(f"{ACCESSION}: line {first[number]} says otherwise of it")
        said[number] = found
        first.setdefault(number, line.number)

    read_lines(read_table(path, NEEDED, OPTIONAL), read, path)
    return said


def _outcome(line: Line) -> Outcome:
    cells = {name: cell for name, cell in line.cells.items() if cell and name != ACCESSION}
    values: dict[str, Any] = {}
    for name, cell in cells.items():
        if name in FLAGS:
            if cell.lower() not in YES_NO:
                raise CellError(f"{name}: wants yes or no")
            values[name] = YES_NO[cell.lower()]
        else:
            values[name] = cell.lower() if name == "detection" else cell
    try:
        return Outcome.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "outcome"
        raise CellError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error
