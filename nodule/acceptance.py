"""A site's acceptance and constancy test: what came back against what went in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from nodule.phantom import Phantom, PhantomSpec, make_phantom

TEXTS: dict[str, dict[str, str]] = {
    "solid": {"en": "solid", "da": "solid"},
    "ground_glass": {"en": "ground glass", "da": "matglas"},
    "isolated": {"en": "isolated", "da": "fritliggende"},
    "juxtapleural": {"en": "at the pleura", "da": "ved lungehinden"},
    "extra": {"en": "no nodule there", "da": "ingen nodulus dér"},
    "solid_missed": {
        "en": "solid nodules missed: {count}, {most} allowed",
        "da": "solide noduli overset: {count}, {most} tilladt",
    },
    "ground_glass_missed": {
        "en": "ground glass nodules missed: {count}, {most} allowed",
        "da": "matglasnoduli overset: {count}, {most} tilladt",
    },
    "extra_marks": {
        "en": "marks where no nodule is: {count}, {most} allowed",
        "da": "markeringer, hvor der ingen nodulus er: {count}, {most} tilladt",
    },
    "size": {
        "en": "nodule {number}: volume {volume} %, long axis {long} mm, short axis {short} mm; "
        "within {percent} % and {axis} mm allowed",
        "da": "nodulus {number}: volumen {volume} %, længste diameter {long} mm, "
        "korteste diameter {short} mm; inden for {percent} % og {axis} mm tilladt",
    },
}


class Limits(BaseModel):
    """Outside these the test fails. Sizes count for solid nodules alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    solid_missed: int = Field(default=0, ge=0)
    ground_glass_missed: int = Field(default=1, ge=0)
    extra_marks: int = Field(default=2, ge=0)
    volume_percent: float = Field(default=30.0, gt=0)
    axis_mm: float = Field(default=2.0, gt=0)


@dataclass(frozen=True)
class Row:
    """One nodule of the truth, and what came back for it.

    Parameters
    ----------
    number : int
        Of the truth, from 1; 0 for a mark that meets no nodule.
    kind : str
        Texture and place, in words.
    solid : bool
    outcome : str
        ``found``, ``missed`` or ``extra``.
    centre_lps_mm : tuple of float
    volume_percent, long_axis_mm, short_axis_mm : float or None
        Error: measured less true.
    within : bool
        Inside the limits for a single nodule.
    """

    number: int
    kind: str
    solid: bool
    outcome: str
    centre_lps_mm: tuple[float, float, float]
    volume_percent: float | None = None
    long_axis_mm: float | None = None
    short_axis_mm: float | None = None
    within: bool = True


@dataclass(frozen=True)
class Check:
    """The outcome of the test.

    Parameters
    ----------
    rows : tuple of Row
    faults : tuple of str
        What lies outside the limits, empty where it passed.
    """

    rows: tuple[Row, ...]
    faults: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.faults


def check(
    truth: Mapping[str, Any],
    found: Sequence[Mapping[str, Any]],
    limits: Limits | None = None,
    language: str = "en",
) -> Check:
    """Compare findings with the truth.

    A mark meets a nodule where its centre lies within the nodule's long half axis
    and 2 mm; each nodule takes the nearest mark.

    Parameters
    ----------
    truth : mapping
        ``Phantom.truth``.
    found : sequence of mapping
        ``findings`` of ``gransk analyse``.
    limits : Limits, optional
    language : str
        Of kinds and faults: ``en`` or ``da``.
    """
    limits = limits or Limits()
    left = list(found)
    rows: list[Row] = []
    for number, nodule in enumerate(truth["nodules"], 1):
        kind = ", ".join(TEXTS[nodule[part]][language] for part in ("texture", "place"))
        solid = nodule["texture"] == "solid"
        centre = np.array(nodule["centre_lps_mm"], dtype=float)
        mark = min(left, key=lambda f: _apart(f, centre), default=None)
        if mark is None or _apart(mark, centre) > nodule["long_axis_mm"] / 2 + 2:
            rows.append(Row(number, kind, solid, "missed", _triple(centre)))
            continue
        left.remove(mark)
        rows.append(_found(number, kind, nodule, mark, limits))
    extra = TEXTS["extra"][language]
    rows += [Row(0, extra, False, "extra", _triple(f["centre_lps_mm"])) for f in left]
    return Check(tuple(rows), tuple(_faults(rows, limits, language)))


def _apart(mark: Mapping[str, Any], centre: Any) -> float:
    return float(np.linalg.norm(np.array(mark["centre_lps_mm"], dtype=float) - centre))


def _triple(vector: Any) -> tuple[float, float, float]:
    return round(float(vector[0]), 1), round(float(vector[1]), 1), round(float(vector[2]), 1)


def _found(
    number: int, kind: str, nodule: Mapping[str, Any], mark: Mapping[str, Any], limits: Limits
) -> Row:
    percent = 100 * (mark["volume_mm3"] / nodule["volume_mm3"] - 1)
    long = mark["long_axis_mm"] - nodule["long_axis_mm"]
    short = mark["short_axis_mm"] - nodule["short_axis_mm"]
    solid = nodule["texture"] == "solid"
    good = abs(percent) <= limits.volume_percent and max(abs(long), abs(short)) <= limits.axis_mm
    return Row(
        number,
        kind,
        solid,
        "found",
        _triple(mark["centre_lps_mm"]),
        round(percent, 1),
        round(long, 2),
        round(short, 2),
        good or not solid,
    )


def _faults(rows: Sequence[Row], limits: Limits, language: str) -> list[str]:
    missed = [r.solid for r in rows if r.outcome == "missed"]
    counts = {
        "solid_missed": (sum(missed), limits.solid_missed),
        "ground_glass_missed": (len(missed) - sum(missed), limits.ground_glass_missed),
        "extra_marks": (sum(r.outcome == "extra" for r in rows), limits.extra_marks),
    }
    faults = [
        TEXTS[key][language].format(count=count, most=most)
        for key, (count, most) in counts.items()
        if count > most
    ]
    faults += [
        TEXTS["size"][language].format(
            number=r.number,
            volume=shown(r.volume_percent, "+.0f", language),
            long=shown(r.long_axis_mm, "+.1f", language),
            short=shown(r.short_axis_mm, "+.1f", language),
            percent=shown(limits.volume_percent, ".0f", language),
            axis=shown(limits.axis_mm, ".1f", language),
        )
        for r in rows
        if not r.within
    ]
    return faults


def shown(value: float | None, form: str, language: str) -> str:
    """A number with the decimal sign of the language; nothing for None."""
    text = "" if value is None else format(value, form)
    return text.replace(".", ",") if language == "da" else text


@dataclass(frozen=True)
class PhantomCommand:
    """What ``gransk phantom`` uses of an application."""

    spec_schema: type[BaseModel]
    make: Callable[..., Phantom]
    check: Callable[..., Check]


PHANTOM = PhantomCommand(PhantomSpec, make_phantom, check)
