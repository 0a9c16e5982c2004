"""``gransk calibrate``: make a site's calibration from its own exams."""

from __future__ import annotations

import datetime
import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml

import gransk
from gransk.cli.analyse import _progress
from gransk.cli.options import ConfigOption, config_path
from gransk.cli.output import check_folder, write_whole
from gransk.cli.site import settings_in_force
from gransk.core.application import Application, Progress, applications
from gransk.core.calibration import Calibrates, Result, Wanted
from gransk.core.errors import (
    ConfigurationError,
    GranskError,
    InvalidValueError,
    UnreadableInputError,
)
from gransk.core.study import Instance, Study
from gransk.site.config import Config, application_settings
from gransk.site.model_library import library_of

MADE, FAILED, WRONG_USE, REFUSED, UNREADABLE = 0, 1, 2, 3, 4
WORDS = {
    "en": {
        "left_out": "left out: {counts}",
        "unmatched": "{count} outcomes are of no exam here, or of several",
        "missing": "missing:",
        "lacks": "the calibration lacks:",
        "written": "written to {path}; to use it, applications.{application}: calibration: "
        "{{file: {path}}}",
    },
    "da": {
        "left_out": "udeladt: {counts}",
        "unmatched": "{count} udfald hører til ingen undersøgelse her eller til flere",
        "missing": "mangler:",
        "lacks": "kalibreringen mangler:",
        "written": "skrevet til {path}; tages i brug med applications.{application}: calibration: "
        "{{file: {path}}}",
    },
}


class Language(StrEnum):
    """Of the texts."""

    EN = "en"
    DA = "da"


@dataclass(frozen=True)
class _Source:
    """Where exams and outcomes come from."""

    folder: Path | None
    outcomes: Path | None
    start: datetime.date | None
    end: datetime.date | None


