"""``gransk analyse``: an application on DICOM files, without any server."""

from __future__ import annotations

import contextlib
import datetime
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from pydicom import Dataset

from gransk.cli.follow_up import (
    Followed,
    Refused,
    finding_json,
    follower,
    inherited,
    read_profile,
    same_patient,
    study_json,
)
from gransk.cli.options import SiteConfigOption, model_library
from gransk.cli.output import check_folder, write_whole
from gransk.core import reasons
from gransk.core.application import (
    Application,
    Context,
    Examined,
    Picture,
    Progress,
    applications,
)
from gransk.core.errors import (
    ConfigurationError,
    GranskError,
    ModelError,
    RefusalError,
    UnreadableInputError,
)
from gransk.core.findings import Findings
from gransk.core.followup import Comparison, FollowUp, NotCompared
from gransk.core.keys import report_key, selection_key
from gransk.core.models import ModelLibrary
from gransk.core.reasons import Reason
from gransk.core.study import Study

ANALYSED, FAILED, WRONG_USE, REFUSED, UNREADABLE = 0, 1, 2, 3, 4


def analyse(
    paths: Annotated[list[Path], typer.Argument(help="DICOM files and folders of one study.")],
    prior: Annotated[
        Path | None, typer.Option(help="File or folder of an earlier study to compare with.")
    ] = None,
    profile: Annotated[
        Path | None, typer.Option(help="The patient's risk profile, a JSON file.")
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

    Exit codes: 0 analysed, 3 refused (the JSON tells why), 4 unreadable input, prior or profile,
    2 wrong use, 1 failed (with the JSON where only the DICOM objects could not be written).
    """
    try:
        if output is not None:
            check_folder(output, "--output")
        models, settings_of = _configured(config)
        with _progress() as progress:
            beside = _Beside(prior, profile)
            answer, code = _run(paths, beside, output, models, settings_of, candidates, progress)
    except UnreadableInputError as error:
        _end(UNREADABLE, str(error))
    except ConfigurationError as error:
        _end(WRONG_USE, str(error))
    except (ModelError, GranskError, OSError) as error:
        _end(FAILED, str(error))
    print(json.dumps(answer, ensure_ascii=False, allow_nan=False))
    raise typer.Exit(code)


@dataclass(frozen=True)
class _Beside:
    """What is given beside the study."""

    prior: Path | None = None
    profile: Path | None = None

    @property
    def given(self) -> bool:
        return self.prior is not None or self.profile is not None


def _run(
    paths: list[Path],
    beside: _Beside,
    output: Path | None,
    models: ModelLibrary,
    settings_of: Any,
    candidates: bool,
    progress: Progress,
) -> tuple[dict[str, Any], int]:
    """The JSON object and the exit code."""
    study = _read(paths, progress)
    prior = None if beside.prior is None else _read([beside.prior], progress)
    application, verdict = _matching(study)
    if application is None or verdict is not None:
        return _refused(application, verdict or Reason.NO_APPLICATION, ""), REFUSED
    profile = None
    if beside.given:
        follower(application, "--profile" if beside.prior is None else "--prior")
    if beside.profile is not None:
        profile = read_profile(beside.profile, application)
    try:
        analysed = _analyse(application, study, models, settings_of, progress)
    except RefusalError as refusal:
        return _refused(application, refusal.reason, refusal.detail), REFUSED
    except MemoryError:
        return _refused(application, Reason.MEMORY_LIMIT, ""), REFUSED
    followed = None
    if beside.given:
        analysed, followed = _follow(application, study, analysed, prior, profile, progress)
    answer = as_json(application, analysed.findings, candidates, followed)
    if output is not None:
        progress("objects", 0.0)
        try:
            _write(application, study, analysed, followed, output)
        except (GranskError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            print(
                f"gransk analyse: no DICOM object was written to {output} ({why}); the JSON is "
                "whole: make room or name another folder, and run again for the objects",
                file=sys.stderr,
            )
            return answer, FAILED
    return answer, ANALYSED


def _read(paths: list[Path], progress: Progress) -> Study:
    from gransk.archive.folder import one_study, read_paths

    found = read_paths(paths, lambda share: progress("read", share))
    if found.left_out:
        print(f"left out: {found.words}", file=sys.stderr)
    return one_study(found.instances)


def _follow(
    application: Application,
    study: Study,
    analysed: _Analysed,
    prior: Study | None,
    profile: dict[str, Any] | None,
    progress: Progress,
) -> tuple[_Analysed, Followed]:
    """Compare with the prior where there is one, and assess; a lesion keeps its tracking UID."""
    comparison, refused = None, None
    if prior is not None:
        found = _compared(application, study, analysed, prior, progress)
        comparison, refused = (found, None) if isinstance(found, Comparison) else (None, found)
    findings, follows = analysed.findings, follower(application, "--profile")
    sides: tuple[Picture, ...] = ()
    if comparison is not None and prior is not None:
        findings, comparison = inherited(findings, comparison)
        sides = tuple(follows.comparison_pictures(study, prior, comparison))
    told = FollowUp(
        comparisons=() if comparison is None else (comparison,),
        not_compared=() if refused is None else (NotCompared(reason=refused.reason),),
        profile=profile,
    )
    settings = analysed.context.settings
    assessment = follows.assess(study, findings, told.comparisons, profile, settings)
    told = told.model_copy(update={"assessment": assessment})
    text = {"en": follows.report_text(study, findings, told, "en")}
    told = told.model_copy(update={"text": text})
    own = replace(analysed, findings=findings)
    return own, Followed(comparison, refused, assessment, told, sides)


def _compared(
    application: Application, study: Study, analysed: _Analysed, prior: Study, progress: Progress
) -> Comparison | Refused:
    """The comparison with the prior, or why there is none; the study's analysis stands."""
    if not same_patient(study, prior):
        return Refused(Reason.PRIOR_IDENTITY_MISMATCH)
    verdict = application.accepts(prior)
    if verdict is not None:
        return Refused(Reason.PRIOR_NOT_ANALYSED, verdict)
    context = analysed.context
    try:
        earlier = _analyse(application, prior, context.models, lambda _: context.settings, progress)
    except RefusalError as refusal:
        return Refused(Reason.PRIOR_NOT_ANALYSED, refusal.reason)
    except MemoryError:
        return Refused(Reason.PRIOR_NOT_ANALYSED, Reason.MEMORY_LIMIT)
    try:
        comparison = follower(application, "--prior").compare(
            Examined(study, analysed.findings), Examined(prior, earlier.findings), context
        )
    except RefusalError as refusal:
        return Refused(refusal.reason)
    except MemoryError:
        return Refused(Reason.MEMORY_LIMIT)
    return comparison if comparison.refused is None else Refused(comparison.refused)


def _matching(study: Study) -> tuple[Application | None, Reason | None]:
    """The application that reads the study, or the one whose it is and why not, or none."""
    verdicts = [(app, app.accepts(study)) for app in applications().values()]
    if not verdicts:
        raise ConfigurationError("no application is installed; install Gransk again")
    mine = [(app, why) for app, why in verdicts if why != Reason.NO_APPLICATION]
    if not mine:
        return None, Reason.NO_APPLICATION
    return min(mine, key=lambda verdict: verdict[1] is not None)


@dataclass(frozen=True)
class _Analysed:
    """Findings, what they were made with, and the header of the first image."""

    findings: Findings
    context: Context
    header: Dataset


def _analyse(
    application: Application,
    study: Study,
    models: ModelLibrary,
    settings_of: Any,
    progress: Progress,
) -> _Analysed:
    settings: BaseModel = settings_of(application)
    progress("select", 0.0)
    selection = application.select(study, settings)
    key = selection_key(application, selection, settings, models)
    context = Context(models, settings, progress, key)
    findings = application.analyse(study, selection, context)
    return _Analysed(findings, context, selection.instances[0].header)


def _write(
    application: Application,
    study: Study,
    analysed: _Analysed,
    followed: Followed | None,
    output: Path,
) -> None:
    from gransk.results.dicom.objects import make_objects

    findings, told = analysed.findings, None if followed is None else followed.told
    extra = {} if told is None else {"follow_up": told.model_dump_json()}
    made = make_objects(
        study=study,
        findings=findings,
        presentation=application.presentation,
        pictures=application.pictures(study, findings),
        report_key=report_key(analysed.context.analysis_key, analysed.header, extra),
        created=datetime.datetime.now().astimezone(),
        follow_up=told,
        compared=() if followed is None else followed.sides,
        text="" if told is None else told.text["en"],
    )
    named = {f"{n:02d}-{item.kind}.dcm": item.content for n, item in enumerate(made, 1)}
    write_whole(output, named)


def as_json(
    application: Application,
    findings: Findings,
    candidates: bool = False,
    followed: Followed | None = None,
) -> dict[str, Any]:
    """What is printed for an analysed study, with what followed where that was asked."""
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
                **presentation.finding_json(finding, findings.findings),
                **({} if followed is None else finding_json(application, finding, followed)),
            }
            for finding in findings.findings
        ],
        **presentation.study_json(findings),
        **({} if followed is None else study_json(application, followed)),
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
