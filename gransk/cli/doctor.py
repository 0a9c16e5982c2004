"""``gransk doctor``: check everything an administrator would."""

from __future__ import annotations

import json
import logging
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gransk.cli.options import ConfigOption, config_path
from gransk.core.errors import ConfigurationError
from gransk.oversight import (
    doctor_audit,
    doctor_destinations,
    doctor_machine,
    doctor_orthanc,
    doctor_settings,
    doctor_site,
)
from gransk.oversight.doctor import OF_MODELS, Level, Result, examine
from gransk.site.config import load_config

COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}
HEADINGS = {
    "en": ("check", "state", "seen", "remedy"),
    "da": ("kontrol", "tilstand", "set", "afhjælpning"),
}
STATES = {
    "en": {Level.OK: "ok", Level.WARN: "warning", Level.FAIL: "fault"},
    "da": {Level.OK: "ok", Level.WARN: "advarsel", Level.FAIL: "fejl"},
}


BESIDE = (
    *doctor_settings.CHECKS,
    *map(
        doctor_settings.under_settings_in_force,
        (
            *doctor_machine.CHECKS,
            *OF_MODELS,
            *doctor_orthanc.CHECKS,
            *doctor_site.CHECKS,
            *doctor_destinations.CHECKS,
            *doctor_audit.CHECKS,
        ),
    ),
)
"""Checks beside the doctor's own, of the settings in force."""


class Language(StrEnum):
    DA = "da"
    EN = "en"


def doctor(
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")] = False,
    language: Annotated[
        Language | None, typer.Option(help="Of the texts; default: the site's.")
    ] = None,
) -> None:
    """Check everything an administrator would; change nothing. Exit 1 where something fails."""
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    path = config_path(config)
    console = Console(stderr=as_json)
    with console.status("..."):
        results = list(examine(path, BESIDE, doctor_settings.under_settings_in_force))
    chosen = language.value if language else _language(config)
    if as_json:
        typer.echo(json.dumps(_json(results, chosen), ensure_ascii=False, indent=2))
    else:
        console.print(_table(results, chosen))
    raise typer.Exit(1 if any(result.level is Level.FAIL for result in results) else 0)


def _language(config: ConfigOption) -> str:
    try:
        return load_config(config_path(config)).language
    except ConfigurationError:
        return "en"


def _table(results: list[Result], language: str) -> Table:
    table = Table(*HEADINGS[language])
    for result in results:
        state = f"[{COLOURS[result.level]}]{STATES[language][result.level]}[/]"
        texts = (result.name(language), result.what(language), result.remedy(language))
        name, what, remedy = map(escape, texts)
        table.add_row(name, state, what, remedy)
    return table


def _json(results: list[Result], language: str) -> dict[str, object]:
    return {
        "ok": all(result.level is not Level.FAIL for result in results),
        "checks": [
            {
                "check": result.check,
                "level": result.level.value,
                "code": result.seen,
                "what": result.what(language),
                "remedy": result.remedy(language),
            }
            for result in results
        ],
    }
