"""Findings as summary pages: Secondary Capture images that every viewer shows."""

from __future__ import annotations

from collections.abc import Sequence

from highdicom.sc import SCImage

from gransk.core.application import Picture
from gransk.core.identity import MANUFACTURER
from gransk.core.object_kinds import ObjectKind
from gransk.results.dicom.common import MadeObject, Report, add_body_part, bare_source, seal
from gransk.results.dicom.page import draw_pages


def make_sc(
    report: Report, pictures: Sequence[Picture], compared: Sequence[Picture] = ()
) -> list[MadeObject]:
    """One image a page, without any name or number of the patient in it."""
    series_uid = report.uid("SC", "series")
    made = []
    for number, pixels in enumerate(draw_pages(report, pictures, compared), start=1):
        sop_uid = report.uid("SC", str(number))
        dataset = SCImage.from_ref_dataset(
            bare_source(report),
            pixel_array=pixels,
            photometric_interpretation="RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            series_instance_uid=series_uid,
            series_number=report.series_number(3),
            sop_instance_uid=sop_uid,
            instance_number=number,
            manufacturer=MANUFACTURER,
            patient_orientation=("L", "P"),
            transfer_syntax_uid="1.2.840.10008.1.2.1",
            series_description=f"{report.title}: {report.say('summary')}"[:64],
        )
        dataset["PatientOrientation"].value = None
        dataset.ImageType = ["DERIVED", "SECONDARY"]
        dataset.ConversionType = "WSD"
        dataset["DateOfSecondaryCapture"].value = report.local_time.strftime("%Y%m%d")
        dataset["TimeOfSecondaryCapture"].value = report.local_time.strftime("%H%M%S")
        dataset.BurnedInAnnotation = "NO"
        dataset.RecognizableVisualFeatures = "NO"
        dataset.ImageComments = report.say("research")
        for keyword in (
            "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod",
        ):  # fmt: skip
            if keyword in report.header:
                dataset.add(report.header[keyword])
        add_body_part(dataset, report)
        made.append(seal(dataset, report, ObjectKind.SC, (series_uid, sop_uid)))
    return made
