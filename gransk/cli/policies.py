"""``gransk policies``: the reading room's policies as files, and their versions."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session

from gransk.cli.options import ConfigOption, shell_name
from gransk.cli.site import open_site
from gransk.core.errors import ConfigurationError, GranskError
from gransk.reading import rooms
from gransk.reading.policy import Room
from gransk.reading.room_changes import Evidence
from gransk.reading.room_file import read_room, write_room
from gransk.reading.room_words import differences
from gransk.site.config import Config
from gransk.site.faults import explain

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True,
                  help="Policies of the reading room: check, draft, list and export.")  # fmt: skip

FileArgument = Annotated[Path, typer.Argument(help="YAML with policies and rules.")]
ReasonOption = Annotated[str, typer.Option(help="Why it is made.")]


@app.command("check")
def check(file: FileArgument, config: ConfigOption = None) -> None:
    """Check a file, and say what it would change. Exit 1 where it is wrong."""
    with _site(config) as (site, session):
        room = _read(file)
        unknown = room.unknown_units(site.reading.names)
        if unknown:
            raise ConfigurationError(
                f"{file}: units {', '.join(unknown)} are not configured: name them under "
                "reading.units, or take them out of the rules"
            )
        base = rooms.newest_approved(session)
        _tell(differences(None if base is None else base.room, room, site.language))


@app.command("draft")
def draft(
    file: FileArgument,
    reason: ReasonOption,
    simulation: Annotated[
        list[Path] | None, typer.Option(help="JSON of a simulation, for a limit that changes.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Keep a file as a new version; the responsible radiologists approve it. Exit 1: refused."""
    with _site(config) as (site, session):
        room = _read(file)
        evidence = [_simulation(path) for path in simulation or ()]
        base = rooms.newest_approved(session)
        made = rooms.draft(
            session, site.reading, room, shell_name(), reason, _today(site), evidence
        )
        _tell(differences(None if base is None else base.room, room, site.language))
        typer.echo(f"version {made.row.version}; to approve: {', '.join(made.row.units)}")


@app.command("restore")
def restore(
    version: Annotated[int, typer.Argument(help="The version to return to.")],
    reason: ReasonOption,
    config: ConfigOption = None,
) -> None:
    """Draft an earlier version again, valid from today: how a change is undone."""
    with _site(config) as (site, session):
        today = _today(site)
        made = rooms.restore(session, site.reading, version, today, shell_name(), reason, today)
        typer.echo(f"version {made.row.version}; to approve: {', '.join(made.row.units)}")


@app.command("versions")
def versions(config: ConfigOption = None) -> None:
    """List every version: who made it and why, who approved it, from when on it is in force."""
    table = Table("version", "at (UTC)", "author", "reason", "approved", "open", "in force from")
    with _site(config) as (_, session):
        for one in rooms.versions(session):
            approved = ", ".join(f"{a.unit}: {a.account}" for a in one.approvals)
            from_day = "" if one.from_day is None else one.from_day.isoformat()
            table.add_row(
                str(one.row.version), one.row.at.strftime("%Y-%m-%d %H:%M"), one.row.author,
                one.row.reason, approved, ", ".join(one.open_units), from_day,
            )  # fmt: skip
    Console().print(table)


@app.command("export")
def export(
    version: Annotated[int | None, typer.Option(help="This one; else that in force.")] = None,
    config: ConfigOption = None,
) -> None:
    """Print a version as YAML, which `draft` reads back as the same."""
    with _site(config) as (site, session):
        if version is not None:
            room: Room | None = rooms.one_version(session, version).room
        else:
            room = rooms.in_force(session, _today(site))
        if room is None:
            raise ConfigurationError("no version is in force; name one by --version")
        typer.echo(write_room(room), nl=False)


@contextmanager
def _site(config: Path | None) -> Iterator[tuple[Config, Session]]:
    """The site and a transaction; what goes wrong is told, and ends the command with 1."""
    try:
        site, database = open_site(config)
        try:
            with database.begin() as session:
                yield site, session
        finally:
            database.close()
    except GranskError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _read(path: Path) -> Room:
    return read_room(_text(path), str(path))


def _simulation(path: Path) -> Evidence:
    try:
        return Evidence.model_validate_json(_text(path))
    except ValidationError as error:
        raise ConfigurationError(explain(error, Evidence, str(path))) from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigurationError(f"{path} cannot be read ({why})") from error


def _today(site: Config) -> datetime.date:
    return datetime.datetime.now(site.zone).date()


def _tell(lines: list[str]) -> None:
    for line in lines:
        typer.echo(line)
