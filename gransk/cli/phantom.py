"""``gransk phantom``: a synthetic study, and the test of what came back for it."""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from gransk.cli.analyse import _progress
from gransk.core.application import applications
from gransk.core.errors import InvalidValueError

TRUTH = "truth.json"


def phantom(
    folder: Annotated[
        Path, typer.Argument(help="Folder to write to; with --check, where the truth lies.")
    ],
    check: Annotated[
        Path | None,
        typer.Option(help="Compare the JSON of gransk analyse with the truth in FOLDER."),
    ] = None,
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
    new_study: Annotated[
        bool, typer.Option("--new-study", help="Fresh UIDs, so that an archive sees a new study.")
    ] = False,
) -> None:
    """Write a synthetic chest CT as DICOM, or check what came back for it.

    The folder receives the images and truth.json. With --check: exit 0 within the
    acceptance limits, 1 outside them, 4 where the result cannot be read.
    """
    command = _command()
    if check is not None:
        _check(command, folder, check)
    given = {
        "seed": seed, "spacing_mm": spacing, "thickness_mm": thickness, "slices": slices,
        "nodules": nodules, "matrix": matrix, "kernel": kernel, "noise_hu": noise,
        "character_set": character_set,
        "salt": uuid.uuid4().hex if new_study else "",
    }  # fmt: skip
    try:
        spec = command.spec_schema.model_validate(given)
    except ValidationError as error:
        for fault in error.errors():
            _say(f"{fault['loc'][0]}: got {fault['input']!r}; {fault['msg']}")
        raise typer.Exit(2) from error
    if folder.exists() and any(folder.iterdir()):
        _say(f"{folder} is not empty; give a new folder")
        raise typer.Exit(2)
    with _progress() as progress:
        try:
            made = command.make(spec, progress)
        except InvalidValueError as error:
            _say(str(error))
            raise typer.Exit(2) from error
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(made.images, 1):
        image.save_as(folder / f"{number:04d}.dcm", enforce_file_format=True)
    (folder / TRUTH).write_text(json.dumps(made.truth, indent=2) + "\n", encoding="utf-8")
    typer.echo(f"{len(made.images)} images and {TRUTH} in {folder}")


def _check(command: Any, folder: Path, result: Path) -> None:
    """Print the comparison and end."""
    try:
        truth = json.loads((folder / TRUTH).read_text(encoding="utf-8"))
        answer = json.loads(result.read_text(encoding="utf-8"))
        outcome = command.check(truth, answer["findings"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        _say(f"truth or result cannot be read ({type(error).__name__}); give {TRUTH}'s folder "
             "and the JSON that gransk analyse printed")  # fmt: skip
        raise typer.Exit(4) from error
    refused = answer.get("refused")
    if refused:
        _say(f"the study was refused: {refused.get('text')}")
        raise typer.Exit(1)
    typer.echo("  #  outcome  kind                        volume %   long mm  short mm")
    for row in outcome.rows:
        sizes = (row.volume_percent, row.long_axis_mm, row.short_axis_mm)
        shown = "".join(f"{'' if v is None else format(v, '+.1f'):>10}" for v in sizes)
        typer.echo(f"{row.number or '-':>3}  {row.outcome:<7}  {row.kind:<24}{shown}")
    for fault in outcome.faults:
        typer.echo(f"outside the limits: {fault}")
    typer.echo("passed" if outcome.passed else "FAILED")
    raise typer.Exit(0 if outcome.passed else 1)


def _command() -> Any:
    for application in applications().values():
        if "phantom" in application.presentation.commands:
            return application.presentation.commands["phantom"]
    _say("no installed application makes a phantom")
    raise typer.Exit(1)


def _say(message: str) -> None:
    print(f"gransk phantom: {message}", file=sys.stderr)
