"""The same mass in CC and MLO: how often its marks are said to be one, and others wrongly.

    python -m bench.mammo.pairs [--films FOLDER] [--marks FILE] [--traits FILE] [--breasts N]

Five folds by patient: each breast is paired by rules fitted without its patient. Breasts have one
mass in each view; the marks are those of `training.mammo.pairs`. Intervals are 95 % bootstrap,
patients drawn with replacement.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gransk.core.statistics.bootstrap import mean_interval
from mammo.marks.pairs import PairRules, Traits, log_odds, pair_traits
from training.mammo.films import FOLDS, cbis_mass, folds
from training.mammo.measures import auc
from training.mammo.pairs import (
    BY_NETWORK,
    NAMES,
    Breast,
    Seen,
    across,
    arguments,
    centred,
    fit,
    kept,
    mass,
    within,
)

SETS = (NAMES[:2], NAMES, (*NAMES, *BY_NETWORK[:1]), (*NAMES, *BY_NETWORK))
BINS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0001)


@dataclass(frozen=True)
class Told:
    """What was said of one breast."""

    patient: str
    both: bool
    found: bool
    wrong: int
    unknown: int
    alone: bool | None
    pairs: tuple[tuple[float, bool], ...]


def told(breast: Breast, rules: PairRules) -> Told:
    """Pair one breast, and once more without its mass in MLO."""
    cc, mlo = [s.traits for s in breast.cc], [s.traits for s in breast.mlo]
    pairs = pair_traits(cc, mlo, rules)
    hits = [(breast.cc[i].true, breast.mlo[j].true) for i, j, _ in pairs]
    here, there = mass(breast.cc), mass(breast.mlo)
    alone = None
    if here is not None:
        others = [s.traits for s in breast.mlo if not s.true]
        alone = any(breast.cc[i].true for i, _, _ in pair_traits(cc, others, rules))
    return Told(
        patient=breast.patient,
        both=here is not None and there is not None,
        found=(True, True) in hits,
        wrong=sum(a != b for a, b in hits),
        unknown=sum(not a and not b for a, b in hits),
        alone=alone,
        pairs=tuple((c, all(hit)) for (_, _, c), hit in zip(pairs, hits, strict=True) if any(hit)),
    )


def crossed(found: Sequence[Breast], fold: dict[str, int], names: Sequence[str]) -> list[PairRules]:
    """The rules of each fold, fitted without its patients."""
    return [fit([b for b in found if fold[b.patient] != n], names) for n in range(FOLDS)]


def _share(rows: Sequence[Told], value: Callable[[Told], float | None]) -> str:
    """Mean with its interval and the number of breasts that it is of."""
    kept_rows = [(row.patient, v) for row in rows if (v := value(row)) is not None]
    values = np.array([v for _, v in kept_rows], dtype=float)
    low, high = mean_interval([who for who, _ in kept_rows], values)
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f}; {len(values)} breasts)"


def _separation(found: Sequence[Breast], fold: dict[str, int], rules: list[PairRules]) -> str:
    scores: dict[str, list[tuple[float, bool]]] = {"within": [], "across": []}
    for n in range(FOLDS):
        here = [b for b in found if fold[b.patient] == n]
        inner = within(here)
        scores["within"] += [(log_odds(a, b, rules[n]), t) for a, b, t in inner]
        right = [pair for pair in inner if pair[2]]
        scores["across"] += [(log_odds(a, b, rules[n]), t) for a, b, t in (*right, *across(here))]
    return ", ".join(
        f"{name} {auc([s for s, _ in rows], [t for _, t in rows]):.3f}"
        for name, rows in scores.items()
    )


def _apart(pairs: Sequence[tuple[Traits, Traits, bool]], true: bool) -> str:
    apart = [abs(a.nipple_mm - b.nipple_mm) for a, b, t in pairs if t is true]
    low, middle, high = np.percentile(apart, (25, 50, 75))
    return f"{middle:.1f} ({low:.1f} to {high:.1f}; {len(apart)} pairs)"


def _has(found: Sequence[Breast], kind: Callable[[Seen], bool]) -> bool:
    return any(kind(s) for b in found for s in (*b.cc, *b.mlo))


def main() -> None:
    given = arguments("How often marks of one mass are said to be one.").parse_args()
    fold = folds(cbis_mass(given.films))
    found, _ = centred(kept(given), fold)
    print(
        f"{len(found)} breasts of {len({b.patient for b in found})} patients; a view has "
        f"{np.mean([len(side) for b in found for side in (b.cc, b.mlo)]):.1f} marks"
    )
    print("difference of the distances from the nipple, mm, median (quartiles):")
    print("  one mass", _apart(within(found), True))
    print("  a mass and another mark of its breast", _apart(within(found), False))
    looks = _has(found, lambda s: bool(s.traits.look))
    surer = len({s.traits.probability for b in found for s in b.cc}) > 1
    for names in SETS:
        if ("look" in names and not looks) or ("weakest" in names and not surer):
            continue
        rules = crossed(found, fold, names)
        rows = [told(b, rules[fold[b.patient]]) for b in found]
        print(f"by {', '.join(names)}")
        print("  AUC of one mass against", _separation(found, fold, rules))
        print("  pairs found, of masses marked in both views",
              _share(rows, lambda r: float(r.found) if r.both else None))  # fmt: skip
        print("  pairs found, of all breasts", _share(rows, lambda r: float(r.found)))
        print(
            "  pairs a breast of a mass with another mark", _share(rows, lambda r: float(r.wrong))
        )
        print("  pairs a breast of two other marks (truth not known)",
              _share(rows, lambda r: float(r.unknown)))  # fmt: skip
        print("  a mass without a partner paired all the same",
              _share(rows, lambda r: None if r.alone is None else float(r.alone)))  # fmt: skip
        said = [pair for row in rows for pair in row.pairs]
        for low, high in pairwise(BINS):
            right = [ok for c, ok in said if low <= c < high]
            if right:
                print(f"  certainty {low:.1f} to {min(high, 1):.1f}: right {np.mean(right):.2f} "
                      f"({len(right)} pairs with a mass)")  # fmt: skip


if __name__ == "__main__":
    main()
