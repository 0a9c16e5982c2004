"""How a mark that both exams show changed, in mm, beyond what measuring it twice explains."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from gransk.core.codes import MM, Code
from gransk.core.findings import Measurement, Note
from mammo.tracking.settings import TrackingSettings

FROM_EARLIER = "from the earlier to the later study"
# PS3.16 and SNOMED CT have no term for a change of size in numbers.
DIAMETER_CHANGE = Code(value="DIAMETER-CHANGE", scheme="99GRANSK", meaning="Change of diameter")
DISK_DIAMETER = Code(value="DISK-DIAMETER", scheme="99GRANSK", meaning="Diameter of equal disk")
DISK_METHOD = "disk of the outline's area"


class Growth(StrEnum):
    """What the diameters say, error considered."""

    GROWN = "grown"
    STABLE = "stable"
    SHRUNK = "shrunk"


@dataclass(frozen=True)
class Told:
    """What is told of a change."""

    growth: Growth
    changes: tuple[Measurement, ...]
    notes: tuple[Note, ...]


def told(earlier_mm: float, later_mm: float, settings: TrackingSettings) -> Told:
    """Change from the earlier to the later exam, whichever of them is the current one.

    Parameters
    ----------
    earlier_mm, later_mm : float
        Diameters of disks of the outlines' areas.
    settings : TrackingSettings
        Its repeat error makes interval and limit.
    """
    ratio, limit = math.log(later_mm / earlier_mm), settings.log_limit
    low, high = (earlier_mm * (math.exp(ratio + s * limit) - 1) for s in (-1, 1))
    change = Measurement(
        name="diameter_change_mm", concept=DIAMETER_CHANGE, unit=MM,
        value=round(later_mm - earlier_mm, 1), interval=(round(low, 1), round(high, 1)),
        method=FROM_EARLIER,
    )  # fmt: skip
    growth = growth_of(earlier_mm, later_mm, settings)
    # As whole percent, what a reader needs to trust or doubt it.
    percent = round(100 * (math.exp(limit) - 1))
    return Told(growth, (change,), (Note(code=f"mark_{growth}", values={"percent": percent}),))


def growth_of(earlier_mm: float, later_mm: float, settings: TrackingSettings) -> Growth:
    """Grown or shrunk where the change is larger than error alone explains."""
    ratio = math.log(later_mm / earlier_mm)
    if abs(ratio) <= settings.log_limit:
        return Growth.STABLE
    return Growth.GROWN if ratio > 0 else Growth.SHRUNK
