"""Whose a study is, as the follow-up list and messages ask."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Hashable
from typing import NamedTuple

from sqlalchemy import distinct, func, select
from sqlalchemy.orm import Session

from gransk.archive.identity_tables import IdentityChange
from gransk.archive.patients import identifiers_of
from gransk.archive.tables import JoinedPatient, Purpose, SeenStudy
from gransk.core.keys import digest
from gransk.core.patients import ExamIdentity, PatientStudy, patient_key


class FollowedExam(NamedTuple):
    """Whose an exam is, and by what outcomes find it.

    Parameters
    ----------
    patient : str
        Pseudonymous key; one for all identifiers that people joined.
    date : date, optional
    accession_number, study_instance_uid : str
    """

    patient: str
    date: datetime.date | None
    accession_number: str
    study_instance_uid: str


def patient_study(session: Session, study_key: str) -> PatientStudy | None:
    """Patient and date of a study; None where it is unknown, or here as an earlier one alone.

    A study without a patient identifier is a patient of its own.
    """
    seen = session.get(SeenStudy, study_key)
    if seen is None or seen.purpose == Purpose.PRIOR:
        return None
    own = (seen.patient_id, seen.issuer_of_patient_id)
    names = [own, *sorted(identifiers_of(session, seen) - {own})]
    keys = [patient_key(*name, seen.patient_birth_date, seen.patient_sex) for name in names]
    found = tuple(key for key in keys if key)
    return PatientStudy(found or (digest(["study", study_key]),), study_date(seen))


def exams_of(session: Session, study_keys: Collection[str]) -> dict[str, FollowedExam]:
    """Patients, dates and numbers of studies; those that the archive never had are left out.

    An accession number that studies of several patients bear names none of them.
    """
    joined = session.scalar(
        select(JoinedPatient.id).where(JoinedPatient.parted_at.is_(None)).limit(1)
    )
    query = select(SeenStudy).where(SeenStudy.key.in_(study_keys))
    studies = session.scalars(query).all()
    numbers = {study.accession_number.strip() for study in studies} - {""}
    shared = _shared(session, numbers)
    found = {}
    for seen in studies:
        own = (seen.patient_id, seen.issuer_of_patient_id)
        names = sorted(identifiers_of(session, seen)) if joined else [own]
        keys = [patient_key(*name, seen.patient_birth_date, seen.patient_sex) for name in names]
        number = seen.accession_number.strip()
        found[seen.key] = FollowedExam(
            patient=min(filter(None, keys), default=digest(["study", seen.key])),
            date=study_date(seen),
            accession_number="" if number in shared else number,
            study_instance_uid=seen.study_instance_uid,
        )
    return found


class ExamsMark:
    """Another value where `exams_of` may say otherwise of a study that has not changed itself."""

    def __init__(self) -> None:
        self._looked: Hashable = None
        self._shared: frozenset[str] = frozenset()

    def __call__(self, session: Session) -> Hashable:
        latest = select(func.max(SeenStudy.changed_at), func.max(SeenStudy.deleted_at))
        looked = tuple(session.execute(latest).one())
        if looked != self._looked:
            self._looked, self._shared = looked, frozenset(_shared(session, None))
        joined = select(func.count(JoinedPatient.id), func.count(JoinedPatient.parted_at))
        changed = session.scalar(select(func.count(IdentityChange.number)))
        return tuple(session.execute(joined).one()), changed, self._shared


def _shared(session: Session, numbers: Collection[str] | None) -> set[str]:
    """Accession numbers that studies of more than one patient bear; of all, or of some."""
    among = SeenStudy.accession_number != "" if numbers is None else (
        SeenStudy.accession_number.in_(numbers)
    )  # fmt: skip
    query = (
        select(SeenStudy.accession_number)
        .where(among, SeenStudy.deleted_at.is_(None))
        .group_by(SeenStudy.accession_number)
        .having(func.count(distinct(SeenStudy.patient_id)) > 1)
    )
    return {number.strip() for number in session.scalars(query)}


def is_earlier(session: Session, study_key: str) -> bool:
    """Is a study here as another one's earlier study alone?"""
    seen = session.get(SeenStudy, study_key)
    return seen is not None and seen.purpose == Purpose.PRIOR


def exam_identity(session: Session, study_key: str) -> ExamIdentity | None:
    """Patient and identifiers of a study as its images say; None where it is unknown."""
    seen = session.get(SeenStudy, study_key)
    if seen is None:
        return None
    return ExamIdentity(
        patient_id=seen.patient_id.strip(),
        issuer=seen.issuer_of_patient_id.strip(),
        patient_name=seen.patient_name,
        birth_date=seen.patient_birth_date,
        sex=seen.patient_sex,
        accession_number=seen.accession_number.strip(),
        study_instance_uid=seen.study_instance_uid,
        study_date=seen.study_date,
        study_time=seen.study_time,
    )


def modalities_of(session: Session, study_key: str) -> tuple[str, ...]:
    """Modalities of a study's images; none where it is unknown."""
    seen = session.get(SeenStudy, study_key)
    return () if seen is None else tuple(seen.modalities)


def place_of(session: Session, study_key: str) -> str | None:
    """Orthanc's id of a study; None where it is unknown, or was deleted."""
    seen = session.get(SeenStudy, study_key)
    return None if seen is None or seen.deleted_at is not None else seen.orthanc_id


def study_date(seen: SeenStudy) -> datetime.date | None:
    """A study's date; None where it is absent or malformed (PS3.5 6.2, DA)."""
    try:
        return datetime.datetime.strptime(seen.study_date.replace(".", ""), "%Y%m%d").date()
    except ValueError:
        return None
