"""What every object shares: whose study it is, when it was made and by what."""

from __future__ import annotations

import copy
import datetime
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from pydicom import Dataset, config
from pydicom.charset import convert_encodings
from pydicom.dataelem import DataElement
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import dcmwrite, write_data_element
from pydicom.uid import UID, ExplicitVRLittleEndian

from gransk.core.application import Presentation
from gransk.core.errors import InvalidValueError
from gransk.core.findings import Findings, FrameRef, ModelIdentity
from gransk.core.followup import FollowUp
from gransk.core.identity import COPIED, EMPTY_IF_ABSENT, MANUFACTURER
from gransk.core.keys import uid
from gransk.core.object_kinds import ObjectKind
from gransk.core.study import Instance, Study
from gransk.results.acts import Signature
from gransk.results.dicom.characters import encodings, fit, fit_dataset
from gransk.results.dicom.planes import Plane, plane
from gransk.results.dicom.texts import TEXTS, text

PRIVATE_SCHEME = "99GRANSK"
DEVICE_UID = uid("device", "gransk")
IMPLEMENTATION_UID = UID(uid("implementation", "gransk"))


@dataclass(frozen=True)
class MadeObject:
    """One DICOM object as a file.

    Parameters
    ----------
    kind : ObjectKind
    content : bytes
        DICOM file (PS3.10), Explicit VR Little Endian.
    """

    kind: ObjectKind
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    content: bytes


@dataclass(frozen=True)
class Predecessor:
    """An earlier report of ours that this one replaces."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True)
class Report:
    """Everything that the objects of one report are made from.

    ``follow_up`` is what it tells beside its findings, ``text`` the plain report in its
    language, ready to paste.

    Raises
    ------
    InvalidValueError
        Where an analysed image is not in the study, or ``created`` has no
        time zone.
    """

    study: Study
    findings: Findings
    presentation: Presentation
    report_key: str
    created: datetime.datetime
    incomplete: bool
    predecessors: tuple[Predecessor, ...]
    language: str
    version: str
    follow_up: FollowUp | None = None
    text: str = ""
    signature: Signature | None = None
    organization: str = MANUFACTURER

    def __post_init__(self) -> None:
        if self.created.utcoffset() is None:
            raise InvalidValueError("Report.created", self.created, "an instant with a time zone")
        missing = {f.sop_instance_uid for f in self.findings.frames} - self.by_uid.keys()
        if missing:
            raise InvalidValueError(
                "Report.findings", f"{len(missing)} images not in the study", "images of the study"
            )

    @cached_property
    def by_uid(self) -> dict[str, Instance]:
        return {instance.sop_instance_uid: instance for instance in self.study.instances}

    @cached_property
    def header(self) -> Dataset:
        """Of the first analysed image."""
        return self.by_uid[self.findings.frames[0].sop_instance_uid].header

    @cached_property
    def codecs(self) -> list[str]:
        return encodings(self.header)

    @property
    def title(self) -> str:
        """Name of the application in the report's language."""
        titles = self.presentation.title
        return titles.get(self.language) or titles.get("en") or self.findings.application

    @cached_property
    def local_time(self) -> datetime.datetime:
        """``created`` in the source's time zone, where it says which."""
        offset = timezone_offset(self.header)
        return self.created if offset is None else self.created.astimezone(offset)

    @property
    def content_label(self) -> str:
        """A Code String: capitals, digits, space and underscore, at most 16."""
        name = self.findings.application.upper()
        return "".join(c if c.isalnum() and c.isascii() else "_" for c in name)[:16]

    def uid(self, *parts: str) -> str:
        """A UID that follows from the report key."""
        return uid(self.report_key, *parts)

    def say(self, key: str) -> str:
        return text(key, self.language)

    def says(self, key: str) -> bool:
        """Is there such a text?"""
        return key in TEXTS

    def series_number(self, number: int) -> int:
        """A Series Number above the analysed series', so that viewers open the images first."""
        try:
            analysed = int(self.header.get("SeriesNumber") or 0)
        except (TypeError, ValueError):
            analysed = 0
        return max(9000, min(analysed, 2**31 - 10)) + number

    def plane(self, frame: FrameRef) -> Plane | None:
        """Where an analysed image lies."""
        return plane(self.by_uid[frame.sop_instance_uid].header, frame.frame)


def institution(study: Study, findings: Findings) -> str:
    """Institution Name of the first analysed image, else our own name."""
    uids = {frame.sop_instance_uid for frame in findings.frames[:1]}
    headers = (i.header for i in study.instances if i.sop_instance_uid in uids)
    named = (str(header.get("InstitutionName", "") or "").strip() for header in headers)
    return next(named, "") or MANUFACTURER


