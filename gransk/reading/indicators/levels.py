"""Levels that indicators are held against: European ones, and a site's own, as data."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from gransk.core.errors import ConfigurationError
from gransk.core.exam_facts import Round
from gransk.core.findings import Frozen
from gransk.core.statistics.figure import Figure
from gransk.reading.indicators.counting import Indicator

SHIPPED = ("eu-2006",)


class Reached(StrEnum):
    """Which level a figure reaches."""

    DESIRABLE = "desirable"
    ACCEPTABLE = "acceptable"
    NEITHER = "neither"


class Level(Frozen):
    """What an indicator should reach.

    Parameters
    ----------
    indicator : Indicator
    round : Round, optional
        None: every round.
    better : ``higher`` or ``lower``
    acceptable, desirable : float, optional
        As the indicator is shown: a share, a ratio, or per 1,000.
    times_background : bool
        The numbers are multiples of the incidence to be expected without screening.
    strict : bool
        The limit itself does not reach the level.
    verified : bool
        False: the source could not be read in full; shown to the user.
    """

    indicator: Indicator
    round: Round | None = None
    better: Literal["higher", "lower"]
    acceptable: float | None = Field(default=None, ge=0)
    desirable: float | None = Field(default=None, ge=0)
    times_background: bool = False
    strict: bool = False
    verified: bool = True

    @model_validator(mode="after")
    def _check(self) -> Level:
        given = (self.acceptable, self.desirable)
        if given == (None, None):
            raise ValueError(f"{self.indicator}: acceptable, desirable or both")
        if None not in given:
            worse, best = (-v if self.better == "lower" else v for v in given if v is not None)
            if worse > best:
                raise ValueError(f"{self.indicator}: desirable at least as good as acceptable")
        return self

    def reached(self, value: float, factor: float = 1.0) -> Reached:
        """Which level a value reaches, the limits times a factor."""
        for limit, name in (
            (self.desirable, Reached.DESIRABLE),
            (self.acceptable, Reached.ACCEPTABLE),
        ):
            if limit is not None and self._passes(value, limit * factor):
                return name
        return Reached.NEITHER

    def _passes(self, value: float, limit: float) -> bool:
        if value == limit:
            return not self.strict
        return value > limit if self.better == "higher" else value < limit


class Levels(Frozen):
    """A table of levels with its version and source."""

    id: str = Field(pattern=r"^[a-z0-9-]{1,64}$")
    version: str
    source: str
    date: str
    levels: tuple[Level, ...] = Field(min_length=1)

    def of(self, indicator: Indicator, round_name: str) -> Level | None:
        """The level of an indicator in a round; None where the table has none."""
        for level in self.levels:
            if level.indicator is indicator and level.round in (None, round_name):
                return level
        return None


class Held(Frozen):
    """A figure held against a level.

    Parameters
    ----------
    table : str
        Id and version of the table.
    reached : Reached, optional
        None where the level needs the background incidence, which is not known.
    certain : bool
        Whether the whole interval reaches the same.
    verified : bool
    """

    table: str
    reached: Reached | None
    certain: bool = False
    verified: bool = True


def held(
    tables: Sequence[Levels],
    indicator: Indicator,
    round_name: str,
    figure: Figure,
    background_per_1000: float | None = None,
) -> tuple[Held, ...]:
    """A figure against every table that has a level for it."""
    found = []
    for table in tables:
        level = table.of(indicator, round_name)
        if level is None:
            continue
        name = f"{table.id} {table.version}"
        if level.times_background and background_per_1000 is None:
            found.append(Held(table=name, reached=None, verified=level.verified))
            continue
        factor = (background_per_1000 or 1.0) if level.times_background else 1.0
        reached = [level.reached(value, factor) for value in figure]
        found.append(
            Held(
                table=name,
                reached=reached[0],
                certain=len(set(reached)) == 1,
                verified=level.verified,
            )
        )
    return tuple(found)


def shipped(name: str = "eu-2006") -> Levels:
    """A table that Gransk ships."""
    text = resources.files(__package__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return parse(text, name)


def load(path: Path) -> Levels:
    """A site's own table.

    Raises
    ------
    ConfigurationError
        Names what is wrong with it.
    """
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {type(error).__name__}") from error


def parse(text: str, name: str) -> Levels:
    """A table from its YAML."""
    try:
        return Levels.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{name}: no YAML ({type(error).__name__})") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise ConfigurationError(f"{name}: {place}: {first['msg']}") from error
