"""Orthanc's DICOM services, asked as each listed peer."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from blinding_doors import services
from blinding_look import Answers, missing
from blinding_programme import BLINDED, DECIDED, Programme
from pydicom import Dataset, dcmwrite
from pynetdicom import AE, AllStoragePresentationContexts, build_role, evt, sop_class
from pynetdicom.association import Association
from radiographs import radiograph

PEERS: dict[str, dict[str, Any]] = {
    "gransk": {"AET": "GRANSK", "AllowStore": True, "AllowFind": False, "AllowMove": False,
               "AllowGet": False},
    "pacs": {"AET": "PACS", "AllowStore": True, "AllowFind": True, "AllowMove": True,
             "AllowGet": True, "AllowStorageCommitment": True},
    "scanner": {"AET": "SCANNER", "AllowStore": True, "AllowFind": False, "AllowMove": False,
                "AllowGet": False},
}  # fmt: skip
"""Listed machines: one that may do everything, and two that send."""
REFUSED_SECONDS = 1.0
"""How long a peer waits that may not ask: Orthanc then ends the connection without an answer."""
KEYS = {
    "PATIENT": ("PatientID", "PatientName", "NumberOfPatientRelatedStudies",
                "NumberOfPatientRelatedSeries", "NumberOfPatientRelatedInstances"),
    "STUDY": ("StudyInstanceUID", "PatientID", "AccessionNumber", "ModalitiesInStudy",
              "SOPClassesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"),
    "SERIES": ("StudyInstanceUID", "SeriesInstanceUID", "Modality", "SeriesDescription",
               "NumberOfSeriesRelatedInstances"),
    "IMAGE": ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID",
              "InstanceNumber"),
}  # fmt: skip
ABOVE = {"SERIES": ("StudyInstanceUID",), "IMAGE": ("StudyInstanceUID", "SeriesInstanceUID")}


def listed(port: int) -> dict[str, Any]:
    """The peers as Orthanc's configuration lists them; all receive at one port."""
    return {
        "DicomModalities": {
            name: {"Host": "127.0.0.1", "Port": port, "AllowEcho": True} | peer
            for name, peer in PEERS.items()
        }
    }


@dataclass
class Inbox:
    """What a peer receives: images, and what Orthanc says of commitments."""

    port: int
    got: list[str] = field(default_factory=list)
    told: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def open(self) -> Iterator[Inbox]:
        entity = AE("PACS")
        entity.supported_contexts = AllStoragePresentationContexts
        entity.add_supported_context(sop_class.StorageCommitmentPushModel, scu_role=True,
                                     scp_role=True)  # fmt: skip
        handlers: list[Any] = [
            (evt.EVT_C_STORE, self._stored),
            (evt.EVT_N_EVENT_REPORT, self._told),
        ]
        server = entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)
        try:
            yield self
        finally:
            server.shutdown()

    def _stored(self, event: Any) -> int:
        data: Dataset = event.dataset
        self.got.append(f"{data.SOPInstanceUID} {data.get('SeriesDescription', '')}")
        return 0

    def _told(self, event: Any) -> tuple[int, None]:
        said = event.event_information
        counts = {
            name: len(said.get(name, [])) for name in ("ReferencedSOPSequence", "FailedSOPSequence")
        }
        self.got.append(f"{event.event_type} {counts}")
        self.told.set()
        return 0, None

    def taken(self) -> str:
        """What came since it was asked last."""
        found, self.got = sorted(self.got), []
        return json.dumps(found)


Asked = Iterator[tuple[str, str]]
"""What was asked, and what was answered."""
Open = Callable[[], AbstractContextManager[Association]]
Probe = Callable[[Open, Any, Programme, Inbox], Asked]


def echo(open_door: Open, _service: Any, _run: Programme, _inbox: Inbox) -> Asked:
    with open_door() as door:
        yield "echo", str(door.send_c_echo().get("Status"))


def find(open_door: Open, service: Any, _run: Programme, _inbox: Inbox) -> Asked:
    """Every level, with every key that counts something."""
    levels = ("PATIENT", "STUDY", "SERIES", "IMAGE") if "Patient" in service.name else (
        "STUDY", "SERIES", "IMAGE"
    )  # fmt: skip
    for level in levels:
        asked = Dataset()
        asked.QueryRetrieveLevel = level
        for key in KEYS[level]:
            setattr(asked, key, "")
        with open_door() as door:
            answers = [
                (_status(status), "" if found is None else found.to_json())
                for status, found in door.send_c_find(asked, service)
            ]
        yield level, json.dumps(sorted(answers))


def get(door: Association, service: Any, asked: Dataset) -> list[Any]:
    return [_status(status) for status, _ in door.send_c_get(asked, service)]


def move(door: Association, service: Any, asked: Dataset) -> list[Any]:
    return [
        (_status(status), status.get("NumberOfCompletedSuboperations"))
        for status, _ in door.send_c_move(asked, "PACS", service)
    ][-1:]


def retrieve(how: Callable[[Association, Any, Dataset], list[Any]]) -> Probe:
    """Each study, and the series of its results, each by an association of its own."""

    def probe(open_door: Open, service: Any, run: Programme, inbox: Inbox) -> Asked:
        for asked in _wanted(run):
            with open_door() as door:
                answers = how(door, service, asked)
            yield _named(asked), f"{answers} {inbox.taken()}"

    return probe


