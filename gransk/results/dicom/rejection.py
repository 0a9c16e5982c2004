"""The note that takes fallen objects out of sight: a Key Object Selection (IHE IOCM, RAD-66).

Its title is (113039, DCM, "Data Retention Policy Expired"). Of the four titles of IHE's Imaging
Object Change Management it alone does what a superseded result needs: whoever receives it shall
suppress the rejected objects and the note from presentation (under 113001, "Rejected for Quality
Reasons", a receiver may be set to go on showing them), and nothing was wrong with the images or
the worklist entry (113037, 113038). And the same objects sent once more come back into sight:
dcm4chee-arc restores them by default after this title, and refuses them after the others.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from highdicom.sr import (
    CodedConcept,
    DeviceObserverIdentifyingAttributes,
    ObserverContext,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes

from gransk import __version__
from gransk.core.identity import EMPTY_IF_ABSENT, MANUFACTURER
from gransk.core.keys import uid
from gransk.results.dicom.characters import encodings, fit_dataset
from gransk.results.dicom.common import (
    DEVICE_UID,
    MadeObject,
    add_patient_and_study,
    timezone_offset,
    tolerant,
    write,
)
from gransk.results.dicom.texts import text

TITLE = CodedConcept("113039", "DCM", "Data Retention Policy Expired")
KIND = "REJECTION"
SERIES_NUMBER = 9099


def rejection_series(report_key: str, destination: str) -> str:
    """Series Instance UID of the notes that reject objects of a report at a destination."""
    return uid(report_key, "rejection", destination, "series")


def make_rejection(
    rejected: Sequence[Dataset],
    *,
    report_key: str,
    destination: str,
    number: int,
    created: datetime.datetime,
    replaced_by: str = "",
    language: str = "en",
) -> MadeObject:
    """The note that rejects objects of one report at one destination.

    Equal inputs give equal bytes.

    Parameters
    ----------
    rejected : sequence of Dataset
        Our own objects of one study, at least one; the note repeats whose they are.
    report_key, destination, number : str, str, int
        Its UIDs follow from them.
    created : datetime
        With a time zone.
    replaced_by : str
        SOP Instance UID of the report in their place; empty where there is none.
    language : str
        ``en`` or ``da``.
    """
    first = rejected[0]
    series_uid = rejection_series(report_key, destination)
    sop_uid = uid(report_key, "rejection", destination, str(number))
    said = text("replaced_by" if replaced_by else "not_replaced", language)
    with tolerant():
        note = KeyObjectSelectionDocument(
            evidence=[_evidence(one) for one in rejected],
            content=KeyObjectSelection(
                TITLE,
                [_evidence(one) for one in rejected],
                observer_device_context=_observer(),
                description=f"{said} {replaced_by}".strip(),
            ),
            series_instance_uid=series_uid,
            series_number=SERIES_NUMBER,
            sop_instance_uid=sop_uid,
            instance_number=number,
            manufacturer=MANUFACTURER,
            series_description=text("fallen", language),
        )
        fit_dataset(note, encodings(first))
        add_patient_and_study(note, first)
        offset = timezone_offset(first)
        local = created if offset is None else created.astimezone(offset)
        for name in ("InstanceCreation", "Series", "Content"):
            setattr(note, f"{name}Date", local.strftime("%Y%m%d"))
            setattr(note, f"{name}Time", local.strftime("%H%M%S"))
        note.ManufacturerModelName = MANUFACTURER
        note.DeviceSerialNumber = __version__
        note.SoftwareVersions = f"gransk {__version__}"
        note.DeviceUID = DEVICE_UID
        note.pop("ContributingEquipmentSequence", None)
        content = write(note)
    return MadeObject(KIND, str(note.SOPClassUID), sop_uid, series_uid, content)


def _evidence(rejected: Dataset) -> Dataset:
    """What highdicom asks of an object that is referred to, and nobody's name."""
    item = Dataset()
    for keyword in EMPTY_IF_ABSENT:
        setattr(item, keyword, "")
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID"):
        setattr(item, keyword, rejected[keyword].value)
    if "Rows" in rejected:
        item.Rows, item.Columns = rejected.Rows, rejected.Columns
    return item


def _observer() -> ObserverContext:
    return ObserverContext(
        codes.DCM.Device,
        DeviceObserverIdentifyingAttributes(
            uid=DEVICE_UID,
            name=MANUFACTURER,
            manufacturer_name=MANUFACTURER,
            model_name=MANUFACTURER,
            serial_number=__version__,
        ),
    )
