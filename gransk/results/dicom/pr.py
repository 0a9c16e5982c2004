"""Findings as Grayscale Softcopy Presentation States: graphics and text over the images.

A presentation state replaces what an image says of its own display: where it holds no VOI LUT, an
identity stands in place of the image's window (PS3.4 N.2.1.3), and Photometric Interpretation
is passed over (N.2.1.4). So each state repeats its images' own Modality LUT, window and polarity,
shows the whole image, and neither turns nor flips it: what stays to it is graphics and text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from highdicom.pr import (
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GrayscaleSoftcopyPresentationState,
    TextJustificationValues,
    TextObject,
)
from pydicom import Dataset
from pydicom.uid import CTImageStorage

from gransk.core.findings import Finding, FrameRef
from gransk.core.identity import MANUFACTURER
from gransk.core.object_kinds import ObjectKind
from gransk.results.dicom.common import MadeObject, Report, add_body_part, bare_source, seal
from gransk.results.dicom.display import Display, display, pixel_spacing
from gransk.results.dicom.items import items_within
from gransk.results.dicom.regions import Points, all_regions
from gransk.results.dicom.reviews import person_name, standing

FINDINGS = GraphicLayer("FINDINGS", order=1, description="Findings")
STATUS = GraphicLayer("STATUS", order=2, description="What the reader must know")
STATUS_BOX = (0.01, 0.95, 0.99, 0.99)
"""Left, top, right, bottom as shares of what is displayed."""
TEXT_SHARE = (0.25, 0.03)
"""Of columns and rows: the room of a finding's name."""
GAP = 2.0
"""In pixels, from an outline to its name."""

Drawn = dict[FrameRef, list[tuple[Finding, Points]]]


def make_pr(report: Report) -> list[MadeObject]:
    """One presentation state for each series and matrix of grey images with findings.

    Every image on which a finding is outlined is named, also each slice of a mask; no other.
    """
    drawn: Drawn = {}
    for finding in report.findings.standing:
        for frame, points in all_regions(report, finding):
            drawn.setdefault(frame, []).append((finding, points))
    groups: dict[tuple[Any, ...], list[FrameRef]] = {}
    for frame in report.findings.frames:
        shown = display(report.by_uid[frame.sop_instance_uid].header, frame.frame)
        if frame in drawn and shown is not None:
            multiframe = frame.sop_instance_uid if frame.frame is not None else ""
            key = (frame.series_instance_uid, multiframe, shown.common)
            groups.setdefault(key, []).append(frame)
    return [
        _state(report, number, frames, drawn)
        for number, frames in enumerate(groups.values(), start=1)
    ]


def _state(report: Report, number: int, frames: list[FrameRef], drawn: Drawn) -> MadeObject:
    series_uid, sop_uid = report.uid("PR", "series"), report.uid("PR", str(number))
    sources = {frame.sop_instance_uid: _source(report, frame) for frame in frames}
    signer = report.signature
    dataset = GrayscaleSoftcopyPresentationState(
        referenced_images=list(sources.values()),
        series_instance_uid=series_uid,
        series_number=report.series_number(5),
        sop_instance_uid=sop_uid,
        instance_number=number,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=report.version,
        device_serial_number=report.version,
        content_label=report.content_label,
        content_description=report.say("research"),
        content_creator_name=None if signer is None else person_name(signer.person),
        graphic_layers=[FINDINGS, STATUS],
        graphic_annotations=[
            *(_marks(f, sources[f.sop_instance_uid], drawn[f]) for f in frames),
            _status(report, list(sources.values())),
        ],
        series_description=f"{report.title}: {report.say('marks')}"[:64],
    )
    add_body_part(dataset, report)
    classes = {frame.sop_instance_uid: frame.sop_class_uid for frame in frames}
    for item in items_within(dataset):
        if "ReferencedSOPInstanceUID" in item:
            item.ReferencedSOPClassUID = classes[str(item.ReferencedSOPInstanceUID)]
    _show_as_alone(dataset, report, frames)
    return seal(dataset, report, ObjectKind.PR, (series_uid, sop_uid))


def _source(report: Report, frame: FrameRef) -> Dataset:
    """The image, or the one that holds the frame, as if it were a CT image for highdicom."""
    header = report.by_uid[frame.sop_instance_uid].header
    source = bare_source(report)
    source.SOPClassUID, source.SOPInstanceUID = CTImageStorage, frame.sop_instance_uid
    source.SeriesInstanceUID = frame.series_instance_uid
    source.Rows, source.Columns, source.SamplesPerPixel = header.Rows, header.Columns, 1
    return source


