"""What a remote archive is asked, whatever it speaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pydicom import Dataset

from gransk.archive.patients import Patient
from gransk.core.errors import GranskError

MOST_ANSWERS = 1000
"""A patient has no more studies than this; an archive that lists more answers something else."""

STUDY_KEYS = (
    "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID",
    "StudyDate", "StudyTime", "StudyDescription", "ModalitiesInStudy",
    "NumberOfStudyRelatedInstances",
)  # fmt: skip
"""Asked of a study; an archive may leave out what is optional (PS3.4 C.6.2.1.2)."""


class RemoteError(GranskError):
    """A remote archive does not answer, refuses, or answers what it must not."""


class RemoteGoneError(RemoteError):
    """A remote archive has no such study any more."""


class StoppedError(GranskError):
    """We were told to stop."""


@dataclass(frozen=True)
class Listed:
    """A study as an archive lists it; empty where it does not say."""

    study_instance_uid: str
    patient: Patient
    study_date: str
    study_time: str
    description: str
    modalities: tuple[str, ...]
    images: int

    @classmethod
    def of(cls, answer: Dataset) -> Listed | None:
        """From an answer to a query; None where it names no study or is damaged."""
        try:
            uid = str(answer.get("StudyInstanceUID", "") or "").strip()
            named = answer.get("ModalitiesInStudy") or ()
            modalities = (named,) if isinstance(named, str) else tuple(map(str, named))
            count = str(answer.get("NumberOfStudyRelatedInstances", "") or "").strip()
            if not uid or len(uid) > 64 or set(uid) - set("0123456789."):
                return None
            return cls(
                study_instance_uid=uid,
                patient=Patient.of_image(answer),
                study_date=str(answer.get("StudyDate", "") or "").strip(),
                study_time=str(answer.get("StudyTime", "") or "").strip(),
                description=str(answer.get("StudyDescription", "") or ""),
                modalities=tuple(sorted(set(modalities) - {""})),
                images=int(count) if count.isdigit() else 0,
            )
        except (ValueError, TypeError, AttributeError, LookupError):
            return None


@dataclass(frozen=True)
class Visit:
    """What a retrieval is given.

    Parameters
    ----------
    admit : callable
        Called with the header of an object that passes through our hands before it is stored;
        raises where it must not be.
    arrived : callable
        How many objects of the study our archive holds.
    stopped : callable
        Asked about once a second; where it says so the retrieval is broken off.
    lenient : bool
        Be content where single objects failed.
    """

    admit: Callable[[Dataset], None]
    arrived: Callable[[], int]
    stopped: Callable[[], bool]
    lenient: bool = False


class Remote(Protocol):
    """A remote archive. Every method raises RemoteError where it fails."""

    name: str

    def echo(self) -> None:
        """Does it answer us?"""

    def find(self, patient_id: str) -> list[Listed]:
        """The studies under a Patient ID, as the archive lists them."""

    def retrieve(self, study_instance_uid: str, visit: Visit) -> None:
        """Bring a study into our archive; it is there when this returns.

        Raises
        ------
        RemoteGoneError
            Where the archive has no such study any more.
        StoppedError
            Where it was broken off.
        """

    def sent(self, metadata: Mapping[str, str]) -> bool:
        """Did an object come from here, by what Orthanc noted of its origin?"""
