"""What is known of patient and nodules: the profile's answers, DICOM and what was measured."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel
from pydicom import Dataset

from gransk.core.errors import UnreadableInputError
from gransk.core.findings import Finding, Note
from gransk.core.study import Study
from nodule.coding import PROPERTIES
from nodule.density import Texture
from nodule.growth.dates import add_months, months_between
from nodule.risk.profile import (
    AgeAnswer,
    Answer,
    Cancer,
    CancerAnswer,
    CountAnswer,
    CourseAnswer,
    NamedNodule,
    Patient,
    Profile,
    ProfileError,
    ProfileNodule,
    Sex,
    SexAnswer,
    SizeAnswer,
    Source,
    TextureAnswer,
    YesNoAnswer,
    read_profile,
)
from nodule.risk.profile import Course as Told

Part = TypeVar("Part", bound=BaseModel)

DATES = ("StudyDate", "AcquisitionDate", "SeriesDate", "ContentDate")
YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
CANCER_MONTHS = 60
CONTRADICTS = "contradicts"
CANCERS = ("extrathoracic_cancer", "earlier_lung_cancer", "known_primary_cancer")
MEASURED = ("maximum_transverse_diameter_mm", "nodule_count")
"""What is measured of each nodule comes before typed answers of these keys."""


_FAULT = {
    "en": "the risk profile cannot be used: ",
    "da": "risikoprofilen kan ikke bruges: ",
}


def profile_of(given: Mapping[str, Any] | None, language: str = "en") -> Profile:
    """The profile of its JSON values; one without answers where there is none.

    Raises
    ------
    UnreadableInputError
        Where it does not fit the schema; the message names keys and never values.
    """
    if given is None:
        return Profile()
    try:
        return read_profile(json.dumps(given))
    except ProfileError as error:
        raise UnreadableInputError(_FAULT[language] + error.told(language)) from error
    except (TypeError, ValueError) as error:
        raise UnreadableInputError(_FAULT[language] + "JSON") from error


def stored_profile(given: Mapping[str, Any] | None) -> tuple[Profile, list[Note]]:
    """The profile of answers that came at different times; such as contradict are unknown.

    Raises
    ------
    UnreadableInputError
        Where it does not fit the schema for another reason.
    """
    try:
        return profile_of(given), []
    except UnreadableInputError as error:
        cause = error.__cause__
        if given is None or not isinstance(cause, ProfileError):
            raise
        if {fault.kind for fault in cause.faults} != {CONTRADICTS}:
            raise
    patient = {name: value for name, value in given["patient"].items() if name not in CANCERS}
    return profile_of({**given, "patient": patient}), [Note(code="profile_contradicts")]


def exam_date(study: Study) -> datetime.date | None:
    """Day of the scan; None where no image has one."""
    for keyword in DATES:
        for instance in study.instances:
            found = _date(instance.header, keyword)
            if found is not None:
                return found
    return None


def patient_of(study: Study, profile: Profile, exam: datetime.date) -> Patient:
    """What is known of the patient: age and sex from DICOM unless the profile answers.

    A cancer "within 5 years" of an answer that is 5 years old is one of more than 5 years ago.
    FHIR dates a cancer by its onset: one that came after the scan was none then.
    """
    patient = _before(profile.patient, exam)
    header = study.instances[0].header
    found: dict[str, Answer[Any]] = {}
    if _unknown(patient.age_years) and (age := _age(header, exam)) is not None:
        found["age_years"] = AgeAnswer(value=age, source=Source.DICOM, date=exam)
    if _unknown(patient.sex) and (sex := _sex(header)) is not None:
        found["sex"] = SexAnswer(value=sex, source=Source.DICOM, date=exam)
    cancer = patient.extrathoracic_cancer
    if (
        cancer is not None
        and cancer.value is Cancer.WITHIN_5_YEARS
        and add_months(cancer.date, CANCER_MONTHS) <= exam
    ):
        found["extrathoracic_cancer"] = CancerAnswer(
            value=Cancer.OVER_5_YEARS, source=cancer.source, date=cancer.date
        )
    return _with(patient, found)


def nodule_of(
    finding: Finding, said: ProfileNodule, count: int, exam: datetime.date
) -> ProfileNodule:
    """What is known of one nodule: sizes and number as measured, else a person's answer first.

    Spiculation, uptake on PET and the course are people's answers alone: the model of looks
    tells spiculation no better than the diameter does.
    """
    found: dict[str, Answer[Any]] = {
        "nodule_count": CountAnswer(value=count, source=Source.IMAGE, date=exam)
    }
    diameter = finding.measured("maximum_transverse_diameter_mm")
    if diameter is not None and 0 < diameter <= 150:
        found["maximum_transverse_diameter_mm"] = SizeAnswer(
            value=diameter, source=Source.IMAGE, date=exam
        )
    texture = quality(finding, "texture")
    if texture is not None and _unknown(said.texture):
        found["texture"] = TextureAnswer(value=Texture(texture), source=Source.IMAGE, date=exam)
    upper = quality(finding, "upper_lobe")
    if upper in ("yes", "no") and _unknown(said.upper_lobe):
        found["upper_lobe"] = YesNoAnswer(value=upper == "yes", source=Source.IMAGE, date=exam)
    spiculated = quality(finding, "spiculated")
    seen = finding.labelled("spiculated")
    if seen is not None and spiculated in ("yes", "no") and _unknown(said.spiculated):
        found["spiculated"] = YesNoAnswer(
            value=spiculated == "yes", source=Source.PERSON, date=seen.at.date()
        )
    return _with(said, found)


def in_course(nodule: ProfileNodule, course: Told | None, exam: datetime.date) -> ProfileNodule:
    """The same with its place in the course as it was measured, unless a person told it."""
    if course is None or not _unknown(nodule.course):
        return nodule
    answer = CourseAnswer(value=course, source=Source.IMAGE, date=exam)
    return _with(nodule, {"course": answer})


def said_of(
    findings: Iterable[Finding], profile: Profile
) -> tuple[dict[str, ProfileNodule], list[Note]]:
    """A person's answers by the tracking UID of each finding, and what could not be assigned.

    Answers about "the nodule" count where there is one finding alone.
    """
    uids = [finding.tracking_uid for finding in findings]
    by_uid = {one.tracking_uid: one for one in profile.nodules}
    notes = []
    strange = len(by_uid.keys() - set(uids))
    if strange:
        notes.append(Note(code="profile_nodules_not_here", values={"count": strange}))
    typed = profile.nodule
    if len(uids) != 1 and any(
        not _unknown(getattr(typed, name))
        for name in ProfileNodule.model_fields
        if name not in MEASURED
    ):
        notes.append(Note(code="profile_nodule_not_assigned", values={"count": len(uids)}))
    said: dict[str, ProfileNodule] = {}
    for uid in uids:
        mine = by_uid.get(uid, NamedNodule(tracking_uid=uid))
        own = {name: getattr(mine, name) for name in ProfileNodule.model_fields}
        if len(uids) == 1:
            own = {name: own[name] or getattr(typed, name) for name in own}
        said[uid] = ProfileNodule(**own)
    return said, notes


def quality(finding: Finding, name: str) -> str | None:
    """Value of a coded property, by our own word; None where the finding has none."""
    code = finding.quality(name)
    values = PROPERTIES[name][1]
    if code is None:
        return None
    return next((word for word, one in values.items() if one.value == code.value), None)


def _with(part: Part, found: Mapping[str, Any]) -> Part:
    """The same part with more answers, checked."""
    values = {name: getattr(part, name) for name in type(part).model_fields}
    return type(part)(**{**values, **found})


def _before(patient: Patient, exam: datetime.date) -> Patient:
    """Leaves out cancers that FHIR dates after the scan."""
    later = {
        name: None
        for name in CANCERS
        if (answer := getattr(patient, name)) is not None
        and answer.source is Source.FHIR
        and answer.value not in (None, False, Cancer.NONE)
        and answer.date > exam
    }
    return _with(patient, later)


def _unknown(answer: Answer[Any] | None) -> bool:
    return answer is None or answer.value is None


def _age(header: Dataset, exam: datetime.date) -> float | None:
    """Completed years at the scan, from the birth date, else from Patient's Age (0010,1010)."""
    born = _date(header, "PatientBirthDate")
    if born is not None and born <= exam:
        years = months_between(born, exam) // 12
        return float(years) if years <= 130 else None
    text = str(header.get("PatientAge", "") or "").strip()
    number, unit = text[:-1], text[-1:]
    if not number.isdecimal() or unit not in YEARS:
        return None
    years_told = float(int(int(number) * YEARS[unit]))
    return years_told if years_told <= 130 else None


def _sex(header: Dataset) -> Sex | None:
    text = str(header.get("PatientSex", "") or "").strip().upper()
    return {"F": Sex.FEMALE, "M": Sex.MALE}.get(text)


def _date(header: Dataset, keyword: str) -> datetime.date | None:
    text = str(header.get(keyword, "") or "").strip().replace(".", "")[:8]
    try:
        return datetime.datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        return None
