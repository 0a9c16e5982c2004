"""Growth as a guideline defines it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gransk.core.errors import InvalidValueError
from nodule.growth.change import Change
from nodule.growth.dates import add_months
from nodule.growth.reasons import Withheld


class GrowthClass(StrEnum):
    """What a guideline calls a change."""

    GROWTH = "growth"
    BELOW_THRESHOLD = "below_threshold"
    NO_GROWTH = "no_growth"


class GrowthRule(BaseModel):
    """A guideline's definition of growth.

    Parameters
    ----------
    measure : str
        ``volume_percent`` or ``diameter_mm``.
    at_least, above : float, optional
        Exactly one: the least change that is growth, or the one that it must exceed.
    decimals : int, optional
        To which both diameters are rounded first.
    within_months : int, optional
        The rule is about changes within this time; larger ones over a longer time are
        told but not classed, and never annualised.
    warn_over_months : int, optional
        A longer time between the scans is warned about.
    compared_with : str
        ``baseline`` or ``previous`` scan.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    measure: Literal["volume_percent", "diameter_mm"]
    at_least: float | None = Field(default=None, gt=0)
    above: float | None = Field(default=None, gt=0)
    decimals: int | None = Field(default=None, ge=0, le=3)
    within_months: int | None = Field(default=None, gt=0)
    warn_over_months: int | None = Field(default=None, gt=0)
    compared_with: Literal["baseline", "previous"]

    @model_validator(mode="after")
    def _check(self) -> GrowthRule:
        if (self.at_least is None) == (self.above is None):
            raise ValueError("give at_least or above")
        return self

    def reached(self, amount: float) -> bool:
        """Is a change, in the rule's measure, growth?"""
        exact = round(amount, 9)
        if self.at_least is not None:
            return exact >= self.at_least
        return self.above is not None and exact > self.above


@dataclass(frozen=True)
class Classed:
    """A class, or why there is none.

    Parameters
    ----------
    growth : GrowthClass or None
        None where it is withheld.
    withheld : tuple of Withheld
        Why; empty where there is a class.
    """

    growth: GrowthClass | None
    withheld: tuple[Withheld, ...] = ()

    def __post_init__(self) -> None:
        if (self.growth is None) != bool(self.withheld):
            raise InvalidValueError("Classed", self.growth, "a class, or reasons for none")


def classify(change: Change, rule: GrowthRule) -> Classed:
    """The class of a change by a guideline's rule."""
    if change.withheld:
        return Classed(None, change.withheld)
    amount = rise(change, rule)
    if amount is None:
        return Classed(None, (Withheld.NO_SIZE,))
    if rule.reached(amount):
        late = rule.within_months and change.current.date > add_months(
            change.prior.date, rule.within_months
        )
        return Classed(None, (Withheld.LONG_INTERVAL,)) if late else Classed(GrowthClass.GROWTH)
    return Classed(GrowthClass.BELOW_THRESHOLD if amount > 0 else GrowthClass.NO_GROWTH)


def rise(change: Change, rule: GrowthRule) -> float | None:
    """The change in the rule's measure: mm or %; None where a size is missing."""
    if rule.measure == "volume_percent":
        return change.volume_percent
    before, now = change.prior.mean_diameter_mm, change.current.mean_diameter_mm
    if before is None or now is None:
        return None
    if rule.decimals is None:
        return now - before
    return rounded(now, rule.decimals) - rounded(before, rule.decimals)


def rounded(value: float, decimals: int) -> float:
    """Rounded as people do: 5.5 to 6."""
    step = Decimal(1).scaleb(-decimals)
    return float(Decimal(repr(float(value))).quantize(step, rounding=ROUND_HALF_UP))


def change_json(change: Change, rule: GrowthRule) -> dict[str, Any]:
    """The keys of a finding's JSON that tell its change; ``withheld`` is the first reason."""
    interval = change.vdt_interval_days
    classed = classify(change, rule)
    codes = [code.value for code in classed.withheld]
    return {
        "prior_volume_mm3": change.prior.volume_mm3,
        "volume_change_percent": change.volume_percent,
        "diameter_change_mm": change.diameter_mm,
        "days": change.days,
        "no_growth": change.no_growth,
        "vdt_days": change.vdt_days,
        "vdt_interval_days": None if interval is None else list(interval),
        "growth_class": None if classed.growth is None else classed.growth.value,
        "withheld": codes[0] if codes else None,
        "withheld_codes": codes,
        "noted": [code.value for code in change.noted],
    }
