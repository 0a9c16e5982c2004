"""``gransk analyse``: an application on DICOM files, without any server."""

from __future__ import annotations

import contextlib
import datetime
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from gransk.cli.options import SiteConfigOption, model_library
from gransk.cli.output import check_folder, write_whole
from gransk.core import reasons
from gransk.core.application import Application, Context, Progress, applications
from gransk.core.errors import (
    ConfigurationError,
    GranskError,
    ModelError,
    RefusalError,
    UnreadableInputError,
)
from gransk.core.findings import Findings
from gransk.core.keys import report_key, selection_key
from gransk.core.models import ModelLibrary
from gransk.core.reasons import Reason
from gransk.core.study import Study

ANALYSED, FAILED, WRONG_USE, REFUSED, UNREADABLE = 0, 1, 2, 3, 4


def analyse(
    paths: Annotated[list[Path], typer.Argument(help="DICOM files and folders of one study.")],
    prior: Annotated[Path | None, typer.Option(help="An earlier study; not yet supported.")] = None,
    profile: Annotated[
        Path | None, typer.Option(help="The patient's risk profile; not yet supported.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder that receives the DICOM objects.")
    ] = None,
    config: SiteConfigOption = None,
    candidates: Annotated[
        bool, typer.Option("--candidates", help="Add all that was proposed, reported or not.")
    ] = False,
) -> None:
    """Analyse DICOM files; print one JSON object.

    Exit codes: 0 analysed, 3 refused (the JSON tells why), 4 unreadable input,
    2 wrong use, 1 failed (with the JSON where only the DICOM objects could not be written).
    """
    for name, given in (("--prior", prior), ("--profile", profile)):
        if given is not None:
            _end(WRONG_USE, f"{name} is not yet supported; leave it out")
    try:
        if output is not None:
            check_folder(output, "--output")
        models, settings_of = _configured(config)
        with _progress() as progress:
            answer, code = _run(paths, output, models, settings_of, candidates, progress)
    except UnreadableInputError as error:
        _end(UNREADABLE, str(error))
    except ConfigurationError as error:
        _end(WRONG_USE, str(error))
    except (ModelError, GranskError, OSError) as error:
        _end(FAILED, str(error))
    print(json.dumps(answer, ensure_ascii=False, allow_nan=False))
    raise typer.Exit(code)


def _run(
    paths: list[Path],
    output: Path | None,
    models: ModelLibrary,
    settings_of: Any,
    candidates: bool,
    progress: Progress,
) -> tuple[dict[str, Any], int]:
    """The JSON object and the exit code."""
    from gransk.cli.files import one_study, read_paths

    found = read_paths(paths, lambda share: progress("read", share))
    if found.left_out:
        print(f"left out: {found.words}", file=sys.stderr)
    study = one_study(found.instances)
    application, verdict = _matching(study)
    if application is None or verdict is not None:
        return _refused(application, verdict or Reason.NO_APPLICATION, ""), REFUSED
    try:
        findings, key, header = _analyse(application, study, models, settings_of, progress)
    except RefusalError as refusal:
        return _refused(application, refusal.reason, refusal.detail), REFUSED
    except MemoryError:
        return _refused(application, Reason.MEMORY_LIMIT, ""), REFUSED
    answer = as_json(application, findings, candidates)
    if output is not None:
        progress("objects", 0.0)
        try:
            _write(application, study, findings, report_key(key, header), output)
        except (GranskError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            print(
                f"gransk analyse: no DICOM object was written to {output} ({why}); the JSON is "
                "whole: make room or name another folder, and run again for the objects",
                file=sys.stderr,
            )
            return answer, FAILED
    return answer, ANALYSED


def _matching(study: Study) -> tuple[Application | None, Reason | None]:
    """The application that reads the study, or the one whose it is and why not, or none."""
    verdicts = [(app, app.accepts(study)) for app in applications().values()]
    if not verdicts:
        raise ConfigurationError("no application is installed; install Gransk again")
    mine = [(app, why) for app, why in verdicts if why != Reason.NO_APPLICATION]
    if not mine:
        return None, Reason.NO_APPLICATION
    return min(mine, key=lambda verdict: verdict[1] is not None)


def _analyse(
    application: Application,
    study: Study,
    models: ModelLibrary,
    settings_of: Any,
    progress: Progress,
) -> tuple[Findings, str, Any]:
    settings: BaseModel = settings_of(application)
    progress("select", 0.0)
    selection = application.select(study, settings)
    key = selection_key(application, selection, settings, models)
    context = Context(models, settings, progress, key)
    findings = application.analyse(study, selection, context)
    return findings, key, selection.instances[0].header


def _write(
    application: Application, study: Study, findings: Findings, key: str, output: Path
) -> None:
    from gransk.results.dicom.objects import make_objects

    made = make_objects(
        study=study,
        findings=findings,
        presentation=application.presentation,
        pictures=application.pictures(study, findings),
        report_key=key,
        created=datetime.datetime.now().astimezone(),
    )
    named = {f"{n:02d}-{item.kind}.dcm": item.content for n, item in enumerate(made, 1)}
    write_whole(output, named)


def as_json(
    application: Application, findings: Findings, candidates: bool = False
) -> dict[str, Any]:
    """What is printed for an analysed study."""
    presentation = application.presentation
    answer: dict[str, Any] = {
        "application": findings.application,
        "models": [m.model_dump(include={"id", "version", "sha256"}) for m in findings.models],
        "series_instance_uids": list(findings.series_instance_uids),
        "findings": [
            {
                "tracking_uid": finding.tracking_uid,
                "probability": finding.probability,
                "malignancy": finding.malignancy,
                **presentation.finding_json(finding),
            }
            for finding in findings.findings
        ],
        **presentation.study_json(findings),
    }
    if candidates:
        answer["candidates"] = list(findings.candidates)
        answer["choice"] = [presentation.text(note, "en") for note in findings.choice]
        answer["notes"] = [presentation.text(note, "en") for note in findings.notes]
        answer["seconds"] = findings.seconds
    return answer


def _refused(application: Application | None, reason: Reason, detail: str) -> dict[str, Any]:
    """What is printed for a refused study; the application is null where none reads it."""
    text = reasons.text(reason, "en") + (f" ({detail})" if detail else "")
    return {
        "application": application.id if application is not None else None,
        "models": [],
        "series_instance_uids": [],
        "findings": [],
        "refused": {"reason": reason.value, "text": text},
    }


def _configured(config: Path | None) -> tuple[ModelLibrary, Any]:
    """Models, and a function that gives an application's settings."""
    library = model_library(config)
    if config is None:
        return library, lambda application: application.settings_schema()
    from gransk.site.config import application_settings, load_config

    loaded = load_config(config)
    return library, lambda application: application_settings(loaded, application)


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on the error stream where a person watches it, else nothing."""
    if not sys.stderr.isatty():
        yield lambda step, share: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda step, share: bar.update(task, description=step, completed=share)


def _end(code: int, message: str) -> None:
    print(f"gransk analyse: {message}", file=sys.stderr)
    raise typer.Exit(code)
