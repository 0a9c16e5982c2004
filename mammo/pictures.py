"""Pictures of an exam: each view as it hangs, and each mark close up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gransk.core.application import Picture, Placed
from gransk.core.errors import RefusalError
from gransk.core.findings import Finding, Findings, FrameRef
from gransk.core.raster import resized
from gransk.core.study import Study
from mammo.image.grid import SPACING_MM, Prepared
from mammo.image.pixels import Pixels, read_pixels
from mammo.presentation import details, number, partners, side_and_view
from mammo.view import Laterality

VIEW_MM = 0.25
"""Side of a view's pixels: the same for all, so that breasts are seen in proportion."""
CLOSE_MM = 60.0
"""Side of the square that is shown round a mark."""
CLOSE_PX = 480
MARGIN_MM = 4.0
GreyArray = npt.NDArray[np.uint8]
LANGUAGES = ("en", "da")


@dataclass(frozen=True)
class Hung:
    """A view as a reader hangs it: upright, the chest wall towards the other breast.

    Parameters
    ----------
    image : ndarray of float32, shape (rows, columns)
        0 to 1, as displayed.
    spacing_mm : (float, float)
        Between rows and between columns.
    pixels : Pixels
        What it was made from.
    flipped : bool
        Whether left and right were exchanged for that.
    box : (int, int, int, int)
        Top, bottom, left and right of the breast in ``image``.
    """

    image: npt.NDArray[np.float32] = field(repr=False)
    spacing_mm: tuple[float, float]
    pixels: Pixels = field(repr=False)
    flipped: bool
    box: tuple[int, int, int, int]

    def from_native(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """(column, row) in ``image`` of those of the stored image, shape (..., 2)."""
        turned = self.pixels.turn.from_native(points)
        if self.flipped:
            turned[..., 0] = self.image.shape[1] - turned[..., 0]
        return turned


def hang(pixels: Pixels, side: Laterality) -> Hung:
    """Hang a view; the whole image where no breast is found in it."""
    rows, columns = pixels.image.shape
    try:
        prepared = pixels.prepared()
    except RefusalError:
        return Hung(pixels.image, pixels.spacing_mm, pixels, False, (0, rows, 0, columns))
    flipped = prepared.mirrored != (side is Laterality.RIGHT)
    image = pixels.image[:, ::-1] if flipped else pixels.image
    return Hung(image, pixels.spacing_mm, pixels, flipped, _box(prepared, pixels, flipped))


def _box(prepared: Prepared, pixels: Pixels, flipped: bool) -> tuple[int, int, int, int]:
    """The breast with a margin, in pixels of the hung image."""
    shape, spacing = pixels.image.shape, pixels.spacing_mm
    height, width = prepared.grey.shape
    top = (prepared.offset_px[1] * SPACING_MM - MARGIN_MM) / spacing[0]
    bottom = ((prepared.offset_px[1] + height) * SPACING_MM + MARGIN_MM) / spacing[0]
    left = (prepared.offset_px[0] * SPACING_MM - MARGIN_MM) / spacing[1]
    right = ((prepared.offset_px[0] + width) * SPACING_MM + MARGIN_MM) / spacing[1]
    if flipped:
        left, right = shape[1] - right, shape[1] - left
    return (
        max(0, round(top)),
        min(shape[0], round(bottom)),
        max(0, round(left)),
        min(shape[1], round(right)),
    )


def pictures(study: Study, findings: Findings) -> list[Picture]:
    """A picture of each view for the page of the exam, and of each mark close up.

    Raises
    ------
    RefusalError
        Where an image cannot be read.
    """
    instances = {instance.sop_instance_uid: instance for instance in study.instances}
    views, close = [], {}
    for frame in findings.frames:
        hung = hang(read_pixels(instances[frame.sop_instance_uid]), side_and_view(frame)[0])
        views.append(_view(frame, hung, findings))
        for finding in findings.findings:
            if finding.regions and finding.regions[0].sop_instance_uid == frame.sop_instance_uid:
                close[finding.tracking_uid] = _close_up(finding, findings.findings, hung)
    found = [close[f.tracking_uid] for f in findings.findings if f.tracking_uid in close]
    return [*views, *found]


def _view(frame: FrameRef, hung: Hung, findings: Findings) -> Picture:
    top, bottom, left, right = hung.box
    shape = (
        max(1, round((bottom - top) * hung.spacing_mm[0] / VIEW_MM)),
        max(1, round((right - left) * hung.spacing_mm[1] / VIEW_MM)),
    )
    across, down = shape[1] / (right - left), shape[0] / (bottom - top)
    ends = (hung.from_native(((0, 0), (1, 0), (0, 1))) - (left, top)) * (across, down)
    (c, f), (x, y) = ends[0], (ends[1] - ends[0], ends[2] - ends[0])
    return Picture(
        pixels=_grey(resized(hung.image[top:bottom, left:right], shape)),
        caption={language: _named(frame, findings, language) for language in LANGUAGES},
        spacing_mm=VIEW_MM,
        role=frame.label,
        placed=Placed(
            frame.sop_instance_uid,
            (float(x[0]), float(y[0]), float(c), float(x[1]), float(y[1]), float(f)),
            frame.frame,
        ),
    )


def _named(frame: FrameRef, findings: Findings, language: str) -> str:
    """The view and its probability."""
    name = f"malignancy_probability_{frame.label.lower().replace(' ', '_')}"
    value = findings.measured(name)
    return frame.label if value is None else f"{frame.label}  {number(value, 2, language)}"


def _close_up(finding: Finding, findings: Sequence[Finding], hung: Hung) -> Picture:
    """A square round the mark's middle; black beyond the image."""
    points = hung.from_native(finding.regions[0].points)
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    extent = (points.max(axis=0) - points.min(axis=0)) * hung.spacing_mm[::-1]
    side_mm = max(CLOSE_MM, 1.5 * float(extent.max()))
    half = [max(1, round(side_mm / 2 / s)) for s in hung.spacing_mm]
    top, left = round(middle[1]) - half[0], round(middle[0]) - half[1]
    square = _cut(hung.image, (top, left), (2 * half[0], 2 * half[1]))
    across, down = CLOSE_PX / square.shape[1], CLOSE_PX / square.shape[0]
    outline = tuple((float((x - left) * across), float((y - top) * down)) for x, y in points)
    return Picture(
        pixels=_grey(resized(square, (CLOSE_PX, CLOSE_PX))),
        caption={language: _caption(finding, findings, language) for language in LANGUAGES},
        outlines=(outline,),
        spacing_mm=side_mm / CLOSE_PX,
        tracking_uid=finding.tracking_uid,
    )


def _cut(
    image: npt.NDArray[np.float32], corner: tuple[int, int], shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """A part of an image, 0 where it lies beyond."""
    part = np.zeros(shape, np.float32)
    low = [max(0, c) for c in corner]
    high = [min(n, c + s) for n, c, s in zip(image.shape, corner, shape, strict=True)]
    if low[0] < high[0] and low[1] < high[1]:
        part[low[0] - corner[0] : high[0] - corner[0], low[1] - corner[1] : high[1] - corner[1]] = (
            image[low[0] : high[0], low[1] : high[1]]
        )
    return part


def _caption(finding: Finding, findings: Sequence[Finding], language: str) -> str:
    said = [told for _, told in details(finding, language)[:3]]
    same = [other.tracking_id for other in partners(finding, findings)]
    if same:
        word = {"en": "same lesion as", "da": "samme læsion som"}[language]
        said.append(f"{word} {', '.join(same)}")
    return f"{finding.tracking_id}: {', '.join(said)}"


def _grey(image: npt.NDArray[np.float32]) -> GreyArray:
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
