"""What comparisons said of known lesions: outcomes, doubling times, false growth."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from bench.followup.outcomes import MISSING, OTHER
from bench.followup.rows import Group, Line, Row, has, rows_of, share, size_groups
from gransk.core.followup import Outcome
from gransk.core.statistics.bootstrap import interval
from nodule.growth.classes import GrowthRule, rounded
from nodule.guidelines.table import guidelines

SAID = (
    *(o.value for o in (Outcome.MATCHED, Outcome.NEW, Outcome.RESOLVED, Outcome.NOT_COVERED)),
    Outcome.UNCERTAIN.value, OTHER, MISSING,
)  # fmt: skip
TRUE = (Outcome.MATCHED, Outcome.NEW, Outcome.RESOLVED, Outcome.NOT_COVERED)
BREATHING_MM = ((0.0, 4.0), (4.0, 8.0), (8.0, 40.0))
# Doubling times that advice turns on.
FAST_DAYS = 600.0


def report(lines: Sequence[Line]) -> str:
    """Everything about a log of compared pairs."""
    rows = rows_of(lines)
    refused = Counter(line["refused"] for line in lines if line["refused"])
    compared = [line for line in lines if not line["refused"]]
    parts = sorted({f"{line['part']}, mode {line['mode']}" for line in lines})
    kinds = Counter(f"{line['kind']} {line['days']} d" for line in compared)
    out = [
        f"part {'; '.join(parts)}: {len(lines)} pairs of {len({x['host'] for x in lines})} scans, "
        f"{len(rows)} lesions; in brackets 95 % intervals, drawing scans",
        "pairs compared: " + ", ".join(f"{name} {n}" for name, n in sorted(kinds.items())),
        "refused: " + (", ".join(f"{code} {n}" for code, n in refused.items()) or "none"),
        "", *_confusion(rows), _others(compared), "", *_matched(rows),
        "", *_times(rows), "", *_false_growth(rows),
    ]  # fmt: skip
    return "\n".join(out)


def _confusion(rows: Sequence[Row]) -> Iterator[str]:
    heads = (*SAID[:5], "another", "none")
    yield f"{'true, and as told:':20s}" + "".join(f"{h:>12s}" for h in heads) + "   told right"
    for true in TRUE:
        some = [row for row in rows if row["outcome"] == true.value]
        counts = Counter(row["said"] for row in some)
        cells = "".join(f"{counts[said]:12d}" for said in SAID)
        yield f"{true.value:20s}{cells}   {share(some, _right)}"
    yield f"told right, of all: {share(rows, _right)}"
    told = [row for row in rows if row["said"] not in (Outcome.UNCERTAIN.value, MISSING)]
    yield f"told right, of those not left open: {share(told, _right)}"
    pairs = [row for row in told if row["said"] in (Outcome.MATCHED.value, OTHER)]
    yield f"matches that are right: {share(pairs, _right)}"


def _others(lines: Sequence[Line]) -> str:
    """What the detector found that is none of the known lesions."""
    told: Counter[str] = Counter()
    for line in lines:
        told.update(line.get("others") or {})
    text = ", ".join(f"{said} {n}" for said, n in sorted(told.items()))
    return f"told of what is no known lesion: {text or 'nothing'}"


def _right(row: Row) -> bool:
    return bool(row["said"] == row["outcome"])


def _matched(rows: Sequence[Row]) -> Iterator[str]:
    both = [row for row in rows if row["outcome"] == Outcome.MATCHED.value]
    groups: list[Group] = [
        *size_groups(),
        *(has("source", v) for v in ("drawn", "pasted", "own")),
        *(has("texture", v) for v in ("solid", "part-solid", "ground glass")),
        *(_breathing(low, high) for low, high in BREATHING_MM),
        *(has("unlike", v) for v in ("thickness", "kernel")),
        has("kind", "repeat"),
    ]
    yield "matched, of the lesions that both scans show"
    for name, chosen in groups:
        some = [row for row in both if chosen(row)]
        yield f"  {name:28s} {share(some, lambda row: bool(row['said'] == Outcome.MATCHED.value))}"
    unlike = [row for row in both if row["unlike"] and row["said"] == Outcome.MATCHED.value]
    yield "doubling time withheld in unlike pairs: " + share(
        unlike, lambda row: bool(row["withheld"])
    )


def _breathing(low: float, high: float) -> Group:
    name = f"base breathes {low:g} to {high:g} mm"
    return name, lambda r: bool(low <= abs(r["breathing_mm"]) < high)


def _told(rows: Sequence[Row]) -> list[Row]:
    """Lesions that were matched, whose doubling time is not withheld."""
    right = Outcome.MATCHED.value
    return [
        row
        for row in rows
        if row["outcome"] == row.get("said") == right
        and not row["withheld"]
        and "volume_change_percent" in row["changes"]
    ]


def ratio_limits(row: Row) -> tuple[float, float]:
    """95 % limits of the logarithm of the ratio of volumes, as told."""
    low, high = row["changes"]["volume_change_percent"]["interval"]
    return math.log(max(1e-9, 1 + low / 100)), math.log(max(1e-9, 1 + high / 100))


def ratio_held(row: Row) -> bool:
    """Does the interval of the change of volume hold the truth, at both ends?"""
    low, high = ratio_limits(row)
    return low <= math.log(row["ratio"]) <= high


def vdt_held(row: Row) -> bool:
    """Does the interval of the doubling time hold the truth?

    A doubling time has no upper end where the nodule may not have grown; where it cannot
    have grown there is none, and a true one below nothing is right.
    """
    true = math.log(row["ratio"])
    told = row["changes"].get("vdt_days")
    if told is None or told["interval"] is None:
        return true <= max(0.0, ratio_limits(row)[1])
    unit = row["days"] * math.log(2)
    fastest, slowest = told["interval"]
    return true <= unit / fastest * 1.001 and (slowest is None or true >= unit / slowest * 0.999)


def log_vdt_error(row: Row) -> float:
    """Of a growing nodule: how far the told doubling time is off, as a logarithm."""
    told = row["changes"].get("vdt_days")
    if told is None:
        return math.inf
    return abs(math.log(told["value"] * math.log(row["ratio"]) / (row["days"] * math.log(2))))


def _times(rows: Sequence[Row]) -> Iterator[str]:
    told = [row for row in _told(rows) if row["kind"] == "follow-up"]
    yield "doubling times of matched nodules, not withheld"
    for days in sorted({row["days"] for row in told}):
        for name, some in _by_growth([row for row in told if row["days"] == days]):
            yield (
                f"  {days:3d} d {name:24s} n {len(some):3d}   interval holds the truth "
                f"{share(some, vdt_held)}; of the change of volume {share(some, ratio_held)}"
                + ("" if "grow" not in name and "in less" not in name else _error(some))
            )
    for name, some in _by_growth(told):
        yield (
            f"  all   {name:24s} n {len(some):3d}   interval holds the truth "
            f"{share(some, vdt_held)}; of the change of volume {share(some, ratio_held)}"
        )


def _by_growth(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    yield "all", list(rows)
    growing = [row for row in rows if row["ratio"] > 1]
    yield "growing", growing
    yield (
        f"doubling in less than {FAST_DAYS:g} d",
        [row for row in growing if row["days"] * math.log(2) / math.log(row["ratio"]) < FAST_DAYS],
    )
    yield "stable", [row for row in rows if row["ratio"] == 1]
    yield "shrinking", [row for row in rows if row["ratio"] < 1]


def _error(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    errors = np.array([log_vdt_error(row) for row in rows])
    low, high = interval([row["host"] for row in rows], lambda i: float(np.median(errors[i])))
    return (
        f"; median error of the logarithm {np.median(errors):.2f} ({low:.2f} to {high:.2f}), "
        f"relative {100 * (math.exp(np.median(errors)) - 1):.0f} %"
    )


def _false_growth(rows: Sequence[Row]) -> Iterator[str]:
    matched = [row for row in rows if row["outcome"] == row.get("said") == Outcome.MATCHED.value]
    still = [row for row in matched if row["ratio"] == 1 and all(row["told_mm3"] or (None,))]
    for name, some in (
        ("repeats", [row for row in still if row["kind"] == "repeat"]),
        ("stable nodules of follow-ups", [row for row in still if row["kind"] == "follow-up"]),
    ):
        some = [row for row in some if not row["withheld"]]
        yield f"called growth though nothing grew, {name}, not withheld"
        for guideline, rule in _rules().items():
            yield f"  {guideline:18s} {share(some, _grown_by(rule))}"
        yield "  interval of the change of volume holds 0: " + share(some, ratio_held)


def _grown_by(rule: GrowthRule) -> Callable[[Row], bool]:
    return lambda row: grown(row, rule)


def grown(row: Row, rule: GrowthRule) -> bool:
    """Growth by a guideline's rule, of the sizes that the comparison told."""
    if rule.measure == "volume_percent":
        before, now = row["told_mm3"]
        return rule.reached(100 * (now - before) / before)
    before, now = row["told_mm"]
    if rule.decimals is not None:
        before, now = rounded(before, rule.decimals), rounded(now, rule.decimals)
    return rule.reached(now - before)


def _rules() -> dict[str, GrowthRule]:
    """Of each guideline that has one."""
    return {
        name: one.growth for name, one in sorted(guidelines().items()) if one.growth is not None
    }
