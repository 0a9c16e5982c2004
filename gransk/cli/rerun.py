"""``gransk models rerun`` and ``stop``: past studies under another model, to be compared."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from gransk.cli.options import ConfigOption, config_path, shell_name
from gransk.core.errors import ConfigurationError, GranskError
from gransk.registry import beside
from gransk.registry.asking import check_ask, settings_of
from gransk.registry.beside import MOST, Wanted
from gransk.site.faults import read_yaml
from gransk.site.migrate import open_database
from gransk.site.settings import config_in_force
from gransk.site.site_keys import Host


def rerun(
    application: Annotated[str, typer.Option(help="Whose studies.")],
    first: Annotated[
        datetime.datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="Study date.")
    ],
    last: Annotated[
        datetime.datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Study date.")
    ],
    name: Annotated[str, typer.Option(help="Of the comparison; new.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="Such as models.detector=nodule-detector@2.0.0; repeatable."),
    ] = None,
    file: Annotated[Path | None, typer.Option(help="Settings as YAML, instead.")] = None,
    unit: Annotated[str, typer.Option(help="Of these exams alone.")] = "",
    most: Annotated[int, typer.Option(min=1, max=MOST, help="The newest so many.")] = MOST,
    count: Annotated[
        bool, typer.Option("--count", help="Say how many match; ask nothing.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Analyse past studies under other settings, beside their results, to be compared.

    Workers do it while no new study waits; the page /models/compare tells how far it is.
    """
    wanted = Wanted(application, first.date(), last.date(), unit)
    try:
        settings = settings_of(setting or ())
        if file is not None:
            settings = _settings_of_file(file)
        host = Host.of_file(config_path(config))
        database = open_database(host.config)
        try:
            with database.begin() as session:
                site, _ = config_in_force(session, host)
                wanted = replace(wanted, unit=site.reading.narrows(wanted.unit))
                check_ask(session, site, host.applications, application, settings, name)
                if count:
                    typer.echo(f"{min(most, len(beside.past(session, wanted)))} studies match")
                    return
                asked = beside.ask(session, wanted, name, settings, shell_name(), reason, most)
                typer.echo(f"{name}: {asked.studies} studies")
        finally:
            database.close()
    except GranskError as error:
        typer.echo(f"gransk models rerun: {error}", err=True)
        raise typer.Exit(1) from error


def stop(
    name: Annotated[str, typer.Argument(help="Of the comparison.")], config: ConfigOption = None
) -> None:
    """Stop what `rerun` asked for; what is analysed stays."""
    try:
        database = open_database(Host.of_file(config_path(config)).config)
        try:
            with database.begin() as session:
                stopped = beside.stop(session, name, shell_name())
        finally:
            database.close()
    except GranskError as error:
        typer.echo(f"gransk models stop: {error}", err=True)
        raise typer.Exit(1) from error
    if not stopped:
        typer.echo(f"gransk models stop: no comparison called {name!r} is under way", err=True)
        raise typer.Exit(1)


def _settings_of_file(file: Path) -> dict[str, object]:
    try:
        found = read_yaml(file.read_text(encoding="utf-8"), str(file))
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read ({error.strerror})") from error
    if not isinstance(found, dict):
        raise ConfigurationError(f"{file}: wants keys with values")
    return found
