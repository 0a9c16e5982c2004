"""Where a finding is drawn: its own polygons, or what follows from its mask."""

from __future__ import annotations

import numpy as np
from skimage.measure import find_contours

from gransk.core.findings import BoolArray, Finding, FrameRef, Region
from gransk.results.dicom.common import Report

Points = tuple[tuple[float, float], ...]


def drawn_regions(report: Report, finding: Finding) -> tuple[tuple[FrameRef, Points], ...]:
    """What the structured report draws of a finding.

    A finding with a mask is drawn where it is largest; every other slice is in
    the segmentation. Without a mask each of its polygons is drawn. A finding
    without either is a point at its centre, or the frame of the first image:
    viewers pass over, or fail at, a measurement without a place.

    Returns
    -------
    tuple of (FrameRef, points)
        Points are (column, row) in DICOM image coordinates; a polygon of three
        or more is open, its first point not repeated; one point is a point.
    """
    return placed_regions(report, finding) or (_whole_image(report),)


def placed_regions(report: Report, finding: Finding) -> tuple[tuple[FrameRef, Points], ...]:
    """`drawn_regions` of a finding with a place; empty for one without."""
    drawn = _own_polygons(report, finding)
    if drawn:
        return drawn[:1] if finding.mask is not None else drawn
    largest = _from_mask(report, finding)
    if largest:
        return largest[:1]
    centre = _from_centre(report, finding)
    return () if centre is None else (centre,)


def all_regions(report: Report, finding: Finding) -> tuple[tuple[FrameRef, Points], ...]:
    """`placed_regions` with every further slice of a mask, for objects that no segmentation joins.

    Of a slice that has a polygon of its own, that one.
    """
    own = _own_polygons(report, finding)
    known = {(frame.sop_instance_uid, frame.frame) for frame, _ in own}
    rest = tuple(
        (frame, points)
        for frame, points in _from_mask(report, finding)
        if (frame.sop_instance_uid, frame.frame) not in known
    )
    return own + rest or placed_regions(report, finding)


def _own_polygons(report: Report, finding: Finding) -> tuple[tuple[FrameRef, Points], ...]:
    """The finding's own regions on analysed images, the largest first."""
    frames = {(f.sop_instance_uid, f.frame): f for f in report.findings.frames}
    return tuple(
        (frames[region.sop_instance_uid, region.frame], region.points)
        for region in sorted(finding.regions, key=_area, reverse=True)
        if (region.sop_instance_uid, region.frame) in frames
    )


def _area(region: Region) -> float:
    x, y = np.array(region.points).T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def _from_mask(report: Report, finding: Finding) -> tuple[tuple[FrameRef, Points], ...]:
    """Outline of a mask on each of its slices, the largest first."""
    if finding.mask is None:
        return ()
    box = finding.mask.to_array()
    k, j, i = finding.mask.origin
    sizes = box.sum(axis=(1, 2))
    return tuple(
        (report.findings.frames[k + n], _outline(box[n], (j, i)))
        for n in sorted(np.flatnonzero(sizes).tolist(), key=lambda n: (-sizes[n], n))
    )


def _outline(plane: BoolArray, corner: tuple[int, int]) -> Points:
    """The longest contour of a slice whose first pixel has index ``corner`` (row, column)."""
    contours = find_contours(  # type: ignore[no-untyped-call]
        np.pad(plane, 1).astype(float), 0.5
    )
    contour = max(contours, key=len)[:-1] - 1
    return tuple((float(c + corner[1] + 0.5), float(r + corner[0] + 0.5)) for r, c in contour)


def _from_centre(report: Report, finding: Finding) -> tuple[FrameRef, Points] | None:
    if finding.centre_lps_mm is None:
        return None
    nearest: tuple[float, FrameRef, Points] | None = None
    for frame in report.findings.frames:
        where = report.plane(frame)
        if where is not None:
            column, row, distance = where.to_image(finding.centre_lps_mm)
            if nearest is None or distance < nearest[0]:
                nearest = distance, frame, ((column, row),)
    return None if nearest is None else nearest[1:]


def _whole_image(report: Report) -> tuple[FrameRef, Points]:
    columns, rows = (float(report.header.get(name) or 1) for name in ("Columns", "Rows"))
    return report.findings.frames[0], ((0.0, 0.0), (columns, 0.0), (columns, rows), (0.0, rows))
