"""Figures and groups of a local validation as people read them."""

from __future__ import annotations

from gransk.core.statistics.figure import Figure
from gransk.reading.groups import UNKNOWN
from gransk.reading.indicators.texts import text as indicator_text
from gransk.web import texts


def percent(figure: Figure | None, language: str) -> str:
    """A share with its interval."""
    if figure is None:
        return "–"
    value, low, high = (texts.number(100 * one, 1, language) for one in figure)
    return f"{value} % ({low} – {high})"


def plain(figure: Figure | None, language: str, digits: int = 3) -> str:
    """A number with its interval."""
    if figure is None:
        return "–"
    value, low, high = (texts.number(one, digits, language) for one in figure)
    return f"{value} ({low} – {high})"


def named(by: str, name: str, language: str) -> str:
    """A subgroup as people read it."""
    if name == UNKNOWN:
        return texts.text("figures_unknown", language)
    return indicator_text("round", name, language) if by == "round" else name
