"""An event as a DICOM audit message (PS3.15 A.5.1 to A.5.3)."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree as Xml

from gransk.oversight.audit.kinds import OF_PATIENT, OF_USERS, SHAPES, Code, Family, Shape
from gransk.site.config_audit import AuditRepository
from gransk.site.events import SYSTEM, EventKind

APPLICATION = Code("110150", "Application")
LAUNCHER = Code("110151", "Application Launcher")
DESTINATION = Code("110152", "Destination Role ID")
SOURCE = Code("110153", "Source Role ID")
STUDY_UID = Code("110180", "Study Instance UID")
PATIENT_NUMBER = Code("2", "Patient Number", "RFC-3881")
USER = Code("11", "User Identifier", "RFC-3881")
URI = Code("12", "URI", "RFC-3881")

SYSTEM_OBJECT, PERSON = "2", "1"
PATIENT, REPORT, RESOURCE = "1", "3", "13"
APPLICATION_SERVER = "4"
"""AuditSourceTypeCode (A.5.1.2.1)."""
MACHINE_NAME = "1"
"""NetworkAccessPointTypeCode."""
OURS = "urn:gransk:"
LOG = f"{OURS}events"
"""What the event log is called where a message wants the URI of the log."""
ARCHIVE = "archive"
LONGEST_DETAIL = 4096
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'
"""Without a line's end: many receivers keep a message as one line."""


@dataclass(frozen=True)
class Study:
    """A study, and whose it is."""

    key: str
    study_instance_uid: str
    patient_id: str
    issuer: str = ""
    patient_name: str = ""


@dataclass(frozen=True)
class Told:
    """An event, and what is known around it.

    Parameters
    ----------
    number : int
    at : datetime
    actor, subject : str
    kind : EventKind
    data : mapping
    study : Study, optional
        That it is about.
    names : mapping
        From account to the person's name, of accounts that the event names.
    """

    number: int
    at: datetime.datetime
    actor: str
    kind: EventKind
    subject: str
    data: Mapping[str, Any] = field(default_factory=dict)
    study: Study | None = None
    names: Mapping[str, str] = field(default_factory=dict)


def audit_message(told: Told, settings: AuditRepository, host: str) -> bytes | None:
    """The message, as XML in UTF-8.

    Parameters
    ----------
    told : Told
    settings : AuditRepository
    host : str
        By which our service is known: the domain of people's names, our network access point.

    Returns
    -------
    bytes or None
        None where no message tells of the event: as `SHAPES` says, or as a message must name a
        patient and the event names no study.
    """
    shape = SHAPES[told.kind]
    if shape is None or (shape.family in OF_PATIENT and told.study is None):
        return None
    root = Xml.Element("AuditMessage")
    _event(root, told, shape)
    writer = _Writer(root, told, settings, host)
    writer.participants(shape.family)
    source = Xml.SubElement(root, "AuditSourceIdentification", AuditSourceID=settings.source_id)
    if settings.enterprise_site_id:
        source.set("AuditEnterpriseSiteID", settings.enterprise_site_id)
    Xml.SubElement(source, "AuditSourceTypeCode", {"csd-code": APPLICATION_SERVER})
    writer.objects(shape.family)
    written: bytes = Xml.tostring(root, encoding="UTF-8", xml_declaration=False)
    return DECLARATION + written


def _event(root: Xml.Element, told: Told, shape: Shape) -> None:
    values = {
        "EventActionCode": shape.action,
        "EventDateTime": _instant(told),
        "EventOutcomeIndicator": str(shape.outcome),
    }
    event = Xml.SubElement(root, "EventIdentification", values)
    _coded(event, "EventID", shape.family.value)
    if shape.type is not None:
        _coded(event, "EventTypeCode", shape.type)
    said = Xml.SubElement(event, "EventOutcomeDescription")
    said.text = f"event {told.number}: {told.kind.value}"


def _instant(told: Told) -> str:
    """When it happened: of what was written in batches, as the event itself says."""
    said = told.data.get("at")
    if told.kind in (EventKind.STUDY_VIEWED, EventKind.STUDIES_SEARCHED) and isinstance(said, str):
        return said
    return told.at.astimezone(datetime.UTC).isoformat(timespec="milliseconds")


