"""Fixtures that several rooms share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "system"))
sys.path.insert(0, str(Path(__file__).parent / "mammo"))
sys.path.insert(0, str(Path(__file__).parent / "registry"))

from harness_orthanc import OrthancProcess, make_config


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Callable[..., OrthancProcess]]:
    """A factory of running Orthancs: ``orthanc(config=None, name="orthanc", extra=None)``.

    Each is a real process with our plugin and password, ended with the test.
    """
    started: list[OrthancProcess] = []

    def start(
        config: Any = None, name: str = "orthanc", extra: dict[str, Any] | None = None
    ) -> OrthancProcess:
        folder = tmp_path / name
        process = OrthancProcess(config or make_config(tmp_path), folder, extra)
        started.append(process)
        return process.start()

    yield start
    for process in started:
        process.stop()
