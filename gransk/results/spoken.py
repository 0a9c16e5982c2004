"""Numbers as people read them."""

from __future__ import annotations

from gransk.core.findings import Measurement

_UNITS = {
    "1": {"en": "", "da": ""},
    "d": {"en": " days", "da": " dage"},
    "mm3": {"en": " mm³", "da": " mm³"},
    "[hnsf'U]": {"en": " HU", "da": " HU"},
}


def unit_text(unit: str, language: str) -> str:
    """A UCUM unit with a space before it; empty for a number without one."""
    return _UNITS.get(unit, {}).get(language, f" {unit}")


def number_text(measured: Measurement, language: str) -> str:
    """A number with its unit and 95 % interval, in the language's decimals."""

    def say(value: float) -> str:
        text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}"
        return text.replace(".", ",") if language == "da" else text

    unit = unit_text(measured.unit.value, language)
    told = f"{say(measured.value)}{unit}"
    if measured.interval is None:
        return told
    low, high = measured.interval
    if high is None:
        more = {"en": "or more", "da": "eller mere"}[language]
        return f"{told} (95 % {say(low)} {more})"
    to = {"en": "to", "da": "til"}[language]
    return f"{told} (95 % {say(low)} {to} {say(high)})"
