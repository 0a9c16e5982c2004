"""From a situation to what the cells of a guideline ask for; unknown means every value."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from nodule.growth.change import Change, Sized, compare
from nodule.growth.classes import GrowthClass, classify, rise, rounded
from nodule.growth.dates import months_between
from nodule.growth.reasons import Withheld
from nodule.guidelines.situation import Look, Morphology, Situation
from nodule.guidelines.table import FEATURES, NOT_DONE, Guideline, Measure, Range

Possible = tuple[str, ...]
# Of what is not there to ask about: a solid part, a doubling time.
NOTHING = ("",)
# Of the whole nodule and of its solid part.
GROWTHS = ("growth", "solid_growth")


@dataclass(frozen=True)
class Features:
    """What is known for one choice of measure.

    Parameters
    ----------
    values : mapping of name to tuple of str
        Every value that an input may have; one where it is known.
    months, since_category : int
        Whole months from the baseline and from the scan that gave the category before,
        a control that came a little early counted as in time.
    size : float or None
        The size that chose the band, rounded as the guideline rounds.
    crossed : bool
        Whether a limit of size was crossed without growth.
    cancelled, unsure : tuple of str
        Why a benign morphology does not count, and what would cancel it but is unknown.
    """

    values: dict[str, Possible]
    months: int = 0
    since_category: int = 0
    size: float | None = None
    crossed: bool = False
    cancelled: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grown:
    """Whether a nodule grew, and how fast."""

    growth: Possible
    clear: Possible = ("no",)
    speed: Possible = NOTHING
    change: Change | None = None


def features(guideline: Guideline, situation: Situation, measure: Measure) -> Features:
    """What the cells ask for, sizes by one measure."""
    values: dict[str, Possible] = {
        "nodule": ("present" if situation.looks else "none",),
        "lungs": (situation.lungs.value,),
        "texture": _known(situation.texture, FEATURES["texture"]),
        "count": _count(situation.count),
        "risk": _known(situation.profile.value("fleischner_risk"), FEATURES["risk"]),
        "previous": _known(situation.previous_category, FEATURES["previous"]),
        "airway": ("yes" if situation.airway else "no",),
        "proven_benign": ("yes" if situation.proven_benign else "no",),
        "brock": _calculated(guideline, "brock", situation.brock),
        "herder": _calculated(guideline, "herder", situation.herder),
        "morphology": ("ordinary",),
        "clear_growth": ("no",),
    }
    if not situation.looks:
        return Features(values)
    grown = growth(guideline, situation)
    values["growth"], values["clear_growth"] = grown.growth, grown.clear
    values["speed"] = grown.speed
    values["solid_growth"] = _solid_growth(guideline, situation, grown)
    values["measured_by"] = ("volume" if _by_volume(situation, measure) else "diameter",)
    values["morphology"], cancelled, unsure = _morphology(guideline, situation, measure, grown)
    size = _size(guideline, situation.looks, measure)
    values["size"] = _band(guideline, "size", measure, size)
    values["solid_size"] = _solid_size(guideline, situation, measure)
    early = datetime.timedelta(guideline.early_days)
    later = len(situation.looks) > 1
    since = situation.since or situation.exam
    return Features(
        values,
        months_between(situation.looks[0].date, situation.exam + early) if later else 0,
        months_between(since, situation.exam + early) if later else 0,
        size,
        cancelled=cancelled,
        unsure=unsure,
    )


def growth(guideline: Guideline, situation: Situation) -> Grown:
    """Growth by the guideline's rule; unknown where the comparison is unsound."""
    rule = guideline.growth
    if len(situation.looks) < 2:
        return Grown(_first(situation.is_new))
    if rule is None:
        return Grown(("stable", "growing"))
    earlier = situation.looks[0 if rule.compared_with == "baseline" else -2]
    change = compare(earlier.sized, situation.looks[-1].sized, situation.rules)
    if situation.clear_growth:
        return Grown(("growing",), ("yes",), change=change)
    found = classify(change, rule)
    if found.growth is GrowthClass.GROWTH:
        return Grown(("growing",), speed=_speed(guideline, change), change=change)
    rises = [one for one in (change.diameter_mm, change.volume_percent) if one is not None]
    smaller = found.withheld == (Withheld.NO_SIZE,) and rises and max(rises) <= 0
    if found.growth is not None or smaller or situation.clear_growth is False:
        return Grown(("stable",), change=change)
    speeds = tuple(guideline.bands.get("speed", {})) or NOTHING
    clear = ("no", "yes") if rule.measure == "volume_percent" else ("no",)
    return Grown(("stable", "growing"), clear, speeds, change)


def slow_growth(guideline: Guideline, situation: Situation, grown: Grown) -> bool:
    """Did it grow over several scans by what would be growth within the rule's time?"""
    rule = guideline.growth
    if rule is None or len(situation.looks) < 3 or grown.growth != ("stable",):
        return False
    if situation.texture is None or situation.texture.value not in guideline.slow_growth:
        return False
    total = rise(
        compare(situation.looks[0].sized, situation.looks[-1].sized, situation.rules), rule
    )
    return total is not None and rule.reached(total)


