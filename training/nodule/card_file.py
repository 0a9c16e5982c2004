"""Writing ``card.yaml``: the one place where a card is checked and put on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from gransk.core.models import Card

FILE = "card.yaml"


def write_card(card: dict[str, Any], folder: Path) -> Card:
    """Write ``card.yaml`` after checking it.

    Raises
    ------
    pydantic.ValidationError
        Where a field is missing or unknown.
    """
    checked = Card.model_validate(card)
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=96)
    (folder / FILE).write_text(text, encoding="utf-8")
    return checked
