"""Pseudonymous keys of patients."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from gransk.core.keys import digest


@dataclass(frozen=True)
class PatientStudy:
    """A study as the follow-up list knows it.

    Parameters
    ----------
    keys : tuple of str
        Of the patient: the study's own first, then those of identifiers that people joined
        to it.
    date : date, optional
    """

    keys: tuple[str, ...]
    date: datetime.date | None


@dataclass(frozen=True)
class ExamIdentity:
    """Whose a study is and how other systems know it, as its images say.

    Parameters
    ----------
    patient_id, issuer : str
    patient_name : str
        As DICOM has it (PS3.5 6.2.1).
    birth_date, sex : str
        As DICOM has them.
    accession_number, study_instance_uid : str
    study_date, study_time : str
        As DICOM has them.
    """

    patient_id: str
    study_instance_uid: str
    issuer: str = ""
    patient_name: str = ""
    birth_date: str = ""
    sex: str = ""
    accession_number: str = ""
    study_date: str = ""
    study_time: str = ""


def patient_key(identifier: str, issuer: str, birth_date: str, sex: str) -> str:
    """Key of a patient; empty where the identifier is not told."""
    parts = [part.strip() for part in (identifier, issuer, birth_date, sex)]
    return digest(["patient", *parts]) if parts[0] else ""
