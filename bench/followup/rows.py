"""Lesions of a log as rows, and what is counted of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from bench.followup.studies import FIRST_DAY
from gransk.core.followup import Outcome
from gransk.core.statistics.bootstrap import interval
from nodule.growth.change import Change, Sized, compare
from nodule.kernels import kernel_class

Row = dict[str, Any]
Line = dict[str, Any]
Group = tuple[str, Callable[[Row], bool]]

SIZES_MM = ((0.0, 6.0), (6.0, 8.0), (8.0, 12.0), (12.0, 60.0))


def rows_of(lines: Sequence[Line]) -> list[Row]:
    """Each lesion with what its pair says, pairs that were refused left out."""
    common = ("host", "kind", "days", "unlike", "cut", "thickness_mm", "spacing_mm",
              "breathing_mm", "seed", "mode")  # fmt: skip
    return [
        {**{name: line[name] for name in common}, **lesion}
        for line in lines
        if line["refused"] is None
        for lesion in line["lesions"]
    ]


def sizes_of(row: Row) -> list[tuple[float, float]] | None:
    """Volume (mm3) and mean diameter (mm) in both scans; None where one lacks.

    Those that the comparison told, else those of its findings.
    """
    mm3, mm = row.get("told_mm3"), row.get("told_mm")
    if not (mm3 and mm and all(mm3) and all(mm)):
        sides = [row["prior"], row["current"]]
        if any(side is None or not side["mm3"] for side in sides):
            return None
        mm3, mm = [side["mm3"] for side in sides], [side["mm"] for side in sides]
    return list(zip(mm3, mm, strict=True))


def change_of(row: Row) -> Change | None:
    """Its change by today's growth rules and error model; None without both sizes.

    Texture and contact with the pleura are those of its findings.
    """
    sizes = sizes_of(row)
    if sizes is None or row["prior"] is None or row["current"] is None:
        return None
    sized = [
        Sized(
            date=FIRST_DAY + timedelta(days=n * row["days"]),
            volume_mm3=mm3,
            mean_diameter_mm=mm,
            thickness_mm=row["thickness_mm"][n],
            kernel=kernel_class("STANDARD"),
            spacing_mm=tuple(row["spacing_mm"][name]),
            subsolid=row[name]["texture"] != "Solid",
            attached=row[name]["attached"],
        )
        for n, ((mm3, mm), name) in enumerate(zip(sizes, ("prior", "current"), strict=True))
    ]
    return compare(sized[0], sized[1])


def recalculated(lines: Sequence[Line]) -> list[Line]:
    """The same log with changes as today's growth rules and error model tell them.

    Sizes, textures and places stay as they were measured.
    """
    return [
        {
            **line,
            "lesions": [_recalculated({**line, **lesion}, lesion) for lesion in line["lesions"]],
        }
        for line in lines
    ]


def _recalculated(row: Row, lesion: Row) -> Row:
    change = change_of(row) if lesion.get("changes") else None
    percent = None if change is None else change.volume_percent
    if change is None or percent is None:
        return lesion
    low, high = (
        100 * ((1 + percent / 100) * math.exp(sign * change.log_limit) - 1) for sign in (-1, 1)
    )
    changes = {**lesion["changes"], "volume_change_percent": {
        "value": percent, "interval": [low, high],
    }}  # fmt: skip
    if "vdt_days" in changes and change.vdt_days is not None:
        interval = change.vdt_interval_days
        changes["vdt_days"] = {
            "value": change.vdt_days, "interval": None if interval is None else list(interval),
        }  # fmt: skip
    return {**lesion, "changes": changes}


def log_error(row: Row) -> float:
    """Logarithm of the measured ratio of volumes less that of the true one; NaN without."""
    sizes = sizes_of(row)
    return math.nan if sizes is None else math.log(sizes[1][0] / sizes[0][0] / row["ratio"])


def measured(rows: Sequence[Row]) -> Iterator[tuple[Row, Change]]:
    """Lesions that both scans show, of pairs whose volumes may be compared, with their change.

    Where studies were compared, those that were matched.
    """
    for row in rows:
        matched = row.get("said", Outcome.MATCHED.value) == Outcome.MATCHED.value
        if row["outcome"] == Outcome.MATCHED.value and matched and not row["unlike"]:
            change = change_of(row)
            if change is not None:
                yield row, change


def is_solid(row: Row) -> bool:
    """As it was measured, in both scans."""
    return all(row[side]["texture"] == "Solid" for side in ("prior", "current"))


def is_attached(row: Row) -> bool:
    """As it was measured, in either scan."""
    return any(row[side]["attached"] for side in ("prior", "current"))


def size_groups() -> list[Group]:
    """By diameter in the first scan."""
    return [_sized(low, high) for low, high in SIZES_MM]


def _sized(low: float, high: float) -> Group:
    return f"{low:g} to {high:g} mm", lambda r: bool(low <= r["diameter_mm"] < high)


def has(name: str, value: str) -> Group:
    """Rows that have a value."""
    return f"{name}: {value}", lambda r: bool(r[name] == value)


def both(one: Group, other: Group) -> Group:
    """Rows of two groups."""
    return f"{one[0]}, {other[0]}", lambda r: one[1](r) and other[1](r)


def share(rows: Sequence[Row], good: Callable[[Row], bool]) -> str:
    """How many of rows are good, with a 95 % interval by drawing scans."""
    if not rows:
        return "-"
    values = np.array([good(row) for row in rows], float)
    low, high = interval([row["host"] for row in rows], lambda i: float(values[i].mean()))
    return (
        f"{int(values.sum())}/{len(values)} = {100 * values.mean():.1f} % "
        f"({100 * low:.1f} to {100 * high:.1f})"
    )
