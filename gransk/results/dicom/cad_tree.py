"""A tree of SR content items in which one item may refer to another (PS3.3 C.17.3).

CAD templates refer to images and numbers that stand elsewhere in the tree. Where an item stands
is known once the tree is whole, so it is built of nodes first and written then.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    DateContentItem,
    ImageContentItem,
    NumContentItem,
    RelationshipTypeValues,
    ScoordContentItem,
    TextContentItem,
    TimeContentItem,
    UIDRefContentItem,
)
from pydicom import Dataset

from gransk.core.codes import Code
from gransk.core.findings import FrameRef
from gransk.results.dicom.items import concept, container

MOD = RelationshipTypeValues.HAS_CONCEPT_MOD
OBS = RelationshipTypeValues.HAS_OBS_CONTEXT
ACQ = RelationshipTypeValues.HAS_ACQ_CONTEXT
HAS = RelationshipTypeValues.HAS_PROPERTIES
CONTAINS = RelationshipTypeValues.CONTAINS
INFERRED = RelationshipTypeValues.INFERRED_FROM
SELECTED = RelationshipTypeValues.SELECTED_FROM
Relation = RelationshipTypeValues

_DATE = re.compile(r"\d{8}")
_TIME = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")


@dataclass
class Node:
    """A content item and what hangs below it, or a reference to one that stands elsewhere.

    Parameters
    ----------
    item : Dataset
        Without its children.
    below : list of Node
    refers : Node, optional
        What a reference means; ``item`` then holds the relationship alone.
    """

    item: Dataset
    below: list[Node] = field(default_factory=list)
    refers: Node | None = None

    def add(self, *nodes: Node | None) -> Node:
        """Hang nodes below, in their order; returns this node."""
        self.below.extend(node for node in nodes if node is not None)
        return self


def root(name: Code, template: str) -> Node:
    """The root container under its template."""
    return Node(container(concept(name), None, template))


def holder(relation: Relation, name: Code) -> Node:
    """A container."""
    made = Dataset()
    made.update(container(concept(name), relation))
    del made.ContentSequence
    return Node(made)


def code(relation: Relation, name: Code, value: Code) -> Node:
    return Node(CodeContentItem(concept(name), concept(value), relation))


def text(relation: Relation, name: Code, value: str) -> Node:
    return Node(TextContentItem(concept(name), value, relation))


def number(relation: Relation, name: Code, value: float, unit: Code) -> Node:
    return Node(NumContentItem(concept(name), float(value), concept(unit), None, relation))


def uidref(relation: Relation, name: Code, value: str) -> Node:
    return Node(UIDRefContentItem(concept(name), value, relation))


def date(relation: Relation, name: Code, value: str) -> Node | None:
    """None where the value is no date (VR DA)."""
    if not _DATE.fullmatch(value):
        return None
    return Node(DateContentItem(concept(name), value, relation))


def time(relation: Relation, name: Code, value: str) -> Node | None:
    """None where the value is no time (VR TM)."""
    if not _TIME.fullmatch(value):
        return None
    return Node(TimeContentItem(concept(name), value, relation))


def image(relation: Relation, frame: FrameRef) -> Node:
    """An image without a concept name, as the CAD templates have it."""
    numbers = None if frame.frame is None else [frame.frame]
    item = ImageContentItem(
        CodedConcept("121112", "DCM", "Source of Measurement"),
        frame.sop_class_uid,
        frame.sop_instance_uid,
        numbers,
        relationship_type=relation,
    )
    del item.ConceptNameCodeSequence
    return Node(item)


def place(name: Code, points: Sequence[tuple[float, float]]) -> Node:
    """A point, or a closed outline, as a property (GRAPHIC TYPE POINT or POLYLINE)."""
    closed = points if len(points) == 1 else [*points, points[0]]
    kind = "POINT" if len(points) == 1 else "POLYLINE"
    return Node(ScoordContentItem(concept(name), kind, np.array(closed), relationship_type=HAS))


def refer(relation: Relation, to: Node) -> Node:
    """The item that stands elsewhere, by reference."""
    item = Dataset()
    item.RelationshipType = relation.value
    return Node(item, refers=to)


def written(top: Node) -> Dataset:
    """The content tree as a dataset; references name the place of what they mean.

    Places count from 1, the root's first: Referenced Content Item Identifier (PS3.3 C.17.3.2.5).
    """
    places: dict[int, tuple[int, ...]] = {}
    _places(top, (1,), places)
    return _written(top, places)


def _places(node: Node, here: tuple[int, ...], places: dict[int, tuple[int, ...]]) -> None:
    places[id(node)] = here
    for n, below in enumerate(node.below, start=1):
        _places(below, (*here, n), places)


def _written(node: Node, places: dict[int, tuple[int, ...]]) -> Dataset:
    made = Dataset()
    made.update(node.item)
    if node.refers is not None:
        made.ReferencedContentItemIdentifier = list(places[id(node.refers)])
    if node.below:
        made.ContentSequence = [_written(below, places) for below in node.below]
    return made
