"""Which nodule of one scan is which of another: one to one, the most likely pairing of all.

Each pair has log-odds: how much more likely two nodules of that distance, those sizes and
those textures are if they are one nodule than if they are two that have nothing to do with
each other. The pairing whose odds multiply to the most is taken, and each of its answers is
as certain as the best pairing without it is less likely.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from gransk.core.errors import InvalidValueError
from nodule.measurement import Texture

Costs = npt.NDArray[np.float64]

# Deviation along each axis of where registration puts a nodule: about twice what
# bench.nodule.registration prints, as lungs slide along the chest wall in patients.
PLACE_MM = 2.5
# Deviation of the logarithm of the volumes' ratio, of one nodule between two scans
# (twofold either way) and of two nodules of one patient.
GROWTH, UNRELATED = 0.8, 1.7
# Log-odds of sizes count no less: now and then an outline fails.
LEAST_SIZE = -3.0
# How much more often one nodule has such a pair of textures than two do.
SAME_TEXTURE, NEAR_TEXTURE, OTHER_TEXTURE = 1.4, 0.6, 0.1
# Lungs of an adult, where their volume is not known.
LUNGS_MM3 = 4.5e6
NEVER = 1e6


@dataclass(frozen=True)
class Spot:
    """One nodule as matching sees it.

    Parameters
    ----------
    uid : str
    place_mm : (float, float, float)
        In the frame that both scans share after registration.
    volume_mm3 : float
    texture : Texture, optional

    Raises
    ------
    InvalidValueError
        Where the volume is not positive.
    """

    uid: str
    place_mm: tuple[float, float, float]
    volume_mm3: float
    texture: Texture | None = None

    def __post_init__(self) -> None:
        if not 0 < self.volume_mm3 < math.inf:
            raise InvalidValueError("Spot.volume_mm3", self.volume_mm3, "a positive volume")


@dataclass(frozen=True)
class Pairing:
    """What matching says of one nodule.

    Parameters
    ----------
    uid : str
        The nodule.
    partner : str, optional
        The nodule of the other scan that it most likely is; None where it most likely
        is none of them.
    certainty : float
        Probability of that answer.
    likely : tuple of str
        Nodules of the other scan that it may be, most likely first; the partner among them.
    """

    uid: str
    partner: str | None
    certainty: float
    likely: tuple[str, ...] = ()


def log_odds(one: Spot, other: Spot, per_mm3: float) -> float:
    """Of being one nodule; positive where that is the likelier.

    Parameters
    ----------
    one, other : Spot
        The answer is the same the other way round.
    per_mm3 : float
        Nodules in each mm3 of lung, as one that has nothing to do with the other
        lies anywhere.
    """
    away = math.dist(one.place_mm, other.place_mm) / PLACE_MM
    place = -away * away / 2 - 1.5 * math.log(2 * math.pi) - 3 * math.log(PLACE_MM)
    size = size_log_odds(one.volume_mm3, other.volume_mm3)
    return place - math.log(per_mm3) + size + math.log(_texture(one.texture, other.texture))


def size_log_odds(one_mm3: float, other_mm3: float) -> float:
    """Of two volumes being one nodule's, as far as sizes tell."""
    ratio = math.log(other_mm3 / one_mm3)
    return max(LEAST_SIZE, _log_normal(ratio, GROWTH) - _log_normal(ratio, UNRELATED))


def _log_normal(value: float, deviation: float) -> float:
    return -((value / deviation) ** 2) / 2 - math.log(deviation)


def _texture(one: Texture | None, other: Texture | None) -> float:
    if one is None or other is None:
        return 1.0
    if one is other:
        return SAME_TEXTURE
    return NEAR_TEXTURE if Texture.PART_SOLID in (one, other) else OTHER_TEXTURE


def match(
    first: Sequence[Spot],
    second: Sequence[Spot],
    least_certainty: float,
    lungs_mm3: float = LUNGS_MM3,
) -> tuple[tuple[Pairing, ...], tuple[Pairing, ...]]:
    """Pair the nodules of two scans.

    Parameters
    ----------
    first, second : sequence of Spot
        In any order, and either way round: the answer is the same.
    least_certainty : float
        Others are ``likely`` where the pairing with them is not less probable than the
        best one by more than this certainty's odds.
    lungs_mm3 : float
        Volume of the lungs.

    Returns
    -------
    tuple of Pairing, tuple of Pairing
        One for each nodule of each scan, in the order given.

    Raises
    ------
    InvalidValueError
        Where a nodule stands twice.
    """
    for spots in (first, second):
        if len({s.uid for s in spots}) != len(spots):
            raise InvalidValueError("match", "a nodule twice", "nodules of different uid")
    per_mm3 = max(1.0, (len(first) + len(second)) / 2) / lungs_mm3
    odds = np.array([[log_odds(a, b, per_mm3) for b in second] for a in first])
    odds = odds.reshape(len(first), len(second))
    best, rows = _best(odds)
    slack = math.log(least_certainty / (1 - least_certainty))
    forced = np.array(
        [[best - _forced(odds, n, m) for m in range(len(second))] for n in range(len(first))]
    ).reshape(odds.shape)
    partners = {m: n for n, m in rows.items()}
    one = tuple(
        _pairing(first[n].uid, rows.get(n), forced[n], _without(odds, best, n, rows.get(n)),
                 [s.uid for s in second], slack)
        for n in range(len(first))
    )  # fmt: skip
    other = tuple(
        _pairing(second[m].uid, partners.get(m), forced[:, m],
                 _without(odds.T, best, m, partners.get(m)), [s.uid for s in first], slack)
        for m in range(len(second))
    )  # fmt: skip
    return one, other


def _pairing(
    uid: str, partner: int | None, worse: Costs, gap: float, uids: list[str], slack: float
) -> Pairing:
    """What is said of one nodule, from how much worse each pairing of it makes the whole."""
    order = sorted(range(len(uids)), key=lambda m: (m != partner, worse[m], uids[m]))
    likely = tuple(uids[m] for m in order if m == partner or worse[m] <= slack)
    certainty = 1 / (1 + math.exp(-min(gap, 50.0)))
    return Pairing(uid, None if partner is None else uids[partner], certainty, likely)


def _best(odds: Costs) -> tuple[float, dict[int, int]]:
    """Sum of the best pairing's log-odds, and its pairs."""
    n, m = odds.shape
    if n == 0 or m == 0:
        return 0.0, {}
    # Each nodule may also stand alone, at no cost.
    square = np.zeros((n + m, n + m))
    square[:n, :m] = -odds
    square[:n, m:] = np.where(np.eye(n, dtype=bool), 0, NEVER)
    square[n:, :m] = np.where(np.eye(m, dtype=bool), 0, NEVER)
    rows, columns = linear_sum_assignment(square)
    pairs = {int(a): int(b) for a, b in zip(rows, columns, strict=True) if a < n and b < m}
    return sum(float(odds[a, b]) for a, b in pairs.items()), pairs


def _forced(odds: Costs, row: int, column: int) -> float:
    """The best sum with one pair in it."""
    rest = np.delete(np.delete(odds, row, 0), column, 1)
    return float(odds[row, column]) + _best(rest)[0]


def _without(odds: Costs, best: float, row: int, partner: int | None) -> float:
    """How much less the best sum is where the answer about one nodule is another."""
    if partner is None:
        others = [_forced(odds, row, m) for m in range(odds.shape[1])]
        return best - max(others, default=-NEVER)
    forbidden = odds.copy()
    forbidden[row, partner] = -NEVER
    return best - _best(forbidden)[0]
