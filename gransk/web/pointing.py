"""The page where a person points at a finding that the analysis has not.

Images come from the archive through the DICOMweb proxy. A click on the image is a form's
own, so that the page works without any script; column and row may be typed as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from gransk.archive.orthanc import ArchiveError, Orthanc
from gransk.core.application import FollowsUp, Presentation
from gransk.core.findings import Findings, FrameRef
from gransk.results.store import BlobError
from gransk.results.tables import Workitem
from gransk.web import editing
from gransk.web.access import Caller, allow
from gransk.web.case_actions import study_of
from gransk.web.dicomweb import ROOT
from gransk.web.permissions import Permission
from gransk.web.rendering import page
from gransk.web.wiring import wiring

SHOWN = 768
"""Pixels that the longer side of an image is shown at, at least."""

router = APIRouter()


@dataclass(frozen=True)
class Slice:
    """One analysed image as the page shows it.

    Parameters
    ----------
    number, count : int
        Which of the analysed images, from 1, and of how many.
    instance_number : int, optional
        As the scanner counts.
    address : str
        Of the rendered image.
    columns, rows : int
    scale : float
        Pixels of the page for one of the image.
    outlines : tuple of (str, str)
        Name and SVG points, in the image's pixels, of every finding on it.
    """

    number: int
    count: int
    instance_number: int | None
    address: str
    columns: int
    rows: int
    scale: float
    outlines: tuple[tuple[str, str], ...]

    @property
    def width(self) -> int:
        return round(self.columns * self.scale)

    @property
    def height(self) -> int:
        return round(self.rows * self.scale)


@router.get("/studies/{key}/point/{workitem}")
def point(
    key: str,
    workitem: str,
    request: Request,
    caller: Annotated[Caller, Depends(allow(Permission.PREPARE))],
    image: Annotated[int | None, Query(ge=1, le=1_000_000)] = None,
) -> Response:
    """One analysed image, the others by its links, and where a person points on it."""
    known = wiring(request)
    if Permission.IMAGES not in caller.may:
        raise HTTPException(403)
    with known.database.read() as session:
        study = study_of(session, key)
        item = session.get(Workitem, workitem)
        application = known.applications.get(item.application) if item else None
        if item is None or item.study_key != key or not isinstance(application, FollowsUp):
            raise HTTPException(404)
        presentation = known.applications[item.application].presentation
        if editing.standing_report(session, item) is None:
            raise HTTPException(404)
        try:
            found = editing.edited(known, session, item).findings
        except (BlobError, KeyError, ValueError) as error:
            raise HTTPException(404) from error
    number = min(image or len(found.frames) // 2 + 1, len(found.frames))
    try:
        columns, rows = _size(known.orthanc, found.frames[number - 1])
    except ArchiveError as error:
        raise HTTPException(502, "orthanc") from error
    shown = _slice(found, number, (columns, rows), study.study_instance_uid, presentation)
    template = "slice.html" if request.headers.get("hx-request") else "point.html"
    return page(request, template, caller, study=study, workitem=item.id, shown=shown)


def _size(orthanc: Orthanc, frame: FrameRef) -> tuple[int, int]:
    """Columns and rows of an image; 404 where the archive has it no more."""
    found = orthanc.find_instance(frame.sop_instance_uid)
    if found is None:
        raise HTTPException(404)
    tags = orthanc.instance_tags(found)
    return int(tags["0028,0011"]["Value"]), int(tags["0028,0010"]["Value"])


def _slice(
    found: Findings,
    number: int,
    size: tuple[int, int],
    study_uid: str,
    presentation: Presentation,
) -> Slice:
    frame = found.frames[number - 1]
    place = (frame.sop_instance_uid, frame.frame)
    return Slice(
        number=number,
        count=len(found.frames),
        instance_number=frame.instance_number,
        address=rendered(study_uid, frame, presentation.image_window),
        columns=size[0],
        rows=size[1],
        scale=max(1.0, SHOWN / max(size)),
        outlines=tuple(
            (finding.tracking_id, " ".join(f"{column:.2f},{row:.2f}" for column, row in r.points))
            for finding in found.findings
            for r in finding.regions
            if (r.sop_instance_uid, r.frame) == place
        ),
    )


def rendered(study_uid: str, frame: FrameRef, window: tuple[float, float]) -> str:
    """Where the proxy shows an image in a window (PS3.18 8.3.5.1.4)."""
    uids = (study_uid, frame.series_instance_uid, frame.sop_instance_uid)
    study, series, instance = (quote(uid, safe="") for uid in uids)
    frames = f"/frames/{frame.frame}" if frame.frame else ""
    path = f"studies/{study}/series/{series}/instances/{instance}"
    return f"{ROOT}/{path}{frames}/rendered?window={window[0]:g},{window[1]:g},linear"
