"""The fields of FHIR R4 resources that answer a risk profile (http://hl7.org/fhir/R4).

Only what is read is described; everything else of a resource is passed over.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _day(value: object) -> object:
    """The day of a FHIR date or dateTime; None where it is no whole date (2019, 2019-05)."""
    if not isinstance(value, str):
        return value
    try:
        return datetime.date.fromisoformat(value[:10])
    except ValueError:
        return None


Day = Annotated[datetime.date | None, BeforeValidator(_day)]


class Element(BaseModel):
    """Fields that are not named are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Coding(Element):
    """One code with the URI of its system."""

    system: str = ""
    code: str = ""

    @property
    def pair(self) -> tuple[str, str]:
        return self.system, self.code


class CodeableConcept(Element):
    """Codes that mean the same."""

    coding: tuple[Coding, ...] = ()


class Identifier(Element):
    """A value that a system gave out."""

    system: str = ""
    value: str = ""


class Reference(Element):
    """Another resource, by its address or an identifier."""

    reference: str = ""
    identifier: Identifier | None = None


class Patient(Element):
    resourceType: Literal["Patient"]  # noqa: N815
    id: str = ""
    identifier: tuple[Identifier, ...] = ()
    gender: str = ""
    birthDate: Day = None  # noqa: N815


class Observation(Element):
    resourceType: Literal["Observation"]  # noqa: N815
    status: str = ""
    code: CodeableConcept = Field(default_factory=CodeableConcept)
    subject: Reference = Field(default_factory=Reference)
    effectiveDateTime: Day = None  # noqa: N815
    issued: Day = None
    valueCodeableConcept: CodeableConcept | None = None  # noqa: N815


class Condition(Element):
    resourceType: Literal["Condition"]  # noqa: N815
    clinicalStatus: CodeableConcept = Field(default_factory=CodeableConcept)  # noqa: N815
    verificationStatus: CodeableConcept = Field(default_factory=CodeableConcept)  # noqa: N815
    code: CodeableConcept = Field(default_factory=CodeableConcept)
    subject: Reference = Field(default_factory=Reference)
    onsetDateTime: Day = None  # noqa: N815
    recordedDate: Day = None  # noqa: N815


class FamilyCondition(Element):
    code: CodeableConcept = Field(default_factory=CodeableConcept)


class FamilyMemberHistory(Element):
    resourceType: Literal["FamilyMemberHistory"]  # noqa: N815
    status: str = ""
    patient: Reference = Field(default_factory=Reference)
    date: Day = None
    relationship: CodeableConcept = Field(default_factory=CodeableConcept)
    condition: tuple[FamilyCondition, ...] = ()


class Entry(Element):
    fullUrl: str = ""  # noqa: N815
    resource: dict[str, Any] = Field(default_factory=dict)


class Bundle(Element):
    resourceType: Literal["Bundle"]  # noqa: N815
    entry: tuple[Entry, ...] = ()


Resource = Patient | Observation | Condition | FamilyMemberHistory
KINDS: dict[str, type[Resource]] = {
    "Patient": Patient,
    "Observation": Observation,
    "Condition": Condition,
    "FamilyMemberHistory": FamilyMemberHistory,
}
