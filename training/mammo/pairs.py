"""What makes two marks of CC and MLO one lesion: fitted to the training films.

    python -m training.mammo.pairs [--films FOLDER] [--marks FILE] [--traits FILE] [--breasts N]

True pairs are the masses of breasts with one box in each view. Wrong ones are masses of other
breasts, and false marks of the same breast. Without ``--marks``, marks are the masses' own places,
displaced by `JITTER_MM`, and the strongest `FALSE_MARKS` bright blobs beside them. ``--marks``
takes those of a detector that never saw the film's patient: JSON lines with ``film`` and ``marks``
(``centre`` and ``outline`` in prepared coordinates, ``size_mm``, ``probability``, ``malignancy``,
``look``). Writes ``mammo/marks/pairs.yaml``. ``--traits`` keeps what was measured of the films,
and reads it where it is there.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from scipy.optimize import minimize

from mammo.image.anatomy import find_anatomy
from mammo.image.grid import SPACING_MM, Prepared
from mammo.marks.mark import Kind, Mark
from mammo.marks.pairs import (
    PairRules,
    Shown,
    Traits,
    best_sum,
    differences,
    gaps,
    log_odds,
    traits,
)
from mammo.view import Projection
from training.mammo.blobs import blobs, mark_at
from training.mammo.films import FOLDS, Film, cbis_mass, folds

Array = npt.NDArray[np.float64]

FOLDER = Path("../shared/data/mg/cbis_mass")
FALSE_MARKS = 3
JITTER_MM = 1.5
MOST_MARKS = 8
RIDGE = 1.0
ACROSS = 2
MISSED = 0.2
"""How often a mass that is marked in one view is not in the other: so much counts what is said
of a breast without it."""
CONSTANTS = tuple(n / 2 for n in range(0, 15))
NAMES = ("distance", "distance_squared", "size", "contrast", "grey")
BY_NETWORK = ("weakest", "look")
"""What a detector's own marks tell beside."""
LEAST = 0.5


@dataclass(frozen=True)
class Seen:
    """A mark, and whether it is on the view's one mass."""

    traits: Traits
    true: bool


@dataclass(frozen=True)
class Breast:
    """Marks of both views of one breast; ``kind`` is its density, for wrong partners alike.

    ``fold`` is the fold of patients whose networks marked it: looks compare within one alone.
    """

    name: str
    patient: str
    kind: int
    cc: tuple[Seen, ...]
    mlo: tuple[Seen, ...]
    fold: int = 0


Detected = dict[str, list[dict[str, Any]]]


