"""What a remote archive is asked, whatever it speaks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from pydicom import Dataset
from pydicom.multival import MultiValue

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

SERIES_KEYS = ("SeriesInstanceUID", "Modality", "BodyPartExamined")
"""Asked of the series of a study whose modalities an archive does not list."""


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
    body_parts: tuple[str, ...] = ()

    @classmethod
    def of(cls, answer: Dataset) -> Listed | None:
        """From an answer to a query; None where it names no study or is damaged."""
        uid, count = (_text(answer, k) for k in ("StudyInstanceUID", STUDY_KEYS[-1]))
        if not re.fullmatch(r"[0-9.]{1,64}", uid):
            return None
        return cls(
            study_instance_uid=uid,
            patient=Patient.of(*(_text(answer, keyword) for keyword in STUDY_KEYS[:4])),
            study_date=_text(answer, "StudyDate"),
            study_time=_text(answer, "StudyTime"),
            description=_text(answer, "StudyDescription"),
            modalities=tuple(sorted(set(_text(answer, "ModalitiesInStudy").split("\\")) - {""})),
            images=int(count) if count.isdigit() else 0,
        )

    def with_series(self, answers: Iterable[Dataset]) -> Listed:
        """The same, with modalities and body parts as its series name them."""
        named: dict[str, set[str]] = {"Modality": set(), "BodyPartExamined": set()}
        for answer in answers:
            for keyword, values in named.items():
                values.add(_text(answer, keyword))
        modalities, parts = (tuple(sorted(values - {""})) for values in named.values())
        return replace(self, modalities=modalities, body_parts=parts)


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


def _text(answer: Dataset, keyword: str) -> str:
    """A value as text, several parted by backslashes; empty where it is absent or damaged."""
    try:
        value = answer.get(keyword)
    except (ValueError, TypeError, AttributeError, LookupError):
        return ""
    if value is None:
        return ""
    return "\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value).strip()
