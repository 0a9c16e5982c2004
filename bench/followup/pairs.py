"""A scan and a true follow-up of it, with what is true of every lesion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from scipy import ndimage

from bench.followup.hosts import Host
from bench.followup.lesions import (
    FOLLOW_UP,
    REPEAT,
    TEXTURES,
    Drawn,
    Growth,
    Warped,
    plan,
)
from bench.followup.motion import Motion, Points, Swelling, resample
from bench.nodule.alterations import NOISE_MM, blur, sharpen, thickness
from bench.nodule.pasted import Offers
from gransk.core.followup import Outcome
from gransk.core.volume import FloatArray, Geometry, Volume
from nodule.kernels import kernel_class
from training.nodule.cutouts import Cutout
from training.nodule.insertion import Inserted, insert
from training.nodule.slices import placed

DAYS = (91, 182, 365)
SIDES = ("prior", "current")
OUTCOMES = {"stays": Outcome.MATCHED, "comes": Outcome.NEW, "goes": Outcome.RESOLVED}
Kind = Literal["follow-up", "repeat"]

LARGEST_NOISE_HU = 20.0
PLANES = 12
MILD_BLUR_MM, MILD_SHARPENING = 0.4, 0.4
THICK_MM = 5.0
COMPARABLE_MM = 2.5
# Pairs that no volumes should be compared in, and pairs in which one scan is cut short.
UNLIKE_SHARE, CUT_SHARE = 0.15, 0.35
LARGEST_CUT, SHORTEST_MM = 0.28, 175.0
# So near to the cut nobody can say whether a lesion is covered.
CLEAR_MM = 6.0
BREATHING_MM = {"follow-up": 8.0, "repeat": 5.0}
PIXEL_SHARE = 0.1


@dataclass(frozen=True)
class TrueLesion:
    """What is true of one lesion.

    Parameters
    ----------
    source : str
        ``drawn``, ``pasted`` or ``own``.
    texture, place : str
    outcome : Outcome
    diameter_mm : float
        In the first scan, or in the follow-up where it is new: of the ball of equal
        volume where it is drawn, else the longest axial one.
    ratio : float
        Volume at the follow-up by volume in the first scan, exact; 1 where one lacks.
    prior_mm, current_mm : tuple of float, optional
        Its middle, LPS, in each scan that shows it.
    prior_mm3, current_mm3 : float, optional
        Of drawn ones, exact.
    """

    source: str
    texture: str
    place: str
    outcome: Outcome
    diameter_mm: float
    ratio: float
    prior_mm: tuple[float, float, float] | None = None
    current_mm: tuple[float, float, float] | None = None
    prior_mm3: float | None = None
    current_mm3: float | None = None

    @property
    def reach_mm(self) -> float:
        """What lies so near to its middle is the lesion."""
        grown = max(1.0, float(self.ratio ** (1 / 3)))
        return max(5.0, self.diameter_mm / 2 * grown)

    def vdt_days(self, days: int) -> float | None:
        """True volume-doubling time; negative where it shrinks, None where it is stable."""
        return days * math.log(2) / math.log(self.ratio) if self.ratio != 1 else None


@dataclass(frozen=True)
class _Place:
    """A lesion with where both scans show its place, whether it is there or not.

    Its outcome is that of scans that cover everything.
    """

    lesion: TrueLesion
    prior_mm: Points
    current_mm: Points
    radius_mm: float

    def grazed(self, geometry: Geometry, side: int) -> bool:
        """Does the scan end so near that nobody can say whether it covers the lesion?"""
        k = geometry.to_index((self.prior_mm, self.current_mm)[side])[0]
        over = max(-k - 0.5, k + 0.5 - geometry.shape[0]) * geometry.spacing[0]
        return bool(abs(over) < self.radius_mm + CLEAR_MM)

    def seen(self, prior: Geometry, current: Geometry) -> TrueLesion | None:
        """What two scans show of it; None where they show nothing, or graze it."""
        if self.grazed(prior, 0) or self.grazed(current, 1):
            return None
        was, now = (
            self.lesion.outcome is not Outcome.NEW,
            self.lesion.outcome is not Outcome.RESOLVED,
        )
        in_prior, in_current = _covers(prior, self.prior_mm), _covers(current, self.current_mm)
        sides = (was and in_prior, now and in_current)
        if not any(sides):
            return None
        outcome = self.lesion.outcome
        if not all(sides) and not (in_prior and in_current):
            outcome = Outcome.NOT_COVERED
        return replace(
            self.lesion,
            outcome=outcome,
            prior_mm=_point(self.prior_mm) if sides[0] else None,
            current_mm=_point(self.current_mm) if sides[1] else None,
            prior_mm3=self.lesion.prior_mm3 if sides[0] else None,
            current_mm3=self.lesion.current_mm3 if sides[1] else None,
        )


def _covers(geometry: Geometry, point: Points) -> bool:
    index = geometry.to_index(point)
    return bool(((index > -0.5) & (index < np.asarray(geometry.shape) - 0.5)).all())


@dataclass(frozen=True)
class Made:
    """One scan of a pair.

    Parameters
    ----------
    volume : Volume
    thickness_mm : float
    kernel : str
    """

    volume: Volume = field(repr=False)
    thickness_mm: float
    kernel: str


@dataclass(frozen=True)
class Settings:
    """How the two scans of a pair are taken.

    Parameters
    ----------
    thickness_mm : (float, float)
    kernel : (str, str)
    edge : (float, float)
        Below 0 the kernel blurs by so many mm, above 0 it sharpens so many times.
    noise_hu : (float, float)
        Added.
    unlike : str
        ``thickness`` or ``kernel`` where volumes should not be compared, else empty.
    """

    thickness_mm: tuple[float, float]
    kernel: tuple[str, str]
    edge: tuple[float, float]
    noise_hu: tuple[float, float]
    unlike: str = ""

    @classmethod
    def drawn(cls, host: Host, kind: Kind, rng: np.random.Generator) -> Settings:
        """By chance; the scans of a repeat differ in noise alone."""
        own = host.volume.geometry.spacing[0]
        thick = [own, own]
        if own < COMPARABLE_MM and rng.random() < 0.5:
            choices = [t for t in (1.5, 2.0, 2.5) if t >= own]
            thick = [float(rng.choice(choices)) for _ in range(2)]
            if abs(thick[0] - thick[1]) > 1.0 or kind == "repeat":
                thick[1] = thick[0]
        edges = [float(rng.uniform(-MILD_BLUR_MM, MILD_SHARPENING)) for _ in range(2)]
        kernels, unlike = [host.kernel, host.kernel], ""
        if kind == "repeat":
            edges[1] = edges[0]
        elif rng.random() < UNLIKE_SHARE:
            side = int(rng.integers(2))
            unlike = str(rng.choice(["thickness", "kernel"]))
            if unlike == "thickness":
                thick[side] = THICK_MM
            elif kernel_class(host.kernel) == "lung":
                kernels[side], edges[side] = "STANDARD", -0.8
            else:
                kernels[side], edges[side] = "LUNG", 1.5
        sounds = [float(v) for v in rng.uniform(0, LARGEST_NOISE_HU, 2)]
        return cls(
            (thick[0], thick[1]), (kernels[0], kernels[1]), (edges[0], edges[1]),
            (sounds[0], sounds[1]), unlike,
        )  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A first scan, its follow-up, and the truth.

    Parameters
    ----------
    seed : int
        Makes the same pair again.
    host : str
    kind : str
    days : int
        Between the scans; those of a repeat are of one day and dated so many apart.
    prior, current : Made
    lesions : tuple of TrueLesion
    motion : Motion
    settings : Settings
    cut : str
        ``prior`` or ``current`` where that scan is cut short, else empty.
    """

    seed: int
    host: str
    kind: Kind
    days: int
    prior: Made
    current: Made
    lesions: tuple[TrueLesion, ...]
    motion: Motion = field(repr=False)
    settings: Settings
    cut: str

    def json(self) -> dict[str, Any]:
        """What tells the pair apart, for a log."""
        return {
            "seed": self.seed, "host": self.host, "kind": self.kind, "days": self.days,
            "thickness_mm": list(self.settings.thickness_mm),
            "edge": list(self.settings.edge), "noise_hu": list(self.settings.noise_hu),
            "unlike": self.settings.unlike, "cut": self.cut,
            "breathing_mm": self.motion.breathing.depth_mm,
        }  # fmt: skip


