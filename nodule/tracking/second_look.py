"""Whether a nodule of one study is there in the other, whose analysis did not report it.

The detector does not run again: the network that judges single places looks at the mapped
place, at what is outlined there and at the places near by that the analysis itself proposed.
Its answer is weighed by how well place and size fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.special import expit, logit

from gransk.core.findings import Mask
from gransk.core.keys import uid
from gransk.core.models import Model
from nodule.grid import views
from nodule.measurement import NoduleMeasurement
from nodule.tracking.matching import PLACE_MM, size_log_odds
from nodule.tracking.side import Measured, Place, Side

# How far beside the mapped place it may lie, beside its own radius.
BESIDE_MM = 5.0
# An outline whose longest diameter is this many times that of a ball of its volume is a vessel.
LONGEST = 2.2
SMALLEST_MM = 2.0
# Nothing grows or shrinks more than this between two scans and stays the same nodule.
LARGEST_RATIO = 30.0
# The segmenter marks a single voxel where it finds nothing.
FEWEST_VOXELS = 2
# No network is surer than this.
CLOSEST = 1e-3


class Seen(StrEnum):
    """Whether something is there."""

    PRESENT = "present"
    ABSENT = "absent"
    UNSURE = "unsure"


@dataclass(frozen=True)
class SecondLook:
    """What the other study shows at a nodule's place.

    Parameters
    ----------
    seen : Seen
    probability : float
        Of a nodule there.
    nodule : Measured, optional
        What was outlined; None where nothing was.
    """

    seen: Seen
    probability: float
    nodule: Measured | None = None


@dataclass(frozen=True)
class Watcher:
    """Looks at single places.

    Parameters
    ----------
    judge : Model
        The model ``nodule-detector``.
    seen_from, unseen_below : float
        Probabilities from which something is there, and below which nothing is.
    """

    judge: Model
    seen_from: float
    unseen_below: float

    def look(
        self, side: Side, place: Place, sought: Measured, others: Sequence[Measured]
    ) -> SecondLook:
        """Look for a nodule of the other study.

        Parameters
        ----------
        side : Side
            The study to look in.
        place : (float, float, float)
            Where registration puts the nodule in it, mm, LPS.
        sought : Measured
            The nodule, as its own study shows it.
        others : sequence of Measured
            Nodules of this side that are others.
        """
        radius = (3 * sought.volume_mm3 / (4 * np.pi)) ** (1 / 3)
        reach = BESIDE_MM + radius
        best = SecondLook(Seen.ABSENT, 0.0)
        for point in self._points(side, place, reach):
            if any(side.holds(other, point) for other in others):
                continue
            found = self._outlined(side, point, place, reach, sought, others)
            if found is None:
                continue
            mask, sizes = found
            judged = max(self._probability(side, p) for p in (point, sizes.centre_lps_mm))
            probability = _weighed(judged, sizes, place, sought)
            if probability > best.probability:
                nodule = Measured(_uid(side, sizes), sizes.centre_lps_mm, mask, sizes)
                best = SecondLook(self._seen(probability), probability, nodule)
        return best

    def _points(self, side: Side, place: Place, reach: float) -> list[Place]:
        """The place itself, and what the analysis proposed near by, nearest first."""
        proposed = [tuple(c["centre_lps_mm"]) for c in side.examined.findings.candidates]
        away = {p: float(np.linalg.norm(np.subtract(p, place))) for p in proposed}
        return [place, *sorted((p for p in away if away[p] <= reach), key=lambda p: (away[p], p))]

    def _outlined(
        self, side: Side, point: Place, place: Place, reach: float,
        sought: Measured, others: Sequence[Measured],
    ) -> tuple[Mask, NoduleMeasurement] | None:  # fmt: skip
        """What is outlined at a point, if it may be the nodule that is sought."""
        if not side.covers(point):
            return None
        mask = side.outline(point)
        if mask.to_array().sum() < FEWEST_VOXELS:
            return None
        sizes = side.measure(mask)
        diameter = (6 * max(sizes.volume_mm3, 1e-6) / np.pi) ** (1 / 3)
        ratio = sizes.volume_mm3 / sought.volume_mm3
        apart = float(np.linalg.norm(np.subtract(sizes.centre_lps_mm, place)))
        if (
            diameter < SMALLEST_MM
            or sizes.longest_mm > LONGEST * diameter
            or not 1 / LARGEST_RATIO <= ratio <= LARGEST_RATIO
            or apart > reach
            or any(side.holds(other, sizes.centre_lps_mm) for other in others)
        ):
            return None
        return mask, sizes

    def _probability(self, side: Side, lps_mm: Place) -> float:
        """Of a nodule at a point: the mean of four looks in mirrors."""
        seen = views(side.lungs.volume, side.index(lps_mm))
        looks = np.stack([seen, *(np.flip(seen, axis) for axis in (1, 2, 3))])
        answer = self.judge.run({"views": np.ascontiguousarray(looks)})["probability"]
        return float(np.asarray(answer, float).mean())

    def _seen(self, probability: float) -> Seen:
        if probability >= self.seen_from:
            return Seen.PRESENT
        return Seen.ABSENT if probability < self.unseen_below else Seen.UNSURE


def _weighed(judged: float, sizes: NoduleMeasurement, place: Place, sought: Measured) -> float:
    """What the network says, weighed by how well place and size fit the nodule sought."""
    apart = float(np.linalg.norm(np.subtract(sizes.centre_lps_mm, place))) / PLACE_MM
    fit = size_log_odds(sought.volume_mm3, sizes.volume_mm3) - apart**2 / 2
    return float(expit(logit(np.clip(judged, CLOSEST, 1 - CLOSEST)) + fit))


def _uid(side: Side, sizes: NoduleMeasurement) -> str:
    """A tracking UID that study and place decide."""
    centre = (str(round(v)) for v in sizes.centre_lps_mm)
    return uid("nodule seen by comparison", side.examined.study.uid, *centre)
