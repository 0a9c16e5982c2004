"""Small headers of mammograms, and studies made of them."""

from __future__ import annotations

import itertools

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID

from gransk.core.study import Instance, Study

PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2.1"
TOMO = "1.2.840.10008.5.1.4.1.1.13.1.3"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
CT = "1.2.840.10008.5.1.4.1.1.2"
CODES = {"CC": "399162004", "MLO": "399368009", "XCCL": "399192008", "ML": "399260004"}

_numbers = itertools.count(1)


def code(value: str, scheme: str = "SCT", meaning: str = "") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def view_code(value: str, *modifiers: str, scheme: str = "SCT") -> Dataset:
    item = code(value, scheme)
    item.ViewModifierCodeSequence = [code(modifier, scheme) for modifier in modifiers]
    return item


def image(side: str = "", view: str = "", **attributes) -> Instance:
    """A header without what it need not have; None takes an attribute away."""
    number = next(_numbers)
    header = Dataset()
    header.SOPClassUID = PRESENTATION
    header.SOPInstanceUID = f"1.2.3.4.{number}"
    header.StudyInstanceUID = "1.2.3"
    header.SeriesInstanceUID = f"1.2.3.{number}"
    header.SeriesNumber, header.InstanceNumber = number, 1
    header.Modality = "MG"
    header.PatientID = "test"
    header.PresentationIntentType = "FOR PRESENTATION"
    header.ImageType = ["ORIGINAL", "PRIMARY", ""]
    header.SamplesPerPixel, header.Rows, header.Columns = 1, 3062, 2394
    header.AcquisitionDate, header.AcquisitionTime = "20250102", f"{100000 + number:06d}"
    if side:
        header.ImageLaterality = side
    if view:
        header.ViewPosition = view
    syntax = attributes.pop("syntax", "1.2.840.10008.1.2.1")
    for keyword, value in attributes.items():
        if value is None:
            delattr(header, keyword)
        else:
            setattr(header, keyword, value)
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = UID(syntax)
    return Instance(header, lambda: header)


def four(**attributes) -> list[Instance]:
    """The four standard views."""
    return [image(side, view, **attributes) for side in "RL" for view in ("CC", "MLO")]


def study(*images: Instance) -> Study:
    return Study.from_instances(images)
