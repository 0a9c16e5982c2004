"""Measured figures as entries of a model's card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from training.nodule.card_file import FILE, write_card


def row(
    measure: str, value: float, interval: Sequence[float] | None, data: str, cases: int,
    command: str,
) -> dict[str, Any]:  # fmt: skip
    """One entry of ``performance``, rounded to three decimals.

    Parameters
    ----------
    measure : str
        What was measured.
    value : float
    interval : sequence of two floats, or None
        95 % interval.
    data : str
        What it was measured on.
    cases : int
        How many nodules, scans or the like.
    command : str
        The command that prints the figure.
    """
    return {
        "measure": measure,
        "value": round(float(value), 3),
        "interval": None if interval is None else [round(float(v), 3) for v in interval],
        "data": data,
        "cases": cases,
        "command": command,
    }


def write_rows(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Put entries in the card of a model's folder, in place of all that the same commands gave.

    Raises
    ------
    pydantic.ValidationError
        Where an entry is none of a card.
    """
    card = yaml.safe_load((folder / FILE).read_text(encoding="utf-8"))
    commands = {r["command"] for r in rows}
    kept = [r for r in card["performance"] if r["command"] not in commands]
    write_card({**card, "performance": kept + list(rows)}, folder)
