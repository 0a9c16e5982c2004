"""Whose a study is, as the follow-up list and messages ask."""

from __future__ import annotations

import datetime

from sqlalchemy.orm import Session

from gransk.archive.patients import identifiers_of
from gransk.archive.tables import Purpose, SeenStudy
from gransk.core.keys import digest
from gransk.core.patients import ExamIdentity, PatientStudy, patient_key


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


def study_date(seen: SeenStudy) -> datetime.date | None:
    """A study's date; None where it is absent or malformed (PS3.5 6.2, DA)."""
    try:
        return datetime.datetime.strptime(seen.study_date.replace(".", ""), "%Y%m%d").date()
    except ValueError:
        return None
