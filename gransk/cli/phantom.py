"""``gransk phantom``: a synthetic study, and the test of what came back for it."""

from __future__ import annotations

import json
import sys
import uuid
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from pydicom import Dataset
from pydicom.uid import ComprehensiveSRStorage

from gransk.archive.files import read_file
from gransk.archive.folder import has_prefix
from gransk.cli.analyse import _progress
from gransk.cli.output import check_folder
from gransk.core import reasons
from gransk.core.application import Application, applications
from gransk.core.errors import (
    ConfigurationError,
    GranskError,
    InvalidValueError,
    RefusalError,
    UnreadableInputError,
)
from gransk.core.reasons import Reason

TRUTH = "truth.json"
WORDS = {
    "en": {
        "heading": "  #  outcome   kind                        volume %   long mm  short mm",
        "found": "found", "missed": "missed", "extra": "extra",
        "outside": "outside the limits", "passed": "passed", "failed": "FAILED",
        "refused": "the study was refused",
        "unreadable": "truth or result cannot be read",
        "give": f"give {TRUTH}'s folder, and the JSON that gransk analyse printed, its --output "
        "folder or a structured report",
    },
    "da": {
        "heading": "  #  udfald    art                        volumen %  længst mm kortest mm",
        "found": "fundet", "missed": "overset", "extra": "ekstra",
        "outside": "uden for grænserne", "passed": "bestået", "failed": "IKKE BESTÅET",
        "refused": "undersøgelsen blev afvist",
        "unreadable": "facit eller resultat kan ikke læses",
        "give": f"angiv mappen med {TRUTH}, og den JSON, som gransk analyse skrev, dens "
        "--output-mappe eller en struktureret rapport",
    },
}  # fmt: skip


class Language(StrEnum):
    """What the check is told in."""

    EN = "en"
    DA = "da"


