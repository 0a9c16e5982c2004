"""CAD reports of the drawn mammograms and of the synthetic CT, without the other objects."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator

import pydicom
from dicom_samples import CREATED, PRESENTATION, ct_headers, findings_of, nodule, study_of
from pydicom import Dataset

from gransk.core import codes
from gransk.core.cad import Cad, CadReport
from gransk.core.findings import Finding, Findings
from gransk.core.study import Study
from gransk.results.dicom.cad import make_cad
from gransk.results.dicom.common import MadeObject, Report, institution, tolerant
from gransk.results.dicom.sr import make_sr
from mammo.presentation import presentation

CHEST = dataclasses.replace(PRESENTATION, cad=Cad(report=CadReport.CHEST, detects=(codes.NODULE,)))
MAMMO = presentation()


def report_of(study: Study, findings: Findings, **changes: object) -> Report:
    """A report as `make_objects` makes it; of mammograms or of the chest by its application."""
    given = {
        "study": study,
        "findings": findings,
        "presentation": MAMMO if findings.application == "mammo" else CHEST,
        "report_key": "cd" * 32,
        "created": CREATED,
        "incomplete": False,
        "predecessors": (),
        "language": "en",
        "version": "0.1.0",
        "organization": institution(study, findings),
    }
    return Report(**{**given, **changes})


def made(report: Report) -> MadeObject:
    with tolerant():
        found = make_cad(report)
    assert found is not None
    return found


def cad_of(report: Report) -> Dataset:
    return pydicom.dcmread(io.BytesIO(made(report).content))


def sr_of(report: Report) -> Dataset:
    with tolerant():
        return pydicom.dcmread(io.BytesIO(make_sr(report).content))


def headers_of(study: Study) -> list[Dataset]:
    return [instance.header for instance in study.instances]


def chest(*found: Finding) -> tuple[Study, Findings]:
    """The synthetic CT with these findings, else with two nodules."""
    headers = ct_headers()
    two = (nodule(1, headers, (5, 30, 40)), nodule(2, headers, (6, 20, 20), radius=3))
    return study_of(headers), findings_of(headers, *(found or two))


def walk(item: Dataset) -> Iterator[Dataset]:
    """Every content item below an item."""
    for child in item.get("ContentSequence") or []:
        yield child
        yield from walk(child)


def name(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence")
    return str(names[0].CodeValue) if names else ""


def value(item: Dataset) -> str:
    return str(item.ConceptCodeSequence[0].CodeValue)


def number(item: Dataset) -> float:
    return float(item.MeasuredValueSequence[0].NumericValue)


def items(item: Dataset, code: str) -> list[Dataset]:
    """Every content item of a concept, at any depth."""
    return [one for one in walk(item) if name(one) == code]


def below(item: Dataset, code: str) -> list[Dataset]:
    """Those directly below."""
    return [one for one in item.get("ContentSequence") or [] if name(one) == code]


def target(document: Dataset, reference: Dataset) -> Dataset:
    """What an item by reference means."""
    found = document
    first, *path = reference.ReferencedContentItemIdentifier
    assert first == 1
    for place in path:
        found = found.ContentSequence[place - 1]
    return found


def image_of(document: Dataset, scoord: Dataset) -> str:
    """SOP Instance UID of the image that a place is selected from."""
    (selected,) = scoord.ContentSequence
    image = (
        target(document, selected) if "ReferencedContentItemIdentifier" in selected else selected
    )
    return str(image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
