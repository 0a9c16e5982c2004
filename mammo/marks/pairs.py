"""The same lesion in CC and MLO of one breast: which marks are one, and how surely.

A lesion keeps its distance from the nipple in both views (arc method; Kopans, Breast Imaging),
about its size and its brightness over what is round it. Each pair of marks has log-odds of being
one lesion, fitted by ``training.mammo.pairs``; the assignment whose sum is largest is taken, each
mark free to have no partner. ``bench.mammo.pairs`` prints how often that is right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from skimage.draw import polygon2mask

from gransk.core.errors import ConfigurationError, InvalidValueError
from mammo.image.grid import SPACING_MM, Prepared
from mammo.marks.mark import Mark, Point

Array = npt.NDArray[np.float64]

RING_MM = 5.0
NEVER = 1e6
SURE = 1e-4


@dataclass(frozen=True)
class Shown:
    """What pairing needs of one view: its prepared image and the nipple's place there."""

    prepared: Prepared = field(repr=False)
    nipple: Point


@dataclass(frozen=True)
class Traits:
    """One mark as pairing sees it.

    Parameters
    ----------
    nipple_mm : float
        Distance from the nipple.
    size_mm : float
    contrast : float
        Mean grey inside of the outline less that of a ring of `RING_MM` round it, 0 to 1.
    grey : float
        Mean grey inside less the breast's median.
    probability : float
    look : tuple of float
        The detector's description; empty where there is none.
    """

    nipple_mm: float
    size_mm: float
    contrast: float
    grey: float
    probability: float
    look: tuple[float, ...] = field(default=(), repr=False)


class PairRules(BaseModel):
    """What makes two marks one lesion, as ``training.mammo.pairs`` writes it.

    Parameters
    ----------
    constant : float
        Log-odds of two marks without any difference.
    weights : mapping of name to float
        By the name of the difference, as `differences` gives them.
    look_mean : tuple of float
        Taken off every look before looks are compared; empty where looks have no weight.
    certainty : (float, float)
        Constant and slope of the log-odds of a pair being right, by how much the sum of log-odds
        falls without it.
    least : float
        Certainty below which a pair is not said.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    constant: float
    weights: dict[str, float]
    look_mean: tuple[float, ...] = ()
    certainty: tuple[float, float] = (0.0, 1.0)
    least: float = Field(gt=0, lt=1)


@cache
def shipped() -> PairRules:
    """The rules of ``pairs.yaml``."""
    path = Path(__file__).with_name("pairs.yaml")
    try:
        return PairRules.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))["rules"])
    except (OSError, KeyError, TypeError, yaml.YAMLError, ValidationError) as error:
        raise ConfigurationError(f"{path.name}: {error}; install Gransk again") from error


def traits(mark: Mark, shown: Shown) -> Traits:
    """Measure one mark in its view."""
    away = np.subtract(mark.centre, shown.nipple) * SPACING_MM
    contrast, grey = brightness(shown.prepared, mark.outline)
    return Traits(
        nipple_mm=float(np.hypot(*away)),
        size_mm=mark.size_mm,
        contrast=contrast,
        grey=grey,
        probability=mark.probability,
        look=mark.look,
    )


def brightness(prepared: Prepared, outline: npt.ArrayLike) -> tuple[float, float]:
    """Mean grey inside an outline over that of a ring round it, and over the breast's median."""
    points = np.asarray(outline, dtype=float)
    margin = round(RING_MM / SPACING_MM) + 1
    low = np.maximum(np.floor(points.min(axis=0)).astype(int) - margin, 0)
    high = np.ceil(points.max(axis=0)).astype(int) + margin
    box = (slice(low[1], high[1]), slice(low[0], high[0]))
    grey, breast = prepared.grey[box], prepared.breast[box]
    if not grey.size:
        return 0.0, 0.0
    inside = polygon2mask(grey.shape, (points - low)[:, ::-1] - 0.5) & breast  # type: ignore[no-untyped-call]
    near = ndimage.distance_transform_edt(~inside) <= RING_MM / SPACING_MM
    ring = near & ~inside & breast
    if not inside.any() or not ring.any():
        return 0.0, 0.0
    mean = float(grey[inside].mean())
    whole = float(np.median(prepared.grey[::5, ::5][prepared.breast[::5, ::5]]))
    return mean - float(grey[ring].mean()), mean - whole