def commit(open_door: Open, _service: Any, run: Programme, inbox: Inbox) -> Asked:
    """Is an exam's result here? Orthanc answers later, to the peer."""
    for number in BLINDED:
        made = run.result(number)
        asked, item = Dataset(), Dataset()
        item.ReferencedSOPClassUID = made.SOPClassUID
        item.ReferencedSOPInstanceUID = made.SOPInstanceUID
        asked.ReferencedSOPSequence, asked.TransactionUID = [item], f"{run.uid(number)}.77"
        inbox.told.clear()
        with open_door() as door:
            status, _ = door.send_n_action(
                asked, 1, sop_class.StorageCommitmentPushModel, "1.2.840.10008.1.20.1.1"
            )
        answered = inbox.told.wait(5) if status.get("Status") == 0 else False
        yield str(number), f"{status.get('Status')} {answered} {inbox.taken()}"


def store(open_door: Open, _service: Any, run: Programme, _inbox: Inbox) -> Asked:
    """The same image again: the answer tells nothing of what else is here."""
    uid = run.uid(1)
    image = radiograph(
        1, 16, StudyInstanceUID=uid, SeriesInstanceUID=f"{uid}.1", SOPInstanceUID=f"{uid}.1.1",
        AccessionNumber="A1", StudyDate="20260302", StudyTime="080000",
    )  # fmt: skip
    file = io.BytesIO()
    dcmwrite(file, image, enforce_file_format=True)
    with open_door() as door:
        yield "the same image", str(door.send_c_store(image).get("Status"))


def _wanted(run: Programme) -> Iterator[Dataset]:
    """Each study, and the series of its results."""
    for number in (*BLINDED, DECIDED):
        for series in ("", f"{run.uid(number)}.99"):
            asked = Dataset()
            asked.QueryRetrieveLevel = "SERIES" if series else "STUDY"
            asked.PatientID = f"T{number:04}"
            asked.StudyInstanceUID = run.uid(number)
            if series:
                asked.SeriesInstanceUID = series
            yield asked


def _status(answer: Dataset) -> int:
    """Of an answer; there is none where Orthanc ended the association."""
    if "Status" not in answer:
        raise RuntimeError("refused")
    return int(answer.Status)


def _named(asked: Dataset) -> str:
    return f"{asked.get('SeriesInstanceUID') or asked.StudyInstanceUID}"


PROBES: dict[str, Probe] = {
    "Verification": echo,
    "PatientRootQueryRetrieveInformationModelFind": find,
    "StudyRootQueryRetrieveInformationModelFind": find,
    "PatientRootQueryRetrieveInformationModelGet": retrieve(get),
    "StudyRootQueryRetrieveInformationModelGet": retrieve(get),
    "PatientRootQueryRetrieveInformationModelMove": retrieve(move),
    "StudyRootQueryRetrieveInformationModelMove": retrieve(move),
    "StorageCommitmentPushModel": commit,
    "C-STORE": store,
}
"""By the name of the SOP class that Orthanc agrees on; a service that has none fails the suite."""


def unprobed(run: Programme) -> list[str]:
    """Services that some listed peer can ask, and nothing here does."""
    doors = set().union(*(services(run.config, peer["AET"]) for peer in PEERS.values()))
    return missing(doors, PROBES, "blinding_dicom.PROBES")


def look(
    run: Programme, port: int, full: bool = False, services: Iterable[str] = PROBES
) -> Answers:
    """What each listed peer is answered; in the short form those that differ."""
    found: dict[tuple[str, str], bytes] = {}
    with Inbox(port).open() as inbox:
        for peer in [*PEERS.values()] if full else [PEERS["gransk"], PEERS["pacs"]]:
            for name in services:
                for asked, said in _asked(run, inbox, peer, name, PROBES[name]):
                    found[f"DICOM {name}", f"{peer['AET']} {asked}"] = said.encode()
    return Answers(found, frozenset(run.secrets()))


def _asked(run: Programme, inbox: Inbox, peer: dict[str, Any], name: str, probe: Probe) -> Asked:
    service = getattr(sop_class, name, None) or sop_class.ComputedRadiographyImageStorage

    @contextmanager
    def open_door() -> Iterator[Association]:
        door = _associate(run, inbox, peer, name, service)
        try:
            yield door
        finally:
            door.release()

    try:
        yield from probe(open_door, service, run, inbox)
    except RuntimeError:
        # Orthanc does not agree with, or ends the association of, a peer that may not ask this.
        yield "association", "ended"


def _associate(
    run: Programme, inbox: Inbox, peer: dict[str, Any], name: str, service: Any
) -> Association:
    """An association for one service.

    Raises
    ------
    RuntimeError
        Where Orthanc does not agree.
    """
    entity, roles = AE(peer["AET"]), []
    if any(name.endswith(what) and not peer[f"Allow{what}"] for what in ("Find", "Get", "Move")):
        entity.dimse_timeout = REFUSED_SECONDS
    entity.add_requested_context(service)
    if name.endswith("Get"):
        for uid in (sop_class.ComputedRadiographyImageStorage, sop_class.BasicTextSRStorage):
            entity.add_requested_context(uid)
            roles.append(build_role(uid, scp_role=True))
    orthanc = run.config.orthanc
    handlers: list[Any] = [(evt.EVT_C_STORE, inbox._stored)]
    door = entity.associate(
        orthanc.dicom_host, orthanc.dicom_port, ae_title=orthanc.aet, ext_neg=roles,
        evt_handlers=handlers,
    )  # fmt: skip
    if not any(one.abstract_syntax == service for one in door.accepted_contexts):
        door.release()
        raise RuntimeError("refused")
    return door
