"""``gransk config``: check, show and trace the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import yaml
from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from gransk.cli.options import ConfigOption, config_path
from gransk.core.application import applications
from gransk.core.errors import GranskError
from gransk.site.config import Config, check_applications, load_config
from gransk.site.migrate import open_database
from gransk.site.tables import SettingVersion

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True,
                  help="Check and show the configuration.")  # fmt: skip


@app.command("check")
def check(
    file: Annotated[Path | None, typer.Argument(help="The configuration to check.")] = None,
    config: ConfigOption = None,
) -> None:
    """Check every key, the applications' too. Exit 1 where one is wrong."""
    path = config_path(file or config)
    site = _load(path)
    typer.echo(f"{path}: good (digest {site.digest[:12]})")


@app.command("show")
def show(config: ConfigOption = None) -> None:
    """Print the whole configuration with its defaults, passwords masked."""
    typer.echo(
        yaml.safe_dump(_load(config).content(), sort_keys=False, allow_unicode=True), nl=False
    )


@app.command("versions")
def versions(
    config: ConfigOption = None,
    number: Annotated[int | None, typer.Option(help="Print this version whole.")] = None,
) -> None:
    """List the versions that were in force, or print one."""
    try:
        database = open_database(load_config(config_path(config)))
        with database.read() as session:
            rows = session.scalars(select(SettingVersion).order_by(SettingVersion.number)).all()
    except GranskError as error:
        _fail(error)
    if number is None:
        table = Table("number", "at (UTC)", "author", "reason", "digest")
        for row in rows:
            at = row.at.strftime("%Y-%m-%d %H:%M:%S")
            table.add_row(str(row.number), at, row.author, row.reason, row.digest[:12])
        Console().print(table)
        return
    chosen = next((row for row in rows if row.number == number), None)
    if chosen is None:
        typer.echo(f"there is no version {number}", err=True)
        raise typer.Exit(1)
    _print_yaml(chosen.content)


def _load(config: ConfigOption) -> Config:
    try:
        site = load_config(config_path(config))
        check_applications(site, applications())
    except GranskError as error:
        _fail(error)
    return site


def _print_yaml(content: dict[str, Any]) -> None:
    typer.echo(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), nl=False)


def _fail(error: GranskError) -> NoReturn:
    typer.echo(str(error), err=True)
    raise typer.Exit(1) from error
