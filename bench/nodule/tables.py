"""The figures of a free-response study as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from bench.nodule.curve import CPM_RATES, Curve, Scored, proportion_interval, rate_interval
from bench.nodule.truth import Nodule, Texture, Tier

SIZES_MM = ((0, 3), (3, 6), (6, 10), (10, 20), (20, 60))
FALSE_MARKS = (*CPM_RATES, 16.0)


def heading(tier: Tier, what: str) -> str:
    """The tier's name, first line of every report."""
    return f"{tier.value}\n{what}"


def froc_table(curve: Curve, drawn: str) -> str:
    """Sensitivity at each rate with exact and bootstrap intervals, and CPM."""
    low, high = curve.bootstrap(
        lambda w: np.append(curve.sensitivities(w, FALSE_MARKS), curve.cpm(w))
    )
    lines = [
        "",
        "false marks a scan (at most)   threshold   sensitivity   95 % interval   bootstrap "
        f"({len(curve.groups)} {drawn})",
    ]
    for number, rate in enumerate(FALSE_MARKS):
        limit = curve.limit(rate)
        hits, cases = int(curve.hits(limit).sum()), len(curve.nodules)
        least, most = proportion_interval(hits, cases)
        lines.append(
            f"{rate:28g}   {max(0.0, limit):9.3f}   {hits:3d}/{cases:<3d} {hits / cases:4.2f}"
            f"   {least:.2f} to {most:.2f}    {low[number]:.2f} to {high[number]:.2f}"
        )
    lines += [
        "",
        f"CPM (mean sensitivity at 1/8 to 8 false marks a scan) {curve.cpm():.3f} "
        f"({low[-1]:.3f} to {high[-1]:.3f}, bootstrap of {drawn})",
    ]
    return "\n".join(lines)


def operating_line(curve: Curve, threshold: float) -> str:
    """Sensitivity and false marks at the operating point."""
    share, rate = curve.at(threshold)
    cases, scans = len(curve.nodules), int(curve.scans.sum())
    hits = round(share * cases)
    low, high = proportion_interval(hits, cases)
    few, many = rate_interval(round(rate * scans), scans)
    return (
        f"operating point {threshold:.3f}: sensitivity {hits}/{cases} = {share:.2f} "
        f"({low:.2f} to {high:.2f}), false marks a scan {rate:.2f} ({few:.2f} to {many:.2f})"
    )


def size_of(nodule: Nodule) -> str:
    """Size class by diameter."""
    for low, high in SIZES_MM:
        if low <= nodule.diameter_mm < high:
            return f"{low} to {high} mm"
    return f"{SIZES_MM[-1][1]} mm and more"


def kinds(curve: Curve) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """Size, texture and place classes that occur, with the nodules of each."""
    by: tuple[tuple[Callable[[Nodule], str], Sequence[str]], ...] = (
        (size_of, [f"{a} to {b} mm" for a, b in SIZES_MM] + [f"{SIZES_MM[-1][1]} mm and more"]),
        (lambda n: n.texture.value, [t.value for t in Texture]),
        (lambda n: n.place, sorted({n.place for n in curve.nodules} - {""})),
    )
    for kind, names in by:
        of = [kind(n) for n in curve.nodules]
        for name in names:
            if name in of:
                yield name, np.array([o == name for o in of])


def kind_table(curve: Curve, threshold: float) -> str:
    """Sensitivity by size, texture and place, at the operating point and 1 false mark a scan."""
    hit = (curve.found >= threshold, curve.hits(curve.limit(1.0)))
    lines = ["", f"{'':22s}  n     at the operating point      at 1 false mark a scan"]
    for name, those in kinds(curve):
        text = f"{name:22s} {those.sum():3d}"
        for found in hit:
            hits, cases = int(found[those].sum()), int(those.sum())
            low, high = proportion_interval(hits, cases)
            text += f"    {hits:3d}  {hits / cases:4.2f} ({low:.2f} to {high:.2f})"
        lines.append(text)
    return "\n".join(lines)


def report(scans: Sequence[Scored], threshold: float, drawn: str = "patients") -> str:
    """Everything about one set of scans; ``drawn`` names what the bootstrap draws."""
    curve = Curve(scans)
    if not curve.nodules:
        return f"{len(scans)} scans, no nodule to be found; " + false_marks_line(curve, threshold)
    parts = (
        froc_table(curve, drawn), "", operating_line(curve, threshold), kind_table(curve, threshold)
    )  # fmt: skip
    return "\n".join(parts)


def false_marks_line(curve: Curve, threshold: float) -> str:
    """False marks a scan where there is nothing to find."""
    scans = int(curve.scans.sum())
    rate = curve.at(threshold)[1]
    few, many = rate_interval(round(rate * scans), scans)
    return f"at {threshold:.3f}: {rate:.2f} false marks a scan ({few:.2f} to {many:.2f})"
