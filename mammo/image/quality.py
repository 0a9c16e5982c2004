"""Is a view good enough to be analysed, and should it be taken again?

Positioning follows PGMI (United Kingdom Mammography Trainers Group; criteria as listed on
radiopaedia.org/articles/pgmi-evaluation-system): muscle down to the nipple's level, nipple in
profile, posterior nipple line within 1 cm in CC and MLO; the last also in the ACR's Mammography
Quality Control Manual (1999), clinical image quality. The muscle may end 1 cm above the line, as
in Volpara's "adequate pectoral to posterior nipple line" (volparahealth.com, 29 October 2018).
The nipple must be in profile in one of a breast's views (PGMI asks for it in each).

In 75.5 % of routine screening images the muscle does not reach the nipple's level (Spuur 2008,
European Journal of Radiology, "Mammography image quality: analysis of evaluation criteria using
pectoral muscle presentation"), and PGMI calls images with a minor fault good or moderate. So one
criterion that a breast misses is remarked, two or more advise to take its views again, and
positioning alone refuses no image.

No source gives limits of contrast, blur and noise in numbers. `LIMITS` lie outside of what the
training films show (``python -m bench.mammo.quality``) and inside of what the same films show when
they are blurred, drowned in noise, saturated or pressed to few greys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.errors import InvalidValueError, RefusalError
from gransk.core.findings import Note
from gransk.core.reasons import Reason
from mammo.image.anatomy import Anatomy
from mammo.image.grid import SPACING_MM, Prepared
from mammo.image.pixels import Pixels
from mammo.view import Laterality, Projection, View

NIPPLE_LINE_MM = 10.0
"""Posterior nipple line of CC and MLO: PGMI, ACR 1999."""
MUSCLE_SHORT_MM = 10.0
"""How far above the posterior nipple line the muscle may end: Volpara 2018."""


class Why(StrEnum):
    """Why a view should be taken again, or cannot be analysed."""

    LOW_CONTRAST = "low_contrast"
    SATURATED = "saturated"
    BLURRED = "blurred"
    NOISY = "noisy"
    CUT_OFF = "cut_off"
    MUSCLE_MISSING = "muscle_missing"
    MUSCLE_SHORT = "muscle_short"
    NIPPLE_LINE = "nipple_line"
    NIPPLE_NOT_IN_PROFILE = "nipple_not_in_profile"


POSITIONING = (Why.MUSCLE_SHORT, Why.NIPPLE_LINE, Why.NIPPLE_NOT_IN_PROFILE)


@dataclass(frozen=True)
class Measured:
    """Figures of one view.

    Parameters
    ----------
    contrast : float
        From the 5th to the 95th percentile of the breast's greys, of the display's range.
    saturated : float
        Share of the breast that is shown wholly white.
    sharpness : float
        Standard deviation of details of 0.3 mm over those of 1.2 mm.
    noise : float
        Standard deviation of noise from a pixel to the next, in units of `contrast`.
    cut_off_mm : float
        Length of the skin line that lies on the image's edge in front of the breast or, in CC,
        beside its front half.
    """

    contrast: float
    saturated: float
    sharpness: float
    noise: float
    cut_off_mm: float

    def __post_init__(self) -> None:
        for name in ("contrast", "saturated"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidValueError(f"Measured.{name}", getattr(self, name), "0 to 1")


@dataclass(frozen=True)
class Limit:
    """Beyond ``advise`` a view should be taken again, beyond ``refuse`` it is not analysed."""

    name: str
    why: Why
    advise: float
    refuse: float | None

    def __post_init__(self) -> None:
        if not self.advise > 0 or self.refuse == self.advise:
            raise InvalidValueError("Limit.advise", self.advise, "positive, not that of refusal")

    def passed(self, value: float, limit: float | None) -> bool:
        """Is the value on the bad side of that limit?"""
        if limit is None:
            return False
        low_is_bad = self.refuse is not None and self.refuse < self.advise
        return value < limit if low_is_bad else value > limit


LIMITS = (
    Limit("contrast", Why.LOW_CONTRAST, 0.20, 0.10),
    Limit("saturated", Why.SATURATED, 0.10, 0.30),
    Limit("sharpness", Why.BLURRED, 0.30, 0.12),
    Limit("noise", Why.NOISY, 0.03, 0.06),
    Limit("cut_off_mm", Why.CUT_OFF, 20.0, None),
)


@dataclass(frozen=True)
class Checked:
    """One view that can be analysed, and what is wrong with it."""

    view: View
    measured: Measured
    anatomy: Anatomy
    why: tuple[Why, ...]


def measure(
    pixels: Pixels, prepared: Prepared, anatomy: Anatomy, projection: Projection
) -> Measured:
    """Figures of one view's image quality."""
    shown = _shown(pixels, prepared)
    low, high = np.percentile(shown, (5, 95))
    sharpness, noise = _details(prepared, anatomy)
    return Measured(
        contrast=float(high - low),
        saturated=float((shown >= 0.998).mean()),
        sharpness=sharpness,
        noise=noise,
        cut_off_mm=_cut_off(prepared, projection),
    )


