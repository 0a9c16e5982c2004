"""A version of a report as a FHIR R4 DiagnosticReport (https://hl7.org/fhir/R4/diagnosticreport.html).

Patient, study, device and observations are contained: each version is whole, and the same version
is the same bytes wherever it is served or sent.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
from collections.abc import Iterable, Iterator
from zoneinfo import ZoneInfo

from gransk.core import codes as terms
from gransk.core.codes import Code
from gransk.core.findings import Finding, Findings, Measurement, Quality
from gransk.delivery.fhir.codes import (
    DCM,
    Json,
    accession,
    coding,
    concept,
    date,
    once,
    order,
    patient,
    patient_identifier,
    quantity,
    spoken,
    uid_identifier,
)
from gransk.delivery.fhir.told import Told
from gransk.results.versions import SIGNED, ReportStatus

IMAGING_STUDY = Code(value="18748-4", scheme="LN", meaning="Diagnostic imaging study")
FINDING = Code(value="121071", scheme="DCM", meaning="Finding")
TRACKING_ID = Code(value="112039", scheme="DCM", meaning="Tracking Identifier")
TRACKING_UID = Code(value="112040", scheme="DCM", meaning="Tracking Unique Identifier")
SECTIONS = "http://terminology.hl7.org/CodeSystem/v2-0074"
OBSERVATION_CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
REPLACED = "urn:gransk:replaces"
"""Extension of ours: the structured report that this one replaces."""
MODEL = "urn:gransk:model-sha256"
DETECTOR = "detector"
PERCENT_OF = 100.0


def diagnostic_report(told: Told, systems: dict[str, str], zone: ZoneInfo | None = None) -> Json:
    """The resource of one version of a report.

    Parameters
    ----------
    told : Told
    systems : dict of str to str
        URI of a patient identifier's system by Issuer of Patient ID.
    zone : ZoneInfo, optional
        Of the site, in which studies are dated; UTC where it is not given.
    """
    subject = _subject(told, systems)
    made: Json = {
        "resourceType": "DiagnosticReport",
        "id": told.id,
        "meta": {"versionId": str(told.number), "lastUpdated": instant(told.at)},
        "contained": [patient(told.exam, systems, "patient"), _study(told, zone)],
        "identifier": [
            uid_identifier(uid)
            for uid in (told.exam.study_instance_uid, told.sr_uid)
            if uid
        ]
        + ([accession(told.exam.accession_number)] if told.exam.accession_number else []),
        "basedOn": order(told.exam),
        "status": told.status.value,
        "category": [
            {"coding": [{"system": SECTIONS, "code": "RAD", "display": "Radiology"}]}
        ],
        "code": concept(IMAGING_STUDY, *_procedures(told)),
        "subject": subject,
        "effectiveDateTime": _when(told, zone),
        "issued": instant(told.issued),
        "imagingStudy": [{"reference": "#study"}],
    }  # fmt: skip
    if told.replaces:
        value = {"identifier": uid_identifier(told.replaces)}
        made["extension"] = [{"url": REPLACED, "valueReference": value}]
    if told.signer is not None:
        made["resultsInterpreter"] = [{"display": spoken(told.signer.name)}]
    if told.findings is not None:
        found = _found(told, told.findings, subject, zone)
        made["contained"] += found.pop("contained")
        made |= found
    return {key: value for key, value in made.items() if value not in ("", [], {}, None)}


def instant(at: datetime.datetime) -> str:
    """An instant in UTC (FHIR R4, ``instant``)."""
    return at.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")


def _found(told: Told, findings: Findings, subject: Json, zone: ZoneInfo | None) -> Json:
    """What the report tells of the images: observations, text, document."""
    shared = {
        "status": observation_status(told.status),
        "category": [{"coding": [{"system": OBSERVATION_CATEGORIES, "code": "imaging"}]}],
        "subject": {"reference": subject["reference"]},
        "effectiveDateTime": _when(told, zone),
        "issued": instant(told.issued),
        "device": {"reference": "#device"},
        "derivedFrom": [{"reference": "#study"}],
    }
    shared = {key: value for key, value in shared.items() if value}
    observations = [
        *(_finding(one, number, shared) for number, one in enumerate(findings.standing, 1)),
        *_exam_level(findings, shared),
    ]
    by_device = any("device" in one for one in observations)
    return {
        "contained": [*([_device(findings)] if by_device else []), *observations],
        "result": [{"reference": f"#{one['id']}"} for one in observations],
        "conclusion": told.text,
        "conclusionCode": [concept(kind) for kind in once(f.kind for f in findings.standing)],
        "presentedForm": [] if told.pdf is None else [_form(told.pdf, told)],
    }


def observation_status(status: ReportStatus) -> str:
    """Status of a report's observations (FHIR R4, code system ``observation-status``)."""
    return status.value if status in SIGNED else "preliminary"


