"""The fields of FHIR R4 resources that tell outcomes of screening (http://hl7.org/fhir/R4).

Only what is read is described; everything else of a resource is passed over.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, StrictBool, StrictInt

from gransk.web.fhir_resources import (
    CodeableConcept,
    Day,
    Element,
    Identifier,
    Patient,
    Reference,
)

ASSERTED = "http://hl7.org/fhir/StructureDefinition/condition-assertedDate"
"""R4's own extension: when a diagnosis was made."""


class Named(CodeableConcept):
    """Codes that mean the same, or words."""

    text: str = ""


class TypedIdentifier(Identifier):
    """An identifier that may say by its type what it is."""

    type: CodeableConcept = Field(default_factory=CodeableConcept)


class ExamReference(Reference):
    """Another resource, by its address or an identifier."""

    identifier: TypedIdentifier | None = None


class Quantity(Element):
    value: float | None = None
    code: str = ""
    unit: str = ""


class Extension(Element):
    url: str = ""
    valueDateTime: Day = None  # noqa: N815


class Evidence(Element):
    detail: tuple[ExamReference, ...] = ()


class ImagingStudy(Element):
    resourceType: Literal["ImagingStudy"]  # noqa: N815
    id: str = ""
    identifier: tuple[TypedIdentifier, ...] = ()
    subject: Reference = Field(default_factory=Reference)


class Value(Element):
    """What an Observation, or a component of one, says."""

    code: CodeableConcept = Field(default_factory=CodeableConcept)
    valueBoolean: StrictBool | None = None  # noqa: N815
    valueInteger: StrictInt | None = None  # noqa: N815
    valueQuantity: Quantity | None = None  # noqa: N815
    valueCodeableConcept: Named | None = None  # noqa: N815


class Observation(Value):
    resourceType: Literal["Observation"]  # noqa: N815
    id: str = ""
    status: str = ""
    subject: Reference = Field(default_factory=Reference)
    derivedFrom: tuple[ExamReference, ...] = ()  # noqa: N815
    focus: tuple[ExamReference, ...] = ()
    component: tuple[Value, ...] = ()


class Condition(Element):
    resourceType: Literal["Condition"]  # noqa: N815
    id: str = ""
    verificationStatus: CodeableConcept = Field(default_factory=CodeableConcept)  # noqa: N815
    code: CodeableConcept = Field(default_factory=CodeableConcept)
    subject: Reference = Field(default_factory=Reference)
    evidence: tuple[Evidence, ...] = ()
    extension: tuple[Extension, ...] = ()
    onsetDateTime: Day = None  # noqa: N815
    recordedDate: Day = None  # noqa: N815


class Procedure(Element):
    resourceType: Literal["Procedure"]  # noqa: N815
    id: str = ""
    status: str = ""
    code: CodeableConcept = Field(default_factory=CodeableConcept)
    subject: Reference = Field(default_factory=Reference)
    reasonReference: tuple[ExamReference, ...] = ()  # noqa: N815


class OutcomeEntry(Element):
    fullUrl: str = ""  # noqa: N815
    resource: dict[str, Any] = Field(default_factory=dict)


class OutcomeBundle(Element):
    resourceType: Literal["Bundle"]  # noqa: N815
    entry: tuple[OutcomeEntry, ...] = Field(default=(), max_length=10_000)


Telling = Observation | Condition | Procedure
Resource = Telling | ImagingStudy | Patient
KINDS: dict[str, type[Resource]] = {
    "Observation": Observation,
    "Condition": Condition,
    "Procedure": Procedure,
    "ImagingStudy": ImagingStudy,
    "Patient": Patient,
}


def pointers(resource: Telling) -> tuple[ExamReference, ...]:
    """Where a resource may say which exam it is about, the nearest first."""
    if isinstance(resource, Observation):
        return (*resource.derivedFrom, *resource.focus)
    if isinstance(resource, Condition):
        return tuple(detail for one in resource.evidence for detail in one.detail)
    return resource.reasonReference
