"""Every text of the pages in each language, from ``texts.yaml`` and the files of ``wording/``."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

LANGUAGES = ("da", "en")
NAMES = {"da": "Dansk", "en": "English"}
DATES = {"da": "%d.%m.%Y", "en": "%Y-%m-%d"}


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """Key to language to text."""
    loaded: dict[str, dict[str, str]] = {}
    for path in files():
        loaded |= yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def files() -> list[Path]:
    """The files that texts stand in; no key stands in two of them."""
    room = Path(__file__).parent
    return [room / "texts.yaml", *sorted((room / "wording").glob("*.yaml"))]


def text(key: str, language: str, **values: Any) -> str:
    """One text, its ``{name}`` places filled with ``values``.

    Raises
    ------
    KeyError
        Where the catalogue lacks key or language.
    """
    return catalogue()[key][language].format(**values)


def translator(language: str) -> Callable[..., str]:
    """``text`` for one language, as the templates call it."""

    def translate(key: str, **values: Any) -> str:
        return text(key, language, **values)

    return translate


def person_name(value: str) -> str:
    """A DICOM person name (PS3.5 6.2.1) as people read it.

    The alphabetic group comes as "Family, Given Middle"; an ideographic group
    follows in brackets.
    """
    groups = value.split("=")
    alphabetic = _name_group(groups[0])
    ideographic = " ".join(groups[1].replace("^", " ").split()) if len(groups) > 1 else ""
    if alphabetic and ideographic:
        return f"{alphabetic} ({ideographic})"
    return alphabetic or ideographic


def _name_group(group: str) -> str:
    parts = [part.strip() for part in group.split("^")] + [""] * 5
    family, given, middle, prefix, suffix = parts[:5]
    rest = " ".join(part for part in (prefix, given, middle, suffix) if part)
    return ", ".join(part for part in (family, rest) if part)


def dicom_date(value: str, language: str) -> str:
    """A DICOM date as people read it; nothing where it is no date (PS3.5 6.2, DA)."""
    try:
        day = datetime.datetime.strptime(value.strip().replace(".", ""), "%Y%m%d")
    except ValueError:
        return ""
    return day.strftime(DATES[language])


def day(value: datetime.date | None, language: str) -> str:
    """A date as people read it; nothing where there is none."""
    return value.strftime(DATES[language]) if value else ""


def instant(
    value: datetime.datetime, language: str, zone: datetime.tzinfo | None, full: bool = False
) -> str:
    """An instant in a time zone, None for the machine's own; ``full`` with seconds and zone."""
    local = value.astimezone(zone)
    shown = local.strftime(f"{DATES[language]} %H:%M")
    return f"{shown}{local.strftime(':%S')} {zone_name(local)}" if full else shown


def zone_name(local: datetime.datetime) -> str:
    """Name and offset of an instant's zone, such as CET (UTC+01:00)."""
    name = local.tzname() or ""
    offset = local.strftime("%z")
    offset = f"UTC{offset[:3]}:{offset[3:5]}"
    if name == "UTC":
        return name
    return f"{name} ({offset})" if name[:1].isalpha() else offset


def number(value: float, digits: int, language: str) -> str:
    """A number with the decimal sign of the language."""
    shown = f"{value:.{digits}f}"
    return shown.replace(".", ",") if language == "da" else shown