def phantom(
    folder: Annotated[
        Path, typer.Argument(help="Folder to write to; with --check, where the truth lies.")
    ],
    check: Annotated[
        Path | None,
        typer.Option(
            help="Compare with the truth in FOLDER: the JSON of gransk analyse, "
            "its --output folder, or a structured report of Gransk that an archive gave."
        ),
    ] = None,
    language: Annotated[Language, typer.Option(help="Of what --check says.")] = Language.EN,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal images.")] = 1,
    spacing: Annotated[float, typer.Option(help="Between slices, mm.")] = 2.0,
    thickness: Annotated[
        float | None, typer.Option(help="Of a slice, mm; as the spacing where absent.")
    ] = None,
    slices: Annotated[
        int | None, typer.Option(help="Number of slices; 280 mm where absent.")
    ] = None,
    nodules: Annotated[int, typer.Option(help="Number of nodules.")] = 5,
    matrix: Annotated[int, typer.Option(help="Rows and columns.")] = 512,
    kernel: Annotated[str, typer.Option(help="B30f, STANDARD or LUNG.")] = "STANDARD",
    noise: Annotated[float, typer.Option(help="Standard deviation, HU.")] = 18.0,
    character_set: Annotated[
        str, typer.Option(help="ISO_IR 100, ISO_IR 192 or \\ISO 2022 IR 87.")
    ] = "ISO_IR 100",
    days: Annotated[int, typer.Option(help="A later scan of the same chest, so many days on.")] = 0,
    growth: Annotated[
        float, typer.Option(help="Volume that its nodules gained until then, percent.")
    ] = 0.0,
    new_study: Annotated[
        bool, typer.Option("--new-study", help="Fresh UIDs, so that an archive sees a new study.")
    ] = False,
) -> None:
    """Write a synthetic chest CT as DICOM, or check what came back for it.

    The folder receives the images and truth.json. With --check: exit 0 within the
    acceptance limits, 1 outside them or refused, 4 where the result cannot be read.
    """
    application = _application()
    command = application.presentation.commands["phantom"]
    if check is not None:
        _check(application, folder, check, language.value)
    given = {
        "seed": seed, "spacing_mm": spacing, "thickness_mm": thickness, "slices": slices,
        "nodules": nodules, "matrix": matrix, "kernel": kernel, "noise_hu": noise,
        "character_set": character_set, "days": days, "growth_percent": growth,
        "salt": uuid.uuid4().hex if new_study else "",
    }  # fmt: skip
    try:
        spec = command.spec_schema.model_validate(given)
    except ValidationError as error:
        for fault in error.errors():
            at = f"{fault['loc'][0]}: got {fault['input']!r}; " if fault["loc"] else ""
            _say(f"{at}{fault['msg']}")
        raise typer.Exit(2) from error
    _check_empty(folder)
    with _progress() as progress:
        try:
            made = command.make(spec, progress)
        except InvalidValueError as error:
            _say(str(error))
            raise typer.Exit(2) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(made.images, 1):
            image.save_as(folder / f"{number:04d}.dcm", enforce_file_format=True)
        (folder / TRUTH).write_text(json.dumps(made.truth, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        _say(f"{folder} cannot be written to ({error.strerror}); make room or name another folder")
        raise typer.Exit(1) from error
    count = len(made.images)
    typer.echo(f"{count} {'image' if count == 1 else 'images'} and {TRUTH} in {folder}")


def _check_empty(folder: Path) -> None:
    """End where a phantom cannot be written to a folder, or something is in it."""
    try:
        check_folder(folder, "FOLDER")
    except ConfigurationError as error:
        _say(str(error))
        raise typer.Exit(2) from error
    if folder.exists() and any(folder.iterdir()):
        _say(f"{folder} is not empty; give a new folder")
        raise typer.Exit(2)


def _check(application: Application, folder: Path, result: Path, language: str) -> None:
    """Print the comparison and end."""
    words = WORDS[language]
    try:
        truth = json.loads((folder / TRUTH).read_text(encoding="utf-8"))
        found = _found(application, truth, result)
        command = application.presentation.commands["phantom"]
        outcome = command.check(truth, found, language=language)
    except RefusalError as refusal:
        _say(f"{words['refused']}: {reasons.text(refusal.reason, language)}")
        raise typer.Exit(1) from refusal
    except (OSError, GranskError, ValueError, KeyError, TypeError, AttributeError) as error:
        known = isinstance(error, GranskError)
        _say(f"{words['unreadable']} ({error if known else type(error).__name__}); "
             f"{words['give']}")  # fmt: skip
        raise typer.Exit(4) from error
    typer.echo(words["heading"])
    for row in outcome.rows:
        sizes = (row.volume_percent, row.long_axis_mm, row.short_axis_mm)
        shown = "".join(f"{'' if v is None else format(v, '+.1f'):>10}" for v in sizes)
        if language == "da":
            shown = shown.replace(".", ",")
        typer.echo(f"{row.number or '-':>3}  {words[row.outcome]:<8}  {row.kind:<26}{shown}")
    for fault in outcome.faults:
        typer.echo(f"{words['outside']}: {fault}")
    typer.echo(words["passed"] if outcome.passed else words["failed"])
    raise typer.Exit(0 if outcome.passed else 1)


def _found(application: Application, truth: Any, result: Path) -> list[dict[str, Any]]:
    """Findings of the JSON of ``gransk analyse``, of a structured report or of a folder with one.

    Raises
    ------
    RefusalError
        Where the study was refused.
    UnreadableInputError
        Where the report is missing, one of several or of another study.
    """
    path = _one_report(result) if result.is_dir() else result
    if has_prefix(path):
        if str(read_file(path, pixels=False).StudyInstanceUID) != truth["study_instance_uid"]:
            raise UnreadableInputError(f"{path.name} is of another study than the phantom's")
        from gransk.results.dicom.read import read_report

        found = read_report(path.read_bytes())
        return [dict(application.presentation.finding_json(one, found)) for one in found]
    answer = json.loads(path.read_text(encoding="utf-8"))
    if answer.get("refused"):
        raise RefusalError(Reason(answer["refused"]["reason"]))
    told: list[dict[str, Any]] = answer["findings"]
    return told


def _one_report(folder: Path) -> Path:
    """The one structured report in a folder."""
    reports = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if has_prefix(path) and _is_report(read_file(path, pixels=False)):
            reports.append(path)
    if len(reports) != 1:
        raise UnreadableInputError(f"{folder} holds {len(reports)} structured reports; give one")
    return reports[0]


def _is_report(header: Dataset) -> bool:
    """A structured report with measurements, and no CAD report beside it."""
    return bool(header.get("SOPClassUID") == ComprehensiveSRStorage)


def _application() -> Application:
    for application in applications().values():
        if "phantom" in application.presentation.commands:
            return application
    _say("no installed application makes a phantom")
    raise typer.Exit(1)


def _say(message: str) -> None:
    print(f"gransk phantom: {message}", file=sys.stderr)
