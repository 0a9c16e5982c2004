"""From FHIR R4 resources to answers of a risk profile; what says nothing sure answers nothing."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from gransk.core.profile_codes import CodeTable
from gransk.web.fhir_resources import (
    KINDS,
    Bundle,
    CodeableConcept,
    Condition,
    Entry,
    FamilyMemberHistory,
    Identifier,
    Observation,
    Patient,
    Reference,
    Resource,
)

FINAL = ("final", "amended", "corrected")
TOLD = ("partial", "completed")
ACTIVE = ("active", "recurrence", "relapse")
SURE = ("confirmed",)


class NotTaken(StrEnum):
    """Why an entry, or a part of it, answers nothing."""

    RESOURCE_TYPE = "resource_type"
    MALFORMED = "malformed"
    UNKNOWN_PATIENT = "unknown_patient"
    NO_PATIENT = "no_patient"
    IDENTITY_MISMATCH = "identity_mismatch"
    UNKNOWN_CODE = "unknown_code"
    UNKNOWN_VALUE = "unknown_value"
    STATUS = "status"
    NO_DATE = "no_date"
    RELATIVE = "relative"
    REFUSED = "refused"
    NO_EXAM = "no_exam"
    """An outcome that does not say of which exam."""
    WITH_ANOTHER = "with_another"
    """Another entry about the same exam was not taken."""


@dataclass(frozen=True)
class Answer:
    """One answer.

    Parameters
    ----------
    entry : int
        Number of the entry in the bundle, from 0.
    key, value, date
        As the profile holds them.
    """

    entry: int
    key: str
    value: Any
    date: datetime.date


@dataclass(frozen=True)
class Left:
    """What was not taken; ``codes`` are those of the resource, as system and code."""

    entry: int
    resource: str
    reason: NotTaken
    codes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "entry": self.entry,
            "resource": self.resource,
            "reason": self.reason.value,
            "codes": list(self.codes),
        }


@dataclass(frozen=True)
class About:
    """Everything that was sent about one patient."""

    identifiers: tuple[Identifier, ...]
    birth_date: datetime.date | None
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Read:
    """What a bundle or a single resource says, by patient."""

    patients: tuple[About, ...]
    left: tuple[Left, ...]


def read(sent: dict[str, Any], table: CodeTable, today: datetime.date) -> Read:
    """Read a Bundle or a single resource.

    Parameters
    ----------
    sent : dict
        The JSON object.
    table : CodeTable
        The application's.
    today : date
        When a Patient's own data are taken as told: the resource has no date.

    Raises
    ------
    ValidationError
        Where a bundle is none.
    """
    bundle = sent.get("resourceType") == "Bundle"
    entries = Bundle.model_validate(sent).entry if bundle else (Entry(resource=sent),)
    left: list[Left] = []
    parsed: list[tuple[int, Entry, Resource]] = []
    for number, entry in enumerate(entries):
        resource = _parsed(number, entry.resource, left)
        if resource is not None:
            parsed.append((number, entry, resource))
    people = {
        name: patient
        for _, entry, patient in parsed
        if isinstance(patient, Patient)
        for name in _names(entry, patient)
    }
    by_person: dict[tuple[Identifier, ...], list[Answer]] = {}
    born: dict[tuple[Identifier, ...], datetime.date | None] = {}
    for number, _, resource in parsed:
        whose, birth_date = _whose(resource, people)
        if not whose:
            left.append(Left(number, resource.resourceType, NotTaken.NO_PATIENT))
            continue
        born[whose] = born.get(whose) or birth_date
        found = _answers(number, resource, table, today, left)
        by_person.setdefault(whose, []).extend(found)
    patients = tuple(About(who, born[who], tuple(mine)) for who, mine in by_person.items())
    return Read(patients, tuple(left))


def _parsed(number: int, resource: dict[str, Any], left: list[Left]) -> Resource | None:
    name = str(resource.get("resourceType", ""))
    kind = KINDS.get(name)
    if kind is None:
        left.append(Left(number, name[:64], NotTaken.RESOURCE_TYPE))
        return None
    try:
        return kind.model_validate(resource)
    except ValidationError:
        left.append(Left(number, name, NotTaken.MALFORMED))
        return None


def _names(entry: Entry, patient: Patient) -> Iterable[str]:
    """How other entries of the bundle may refer to a patient (R4, 3.1.1.2 of bundles)."""
    return [name for name in (entry.fullUrl, f"Patient/{patient.id}" if patient.id else "") if name]


def _whose(
    resource: Resource, people: dict[str, Patient]
) -> tuple[tuple[Identifier, ...], datetime.date | None]:
    if isinstance(resource, Patient):
        return resource.identifier, resource.birthDate
    about: Reference = (
        resource.patient if isinstance(resource, FamilyMemberHistory) else resource.subject
    )
    patient = people.get(about.reference)
    if patient is not None:
        return patient.identifier, patient.birthDate
    return (() if about.identifier is None else (about.identifier,)), None


def _answers(
    number: int, resource: Resource, table: CodeTable, today: datetime.date, left: list[Left]
) -> list[Answer]:
    if isinstance(resource, Patient):
        value = table.gender.get(resource.gender)
        return [] if value is None else [Answer(number, table.gender_key, value, today)]
    if isinstance(resource, Observation):
        found: list[Answer] | Left = _observed(number, resource, table)
    elif isinstance(resource, Condition):
        found = _diagnosed(number, resource, table)
    else:
        found = _inherited(number, resource, table)
    if isinstance(found, Left):
        left.append(found)
        return []
    return found


def _observed(number: int, resource: Observation, table: CodeTable) -> list[Answer] | Left:
    def no(reason: NotTaken, concept: CodeableConcept) -> Left:
        return Left(number, "Observation", reason, _codes(concept))

    if resource.status not in FINAL:
        return no(NotTaken.STATUS, resource.code)
    asked = [one for one in table.observations if _fits(table, (one.code,), resource.code)]
    if not asked:
        return no(NotTaken.UNKNOWN_CODE, resource.code)
    date = resource.effectiveDateTime or resource.issued
    if date is None:
        return no(NotTaken.NO_DATE, resource.code)
    value = resource.valueCodeableConcept or CodeableConcept()
    for one in asked:
        for answer in one.values:
            if _fits(table, answer.of, value):
                return [Answer(number, one.key, answer.value, date)]
    return no(NotTaken.UNKNOWN_VALUE, value)


def _diagnosed(number: int, resource: Condition, table: CodeTable) -> list[Answer] | Left:
    def no(reason: NotTaken) -> Left:
        return Left(number, "Condition", reason, _codes(resource.code))

    sure = [coding.code for coding in resource.verificationStatus.coding]
    if sure and not set(sure) & set(SURE):
        return no(NotTaken.STATUS)
    found = [one for one in table.conditions if _fits(table, one.of, resource.code)]
    if not found:
        return no(NotTaken.UNKNOWN_CODE)
    active = {coding.code for coding in resource.clinicalStatus.coding} & set(ACTIVE)
    answers = []
    for one in found:
        onset, recorded = resource.onsetDateTime, resource.recordedDate
        date = onset if one.dated_by == "onset" else recorded or onset
        if date is None:
            return no(NotTaken.NO_DATE)
        told = {**one.answers, **(one.while_active if active else {})}
        answers += [Answer(number, key, value, date) for key, value in told.items()]
    return answers


def _inherited(number: int, resource: FamilyMemberHistory, table: CodeTable) -> list[Answer] | Left:
    name = "FamilyMemberHistory"
    codes = tuple(code for one in resource.condition for code in _codes(one.code))
    if resource.status not in TOLD:
        return Left(number, name, NotTaken.STATUS, codes)
    found = [
        one
        for one in table.relatives
        if any(_fits(table, one.of, condition.code) for condition in resource.condition)
    ]
    if not found:
        return Left(number, name, NotTaken.UNKNOWN_CODE, codes)
    found = [one for one in found if _fits(table, one.relatives, resource.relationship)]
    if not found:
        return Left(number, name, NotTaken.RELATIVE, _codes(resource.relationship))
    if resource.date is None:
        return Left(number, name, NotTaken.NO_DATE, codes)
    return [
        Answer(number, key, value, resource.date)
        for one in found
        for key, value in one.answers.items()
    ]


def _fits(table: CodeTable, matches: Any, concept: CodeableConcept) -> bool:
    return any(table.fits(tuple(matches), coding.pair) for coding in concept.coding)


def _codes(concept: CodeableConcept) -> tuple[str, ...]:
    return tuple(f"{coding.system}|{coding.code}"[:128] for coding in concept.coding)