def make_pair(
    host: Host, offers: Offers, nodules: Sequence[Cutout], seed: int, kind: Kind, days: int
) -> Pair:
    """Make a pair; equal arguments give equal pairs."""
    rng = np.random.default_rng(seed)
    settings = Settings.drawn(host, kind, rng)
    body = Motion.drawn(host.volume, host.lungs, rng, float(rng.normal(0, BREATHING_MM[kind])))
    growth = Growth(days, still=kind == "repeat")
    wanted = REPEAT if kind == "repeat" else FOLLOW_UP
    drawn, warped = plan(host, offers, nodules, growth, wanted, rng)
    motion = _with_swellings(body, warped)
    first = _source(host.volume, warped, ("stays", "goes"))
    last = _source(host.volume, warped, ("stays", "comes"))
    seen = resample(last, motion, _grid(host.volume, motion, rng))
    prior = _sliced(first, settings.thickness_mm[0])
    current = _sliced(seen, settings.thickness_mm[1])
    for one in drawn:
        if one.fate != "comes":
            _draw(prior, _moved(one.before, host.volume, prior.geometry, None), host, rng)
        if one.fate != "goes":
            _draw(current, _moved(one.after, host.volume, current.geometry, motion), host, rng)
    made = [
        Made(_taken(volume, settings, n, rng), settings.thickness_mm[n], settings.kernel[n])
        for n, volume in enumerate((prior, current))
    ]
    places = [_place_of_drawn(one, host, motion) for one in drawn]
    places += [_place_of_warped(one, motion) for one in warped]
    cut = ""
    if kind == "follow-up" and rng.random() < CUT_SHARE:
        side = int(rng.integers(2))
        shorter = _cut_short(made[side].volume, places, side, rng)
        if shorter is not None:
            cut, made[side] = SIDES[side], replace(made[side], volume=shorter)
    lesions = [
        lesion
        for place in places
        if (lesion := place.seen(made[0].volume.geometry, made[1].volume.geometry)) is not None
    ]
    return Pair(
        seed, host.name, kind, days, made[0], made[1], tuple(lesions), motion, settings, cut
    )


