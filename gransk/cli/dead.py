"""``gransk dead``: work that failed for good, and another try at it."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from sqlalchemy import select

from gransk.archive.priors import prior_keys
from gransk.cli.options import ConfigOption, config_path
from gransk.core.errors import GranskError
from gransk.delivery import deliver
from gransk.pipeline import workitems
from gransk.results.tables import Delivery, DeliveryState, Report, Workitem, WorkState
from gransk.site.config import load_config
from gransk.site.database import Database
from gransk.site.migrate import open_database

HEADINGS = ("id", "what", "study", "reason", "detail", "since")

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def _main() -> None:
    """See and re-run work that failed for good."""


@app.command(name="list")
def list_dead(config: ConfigOption = None) -> None:
    """List failed analyses and deliveries."""
    rows: list[tuple[str, ...]] = []
    with _open(config).read() as session:
        for item in session.scalars(
            select(Workitem)
            .where(Workitem.state == WorkState.FAILED, Workitem.study_key.not_in(prior_keys()))
            .order_by(Workitem.finished_at)
        ):
            since = item.finished_at.isoformat(timespec="seconds") if item.finished_at else ""
            what = f"analysis, {item.application}"
            rows.append((item.id, what, item.study_key, item.reason or "", item.detail, since))
        failed = (
            select(Delivery, Workitem.study_key)
            .join(Report, Report.key == Delivery.report_key)
            .join(Workitem, Workitem.id == Report.workitem_id)
            .where(Delivery.state == DeliveryState.FAILED)
            .order_by(Delivery.created_at)
        )
        for delivery, study in session.execute(failed):
            since = delivery.created_at.isoformat(timespec="seconds")
            what = f"delivery, {delivery.destination}"
            rows.append((delivery.id, what, study, "", delivery.error, since))
    console = Console()
    if not rows:
        typer.echo("Nothing failed for good.")
    elif console.is_terminal:
        table = Table(Column("id", overflow="fold"), *HEADINGS[1:])
        for row in rows:
            table.add_row(*row)
        console.print(table)
    else:
        for row in (HEADINGS, *rows):
            typer.echo("\t".join(" ".join(cell.split()) for cell in row))


@app.command()
def rerun(
    ids: Annotated[list[str], typer.Argument(help="Ids as listed, or 'all'.")],
    config: ConfigOption = None,
) -> None:
    """Try failed work again; a running worker takes it up."""
    database = _open(config)
    if ids == ["all"]:
        with database.read() as session:
            dead = select(Workitem.id).where(
                Workitem.state == WorkState.FAILED, Workitem.study_key.not_in(prior_keys())
            )
            unsent = select(Delivery.id).where(Delivery.state == DeliveryState.FAILED)
            ids = [*session.scalars(dead), *session.scalars(unsent)]
    actor = f"shell:{getpass.getuser()}"[:64]
    unknown = []
    for one in ids:
        with database.begin() as session:
            if not workitems.rerun(session, one, actor) and not deliver.rerun(session, one, actor):
                unknown.append(one)
    typer.echo(f"{len(ids) - len(unknown)} put back in the queue")
    for one in unknown:
        typer.echo(f"{one}: nothing failed under this id", err=True)
    if unknown:
        raise typer.Exit(1)


def _open(config: ConfigOption) -> Database:
    try:
        return open_database(load_config(config_path(config)))
    except GranskError as error:
        typer.echo(f"gransk dead: {error}", err=True)
        raise typer.Exit(1) from error
