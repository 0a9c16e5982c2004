"""The report as an Encapsulated PDF (PS3.3 A.45.1): its words and pictures on A4 pages."""

from __future__ import annotations

from collections.abc import Sequence

from highdicom.base import SOPClass
from highdicom.sr import CodedConcept
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import EncapsulatedPDFStorage

from gransk.core.application import Picture
from gransk.core.identity import MANUFACTURER
from gransk.core.object_kinds import ObjectKind
from gransk.results.dicom.common import MadeObject, Report, seal
from gransk.results.dicom.document import draw_document

TITLE = CodedConcept(
    codes.LN.DiagnosticImagingReport.value, "LN", codes.LN.DiagnosticImagingReport.meaning
)


def make_pdf(
    report: Report, pictures: Sequence[Picture], compared: Sequence[Picture] = ()
) -> MadeObject:
    """The document; unlike a summary page it says whose it is, on every page."""
    series_uid, sop_uid = report.uid("PDF", "series"), report.uid("PDF", "1")
    dataset = SOPClass(
        study_instance_uid=report.study.uid,
        series_instance_uid=series_uid,
        series_number=report.series_number(6),
        sop_instance_uid=sop_uid,
        sop_class_uid=EncapsulatedPDFStorage,
        instance_number=1,
        modality="DOC",
        manufacturer=MANUFACTURER,
        series_description=f"{report.title}: {report.say('document')}"[:64],
    )
    content = draw_document(report, pictures, compared)
    dataset.ConversionType = "WSD"
    dataset.AcquisitionDateTime = None
    dataset.BurnedInAnnotation = "YES"
    dataset.RecognizableVisualFeatures = "NO"
    dataset.DocumentTitle = f"{report.title}: {report.say('report')}"
    dataset.ConceptNameCodeSequence = [TITLE]
    dataset.VerificationFlag = "UNVERIFIED" if report.signature is None else "VERIFIED"
    dataset.SourceInstanceSequence = _sources(report)
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(content)
    dataset.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    return seal(dataset, report, ObjectKind.PDF, (series_uid, sop_uid))


def _sources(report: Report) -> list[Dataset]:
    """Each analysed image once."""
    items = {}
    for frame in report.findings.frames:
        item = Dataset()
        item.ReferencedSOPClassUID = frame.sop_class_uid
        item.ReferencedSOPInstanceUID = frame.sop_instance_uid
        items[frame.sop_instance_uid] = item
    return list(items.values())
