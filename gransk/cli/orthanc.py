"""``gransk orthanc``: Orthanc as Gransk wants it, in the place of this process."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import typer

from gransk.archive.orthanc_config import TEMPLATE, render
from gransk.cli.options import ConfigOption, config_path
from gransk.cli.site import settings_in_force
from gransk.core.errors import ConfigurationError, GranskError
from gransk.site.config import Config

DATABASE_SECONDS = 30.0
"""Orthanc waits so long for a database that starts with it; images come with or without it."""
ENVIRONMENT = {"TCP_NODELAY": "1"}
"""Without it each C-STORE answer waits for the sender's next packet."""


def orthanc(config: ConfigOption = None) -> None:
    """Write Orthanc's configuration and become Orthanc, until SIGTERM."""
    try:
        path = config_path(config)
        site, why = settings_in_force(path, DATABASE_SECONDS)
        if why:
            typer.echo(f"gransk orthanc: {why}; goes on as the file says", err=True)
        command = orthanc_command(path, site)
    except GranskError as error:
        typer.echo(f"gransk orthanc: {error}", err=True)
        raise typer.Exit(1) from error
    os.execve(command[0], command, {**os.environ, **ENVIRONMENT})  # noqa: S606


def orthanc_command(path: Path, site: Config) -> list[str]:
    """The command that starts Orthanc, after its configuration was written.

    Parameters
    ----------
    path : Path
        The configuration's file; ``orthanc.json`` beside it, where there is one, is the site's
        part of Orthanc's, else the shipped one.
    site : Config

    Raises
    ------
    ConfigurationError
        Where Orthanc is not installed.
    """
    binary = shutil.which("Orthanc", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if binary is None:
        raise ConfigurationError("Orthanc is not installed; install the Debian package orthanc")
    beside = path.resolve().parent / TEMPLATE.name
    template = beside if beside.is_file() else TEMPLATE
    return [binary, str(render(site, site.data_folder / "orthanc", template))]
