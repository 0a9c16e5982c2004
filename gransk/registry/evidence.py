"""Figures that people bring as evidence."""

from __future__ import annotations

import json
from typing import Any

from gransk.registry.refusals import ModelRefusal, RegistryError

LONGEST = 100_000
"""Characters of figures."""


def figures_of(written: str) -> dict[str, Any]:
    """Figures as a JSON object, of numbers that every database keeps.

    Raises
    ------
    RegistryError
        ``NO_FIGURES``.
    """
    try:
        found = json.loads(written[: LONGEST + 1], parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise RegistryError(ModelRefusal.NO_FIGURES) from error
    if not isinstance(found, dict):
        raise RegistryError(ModelRefusal.NO_FIGURES)
    return found


def _no_number(written: str) -> Any:
    raise ValueError(written)
