"""``gransk config``: check, show, change and trace the configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import yaml
from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from gransk.cli.options import ConfigOption, config_path, person_here, shell_name, site_host
from gransk.core.application import applications
from gransk.core.errors import GranskError
from gransk.site import settings_acts, settings_drafts
from gransk.site.config import Config, check_applications, load_config
from gransk.site.database import Database
from gransk.site.differences import Change, Kind, differences
from gransk.site.migrate import open_database
from gransk.site.people import find_account
from gransk.site.settings_drafts import Draft, DraftState, settings_now
from gransk.site.settings_file import export_settings, import_settings
from gransk.site.settings_refusals import SettingsError, SettingsRefusal
from gransk.site.site_keys import Host, machine_content, site_content, site_digest
from gransk.site.tables import SettingVersion

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True,
                  help="Check, show and change the configuration.")  # fmt: skip

ReasonOption = Annotated[str, typer.Option("--reason", help="Why it changes.")]


@app.command("check")
def check(
    file: Annotated[Path | None, typer.Argument(help="The configuration to check.")] = None,
    config: ConfigOption = None,
) -> None:
    """Check every key, the applications' too. Exit 1 where one is wrong."""
    path = config_path(file or config)
    site = _load(path)
    typer.echo(f"{path}: good (settings {site_digest(site_content(site))[:12]})")


@app.command("show")
def show(config: ConfigOption = None) -> None:
    """Print what the file says with its defaults, passwords masked; `export` prints what is in
    force."""
    site = _load(config)
    typer.echo("# Keys of this machine: they count from its file, from the next start.")
    _print_yaml(machine_content(site))
    typer.echo("# Keys of the site: changes are taken in while the service runs.")
    _print_yaml(site_content(site))


@app.command("versions")
def versions(
    config: ConfigOption = None,
    number: Annotated[int | None, typer.Option(help="Print this version whole.")] = None,
) -> None:
    """List the versions that were in force, or print one."""
    with _open(config) as (_, database), database.read() as session:
        rows = session.scalars(select(SettingVersion).order_by(SettingVersion.number)).all()
    if number is None:
        table = Table("number", "at (UTC)", "author", "reason", "draft", "digest")
        for row in rows:
            at = row.at.strftime("%Y-%m-%d %H:%M:%S")
            draft = "" if row.draft is None else str(row.draft)
            table.add_row(str(row.number), at, row.author, row.reason, draft, row.digest[:12])
        Console().print(table)
        return
    chosen = next((row for row in rows if row.number == number), None)
    if chosen is None:
        typer.echo(f"there is no version {number}", err=True)
        raise typer.Exit(1)
    _print_yaml(chosen.content)


@app.command("export")
def export(
    config: ConfigOption = None,
    version: Annotated[int | None, typer.Option(help="Of this version.")] = None,
) -> None:
    """Print the site's keys that are in force, complete, as YAML that `import` takes."""
    with _open(config) as (host, database), database.read() as session:
        if version is None:
            content = settings_now(session, host).content
        else:
            content = settings_drafts.content_of(session, host, version)
    typer.echo(export_settings(content), nl=False)


@app.command("import")
def take(
    file: Annotated[Path, typer.Argument(help="YAML with keys of the site.")],
    reason: ReasonOption,
    config: ConfigOption = None,
) -> None:
    """Draft what a file says; a key that it leaves out has its default."""
    with _open(config) as (host, database):
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8"
            raise SettingsError(SettingsRefusal.UNREADABLE, f"{file}: {why}") from error
        try:
            with database.begin() as session:
                made = import_settings(session, host, text, shell_name(), reason)
        except SettingsError as error:
            if error.refusal is not SettingsRefusal.NO_CHANGE:
                raise
            typer.echo("nothing changes")
            return
        _tell(database, host, made)


@app.command("drafts")
def list_drafts(
    config: ConfigOption = None,
    every: Annotated[bool, typer.Option("--all", help="Those that are settled too.")] = False,
) -> None:
    """List drafts that wait for an approval."""
    with _open(config) as (_, database), database.read() as session:
        found = settings_drafts.drafts(session, waiting=not every)
    table = Table("number", "at (UTC)", "author", "reason", "state", "waits for")
    for one in found:
        at = one.row.at.strftime("%Y-%m-%d %H:%M:%S")
        waits = ", ".join(unit or "the site" for unit in one.open_units)
        table.add_row(
            str(one.number), at, one.row.author, one.row.reason, one.state.value,
            waits if one.state is DraftState.WAITING else "",
        )  # fmt: skip
    Console().print(table)


@app.command("diff")
def diff(
    config: ConfigOption = None,
    draft: Annotated[int | None, typer.Option(help="What this draft would change.")] = None,
    version: Annotated[int | None, typer.Option(help="What this version changed.")] = None,
) -> None:
    """Print what a draft or a version changes, or how the file differs from what is in force."""
    with _open(config) as (host, database), database.read() as session:
        if draft is not None:
            changes = settings_drafts.changes_of(session, host, draft)
        elif version is not None:
            changes = settings_drafts.version_changes(session, host, version)
        else:
            said = site_content(host.config)
            now = settings_now(session, host).content
            changes = differences(now, said)
    _print_changes(changes)


@app.command("approve")
def approve(
    number: Annotated[int, typer.Argument(help="Of the draft.")], config: ConfigOption = None
) -> None:
    """Approve a draft, as the account of who works at this command line."""
    with _open(config) as (host, database):
        with database.begin() as session:
            name = person_here()
            account = find_account(session, name)
            if account is None:
                raise SettingsError(SettingsRefusal.NOT_RESPONSIBLE, f"no account {name!r}")
            made = settings_acts.approve(session, host, number, account)
        _tell(database, host, made)


@app.command("undo")
def undo(
    version: Annotated[int, typer.Argument(help="What this version changed is undone.")],
    reason: ReasonOption,
    config: ConfigOption = None,
) -> None:
    """Draft what stood before a version; what came after it stays."""
    with _open(config) as (host, database):
        with database.begin() as session:
            made = settings_acts.undo(session, host, version, shell_name(), reason)
        _tell(database, host, made)


@contextmanager
def _open(config: ConfigOption) -> Iterator[tuple[Host, Database]]:
    """This machine and its database; what is refused is told, and ends the command."""
    try:
        host = site_host(config)
        database = open_database(host.config)
        try:
            yield host, database
        finally:
            database.close()
    except GranskError as error:
        _fail(error)


def _tell(database: Database, host: Host, made: Draft) -> None:
    with database.read() as session:
        changes = settings_drafts.changes_of(session, host, made.number)
    _print_changes(changes)
    if made.state is DraftState.IN_FORCE:
        typer.echo(f"version {made.version} is in force")
    elif made.state is DraftState.OVERTAKEN:
        typer.echo(f"draft {made.number} is closed: {settings_drafts.OVERTAKEN}")
    else:
        units = ", ".join(unit or "the site" for unit in made.open_units)
        typer.echo(f"draft {made.number} waits for approval: {units}")


def _print_changes(changes: Iterable[Change]) -> None:
    for change in changes:
        before, after = _value(change.before), _value(change.after)
        if change.kind is Kind.ADDED:
            typer.echo(f"+ {change.key}: {after}")
        elif change.kind is Kind.REMOVED:
            typer.echo(f"- {change.key}: {before}")
        else:
            typer.echo(f"~ {change.key}: {before} -> {after}")


def _value(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


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