def settle(guideline: Guideline, values: dict[str, str]) -> dict[str, str]:
    """Leave out what cannot matter: nodules in unseen lungs, a benign morphology elsewhere.

    Benign morphologies are of solid nodules outside the airways. A nodule that is classed as
    on a first scan, because it crossed a limit, is not so where it or its solid part grew.
    """
    if values.get("lungs", "evaluable") != "evaluable" or values.get("nodule") == "none":
        return {**values, "nodule": "none", "airway": "no", "morphology": "ordinary"}
    if values.get("growth") in ("first", "new"):
        values = {**values, "clear_growth": "no"}
    if values.get("texture") == "part_solid" and "growing" in _growths(values):
        values = {
            name: "stable" if name in GROWTHS and value == "first" else value
            for name, value in values.items()
        }
    cancelling = guideline.cancelled_by.get(values.get("morphology", ""), ())
    grown = values.get("growth") == "growing" and "growth" in cancelling
    if grown or values.get("texture", "solid") != "solid" or values.get("airway") == "yes":
        return {**values, "morphology": "ordinary"}
    return values


def _growths(values: dict[str, str]) -> tuple[str, ...]:
    return tuple(values.get(name, "") for name in GROWTHS)


def band(bands: dict[str, dict[Measure, Range]], measure: Measure, value: float) -> str:
    """The band of a value; empty where none is of the measure."""
    found = (name for name, one in bands.items() if measure in one and one[measure].holds(value))
    return next(found, "")


def _known(value: object, every: Possible) -> Possible:
    return every if value is None else (str(value),)


def _count(count: int | None) -> Possible:
    if count is None:
        return FEATURES["count"]
    return ("single",) if count == 1 else ("multiple",)


def _first(is_new: bool | None) -> Possible:
    if is_new is None:
        return "first", "new"
    return ("new",) if is_new else ("first",)


def _calculated(guideline: Guideline, name: Measure, ends: tuple[float, float] | None) -> Possible:
    """The bands that a probability, or a range of it, reaches."""
    bands = guideline.bands.get(name)
    if bands is None or ends is None:
        return (NOT_DONE,)
    names = list(bands)
    low, high = (names.index(band(bands, name, end)) for end in ends)
    return tuple(names[low : high + 1])


def _speed(guideline: Guideline, change: Change) -> Possible:
    bands, days = guideline.bands.get("speed"), change.vdt_days
    if bands is None or days is None:
        return NOTHING
    return (band(bands, "vdt_days", days),)


def _solid_growth(guideline: Guideline, situation: Situation, grown: Grown) -> Possible:
    """Growth of the solid part, by the guideline's rule for diameters."""
    rule = guideline.growth
    if situation.texture not in (None, "part_solid") or len(situation.looks) < 2:
        return grown.growth
    if rule is None or rule.measure != "diameter_mm":
        return grown.growth
    earlier = situation.looks[0 if rule.compared_with == "baseline" else -2]
    before, now = earlier.solid_mm, situation.looks[-1].solid_mm
    if before is None or now is None:
        return "stable", "growing"
    if before == 0 or now == 0:
        return ("new",) if now > 0 else ("stable",)
    change = compare(_as(earlier, before), _as(situation.looks[-1], now), situation.rules)
    found = classify(change, rule).growth
    if found is None:
        return "stable", "growing"
    return ("growing",) if found is GrowthClass.GROWTH else ("stable",)


def _as(look: Look, mm: float) -> Sized:
    return dataclasses.replace(look.sized, mean_diameter_mm=mm, volume_mm3=None)


def _by_volume(situation: Situation, measure: Measure) -> bool:
    ends = (situation.looks[0], situation.looks[-1])
    return measure == "mm3" and all(look.measured("mm3") is not None for look in ends)


def _morphology(
    guideline: Guideline, situation: Situation, measure: Measure, grown: Grown
) -> tuple[Possible, tuple[str, ...], tuple[str, ...]]:
    """A benign morphology, unless something cancels it; what cancels it, and what may."""
    mine = situation.morphology
    if mine is Morphology.ORDINARY or mine.value not in guideline.benign:
        return ("ordinary",), (), ()
    limits = guideline.benign_below.get(mine.value, {})
    size = _size(guideline, situation.looks, measure)
    seen = {
        "spiculated": situation.spiculated,
        "fissure_displaced": situation.fissure_displaced,
        "cancer_history": situation.cancer_history,
        "growth": grown.growth == ("growing",),
    }
    cancelling = guideline.cancelled_by.get(mine.value, ())
    cancelled: tuple[str, ...] = tuple(name for name in cancelling if seen[name])
    if measure in limits and (size is None or not limits[measure].holds(size)):
        cancelled = (*cancelled, "size")
    if cancelled:
        return ("ordinary",), cancelled, ()
    return (mine.value,), (), tuple(name for name in cancelling if seen[name] is None)


def _size(guideline: Guideline, looks: Iterable[Look], measure: Measure) -> float | None:
    """The size that a band is asked for, rounded as the guideline rounds."""
    sizes = [look.measured(measure) for look in looks]
    if not sizes or sizes[-1] is None:
        return None
    known = [size for size in sizes if size is not None]
    size = max(known) if guideline.sizes == "largest" else known[-1]
    decimals = guideline.decimals.get(measure)
    return size if decimals is None else rounded(size, decimals)


def _band(guideline: Guideline, name: str, measure: Measure, size: float | None) -> Possible:
    bands = guideline.bands[name]
    if size is None:
        return tuple(bands)
    return (band(bands, measure, size),)


def _solid_size(guideline: Guideline, situation: Situation, measure: Measure) -> Possible:
    bands = guideline.bands.get("solid_size")
    if bands is None or situation.texture not in (None, "part_solid"):
        return NOTHING
    mine: Measure = "solid_mm3" if measure == "mm3" else "solid_mm"
    order: tuple[Measure, ...] = (mine, "solid_mm", "solid_mm3")
    for one in order:
        size = _size(guideline, situation.looks, one)
        if size is not None and any(one in ranges for ranges in bands.values()):
            return (band(bands, one, size),)
    return tuple(bands)
