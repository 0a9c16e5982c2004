"""From coded concepts of findings to FHIR R4's data types (https://hl7.org/fhir/R4/datatypes.html)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from gransk.core.codes import Code
from gransk.core.patients import ExamIdentity

Json = dict[str, Any]

UCUM = "http://unitsofmeasure.org"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "DCM": DCM,
    "UCUM": UCUM,
    "LN": "http://loinc.org",
    "RADLEX": "http://radlex.org",
    "IBSI": "urn:oid:1.2.840.10008.2.16.13",
}
"""Code systems by Coding Scheme Designator: those that FHIR R4 names, of others the Coding Scheme
UID of PS3.16 table 8-1."""
PRIVATE = "urn:gransk:scheme"
DICOM_UID = "urn:dicom:uid"
IDENTIFIER_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
ACCOUNT = "urn:gransk:account"
SEXES = {"F": "female", "M": "male", "O": "other"}


def system_of(scheme: str) -> str:
    """URI of a coding scheme; of one that has none, ours."""
    return SYSTEMS.get(scheme, f"{PRIVATE}:{scheme}")


def coding(code: Code) -> Json:
    return {"system": system_of(code.scheme), "code": code.value, "display": code.meaning}


def concept(*codes: Code, text: str = "") -> Json:
    """A CodeableConcept of codes that mean the same."""
    said: Json = {"coding": [coding(code) for code in codes]}
    return said | ({"text": text} if text else {})


def quantity(value: float, unit: Code) -> Json:
    """A Quantity in UCUM, to ten significant digits."""
    return {
        "value": float(f"{value:.10g}"),
        "unit": unit.meaning,
        "system": system_of(unit.scheme),
        "code": unit.value,
    }


def uid_identifier(uid: str) -> Json:
    """A DICOM UID as FHIR R4 writes it (ImagingStudy.identifier)."""
    return {"system": DICOM_UID, "value": f"urn:oid:{uid}"}


def accession(number: str) -> Json:
    return {"type": _type("ACSN", "Accession ID"), "value": number}


def _type(code: str, display: str) -> Json:
    return {"coding": [{"system": IDENTIFIER_TYPES, "code": code, "display": display}]}


def order(exam: ExamIdentity) -> list[Json]:
    """The order that an exam answers, named by its accession number."""
    if not exam.accession_number:
        return []
    return [{"type": "ServiceRequest", "identifier": accession(exam.accession_number)}]


def patient_identifier(exam: ExamIdentity, systems: dict[str, str]) -> Json:
    """A patient identifier under the URI that the site gives its issuer.

    Parameters
    ----------
    exam : ExamIdentity
    systems : dict of str to str
        URI by Issuer of Patient ID.
    """
    said: Json = {"type": _type("MR", "Medical record number"), "value": exam.patient_id}
    if exam.issuer in systems:
        said["system"] = systems[exam.issuer]
    return said


def patient(exam: ExamIdentity, systems: dict[str, str], ident: str) -> Json:
    """The patient as the images name the person, as a contained resource."""
    said: Json = {"resourceType": "Patient", "id": ident}
    if exam.patient_id:
        said["identifier"] = [patient_identifier(exam, systems)]
    if named := human_name(exam.patient_name):
        said["name"] = [named]
    said["gender"] = SEXES.get(exam.sex.strip().upper(), "unknown")
    if born := date(exam.birth_date):
        said["birthDate"] = born
    return said


def human_name(name: str) -> Json | None:
    """A DICOM person name (PS3.5 6.2.1.1): its alphabetic group, else the first that is told."""
    for group in name.split("="):
        family, given, middle, prefix, suffix, *_ = (*group.strip().split("^"), *[""] * 5)
        parts: dict[str, str | list[str]] = {
            "family": family.strip(),
            "given": [one for one in (given.strip(), middle.strip()) if one],
            "prefix": [prefix.strip()] if prefix.strip() else [],
            "suffix": [suffix.strip()] if suffix.strip() else [],
        }
        if said := {key: value for key, value in parts.items() if value}:
            return {"text": spoken(group), **said}
    return None


def spoken(name: str) -> str:
    """A person name as one line: prefix, given names, family name, suffix."""
    family, given, middle, prefix, suffix, *_ = (*name.strip().split("^"), *[""] * 5)
    return " ".join(
        part.strip() for part in (prefix, given, middle, family, suffix) if part.strip()
    )


def date(value: str) -> str:
    """A DICOM date as FHIR writes it; empty where it is none."""
    found = re.fullmatch(r"(\d{4})\.?(\d\d)\.?(\d\d)", value.strip())
    return "-".join(found.groups()) if found else ""


def once(codes: Iterable[Code]) -> list[Code]:
    """Each code once, in order."""
    found: dict[tuple[str, str], Code] = {}
    for code in codes:
        found.setdefault((code.scheme, code.value), code)
    return list(found.values())