def _with_swellings(body: Motion, warped: Sequence[Warped]) -> Motion:
    return replace(
        body,
        swellings=tuple(
            Swelling(one.centre_mm, body.push(one.centre_mm), one.scale, one.radius_mm)
            for one in warped
            if one.fate != "goes"
        ),
    )


def _sliced(scan: Volume, slice_mm: float) -> Volume:
    return scan if slice_mm == scan.geometry.spacing[0] else thickness(slice_mm)(scan)


def _source(scan: Volume, warped: Sequence[Warped], fates: tuple[str, ...]) -> Volume:
    """The scan with what is pasted in it."""
    hu = scan.hu.copy()
    for one in warped:
        if one.pasted is not None and one.fate in fates:
            start, part = one.pasted.start, one.pasted.hu
            box = tuple(slice(a, a + n) for a, n in zip(start, part.shape, strict=True))
            hu[box] = part
    return replace(scan, hu=hu)


def _grid(scan: Volume, motion: Motion, rng: np.random.Generator) -> Geometry:
    """A follow-up's grid: other pixels, round the same middle, as far as the scan reaches."""
    own = scan.geometry
    share = float(rng.uniform(1 - PIXEL_SHARE, 1 + PIXEL_SHARE))
    spacing = (own.spacing[0], own.spacing[1] * share, own.spacing[2] * share)
    rows, columns = (round(n / share) for n in own.shape[1:])
    middle = motion.push(own.to_lps((np.asarray(own.shape) - 1) / 2))
    middle = middle + rng.uniform(-0.5, 0.5, 3) * np.asarray(spacing)[::-1]
    half = (own.shape[0] + 16) // 2
    heights = middle[2] + np.arange(-half, half + 1) * spacing[0]
    line = np.column_stack([np.full(len(heights), v) for v in middle[:2]] + [heights])
    k = own.to_index(motion.pull(line))[:, 0]
    good = np.flatnonzero((k >= -0.5) & (k <= own.shape[0] - 0.5))
    x = float(middle[0] - (columns - 1) / 2 * spacing[2])
    y = float(middle[1] - (rows - 1) / 2 * spacing[1])
    shape = (int(good[-1] - good[0] + 1), rows, columns)
    return Geometry(shape, (x, y, float(heights[good[0]])), spacing)


