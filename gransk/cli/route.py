"""``gransk route``: send reports of the past to destinations that were added later."""

from __future__ import annotations

import datetime
import getpass
from collections import Counter
from typing import Annotated

import typer
from sqlalchemy import select

from gransk.cli.options import ConfigOption
from gransk.cli.site import open_site
from gransk.core.errors import ConfigurationError, GranskError
from gransk.results.blobs import BlobStore
from gransk.results.router import Router, route_again
from gransk.results.tables import Report, Workitem
from gransk.site.config import Config
from gransk.site.database import Database
from gransk.site.faults import near


def route(
    destinations: Annotated[list[str], typer.Argument(help="Names of the configuration.")],
    since: Annotated[
        datetime.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Reports released on that day or later."),
    ] = None,
    study: Annotated[str, typer.Option(help="Key of one study, as the pages show it.")] = "",
    config: ConfigOption = None,
) -> None:
    """Send released reports where the rules of today want them and they never went.

    Only reports that stand are sent: none that was withdrawn or replaced. A destination
    that has a report already is not sent it again.
    """
    try:
        settings, database = open_site(config)
        _check_names(settings, destinations)
    except GranskError as error:
        typer.echo(f"gransk route: {error}", err=True)
        raise typer.Exit(1) from error
    router = Router(settings.destinations, BlobStore(settings.blob_folder), settings.reading)
    day = (
        None if since is None else since.replace(tzinfo=settings.zone or since.astimezone().tzinfo)
    )
    actor = f"shell:{getpass.getuser()}"[:64]
    queued: Counter[str] = Counter()
    unread = 0
    for report in _standing(database, day, study):
        try:
            with database.begin() as session:
                queued.update(route_again(session, report, actor, router, destinations))
        except (GranskError, OSError) as error:
            typer.echo(f"gransk route: report {report[:12]}: {error}", err=True)
            unread += 1
    for name in destinations:
        typer.echo(f"{name}: {queued[name]} objects queued")
    if unread:
        raise typer.Exit(1)


def _check_names(config: Config, names: list[str]) -> None:
    known = [one.name for one in config.destinations]
    for name in names:
        if name not in known:
            raise ConfigurationError(f"no destination is called {name!r}{near(name, known)}")


def _standing(database: Database, since: datetime.datetime | None, study: str) -> list[str]:
    """Keys of the reports that stand, in order of release."""
    query = (
        select(Report.key)
        .join(Workitem, Workitem.report_key == Report.key)
        .where(Report.released_at.is_not(None), Report.withdrawn_at.is_(None))
        .order_by(Report.released_at, Report.key)
    )
    if since is not None:
        query = query.where(Report.released_at >= since)
    if study:
        query = query.where(Workitem.study_key == study)
    with database.read() as session:
        return list(session.scalars(query))
