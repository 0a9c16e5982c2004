"""``gransk retention``: remove what has had its time, and hold studies against it."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from gransk.cli.options import ConfigOption
from gransk.cli.site import open_site
from gransk.core.errors import GranskError
from gransk.oversight import retention
from gransk.site.config import Config
from gransk.site.database import Database

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def _main() -> None:
    """Remove what has had its time; hold studies against it."""


@app.command()
def run(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Remove what has had its time, as the service does by itself."""
    with _site(config) as (site, database):
        if dry_run:
            with database.read() as session:
                removed = retention.due(session, site.retention)
            for one in removed.objects:
                since = one.since.date().isoformat()
                typer.echo(f"{one.sha256}\t{one.size}\t{one.why}\tsince {since}")
        else:
            removed = retention.remove_spent(site, database, _actor())
        verb = "would go" if dry_run else "removed"
        typer.echo(
            f"{len(removed.objects)} objects {verb}, {removed.size} of {removed.kept_bytes} bytes"
        )
        if not site.retention.on:
            typer.echo("retention: nothing is set, so nothing is ever removed")


@app.command()
def hold(
    study: Annotated[str, typer.Argument(help="The study's key, as in its page's address.")],
    reason: Annotated[str, typer.Option(help="Why; no patient data.")],
    config: ConfigOption = None,
) -> None:
    """Keep everything of a study until the hold is lifted."""
    with _site(config) as (_, database):
        with database.begin() as session:
            retention.hold(session, study, reason, _actor())
        typer.echo(f"{study} is held")


@app.command()
def lift(
    study: Annotated[str, typer.Argument(help="The study's key.")], config: ConfigOption = None
) -> None:
    """End the hold of a study."""
    with _site(config) as (_, database):
        with database.begin() as session:
            retention.lift(session, study, _actor())
        typer.echo(f"{study} is held no more")


@app.command()
def holds(config: ConfigOption = None) -> None:
    """List the studies that are held."""
    with _site(config) as (_, database), database.read() as session:
        for one in retention.holds(session):
            since = one.placed_at.isoformat(timespec="seconds")
            typer.echo(f"{one.study_key}\t{one.placed_by}\t{since}\t{' '.join(one.reason.split())}")


@contextmanager
def _site(config: ConfigOption) -> Iterator[tuple[Config, Database]]:
    try:
        site, database = open_site(config)
        try:
            yield site, database
        finally:
            database.close()
    except GranskError as error:
        typer.echo(f"gransk retention: {error}", err=True)
        raise typer.Exit(1) from error


def _actor() -> str:
    return f"shell:{getpass.getuser()}"[:64]
