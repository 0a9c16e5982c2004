"""The reading room of a site: its units, how exams are matched to them, levels of suspicion."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    Field,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from gransk.core.exam_facts import Where
from gransk.site.config_types import (
    AeTitle,
    HolidayCountry,
    Name,
    Section,
    SitePath,
    names_differ,
)
from gransk.site.config_types import read_secret as read_secret


class UnitMatch(Section):
    """Images that a unit calls its own: each attribute that is given is equal."""

    institution: str = Field(default="", max_length=64)
    department: str = Field(default="", max_length=64)
    station: str = Field(default="", max_length=16)
    aet: AeTitle | None = None

    @model_validator(mode="after")
    def _some(self) -> UnitMatch:
        if not any(part and part.strip() for part in (*self.model_dump().values(),)):
            raise PydanticCustomError("match", "institution, department, station or aet")
        return self


class Unit(Section):
    """A unit whose exams are read and counted together."""

    name: Name
    title: str = Field(min_length=1, max_length=64)
    responsible: tuple[str, ...] = ()
    match: tuple[UnitMatch, ...] = ()


class SuspicionLevel(Section):
    """A level of the scale on which readers rate what they recall, with its words."""

    value: int = Field(ge=0, le=10)
    da: str = Field(min_length=1, max_length=40)
    en: str = Field(min_length=1, max_length=40)


SUSPICION = tuple(
    SuspicionLevel(value=value, da=da, en=en)
    for value, da, en in (
        (1, "meget lav", "very low"),
        (2, "lav", "low"),
        (3, "moderat", "moderate"),
        (4, "høj", "high"),
        (5, "meget høj", "very high"),
    )
)


class ReadingSection(Section):
    """The reading room: its units, how readers say it, and what figures are held to."""

    units: Annotated[tuple[Unit, ...], names_differ("units")] = ()
    suspicion: tuple[SuspicionLevel, ...] = Field(default=SUSPICION, min_length=2, max_length=9)
    systems: tuple[str, ...] = ()
    holidays: HolidayCountry = "DK"
    levels_file: SitePath | None = None
    background_per_1000: float | None = Field(default=None, gt=0, le=100)

    @field_validator("suspicion")
    @classmethod
    def _rising(cls, values: tuple[SuspicionLevel, ...]) -> tuple[SuspicionLevel, ...]:
        levels = [level.value for level in values]
        if levels != sorted(set(levels)):
            raise PydanticCustomError("rising", "levels that rise from one to the next")
        return values

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the units, in order."""
        return tuple(unit.name for unit in self.units)

    @property
    def only_unit(self) -> str:
        """The unit that has every exam of a site; empty where units are told by their images."""
        return self.units[0].name if len(self.units) == 1 and not self.units[0].match else ""

    def narrows(self, unit: str) -> str:
        """The unit, where it has some exams of the site and not others; else empty."""
        return "" if unit == self.only_unit else unit

    @property
    def matches(self) -> dict[str, tuple[Where, ...]]:
        """By which images each unit's exams are known."""
        return {
            unit.name: tuple(
                Where(one.institution, one.department, one.station, one.aet or "")
                for one in unit.match
            )
            for unit in self.units
        }

    def responsible(self, unit: str) -> tuple[str, ...]:
        """Accounts that answer for a unit; empty: whoever has the role."""
        return next((one.responsible for one in self.units if one.name == unit), ())