def _marks(
    frame: FrameRef, source: Dataset, marks: Sequence[tuple[Finding, Points]]
) -> GraphicAnnotation:
    """Outlines and names of the findings on one image."""
    size = (float(source.Columns), float(source.Rows))
    made = GraphicAnnotation(
        [source],
        FINDINGS,
        graphic_objects=[_outline(finding, points, size) for finding, points in marks],
        text_objects=[_name(finding, points, size) for finding, points in marks],
    )
    if frame.frame is not None:
        made.ReferencedImageSequence[0].ReferencedFrameNumber = frame.frame
    return made


def _status(report: Report, sources: Sequence[Dataset]) -> GraphicAnnotation:
    """How the report stands, at the lower edge of what is displayed of every image."""
    said = TextObject(
        f"{MANUFACTURER}: {' '.join(standing(report))}"[:1024],
        units="DISPLAY",
        bounding_box=STATUS_BOX,
        text_justification=TextJustificationValues.LEFT,
    )
    return GraphicAnnotation(sources, STATUS, text_objects=[said])


def _outline(finding: Finding, points: Points, size: tuple[float, float]) -> GraphicObject:
    """A closed polyline, or a point, in the pixels of the image.

    Units PIXEL begin at the top left corner of the first pixel as 0 (PS3.3 C.10.5), as the
    regions of the finding model do.
    """
    within = np.clip(np.array(points), 0.0, size)
    closed = within if len(within) == 1 else np.vstack([within, within[:1]])
    return GraphicObject(
        "POINT" if len(closed) == 1 else "POLYLINE",
        closed,
        units="PIXEL",
        tracking_id=finding.tracking_id,
        tracking_uid=finding.tracking_uid,
    )


def _name(finding: Finding, points: Points, size: tuple[float, float]) -> TextObject:
    """The finding's name right of its outline, or left of it where there is no room."""
    within = np.clip(np.array(points), 0.0, size)
    (left, top), (right, _) = within.min(axis=0), within.max(axis=0)
    width, height = size[0] * TEXT_SHARE[0], size[1] * TEXT_SHARE[1]
    fits = right + GAP + width <= size[0]
    start = right + GAP if fits else max(0.0, left - GAP - width)
    above = min(max(0.0, top - height), size[1] - height)
    return TextObject(
        finding.tracking_id,
        units="PIXEL",
        bounding_box=(float(start), float(above), float(start + width), float(above + height)),
        text_justification=TextJustificationValues.LEFT if fits else TextJustificationValues.RIGHT,
        tracking_id=finding.tracking_id,
        tracking_uid=finding.tracking_uid,
    )


def _show_as_alone(dataset: Dataset, report: Report, frames: Sequence[FrameRef]) -> None:
    """Display of the images as their own attributes say, and nothing beyond."""
    shown = [_display(report, frame) for frame in frames]
    dataset.update(shown[0].modality)
    dataset.PresentationLUTShape = "INVERSE" if shown[0].inverse else "IDENTITY"
    windows: dict[str, tuple[Dataset | None, list[FrameRef]]] = {}
    for frame, one in zip(frames, shown, strict=True):
        key = "" if one.voi is None else one.voi.to_json()
        windows.setdefault(key, (one.voi, []))[1].append(frame)
    items = []
    for voi, framed in windows.values():
        if voi is not None:
            if len(windows) > 1:
                voi.ReferencedImageSequence = _references(framed)
            items.append(voi)
    if items:
        dataset.SoftcopyVOILUTSequence = items
    area = dataset.DisplayedAreaSelectionSequence[0]
    del area.PixelOriginInterpretation
    header = report.by_uid[frames[0].sop_instance_uid].header
    spacing = pixel_spacing(header, frames[0].frame)
    if spacing is not None:
        area.PresentationPixelSpacing = list(spacing)
        del area.PresentationPixelAspectRatio
    elif len(header.get("PixelAspectRatio") or ()) == 2:
        area.PresentationPixelAspectRatio = list(header.PixelAspectRatio)
    for series in dataset.ReferencedSeriesSequence:
        for item in series.ReferencedImageSequence:
            numbers = [f.frame for f in frames if f.frame is not None]
            if numbers:
                item.ReferencedFrameNumber = numbers


def _display(report: Report, frame: FrameRef) -> Display:
    shown = display(report.by_uid[frame.sop_instance_uid].header, frame.frame)
    if shown is None:
        raise ValueError("an image in colours has no presentation in grey")
    return shown


def _references(frames: Sequence[FrameRef]) -> list[Dataset]:
    items: dict[str, Dataset] = {}
    for frame in frames:
        item = items.setdefault(frame.sop_instance_uid, Dataset())
        item.ReferencedSOPClassUID = frame.sop_class_uid
        item.ReferencedSOPInstanceUID = frame.sop_instance_uid
        if frame.frame is not None:
            item.ReferencedFrameNumber = [*_numbers(item), frame.frame]
    return list(items.values())


def _numbers(item: Dataset) -> list[int]:
    given = item.get("ReferencedFrameNumber")
    if given is None:
        return []
    return [int(n) for n in given] if isinstance(given, Sequence) else [int(given)]