def timezone_offset(header: Dataset) -> datetime.timezone | None:
    """Timezone Offset From UTC of a header; None where absent or malformed."""
    match = re.fullmatch(r"([+-])(\d\d)([0-5]\d)", str(header.get("TimezoneOffsetFromUTC", "")))
    if not match or int(match[2]) > 14:
        return None
    minutes = int(match[2]) * 60 + int(match[3])
    return datetime.timezone(datetime.timedelta(minutes=-minutes if match[1] == "-" else minutes))


@contextmanager
def tolerant() -> Iterator[None]:
    """Malformed values of the source neither stop nor clutter the writing."""
    with config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def bare_source(report: Report) -> Dataset:
    """A source for highdicom's constructors: the study, and nobody's name."""
    source = Dataset()
    for keyword in EMPTY_IF_ABSENT:
        setattr(source, keyword, "")
    source.StudyInstanceUID = report.study.uid
    source.Modality = str(report.header.get("Modality", "")) or "OT"
    return source


def seal(
    dataset: Dataset, report: Report, kind: ObjectKind, made_uids: tuple[str, str]
) -> MadeObject:
    """Add what every object shares, and write it.

    Parameters
    ----------
    dataset : Dataset
        A highdicom object.
    made_uids : (str, str)
        Its Series and SOP Instance UIDs.
    """
    fit_dataset(dataset, report.codecs)
    _add_patient_and_study(dataset, report.header)
    _add_times(dataset, report)
    _add_equipment(dataset, report)
    series_uid, sop_uid = made_uids
    content = _write(dataset)
    return MadeObject(kind, str(dataset.SOPClassUID), sop_uid, series_uid, content)


def add_body_part(dataset: Dataset, report: Report) -> None:
    """Body part of the source; no side, as what is made may show both (Type 2C)."""
    if "BodyPartExamined" in report.header:
        dataset.add(report.header["BodyPartExamined"])
    if "ImageLaterality" in report.header or "Laterality" in report.header:
        dataset.add_new("Laterality", "CS", None)


def _add_patient_and_study(dataset: Dataset, header: Dataset) -> None:
    for keyword in COPIED:
        if keyword in dataset:
            del dataset[keyword]
        element = _writable(header, keyword)
        if element is not None:
            dataset.add(element)
        elif keyword in EMPTY_IF_ABSENT:
            setattr(dataset, keyword, None)
    if timezone_offset(header) is None and "TimezoneOffsetFromUTC" in dataset:
        del dataset.TimezoneOffsetFromUTC


def _writable(header: Dataset, keyword: str) -> DataElement | None:
    """Copy of an element without private parts; None where absent or beyond writing."""
    if keyword not in header:
        return None
    try:
        element = copy.deepcopy(header[keyword])
        if element.VR == "SQ":
            for item in element.value:
                item.remove_private_tags()
        buffer = DicomBytesIO()
        buffer.is_little_endian, buffer.is_implicit_VR = True, False
        write_data_element(buffer, element, convert_encodings(header.get("SpecificCharacterSet")))
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError):
        return None
    return element


def _add_times(dataset: Dataset, report: Report) -> None:
    date, time = report.local_time.strftime("%Y%m%d"), report.local_time.strftime("%H%M%S")
    content = "PresentationCreation" if "PresentationCreationDate" in dataset else "Content"
    for name in ("InstanceCreation", "Series", content):
        setattr(dataset, f"{name}Date", date)
        setattr(dataset, f"{name}Time", time)


def _add_equipment(dataset: Dataset, report: Report) -> None:
    findings = report.findings
    model = report.presentation.title.get("en") or findings.application
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = fit(model, report.codecs)[:64]
    dataset.DeviceSerialNumber = f"{findings.application} {findings.application_version}"[:64]
    dataset.SoftwareVersions = [
        f"gransk {report.version}"[:64],
        f"{findings.application} {findings.application_version}"[:64],
        *(f"{model.id} {model.version}"[:64] for model in findings.models),
    ]
    dataset.DeviceUID = DEVICE_UID
    dataset.pop("ContributingEquipmentSequence", None)
    if findings.models:
        dataset.ContributingEquipmentSequence = [_contributing(m) for m in findings.models]


def _contributing(model: ModelIdentity) -> Dataset:
    """A model that took part (PS3.3 C.12.1): other weights, another Device UID."""
    purpose, item = Dataset(), Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator = "109102", "DCM"
    purpose.CodeMeaning = "Processing Equipment"
    item.PurposeOfReferenceCodeSequence = [purpose]
    item.Manufacturer = MANUFACTURER
    item.ManufacturerModelName, item.SoftwareVersions = model.id[:64], model.version[:64]
    item.DeviceUID = uid("model", model.sha256)
    return item


def _write(dataset: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    meta.ImplementationVersionName = "GRANSK"
    dataset.file_meta = meta
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
