"""``gransk health``: does it work? Answered by the exit code, for containers and systemd."""

from __future__ import annotations

import socket
from typing import Annotated

import httpx
import typer

from gransk.cli.options import ConfigOption, config_path
from gransk.core.errors import GranskError
from gransk.oversight.readiness import heard
from gransk.site.config import Config, load_config
from gransk.site.database import Database

SECONDS = 5.0


def health(
    worker: Annotated[
        bool, typer.Option("--worker", help="Ask for this host's workers, not for the service.")
    ] = False,
    ready: Annotated[
        bool, typer.Option("--ready", help="The service must be able to work, not only answer.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Exit 0 where the service answers, or a worker of this host is heard of; else 1."""
    try:
        site = load_config(config_path(config))
    except GranskError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    good = _workers(site) if worker else _service(site, ready)
    raise typer.Exit(0 if good else 1)


def _workers(config: Config) -> bool:
    database = Database(config.database.url)
    try:
        count = heard(database, config.workers.lost_after_seconds, socket.gethostname())
    finally:
        database.close()
    typer.echo(f"workers of this host that are heard of: {count}")
    return count > 0


def _service(config: Config, ready: bool) -> bool:
    service = config.service
    host = "127.0.0.1" if service.host in ("0.0.0.0", "::") else service.host  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    address = f"http://{host}:{service.port}/api/{'ready' if ready else 'health'}"
    try:
        answer = httpx.get(address, timeout=SECONDS)
    except httpx.HTTPError as error:
        typer.echo(f"{address} does not answer ({type(error).__name__})", err=True)
        return False
    typer.echo(answer.text)
    return answer.status_code == 200
