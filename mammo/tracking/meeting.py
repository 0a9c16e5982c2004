"""Two exams' images of one view, laid over each other: what became of each mark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from gransk.core.followup import Outcome
from gransk.core.keys import uid
from mammo.image.grid import SPACING_MM
from mammo.image.registration import Registration, register
from mammo.marks.mark import Point
from mammo.marks.outlining import Outliner, outlined
from mammo.marks.pairs import assigned
from mammo.tracking.joint import Both, drawn
from mammo.tracking.second_look import Evidence, look
from mammo.tracking.settings import TrackingSettings
from mammo.tracking.side import Side, Spot, around, steadied

Array = npt.NDArray[np.float64]

# Deviation, along each axis, of where registration puts a mark. Made pairs give less
# (bench.mammo.priors); true priors are compressed and turned more than those.
PLACE_MM = 5.0
# Deviation of the logarithm of the diameters' ratio of one mark between two exams, and of two.
GROWTH, UNRELATED = 0.25, 0.6
LEAST_SIZE = -2.0


@dataclass(frozen=True)
class Row:
    """One mark: the exam it is of (0 the earlier, 1 the later), there and in the other."""

    outcome: Outcome
    which: int
    one: Spot
    other: Spot | None = None
    candidates: tuple[str, ...] = ()
    certainty: float | None = None
    unreported: bool = False

    @property
    def pair(self) -> tuple[Spot | None, Spot | None]:
        """The earlier exam's side and the later's."""
        return (self.one, self.other) if self.which == 0 else (self.other, self.one)


@dataclass(frozen=True)
class Meeting:
    """Both exams' images of one view.

    Parameters
    ----------
    earlier, later : Side
    registration : Registration
        From the earlier to the later image.
    settings : TrackingSettings
    outliner : Outliner
    """

    earlier: Side
    later: Side
    registration: Registration = field(repr=False)
    settings: TrackingSettings
    outliner: Outliner = outlined

    @classmethod
    def of(
        cls, earlier: Side, later: Side, settings: TrackingSettings, outliner: Outliner = outlined
    ) -> Meeting:
        """Lay both over each other.

        Raises
        ------
        RefusalError
            ``REGISTRATION_FAILED``.
        """
        found = register(earlier.prepared, later.prepared)
        return cls(earlier, later, found, settings, outliner)

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.earlier, self.later

    def across(self, place: npt.ArrayLike, which: int) -> Array:
        """Places of one exam in the other."""
        return self.registration.forth(place) if which == 0 else self.registration.back(place)

    def rows(self) -> list[Row]:
        """Every mark of either exam once: those of the earlier, then the later's own."""
        odds = self._odds()
        pairs = assigned(odds) if odds.size else []
        least = self.settings.least_certainty
        first = {i: (j, c) for i, j, c in pairs}
        second = {j: (i, c) for i, j, c in pairs}
        taken: tuple[list[Spot], list[Spot]] = (list(self.earlier.spots), list(self.later.spots))
        rows: list[Row] = []
        for which, partners in ((0, first), (1, second)):
            own, others = self.sides[which].spots, self.sides[1 - which].spots
            for n, spot in enumerate(own):
                if n not in partners:
                    rows.append(self._alone(spot, which, taken[1 - which]))
                    continue
                partner, certainty = partners[n]
                other = others[partner]
                if certainty < least:
                    table = odds[n] if which == 0 else odds[:, n]
                    rows.append(_open(spot, which, other, others, table, certainty))
                elif which == 0:
                    rows.append(self._matched(spot, other, certainty))
        return rows

    def _matched(self, earlier: Spot, later: Spot, certainty: float) -> Row:
        """One mark on both exams, outlined alike."""
        one, other = self._alike(earlier, later)
        return Row(Outcome.MATCHED, 0, one, other, certainty=certainty)

    def _alike(self, earlier: Spot, later: Spot) -> tuple[Spot, Spot]:
        """The mark with sizes of which the ratio is that of one outline drawn in both exams.

        What a person drew stays as it is; else both exams' own sizes count alike.
        """
        ratio = self._log_ratio(earlier.centre, np.asarray(later.centre))
        if ratio is None or (earlier.by_hand and later.by_hand):
            return earlier, later
        one, other = math.log(earlier.diameter_mm), math.log(later.diameter_mm)
        if earlier.by_hand:
            return earlier, later.sized(math.exp(one + ratio))
        if later.by_hand:
            return earlier.sized(math.exp(other - ratio)), later
        mean = (one + other) / 2
        return earlier.sized(math.exp(mean - ratio / 2)), later.sized(math.exp(mean + ratio / 2))

    def _log_ratio(self, earlier: Point, later: Array) -> float | None:
        """Of the later diameter over the earlier; None where nothing can be drawn."""
        apart = later - self.across(earlier, 0)
        # Where registration has it, or where both analyses have it: where grey falls more.
        tried = [(self._drawn(earlier, shift), shift) for shift in (np.zeros(2), apart)]
        some = [(both, shift) for both, shift in tried if both is not None]
        if not some:
            return None
        first, shift = min(some, key=lambda one: one[0].cost)
        others = [self._drawn(place, shift) for place in around(earlier)[1:]]
        return float(np.mean([both.log_ratio for both in (first, *others) if both is not None]))

    def _drawn(self, place: Point, shift: Array) -> Both | None:
        """Outlines in both images from a place of the earlier one, the later's moved by a shift."""
        x, y = self.across(place, 0) + shift
        images = (self.earlier.prepared, self.later.prepared)
        return drawn(*images, self.registration, place, (float(x), float(y)))

    def _odds(self) -> Array:
        area = float(self.earlier.prepared.breast[::4, ::4].sum()) * (4 * SPACING_MM) ** 2
        return np.array(
            [[self._log_odds(a, b, area) for b in self.later.spots] for a in self.earlier.spots]
        )

    def _log_odds(self, one: Spot, other: Spot, area_mm2: float) -> float:
        """Of being one mark, against two that have nothing to do with each other."""
        apart = (self.across(one.centre, 0) - np.asarray(other.centre)) * SPACING_MM
        away = float(apart @ apart) / PLACE_MM**2
        place = -away / 2 - math.log(2 * math.pi * PLACE_MM**2) + math.log(area_mm2)
        ratio = math.log(other.diameter_mm / one.diameter_mm)
        size = _log_normal(ratio, GROWTH) - _log_normal(ratio, UNRELATED)
        return place + max(LEAST_SIZE, size)

    def _alone(self, spot: Spot, which: int, taken: list[Spot]) -> Row:
        """A mark that the other exam's analysis did not report: is it there all the same?"""
        here, there = self.sides[which], self.sides[1 - which]
        if not there.covers(self.across(spot.centre, which)):
            return Row(Outcome.NOT_COVERED, which, spot)
        seen = look(spot, here, there, partial(self.across, which=which), taken)
        probability = seen.probability
        if probability < self.settings.unseen_below:
            outcome = Outcome.RESOLVED if which == 0 else Outcome.NEW
            return Row(outcome, which, spot, certainty=1 - probability)
        other = self._outlined(spot, there, seen)
        if probability < self.settings.seen_from:
            return Row(
                Outcome.UNCERTAIN, which, spot, other, certainty=probability, unreported=True
            )
        taken.append(other)
        pair = self._alike(spot, other) if which == 0 else self._alike(other, spot)
        one, other = (pair[which], pair[1 - which])
        return Row(Outcome.MATCHED, which, one, other, certainty=probability, unreported=True)

    def _outlined(self, spot: Spot, there: Side, seen: Evidence) -> Spot:
        """What is there, outlined like the others; named by the mark it was looked for."""
        moved = _moved(spot.outline, spot.centre, seen.place)
        name = uid("mark", spot.uid, "seen", *(str(round(v)) for v in seen.place))
        return steadied(there.prepared, Spot(name, seen.place, moved), self.outliner)


def _open(
    spot: Spot, which: int, other: Spot, others: Sequence[Spot], table: Array, certainty: float
) -> Row:
    likely = [others[n].uid for n in np.argsort(-table, kind="stable") if table[n] > 0]
    return Row(Outcome.UNCERTAIN, which, spot, other, tuple(likely), certainty)


def _moved(outline: tuple[Point, ...], centre: Point, place: Point) -> tuple[Point, ...]:
    x, y = place[0] - centre[0], place[1] - centre[1]
    return tuple((a + x, b + y) for a, b in outline)


def _log_normal(value: float, deviation: float) -> float:
    return -((value / deviation) ** 2) / 2 - math.log(deviation)
