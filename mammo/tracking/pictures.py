"""Both sides of a comparison as pictures of one scale and field of view."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from gransk.core.application import Picture
from gransk.core.followup import Comparison, Lesion, Look, Outcome
from gransk.core.raster import resized
from gransk.core.study import Instance, Study
from mammo.image.pixels import read_pixels
from mammo.pictures import CLOSE_MM, CLOSE_PX, Hung, hang
from mammo.presentation import number, side_and_view

# A picture shows this many times the longer of the two diameters.
ROOM = 1.6
LANGUAGES = ("en", "da")
UNCERTAIN = {"en": "uncertain pairing", "da": "usikker parring"}


def comparison_pictures(current: Study, prior: Study, comparison: Comparison) -> list[Picture]:
    """Each matched or uncertain mark on both exams, the earlier exam first.

    Raises
    ------
    RefusalError
        Where an image cannot be read.
    """
    instances = {i.sop_instance_uid: i for s in (current, prior) for i in s.instances}
    hung: dict[str, Hung] = {}
    pictures: list[Picture] = []
    shown: list[tuple[Look | None, Look | None]] = []
    for lesion in comparison.lesions:
        # An open pairing stands once for each of its marks.
        pair = (lesion.prior, lesion.current)
        if lesion.outcome in (Outcome.MATCHED, Outcome.UNCERTAIN) and pair not in shown:
            pictures += _pair(lesion, instances, hung)
            shown.append(pair)
    return pictures


def _pair(
    lesion: Lesion, instances: Mapping[str, Instance], hung: dict[str, Hung]
) -> list[Picture]:
    looks = sorted(
        (look for look in (lesion.prior, lesion.current) if look is not None and look.region),
        key=lambda look: look.date,
    )
    longest = max((look.measured("size_mm") or 0.0 for look in looks), default=0.0)
    side_mm = max(CLOSE_MM, ROOM * longest)
    found = []
    for look in looks:
        if look.frame is None or look.frame.sop_instance_uid not in instances:
            continue
        uid = look.frame.sop_instance_uid
        if uid not in hung:
            hung[uid] = hang(read_pixels(instances[uid]), side_and_view(look.frame)[0])
        grey, outline = _square(hung[uid], look, side_mm)
        found.append(
            Picture(
                pixels=grey,
                caption={language: _caption(lesion, look, language) for language in LANGUAGES},
                outlines=(outline,),
                spacing_mm=side_mm / CLOSE_PX,
                tracking_uid=lesion.current_uid or lesion.prior_uid or "",
            )
        )
    return found


def _square(
    hung: Hung, look: Look, side_mm: float
) -> tuple[npt.NDArray[np.uint8], tuple[tuple[float, float], ...]]:
    """A square of ``side_mm`` round the mark, and its outline there; black beyond the image."""
    points = hung.from_native(() if look.region is None else look.region.points)
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    half = [max(1, round(side_mm / 2 / s)) for s in hung.spacing_mm]
    top, left = round(middle[1]) - half[0], round(middle[0]) - half[1]
    padded = np.pad(hung.image, [(h, h) for h in half])
    square = padded[top + half[0] : top + 3 * half[0], left + half[1] : left + 3 * half[1]]
    grey = np.round(np.clip(resized(square, (CLOSE_PX, CLOSE_PX)), 0, 1) * 255).astype(np.uint8)
    across, down = CLOSE_PX / (2 * half[1]), CLOSE_PX / (2 * half[0])
    return grey, tuple((float((x - left) * across), float((y - top) * down)) for x, y in points)


def _caption(lesion: Lesion, look: Look, language: str) -> str:
    parts = [date_text(look.date, language)]
    if look.frame is not None:
        parts.append(look.frame.label)
    size = look.measured("size_mm")
    if size is not None:
        parts.append(f"{number(size, 0, language)} mm")
    if lesion.outcome is Outcome.UNCERTAIN:
        parts.append(UNCERTAIN[language])
    return ", ".join(parts)


def date_text(date: datetime.date, language: str) -> str:
    """A date as people write it."""
    return date.strftime("%d.%m.%Y" if language == "da" else "%Y-%m-%d")
