"""Names of indicators, kinds and codes, in English and Danish."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import yaml

LANGUAGES = ("en", "da")


@cache
def _texts() -> dict[str, dict[str, dict[str, str]]]:
    file = resources.files(__package__).joinpath("texts.yaml")
    read: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return read


def text(section: str, code: str, language: str) -> str:
    """What a person reads for a code, in ``da`` or ``en``."""
    return _texts()[section][code][language]


def codes(section: str) -> frozenset[str]:
    """Codes that a section has texts for."""
    return frozenset(_texts()[section])
