"""Alarms in words, for mails and pages."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import yaml

LANGUAGES = ("en", "da")


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """Key to language to text."""
    file = resources.files(__package__).joinpath("alarms_text.yaml")
    read: dict[str, dict[str, str]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return read


def text(key: str, language: str, **values: Any) -> str:
    """One text, its places filled; a key that has none stays as it is."""
    found = catalogue().get(key)
    return key if found is None else found[language].format(**values)


def fact_name(fact: str, language: str) -> str:
    """What a fact that is watched is called; a quality of an application by its own name."""
    return text(f"fact_{fact}", language) if f"fact_{fact}" in catalogue() else fact


def title_of(kind: str, about: str, figures: Mapping[str, Any], language: str) -> str:
    """What an alarm is called."""
    fact = figures.get("fact")
    title = text(f"kind_{kind}", language)
    if isinstance(fact, str):
        title = f"{title}: {fact_name(fact, language)}"
    chart = figures.get("statistic")
    if isinstance(chart, str):
        title = f"{title}, {text(f'value_{chart}', language)}"
    where = [str(figures[key]) for key in ("application", "unit") if figures.get(key)]
    return f"{title} ({', '.join(where) if where else about})"


def figure_lines(figures: Mapping[str, Any], language: str) -> list[str]:
    """Its figures, one a line; those that the title says are left out."""
    return [
        f"{text('figure_' + name, language)}: {_shown(value, language)}"
        for name, value in figures.items()
        if name not in ("application", "unit", "fact", "statistic") and value is not None
    ]


def subject_of(content: Mapping[str, Any], language: str) -> str:
    """The subject of a mail."""
    data = content["data"]
    new = sum(1 for one in data["alarms"] if one["state"] == "open")
    said = text("mail_subject", language, new=new, ended=len(data["alarms"]) - new)
    return f"[{data['organization']}] {said}" if data["organization"] else said


def body_of(content: Mapping[str, Any], language: str) -> str:
    """The text of a mail."""
    data = content["data"]
    parts = [text("mail_count", language, count=data["open"])]
    for one in data["alarms"]:
        lines = [
            title_of(one["kind"], one["about"], one["figures"], language),
            text(f"mail_{one['state']}", language, since=one["since"], ended=one["ended_at"]),
            *figure_lines(one["figures"], language),
            one["page"],
        ]
        parts.append("\n".join(lines))
    if data["more"]:
        parts.append(text("mail_more", language, count=data["more"]))
    parts.append(text("mail_end", language))
    return "\n\n".join(parts) + "\n"


def _shown(value: object, language: str) -> str:
    if isinstance(value, bool):
        return text("yes" if value else "no", language)
    if isinstance(value, float):
        shown = f"{value:.4g}"
        return shown.replace(".", ",") if language == "da" else shown
    return text(f"value_{value}", language) if f"value_{value}" in catalogue() else str(value)
