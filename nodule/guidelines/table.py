"""A guideline as data: validated when it is loaded, known by id and version."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from gransk.core.errors import ConfigurationError
from nodule.growth.classes import GrowthRule
from nodule.guidelines.codes import Action, Excluded, Lacks, Strength
from nodule.risk.model import options
from nodule.rule_file import read_rules

FOLDER = Path(__file__).with_name("tables")

# Values that a cell of a row may ask for; numbers and bands come on top.
FEATURES: dict[str, tuple[str, ...]] = {
    "nodule": ("none", "present"),
    "lungs": ("evaluable", "not_evaluable", "prior_awaited", "inflammatory"),
    "texture": ("solid", "part_solid", "ground_glass"),
    "count": ("single", "multiple"),
    "risk": ("low", "high"),
    "morphology": ("ordinary", "perifissural", "juxtapleural", "calcified", "fat"),
    "growth": ("first", "new", "stable", "growing"),
    "solid_growth": ("first", "new", "stable", "growing"),
    "clear_growth": ("yes", "no"),
    "measured_by": ("volume", "diameter"),
    "previous": ("1", "2", "3", "4A", "4B", "4X"),
    "airway": ("yes", "no"),
    "proven_benign": ("yes", "no"),
}
MONTHS = ("months", "since_category")
# What a band may be of.
Measure = Literal["mm", "mm3", "solid_mm", "solid_mm3", "vdt_days", "brock", "herder"]
Cancelling = Literal["spiculated", "fissure_displaced", "cancer_history", "growth"]
# The band of what was not calculated.
NOT_DONE = "not_done"


class Part(BaseModel):
    """Frozen, without unknown keys, and without turning one type into another."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True
    )


