"""``gransk risk``: one risk model on typed values."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gransk.core.application import applications
from gransk.core.errors import GranskError

CALCULATED, FAILED, WRONG_USE, REFUSED, UNREADABLE = 0, 1, 2, 3, 4
WORDS = {
    "en": {"contributions": "adds to the log-odds (odds times)", "unknown": "unknown",
           "to": "to", "refused": "refused", "by": "calculated by"},
    "da": {"contributions": "lægger til log-odds (odds gange)", "unknown": "ukendt",
           "to": "til", "refused": "afvist", "by": "beregnet med"},
}  # fmt: skip


class Form(StrEnum):
    """How the result is printed."""

    JSON = "json"
    TEXT = "text"


class Language(StrEnum):
    """What texts are in."""

    EN = "en"
    DA = "da"


def risk(
    model: Annotated[str, typer.Argument(help="brock-1a .. brock-2b, mayo or herder.")],
    profile: Annotated[Path, typer.Option(help="The risk profile, JSON by its schema.")],
    form: Annotated[Form, typer.Option("--format", help="json or text.")] = Form.JSON,
    language: Annotated[Language, typer.Option(help="Of the texts.")] = Language.EN,
) -> None:
    """Print a model's probability and what every term adds to it.

    Exit codes: 0 calculated, 3 refused (the model does not apply or lacks an answer; the
    JSON tells which), 4 the profile cannot be read, 2 wrong use, 1 failed.
    """
    try:
        command = _command()
        if model not in command.models():
            _end(WRONG_USE, f"no model {model!r}; there are {', '.join(command.models())}")
        answered = command.answer(model, profile.read_bytes(), language.value)
    except OSError as error:
        _end(UNREADABLE, f"{profile} cannot be read ({error.strerror})")
    except GranskError as error:
        _end(FAILED, str(error))
    if form is Form.JSON:
        typer.echo(json.dumps(answered.answer, ensure_ascii=False, allow_nan=False))
    else:
        for line in as_text(answered.answer, language.value, command.shown):
            typer.echo(line)
    if "refused" in answered.answer:
        raise typer.Exit(REFUSED if answered.readable else UNREADABLE)


def as_text(answer: dict[str, Any], language: str, shown: Callable[[str, str], str]) -> list[str]:
    """The JSON object as lines for a person; ``shown`` names the answers."""
    words = WORDS[language]
    lines = [f"{answer['model']} ({answer['source']}; {answer['version']})", answer["scope"]]
    if "refused" in answer:
        return [*lines, f"{words['refused']}: {answer['refused']['text']}"]
    by = answer["calculated_by"]
    said = f", {words['by']} {by}" if by != answer["model"] else ""
    to = f" {words['to']} "
    percent = to.join(f"{100 * end:.2f} %" for end in _ends(answer["probability"]))
    lines += [_decimal(percent, language) + said, "", words["contributions"]]
    for part in answer["contributions"]:
        added = [f"{end:+.4f} (x {math.exp(end):.3g})" for end in _ends(part["log_odds"])]
        value = part["value"]
        if isinstance(value, str):
            known = shown(value, language)
        elif part["input"] == "constant":
            known = ""
        else:
            known = words["unknown"] if value is None else to.join(f"{v:.6g}" for v in _ends(value))
        row = f"  {known:<22}{to.join(added)}"
        lines.append(f"  {part['text']:<32}" + _decimal(row, language))
    warnings = [one["text"] for one in answer["warnings"]]
    return [*lines, "", *warnings] if warnings else lines


def _ends(value: Any) -> list[float]:
    return list(value) if isinstance(value, list) else [value]


def _decimal(text: str, language: str) -> str:
    return text.replace(".", ",") if language == "da" else text


def _command() -> Any:
    for application in applications().values():
        if "risk" in application.presentation.commands:
            return application.presentation.commands["risk"]
    _end(FAILED, "no installed application has risk models")


def _end(code: int, message: str) -> Any:
    print(f"gransk risk: {message}", file=sys.stderr)
    raise typer.Exit(code)
