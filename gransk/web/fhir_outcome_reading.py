"""From FHIR R4 resources to outcomes of exams; an exam of which a part is wrong is left whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from gransk.core.profile_codes import Match
from gransk.reading.outcome_codes import OutcomeCodes
from gransk.reading.outcomes import ACCESSION, STUDY, Found, Name, Outcome, Stage, Surgery
from gransk.web.fhir_answers import FINAL, SURE, Left, NotTaken
from gransk.web.fhir_outcome_resources import (
    ASSERTED,
    KINDS,
    Condition,
    ImagingStudy,
    Observation,
    OutcomeBundle,
    OutcomeEntry,
    Procedure,
    Resource,
    Telling,
    TypedIdentifier,
    Value,
    pointers,
)
from gransk.web.fhir_resources import CodeableConcept, Identifier, Patient, Reference

DICOM_UID = "urn:dicom:uid"
UID = re.compile(r"^(?:urn:oid:)?([0-9.]{1,64})$")
IDENTIFIER_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
ACCESSION_TYPE = "ACSN"
LONGEST = 64
DONE = ("completed",)
STAGES = re.compile(r"^(?:stage\s*)?(0|IV|III|II|I)[ABC]?[0-9]?$", re.IGNORECASE)
NODES = re.compile(r"^[acpry]*N([0-3])", re.IGNORECASE)
MM = {"mm": 1.0, "cm": 10.0}
MONTHS = {"mo": 1.0, "a": 12.0}
DEEPEST = 4
"""References that are followed from a resource to its exam."""


@dataclass(frozen=True)
class Told:
    """What was sent of one exam.

    Parameters
    ----------
    name : Name
    outcome : Outcome
    entries : tuple of int
        Numbers of the entries that say so, from 0.
    identifiers : tuple of Identifier
        Of the woman, as far as the entries name her.
    """

    name: Name
    outcome: Outcome
    entries: tuple[int, ...]
    identifiers: tuple[Identifier, ...]


@dataclass(frozen=True)
class Read:
    """Outcomes by exam, and what was not taken."""

    told: tuple[Told, ...]
    left: tuple[Left, ...]


@dataclass
class _Exam:
    """Entries about one exam."""

    entries: list[tuple[int, Telling]] = field(default_factory=list)
    spoiled: bool = False


class _RefusedError(Exception):
    def __init__(self, reason: NotTaken, concept: CodeableConcept) -> None:
        super().__init__(reason)
        self.reason = reason
        self.concept = concept


def read(sent: dict[str, Any], codes: OutcomeCodes) -> Read:
    """Read a Bundle or a single resource.

    Raises
    ------
    ValidationError
        Where a bundle is none.
    """
    bundle = sent.get("resourceType") == "Bundle"
    entries = OutcomeBundle.model_validate(sent).entry if bundle else (OutcomeEntry(resource=sent),)
    return _Reader(codes, entries).read()


class _Reader:
    def __init__(self, codes: OutcomeCodes, entries: Sequence[OutcomeEntry]) -> None:
        self.codes = codes
        self.left: list[Left] = []
        self.resources: dict[int, Resource] = {}
        self.by_name: dict[str, Resource] = {}
        self.exams: dict[Name, _Exam] = {}
        for number, entry in enumerate(entries):
            resource = self._parsed(number, entry.resource)
            if resource is None:
                continue
            self.resources[number] = resource
            for name in (entry.fullUrl, f"{resource.resourceType}/{resource.id}"):
                if name and not name.endswith("/"):
                    self.by_name[name] = resource

    def read(self) -> Read:
        for number, resource in self.resources.items():
            if not isinstance(resource, ImagingStudy | Patient):
                self._place(number, resource)
        told = [self._told(name, exam) for name, exam in self.exams.items()]
        self.left.sort(key=lambda one: one.entry)
        return Read(tuple(one for one in told if one is not None), tuple(self.left))

    def _parsed(self, number: int, resource: dict[str, Any]) -> Resource | None:
        name = str(resource.get("resourceType", ""))
        kind = KINDS.get(name)
        if kind is None:
            self.left.append(Left(number, name[:LONGEST], NotTaken.RESOURCE_TYPE))
            return None
        try:
            return kind.model_validate(resource)
        except ValidationError:
            self.left.append(Left(number, name, NotTaken.MALFORMED))
            return None

    # Which exam, and whose

    def _place(self, number: int, resource: Telling) -> None:
        """Put an entry to its exam; one that the table does not know is left alone."""
        if not self._known(resource):
            self._leave(number, resource, NotTaken.UNKNOWN_CODE, resource.code)
            return
        name = self._exam_of(resource, DEEPEST)
        if name is None:
            self._leave(number, resource, NotTaken.NO_EXAM, resource.code)
            return
        self.exams.setdefault(name, _Exam()).entries.append((number, resource))

    def _exam_of(self, resource: Telling, deep: int) -> Name | None:
        for pointer in pointers(resource):
            name = None if pointer.identifier is None else _name((pointer.identifier,))
            other = self.by_name.get(pointer.reference)
            if name is None and isinstance(other, ImagingStudy):
                name = _name(other.identifier)
            elif name is None and deep and isinstance(other, Telling):
                name = self._exam_of(other, deep - 1)
            if name is not None:
                return name
        return None

    def _woman(self, about: Reference) -> tuple[Identifier, ...]:
        patient = self.by_name.get(about.reference)
        if isinstance(patient, Patient):
            return patient.identifier
        return () if about.identifier is None else (about.identifier,)

    def _told(self, name: Name, exam: _Exam) -> Told | None:
        said: dict[str, list[Any]] = {}
        wrong = False
        for number, resource in exam.entries:
            try:
                for key, value in self._says(resource):
                    said.setdefault(key, []).append(value)
            except _RefusedError as refusal:
                wrong = True
                self._leave(number, resource, refusal.reason, refusal.concept)
        numbers = tuple(number for number, _ in exam.entries)
        left = {one.entry for one in self.left}
        others = [entry for entry in exam.entries if entry[0] not in left]
        if wrong:
            self._leave_all(others, NotTaken.WITH_ANOTHER)
            return None
        try:
            outcome = Outcome.model_validate(_merged(said))
        except ValidationError:
            self._leave_all(others, NotTaken.REFUSED)
            return None
        women = dict.fromkeys(
            one for _, resource in exam.entries for one in self._woman(resource.subject)
        )
        return Told(name, outcome, numbers, tuple(women))

    def _leave(
        self, number: int, resource: Resource, reason: NotTaken, concept: CodeableConcept
    ) -> None:
        codes = tuple(f"{coding.system}|{coding.code}"[:128] for coding in concept.coding)
        self.left.append(Left(number, resource.resourceType, reason, codes))

    def _leave_all(self, entries: list[tuple[int, Telling]], reason: NotTaken) -> None:
        for number, resource in entries:
            self._leave(number, resource, reason, resource.code)

    # What it says

    def _known(self, resource: Telling) -> bool:
        if isinstance(resource, Observation):
            return any(self._observed(one) is not None for one in _parts(resource))
        if isinstance(resource, Condition):
            matches = (*self.codes.invasive, *self.codes.in_situ)
        else:
            matches = tuple(one for group in self.codes.surgery.values() for one in group)
        return self._fits(matches, resource.code)

    def _says(self, resource: Telling) -> Iterator[tuple[str, Any]]:
        if isinstance(resource, Condition):
            yield from self._diagnosed(resource)
        elif isinstance(resource, Procedure):
            if resource.status not in DONE:
                raise _RefusedError(NotTaken.STATUS, resource.code)
            for kind, matches in self.codes.surgery.items():
                if self._fits(matches, resource.code):
                    yield "surgery", kind
        else:
            if resource.status not in FINAL:
                raise _RefusedError(NotTaken.STATUS, resource.code)
            for part in _parts(resource):
                known = self._observed(part)
                if known is None:
                    continue
                key, how = known
                value = how(part)
                if value is not None:
                    yield key, value
                elif part is not resource or not resource.component:
                    raise _RefusedError(NotTaken.UNKNOWN_VALUE, part.code)

    def _diagnosed(self, resource: Condition) -> Iterator[tuple[str, Any]]:
        sure = {coding.code for coding in resource.verificationStatus.coding}
        if sure and not sure & set(SURE):
            raise _RefusedError(NotTaken.STATUS, resource.code)
        yield "cancer", True
        yield "invasive", self._fits(self.codes.invasive, resource.code)
        asserted = [one.valueDateTime for one in resource.extension if one.url == ASSERTED]
        dates = (*asserted, resource.onsetDateTime, resource.recordedDate)
        date = next(filter(None, dates), None)
        if date is not None:
            yield "diagnosed_on", date

    def _observed(self, part: Value) -> tuple[str, Callable[[Value], Any]] | None:
        """Which value of an outcome a part tells, and how it is read."""
        codes = self.codes
        table: tuple[tuple[tuple[Match, ...], str, Callable[[Value], Any]], ...] = (
            (codes.cancer, "cancer", lambda one: one.valueBoolean),
            (codes.found, "found", self._found),
            (codes.follow_up, "follow_up_months", lambda one: _quantity(one, MONTHS)),
            (codes.size, "size_mm", lambda one: _quantity(one, MM)),
            (codes.positive_nodes, "node_positive", _any),
            (codes.node_category, "node_positive", _category),
            (codes.stage, "stage", _stage),
        )
        return next(
            ((key, how) for matches, key, how in table if self._fits(matches, part.code)), None
        )

    def _found(self, part: Value) -> Found | None:
        concept = part.valueCodeableConcept or CodeableConcept()
        uris = {uri for system in self.codes.systems["gransk"] for uri in system.uris}
        said = {coding.code for coding in concept.coding if coding.system in uris}
        return next((one for one in Found if one.value in said), None)

    def _fits(self, matches: Sequence[Match], concept: CodeableConcept) -> bool:
        return any(self.codes.fits(tuple(matches), coding.pair) for coding in concept.coding)


def _parts(resource: Observation) -> tuple[Value, ...]:
    return (resource, *resource.component)


def _name(identifiers: Sequence[TypedIdentifier]) -> Name | None:
    """How an exam is called; by its study where both are given."""
    accession = None
    for one in identifiers:
        value = one.value.strip()
        uid = UID.match(value)
        if one.system == DICOM_UID and uid is not None:
            return STUDY, uid.group(1)
        types = {(coding.system, coding.code) for coding in one.type.coding}
        if (IDENTIFIER_TYPES, ACCESSION_TYPE) in types and 0 < len(value) <= LONGEST:
            accession = accession or (ACCESSION, value)
    return accession


def _quantity(part: Value, units: Mapping[str, float]) -> float | None:
    given = part.valueQuantity
    if given is None or given.value is None:
        return None
    factor = units.get(given.code or given.unit)
    return None if factor is None else given.value * factor


def _any(part: Value) -> bool | None:
    """Is a number of nodes more than none?"""
    if part.valueInteger is not None:
        return part.valueInteger > 0 if part.valueInteger >= 0 else None
    given = part.valueQuantity
    if given is None or given.value is None or given.value < 0:
        return None
    return given.value > 0


def _category(part: Value) -> bool | None:
    """pN0 and what is called so (isolated tumour cells) is negative."""
    found = _written(part, NODES)
    return None if found is None else found != "0"


def _stage(part: Value) -> Stage | None:
    found = _written(part, STAGES)
    return None if found is None else Stage(found.upper())


def _written(part: Value, pattern: re.Pattern[str]) -> str | None:
    concept = part.valueCodeableConcept
    if concept is None:
        return None
    words = (*(coding.code for coding in concept.coding), concept.text)
    found = (pattern.match(word.strip()) for word in words)
    return next((one.group(1) for one in found if one is not None), None)


def _merged(said: Mapping[str, list[Any]]) -> dict[str, Any]:
    """One outcome of everything that was said: of several tumours what counts most.

    What must be one thing and is not stays a list, which the record refuses.
    """
    found: dict[str, Any] = {}
    order = list(Stage)
    for key, values in said.items():
        if key in ("invasive", "node_positive"):
            found[key] = any(values)
        elif key in ("size_mm", "follow_up_months"):
            found[key] = max(values)
        elif key == "stage":
            found[key] = max(values, key=order.index)
        elif key == "diagnosed_on":
            found[key] = min(values)
        elif key != "surgery":
            found[key] = values[0] if len(set(values)) == 1 else values
    if "surgery" in said:
        done = said["surgery"]
        one = Surgery.MASTECTOMY if Surgery.MASTECTOMY.value in done else Surgery.CONSERVING
        benign = found.get("cancer") is False and one is Surgery.CONSERVING
        found["surgery"] = Surgery.BENIGN if benign else one
    return found
