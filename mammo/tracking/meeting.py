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
from mammo.marks.outlining import Outliner, middle, outlined
from mammo.marks.pairs import assigned
from mammo.tracking.joint import Both, drawn, measured
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
        """The mark's outlines drawn as one; one that a person drew stays, and the other is
        outlined from where either exam has the mark."""
        if earlier.by_hand or later.by_hand:
            return self._beside_hand(earlier, later, 0), self._beside_hand(later, earlier, 1)
        apart = np.asarray(later.centre) - self.across(earlier.centre, 0)
        # Where registration has it, and where both analyses have it.
        tried = [self._drawn(earlier.centre, shift) for shift in (np.zeros(2), apart)]
        some = [both for both in tried if both]
        if not some:
            return earlier, later
        both, sizes = measured(min(some, key=lambda one: float(np.mean([b.cost for b in one]))))
        return (
            Spot(earlier.uid, middle(both.earlier), both.earlier, mean_mm=sizes[0]),
            Spot(later.uid, middle(both.later), both.later, mean_mm=sizes[1]),
        )

    def _drawn(self, centre: Point, shift: Array) -> list[Both]:
        """Outlines in both images from a mark's place in the earlier one and from beside it."""
        found = []
        for place in around(centre):
            x, y = self.across(place, 0) + shift
            there = (float(x), float(y))
            images = (self.earlier.prepared, self.later.prepared)
            both = drawn(*images, self.registration, place, there)
            if both is not None:
                found.append(both)
        return found

    def _beside_hand(self, spot: Spot, partner: Spot, which: int) -> Spot:
        if spot.by_hand:
            return spot
        x, y = self.across(partner.centre, 1 - which)
        also = ((float(x), float(y)),)
        return steadied(self.sides[which].prepared, spot, self.outliner, also)

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