class _Writer:
    """Writes the participants and objects of one message."""

    def __init__(self, root: Xml.Element, told: Told, settings: AuditRepository, host: str) -> None:
        self._root = root
        self._told = told
        self._settings = settings
        self._host = host

    def participants(self, family: Family) -> None:
        told = self._told
        person = told.actor in told.names
        if family is Family.ACTIVITY:
            self._who(told.subject, APPLICATION, asks=False)
            self._who(told.actor, LAUNCHER, asks=True)
        elif family is Family.AUTHENTICATION:
            # Whose sign-in it is; by whom it was refused or ended stands beside.
            self._who(told.subject, None, asks=True, placed=True)
            self._process(None)
        elif family in (Family.TRANSFERRED, Family.BEGIN_TRANSFER, Family.QUERY):
            source, destination = self._ends(family)
            self._who(source, SOURCE, asks=source == told.actor)
            self._who(destination, DESTINATION, asks=False)
            if told.actor not in (source, destination):
                self._who(told.actor, None, asks=True)
        else:
            self._who(told.actor, None, asks=True)
            if person:
                self._process(None)

    def _ends(self, family: Family) -> tuple[str, str]:
        """Who sent and who received; of a query, who asked and who answered."""
        data, kind = self._told.data, self._told.kind
        if family is Family.QUERY:
            if kind is EventKind.PRIORS_SEARCHED:
                return SYSTEM, "archives"
            return self._told.actor, self._settings.source_id
        if kind is EventKind.PRIOR_FETCHED:
            return str(data.get("archive") or "archives"), ARCHIVE
        if "destination" in data or "destinations" in data:
            named = data.get("destination") or ", ".join(map(str, data["destinations"]))
            return SYSTEM, str(named) or "destinations"
        if kind in (EventKind.REPORT_ROUTED, EventKind.DELIVERY_RETRIED):
            return SYSTEM, "destinations"
        return ARCHIVE, SYSTEM

    def _process(self, role: Code | None) -> None:
        self._who(SYSTEM, role, asks=False)

    def _who(self, name: str, role: Code | None, asks: bool, placed: bool = False) -> None:
        """One active participant: a person as ``name@host``, a process by its own name."""
        full = self._told.names.get(name)
        values = {
            "UserID": name if full is None else f"{name}@{self._host}",
            "UserIsRequestor": "true" if asks else "false",
        }
        if full and self._settings.user_names:
            values["UserName"] = _plain(full)
        if placed or name == SYSTEM:
            values["NetworkAccessPointID"] = self._host
            values["NetworkAccessPointTypeCode"] = MACHINE_NAME
        one = Xml.SubElement(self._root, "ActiveParticipant", values)
        if role is not None:
            _coded(one, "RoleIDCode", role)

    def objects(self, family: Family) -> None:
        told = self._told
        if family in (Family.ACTIVITY, Family.AUTHENTICATION):
            return
        if family is Family.LOG_USED:
            self._object(LOG, URI, RESOURCE, "Security Audit Log", self._details())
        elif family is Family.ALERT:
            self._alert()
        elif family is Family.QUERY:
            self._query()
        elif told.study is not None:
            self._study_and_patient(told.study, family)

    def _study_and_patient(self, study: Study, family: Family) -> None:
        if family is not Family.PATIENT:
            self._object(study.study_instance_uid, STUDY_UID, REPORT, study.key, self._details())
        details = {"IssuerOfPatientID": study.issuer} if study.issuer else {}
        name = study.patient_name if self._settings.patient_names else ""
        if family is Family.PATIENT:
            details |= self._details()
        self._object(study.patient_id, PATIENT_NUMBER, PATIENT, name, details, PERSON)

    def _alert(self) -> None:
        told = self._told
        shape = SHAPES[told.kind]
        details = {"Alert Description": told.kind.value, **self._details()}
        if shape is not None and shape.type in OF_USERS:
            self._object(told.subject, USER, RESOURCE, told.subject, details)
        else:
            self._object(OURS + told.subject, URI, RESOURCE, told.subject, details)

    def _query(self) -> None:
        """What was asked: the kind of search and the names of its keys, never their values."""
        asked = {"in": self._told.kind.value, **self._told.data}
        one = self._bare(LOG, REPORT)
        _coded(one, "ParticipantObjectIDTypeCode", URI)
        query = Xml.SubElement(one, "ParticipantObjectQuery")
        query.text = _encoded(json.dumps(asked, ensure_ascii=False, sort_keys=True))

    def _details(self) -> dict[str, str]:
        return dict(_flat(self._told.data))

    def _object(
        self,
        ident: str,
        code: Code,
        role: str,
        name: str,
        details: Mapping[str, str],
        kind: str = SYSTEM_OBJECT,
    ) -> None:
        one = self._bare(ident, role, kind)
        _coded(one, "ParticipantObjectIDTypeCode", code)
        Xml.SubElement(one, "ParticipantObjectName").text = _plain(name)
        for key, value in details.items():
            values = {"type": key, "value": _encoded(value)}
            Xml.SubElement(one, "ParticipantObjectDetail", values)

    def _bare(self, ident: str, role: str, kind: str = SYSTEM_OBJECT) -> Xml.Element:
        values = {
            "ParticipantObjectID": _plain(ident),
            "ParticipantObjectTypeCode": kind,
            "ParticipantObjectTypeCodeRole": role,
        }
        return Xml.SubElement(self._root, "ParticipantObjectIdentification", values)


def _flat(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in data.items():
        said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield key, said[:LONGEST_DETAIL]


def _coded(parent: Xml.Element, name: str, code: Code) -> None:
    values = {
        "csd-code": code.value,
        "codeSystemName": code.scheme,
        "displayName": code.meaning,
        "originalText": code.meaning,
    }
    Xml.SubElement(parent, name, values)


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def _plain(value: str) -> str:
    """On one line, without what XML 1.0 cannot hold."""
    return "".join(one if one >= " " else " " for one in value)
