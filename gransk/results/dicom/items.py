"""Content items that several parts of the structured report are made of."""

from __future__ import annotations

from highdicom.sr import (
    CodedConcept,
    ContainerContentItem,
    ContentSequence,
    Measurement,
    NumContentItem,
    RelationshipTypeValues,
    TrackingIdentifier,
)
from pydicom import Dataset

from gransk.core import findings as model
from gransk.core.codes import Code
from gransk.core.keys import uid
from gransk.results.dicom.common import PRIVATE_SCHEME

UPPER = CodedConcept("371886008", "SCT", "+, range of upper measurement uncertainty")
LOWER = CodedConcept("371885007", "SCT", "-, range of lower measurement uncertainty")


def concept(code: Code) -> CodedConcept:
    """A code as highdicom takes it."""
    return CodedConcept(code.value, code.scheme, code.meaning)


def container(
    name: CodedConcept,
    relationship: RelationshipTypeValues | None = RelationshipTypeValues.CONTAINS,
    template: str | None = None,
) -> Dataset:
    """A container; the root where it has no relationship."""
    item = ContainerContentItem(
        name,
        is_content_continuous=False,
        template_id=template,
        relationship_type=relationship,
    )
    item.ContentSequence = ContentSequence(is_root=relationship is None)
    return item


def items_within(dataset: Dataset) -> list[Dataset]:
    """Every item of every sequence, at any depth."""
    found = []
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                found.extend([item, *items_within(item)])
    return found


def measurement(tracking_uid: str, measured: model.Measurement) -> Measurement:
    """One number (TID 300) with its name, method and 95 % interval.

    An interval without an upper end has the lower uncertainty alone.
    """
    unit = concept(measured.unit)
    made = Measurement(
        concept(measured.concept),
        float(measured.value),
        unit,
        tracking_identifier=TrackingIdentifier(
            uid(tracking_uid, "measurement", measured.name), measured.name
        ),
        method=None if measured.method is None else _method(measured.method),
    )
    if measured.interval is not None:
        low, high = measured.interval
        ends = [] if high is None else [(UPPER, high - measured.value)]
        for name, distance in (*ends, (LOWER, measured.value - low)):
            made[0].ContentSequence.append(
                NumContentItem(
                    name, float(distance), unit, None, RelationshipTypeValues.HAS_PROPERTIES
                )
            )
    return made


def _method(method: str) -> CodedConcept:
    """A private code, since methods are named by their application."""
    return CodedConcept(uid("method", method)[-16:], PRIVATE_SCHEME, method[:64])
