"""``gransk programme``: a list that says which programmes exams belong to, and facts of them."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from gransk.cli.options import ConfigOption
from gransk.cli.site import open_site
from gransk.core.errors import GranskError, InvalidValueError, UnreadableInputError
from gransk.core.exam_facts import STATED, Fact
from gransk.core.programme import UNKNOWN, Programme
from gransk.pipeline import exam_facts, programmes
from gransk.results.tables import FactSource, ProgrammeSource
from gransk.site.lists import CellError, Line, read_lines, read_table

FAILED, UNREADABLE = 1, 4
ACCESSION, PROGRAMME = "accession_number", "programme"
WORDS = {
    "en": "{added} of {exams} exams stated anew, facts of {facts}; {studies} studies here bear "
    "their numbers",
    "da": "{added} af {exams} undersøgelser angivet på ny, oplysninger om {facts}; {studies} "
    "undersøgelser her har numrene",
}
Said = dict[str, dict[str, str]]
"""Cells by column, of each accession number; those that say nothing are left out."""


def programme(
    file: Annotated[
        Path, typer.Argument(help="CSV with accession_number, programme and facts of exams.")
    ],
    config: ConfigOption = None,
) -> None:
    """Import which programmes exams belong to, and facts of them, the whole file or nothing.

    Programmes are screening, clinical and high_risk. Facts are round (first, later), treated,
    implant and declines_ai (yes, no) and unit; an empty cell says nothing. unknown takes back
    what a list or a machine said before. Exams may arrive later. Exit codes: 0 imported, 4 the
    file is wrong (errors by line, nothing was imported), 1 failed.
    """
    try:
        site, database = open_site(config)
        try:
            said = read_exams(file, site.reading.names)
            with database.begin() as session:
                done, facts = _state(session, said, f"shell:{getpass.getuser()}"[:64])
        finally:
            database.close()
    except UnreadableInputError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(UNREADABLE) from error
    except GranskError as error:
        typer.echo(f"gransk programme: {error}", err=True)
        raise typer.Exit(FAILED) from error
    told = WORDS[site.language]
    values = {"added": done.added, "facts": facts, "exams": len(said), "studies": done.studies}
    typer.echo(told.format(**values))


def _state(session: Session, said: Said, actor: str) -> tuple[programmes.Stated, int]:
    """What became of the programmes, and of how many exams the facts are new."""
    named = {n: _programme(cells[PROGRAMME]) for n, cells in said.items() if PROGRAMME in cells}
    facts = {number: _facts(cells) for number, cells in said.items()}
    done = programmes.state_exams(session, named, ProgrammeSource.FILE, actor)
    told = exam_facts.state_exams(session, facts, FactSource.FILE, actor)
    return programmes.Stated(done.added, told.studies), told.added


def read_exams(path: Path, units: Sequence[str]) -> Said:
    """What a list says of exams.

    Raises
    ------
    UnreadableInputError
        Names every line that is wrong, and repeats no value.
    """
    lines = read_table(path, (ACCESSION,), (PROGRAMME, *STATED))
    columns = set(lines[0].cells) - {ACCESSION} if lines else {PROGRAMME}
    if not columns:
        wants = ", ".join((PROGRAMME, *STATED))
        raise UnreadableInputError(f"{path}: line 1 must name one of the columns {wants}")
    said: Said = {}
    first: dict[str, int] = {}

    def read(line: Line) -> None:
        try:
            number = programmes.accession(line.cells[ACCESSION])
        except InvalidValueError as error:
            raise CellError(f"{ACCESSION}: wants {error.wants}") from error
        cells = {name: cell.lower() for name, cell in line.cells.items() if name != ACCESSION}
        found = {name: _cell(name, cell, units) for name, cell in cells.items() if cell}
        if PROGRAMME in cells and not found:
            raise CellError(f"{PROGRAMME}: wants {', '.join(Programme)} or {UNKNOWN}")
        if number in said and said[number] != found:
            raise CellError(f"{ACCESSION}: line {first[number]} says otherwise of it")
        said[number] = found
        first.setdefault(number, line.number)

    read_lines(lines, read, path)
    return said


def _cell(name: str, cell: str, units: Sequence[str]) -> str:
    allowed = Programme if name == PROGRAMME else exam_facts.choices(Fact(name), units)
    if cell not in (*allowed, UNKNOWN):
        raise CellError(f"{name}: wants {', '.join(allowed)} or {UNKNOWN}")
    return cell


def _facts(cells: Mapping[str, str]) -> dict[Fact, str]:
    told = ((name, cell) for name, cell in cells.items() if name != PROGRAMME)
    return {Fact(name): "" if cell == UNKNOWN else cell for name, cell in told}


def _programme(word: str) -> Programme | None:
    return None if word == UNKNOWN else Programme(word)