def check_view(pixels: Pixels, prepared: Prepared, anatomy: Anatomy, view: View) -> Checked:
    """Measure one view and compare it with the limits.

    Raises
    ------
    RefusalError
        ``IMAGE_QUALITY``, its detail the reasons.
    """
    measured = measure(pixels, prepared, anatomy, view.projection)
    beyond = [
        limit.why for limit in LIMITS if limit.passed(getattr(measured, limit.name), limit.refuse)
    ]
    if beyond:
        raise RefusalError(Reason.IMAGE_QUALITY, ", ".join(beyond))
    why = [
        limit.why for limit in LIMITS if limit.passed(getattr(measured, limit.name), limit.advise)
    ]
    if view.projection is Projection.MLO:
        reach = anatomy.muscle_to_line_mm
        if reach is None:
            why.append(Why.MUSCLE_MISSING)
        elif reach < -MUSCLE_SHORT_MM:
            why.append(Why.MUSCLE_SHORT)
    return Checked(view, measured, anatomy, tuple(why))


def advice(checked: Sequence[Checked]) -> tuple[Note, ...]:
    """Which views to take again and why, and which criteria of positioning are missed.

    ``technical_repeat_`` with the reason {view} for image quality, for a muscle that is not
    seen, and for positioning where a breast misses two criteria; else ``positioning_`` with the
    reason {view}. The posterior nipple line is compared, and the nipple looked for, in the two
    views of a breast:
    the note names the view with the shorter line, and each view where no nipple is in profile.
    """
    notes = []
    for side in Laterality:
        views = [c for c in checked if c.view.laterality is side]
        missed = [(c.view.name, why) for c in views for why in c.why if why in POSITIONING]
        missed += _line_apart(views)
        if views and not any(c.anatomy.in_profile for c in views):
            missed += [(c.view.name, Why.NIPPLE_NOT_IN_PROFILE) for c in views]
        several = len({why for _, why in missed}) > 1
        again = [(c.view.name, why) for c in views for why in c.why if why not in POSITIONING]
        notes += [_note("technical_repeat", *pair) for pair in again]
        code = "technical_repeat" if several else "positioning"
        notes += [_note(code, *pair) for pair in missed]
    return tuple(notes)


def _line_apart(views: Sequence[Checked]) -> list[tuple[str, Why]]:
    by = {c.view.projection: c for c in views}
    if set(by) != set(Projection):
        return []
    short, other = sorted(by.values(), key=lambda c: c.anatomy.line_mm)
    if other.anatomy.line_mm - short.anatomy.line_mm <= NIPPLE_LINE_MM:
        return []
    return [(short.view.name, Why.NIPPLE_LINE)]


def _note(code: str, view: str, why: Why) -> Note:
    return Note(code=f"{code}_{why.value}", values={"view": view})


def _shown(pixels: Pixels, prepared: Prepared) -> npt.NDArray[np.float32]:
    """Greys as displayed of points all over the breast."""
    rows, columns = np.nonzero(prepared.breast)
    step = max(1, len(rows) // 60000)
    points = np.stack([columns[::step] + 0.5, rows[::step] + 0.5], axis=-1)
    # The turned image's pixels, not the stored ones.
    native = Prepared.to_native(prepared, points).astype(int)
    height, width = pixels.image.shape
    return np.asarray(
        pixels.image[np.clip(native[:, 1], 0, height - 1), np.clip(native[:, 0], 0, width - 1)]
    )


def _details(prepared: Prepared, anatomy: Anatomy) -> tuple[float, float]:
    """Sharpness and noise well inside the breast, without the muscle."""
    tissue = prepared.breast & ~anatomy.pectoral
    coarse = tissue[::8, ::8]
    deep = ndimage.distance_transform_edt(np.pad(coarse, 1))[1:-1, 1:-1] > 4
    inside = np.kron(deep, np.ones((8, 8), dtype=bool))[: tissue.shape[0], : tissue.shape[1]]
    if inside.sum() < 1000:
        inside = tissue
    grey = prepared.grey
    blurred = [ndimage.gaussian_filter(grey, s, truncate=3) for s in (1.0, 3.0, 6.0)]
    fine = (grey - blurred[0])[inside].std()
    middle = (blurred[1] - blurred[2])[inside].std()
    # Immerkaer 1996, Computer Vision and Image Understanding 64:300; median instead of mean.
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
    rough = np.abs(ndimage.convolve(grey, kernel)[inside])
    low, high = np.percentile(grey[inside], (5, 95))
    spread = max(float(high - low), 1e-3)
    return float(fine / max(middle, 1e-6)), float(np.median(rough) / 0.6745 / 6 / spread)


def _cut_off(prepared: Prepared, projection: Projection) -> float:
    """Millimetres of the breast's front that lie on the image's edge."""
    near = round(3.0 / SPACING_MM)
    rows, columns = prepared.breast.shape
    height = prepared.native_shape[0] * prepared.native_spacing_mm[0] / SPACING_MM
    width = prepared.native_shape[1] * prepared.native_spacing_mm[1] / SPACING_MM
    left, top = prepared.offset_px
    front = left if prepared.mirrored else width - left - columns
    length = 0
    if front <= near:
        length += int(prepared.breast[:, -near:].any(axis=1).sum())
    if projection is Projection.CC:
        half = prepared.breast[:, columns // 2 :]
        if top <= near:
            length += int(half[:near].any(axis=0).sum())
        if height - top - rows <= near:
            length += int(half[-near:].any(axis=0).sum())
    return length * SPACING_MM
