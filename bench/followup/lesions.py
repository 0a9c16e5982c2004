"""The lesions of an imagined patient: what they are at the first scan and at the follow-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from bench.followup.hosts import Host, Own
from bench.followup.motion import BLEND_MM, MARGIN_MM, Points
from bench.nodule.pasted import Offers, place_of
from bench.nodule.truth import Texture
from training.nodule.cutouts import Cutout, Pasted, paste
from training.nodule.insertion import WALL_HU, Inserted, Kind, Shape, even_directions

Fate = Literal["stays", "comes", "goes"]
DRAWN_MM = (4.0, 14.0)
PASTED_MM = (5.0, 20.0)
SMALLEST_MM, LARGEST_MM = 3.5, 24.0
ROUGHNESS = 0.3
KINDS: tuple[Kind, ...] = ("solid", "part-solid", "ground glass")
KIND_SHARES = (0.6, 0.2, 0.2)
TEXTURES = {
    "solid": Texture.SOLID, "part-solid": Texture.PART_SOLID, "ground glass": Texture.GROUND_GLASS,
}  # fmt: skip
PLACES = ("inner", "wall", "vessel")
# Largest ratios of volumes: a body that is drawn, and one that is warped.
DRAWN_RATIOS, PASTED_RATIOS, OWN_RATIOS = (0.4, 5.0), (0.5, 3.0), (0.7, 1.6)
APART_MM = 28.0


@dataclass(frozen=True)
class Growth:
    """How lesions of a pair change.

    Parameters
    ----------
    days : int
        Between the scans.
    still : bool
        Nothing changes: the repeat of a scan.
    """

    days: int
    still: bool = False

    def ratio(self, limits: tuple[float, float], rng: np.random.Generator) -> float:
        """A true ratio of volumes: a third stable, a sixth shrinking, half growing.

        Those that grow double in 100 to 1000 days, by chance on a logarithmic scale.
        """
        kind = rng.random()
        shrunk = float(rng.uniform(0.5, 0.9))
        doubling = float(np.exp(rng.uniform(np.log(100), np.log(1000))))
        if self.still or kind < 1 / 3:
            return 1.0
        wanted = shrunk if kind < 1 / 2 else 2 ** (self.days / doubling)
        return float(np.clip(wanted, *limits))


@dataclass(frozen=True)
class Drawn:
    """A synthetic body, sampled anew on each scan's grid: its volumes are exact.

    Parameters
    ----------
    before, after : Inserted
        In the first scan's grid; the second as if the patient had not moved.
    fate : str
    """

    before: Inserted
    after: Inserted
    fate: Fate

    @property
    def ratio(self) -> float:
        return self.after.shape.volume_mm3 / self.before.shape.volume_mm3


@dataclass(frozen=True)
class Warped:
    """A real nodule, pasted or the scan's own, that the follow-up shows scaled.

    Parameters
    ----------
    centre_mm : ndarray
        In the first scan, LPS.
    diameter_mm : float
        Longest axial one in the first scan.
    radius_mm : float
        Of the ball round the centre that holds it.
    ratio : float
        Of its volumes, exact.
    fate : str
    texture : Texture
    place : str
    pasted : Pasted, optional
        None where it is the scan's own.
    """

    centre_mm: Points
    diameter_mm: float
    radius_mm: float
    ratio: float
    fate: Fate
    texture: Texture
    place: str
    pasted: Pasted | None = field(default=None, repr=False)

    @property
    def scale(self) -> float:
        return float(self.ratio ** (1 / 3))

    @property
    def room_mm(self) -> float:
        """Radius in which nothing else may lie."""
        return max(1.0, self.scale) * (self.radius_mm + MARGIN_MM) + BLEND_MM


@dataclass(frozen=True)
class Wanted:
    """How many lesions a pair has beside the scan's own.

    Parameters
    ----------
    drawn, pasted : tuple of str
        Their fates.
    """

    drawn: tuple[Fate, ...]
    pasted: tuple[Fate, ...]


FOLLOW_UP = Wanted(
    ("stays", "stays", "stays", "comes", "goes"), ("stays", "stays", "comes", "goes")
)
REPEAT = Wanted(("stays",) * 5, ("stays",) * 3)


def plan(
    host: Host, offers: Offers, nodules: Sequence[Cutout], growth: Growth, wanted: Wanted,
    rng: np.random.Generator,
) -> tuple[list[Drawn], list[Warped]]:  # fmt: skip
    """Lesions apart from each other; those that find no place are left out."""
    warped: list[Warped] = []
    for own in sorted(host.own, key=lambda o: -o.diameter_mm):
        one = _own(own, growth, rng)
        if not _apart(one, warped):
            one = replace(one, ratio=1.0)
        if _apart(one, warped):
            warped.append(one)
    fitting = [n for n in nodules if PASTED_MM[0] <= n.diameter_mm <= PASTED_MM[1]]
    for fate in wanted.pasted:
        for number in rng.permutation(len(fitting))[:6]:
            pasted = _pasted(host, offers, fitting[number], growth, fate, rng)
            if pasted is not None and _apart(pasted, warped):
                warped.append(pasted)
                break
    spacing = np.asarray(host.volume.geometry.spacing)
    index = host.volume.geometry.to_index
    taken = [(index(w.centre_mm) * spacing, w.room_mm) for w in warped]
    drawn = []
    for fate in wanted.drawn:
        found = _drawn(host, taken, growth, fate, rng)
        if found is not None:
            drawn.append(found)
            larger = max(found.before, found.after, key=lambda o: o.shape.diameter_mm)
            taken.append((np.asarray(larger.centre_index) * spacing, larger.shape.diameter_mm / 2))
    return drawn, warped


def _own(own: Own, growth: Growth, rng: np.random.Generator) -> Warped:
    return Warped(
        np.asarray(own.centre_mm), own.diameter_mm, own.diameter_mm / 2 + 1.0,
        growth.ratio(OWN_RATIOS, rng), "stays", Texture.of(own.texture), "own",
    )  # fmt: skip


def _pasted(
    host: Host, offers: Offers, cutout: Cutout, growth: Growth, fate: Fate,
    rng: np.random.Generator,
) -> Warped | None:  # fmt: skip
    radius = cutout.diameter_mm / 2
    place = str(rng.choice(PLACES))
    done = paste(cutout, host.volume, host.lungs, offers.at(place, radius, rng), rng)
    if done is None:
        return None
    points = (np.argwhere(cutout.mask) - cutout.centre) * cutout.volume.geometry.spacing
    return Warped(
        centre_mm=host.volume.geometry.to_lps(done.centre),
        diameter_mm=cutout.diameter_mm,
        radius_mm=float(np.linalg.norm(points, axis=1).max()),
        ratio=growth.ratio(PASTED_RATIOS, rng) if fate == "stays" else 1.0,
        fate=fate,
        texture=Texture.of(cutout.texture),
        place=place_of(host.volume, host.lungs, done.centre, radius),
        pasted=done,
    )


def _apart(one: Warped, others: Sequence[Warped]) -> bool:
    return all(
        np.linalg.norm(one.centre_mm - o.centre_mm) > one.room_mm + o.room_mm for o in others
    )


def _drawn(
    host: Host, taken: list[tuple[Points, float]], growth: Growth, fate: Fate,
    rng: np.random.Generator,
) -> Drawn | None:  # fmt: skip
    """A body that keeps its contact with a wall or a vessel while it grows."""
    ratio = growth.ratio(DRAWN_RATIOS, rng) if fate == "stays" else 1.0
    diameter = float(np.exp(rng.uniform(*np.log(DRAWN_MM))))
    later = diameter * ratio ** (1 / 3)
    if min(diameter, later) < SMALLEST_MM or max(diameter, later) > LARGEST_MM:
        later = diameter
    kind = KINDS[int(rng.choice(len(KINDS), p=KIND_SHARES))]
    place = str(rng.choice(PLACES))
    first = Shape.drawn(diameter, ROUGHNESS, rng)
    last = replace(first, diameter_mm=later)
    large, small = (last, first) if later > diameter else (first, last)
    centre = host.ground.find(place, large, taken, rng)
    if centre is None:
        return None
    moved = centre if place == "inner" else _in_contact(host, centre, large, small)
    at = {id(large): centre, id(small): moved}
    if large is small:
        at = {id(large): centre}
    ends = [Inserted(_index(at[id(shape)]), shape, kind, place) for shape in (first, last)]
    return Drawn(ends[0], ends[1], fate)


def _in_contact(host: Host, centre: Points, large: Shape, small: Shape) -> Points:
    """Centre of the smaller body so that it touches the tissue that the larger one touches."""
    ways = even_directions(400)
    spacing = np.asarray(host.volume.geometry.spacing)
    at = np.round(centre + ways * (large.radius_mm(ways) + 0.8)[:, None] / spacing).astype(int)
    at = np.clip(at, 0, np.asarray(host.volume.hu.shape) - 1)
    tissue = host.volume.hu[tuple(at.T)] > WALL_HU
    way = ways[tissue].sum(axis=0)
    length = float(np.linalg.norm(way))
    if length < 1e-6:
        return centre
    way = way / length
    return np.asarray(centre + way * float(large.radius_mm(way) - small.radius_mm(way)) / spacing)


def _index(point: Points) -> tuple[float, float, float]:
    k, j, i = (float(v) for v in point)
    return k, j, i
