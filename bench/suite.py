"""The whole suite in a folder of its own, started as ``gransk run`` does."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gransk.cli.processes import Supervisor
from gransk.cli.run import start
from gransk.site.config import Config, load_config


@dataclass(frozen=True)
class Running:
    """A running suite: its configuration and its processes."""

    config: Config
    supervisor: Supervisor


@contextmanager
def running(
    workers: int = 1, database: Mapping[str, str] | None = None, **sections: Any
) -> Iterator[Running]:
    """Orthanc, the service and workers on free ports, with the default settings.

    Parameters
    ----------
    workers : int
    database : mapping, optional
        The configuration's section; without it, SQLite.
    sections
        Sections of the configuration beside those that say where everything is.
    """
    with tempfile.TemporaryDirectory() as place:
        ports = _free_ports(3)
        path = Path(place) / "gransk.yaml"
        values: dict[str, Any] = {
            **sections,
            "data_folder": "data",
            "orthanc": {"url": f"http://127.0.0.1:{ports[0]}", "dicom_port": ports[1]},
            "service": {"port": ports[2]},
            "workers": {"processes": workers},
            "database": dict(database or {}),
        }
        path.write_text(yaml.safe_dump(values), encoding="utf-8")
        config = load_config(path)
        supervisor = Supervisor()
        try:
            start(path, config, supervisor)
            yield Running(config, supervisor)
        finally:
            supervisor.stop()


def _free_ports(count: int) -> list[int]:
    doors = [socket.socket() for _ in range(count)]
    try:
        for door in doors:
            door.bind(("127.0.0.1", 0))
        return [int(door.getsockname()[1]) for door in doors]
    finally:
        for door in doors:
            door.close()
