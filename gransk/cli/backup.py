"""``gransk backup`` and ``gransk restore``."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from gransk.cli.options import ConfigOption, config_path
from gransk.cli.site import settings_in_force
from gransk.core.errors import GranskError
from gransk.oversight.backup import make_backup
from gransk.oversight.backup_set import chosen, read_manifest
from gransk.oversight.backup_set import verify as verify_set
from gransk.oversight.restoring import restore_backup


def backup(
    folder: Annotated[Path, typer.Argument(help="The backup folder, on another disk.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Read the newest backup whole; make none.")
    ] = False,
    keep: Annotated[
        int | None, typer.Option(min=1, help="How many backups stay; default: all.")
    ] = None,
    secrets: Annotated[bool, typer.Option(help="Take passwords along.")] = True,
    config: ConfigOption = None,
) -> None:
    """Back up everything while it runs. Exit 1 where something is missing or damaged."""
    try:
        if verify:
            _verify(folder)
            return
        path = config_path(config)
        site, why = settings_in_force(path)
        made = make_backup(site, path, folder, _actor(), keep, secrets)
    except (GranskError, OSError) as error:
        _fail("backup", error)
    typer.echo(
        f"{made.path}: {made.manifest.events} events, {made.manifest.blobs} objects, "
        f"{made.copied} of them new ({made.copied_bytes} bytes)"
    )
    for name in made.removed:
        typer.echo(f"{name}: removed")
    for sha256 in made.manifest.missing:
        typer.echo(f"object {sha256}: missing or damaged in the data folder", err=True)
    for one in made.unread:
        typer.echo(
            f"reading.levels_file: {one} cannot be read and is not in the backup; put it back, "
            "the service does not start without it",
            err=True,
        )
    if why:
        typer.echo(f"{why}; a file that they name is not in the backup", err=True)
    if made.manifest.missing or made.unread or why:
        raise typer.Exit(1)


def restore(
    backup: Annotated[Path, typer.Argument(help="A backup, or the folder of several.")],
    config: Annotated[
        Path, typer.Option("--config", help="Configuration of the new machine; made if missing.")
    ],
) -> None:
    """Restore a backup onto an empty machine."""
    try:
        done = restore_backup(backup, config, _actor(), lambda text: typer.echo(f"{text} ..."))
    except (GranskError, OSError) as error:
        _fail("restore", error)
    typer.echo(
        f"{done.set.name} restored: {done.manifest.events} events, chain whole, "
        f"{done.manifest.blobs} objects. Start Orthanc, then gransk serve and gransk worker."
    )
    for sha256 in done.manifest.missing:
        typer.echo(f"object {sha256}: was missing when the backup was made", err=True)


def _verify(folder: Path) -> None:
    one = chosen(folder)
    manifest = read_manifest(one)
    faults = list(verify_set(one))
    for fault in faults:
        typer.echo(fault, err=True)
    for sha256 in manifest.missing:
        typer.echo(f"object {sha256}: was missing when the backup was made", err=True)
    if faults or manifest.missing:
        raise typer.Exit(1)
    typer.echo(f"{one}: whole, {manifest.events} events, {manifest.blobs} objects")


def _actor() -> str:
    return f"shell:{getpass.getuser()}"[:64]


def _fail(command: str, error: Exception) -> NoReturn:
    typer.echo(f"gransk {command}: {error}", err=True)
    raise typer.Exit(1) from error
