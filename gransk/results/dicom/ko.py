"""Key Object Selection of the images on which findings are drawn (PS3.16 TID 2010)."""

from __future__ import annotations

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from pydicom import Dataset
from pydicom.sr.codedict import codes

from gransk.core.findings import FrameRef
from gransk.core.identity import MANUFACTURER
from gransk.core.object_kinds import ObjectKind
from gransk.results.dicom.common import MadeObject, Report, bare_source, seal
from gransk.results.dicom.regions import placed_regions
from gransk.results.dicom.reviews import device_observer, person_observer, standing


def make_ko(report: Report) -> MadeObject | None:
    """The images that the structured report draws findings on; None where there are none.

    Its title is Of Interest (113000, DCM; CID 7010). A Key Object Selection has no Predecessor
    Documents, so its description says that another went before.
    """
    keys: dict[FrameRef, list[str]] = {}
    for finding in report.findings.standing:
        for frame, _ in placed_regions(report, finding):
            names = keys.setdefault(frame, [])
            if finding.tracking_id not in names:
                names.append(finding.tracking_id)
    if not keys:
        return None
    series_uid, sop_uid = report.uid("KO", "series"), report.uid("KO", "1")
    images = {frame.sop_instance_uid: _image(report, frame) for frame in keys}
    content = KeyObjectSelection(
        document_title=codes.DCM.OfInterest,
        referenced_objects=list(images.values()),
        observer_person_context=person_observer(report),
        observer_device_context=device_observer(report),
        description=_description(keys, report),
    )
    _name_frames(content[0], list(keys))
    dataset = KeyObjectSelectionDocument(
        evidence=list(images.values()),
        content=content,
        series_instance_uid=series_uid,
        series_number=report.series_number(7),
        sop_instance_uid=sop_uid,
        instance_number=1,
        manufacturer=MANUFACTURER,
        series_description=f"{report.title}: {report.say('key_images')}"[:64],
    )
    return seal(dataset, report, ObjectKind.KO, (series_uid, sop_uid))


def _image(report: Report, frame: FrameRef) -> Dataset:
    """An image by its identity alone; its size makes it an image for highdicom."""
    image = bare_source(report)
    image.SOPClassUID, image.SOPInstanceUID = frame.sop_class_uid, frame.sop_instance_uid
    image.SeriesInstanceUID = frame.series_instance_uid
    image.Rows, image.Columns = 1, 1
    return image


def _description(keys: dict[FrameRef, list[str]], report: Report) -> str:
    names = dict.fromkeys(name for named in keys.values() for name in named)
    return f"{', '.join(names)}. {' '.join(standing(report))}"


def _name_frames(root: Dataset, frames: list[FrameRef]) -> None:
    """Frame numbers of multi-frame images, which highdicom leaves out here."""
    for item in root.ContentSequence:
        for reference in item.get("ReferencedSOPSequence") or ():
            uid = str(reference.ReferencedSOPInstanceUID)
            numbers = [f.frame for f in frames if f.sop_instance_uid == uid and f.frame is not None]
            if numbers:
                reference.ReferencedFrameNumber = sorted(numbers)
