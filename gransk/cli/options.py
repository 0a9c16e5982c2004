"""Options that several commands share."""

from __future__ import annotations

import getpass
import os
import pwd
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gransk.core.application import model_folder

if TYPE_CHECKING:
    from gransk.core.models import ModelLibrary
    from gransk.site.site_keys import Host

CONFIG = Path(__file__).resolve().parents[2] / "orthanc_config" / "gransk.yaml"

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="GRANSK_CONFIG",
        help="The configuration; without it orthanc_config/gransk.yaml beside the program.",
    ),
]

SiteConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="GRANSK_CONFIG",
        help="The configuration; without it the shipped models and the settings' defaults.",
    ),
]


def model_library(config: Path | None) -> ModelLibrary:
    """The models that a configuration names; the shipped ones without it.

    Raises
    ------
    ConfigurationError
        Where the configuration is wrong.
    """
    from gransk.core.models import ModelLibrary

    if config is None:
        return ModelLibrary(model_folder())
    from gransk.site.config import load_config
    from gransk.site.model_library import library_of

    return library_of(load_config(config))


def config_path(given: Path | None) -> Path:
    """The configuration's file: the one given, else the one beside the program."""
    return given or CONFIG


def site_host(config: Path | None) -> Host:
    """The host whose configuration this is; its settings may name active models alone.

    Raises
    ------
    ConfigurationError
    """
    from gransk.oversight.further import FURTHER
    from gransk.site.site_keys import Host

    return replace(Host.of_file(config_path(config)), further=FURTHER)


def shell_name() -> str:
    """Who works at the command line, as the event log names them."""
    from gransk.site.answering import SHELL

    return f"{SHELL}{person_here()}"[:64]


def person_here() -> str:
    """The operating system's name of who works at the command line.

    Not what the environment says (``LOGNAME``): who may approve is told by it.
    """
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return getpass.getuser()