def differences(one: Traits, other: Traits, look_mean: Sequence[float] = ()) -> dict[str, float]:
    """How two marks differ, each a number that is 0 for alike ones.

    Distances count in centimetres; ``weakest`` is the lower of both log-odds of the marks.
    """
    distance = abs(one.nipple_mm - other.nipple_mm) / 10
    found = {
        "distance": distance,
        "distance_squared": min(distance, 5.0) ** 2,
        "size": abs(math.log(one.size_mm / other.size_mm)),
        "contrast": abs(one.contrast - other.contrast),
        "grey": abs(one.grey - other.grey),
        "weakest": min(_logit(one.probability), _logit(other.probability)),
    }
    if look_mean and len(one.look) == len(other.look) == len(look_mean):
        found["look"] = 1 - _likeness(np.subtract(one.look, look_mean), other.look, look_mean)
    return found


def _likeness(first: Array, look: Sequence[float], look_mean: Sequence[float]) -> float:
    second = np.subtract(look, look_mean)
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / size if size else 0.0


def _logit(probability: float) -> float:
    share = min(max(probability, SURE), 1 - SURE)
    return math.log(share / (1 - share))


def log_odds(one: Traits, other: Traits, rules: PairRules) -> float:
    """Of being one lesion."""
    found = differences(one, other, rules.look_mean)
    return rules.constant + sum(w * found.get(name, 0.0) for name, w in rules.weights.items())


def pair(
    marks_cc: Sequence[Mark],
    marks_mlo: Sequence[Mark],
    cc: Shown,
    mlo: Shown,
    rules: PairRules | None = None,
) -> list[tuple[int, int, float]]:
    """Which marks of both views of one breast are one lesion.

    Returns
    -------
    list of (int, int, float)
        Index in ``marks_cc``, index in ``marks_mlo``, probability that both are one lesion;
        surest first. No mark stands twice.
    """
    return pair_traits(
        [traits(mark, cc) for mark in marks_cc], [traits(mark, mlo) for mark in marks_mlo], rules
    )


def pair_traits(
    first: Sequence[Traits], second: Sequence[Traits], rules: PairRules | None = None
) -> list[tuple[int, int, float]]:
    """As `pair`, of marks that are measured already."""
    rules = rules or shipped()
    if not first or not second:
        return []
    odds = np.array([[log_odds(a, b, rules) for b in second] for a in first])
    constant, slope = rules.certainty
    told = [(i, j, _share(constant + slope * gap)) for i, j, gap in gaps(odds)]
    pairs = [(i, j, c) for i, j, c in told if c >= rules.least]
    return sorted(pairs, key=lambda one: (-one[2], one[0]))


def assigned(odds: npt.ArrayLike) -> list[tuple[int, int, float]]:
    """The one-to-one assignment of the largest sum of log-odds, none of them below 0.

    A pair's certainty is that of its log-odds against the best assignment without it: two
    partners that fit alike leave either uncertain.
    """
    return [(i, j, _share(gap)) for i, j, gap in gaps(odds)]


def gaps(odds: npt.ArrayLike) -> list[tuple[int, int, float]]:
    """The same assignment; of each pair, how much less the best sum is without it."""
    table = np.asarray(odds, dtype=float)
    if table.ndim != 2 or not np.isfinite(table).all():
        raise InvalidValueError("pairs.gaps", table.shape, "a table of finite log-odds")
    best, pairs = best_sum(table)
    found = []
    for i, j in pairs:
        without = table.copy()
        without[i, j] = -NEVER
        found.append((i, j, best - best_sum(without)[0]))
    return found


def _share(log_odds: float) -> float:
    return 1 / (1 + math.exp(-min(max(log_odds, -50.0), 50.0)))


def best_sum(table: Array) -> tuple[float, list[tuple[int, int]]]:
    """The largest sum of log-odds above 0 of a one-to-one assignment, and its pairs."""
    rows, columns = linear_sum_assignment(-np.maximum(table, 0))
    pairs = [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if table[i, j] > 0]
    return float(sum(table[p] for p in pairs)), pairs
