"""``gransk rules``: what the site's rules would do with a study. Nothing is run or sent."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from gransk.cli.options import ConfigOption, config_path
from gransk.core import reasons
from gransk.core.application import Application, applications
from gransk.core.errors import GranskError, InvalidValueError
from gransk.oversight.rule_test import Ruled, in_archive, ruled
from gransk.pipeline.trial import Tried, try_rules
from gransk.site.config import Config, check_applications, load_config
from gransk.site.database import Database, utcnow
from gransk.site.migrate import open_database
from gransk.site.settings import config_in_force
from gransk.site.settings_acts import draft_config
from gransk.site.site_keys import Host


def rules(
    study: Annotated[
        str, typer.Argument(help="Key of a study in the archive, or a folder of DICOM files.")
    ],
    draft: Annotated[
        int | None, typer.Option(help="Try the settings of this draft instead of those in force.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")] = False,
    config: ConfigOption = None,
) -> None:
    """Tell series, overrides, refusals, policy and destinations of one study.

    Exit codes: 0 where an application would analyse it, 3 where none would, 1 where it could
    not be looked at.
    """
    try:
        path = config_path(config)
        site = load_config(path)
        installed = applications()
        check_applications(site, installed)
        database = open_database(site)
        try:
            tried, found = _try(database, Host.of_file(path), study, draft)
        finally:
            database.close()
    except GranskError as error:
        typer.echo(f"gransk rules: {error}", err=True)
        raise typer.Exit(1) from error
    if tried.reason is not None or tried.unreachable:
        why = tried.reason.value if tried.reason else "the archive does not answer"
        typer.echo(f"gransk rules: {why} {tried.detail}".rstrip(), err=True)
        raise typer.Exit(1)
    told = as_dict(tried, found, installed)
    if as_json:
        print(json.dumps(told, ensure_ascii=False, allow_nan=False))
    else:
        yaml.safe_dump(told, sys.stdout, sort_keys=False, allow_unicode=True)
    raise typer.Exit(0 if any(one.read.reason is None for one in found) else 3)


def _try(
    database: Database, host: Host, study: str, draft: int | None
) -> tuple[Tried, list[Ruled]]:
    folder = Path(study)
    with database.read() as session:
        site = _settings(database, host, draft)
        known = None if folder.exists() else in_archive(session, study)
        if known is None and not folder.exists():
            raise InvalidValueError(
                "study", study, "the key of a study in the archive, or a folder that exists"
            )
    tried = try_rules(site, known, folder if known is None else None)
    now = utcnow().astimezone(site.zone)
    with database.read() as session:
        return tried, ruled(session, site, tried, known.key if known else None, now)


def _settings(database: Database, host: Host, draft: int | None) -> Config:
    with database.read() as session:
        if draft is None:
            return config_in_force(session, host)[0]
        return draft_config(session, host, draft)


def as_dict(tried: Tried, found: list[Ruled], installed: dict[str, Application]) -> dict[str, Any]:
    """What was seen, as JSON values, with English words beside the codes."""
    return {
        "images": tried.images,
        "left_out": tried.left_out,
        "modalities": list(tried.modalities),
        "unit": tried.unit or None,
        "programme": tried.programme.value if tried.programme else None,
        "facts": {fact.value: value for fact, value in tried.facts.items()},
        "applications": [_one(one, installed[one.read.application]) for one in found],
    }


def _one(one: Ruled, application: Application) -> dict[str, Any]:
    read = one.read
    if read.reason is not None:
        words = reasons.TEXTS[read.reason]["en"]
        return {
            "application": read.application,
            "analysed": False,
            "reason": read.reason.value,
            "words": words,
            "detail": read.detail,
            "overrides": {each.name: each.holds for each in read.overrides},
        }
    text = application.presentation.text
    return {
        "application": read.application,
        "analysed": True,
        "complete": read.ready,
        "overrides": {each.name: each.holds for each in read.overrides},
        "images": read.images,
        "choice": [text(note, "en") for note in read.choice],
        "warnings": [text(note, "en") for note in read.notes],
        "models": [f"{model.id} {model.version}" for model in read.models],
        "models_missing": list(read.models_missing),
        "settings": read.settings,
        "policy": one.policy,
        "plans": {each.said: json.loads(each.plan.model_dump_json()) for each in one.plans},
        "may_be_urgent": [rule.name for rule in one.priority],
        "destinations": [_json(asdict(each)) for each in one.destinations],
    }


def _json(value: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(json.dumps(value)))
