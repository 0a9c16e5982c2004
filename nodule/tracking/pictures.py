"""Both sides of a comparison as pictures of one window, scale and field of view."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.application import Picture
from gransk.core.ct import Frame, frames_of, read_frame
from gransk.core.findings import FrameRef
from gransk.core.followup import Comparison, Lesion, Look, Outcome
from gransk.core.study import Instance, Study

SIDE_MM = 56.0
# A picture shows this many times the longer of the two long axes.
ROOM = 1.6
AIR_HU = -1024.0
LANGUAGES = ("en", "da")
UNCERTAIN = {"en": "uncertain pairing", "da": "usikker parring"}


def comparison_pictures(
    current: Study, prior: Study, comparison: Comparison, window: tuple[float, float]
) -> list[Picture]:
    """Each matched or uncertain lesion on both studies, the earlier study first.

    Parameters
    ----------
    window : (float, float)
        Centre and width, HU.
    """
    instances = {i.sop_instance_uid: i for s in (current, prior) for i in s.instances}
    pictures: list[Picture] = []
    shown: list[tuple[Look | None, Look | None]] = []
    for lesion in comparison.lesions:
        # An open pairing stands once for each of its nodules.
        pair = (lesion.prior, lesion.current)
        if lesion.outcome in (Outcome.MATCHED, Outcome.UNCERTAIN) and pair not in shown:
            pictures += _pair(lesion, instances, window)
            shown.append(pair)
    return pictures


def _pair(
    lesion: Lesion, instances: Mapping[str, Instance], window: tuple[float, float]
) -> list[Picture]:
    looks = sorted(
        (look for look in (lesion.prior, lesion.current) if look is not None and look.frame),
        key=lambda look: look.date,
    )
    frames = [_frame(look.frame, instances) for look in looks if look.frame is not None]
    if not frames:
        return []
    spacing = min(min(frame.pixel_spacing) for frame in frames)
    longest = max(look.measured("long_axis_mm") or 0.0 for look in looks)
    count = round(max(SIDE_MM, ROOM * longest) / spacing)
    uid = lesion.current_uid or lesion.prior_uid or ""
    found = []
    for look, frame in zip(looks, frames, strict=True):
        grey, outline = _crop(frame, look, count, spacing, window)
        found.append(
            Picture(
                pixels=grey,
                caption={language: _caption(lesion, look, language) for language in LANGUAGES},
                outlines=(outline,) if outline else (),
                spacing_mm=spacing,
                tracking_uid=uid,
            )
        )
    return found


def _frame(reference: FrameRef, instances: Mapping[str, Instance]) -> Frame:
    return frames_of(instances[reference.sop_instance_uid])[(reference.frame or 1) - 1]


def _crop(
    frame: Frame, look: Look, count: int, spacing_mm: float, window: tuple[float, float]
) -> tuple[npt.NDArray[np.uint8], tuple[tuple[float, float], ...]]:
    """A square of ``count`` pixels round the lesion, and its outline there."""
    middle = _middle(frame, look)
    rows, columns = frame.pixel_spacing
    reach = (np.arange(count) + 0.5 - count / 2) * spacing_mm
    at = np.meshgrid(middle[1] + reach / rows - 0.5, middle[0] + reach / columns - 0.5,
                     indexing="ij")  # fmt: skip
    hu = ndimage.map_coordinates(read_frame(frame), at, order=1, cval=AIR_HU)
    low = window[0] - window[1] / 2
    grey = np.clip((hu - low) / window[1] * 255, 0, 255).astype(np.uint8)
    if look.region is None:
        return grey, ()
    points = (np.array(look.region.points) - middle) * (columns, rows) / spacing_mm + count / 2
    return grey, tuple((float(x), float(y)) for x, y in points)


def _middle(frame: Frame, look: Look) -> npt.NDArray[np.float64]:
    """Column and row of the lesion, as DICOM counts them."""
    if look.region is not None:
        points = np.array(look.region.points)
        middle: npt.NDArray[np.float64] = (points.min(axis=0) + points.max(axis=0)) / 2
        return middle
    away = np.asarray(look.centre_lps_mm or frame.position, float) - frame.position
    row, column = frame.orientation
    rows, columns = frame.pixel_spacing
    return np.array([away @ row / columns + 0.5, away @ column / rows + 0.5])


def _caption(lesion: Lesion, look: Look, language: str) -> str:
    parts = [date_text(look.date, language)]
    axes = [look.measured(name) for name in ("long_axis_mm", "short_axis_mm")]
    if None not in axes:
        parts.append(" × ".join(_number(a or 0.0, 1, language) for a in axes) + " mm")
    volume = look.measured("volume_mm3")
    if volume is not None:
        parts.append(f"{_number(volume, 0, language)} mm³")
    if lesion.outcome is Outcome.UNCERTAIN:
        parts.append(UNCERTAIN[language])
    return ", ".join(parts)


def date_text(date: datetime.date, language: str) -> str:
    """A date as people write it."""
    return date.strftime("%d.%m.%Y" if language == "da" else "%Y-%m-%d")


def _number(value: float, digits: int, language: str) -> str:
    text = f"{value:.{digits}f}"
    return text.replace(".", ",") if language == "da" else text