def _subject(told: Told, systems: dict[str, str]) -> Json:
    subject: Json = {"reference": "#patient", "type": "Patient"}
    if told.exam.patient_id:
        subject["identifier"] = patient_identifier(told.exam, systems)
    return subject


def _study(told: Told, zone: ZoneInfo | None) -> Json:
    made: Json = {
        "resourceType": "ImagingStudy",
        "id": "study",
        "identifier": [uid_identifier(told.exam.study_instance_uid)],
        "status": "available",
        "modality": [{"system": DCM, "code": one} for one in told.modalities],
        "subject": {"reference": "#patient"},
        "started": _when(told, zone),
        "basedOn": order(told.exam),
    }
    return {key: value for key, value in made.items() if value}


def _procedures(told: Told) -> Iterable[Code]:
    return once(terms.procedure(one) for one in told.modalities if one in terms.PROCEDURES)


def _when(told: Told, zone: ZoneInfo | None) -> str:
    """When the images were made: with its time where the study tells one."""
    day = date(told.exam.study_date)
    clock = told.exam.study_time.replace(":", "").strip()[:6]
    if not day or len(clock) != 6 or not clock.isdigit():
        return day
    try:
        local = datetime.datetime.strptime(f"{day}{clock}", "%Y-%m-%d%H%M%S")
    except ValueError:
        return day
    return local.replace(tzinfo=zone or datetime.UTC).isoformat()


def _device(findings: Findings) -> Json:
    named = f"Gransk {findings.application}"
    return {
        "resourceType": "Device",
        "id": "device",
        "deviceName": [{"name": named, "type": "model-name"}],
        "version": [
            {"value": findings.application_version},
            *(
                {
                    "type": {"text": one.id},
                    "component": {"system": MODEL, "value": one.sha256},
                    "value": one.version,
                }
                for one in findings.models
            ),
        ],
    }


def _finding(finding: Finding, number: int, shared: Json) -> Json:
    components = [
        *_shares(finding),
        *(_measured(one) for one in finding.measurements),
        *(_told(one) for one in finding.qualities),
    ]
    made: Json = {
        "resourceType": "Observation",
        "id": f"finding-{number}",
        "identifier": [
            {"type": concept(TRACKING_UID), **uid_identifier(finding.tracking_uid)},
            {"type": concept(TRACKING_ID), "value": finding.tracking_id},
        ],
        **shared,
        "code": concept(FINDING),
        "valueCodeableConcept": concept(finding.kind),
        "bodySite": concept(finding.site),
    }
    if finding.origin != DETECTOR:
        del made["device"]
    return made | ({"component": components} if components else {})


def _exam_level(findings: Findings, shared: Json) -> Iterator[Json]:
    """Numbers and properties of the exam as a whole."""
    values = [_measured(one) for one in findings.measurements]
    values += [_told(one) for one in findings.qualities]
    for number, value in enumerate(values, 1):
        yield {"resourceType": "Observation", "id": f"exam-{number}", **shared, **value}


def _shares(finding: Finding) -> Iterator[Json]:
    if finding.origin == DETECTOR:
        share = quantity(PERCENT_OF * finding.probability, terms.PERCENT)
        yield {"code": concept(terms.CERTAINTY), "valueQuantity": share}
    if finding.malignancy is not None:
        share = quantity(PERCENT_OF * finding.malignancy, terms.PERCENT)
        yield {"code": concept(finding.malignancy_concept), "valueQuantity": share}


def _measured(one: Measurement) -> Json:
    text = f"{one.concept.meaning}, {one.method}" if one.method else ""
    return {"code": concept(one.concept, text=text), "valueQuantity": quantity(one.value, one.unit)}


def _told(one: Quality) -> Json:
    return {"code": concept(one.concept), "valueCodeableConcept": {"coding": [coding(one.value)]}}


def _form(pdf: bytes, told: Told) -> Json:
    return {
        "contentType": "application/pdf",
        "data": base64.b64encode(pdf).decode("ascii"),
        "size": len(pdf),
        "hash": base64.b64encode(hashlib.sha1(pdf, usedforsecurity=False).digest()).decode("ascii"),
        "creation": instant(told.issued),
    }
