"""What would have changed an advice."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from nodule.guidelines.features import Features
from nodule.guidelines.rows import Option, options_of
from nodule.guidelines.situation import Situation
from nodule.guidelines.table import Guideline, Range

# Inputs whose other values are told as what would have changed the advice.
CHANGING = (
    "texture", "count", "risk", "morphology", "growth", "solid_growth", "clear_growth", "size",
    "solid_size", "speed", "brock", "herder", "airway", "proven_benign",
)  # fmt: skip


@dataclass(frozen=True)
class Changing:
    """What would have changed the advice: one input, another value, another row.

    Parameters
    ----------
    input, value : str
        What would have been otherwise.
    limit : Range or None
        Of a band, in the measure that chose the row.
    to : Option
        Where it would have led.
    """

    input: str
    value: str
    limit: Range | None
    to: Option


def changing_of(
    guideline: Guideline,
    situation: Situation,
    found: Features,
    measure: str,
    options: tuple[Option, ...],
) -> tuple[Changing, ...]:
    """Every other value of one known input that leads elsewhere; of bands the neighbours."""
    if len(options) != 1 or not situation.looks:
        return ()
    changing = []
    for name in guideline.names():
        known = found.values.get(name, ())
        first = found.values.get("growth", ("first",))[0] in ("first", "new")
        if name not in CHANGING or len(known) != 1 or (first and name.endswith("growth")):
            continue
        for value in _others(guideline, name, known[0], measure):
            changed = dataclasses.replace(found, values={**found.values, name: (value,)})
            led = options_of(guideline, situation, changed)
            if len(led) == 1 and led[0].name != options[0].name:
                limit = _limit(guideline, name, value, measure)
                changing.append(Changing(name, value, limit, led[0]))
    return tuple(changing)


def _others(guideline: Guideline, name: str, value: str, measure: str) -> tuple[str, ...]:
    """Other values of an input; of bands, the neighbours that the measure knows."""
    if name in guideline.bands:
        bands = [
            one
            for one, ranges in guideline.bands[name].items()
            if name != "size" or measure in ranges
        ]
        if value not in bands:
            return ()
        at = bands.index(value)
        return (*bands[max(0, at - 1) : at], *bands[at + 1 : at + 2])
    if name in ("growth", "solid_growth"):
        return tuple(one for one in ("stable", "growing") if one != value)
    values = guideline.values(name)
    if name == "morphology":
        values = ("ordinary", *guideline.benign)
    return tuple(one for one in values if one != value)


def _limit(guideline: Guideline, name: str, value: str, measure: str) -> Range | None:
    ranges = dict(guideline.bands.get(name, {}).get(value, {}))
    for one in (measure, f"solid_{measure}", "solid_mm", "vdt_days", "brock", "herder"):
        for key, limit in ranges.items():
            if key == one:
                return limit
    return None
