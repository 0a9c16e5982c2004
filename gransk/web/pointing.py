"""The page where a person points at a finding that the analysis has not.

Images come from the archive through the DICOMweb proxy. A click on the image is a form's
own, so that the page works without any script; column and row may be typed as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from gransk.archive.orthanc import ArchiveError, Orthanc
from gransk.core.application import FollowsUp, Presentation
from gransk.core.findings import Findings, FrameRef
from gransk.results.blobs import BlobError
from gransk.results.tables import Workitem
from gransk.web import editing
from gransk.web.access import Caller, allow
from gransk.web.case_actions import study_of
from gransk.web.dicomweb import ROOT
from gransk.web.permissions import Permission
from gransk.web.rendering import page
from gransk.web.seeing import check_sight
from gransk.web.windows import own_window
from gransk.web.wiring import wiring

SHOWN = (768, 1536)
"""Pixels that the longer side of an image is shown at, at least and at most."""

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
    label : str
        What people call the image; empty for one slice of many.
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
    label: str
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
        check_sight(known, session, caller, key)
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
    first = 1 if found.frames[0].label else len(found.frames) // 2 + 1
    number = min(image or first, len(found.frames))
    try:
        tags = _tags(known.orthanc, found.frames[number - 1])
    except ArchiveError as error:
        raise HTTPException(502, "orthanc") from error
    shown = _slice(found, number, tags, study.study_instance_uid, presentation)
    template = "slice.html" if request.headers.get("hx-request") else "point.html"
    return page(request, template, caller, study=study, workitem=item.id, shown=shown)


def _tags(orthanc: Orthanc, frame: FrameRef) -> dict[str, Any]:
    """Attributes of an image; 404 where the archive has it no more."""
    found = orthanc.find_instance(frame.sop_instance_uid)
    if found is None:
        raise HTTPException(404)
    return orthanc.instance_tags(found)


def _slice(
    found: Findings,
    number: int,
    tags: dict[str, Any],
    study_uid: str,
    presentation: Presentation,
) -> Slice:
    frame = found.frames[number - 1]
    place = (frame.sop_instance_uid, frame.frame)
    columns, rows = int(tags["0028,0011"]["Value"]), int(tags["0028,0010"]["Value"])
    longer = max(columns, rows)
    given = presentation.image_window
    window = own_window(tags) if given is None else (*given, "linear")
    return Slice(
        number=number,
        count=len(found.frames),
        instance_number=frame.instance_number,
        label=frame.label,
        address=rendered(study_uid, frame, window),
        columns=columns,
        rows=rows,
        scale=min(max(longer, SHOWN[0]), SHOWN[1]) / longer,
        outlines=tuple(
            (finding.tracking_id, " ".join(f"{column:.2f},{row:.2f}" for column, row in r.points))
            for finding in found.findings
            for r in finding.regions
            if (r.sop_instance_uid, r.frame) == place
        ),
    )


def rendered(study_uid: str, frame: FrameRef, window: tuple[float, float, str]) -> str:
    """Where the proxy shows an image in a window (PS3.18 8.3.5.1.4)."""
    uids = (study_uid, frame.series_instance_uid, frame.sop_instance_uid)
    study, series, instance = (quote(uid, safe="") for uid in uids)
    frames = f"/frames/{frame.frame}" if frame.frame else ""
    path = f"studies/{study}/series/{series}/instances/{instance}"
    return f"{ROOT}/{path}{frames}/rendered?window={window[0]:.10g},{window[1]:.10g},{window[2]}"