def calibrate(
    output: Annotated[Path, typer.Option(help="YAML file that receives the calibration.")],
    folder: Annotated[
        Path | None,
        typer.Argument(help="DICOM of screening exams, each analysed; none: the result store."),
    ] = None,
    outcomes: Annotated[
        Path | None,
        typer.Option(help="CSV: accession_number or study_instance_uid, cancer, follow_up_months."),
    ] = None,
    application: Annotated[
        str | None, typer.Option(help="Id; default: the only one that can be calibrated.")
    ] = None,
    consecutive: Annotated[
        bool, typer.Option("--consecutive", help="These are all screening exams of the period.")
    ] = False,
    start: Annotated[str | None, typer.Option("--from", help="First day, YYYY-MM-DD.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last day, YYYY-MM-DD.")] = None,
    follow_up_months: Annotated[
        float, typer.Option(help="From when on an exam without cancer counts as known.")
    ] = 24.0,
    high_from_score: Annotated[
        int | None, typer.Option(help="The category is high from this score on, 2 to 10.")
    ] = None,
    sensitivity: Annotated[
        float | None, typer.Option(help="High where it must be to reach this, such as 0.75.")
    ] = None,
    specificity: Annotated[
        float | None, typer.Option(help="Low where it must be to reach this, such as 0.95.")
    ] = None,
    language: Annotated[
        Language | None, typer.Option(help="Of the texts; default: the site's.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Make a calibration from consecutive screening exams, and print its figures.

    Exit codes: 0 made, 3 refused (what is missing is printed), 4 unreadable input, 2 wrong
    use, 1 failed.
    """
    try:
        wanted = _wanted(
            consecutive, follow_up_months, folder,
            {"score": high_from_score, "sensitivity": sensitivity, "specificity": specificity},
        )  # fmt: skip
        source = _Source(folder, outcomes, _day(start, "--from"), _day(end, "--to"))
        check_folder(output.absolute().parent, "--output")
        site, why = settings_in_force(config_path(config))
        if why:
            raise ConfigurationError(why)
        chosen = _application(application)
        told = language.value if language else site.language
        with _progress() as progress:
            result = _run(site, chosen, source, wanted, told, progress)
        if result.content is not None:
            content = yaml.safe_dump(
                json.loads(json.dumps(result.content)), sort_keys=False, allow_unicode=True
            )
            write_whole(output.absolute().parent, {output.name: content.encode("utf-8")})
    except UnreadableInputError as error:
        _end(UNREADABLE, str(error))
    except (ConfigurationError, InvalidValueError) as error:
        _end(WRONG_USE, str(error))
    except (GranskError, OSError) as error:
        _end(FAILED, str(error))
    words = WORDS[told]
    for line in result.report:
        typer.echo(line)
    if result.missing:
        typer.echo(words["missing" if result.content is None else "lacks"])
        for line in result.missing:
            typer.echo(f"  {line}")
    if result.content is None:
        raise typer.Exit(REFUSED)
    typer.echo(words["written"].format(path=output, application=chosen.id))


def _run(
    site: Config,
    application: Application,
    source: _Source,
    wanted: Wanted,
    language: str,
    progress: Progress,
) -> Result:
    from gransk.cli import own_exams

    outcomes = own_exams.read_outcomes(source.outcomes) if source.outcomes else {}
    settings = application_settings(site, application)
    library = library_of(site)
    models = {name: library.digest(name) for name in application.models(settings)}
    period = own_exams.Period(source.start, source.end)
    if source.folder is not None:
        studies = _studies(source.folder, progress)
        gathered = own_exams.from_studies(
            studies, application, library, settings, site.programme, period, progress
        )
    else:
        gathered = _stored(site, application, period)
    exams, unmatched = own_exams.joined(gathered.exams, outcomes)
    _tell(gathered.left_out, unmatched, language)
    if not isinstance(application, Calibrates):
        raise ConfigurationError(f"application {application.id!r} cannot be calibrated")
    return application.calibrate(exams, settings, models, wanted, language)


def _stored(site: Config, application: Application, period: Any) -> Any:
    from gransk.cli.own_exams import from_store
    from gransk.results.blobs import BlobStore
    from gransk.site.migrate import open_database

    database = open_database(site)
    try:
        with database.read() as session:
            return from_store(session, BlobStore(site.blob_folder), application, period)
    finally:
        database.close()


def _studies(folder: Path, progress: Progress) -> list[Study]:
    from gransk.archive.folder import read_paths

    found = read_paths([folder], lambda share: progress("read", share))
    if found.left_out:
        typer.echo(f"left out: {found.words}", err=True)
    by_study: dict[str, list[Instance]] = {}
    for instance in found.instances:
        by_study.setdefault(instance.study_instance_uid, []).append(instance)
    if not by_study:
        raise UnreadableInputError(f"{folder}: no DICOM object was found")
    return [Study.from_instances(instances) for instances in by_study.values()]


def _application(wanted: str | None) -> Application:
    found = {name: app for name, app in applications().items() if isinstance(app, Calibrates)}
    if wanted is not None and wanted not in found:
        raise ConfigurationError(f"--application: {wanted!r} is none of {', '.join(found) or '-'}")
    if wanted is None and len(found) != 1:
        known = ", ".join(found) or "none is installed"
        raise ConfigurationError(f"--application: name one that can be calibrated ({known})")
    return found[wanted or next(iter(found))]


def _wanted(
    consecutive: bool,
    follow_up_months: float,
    folder: Path | None,
    limits: Mapping[Literal["score", "sensitivity", "specificity"], float | None],
) -> Wanted:
    given = [(kind, target) for kind, target in limits.items() if target is not None]
    if len(given) > 1:
        raise ConfigurationError("give one of --high-from-score, --sensitivity, --specificity")
    kind, target = given[0] if given else (None, None)
    source = "the result store" if folder is None else "a folder"
    return Wanted(
        made_on=datetime.datetime.now().astimezone().date(),
        made_by=f"gransk calibrate {gransk.__version__}, exams from {source}",
        consecutive=consecutive,
        follow_up_months=follow_up_months,
        limit=kind,
        target=target,
    )


def _tell(left_out: Counter[str], unmatched: int, language: str) -> None:
    words = WORDS[language]
    if left_out:
        counts = ", ".join(f"{count} {cause}" for cause, count in sorted(left_out.items()))
        typer.echo(words["left_out"].format(counts=counts), err=True)
    if unmatched:
        typer.echo(words["unmatched"].format(count=unmatched), err=True)


def _day(text: str | None, option: str) -> datetime.date | None:
    if text is None:
        return None
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"{option}: got {text!r}, wants YYYY-MM-DD") from error


def _end(code: int, message: str) -> Any:
    print(f"gransk calibrate: {message}", file=sys.stderr)
    raise typer.Exit(code)
