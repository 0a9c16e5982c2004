"""Measured figures as entries of a model's card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bench.nodule.curve import Curve, Scored, proportion_interval, rate_interval
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


def detection_rows(
    reads: Sequence[Scored], threshold: float, data: str, command: str
) -> list[dict[str, Any]]:
    """The figures at the operating point, and CPM, as entries of the detector's card."""
    curve = Curve(reads)
    share, rate = curve.at(threshold)
    cases, scans = len(curve.nodules), len(reads)
    within = proportion_interval(round(share * cases), cases)
    marks = rate_interval(round(rate * scans), scans)
    low, high = curve.bootstrap(lambda w: np.append(curve.sensitivities(w, (1.0,)), curve.cpm(w)))
    at_one = float(curve.sensitivities(1, (1.0,))[0])
    figures = (
        ("sensitivity at the operating point", share, within, cases),
        ("false marks a scan at the operating point", rate, marks, scans),
        ("sensitivity at 1 false mark a scan", at_one, (low[0], high[0]), cases),
        ("CPM, mean sensitivity at 1/8 to 8 false marks a scan", curve.cpm(), (low[1], high[1]),
         cases),
    )  # fmt: skip
    return [row(name, value, interval, data, n, command) for name, value, interval, n in figures]


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
