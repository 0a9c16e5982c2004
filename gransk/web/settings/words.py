"""Settings as people read them: what keys are called, values, and what a change does."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gransk.core.application import Application
from gransk.site.differences import Change
from gransk.web.settings.schema import Field, written
from gransk.web.texts import catalogue, text

_PART = re.compile(r"\[([^\]]+)\]|([^.\[\]]+)")


def label(key: str, language: str) -> str:
    """What a key is called by its last part; a part without a text stays as it is."""
    last = key.rpartition(".")[2]
    return catalogue().get(f"setting_{last}", {}).get(language, last)


def path(key: str, installed: Mapping[str, Application], language: str) -> str:
    """A key with the sections and things that it lies in."""
    parts = [(match[1], match[2]) for match in _PART.finditer(key)]
    told = []
    for number, (name, part) in enumerate(parts):
        if name is not None:
            told.append(name)
        elif parts[0][1] == "applications" and number == 0 and len(parts) > 1:
            continue
        elif parts[0][1] == "applications" and number == 1 and part in installed:
            told.append(application(part, installed, language))
        else:
            told.append(label(part, language))
    return " › ".join(told)


def application(name: str, installed: Mapping[str, Application], language: str) -> str:
    """An application's title; of one that is not installed its id."""
    found = installed.get(name)
    return name if found is None else str(found.presentation.title.get(language, name))


def value(given: Any, language: str) -> str:
    """A value as people read it."""
    if given is None:
        return text("setting_not_set", language)
    if isinstance(given, bool):
        return text("setting_yes" if given else "setting_no", language)
    if isinstance(given, float):
        shown = repr(int(given) if given.is_integer() else given)
        return shown.replace(".", ",") if language == "da" else shown
    if given in ("", [], {}, ()):
        return text("setting_nothing", language)
    if isinstance(given, list) and not any(isinstance(one, Mapping | list) for one in given):
        return ", ".join(value(one, language) for one in given)
    if isinstance(given, Mapping | list):
        return written(_without_nothing(given)).strip()
    return str(given)


def _without_nothing(given: Any) -> Any:
    """What is given, without keys that say nothing."""
    if isinstance(given, Mapping):
        inner = {key: _without_nothing(one) for key, one in given.items()}
        return {key: one for key, one in inner.items() if one not in (None, "", [], {})}
    return [_without_nothing(one) for one in given] if isinstance(given, list) else given


def settings(given: Mapping[str, Any], language: str, within: str = "") -> str:
    """Settings of an override in a line."""
    told = []
    for key, one in given.items():
        name = label(key, language)
        if isinstance(one, Mapping):
            told.append(settings(one, language, f"{within}{name} › "))
        else:
            told.append(f"{within}{name}: {value(one, language)}")
    return "; ".join(told)


def choice(name: str, one: str, language: str) -> str:
    """One of the values that a key may have; a word without a text stays as it is."""
    key = name.rpartition(".")[2]
    for known in (f"setting_{key}_{one}", f"setting_value_{one}"):
        if known in catalogue():
            return catalogue()[known][language]
    return one


def plain(given: Any, language: str) -> str:
    """A value as it is typed in: numbers with the decimal sign of the language."""
    if isinstance(given, float) and not isinstance(given, bool):
        return value(given, language)
    return str(given)


def limits(field: Field, language: str) -> str:
    """Between which numbers a value may be."""
    least = "" if field.least is None else value(float(field.least), language)
    most = "" if field.most is None else value(float(field.most), language)
    if least and most and not (field.open_least or field.open_most):
        return text("setting_limit_both", language, least=least, most=most)
    told = []
    if least:
        key = "setting_limit_above" if field.open_least else "setting_limit_least"
        told.append(text(key, language, least=least))
    if most:
        key = "setting_limit_below" if field.open_most else "setting_limit_most"
        told.append(text(key, language, most=most))
    return ", ".join(told)


@dataclass(frozen=True)
class Told:
    """A change in words: which key, what was done to it, and its value before and after."""

    key: str
    path: str
    kind: str
    before: str
    after: str


def changes(
    given: Sequence[Change], installed: Mapping[str, Application], language: str
) -> list[Told]:
    """Changes in words."""
    return [
        Told(
            key=one.key,
            path=path(one.key, installed, language),
            kind=one.kind.value,
            before=value(one.before, language) if one.kind.value != "added" else "",
            after=value(one.after, language) if one.kind.value != "removed" else "",
        )
        for one in given
    ]


def where(match: Mapping[str, Any], language: str) -> str:
    """Which studies an override is for."""
    return ", ".join(
        f"{label(key, language)}: {value(given, language)}"
        for key, given in match.items()
        if given is not None
    )


def help_of(name: str, said: str, language: str) -> tuple[str, str]:
    """What is said of a value, and in which language.

    By the text of the longest end of its place that has one: of ``monitoring.mail.host`` that of
    ``mail.host`` before that of ``host``. Else by its schema, which is in English. What lies in
    an application, or in the settings of an override or shadow, is one place.
    """
    place = re.sub(r"\.\d+(?=\.|$)", "", name)
    place = re.sub(
        r"^(applications\.[^.]+|(overrides|shadows)\.settings)\.", "applications.", place
    )
    parts = place.split(".")
    for start in range(len(parts)):
        told = catalogue().get("setting_help_" + "_".join(parts[start:]))
        if told is not None:
            return told[language], language
    return "" if "\n" in said else said, "en"
