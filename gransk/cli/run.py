"""``gransk run``: Orthanc, the service, workers and the viewer on this machine."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated
from urllib.parse import urlsplit

import httpx
import typer
from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from gransk.archive.orthanc import ArchiveUnavailableError, Orthanc
from gransk.cli.demonstration import choose, send_missing
from gransk.cli.options import ConfigOption, config_path
from gransk.cli.orthanc import ENVIRONMENT, orthanc_command
from gransk.cli.processes import Process, Supervisor, gransk_command
from gransk.cli.site import open_site
from gransk.core.errors import ConfigurationError, GranskError
from gransk.site.config import Config, load_config
from gransk.site.database import Database
from gransk.site.people import first_administrator_link, has_administrator

READY_SECONDS = 60.0

console = Console(highlight=False)


def run(
    study: Annotated[
        Path | None, typer.Option(help="A folder of DICOM files to send as demonstration.")
    ] = None,
    demonstration: Annotated[
        bool, typer.Option(help="Send a demonstration study where the archive lacks it.")
    ] = True,
    config: ConfigOption = None,
) -> None:
    """Start Orthanc, the service and the workers here, and end them with Ctrl-C."""
    try:
        path, site = _configuration(config)
        with _only_one(site), _interrupts(), _supervised() as supervisor:
            start(path, site, supervisor)
            if demonstration:
                _demonstrate(site, study)
            _announce(site)
            while True:
                supervisor.check()
                time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("Stopped.")
    except GranskError as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(1) from error


def start(path: Path, site: Config, supervisor: Supervisor) -> None:
    """Start every process and wait until each answers.

    Parameters
    ----------
    path : Path
        The configuration's file.
    site : Config
    supervisor : Supervisor
        Receives the processes ``orthanc``, ``service`` and ``worker-1`` ...

    Raises
    ------
    ConfigurationError
        Where a port is taken or Orthanc is not installed.
    """
    _check_ports(site)
    in_force, database = open_site(path)
    database.close()
    command = orthanc_command(path, in_force)
    logs = site.data_folder / "logs"
    with _step("Orthanc"):
        supervisor.add(Process("orthanc", command, logs / "orthanc.log", ENVIRONMENT))
        _wait(lambda: _orthanc_answers(site), supervisor, "orthanc")
    with _step("Service"):
        command = gransk_command("serve", "--config", str(path))
        supervisor.add(Process("service", command, logs / "service.log"))
        _wait(lambda: _service_answers(site), supervisor, "service")
    with _step("Workers"):
        for slot in range(site.workers.processes):
            command = gransk_command("worker", "--slot", str(slot), "--config", str(path))
            name = f"worker-{slot}"
            supervisor.add(Process(name, command, logs / f"{name}.log"))


def _configuration(path: Path | None) -> tuple[Path, Config]:
    chosen = config_path(path)
    return chosen, load_config(chosen)


@contextmanager
def _supervised() -> Iterator[Supervisor]:
    supervisor = Supervisor(told=lambda text: console.print(f"[yellow]{text}[/yellow]"))
    try:
        yield supervisor
    finally:
        supervisor.stop()


@contextmanager
def _only_one(site: Config) -> Iterator[None]:
    lock = FileLock(site.data_folder / "run.lock", timeout=0)
    try:
        site.data_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock.acquire()
    except Timeout as error:
        raise ConfigurationError(
            f"Gransk already runs on {site.data_folder}; stop it first, or set data_folder"
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"data_folder: {site.data_folder} cannot be written ({error.strerror}); wants a folder "
            "that this user may write"
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _interrupts() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end us as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    yield


@contextmanager
def _step(name: str) -> Iterator[None]:
    began = time.monotonic()
    with console.status(f"{name} starts"):
        yield
    console.print(f"{name} runs [dim]({time.monotonic() - began:.1f} s)[/dim]")


def _check_ports(site: Config) -> None:
    orthanc = urlsplit(site.orthanc.url)
    for key, host, port in (
        ("orthanc.url", orthanc.hostname or "127.0.0.1", orthanc.port or 80),
        ("orthanc.dicom_port", "127.0.0.1", site.orthanc.dicom_port),
        ("service.port", "127.0.0.1", site.service.port),
    ):
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex((host, port)) == 0:
                raise ConfigurationError(
                    f"{key}: another program listens at {host}:{port}; stop it or set another port"
                )


def _wait(answers: Callable[[], bool], supervisor: Supervisor, name: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    process = next(p for p in supervisor.processes if p.name == name)
    while not answers():
        if not process.running or time.monotonic() > deadline:
            raise ConfigurationError(f"{name} did not start; its log {process.log} says why")
        time.sleep(0.1)


def _orthanc_answers(site: Config) -> bool:
    orthanc = Orthanc(site.orthanc)
    try:
        orthanc.system()
    except ArchiveUnavailableError:
        return False
    finally:
        orthanc.close()
    return True


def _service_answers(site: Config) -> bool:
    try:
        url = f"http://127.0.0.1:{site.service.port}/api/health"
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _demonstrate(site: Config, study: Path | None) -> None:
    data = Path(os.environ.get("GRANSK_DATA", "../shared/data"))
    orthanc = Orthanc(site.orthanc)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    try:
        with console.status("Looking for a demonstration study"):
            studies = choose(study, data, site.data_folder / "phantom")
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("Sending to Orthanc", total=None)
            sent = send_missing(
                studies,
                orthanc,
                site.orthanc,
                lambda done, total: bar.update(task, completed=done, total=total),
            )
    finally:
        orthanc.close()
    there = len(studies) - sent
    console.print(f"Demonstration: {sent} studies sent, {there} already in the archive")


def _announce(site: Config) -> None:
    database = Database(site.database.url)
    try:
        with database.begin() as session:
            token = None if has_administrator(session) else first_administrator_link(session)
    finally:
        database.close()
    console.print(f"\nReading worklist: [bold]{site.service.public_url}/[/bold]")
    if token:
        console.print("First administrator, once, within 24 hours:")
        console.print(f"  {site.service.public_url}/start?token={token}", soft_wrap=True)
    console.print(
        f"Orthanc takes DICOM as {site.orthanc.aet} on port {site.orthanc.dicom_port}. "
        f"Logs: {site.data_folder / 'logs'}. Ctrl-C stops everything.",
        soft_wrap=True,
    )
