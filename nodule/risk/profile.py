"""The risk profile: what is known of the patient and the nodule, from whom and since when."""

from __future__ import annotations

import datetime
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from gransk.core.errors import GranskError
from nodule.density import Texture
from nodule.risk.faults import Fault

Value = TypeVar("Value")

SCHEMA = Path(__file__).with_name("profile.schema.json")
# In the schema of an answer that is true of one scan, and not of the patient's others.
ABOUT_SCAN: JsonDict = {"about": "scan"}
# Of what an analysis measures: typed answers are for `gransk risk` alone, no page asks for them.
MEASURED: JsonDict = {"about": "scan", "measured": True}


class ProfileError(GranskError):
    """A profile that cannot be used; the message names keys and never values.

    Parameters
    ----------
    faults : tuple of Fault
        What is wrong, at least one.
    """

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__(self.told("en"))

    def told(self, language: str) -> str:
        """The message in ``da`` or ``en``."""
        return "; ".join(fault.told(language) for fault in self.faults)


class Source(StrEnum):
    """Where an answer comes from."""

    DICOM = "dicom"
    IMAGE = "image"
    PERSON = "person"
    REST = "rest"
    FHIR = "fhir"


class Sex(StrEnum):
    """As the models know it; any other answer is unknown to them."""

    FEMALE = "female"
    MALE = "male"


class Smoking(StrEnum):
    """Whether the patient smokes or ever did."""

    NEVER = "never"
    FORMER = "former"
    CURRENT = "current"


class Cancer(StrEnum):
    """An extrathoracic cancer, by the years since its diagnosis."""

    NONE = "none"
    WITHIN_5_YEARS = "within_5_years"
    OVER_5_YEARS = "over_5_years"


class Risk(StrEnum):
    """A person's judgement, by the factors that Fleischner 2017 lists."""

    LOW = "low"
    HIGH = "high"


class Setting(StrEnum):
    """Why the scan was made."""

    INCIDENTAL = "incidental"
    SCREENING = "screening"
    KNOWN_CANCER = "known_cancer"


class Course(StrEnum):
    """Where the nodule is in its course."""

    FIRST = "first"
    STABLE = "stable"
    NEW = "new"
    GROWING = "growing"


class Uptake(StrEnum):
    """FDG uptake on PET, as the person who read the PET graded it."""

    NONE = "none"
    FAINT = "faint"
    MODERATE = "moderate"
    INTENSE = "intense"


