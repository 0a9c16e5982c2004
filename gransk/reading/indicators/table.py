"""Indicators by round and group, against levels, and as CSV."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Mapping, Sequence

from gransk.core.findings import Frozen
from gransk.core.programme import Programme
from gransk.core.statistics.figure import Figure
from gransk.reading.groups import Dimension, by_round, group_of, shown
from gransk.reading.indicators.counting import (
    Count,
    Group,
    Indicator,
    Kind,
    Needs,
    Outside,
    Terms,
    counts,
    reader_counts,
)
from gransk.reading.indicators.levels import Held, Levels, held
from gransk.reading.past import PastExam

EVERYBODY = ""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = (
    "round", "group", "indicator", "category", "kind", "hits", "cases", "value", "low", "high",
    "needs", "level", "reached", "certain", "level_verified", "kept_back",
)  # fmt: skip


class Row(Frozen):
    """One indicator of one group in one round.

    Parameters
    ----------
    round : str
        ``first``, ``later`` or ``unknown``: never together.
    group : tuple of str
        One name for each dimension asked for; empty for all exams.
    indicator : Indicator
    category : str
    kind : Kind
    hits : float, optional
    cases : int
    figure : Figure, optional
    needs : Needs, optional
    held : tuple of Held
        Against each table of levels.
    """

    round: str
    group: tuple[str, ...]
    indicator: Indicator
    category: str
    kind: Kind
    hits: float | None
    cases: int
    figure: Figure | None
    needs: Needs | None
    held: tuple[Held, ...] = ()


def table(
    past: Iterable[PastExam],
    by: Sequence[Dimension] = (),
    *,
    terms: Terms | None = None,
    levels: Sequence[Levels] = (),
    outside: Mapping[str, Outside] | None = None,
    background_per_1000: float | None = None,
) -> list[Row]:
    """Indicators of screening exams, by round and then by group.

    Parameters
    ----------
    past : iterable of PastExam
        Exams of other programmes, and of none that is known, are left out.
    by : sequence of Dimension
        With `Dimension.READER` the indicators are those of people's own opinions.
    terms : Terms, optional
    levels : sequence of Levels
    outside : mapping of round to Outside, optional
        Counts for all exams of a round, so for no group.
    background_per_1000 : float, optional
        Incidence to be expected without screening, for levels that are multiples of it.
    """
    screening = [exam for exam in past if exam.programme is Programme.SCREENING]
    rows = []
    for name, exams in by_round(screening).items():
        beside = (outside or {}).get(name, Outside()) if not by else Outside()
        for names, members in _groups(exams, by).items():
            group = Group(members, terms or Terms(), beside)
            for count in _counts(group, names, by):
                against = (
                    held(levels, count.indicator, name, count.figure, background_per_1000)
                    if count.figure is not None
                    else ()
                )
                rows.append(_row(name, names, count, against))
    return rows


def _groups(
    exams: Sequence[PastExam], by: Sequence[Dimension]
) -> dict[tuple[str, ...], list[PastExam]]:
    found: dict[tuple[str, ...], list[PastExam]] = {}
    for exam in exams:
        for names in itertools.product(*(group_of(exam, dimension) for dimension in by)):
            found.setdefault(names, []).append(exam)
    return dict(sorted(found.items()))


def _counts(group: Group, names: tuple[str, ...], by: Sequence[Dimension]) -> list[Count]:
    if Dimension.READER in by:
        return reader_counts(group, names[by.index(Dimension.READER)])
    return counts(group)


def _row(name: str, group: tuple[str, ...], count: Count, against: tuple[Held, ...]) -> Row:
    return Row(
        round=name,
        group=group,
        indicator=count.indicator,
        category=count.category,
        kind=count.kind,
        hits=count.hits,
        cases=count.cases,
        figure=count.figure,
        needs=count.needs,
        held=against,
    )


def as_csv(rows: Sequence[Row], *, keep_back_small: bool = True) -> str:
    """Rows as CSV: UTF-8, comma, a line for each row and each level that it is held against.

    Parameters
    ----------
    rows : sequence of Row
    keep_back_small : bool, optional
        Counts of one to four women are left out with all that is computed from them, and where
        such a count is alone in its table the next smallest, so that no total gives it away.
    """
    hidden = kept_back(rows) if keep_back_small else set()
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for n, row in enumerate(rows):
        for level in row.held or (None,):
            writer.writerow(_cells(row, level, n in hidden))
    return out.getvalue()


def kept_back(rows: Sequence[Row]) -> set[int]:
    """Numbers of the rows with a small count, by the table of their indicator in their round."""
    tables: dict[tuple[str, Indicator, str], list[int]] = {}
    for n, row in enumerate(rows):
        category = row.category if row.group else EVERYBODY
        tables.setdefault((row.round, row.indicator, category), []).append(n)
    hidden: set[int] = set()
    for members in tables.values():
        for what in (_hits, _rest, _cases):
            kept = shown([what(rows[n]) for n in members])
            hidden |= {n for n, count in zip(members, kept, strict=True) if count is None}
    return hidden


def _hits(row: Row) -> int:
    """Women counted; sums of means are no women."""
    return int(row.hits or 0) if row.kind not in (Kind.MEAN, Kind.KAPPA) else 0


def _rest(row: Row) -> int:
    """Those who were not: a share of nearly all names the few."""
    return row.cases - _hits(row) if row.kind in (Kind.SHARE, Kind.PER_1000) and row.figure else 0


def _cases(row: Row) -> int:
    return row.cases


def _cells(row: Row, level: Held | None, hidden: bool) -> list[str]:
    numbers = ["", "", "", "", ""] if hidden else [
        _number(row.hits), str(row.cases), *(map(_number, row.figure or (None, None, None))),
    ]  # fmt: skip
    against = ["", "", "", ""]
    if level is not None and not hidden:
        reached = level.reached or "needs_background"
        against = [level.table, reached, _word(level.certain), _word(level.verified)]
    return [
        row.round, _safe(" / ".join(row.group)), row.indicator, row.category, row.kind,
        *numbers, row.needs or "", *against, _word(hidden),
    ]  # fmt: skip


def _safe(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _word(value: bool) -> str:
    return "yes" if value else "no"
