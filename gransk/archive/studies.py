"""Rows of studies: found, updated, gone."""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Mapping
from typing import Any

from pydicom import Dataset
from pydicom.multival import MultiValue
from sqlalchemy import String, and_, or_, select
from sqlalchemy.orm import Session

from gransk.archive.inputs import Inputs
from gransk.archive.tables import Purpose, SeenStudy
from gransk.site.events import SYSTEM, EventKind, record

BACKLOG = -100
ROUTINE = 0
URGENT = 100
"""Priorities: higher goes first. Backlog is what an archive held when we first met it."""

_URGENT = frozenset({"STAT", "HIGH", "EMERGENCY", "ASAP"})
_ATTRIBUTES = {
    "study_instance_uid": "StudyInstanceUID",
    "patient_name": "PatientName",
    "patient_id": "PatientID",
    "issuer_of_patient_id": "IssuerOfPatientID",
    "patient_birth_date": "PatientBirthDate",
    "patient_sex": "PatientSex",
    "study_date": "StudyDate",
    "study_time": "StudyTime",
    "description": "StudyDescription",
    "accession_number": "AccessionNumber",
}

_PATIENT = {
    "patient_id": "patient_id",
    "issuer_of_patient_id": "issuer",
    "patient_name": "patient_name",
    "patient_birth_date": "birth_date",
    "patient_sex": "sex",
}


def new_study(
    session: Session,
    archive: str,
    listed: Mapping[str, Any],
    now: datetime.datetime,
    priority: int = ROUTINE,
    modified_from: str = "",
) -> SeenStudy:
    """A row for a study of Orthanc's list, under a key that says nothing of the patient."""
    tags = {**listed.get("PatientMainDicomTags", {}), **listed.get("MainDicomTags", {})}
    seen = SeenStudy(
        key=secrets.token_hex(16),
        archive=archive,
        orthanc_id=str(listed["ID"]),
        modalities=[],
        images=0,
        fingerprint="",
        settled_fingerprint="",
        priority=priority,
        first_seen_at=now,
        changed_at=now,
        noticed_at=now,
        deleted_at=None,
        pending=True,
        instances=0,
        last_update="",
        modified_from=modified_from,
    )
    for column, keyword in _ATTRIBUTES.items():
        _set(seen, column, tags.get(keyword, ""))
    session.add(seen)
    session.flush()
    record(session, SYSTEM, EventKind.STUDY_SEEN, seen.key)
    return seen


def notice(seen: SeenStudy, now: datetime.datetime) -> None:
    """The archive changed the study."""
    seen.pending = True
    seen.noticed_at = now


def update(seen: SeenStudy, inputs: Inputs, identity: Dataset | None) -> None:
    """Write what the images say: Orthanc's own main tags may be older than they.

    ``identity`` is the header that names the patient; None leaves the names as they are.
    """
    seen.images = inputs.images
    seen.instances = inputs.instances
    if inputs.fingerprint != seen.fingerprint:
        seen.changed_at = seen.noticed_at
        seen.fingerprint = inputs.fingerprint
    if inputs.headers is None:
        return
    if identity is not None:
        for column, keyword in _ATTRIBUTES.items():
            _set(seen, column, _text(identity, keyword))
    header = inputs.headers.series[0].instances[0].header
    seen.modalities = sorted({series.modality for series in inputs.headers.series} - {""})
    asked = _text(header, "RequestedProcedurePriority").strip().upper()
    first = not seen.settled_fingerprint and seen.purpose != Purpose.PRIOR
    if first and asked in _URGENT:
        seen.priority = URGENT


def write_patient(seen: SeenStudy, who: Mapping[str, str]) -> None:
    """Write whose a study is: values by the names of `gransk.archive.identity.Who`."""
    for column, name in _PATIENT.items():
        _set(seen, column, who[name])


def by_orthanc_id(session: Session, archive: str, orthanc_id: str) -> SeenStudy | None:
    query = select(SeenStudy).where(
        SeenStudy.archive == archive, SeenStudy.orthanc_id == orthanc_id
    )
    return session.scalars(query.order_by(SeenStudy.first_seen_at.desc())).first()


def forerunners(session: Session, seen: SeenStudy) -> list[SeenStudy]:
    """Rows that a study may be under a new Orthanc id, latest first.

    Those of its Study Instance UID, and the one that Orthanc says it was made of.
    """
    found = siblings(session, seen.archive, seen.study_instance_uid, seen.orthanc_id)
    source = seen.modified_from and by_orthanc_id(session, seen.archive, seen.modified_from)
    return [*found, source] if source and source not in found else found


def heirs(session: Session, seen: SeenStudy) -> list[SeenStudy]:
    """Rows that are here and may be a study that is gone, latest first: see `forerunners`."""
    query = select(SeenStudy).where(
        SeenStudy.archive == seen.archive,
        SeenStudy.key != seen.key,
        SeenStudy.deleted_at.is_(None),
        or_(
            SeenStudy.study_instance_uid == seen.study_instance_uid,
            and_(SeenStudy.modified_from == seen.orthanc_id, SeenStudy.modified_from != ""),
        ),
    )
    return list(session.scalars(query.order_by(SeenStudy.first_seen_at.desc())))


def siblings(
    session: Session, archive: str, study_instance_uid: str, orthanc_id: str
) -> list[SeenStudy]:
    """Rows of the same study under another Orthanc id, latest first.

    Orthanc derives its id from Patient ID and Study Instance UID, so a study
    whose Patient ID was corrected comes back under another id.
    """
    query = select(SeenStudy).where(
        SeenStudy.archive == archive,
        SeenStudy.study_instance_uid == study_instance_uid,
        SeenStudy.orthanc_id != orthanc_id,
    )
    return list(session.scalars(query.order_by(SeenStudy.first_seen_at.desc())))


def _set(seen: SeenStudy, column: str, value: object) -> None:
    """Set a text column, cut to its length; no database takes a NUL."""
    text = str(value).replace("\x00", "")
    kind = SeenStudy.__table__.c[column].type
    setattr(seen, column, text[: kind.length] if isinstance(kind, String) else text)


def _text(header: Dataset, keyword: str) -> str:
    value = header.get(keyword)
    if value is None:
        return ""
    if isinstance(value, MultiValue | list):
        return "\\".join(map(str, value))
    return str(value)