class Strict(BaseModel):
    """Frozen, without unknown keys, and without turning one type into another."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Answer(Strict, Generic[Value]):
    """One answer. A value of null: it was asked for, and nobody knows.

    Parameters
    ----------
    value : optional
        The answer.
    source : Source
        Where it comes from.
    date : date
        When it was given, or the day that it is true of.
    """

    value: Value | None
    source: Source
    date: datetime.date


class AgeAnswer(Answer[Annotated[float, Field(ge=0, le=130)]]):
    """An age in years."""


class SizeAnswer(Answer[Annotated[float, Field(gt=0, le=150)]]):
    """A length in mm; the most is ours, against slips of typing."""


class CountAnswer(Answer[Annotated[int, Field(ge=1, le=1000)]]):
    """A number of nodules."""


class FractionAnswer(Answer[Annotated[float, Field(ge=0, le=1)]]):
    """A probability, 0 to 1."""


class YesNoAnswer(Answer[bool]):
    """Yes (true) or no (false)."""


class SexAnswer(Answer[Sex]):
    """A sex."""


class SmokingAnswer(Answer[Smoking]):
    """A smoking history."""


class CancerAnswer(Answer[Cancer]):
    """A history of extrathoracic cancer."""


class RiskAnswer(Answer[Risk]):
    """Low or high risk."""


class SettingAnswer(Answer[Setting]):
    """A reason for the scan."""


class TextureAnswer(Answer[Texture]):
    """A texture."""


class CourseAnswer(Answer[Course]):
    """A place in the course."""


class UptakeAnswer(Answer[Uptake]):
    """A grade of uptake."""


class Patient(Strict):
    """What is known of the patient. An absent key is unknown."""

    age_years: AgeAnswer | None = Field(
        default=None,
        description="Age at the scan, years.",
        json_schema_extra={"unit": "a", **ABOUT_SCAN},
    )
    sex: SexAnswer | None = Field(default=None, description="Sex: female or male.")
    smoking: SmokingAnswer | None = Field(
        default=None, description="Never, former or current smoker."
    )
    family_history_lung_cancer: YesNoAnswer | None = Field(
        default=None, description="Lung cancer in the family."
    )
    emphysema: YesNoAnswer | None = Field(
        default=None,
        description="Emphysema. What an image shows is offered to a person, never assumed: "
        "the source cannot be 'image'.",
        json_schema_extra={"offered_by": "lung_below_950_hu_percent"},
    )
    extrathoracic_cancer: CancerAnswer | None = Field(
        default=None,
        description="Cancer outside the chest: none, diagnosed within 5 years, or more than "
        "5 years ago.",
    )
    earlier_lung_cancer: YesNoAnswer | None = Field(
        default=None, description="A lung cancer before this nodule."
    )
    known_primary_cancer: YesNoAnswer | None = Field(
        default=None, description="A primary cancer is known now."
    )
    immunosuppressed: YesNoAnswer | None = Field(
        default=None, description="The immune system is suppressed."
    )
    fleischner_risk: RiskAnswer | None = Field(
        default=None,
        description="Low or high risk as a person judges it by the factors of Fleischner 2017: "
        "smoking, age, family history, upper lobe, emphysema, fibrosis, spiculation.",
    )
    setting: SettingAnswer | None = Field(
        default=None,
        description="Why the scan was made: incidental, screening or known cancer.",
        json_schema_extra=ABOUT_SCAN,
    )

    @model_validator(mode="after")
    def _check(self) -> Patient:
        _by_person(self, "emphysema", Source.IMAGE)
        _by_person(self, "fleischner_risk", Source.IMAGE, Source.DICOM)
        free = (
            _value(self, "extrathoracic_cancer") is Cancer.NONE
            and _value(self, "earlier_lung_cancer") is False
        )
        if _value(self, "known_primary_cancer") and free:
            raise _fault("contradicts")
        return self


class ProfileNodule(Strict):
    """What is known of one nodule. An absent key is unknown."""

    maximum_transverse_diameter_mm: SizeAnswer | None = Field(
        default=None,
        description="Longest diameter in any axial slice, mm: the size of Brock and Mayo, not "
        "the mean of two axes.",
        json_schema_extra={"unit": "mm", **MEASURED},
    )
    texture: TextureAnswer | None = Field(
        default=None, description="Solid, part-solid, or ground glass (non-solid)."
    )
    upper_lobe: YesNoAnswer | None = Field(
        default=None, description="In an upper lobe, the lingula with it."
    )
    spiculated: YesNoAnswer | None = Field(default=None, description="Spiculated edge.")
    nodule_count: CountAnswer | None = Field(
        default=None,
        description="Nodules on the scan, this one with them.",
        json_schema_extra={"unit": "1", **MEASURED},
    )
    course: CourseAnswer | None = Field(
        default=None,
        description="First seen on a first scan; stable, new or growing on a later one.",
        json_schema_extra=ABOUT_SCAN,
    )
    pet_uptake: UptakeAnswer | None = Field(
        default=None,
        description="FDG uptake as a person graded it; never inferred from images: the source "
        "cannot be 'image' or 'dicom'.",
    )
    mayo_probability: FractionAnswer | None = Field(
        default=None,
        description="Probability of the Mayo model, 0 to 1, where it was calculated elsewhere; "
        "Herder takes it before its own calculation.",
        json_schema_extra={"unit": "1", **ABOUT_SCAN},
    )

    @model_validator(mode="after")
    def _check(self) -> ProfileNodule:
        _by_person(self, "pet_uptake", Source.IMAGE, Source.DICOM)
        return self


class NamedNodule(ProfileNodule):
    """What is known of one nodule of several, by its tracking UID."""

    tracking_uid: str = Field(
        pattern=r"^[0-9.]{1,64}$",
        description="Tracking UID of the nodule, as reports and `gransk analyse` write it.",
    )


class Profile(Strict):
    """A risk profile.

    Parameters
    ----------
    patient : Patient
        Answers about the patient.
    nodule : ProfileNodule
        Typed answers about one nodule. Where images are analysed, what is measured
        of each nodule takes their place.
    nodules : tuple of NamedNodule
        Answers about single nodules of an analysed study.
    """

    patient: Patient = Field(default_factory=Patient, description="Answers about the patient.")
    nodule: ProfileNodule = Field(
        default_factory=ProfileNodule, description="Typed answers about one nodule."
    )
    nodules: tuple[NamedNodule, ...] = Field(
        default=(), description="Answers about single nodules of an analysed study."
    )

    @model_validator(mode="after")
    def _check(self) -> Profile:
        named = [one.tracking_uid for one in self.nodules]
        if len(set(named)) < len(named):
            raise _fault("nodule_twice")
        return self

    def value(self, name: str) -> Any:
        """The value of an answer by its key; None where it is unknown.

        Raises
        ------
        KeyError
            Where no answer is called so.
        """
        answer = self.answer(name)
        return None if answer is None else answer.value

    def answer(self, name: str) -> Answer[Any] | None:
        """An answer by its key, or None.

        Raises
        ------
        KeyError
            Where no answer is called so.
        """
        for part in (self.patient, self.nodule):
            if name in type(part).model_fields:
                found: Answer[Any] | None = getattr(part, name)
                return found
        raise KeyError(name)


def inputs() -> tuple[str, ...]:
    """Keys of all answers."""
    return (*Patient.model_fields, *ProfileNodule.model_fields)


def read_profile(text: str | bytes) -> Profile:
    """A profile from its JSON.

    Raises
    ------
    ProfileError
        Where it is no JSON, names a key twice, or does not fit the schema.
    """
    try:
        json.loads(text, object_pairs_hook=_once)
        return Profile.model_validate_json(text)
    except ValidationError as error:
        faults = (
            Fault(".".join(map(str, one["loc"])) or "profile", one["type"], one.get("ctx", {}))
            for one in error.errors(include_input=False, include_url=False)
        )
        raise ProfileError(*faults) from None
    except _TwiceError as error:
        raise ProfileError(Fault("", "twice", {"key": repr(str(error))})) from None
    except (ValueError, RecursionError):
        raise ProfileError(Fault("", "not_json")) from None


def schema() -> dict[str, Any]:
    """The JSON schema of a profile, as it is committed beside this file."""
    made = Profile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


class _TwiceError(ValueError):
    """A key stands twice in one JSON object."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise _TwiceError(name)
    return dict(pairs)


def _value(part: Strict, name: str) -> Any:
    answer = getattr(part, name)
    return None if answer is None else answer.value


def _by_person(part: Strict, name: str, *refused: Source) -> None:
    answer = getattr(part, name)
    if answer is not None and answer.source in refused:
        raise _fault("by_person", name=name, source=answer.source.value)


def _fault(kind: str, **about: str) -> PydanticCustomError:
    return PydanticCustomError(kind, "{kind}", {"kind": kind, **about})
