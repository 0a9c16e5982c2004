"""How measured ratios of volumes differ from the true ones, beside what the error model says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from bench.followup.rows import (
    Group,
    Line,
    Row,
    both,
    has,
    is_attached,
    is_solid,
    log_error,
    measured,
    rows_of,
    share,
    size_groups,
    sizes_of,
)
from gransk.core.statistics.bootstrap import interval
from gransk.core.statistics.figure import FloatArray, IntArray
from nodule.growth.change import Change
from nodule.uncertainty import Z95

FEWEST = 10
THICKNESSES_MM = ((0.0, 1.1), (1.1, 2.1), (2.1, 2.6), (2.6, 3.5))


def errors_report(lines: Sequence[Line]) -> str:
    """A line for each kind of nodule: error of the logarithm, stated deviation, coverage."""
    known = list(measured(rows_of(lines)))
    out = [
        f"{len({line['host'] for line in lines})} scans, {len(lines)} pairs, {len(known)} lesions "
        "that both scans show, of pairs whose volumes may be compared",
        f"{'':44s}    n    bias   deviation (robust)  stated  largest tenth  "
        "limits hold the true ratio (95 % interval)",
    ]
    for name, chosen in _groups():
        some = [(row, change) for row, change in known if chosen(row)]
        if len(some) > 1:
            out.append(f"{name:44s} {_figures(some)}")
    return "\n".join([*out, "", *_common([row for row, _ in known])])


def _common(rows: Sequence[Row]) -> Iterator[str]:
    """How far the errors of both scans are one, of bodies whose volumes are known exactly.

    The logarithm of a ratio errs by the difference of two errors, whose variance is the sum
    of theirs times 1 less their correlation.
    """
    yield "errors of one scan's volume, of drawn bodies: mean, deviation, correlation of both scans"
    kinds: list[Group] = [
        ("all", lambda r: True), ("solid", is_solid), ("not solid", lambda r: not is_solid(r))
    ]  # fmt: skip
    for name, chosen in kinds:
        some = [row for row in rows if row["prior_mm3"] and chosen(row)]
        if len(some) > FEWEST:
            errors = np.array([_own_errors(row) for row in some])
            low, high = interval([r["host"] for r in some], partial(_correlation, errors))
            yield (
                f"{name:44s} {len(some):4d}  {errors.mean():+.3f}   {errors.std():.3f}   "
                f"{_correlation(errors, np.arange(len(errors))):.2f} ({low:.2f} to {high:.2f})"
            )


def _own_errors(row: Row) -> list[float]:
    sizes = sizes_of(row) or [(math.nan, math.nan)] * 2
    true = (row["prior_mm3"], row["current_mm3"])
    return [math.log(mm3 / t) for (mm3, _), t in zip(sizes, true, strict=True)]


def _correlation(errors: FloatArray, rows: IntArray) -> float:
    return float(np.asarray(np.corrcoef(errors[rows].T))[0, 1])


def _groups() -> list[Group]:
    kinds: list[Group] = [
        ("all", lambda r: True),
        ("solid, free", lambda r: is_solid(r) and not is_attached(r)),
        ("solid, at the pleura", lambda r: is_solid(r) and is_attached(r)),
        ("not solid, free", lambda r: not is_solid(r) and not is_attached(r)),
        ("not solid, at the pleura", lambda r: not is_solid(r) and is_attached(r)),
    ]
    more: list[Group] = [
        ("repeats", lambda r: bool(r["kind"] == "repeat")),
        ("true ratio 1", lambda r: bool(r["ratio"] == 1)),
        ("growing", lambda r: bool(r["ratio"] > 1)),
        ("shrinking", lambda r: bool(r["ratio"] < 1)),
    ]
    sizes = size_groups()
    sources = [has("source", v) for v in ("drawn", "pasted", "own")]
    places = [has("place", v) for v in ("inner", "wall", "vessel")]
    crossed = [both(kind, size) for kind in kinds[1:] for size in sizes]
    return [*kinds, *sizes, *map(_thick, THICKNESSES_MM), *sources, *places, *more, *crossed]


def _thick(between: tuple[float, float]) -> Group:
    low, high = between
    return f"slices of {low:g} to {high:g} mm", lambda r: low <= max(r["thickness_mm"]) < high


def _figures(some: Sequence[tuple[Row, Change]]) -> str:
    errors = np.array([log_error(row) for row, _ in some])
    limits = np.array([change.log_limit for _, change in some])
    held = {id(row): abs(e) <= m for (row, _), e, m in zip(some, errors, limits, strict=True)}
    robust = 1.4826 * float(np.median(np.abs(errors - np.median(errors))))
    return (
        f"{len(errors):4d}  {errors.mean():+.3f}   {errors.std(ddof=1):.3f} ({robust:.3f})       "
        f"{np.sqrt((limits**2).mean()) / Z95:.3f}   {np.quantile(np.abs(errors), 0.9):.3f}    "
        f"{share([row for row, _ in some], lambda row: held[id(row)])}"
    )