class Range(Part):
    """Numbers between two ends, of which either may be missing."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _check(self) -> Range:
        if self.at_least is not None and self.above is not None:
            raise ValueError("give at_least or above")
        if self.at_most is not None and self.below is not None:
            raise ValueError("give at_most or below")
        if self.start[0] > self.end[0]:
            raise ValueError("the end lies before the start")
        return self

    @property
    def start(self) -> tuple[float, bool]:
        """The lower end, and whether it belongs to the range."""
        if self.above is not None:
            return self.above, False
        return (0.0 if self.at_least is None else self.at_least), True

    @property
    def end(self) -> tuple[float, bool]:
        """The upper end, and whether it belongs to the range."""
        if self.at_most is not None:
            return self.at_most, True
        return (float("inf") if self.below is None else self.below), False

    def holds(self, value: float) -> bool:
        """Does a number lie in the range?"""
        (low, low_in), (high, high_in) = self.start, self.end
        return (value > low or (low_in and value == low)) and (
            value < high or (high_in and value == high)
        )


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Values = Annotated[tuple[str, ...], BeforeValidator(_one_or_more), Field(min_length=1)]
Cell = Values | Range


class Due(Part):
    """When a step is due: months, counted from one of the scans."""

    from_: int = Field(alias="from", ge=0)
    to: int = Field(ge=0)
    counts_from: Literal["baseline", "category", "this"]

    @model_validator(mode="after")
    def _check(self) -> Due:
        if self.to < self.from_:
            raise ValueError("due: to lies before from")
        return self


class Step(Part):
    """What is advised.

    Parameters
    ----------
    actions : tuple of Action
        The first, or one of them.
    strength : Strength
        How strongly.
    due : Due, optional
        When; None where the source has no date for it.
    """

    actions: tuple[Action, ...] = Field(min_length=1)
    strength: Strength = Strength.RECOMMENDED
    due: Due | None = None


class Row(Part):
    """One row of a guideline.

    Parameters
    ----------
    id : str
        Its name within the guideline.
    when : mapping of str to tuple of str or Range
        What every cell asks for; what is not named does not matter.
    step : Step, optional
        What is advised; None where its category tells it.
    category : str, optional
        In guidelines with categories.
    """

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    when: dict[str, Cell]
    step: Step | None = None
    category: str | None = None

    @property
    def rests_on_morphology(self) -> bool:
        """Does it need a looks that an ordinary nodule has not?"""
        cell = self.when.get("morphology")
        return isinstance(cell, tuple) and "ordinary" not in cell


class Silent(Part):
    """Inputs that the source has no row for. Regions are looked at in their order."""

    lacks: Lacks
    when: dict[str, Cell]


class Exclusion(Part):
    """Whom a guideline is not for, by a key of the risk profile."""

    input: str
    is_: tuple[str, ...] | None = Field(default=None, alias="is")
    below: float | None = None
    code: Excluded

    @model_validator(mode="after")
    def _check(self) -> Exclusion:
        known = options(self.input)
        if (self.below is None) == (self.is_ is None) or (known is None) != (self.is_ is None):
            raise ValueError(f"{self.input}: is for choices, below for numbers")
        if self.is_ is not None and not set(self.is_) <= set(known or ()):
            raise ValueError(f"{self.input}: {self.is_} are not among its answers")
        return self


class Upgrade(Part):
    """A category that others become where one of the findings was made."""

    from_: tuple[str, ...] = Field(alias="from", min_length=1)
    to: str
    findings: tuple[Literal["suspicious", "spiculated"], ...] = Field(min_length=1)


class Guideline(Part):
    """A guideline.

    Parameters
    ----------
    id, version, source, date : str
        What it is; the date of the source.
    state : str
        ``primary`` where the source was read in the original, ``secondary`` where it was
        not, ``not_available`` where a site must supply the table.
    measures : tuple of str
        ``mm`` (mean diameter) and ``mm3``; the first that is known chooses the row.
    sizes : str
        ``largest`` of the course or the ``current`` one.
    decimals : mapping
        Decimals that a measure is rounded to before it meets a band.
    early_days : int
        A control counts for a step from so many days before its time.
    growth : GrowthRule, optional
        What growth is; None where no row asks for it.
    slow_growth : tuple of str
        Textures whose slow growth over several scans is noted.
    reclassify_on_crossing : bool
        A stable nodule whose size alone puts it higher than before is classed as on a first
        scan, where that lowers no category.
    benign : tuple of str
        Morphologies of solid nodules that have rows; every other is ordinary.
    cancelled_by : mapping of morphology to tuple of str
        Findings that make a benign morphology an ordinary one.
    benign_below : mapping of morphology to mapping of measure to Range
        Sizes outside which a benign morphology is an ordinary one.
    not_assessed : tuple of str
        What every outcome says was not looked for, unless it was.
    modifier : str, optional
        Added to a category where another significant finding was made.
    bands : mapping of str to mapping of str to mapping of measure to Range
        Names of sizes, in rising order; each measure's bands leave no gap.
    categories : mapping of str to Step
        In rising order.
    defaults : mapping of str to cell
        Cells of every row that does not name them.
    rows : tuple of Row
        No input reaches two.
    silent : tuple of Silent
        What of the rest the source lacks.
    """

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    version: str = Field(min_length=1)
    source: str = Field(min_length=1)
    date: str | None = Field(default=None, pattern=r"^\d{4}(-\d{2})?$")
    state: Literal["primary", "secondary", "not_available"]
    excludes: tuple[Exclusion, ...] = ()
    measures: tuple[Literal["mm", "mm3"], ...] = ()
    sizes: Literal["largest", "current"] = "current"
    decimals: dict[Measure, int] = Field(default_factory=dict)
    early_days: int = Field(default=0, ge=0)
    growth: GrowthRule | None = None
    slow_growth: tuple[str, ...] = ()
    reclassify_on_crossing: bool = False
    benign: tuple[str, ...] = ()
    cancelled_by: dict[str, tuple[Cancelling, ...]] = Field(default_factory=dict)
    benign_below: dict[str, dict[Measure, Range]] = Field(default_factory=dict)
    not_assessed: tuple[Literal["airway", "atypical_cyst"], ...] = ()
    modifier: str | None = None
    bands: dict[str, dict[str, dict[Measure, Range]]] = Field(default_factory=dict)
    categories: dict[str, Step] = Field(default_factory=dict)
    defaults: dict[str, Cell] = Field(default_factory=dict)
    upgrade: Upgrade | None = None
    rows: tuple[Row, ...] = ()
    silent: tuple[Silent, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, data: Any) -> Any:
        """Give every row the cells that it does not name."""
        if not isinstance(data, dict) or not isinstance(data.get("defaults"), dict):
            return data
        rows = data.get("rows")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            return data
        filled = [
            {**row, "when": {**data["defaults"], **row["when"]}}
            if isinstance(row.get("when"), dict)
            else row
            for row in rows
        ]
        return {**data, "rows": filled}

    @model_validator(mode="after")
    def _check(self) -> Guideline:
        missing = not self.measures or "size" not in self.bands
        if (self.state == "not_available") != (not self.rows):
            raise ValueError("rows where the guideline is available, and only there")
        if self.rows and missing:
            raise ValueError("measures and bands of size are needed")
        ids = [row.id for row in self.rows]
        if len(set(ids)) < len(ids):
            raise ValueError("two rows have one id")
        for name, bands in self.bands.items():
            _check_bands(name, bands)
        for part in self.regions():
            self._check_cells(part.when)
        if not set(self.benign) <= set(FEATURES["morphology"]):
            raise ValueError("benign: no such morphology")
        if not {*self.cancelled_by, *self.benign_below} <= {*self.benign}:
            raise ValueError("cancelled_by or benign_below: a morphology that is not benign")
        self._check_steps()
        return self

    def regions(self) -> list[Row | Silent]:
        """Rows, then silent regions."""
        return [*self.rows, *self.silent]

    def values(self, name: str) -> tuple[str, ...]:
        """All values that a feature or the bands of a name may have."""
        if name in self.bands:
            bands = tuple(self.bands[name])
            return (*bands, NOT_DONE) if name in CALCULATED else bands
        return FEATURES[name]

    def names(self) -> tuple[str, ...]:
        """Names that any row or silent region asks for, in a fixed order."""
        found = {name for part in self.regions() for name in part.when}
        return tuple(n for n in (*FEATURES, *self.bands, *MONTHS) if n in found)

    def _check_cells(self, when: dict[str, Cell]) -> None:
        for name, cell in when.items():
            if name in MONTHS:
                if not isinstance(cell, Range):
                    raise ValueError(f"{name}: a range of months")
                continue
            if name not in self.bands and name not in FEATURES:
                raise ValueError(f"{name}: no such input")
            if not isinstance(cell, tuple) or not cell or set(cell) - set(self.values(name)):
                raise ValueError(f"{name}: {cell} is not among {self.values(name)}")

    def _check_steps(self) -> None:
        for row in self.rows:
            if row.step is None and row.category not in self.categories:
                raise ValueError(f"{row.id}: neither it nor its category has a step")
            due = None if row.step is None else row.step.due
            if row.category is None and due is not None and due.counts_from == "category":
                raise ValueError(f"{row.id}: it counts from a category and has none")
        used = {row.category for row in self.rows if row.step is None}
        if self.upgrade is not None:
            known = {row.category for row in self.rows}
            if not set(self.upgrade.from_) <= known:
                raise ValueError("upgrade: from a category that no row has")
            used.add(self.upgrade.to)
        if used != set(self.categories):
            raise ValueError("every category has its step, and is used")


# Bands of what may not have been calculated.
CALCULATED = ("brock", "herder")


def _check_bands(name: str, bands: dict[str, dict[Measure, Range]]) -> None:
    """Refuse bands that overlap, leave a gap or stand in no rising order."""
    measures = {measure for band in bands.values() for measure in band}
    for measure in measures:
        ranges = [band[measure] for band in bands.values() if measure in band]
        ends = [(0.0, False), *[one.end for one in ranges]]
        for (before, closed), one in zip(ends, ranges, strict=False):
            start, open_ = one.start
            if start != before or open_ == closed:
                raise ValueError(f"{name}: bands of {measure} overlap or leave a gap")
        if ends[-1][0] != float("inf"):
            raise ValueError(f"{name}: bands of {measure} end at {ends[-1][0]}")


def load_guideline(path: Path) -> Guideline:
    """A guideline from its YAML.

    Raises
    ------
    ConfigurationError
        Where the file cannot be read or is no guideline; the message says which key.
    """
    return read_rules(Guideline, path)


@cache
def guidelines(folder: Path = FOLDER) -> dict[str, Guideline]:
    """The guidelines of a folder by id; the shipped ones without it.

    Raises
    ------
    ConfigurationError
        Where a file is no guideline or is called otherwise than it.
    """
    found = dict(_load_all(folder))
    for name, guideline in found.items():
        if guideline.id != name:
            raise ConfigurationError(f"{name}.yaml: its id is {guideline.id!r}")
    return found


def _load_all(folder: Path) -> Iterator[tuple[str, Guideline]]:
    for path in sorted(folder.glob("*.yaml")):
        yield path.stem, load_guideline(path)
