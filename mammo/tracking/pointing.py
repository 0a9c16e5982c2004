"""A mark that a person points at, outlined and measured as the comparison measures."""

from __future__ import annotations

import numpy as np

from gransk.core.application import Place
from gransk.core.errors import RefusalError
from gransk.core.findings import Finding, Findings, FrameRef, Region
from gransk.core.keys import uid
from gransk.core.reasons import Reason
from gransk.core.study import Study
from mammo.coding import BREASTS, KINDS, measurement, quality
from mammo.image.grid import Prepared
from mammo.image.pixels import read_pixels
from mammo.marks.mark import Kind, Point
from mammo.marks.outlining import Outliner, diameters_mm, middle, outlined
from mammo.presentation import side_and_view
from mammo.tracking.side import Spot, steadied

ORIGIN = "person"
SMALLEST_MM = 2.0


def measured_at(
    study: Study, findings: Findings, place: Place, outliner: Outliner = outlined
) -> Finding:
    """What lies at a place of an analysed view.

    Raises
    ------
    RefusalError
        ``NOTHING_TO_OUTLINE`` where the image was not analysed, or nothing there is brighter
        than what is round it; as `read_pixels` otherwise.
    """
    frame = next(
        (
            f
            for f in findings.frames
            if f.sop_instance_uid == place.sop_instance_uid and (f.frame or 1) == (place.frame or 1)
        ),
        None,
    )
    if frame is None:
        raise RefusalError(Reason.NOTHING_TO_OUTLINE, "an image that was not analysed")
    instances = {i.sop_instance_uid: i for i in study.instances}
    if frame.sop_instance_uid not in instances:
        raise RefusalError(Reason.NO_SUITABLE_SERIES, "the analysed images are gone")
    prepared = read_pixels(instances[frame.sop_instance_uid]).prepared()
    outline = _outline(prepared, (place.column, place.row), outliner)
    longest, _ = diameters_mm(outline)
    if longest < SMALLEST_MM:
        raise RefusalError(Reason.NOTHING_TO_OUTLINE, "smaller than 2 mm")
    return _finding(study, findings, frame, prepared, outline)


def _outline(prepared: Prepared, native: Point, outliner: Outliner) -> tuple[Point, ...]:
    column, row = (float(v) for v in prepared.from_native(native))
    # Where the very place cannot be outlined, it is refused; else the steadiest outline stands.
    first = outliner(prepared, (column, row))
    return steadied(prepared, Spot("", (column, row), first), outliner).outline


def _finding(
    study: Study,
    findings: Findings,
    frame: FrameRef,
    prepared: Prepared,
    outline: tuple[Point, ...],
) -> Finding:
    longest, _ = diameters_mm(outline)
    points = tuple(
        (round(float(x), 2), round(float(y), 2)) for x, y in prepared.to_native(np.array(outline))
    )
    centre = (str(round(v)) for v in prepared.to_native(middle(outline)))
    side, view = side_and_view(frame)
    return Finding(
        tracking_uid=uid("mark", ORIGIN, study.uid, frame.sop_instance_uid, *centre),
        tracking_id=f"Mark {len(findings.findings) + 1}",
        kind=KINDS[Kind.MASS],
        site=BREASTS[side],
        probability=1.0,
        measurements=(measurement("size_mm", round(longest, 1)),),
        qualities=(quality("laterality", side), quality("view", view)),
        regions=(
            Region(
                sop_instance_uid=frame.sop_instance_uid,
                frame=frame.frame,
                points=points,
            ),
        ),
        origin=ORIGIN,
    )
