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


def patient_key(identifier: str, issuer: str, birth_date: str, sex: str) -> str:
    """Key of a patient; empty where the identifier is not told."""
    parts = [part.strip() for part in (identifier, issuer, birth_date, sex)]
    return digest(["patient", *parts]) if parts[0] else ""