def _moved(one: Inserted, scan: Volume, onto: Geometry, motion: Motion | None) -> Inserted:
    """A body of the first scan's grid in another grid, turned as the patient is."""
    lps = scan.geometry.to_lps(one.centre_index)
    shape = one.shape
    if motion is not None:
        lps = motion.push(lps)
        # Directions of a shape are along k, j, i: z, y, x.
        shape = replace(shape, waves=shape.waves @ motion.turn[::-1, ::-1])
    k, j, i = (float(v) for v in onto.to_index(lps))
    return replace(one, centre_index=(k, j, i), shape=shape)


def _draw(volume: Volume, one: Inserted, host: Host, rng: np.random.Generator) -> None:
    """Draw a body that lies in the volume, in place."""
    margin = one.shape.diameter_mm / np.asarray(volume.geometry.spacing)
    at = np.asarray(one.centre_index)
    if ((at > -margin) & (at < np.asarray(volume.hu.shape) + margin)).all():
        insert(volume.hu, volume.geometry.spacing, one, host.scanner, rng)


def _taken(volume: Volume, settings: Settings, side: int, rng: np.random.Generator) -> Volume:
    """With the kernel and the noise of one side, in whole HU as scanners store them."""
    edge = settings.edge[side]
    volume = blur(-edge)(volume) if edge < 0 else sharpen(edge)(volume)
    hu = volume.hu
    _add_noise(hu, settings.noise_hu[side], volume.geometry.spacing, rng)
    np.round(hu, out=hu)
    return replace(volume, hu=np.clip(hu, -1024, 3071, out=hu))


def _add_noise(
    hu: FloatArray, sigma_hu: float, spacing: tuple[float, float, float], rng: np.random.Generator
) -> None:
    """Grainy noise, in place: each slice has one of some planes, rolled by chance."""
    grain = [NOISE_MM / s for s in spacing[1:]]
    planes = [
        ndimage.gaussian_filter(rng.standard_normal(hu.shape[1:], np.float32), grain, mode="wrap")
        for _ in range(PLANES)
    ]
    for plane in hu:
        drawn = planes[int(rng.integers(PLANES))]
        down, right = (int(rng.integers(n)) for n in drawn.shape)
        rolled = np.roll(drawn, (down, right), (0, 1))
        plane += rolled * np.float32(sigma_hu / float(drawn.std()))


def _place_of_drawn(one: Drawn, host: Host, motion: Motion) -> _Place:
    before, after = one.before, one.after
    to_lps = host.volume.geometry.to_lps
    return _Place(
        TrueLesion(
            source="drawn",
            texture=str(TEXTURES[before.kind]),
            place=before.place,
            outcome=OUTCOMES[one.fate],
            diameter_mm=(after if one.fate == "comes" else before).shape.diameter_mm,
            ratio=one.ratio,
            prior_mm3=before.shape.volume_mm3,
            current_mm3=after.shape.volume_mm3,
        ),
        to_lps(before.centre_index),
        motion.push(to_lps(after.centre_index)),
        max(before.shape.diameter_mm, after.shape.diameter_mm) / 2,
    )


def _place_of_warped(one: Warped, motion: Motion) -> _Place:
    return _Place(
        TrueLesion(
            source="own" if one.pasted is None else "pasted",
            texture=str(one.texture),
            place=one.place,
            outcome=OUTCOMES[one.fate],
            diameter_mm=one.diameter_mm,
            ratio=one.ratio,
        ),
        one.centre_mm,
        motion.push(one.centre_mm),
        max(1.0, one.scale) * one.radius_mm,
    )


def _cut_short(
    volume: Volume, places: Sequence[_Place], side: int, rng: np.random.Generator
) -> Volume | None:
    """The scan without some slices at one end; None where every cut would graze a lesion."""
    count, step = volume.hu.shape[0], volume.geometry.spacing[0]
    most = min(round(LARGEST_CUT * count), count - math.ceil(SHORTEST_MM / step))
    top = bool(rng.integers(2))
    for slices in rng.permutation(np.arange(4, max(4, most))):
        low, high = (0, count - int(slices)) if top else (int(slices), count)
        shorter = placed(volume, volume.hu[low:high], (float(low), 0, 0), volume.geometry.spacing)
        if not any(p.grazed(shorter.geometry, side) for p in places):
            return replace(shorter, hu=np.ascontiguousarray(shorter.hu))
    return None


def _point(lps: Points) -> tuple[float, float, float]:
    x, y, z = (round(float(v), 3) for v in lps)
    return x, y, z
