"""``gransk outcomes``: a list of what became of women after their exams."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from gransk.cli.options import ConfigOption, config_path
from gransk.core.errors import GranskError, UnreadableInputError
from gransk.reading.outcome_store import state_outcomes
from gransk.reading.outcomes import read_outcomes
from gransk.results.tables import FactSource
from gransk.site.config import load_config
from gransk.site.migrate import open_database

FAILED, UNREADABLE = 1, 4
WORDS = {
    "en": "{added} of {exams} outcomes are new",
    "da": "{added} af {exams} udfald er nye",
}


def outcomes(
    file: Annotated[Path, typer.Argument(help="CSV with outcomes of exams (docs/outcomes.md).")],
    config: ConfigOption = None,
) -> None:
    """Import what became of women after their exams, the whole file or nothing.

    Of one exam the last word counts. Exit codes: 0 imported, 4 the file is wrong (errors by
    line, nothing was imported), 1 failed.
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
