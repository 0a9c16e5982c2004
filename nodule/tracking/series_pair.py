"""The pair of series, one of each study, in which sizes are compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gransk.core.ct import DEFAULT_MEMORY_MB
from gransk.core.errors import RefusalError
from gransk.core.reasons import Reason
from gransk.core.study import Study
from nodule.growth.change import kernels_withheld, thickness_withheld
from nodule.growth.rules import GrowthRules
from nodule.kernels import kernel_class, preference
from nodule.series import Candidate, SeriesRules, suitable

# Slices whose thickness differs by less are as good as alike.
ALIKE_MM = 0.5
# Volume and lungs are kept of both scans; finding the lungs takes more for a while.
KEPT_BYTES, PASSING_BYTES = 5, 7


@dataclass(frozen=True)
class SeriesPair:
    """One series of each study."""

    one: Candidate
    other: Candidate


def pairs(
    one: Study,
    other: Study,
    rules: SeriesRules,
    growth: GrowthRules,
    memory_mb: int = DEFAULT_MEMORY_MB,
) -> Iterator[SeriesPair]:
    """Pairs of suitable series, those most alike first.

    First those that cover the lungs; then those whose sizes may be compared at all, alike
    in thickness, contrast and kernel; then as a single series is chosen.

    Raises
    ------
    RefusalError
        Where a study has no suitable series, or no pair fits in memory.
    """
    found = [suitable(study, rules, memory_mb) for study in (one, other)]
    ranked = sorted(
        (
            ((*_unlike(a, b, rules, growth), float(m + n), float(m)), SeriesPair(a, b))
            for m, a in enumerate(found[0])
            for n, b in enumerate(found[1])
        ),
        key=lambda r: r[0],
    )
    fitting = [pair for _, pair in ranked if _bytes(pair) <= memory_mb * 2**20]
    if not fitting:
        raise RefusalError(Reason.MEMORY_LIMIT, f"two scans in {memory_mb} MB")
    yield from fitting


def _unlike(
    a: Candidate, b: Candidate, rules: SeriesRules, growth: GrowthRules
) -> tuple[float, ...]:
    """Smaller is more alike."""
    withheld = [
        *thickness_withheld(a.stack.thickness_mm, b.stack.thickness_mm, growth),
        *kernels_withheld(kernel_class(a.stack.kernel), kernel_class(b.stack.kernel)),
    ]
    apart = abs(a.slab_mm - b.slab_mm)
    return (
        float(_short(a, rules) + _short(b, rules)),
        float(len(withheld)),
        float(int(apart / ALIKE_MM + 1e-6)),
        float(a.stack.contrast != b.stack.contrast),
        float(max(preference(c.stack.kernel, rules.preferred_kernels) for c in (a, b))),
        round(a.slab_mm + b.slab_mm, 2),
        float(a.stack.kernel != b.stack.kernel),
    )


def _short(candidate: Candidate, rules: SeriesRules) -> int:
    return int(candidate.length_mm < rules.coverage_share * 280.0)


def _bytes(pair: SeriesPair) -> int:
    sizes = [
        c.layout.geometry.shape[0] * c.layout.geometry.shape[1] * c.layout.geometry.shape[2]
        for c in (pair.one, pair.other)
    ]
    return KEPT_BYTES * sum(sizes) + PASSING_BYTES * max(sizes)
