"""From possible values to rows: every option that a guideline leaves open."""

from __future__ import annotations

import datetime
import itertools
from dataclasses import dataclass, field

from gransk.core.errors import ConfigurationError
from nodule.growth.dates import add_months
from nodule.guidelines.codes import Lacks
from nodule.guidelines.features import Features, settle
from nodule.guidelines.situation import Situation
from nodule.guidelines.table import MONTHS, Guideline, Range, Row, Silent, Step


@dataclass(frozen=True)
class Option:
    """One row, or what the source lacks instead.

    Parameters
    ----------
    row : Row or None
        None where the guideline is silent.
    lacks : Lacks or None
        What it lacks then.
    given : mapping of str to tuple of str
        The values of unknown inputs that lead here; empty where nothing unknown matters.
    category : str or None
        With its modifier.
    step : Step or None
        What is advised.
    due : (date, date) or None
        From and to.
    counted_from : date or None
        The scan that the interval counts from.
    since : date or None
        The scan that gave the category; the next scan is asked with it.
    """

    row: Row | None
    lacks: Lacks | None = None
    given: dict[str, tuple[str, ...]] = field(default_factory=dict)
    category: str | None = None
    step: Step | None = None
    due: tuple[datetime.date, datetime.date] | None = None
    counted_from: datetime.date | None = None
    since: datetime.date | None = None

    @property
    def name(self) -> str:
        """Id of the row, or the code of what is lacking."""
        return self.row.id if self.row is not None else str(self.lacks)

    def overdue(self, today: datetime.date) -> bool:
        """Has its time passed?"""
        return self.due is not None and self.due[1] < today


def find(
    guideline: Guideline, values: dict[str, str], months: int, since_category: int
) -> Row | Silent:
    """The row that known values reach, or the silent region.

    Raises
    ------
    ConfigurationError
        Where they reach two rows.
    """
    numbers = {"months": months, "since_category": since_category}
    settled = settle(guideline, values)
    rows = [row for row in guideline.rows if _fits(row, settled, numbers)]
    if len(rows) > 1:
        names = ", ".join(row.id for row in rows)
        raise ConfigurationError(f"{guideline.id}: one input reaches the rows {names}")
    if rows:
        return rows[0]
    silent = (region for region in guideline.silent if _fits(region, settled, numbers))
    return next(silent, Silent(lacks=Lacks.ROW, when={}))


def _fits(part: Row | Silent, values: dict[str, str], numbers: dict[str, int]) -> bool:
    for name, cell in part.when.items():
        if isinstance(cell, Range):
            if not cell.holds(numbers[name]):
                return False
        elif values.get(name) not in cell:
            return False
    return True


def options_of(guideline: Guideline, situation: Situation, found: Features) -> tuple[Option, ...]:
    """Every row, or silent region, that the possible values reach, in the guideline's order."""
    names = [name for name in guideline.names() if name not in MONTHS]
    possible = [found.values.get(name, ("",)) for name in names]
    reached: dict[str, tuple[Row | Silent, list[dict[str, str]]]] = {}
    for combination in itertools.product(*possible):
        values = dict(zip(names, combination, strict=True))
        part = find(guideline, values, found.months, found.since_category)
        key = part.id if isinstance(part, Row) else f"silent {part.lacks}"
        reached.setdefault(key, (part, []))[1].append(values)
    order = [row.id for row in guideline.rows]
    ways_of = sorted(
        reached.items(), key=lambda one: order.index(one[0]) if one[0] in order else len(order)
    )
    open_ = [name for name in names if len(found.values.get(name, ())) > 1]
    return tuple(
        _option(guideline, situation, part, _given(open_, ways, found) if len(reached) > 1 else {})
        for _, (part, ways) in ways_of
    )


def _given(
    names: list[str], ways: list[dict[str, str]], found: Features
) -> dict[str, tuple[str, ...]]:
    """The values of unknown inputs that lead to a row; inputs of which all do are left out."""
    given = {name: tuple(dict.fromkeys(way[name] for way in ways)) for name in names}
    return {name: ways_ for name, ways_ in given.items() if len(ways_) < len(found.values[name])}


def _option(
    guideline: Guideline,
    situation: Situation,
    part: Row | Silent,
    given: dict[str, tuple[str, ...]],
) -> Option:
    if isinstance(part, Silent):
        return Option(None, part.lacks, given)
    category = part.category
    step = part.step or guideline.categories[str(category)]
    upgrade = guideline.upgrade
    if upgrade is not None and category in upgrade.from_ and situation.seen(*upgrade.findings):
        category, step = upgrade.to, guideline.categories[upgrade.to]
    if category is not None and guideline.modifier and situation.other_finding:
        category += guideline.modifier
    counted, due = None, None
    if step.due is not None:
        counted = _scan(situation, step.due.counts_from)
        due = add_months(counted, step.due.from_), add_months(counted, step.due.to)
    kept = step.due is not None and step.due.counts_from == "category"
    since = None if category is None else counted if kept else situation.exam
    return Option(part, None, given, category, step, due, counted, since)


def _scan(situation: Situation, which: str) -> datetime.date:
    """The date of the scan that an interval counts from."""
    if which == "baseline" and situation.looks:
        return situation.looks[0].date
    if which == "category" and situation.since is not None:
        return situation.since
    return situation.exam
