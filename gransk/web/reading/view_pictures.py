"""Small pictures of an exam's views, on which a reader points at what the opinion means.

They come from the archive and from the images' own attributes alone: that they are there, which
there are and what they show depends on no analysis. Marks of the AI are never on them, and other
people's only for who sees every opinion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response

from gransk.archive.orthanc import ArchiveError
from gransk.core.findings import FrameRef
from gransk.reading.sight import Sight
from gransk.web.permissions import Permission
from gransk.web.pointing import rendered
from gransk.web.reading.common import Reader, desk_of, person_of, studies
from gransk.web.reading.forms import VIEWS
from gransk.web.reading.told import PersonSaid, people_said
from gransk.web.rendering import page
from gransk.web.windows import numbers, own_window
from gransk.web.wiring import wiring

FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2.1"
"""Digital Mammography X-Ray Image Storage (PS3.4 B.5)."""
VIEW_CODES = {"399162004": "CC", "R-10242": "CC", "399368009": "MLO", "R-10226": "MLO"}
"""View Code Sequence (PS3.16 CID 4014)."""
SIDE_PX = 900
"""Of the longer side of a picture."""
RADIUS_MM = 15.0
"""How far from the middle of a lesion a person may point, on a small picture, and mean it."""
RADIUS_SHARE = 0.05
"""Of the longer side, where an image has no spacing."""
MOST = 12

router = APIRouter()


@dataclass(frozen=True)
class Shown:
    """One image to point at.

    Parameters
    ----------
    name : str
        Such as ``R MLO``; empty where the image does not say.
    sop_instance_uid, address : str
    columns, rows : int
        Of the image.
    width, height : int
        Of the picture.
    radius_px : float
        `RADIUS_MM` in pixels of the image.
    number : int, optional
        Instance Number.
    points : tuple of (float, float, float, str)
        Column, row and radius of what others pointed at, and who.
    """

    name: str
    sop_instance_uid: str
    address: str
    columns: int
    rows: int
    width: int
    height: int
    radius_px: float
    number: int | None = None
    points: tuple[tuple[float, float, float, str], ...] = ()

    @property
    def side(self) -> str:
        return self.name.split()[0] if self.name else ""

    @property
    def view(self) -> str:
        return self.name.split()[1] if self.name else ""


@router.get("/reading/{key}/views")
def show_views(key: str, request: Request, caller: Reader) -> Response:
    """The views of an exam that the caller has before them, without any mark of the AI."""
    known = wiring(request)
    with known.database.read() as session:
        found = desk_of(session, key, person_of(caller))
        study = studies(session, [key]).get(key)
        said = people_said(session, found)
    if Permission.IMAGES not in caller.may:
        raise HTTPException(403)
    writes = found.task is not None or (found.own is not None and found.correctable)
    if study is None or study.deleted_at is not None or not writes or found.unopened:
        raise HTTPException(404)
    try:
        tags = known.orthanc.tags(study.orthanc_id)
    except ArchiveError as error:
        raise HTTPException(502, "orthanc") from error
    shown = views(study.study_instance_uid, tags.values())
    if found.sight is Sight.ALL:
        shown = [replace(one, points=_points(one, said)) for one in shown]
    return page(request, "reading/views.html", caller, views=shown)


def views(study_uid: str, images: Iterable[Mapping[str, Any]]) -> list[Shown]:
    """The mammograms of a study as they hang, those for presentation where there are any.

    Parameters
    ----------
    study_uid : str
    images : iterable of mapping
        Attributes of each instance, as Orthanc gives them: ``{"0008,0016": {"Value": ..}}``.
    """
    of_class: dict[str, list[Shown]] = {FOR_PRESENTATION: [], FOR_PROCESSING: []}
    for tags in images:
        kind = _text(tags, "0008,0016")
        single = (numbers(tags, "0028,0008") or (1.0,))[0] == 1
        size = _size(tags)
        if kind in of_class and single and size is not None:
            of_class[kind].append(_shown(study_uid, tags, size))
    found = of_class[FOR_PRESENTATION] or of_class[FOR_PROCESSING]
    return sorted(found, key=_place)[:MOST]


def _place(one: Shown) -> tuple[int, int, str]:
    place = VIEWS.index(one.name) if one.name in VIEWS else len(VIEWS)
    return place, one.number or 0, one.sop_instance_uid


def _size(tags: Mapping[str, Any]) -> tuple[int, int] | None:
    """Columns and rows; None of an image that does not say them."""
    said = [numbers(tags, tag)[:1] for tag in ("0028,0011", "0028,0010")]
    whole = [int(number) for some in said for number in some if number >= 1]
    return (whole[0], whole[1]) if len(whole) == 2 else None


def _shown(study_uid: str, tags: Mapping[str, Any], size: tuple[int, int]) -> Shown:
    columns, rows = size
    longer = max(columns, rows)
    scale = min(1.0, SIDE_PX / longer)
    width, height = round(columns * scale), round(rows * scale)
    spacing = (numbers(tags, "0018,1164") or numbers(tags, "0028,0030") or (0.0,))[0]
    instance = numbers(tags, "0020,0013")
    frame = FrameRef(
        sop_class_uid=_text(tags, "0008,0016"),
        sop_instance_uid=_text(tags, "0008,0018"),
        series_instance_uid=_text(tags, "0020,000e"),
    )
    return Shown(
        name=_name(tags),
        sop_instance_uid=frame.sop_instance_uid,
        address=f"{rendered(study_uid, frame, own_window(tags))}&viewport={width},{height}",
        columns=columns,
        rows=rows,
        width=width,
        height=height,
        radius_px=RADIUS_MM / spacing if spacing > 0 else RADIUS_SHARE * longer,
        number=int(instance[0]) if instance else None,
    )


def _name(tags: Mapping[str, Any]) -> str:
    """Side and view, as images say them; empty where they are none of the four."""
    side = _text(tags, "0020,0062") or _text(tags, "0020,0060")
    items = tags.get("0054,0220", {}).get("Value") or []
    coded = _text(items[0], "0008,0100") if isinstance(items, list) and items else ""
    name = f"{side} {_text(tags, '0018,5101') or VIEW_CODES.get(coded, '')}"
    return name if name in VIEWS else ""


def _text(tags: Mapping[str, Any], tag: str) -> str:
    return str(tags.get(tag, {}).get("Value") or "").strip()


def _points(one: Shown, said: Sequence[PersonSaid]) -> tuple[tuple[float, float, float, str], ...]:
    return tuple(
        (*suspect.place.centre_px, suspect.place.radius_px, person.initials)
        for person in said
        for suspect in person.opinion.suspects
        if suspect.place is not None and suspect.place.sop_instance_uid == one.sop_instance_uid
    )
