"""``gransk programme``: a list that says which programmes exams belong to."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from gransk.cli.options import ConfigOption, config_path
from gransk.core.errors import GranskError, InvalidValueError, UnreadableInputError
from gransk.core.programme import UNKNOWN, Programme
from gransk.pipeline import programmes
from gransk.results.tables import ProgrammeSource
from gransk.site.config import load_config
from gransk.site.lists import CellError, Line, read_lines, read_table
from gransk.site.migrate import open_database

FAILED, UNREADABLE = 1, 4
ACCESSION, PROGRAMME = "accession_number", "programme"
WORDS = {
    "en": "{added} of {exams} exams stated anew; {studies} studies here bear their numbers",
    "da": "{added} af {exams} undersøgelser angivet på ny; {studies} undersøgelser her har numrene",
}


def programme(
    file: Annotated[Path, typer.Argument(help="CSV with accession_number and programme.")],
    config: ConfigOption = None,
) -> None:
    """Import which programmes exams belong to, the whole file or nothing.

    Programmes are screening, clinical and high_risk; unknown takes back what a list or a
    machine said before. Exams may arrive later. Exit codes: 0 imported, 4 the file is wrong
    (errors by line, nothing was imported), 1 failed.
    """
    try:
        said = read_programmes(file)
        site = load_config(config_path(config))
        database = open_database(site)
        try:
            with database.begin() as session:
                actor = f"shell:{getpass.getuser()}"[:64]
                done = programmes.state_exams(session, said, ProgrammeSource.FILE, actor)
        finally:
            database.close()
    except UnreadableInputError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(UNREADABLE) from error
    except GranskError as error:
        typer.echo(f"gransk programme: {error}", err=True)
        raise typer.Exit(FAILED) from error
    told = WORDS[site.language]
    typer.echo(told.format(added=done.added, exams=len(said), studies=done.studies))


def read_programmes(path: Path) -> dict[str, Programme | None]:
    """Accession numbers and programmes of a list; None where it says unknown.

    Raises
    ------
    UnreadableInputError
        Names every line that is wrong, and repeats no value.
    """
    lines = read_table(path, (ACCESSION, PROGRAMME))
    said: dict[str, Programme | None] = {}
    first: dict[str, int] = {}

    def read(line: Line) -> None:
        try:
            number = programmes.accession(line.cells[ACCESSION])
        except InvalidValueError as error:
            raise CellError(f"{ACCESSION}: wants {error.wants}") from error
        word = line.cells[PROGRAMME].lower()
        if word not in (*Programme, UNKNOWN):
            raise CellError(f"{PROGRAMME}: wants {', '.join(Programme)} or {UNKNOWN}")
        wanted = None if word == UNKNOWN else Programme(word)
        if number in said and said[number] != wanted:
            raise CellError(f"{ACCESSION}: line {first[number]} says another programme of it")
        said[number] = wanted
        first.setdefault(number, line.number)

    read_lines(lines, read, path)
    return said