def breasts(
    films: Iterable[Film], detected: Detected | None = None, most: int | None = None
) -> list[Breast]:
    """Breasts with both views and one box in each; ``most`` of them, drawn evenly."""
    by: dict[str, dict[str, Film]] = defaultdict(dict)
    for film in films:
        by[film.breast][film.view] = film
    names = [
        name
        for name, both in sorted(by.items())
        if set(both) == {"CC", "MLO"} and all(len(f.boxes) == 1 for f in both.values())
    ]
    found = []
    for name in names if most is None else names[:: max(1, len(names) // most)][:most]:
        both = by[name]
        cc, mlo = (tuple(_seen(both[view], detected)) for view in ("CC", "MLO"))
        found.append(Breast(name, both["CC"].patient, both["CC"].density, cc, mlo))
    return found


def _seen(film: Film, detected: Detected | None) -> list[Seen]:
    prepared = film.prepared()
    anatomy = find_anatomy(prepared, Projection(film.view))
    shown = Shown(prepared, anatomy.nipple)
    (box,) = film.boxes_on(prepared)
    if detected is not None:
        marks = [_detected(one) for one in detected.get(film.key, ())][:MOST_MARKS]
    else:
        marks = _made(film, prepared, box, anatomy.pectoral)
    hits = [box[0] <= m.centre[0] <= box[2] and box[1] <= m.centre[1] <= box[3] for m in marks]
    # The first of several on the mass is the one; the others are left out.
    return [
        Seen(traits(mark, shown), bool(hit))
        for n, (mark, hit) in enumerate(zip(marks, hits, strict=True))
        if not hit or not any(hits[:n])
    ]


def _detected(one: dict[str, Any]) -> Mark:
    return Mark(
        view=0,
        kind=Kind.MASS,
        centre=(float(one["centre"][0]), float(one["centre"][1])),
        outline=tuple((float(x), float(y)) for x, y in one["outline"]),
        size_mm=float(one["size_mm"]),
        probability=float(one["probability"]),
        malignancy=float(one["malignancy"]),
        look=tuple(float(v) for v in one["look"]),
    )


def _made(
    film: Film, prepared: Prepared, box: Sequence[float], pectoral: npt.NDArray[np.bool_]
) -> list[Mark]:
    rng = np.random.default_rng([ord(c) for c in film.key])
    away = rng.normal(0, JITTER_MM / SPACING_MM, 2)
    middle = ((box[0] + box[2]) / 2 + away[0], (box[1] + box[3]) / 2 + away[1])
    mass = mark_at(prepared, middle, 0.5)
    margin = 5 / SPACING_MM
    found = [] if mass is None else [mass]
    for place, _ in blobs(prepared, 3 * FALSE_MARKS, pectoral):
        beside = not (
            box[0] - margin <= place[0] <= box[2] + margin
            and box[1] - margin <= place[1] <= box[3] + margin
        )
        mark = mark_at(prepared, place, 0.5) if beside else None
        if mark is not None:
            found.append(mark)
        if len(found) > FALSE_MARKS:
            break
    return found


def read_marks(path: Path) -> Detected:
    """Marks of a detector by film."""
    with path.open(encoding="utf-8") as lines:
        return {row["film"]: row["marks"] for row in map(json.loads, lines)}


def kept(given: argparse.Namespace) -> list[Breast]:
    """What was measured before, or is measured now and kept."""
    path: Path | None = given.traits
    if path is not None and path.exists():
        return [_breast(json.loads(line)) for line in path.read_text("utf-8").splitlines()]
    detected = read_marks(given.marks) if given.marks else None
    found = breasts(cbis_mass(given.films), detected, given.breasts)
    if path is not None:
        path.write_text("".join(json.dumps(asdict(one)) + "\n" for one in found), "utf-8")
    return found


def _breast(row: dict[str, Any]) -> Breast:
    sides = [
        tuple(Seen(Traits(**{**s["traits"], "look": tuple(s["traits"]["look"])}), s["true"])
              for s in row[side])
        for side in ("cc", "mlo")
    ]  # fmt: skip
    return Breast(row["name"], row["patient"], row["kind"], sides[0], sides[1])


def mass(seen: Sequence[Seen]) -> Traits | None:
    """The mark on the mass, if there is one."""
    return next((one.traits for one in seen if one.true), None)


def within(found: Sequence[Breast]) -> list[tuple[Traits, Traits, bool]]:
    """Pairs inside of a breast of which one is on the mass: whether both are."""
    return [
        (a.traits, b.traits, a.true and b.true)
        for breast in found
        for a in breast.cc
        for b in breast.mlo
        if a.true or b.true
    ]


def across(found: Sequence[Breast], seed: int = 1) -> list[tuple[Traits, Traits, bool]]:
    """Masses of two patients' breasts of one density and fold: never one."""
    rng = np.random.default_rng(seed)
    groups: dict[tuple[int, int], list[Breast]] = defaultdict(list)
    for breast in found:
        groups[breast.kind, breast.fold].append(breast)
    pairs = []
    for group in (groups[kind] for kind in sorted(groups)):
        for breast in group:
            for n in rng.integers(len(group), size=ACROSS):
                one, other = mass(breast.cc), mass(group[n].mlo)
                if group[n].patient != breast.patient and one is not None and other is not None:
                    pairs.append((one, other, False))
    return pairs


def centred(
    found: Sequence[Breast], fold: Mapping[str, int]
) -> tuple[list[Breast], tuple[float, ...]]:
    """Looks less the mean of those of their fold's networks, and these means, fold after fold.

    The shipped detector tells the looks of all folds' networks one after the other.
    """
    told, means = list[Breast](), list[float]()
    for number in range(FOLDS):
        here = [b for b in found if fold[b.patient] == number]
        looks = [s.traits.look for b in here for s in (*b.cc, *b.mlo) if s.traits.look]
        mean = np.round(np.mean(looks, axis=0), 4) if looks else np.zeros(0)
        means += mean.tolist()
        told += [
            replace(b, fold=number, cc=_less(b.cc, mean), mlo=_less(b.mlo, mean)) for b in here
        ]
    return told, tuple(means)


def _less(side: Sequence[Seen], mean: Array) -> tuple[Seen, ...]:
    return tuple(
        replace(s, traits=replace(s.traits, look=tuple(np.subtract(s.traits.look, mean).tolist())))
        if s.traits.look
        else s
        for s in side
    )


def _zero(found: Sequence[Breast]) -> tuple[float, ...]:
    """The mean of centred looks; empty where marks have none."""
    looks = (s.traits.look for b in found for s in (*b.cc, *b.mlo) if s.traits.look)
    return (0.0,) * len(next(looks, ()))


def fit(found: Sequence[Breast], names: Sequence[str] = NAMES) -> PairRules:
    """Logistic regression on all pairs; its constant is the one of `CONSTANTS` by which most
    pairs with a mass are right and fewest wrong, each breast also without its mass in MLO
    (`MISSED`)."""
    mean = _zero(found) if "look" in names else ()
    inner = within(found)
    x, y = _table([*inner, *across(found)], names, mean)
    weights = _regression(x, y)[1:]
    rules = PairRules(
        constant=0,
        weights={name: round(float(w), 4) for name, w in zip(names, weights, strict=True)},
        look_mean=mean,
        least=LEAST,
    )
    tables = list(_tables(found, rules))
    constant = max(CONSTANTS, key=lambda c: sum(_worth(t, c) for t in tables))
    pairs = [
        (gap, (i, j) == true, MISSED if true[1] < 0 else 1.0)
        for odds, true in tables
        for i, j, gap in gaps(odds + constant)
        if (i, j) == true or _with_mass(i, j, true)
    ]
    certainty = _regression(
        np.array([gap for gap, _, _ in pairs], dtype=float).reshape(-1, 1),
        np.array([right for _, right, _ in pairs], dtype=float),
        np.array([weight for _, _, weight in pairs]),
    )
    return rules.model_copy(
        update={
            "constant": constant,
            "certainty": (round(float(certainty[0]), 4), round(float(certainty[1]), 4)),
        }
    )


Odds = tuple[Array, tuple[int, int]]
"""Log-odds of a breast's marks, and the indices of those on its mass; -1 where there is none."""


def _tables(found: Sequence[Breast], rules: PairRules) -> Iterator[Odds]:
    """Every breast as it is, and without its mass in MLO."""
    for breast in found:
        i, j = (
            next((n for n, s in enumerate(side) if s.true), -1) for side in (breast.cc, breast.mlo)
        )
        odds = np.array(
            [[log_odds(a.traits, b.traits, rules) for b in breast.mlo] for a in breast.cc]
        )
        if odds.size and i >= 0:
            yield odds, (i, j)
            if j >= 0 and odds.shape[1] > 1:
                yield np.delete(odds, j, axis=1), (i, -1)


def _worth(table: Odds, constant: float) -> float:
    odds, true = table
    pairs = best_sum(odds + constant)[1]
    worth = (true in pairs) - sum(_with_mass(i, j, true) for i, j in pairs)
    return worth * (MISSED if true[1] < 0 else 1)


def _with_mass(i: int, j: int, true: tuple[int, int]) -> bool:
    """Is it a wrong pair of the mass?"""
    return (i == true[0]) != (j == true[1])


def _table(
    pairs: Sequence[tuple[Traits, Traits, bool]], names: Sequence[str], mean: Sequence[float]
) -> tuple[Array, Array]:
    rows = [differences(a, b, mean) for a, b, _ in pairs]
    x = np.array([[row.get(name, 0.0) for name in names] for row in rows], dtype=float)
    return x, np.array([true for _, _, true in pairs], dtype=float)


def _regression(x: Array, y: Array, weight: Array | float = 1.0) -> Array:
    """Constant and weights of least ridge-penalised logistic loss."""
    design = np.concatenate([np.ones((len(y), 1)), x], axis=1)

    def loss(b: Array) -> tuple[float, Array]:
        z = design @ b
        share = 1 / (1 + np.exp(-np.clip(z, -50, 50)))
        losses = weight * (np.logaddexp(0, z) - y * z)
        value = float(losses.sum() + RIDGE / 2 * (b[1:] ** 2).sum())
        slope = design.T @ (weight * (share - y))
        slope[1:] += RIDGE * b[1:]
        return value, slope

    return np.asarray(minimize(loss, np.zeros(design.shape[1]), jac=True, method="BFGS").x)


def arguments(about: str) -> argparse.ArgumentParser:
    """What both commands of pairs are given."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--films", type=Path, default=FOLDER)
    parser.add_argument("--marks", type=Path, help="marks of a detector, JSON lines")
    parser.add_argument("--traits", type=Path, help="keep what is measured here")
    parser.add_argument("--breasts", type=int, help="so many of them, drawn evenly; else all")
    return parser


def main() -> None:
    parser = arguments("Fit what makes two marks one lesion.")
    parser.add_argument("--names", nargs="+", help="differences that count; else all known")
    parser.add_argument("--out", type=Path, default=Path("mammo/marks/pairs.yaml"))
    given = parser.parse_args()
    found, means = centred(kept(given), folds(cbis_mass(given.films)))
    rules = fit(found, given.names or (*NAMES, *(BY_NETWORK if given.marks else ())))
    if rules.look_mean:
        rules = rules.model_copy(update={"look_mean": means})
    card = {
        "about": "Log-odds of two marks, in CC and MLO of one breast, being one lesion.",
        "made_by": f"python -m training.mammo.pairs{' --marks marks.jsonl' if given.marks else ''}",
        "data": f"CBIS-DDSM mass training films (CC BY 3.0): {len(found)} breasts of "
        f"{len({b.patient for b in found})} patients with one mass in each view",
        "marks": "of a detector that never saw the patient" if given.marks else
        f"places of the masses displaced by {JITTER_MM} mm, and {FALSE_MARKS} bright blobs a view",
        "measured_by": "python -m bench.mammo.pairs",
    }  # fmt: skip
    text = yaml.safe_dump({"card": card, "rules": rules.model_dump(mode="json")}, sort_keys=False)
    given.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
