"""LIDC-IDRI as TCIA ships it: folders of CT images with the readers' XML beside them."""

from __future__ import annotations

import statistics
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from bench.nodule.scans import find_scan
from bench.nodule.truth import FEWEST_READERS, Case, Nodule, Texture
from gransk.core.errors import InvalidValueError, RefusalError
from gransk.core.findings import FrameRef
from gransk.core.volume import Geometry, Volume

LARGEST_XML = 64 << 20
SMALL_MM = 3.0


@dataclass(frozen=True)
class Mark:
    """One reader's mark of one nodule.

    Parameters
    ----------
    reader : int
    points : tuple of (str, array of shape (n, 2))
        SOP Instance UID and the outline's (column, row), from 0 at the middle of
        the first pixel.
    texture : float or None
        1 to 5; None for nodules under 3 mm, which readers marked by one point.
    """

    reader: int
    points: tuple[tuple[str, npt.NDArray[np.float64]], ...]
    texture: float | None


def read_lidc(folder: Path) -> Iterator[Case]:
    """Cases of a folder such as ``LIDC-IDRI/LIDC-IDRI-0001/<study>/<series>``.

    Each folder with the readers' XML and CT images is a case; X-ray films,
    which TCIA ships beside them, are passed over. A nodule that at least three
    of the four readers outlined is counted; other nodules, those under 3 mm
    too, are neither hits nor false. What readers marked as no nodule is none.

    Raises
    ------
    InvalidValueError
        Where an XML file is not as LIDC-IDRI's.
    """
    for path in sorted(folder.rglob("*.xml")):
        series, marks = read_xml(path)
        if marks is None or not any(path.parent.glob("*.dcm")):
            continue
        try:
            scan = find_scan(path.parent, series or None)
        except RefusalError:
            # Reading it refuses again, and says why.
            yield Case(path.parent.name, path.parent.name, partial(_load, path.parent, series))
            continue
        nodules = nodules_of(marks, scan.geometry, scan.frames)
        yield Case(scan.patient, scan.patient, partial(_load, path.parent, series), nodules)


def _load(folder: Path, series: str) -> Volume:
    return find_scan(folder, series or None).volume()


def read_xml(path: Path) -> tuple[str, list[Mark] | None]:
    """Series UID and the marks of nodules; None instead of marks for an X-ray film.

    Raises
    ------
    InvalidValueError
        Where the file is too large, has a document type (entities are not
        wanted), or is not LIDC-IDRI's.
    """
    if path.stat().st_size > LARGEST_XML:
        raise InvalidValueError("XML", path.name, f"at most {LARGEST_XML} bytes")
    content = path.read_bytes()
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise InvalidValueError("XML", path.name, "a file without a document type")
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise InvalidValueError("XML", path.name, f"well-formed XML ({error})") from error
    if _name(root) == "IdriReadMessage":
        return "", None
    if _name(root) != "LidcReadMessage":
        raise InvalidValueError("XML", _name(root), "LidcReadMessage")
    series = next((e.text or "" for e in root.iter() if _name(e) == "SeriesInstanceUid"), "")
    sessions = [e for e in root if _name(e) == "readingSession"]
    marks = [
        mark
        for reader, session in enumerate(sessions)
        for nodule in session
        if _name(nodule) == "unblindedReadNodule"
        for mark in _mark(reader, nodule)
    ]
    return series.strip(), marks


def _mark(reader: int, nodule: ElementTree.Element) -> Iterator[Mark]:
    points = []
    for roi in (e for e in nodule if _name(e) == "roi"):
        # An inclusion of FALSE is the outline of a hole.
        if _text(roi, "inclusion").upper() != "FALSE":
            edge = [
                (float(_text(e, "xCoord")), float(_text(e, "yCoord")))
                for e in roi
                if _name(e) == "edgeMap"
            ]
            if edge:
                points.append((_text(roi, "imageSOP_UID"), np.array(edge)))
    ratings = next((e for e in nodule if _name(e) == "characteristics"), None)
    texture = _text(ratings, "texture") if ratings is not None else ""
    if points:
        yield Mark(reader, tuple(points), float(texture) if texture else None)


def nodules_of(
    marks: list[Mark], geometry: Geometry, frames: tuple[FrameRef, ...]
) -> tuple[Nodule, ...]:
    """Marks of one nodule by several readers put together.

    Two marks are of one nodule where the distance between their outlines is at
    most a slice, as pylidc does it, or the centre of one lies within the other's
    radius. Marks on images that are not in the scan are left out.
    """
    slices = {frame.sop_instance_uid: k for k, frame in enumerate(frames)}
    outlined = [_in_patient(m, geometry, slices) for m in marks]
    kept = [(m, p) for m, p in zip(marks, outlined, strict=True) if p]
    if not kept:
        return ()
    every = [np.concatenate(planes) for _, planes in kept]
    centres = np.array([points.mean(axis=0) for points in every])
    longest = np.array([max(float(cdist(p, p).max()) for p in planes) for _, planes in kept])
    near = cdist(centres, centres) <= np.maximum.outer(longest, longest) / 2
    for a, b in zip(*np.nonzero(~near), strict=True):
        near[a, b] = bool(cdist(every[a], every[b]).min() <= geometry.spacing[0])
    _, group = connected_components(near, directed=False)
    return tuple(
        _nodule([kept[n][0] for n in same], centres[same], longest[same])
        for same in (np.flatnonzero(group == g) for g in range(int(group.max()) + 1))
    )


def _in_patient(
    mark: Mark, geometry: Geometry, slices: dict[str, int]
) -> list[npt.NDArray[np.float64]]:
    return [
        geometry.to_lps(np.column_stack([np.full(len(p), slices[uid]), p[:, 1], p[:, 0]]))
        for uid, p in mark.points
        if uid in slices
    ]


def _nodule(
    marks: list[Mark], centres: npt.NDArray[np.float64], longest: npt.NDArray[np.float64]
) -> Nodule:
    outlined = np.array([m.texture is not None for m in marks])
    readers = len({m.reader for m, yes in zip(marks, outlined, strict=True) if yes})
    used = centres[outlined] if outlined.any() else centres
    x, y, z = (float(v) for v in used.mean(axis=0))
    ratings = [m.texture for m in marks if m.texture is not None]
    return Nodule(
        centre_lps_mm=(x, y, z),
        diameter_mm=max(SMALL_MM, float(longest.max())),
        counted=readers >= FEWEST_READERS,
        texture=Texture.of(statistics.median(ratings) if ratings else None),
    )


def _name(element: ElementTree.Element) -> str:
    """Tag without its namespace, which differs between files."""
    return element.tag.rpartition("}")[2]


def _text(element: ElementTree.Element, name: str) -> str:
    found = next((e for e in element if _name(e) == name), None)
    return (found.text or "").strip() if found is not None else ""
