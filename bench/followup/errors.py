"""How measured ratios of volumes differ from the true ones, beside what the error model says."""

from __future__ import annotations

from collections.abc import Sequence

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
)
from nodule.growth.change import Change
from nodule.uncertainty import Z95

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
    return "\n".join(out)


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
