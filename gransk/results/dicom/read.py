"""Our own structured report back to findings."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pydicom
from pydicom import Dataset
from pydicom.errors import InvalidDicomError

from gransk.core import codes as terms
from gransk.core.codes import Code
from gransk.core.errors import InvalidValueError, UnreadableInputError
from gransk.core.findings import Finding, Measurement, Quality, Region
from gransk.results.dicom import items, longitudinal, reviews, sr

TRACKING_ID, TRACKING_UID = ("112039", "DCM"), ("112040", "DCM")
FINDING, SITE = ("121071", "DCM"), ("363698007", "SCT")
METHOD = ("370129005", "SCT")
MEASUREMENTS, GROUP = ("126010", "DCM"), ("125007", "DCM")
STUDY_LEVEL, SAME_LESION = ("126011", "DCM"), ("121151", "DCM")
IMAGE_LIBRARY, IMAGE_GROUP, IMAGE = ("111028", "DCM"), ("126200", "DCM"), ("260753009", "SCT")


def read_report(content: bytes) -> list[Finding]:
    """Findings of a structured report that `make_objects` made, rejected ones last.

    Masks are in the segmentation, and so are the slices of a masked finding
    beyond the drawn one; everything else comes back as it was written. What a
    person added has no model's score, so its probability is 0.

    Parameters
    ----------
    content : bytes
        DICOM file.

    Raises
    ------
    UnreadableInputError
        Where it is no DICOM file.
    InvalidValueError
        Where it is no measurement report.
    """
    return _findings(_dataset(content))


def read_study_level(content: bytes) -> tuple[tuple[Measurement, ...], tuple[Quality, ...]]:
    """Numbers and properties of the study as a whole, of a report that `make_objects` made.

    Raises
    ------
    UnreadableInputError
        Where it is no DICOM file.
    InvalidValueError
        Where it is no measurement report.
    """
    groups = [
        group
        for container in _children(_dataset(content), STUDY_LEVEL)
        for group in _children(container, GROUP)
    ]
    return (
        tuple(m for group in groups for m in _measurements(group)),
        tuple(q for group in groups for q in _qualities(group)),
    )


def read_labels(report: Dataset) -> dict[str, str]:
    """What a report calls its images, by SOP Instance UID."""
    found = {}
    for library in _children(report, IMAGE_LIBRARY):
        for group in _children(library, IMAGE_GROUP):
            for image in _children(group, IMAGE):
                label = next(_children(image, _key(sr.LABEL)), None)
                if label is not None:
                    uid = str(image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
                    found[uid] = str(label.TextValue)
    return found


def _dataset(content: bytes) -> Dataset:
    """The report; refuses what is none."""
    try:
        dataset = pydicom.dcmread(io.BytesIO(content))
    except (InvalidDicomError, EOFError, OSError, ValueError) as error:
        raise UnreadableInputError("the report is no readable DICOM file") from error
    if _name(dataset) not in (("126000", "DCM"), _key(sr.NO_FINDINGS)):
        raise InvalidValueError("report", _name(dataset), "an Imaging Measurement Report (126000)")
    return dataset


def _findings(dataset: Dataset) -> list[Finding]:
    found: dict[str, Finding] = {}
    rejected = (_key(reviews.REJECTED_FINDINGS), _key(reviews.REJECTED_FINDING))
    for outer, inner in ((MEASUREMENTS, GROUP), rejected):
        for container in _children(dataset, outer):
            for group in _children(container, inner):
                _add_group(found, group)
    return list(found.values())


def _add_group(found: dict[str, Finding], group: Dataset) -> None:
    lesion = next(_children(group, _key(sr.LESION)), None)
    if lesion is not None:
        first = found[str(lesion.UID)]
        found[first.tracking_uid] = first.model_copy(
            update={"regions": first.regions + tuple(_regions(group))}
        )
        return
    finding = _finding(group)
    found[finding.tracking_uid] = finding


def _finding(group: Dataset) -> Finding:
    centre = next(_children(group, _key(sr.CENTRE)), None)
    origin = next(_children(group, _key(sr.ORIGIN)), None)
    lesion = next(_children(group, SAME_LESION), None)
    concept, malignancy = _malignancy(group)
    x, y, z = centre.TextValue.split("\\") if centre is not None else ("0", "0", "0")
    return Finding(
        tracking_uid=str(next(_children(group, TRACKING_UID)).UID),
        tracking_id=str(next(_children(group, TRACKING_ID)).TextValue),
        kind=_code(next(_children(group, FINDING)).ConceptCodeSequence[0]),
        site=_code(next(_children(group, SITE)).ConceptCodeSequence[0]),
        probability=_share(group, terms.CERTAINTY) or 0.0,
        malignancy=malignancy,
        malignancy_concept=concept,
        centre_lps_mm=None if centre is None else (float(x), float(y), float(z)),
        measurements=tuple(_measurements(group)),
        qualities=tuple(_qualities(group)),
        regions=tuple(_regions(group)),
        origin="detector" if origin is None else str(origin.TextValue),
        reviews=reviews.read_reviews(group),
        lesion_uid="" if lesion is None else str(lesion.TextValue),
    )


def _measurements(group: Dataset) -> Iterator[Measurement]:
    for item in group.ContentSequence:
        name = next(_children(item, TRACKING_ID), None)
        if item.ValueType != "NUM" or name is None or _is_change(item):
            continue
        value = _value(item)
        upper = next(_children(item, _key(items.UPPER)), None)
        lower = next(_children(item, _key(items.LOWER)), None)
        method = next(_children(item, METHOD), None)
        yield Measurement(
            name=str(name.TextValue),
            concept=_code(item.ConceptNameCodeSequence[0]),
            unit=_code(item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0]),
            value=value,
            interval=(
                None
                if lower is None
                else (value - _value(lower), None if upper is None else value + _value(upper))
            ),
            method=None if method is None else str(method.ConceptCodeSequence[0].CodeMeaning),
        )


def _is_change(item: Dataset) -> bool:
    """Does the number tell a change since another study, and no size?"""
    return next(_children(item, _key(longitudinal.COMPARED_STUDY)), None) is not None


def _qualities(group: Dataset) -> Iterator[Quality]:
    for item in group.ContentSequence:
        name = next(_children(item, TRACKING_ID), None)
        if item.ValueType == "CODE" and name is not None:
            yield Quality(
                name=str(name.TextValue),
                concept=_code(item.ConceptNameCodeSequence[0]),
                value=_code(item.ConceptCodeSequence[0]),
            )


def _regions(group: Dataset) -> Iterator[Region]:
    for item in group.ContentSequence:
        if item.ValueType == "SCOORD" and item.GraphicType == "POLYLINE":
            image = item.ContentSequence[0].ReferencedSOPSequence[0]
            numbers = [float(v) for v in item.GraphicData]
            frame = image.get("ReferencedFrameNumber")
            yield Region(
                sop_instance_uid=str(image.ReferencedSOPInstanceUID),
                frame=None if frame is None else int(frame),
                points=tuple(zip(numbers[0:-2:2], numbers[1:-2:2], strict=True)),
            )


def _malignancy(group: Dataset) -> tuple[Code, float | None]:
    """What the estimate of malignancy is, and the estimate, 0 to 1."""
    for concept in (terms.SUSPICION, terms.PROBABILITY):
        share = _share(group, concept)
        if share is not None:
            return concept, share
    return terms.PROBABILITY, None


def _share(group: Dataset, concept: Code) -> float | None:
    item = next(_children(group, (concept.value, concept.scheme)), None)
    if item is None:
        return None
    unit = _code(item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0])
    # Eight digits are written, in percent or not.
    return round(_value(item) / (100 if unit.value == terms.PERCENT.value else 1), 8)


def _value(item: Dataset) -> float:
    measured = item.MeasuredValueSequence[0]
    return float(measured.get("FloatingPointValue", measured.NumericValue))


def _children(item: Dataset, name: tuple[str, str]) -> Iterator[Dataset]:
    return (child for child in item.get("ContentSequence") or [] if _name(child) == name)


def _name(item: Dataset) -> tuple[str, str] | None:
    names = item.get("ConceptNameCodeSequence")
    return _key(names[0]) if names else None


def _key(code: Dataset) -> tuple[str, str]:
    return str(code.get("CodeValue", "")), str(code.CodingSchemeDesignator)


def _code(code: Dataset) -> Code:
    return Code(
        value=str(code.get("CodeValue") or code.get("LongCodeValue")),
        scheme=str(code.CodingSchemeDesignator),
        meaning=str(code.CodeMeaning),
    )
