"""What a study in the archive consists of now: its input images and their fingerprint."""

from __future__ import annotations

import io
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydicom import Dataset
from pydicom.uid import UID

from gransk.archive.headers import Shared, dataset, is_input
from gransk.archive.orthanc import ArchiveFaultError, Orthanc, StoredInstance
from gransk.core.decode import read_dataset
from gransk.core.errors import InvalidValueError, UnreadableInputError
from gransk.core.identity import COPIED, MANUFACTURER
from gransk.core.keys import digest
from gransk.core.study import Instance, Study

REMEMBERED = 50_000
IDENTITY = frozenset({*COPIED, "OriginalAttributesSequence", "InstanceCoercionDateTime"})
"""What may change where images are filed under another identity."""
DICOM_NODE = "DicomProtocol"
"""Orthanc's word for what came by C-STORE."""


@dataclass(frozen=True)
class Inputs:
    """A study as it lies in the archive.

    Parameters
    ----------
    headers : Study or None
        The input images, headers from the archive's tags; ``load`` fetches the
        file. None where there is no input image.
    fingerprint : str
        Digest of SOP Instance UID and file MD5 of every input image; empty
        where there is none. The file holds every attribute that a report
        repeats, so corrected patient data change it too.
    images : int
        Input images.
    instances : int
        Every object, reports and our own included.
    first_id : str
        Orthanc's id of the first image of ``headers``; empty where there is none.
    pictures : str
        Digest of the SOP Instance UIDs and of every attribute but those that say whose the
        images are (`gransk.core.identity.COPIED`); empty where there is no input image. An image
        keeps its SOP Instance UID only as long as its pixels stay.
    ours : tuple of str
        Orthanc's ids of objects that Gransk made.
    """

    headers: Study | None
    fingerprint: str
    images: int
    instances: int
    first_id: str = ""
    pictures: str = ""
    ours: tuple[str, ...] = ()


class FileFact(NamedTuple):
    """What the archive noted of a file; ``aet`` is empty where it came by no DICOM node."""

    md5: str
    transfer_syntax: str
    aet: str


class FileFacts:
    """MD5, transfer syntax and sender of stored files, each asked for once.

    Orthanc gives a file a new id whenever it is stored, so nothing here ages.
    """

    def __init__(self, orthanc: Orthanc) -> None:
        self._orthanc = orthanc
        self._known: OrderedDict[str, FileFact] = OrderedDict()

    def learn(self, orthanc_id: str) -> None:
        """Ask for every file of a study, while there is time."""
        for instance in self._orthanc.instances(orthanc_id):
            self.of(instance)

    def of(self, instance: StoredInstance) -> FileFact:
        if instance.file_id not in self._known:
            noted = self._orthanc.metadata(instance.orthanc_id)
            self._known[instance.file_id] = FileFact(
                self._orthanc.md5(instance.orthanc_id),
                noted.get("TransferSyntax", ""),
                noted.get("RemoteAET", "").strip() if noted.get("Origin") == DICOM_NODE else "",
            )
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return self._known[instance.file_id]


def read_inputs(orthanc: Orthanc, orthanc_id: str, facts: FileFacts) -> Inputs:
    """Read what a study consists of.

    Raises
    ------
    ArchiveUnavailableError
        Where the archive does not answer.
    NotInArchiveError
        Where the study, or an object of it, went while reading.
    """
    listed = orthanc.instances(orthanc_id)
    tags = _tags(orthanc, orthanc_id, listed)
    instances: list[Instance] = []
    ids: dict[str, str] = {}
    prints: list[list[str]] = []
    pictures: list[list[str]] = []
    ours: list[str] = []
    shared: Shared = {}
    for stored in listed:
        told = tags.pop(stored.orthanc_id, {})
        header = dataset(told, shared=shared)
        if not is_input(header):
            if str(header.get("Manufacturer", "")).strip() == MANUFACTURER:
                ours.append(stored.orthanc_id)
            continue
        fact = facts.of(stored)
        prints.append([stored.sop_instance_uid, fact.md5])
        pictures.append([stored.sop_instance_uid, _told(told)])
        header.file_meta.TransferSyntaxUID = UID(fact.transfer_syntax)
        if fact.aet:
            header.file_meta.SendingApplicationEntityTitle = fact.aet
        instance = _instance(orthanc, stored.orthanc_id, header)
        if instance is not None:
            instances.append(instance)
            ids[instance.sop_instance_uid] = stored.orthanc_id
    headers = Study.from_instances(instances) if instances else None
    return Inputs(
        headers=headers,
        fingerprint=digest(sorted(prints)) if instances else "",
        images=len(instances),
        instances=len(listed),
        first_id=ids[headers.series[0].instances[0].sop_instance_uid] if headers else "",
        pictures=digest(sorted(pictures)) if instances else "",
        ours=tuple(ours),
    )


def _told(tags: dict[str, Any]) -> str:
    """Digest of what an image says of itself, whose it is left out."""
    return digest({tag: told for tag, told in tags.items() if told.get("Name") not in IDENTITY})


def read_headers(orthanc: Orthanc, orthanc_id: str) -> Study | None:
    """The input images of a study by the archive's tags; None where there are none.

    Raises
    ------
    ArchiveUnavailableError
        Where the archive does not answer.
    NotInArchiveError
        Where the study went.
    """
    shared: Shared = {}
    found = []
    for instance_id, tags in _tags(orthanc, orthanc_id, orthanc.instances(orthanc_id)).items():
        header = dataset(tags, shared=shared)
        instance = _instance(orthanc, instance_id, header) if is_input(header) else None
        if instance is not None:
            found.append(instance)
    return Study.from_instances(found) if found else None


def read_identity(orthanc: Orthanc, inputs: Inputs) -> Dataset | None:
    """Header of the first image, from its own file: whose images these are.

    Orthanc's tags know one character set, a file may switch between several
    (PS3.5 6.1.2.5). They serve where the file is damaged.

    Raises
    ------
    ArchiveUnavailableError
        Where the archive does not answer.
    NotInArchiveError
        Where the image went meanwhile.
    """
    if inputs.headers is None:
        return None
    try:
        return read_dataset(io.BytesIO(orthanc.file(inputs.first_id)), pixels=False)
    except (UnreadableInputError, ArchiveFaultError):
        return inputs.headers.series[0].instances[0].header


def _tags(
    orthanc: Orthanc, orthanc_id: str, listed: list[StoredInstance]
) -> dict[str, dict[str, Any]]:
    """Tags of every instance; those of damaged files are left out."""
    try:
        return orthanc.tags(orthanc_id)
    except ArchiveFaultError:
        pass
    found = {}
    for stored in listed:
        with suppress(ArchiveFaultError):
            found[stored.orthanc_id] = orthanc.instance_tags(stored.orthanc_id)
    return found


def _instance(orthanc: Orthanc, instance_id: str, header: Dataset) -> Instance | None:
    """An image of the study; None where it lacks what identifies it (PS3.3 C.12.1)."""

    def load() -> Dataset:
        return read_dataset(io.BytesIO(orthanc.file(instance_id)))

    try:
        return Instance(header=header, load=load)
    except InvalidValueError:
        return None
