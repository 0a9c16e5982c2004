"""How a matched nodule changed, as coded measurements, and why something is withheld."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gransk.core.codes import DAY, MM, PERCENT
from gransk.core.findings import Measurement, Note
from nodule.coding import DIAMETER_CHANGE, DOUBLING_TIME, VOLUME_CHANGE
from nodule.growth.change import Change, Sized, compare
from nodule.growth.reasons import Withheld
from nodule.growth.rules import GrowthRules

FROM_EARLIER = "from the earlier to the later study"
NO_GROWTH = "no_growth"
NO_GROWTH_BUT = "no_growth_but"


@dataclass(frozen=True)
class Told:
    """What is told of a change.

    Parameters
    ----------
    changes : tuple of Measurement
        ``volume_change_percent``, ``diameter_change_mm`` and ``vdt_days``, those that there are.
    withheld, notes : tuple of Note
    """

    changes: tuple[Measurement, ...] = ()
    withheld: tuple[Note, ...] = ()
    notes: tuple[Note, ...] = ()


def told(earlier: Sized | None, later: Sized | None, rules: GrowthRules) -> Told:
    """Change from the earlier to the later study, whichever of them is the current one."""
    if earlier is None or later is None:
        return Told(withheld=(Note(code=Withheld.NO_SIZE.value),))
    change = compare(earlier, later, rules)
    notes = [Note(code=code.value) for code in change.noted]
    if change.no_growth and not change.withheld:
        notes.append(_no_growth(change))
    return Told(
        tuple(m for m in (_volume(change), _diameter(change), _doubling(change)) if m is not None),
        tuple(Note(code=code.value) for code in change.withheld),
        tuple(notes),
    )


def _no_growth(change: Change) -> Note:
    interval = change.vdt_interval_days
    if interval is None:
        return Note(code=NO_GROWTH)
    return Note(code=NO_GROWTH_BUT, values={"days": round(interval[0])})


def _volume(change: Change) -> Measurement | None:
    percent = change.volume_percent
    if percent is None:
        return None
    ratio = 1 + percent / 100
    low, high = (100 * (ratio * math.exp(s * change.log_limit) - 1) for s in (-1, 1))
    return Measurement(
        name="volume_change_percent", concept=VOLUME_CHANGE, unit=PERCENT,
        value=round(percent, 1), interval=(round(low, 1), round(high, 1)), method=FROM_EARLIER,
    )  # fmt: skip


def _diameter(change: Change) -> Measurement | None:
    millimetres = change.diameter_mm
    if millimetres is None:
        return None
    return Measurement(
        name="diameter_change_mm", concept=DIAMETER_CHANGE, unit=MM,
        value=round(millimetres, 2), method=FROM_EARLIER,
    )  # fmt: skip


def _doubling(change: Change) -> Measurement | None:
    days, interval = change.vdt_days, change.vdt_interval_days
    if days is None:
        return None
    if interval is not None:
        low, high = interval
        interval = (round(low, 1), None if high is None else round(high, 1))
    return Measurement(
        name="vdt_days", concept=DOUBLING_TIME, unit=DAY,
        value=round(days, 1), interval=interval, method=FROM_EARLIER,
    )  # fmt: skip
