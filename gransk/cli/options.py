"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CONFIG = Path(__file__).resolve().parents[2] / "orthanc_config" / "gransk.yaml"

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="GRANSK_CONFIG",
        help="The configuration; without it orthanc_config/gransk.yaml beside the program.",
    ),
]


def config_path(given: Path | None) -> Path:
    """The configuration's file: the one given, else the one beside the program."""
    return given or CONFIG
