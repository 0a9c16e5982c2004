"""What the attributes of one image say: breast, view, modifiers.

Sources, each read only where those before it say nothing:

====================  ======================================================================
laterality            Image Laterality (0020,0062), Frame Laterality (0020,9072) of the shared
                      functional groups, Laterality (0020,0060), a label such as ``RMLO`` in
                      View Position or (against its definition) Patient Orientation, the oblique
                      direction of Patient Orientation, Series Description
view                  View Code Sequence (0054,0220), View Position (0018,5101), a label in
                      Patient Orientation (0020,0020), Series Description
modifiers             all of: View Modifier Code Sequence (0054,0222) within View Code Sequence
                      or (against its definition) beside it, labels, Paddle Description
                      (0018,11A4), Series Description, Estimated Radiographic Magnification
                      Factor (0018,1114)
====================  ======================================================================

Patient Orientation holds the view in CBIS-DDSM's objects (single value ``CC`` or ``MLO``). Labels
are those of the ACR Mammography Quality Control Manual; ``CCD``, ``MLOE`` (direita, esquerda) were
seen in the field by medcognetics/dicom-utils, ``test_types.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

from mammo.exam.view_codes import (
    LABEL_MODIFIERS,
    MEANINGS,
    MODIFIERS,
    SCHEMES,
    VIEWS,
    Modifier,
    ViewName,
)
from mammo.view import Laterality

MAGNIFIED_FROM = 1.4
"""Contact images have factors up to about 1.1, magnification tables 1.5 to 2."""

_LABEL = re.compile(
    r"^(?P<side>[RL])?(?P<before>M|S)?"
    r"(?P<view>XCCL|XCCM|XCC|MLO|LMO|SIO|ISO|CC|ML|LM|FB)"
    r"(?P<after>(?:ID|RL|RM|RI|RS|TAN|NP|AC|IMF|AX|AT|CV|M|S)*)(?P<tail>[DE])?$"
)
_ALONE = re.compile(r"^(?P<side>[RL])?(?P<modifier>AT|CV|TAN|AX|IMF)$")
_SUFFIX = re.compile(r"ID|RL|RM|RI|RS|TAN|NP|AC|IMF|AX|AT|CV|M|S")
_ORIENTATION = re.compile(r"^[APRLHF]{1,3}$")
_SIDES = {
    "R": Laterality.RIGHT, "RIGHT": Laterality.RIGHT, "RT": Laterality.RIGHT,
    "HØJRE": Laterality.RIGHT, "HOEJRE": Laterality.RIGHT, "HOJRE": Laterality.RIGHT,
    "DXT": Laterality.RIGHT, "DEXT": Laterality.RIGHT,
    "L": Laterality.LEFT, "LEFT": Laterality.LEFT, "LT": Laterality.LEFT,
    "VENSTRE": Laterality.LEFT, "SIN": Laterality.LEFT,
}  # fmt: skip
_WORDS = (
    (Modifier.MAGNIFICATION, r"\b(mag|magn|magnif\w*|forstørr\w*|forstoerr\w*)\b"),
    (Modifier.SPOT, r"\b(spot|konus|cone|coned)\b"),
    (Modifier.IMPLANT_DISPLACED, r"\b(implant displaced|eklund)\b"),
    (Modifier.TANGENTIAL, r"\b(tangential\w*|tangentiel\w*)\b"),
    (Modifier.CLEAVAGE, r"\bcleavage\b"),
    (Modifier.ROLLED, r"\brolled\b"),
    (Modifier.AXILLARY_TAIL, r"\b(axill\w*|aksil\w*)\b"),
)


@dataclass(frozen=True)
class Said:
    """What the attributes of one image say; None and empty where they say nothing.

    Parameters
    ----------
    laterality : Laterality, optional
    both : bool
        True where the image is said to show both breasts.
    view : ViewName, optional
    modifiers : frozenset of Modifier
    partial : bool
        Partial View (0028,1350): one of several images that show the breast together.
    implant : bool
        Breast Implant Present (0028,1300).
    disagreeing : tuple of str
        Of what attributes say different things: ``laterality``, ``view``.
    """

    laterality: Laterality | None = None
    both: bool = False
    view: ViewName | None = None
    modifiers: frozenset[Modifier] = frozenset()
    partial: bool = False
    implant: bool = False
    disagreeing: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class _Label:
    side: Laterality | None
    view: ViewName | None
    modifiers: frozenset[Modifier]


def said(header: Dataset) -> Said:
    """Read what the attributes of one image say."""
    labels = list(_labels(header))
    sides = list(_sides(header, labels))
    views = list(_views(header, labels))
    disagreeing = tuple(
        name for name, found in (("laterality", sides), ("view", views)) if len(set(found)) > 1
    )
    return Said(
        laterality=sides[0] if sides else None,
        both=text(header, "ImageLaterality") in ("B", "BILATERAL"),
        view=_most_special(views),
        modifiers=frozenset(_modifiers(header, labels)),
        partial=text(header, "PartialView") == "YES",
        implant=text(header, "BreastImplantPresent") == "YES",
        disagreeing=disagreeing,
    )


def text(header: Dataset, keyword: str) -> str:
    """An attribute as upper-case text, empty where it is absent."""
    found = words(header, keyword)
    return found[0] if found else ""


def words(header: Dataset, keyword: str) -> tuple[str, ...]:
    """Every value of an attribute as upper-case text."""
    value = header.get(keyword)
    if value is None or isinstance(value, Sequence):
        return ()
    several = value if isinstance(value, MultiValue) else [value]
    return tuple(str(one).strip().upper() for one in several)


def items(header: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """The items of a sequence, none where it is absent."""
    value = header.get(keyword)
    return tuple(value) if isinstance(value, Sequence) else ()


def description(header: Dataset) -> str:
    """Series Description, in lower case."""
    return text(header, "SeriesDescription").lower()


def number(header: Dataset, keyword: str) -> float | None:
    """An attribute as a number, None where it is none."""
    try:
        return float(text(header, keyword))
    except ValueError:
        return None


def _sides(header: Dataset, labels: list[_Label]) -> Iterator[Laterality]:
    image, series = text(header, "ImageLaterality"), text(header, "Laterality")
    for value in (image, _frame_laterality(header), series):
        if value in ("R", "L"):
            yield Laterality(value)
    for label in labels:
        if label.side:
            yield label.side
    if side := _oblique_side(words(header, "PatientOrientation")):
        yield side
    if side := _described_side(header):
        yield side


def _frame_laterality(header: Dataset) -> str:
    for group in items(header, "SharedFunctionalGroupsSequence"):
        for anatomy in items(group, "FrameAnatomySequence"):
            return text(anatomy, "FrameLaterality")
    return ""


def _oblique_side(orientation: tuple[str, ...]) -> Laterality | None:
    """In an oblique view feet and the middle lie the same way, head and the outside the other.

    The detector of an MLO is parallel to the pectoral muscle, from high and lateral to low and
    medial: ``P\\FL`` is a right breast, ``A\\FR`` a left one, however the image is turned.
    """
    if len(orientation) != 2 or not all(_ORIENTATION.match(way) for way in orientation):
        return None
    for way in orientation:
        if len(way) == 2 and way[0] in "FH" and way[1] in "RL":
            right = (way[0] == "F") == (way[1] == "L")
            return Laterality.RIGHT if right else Laterality.LEFT
    return None


def _described_side(header: Dataset) -> Laterality | None:
    """Where exactly one side is named."""
    named = {
        _SIDES[word]
        for word in re.findall(r"\w+", text(header, "SeriesDescription"))
        if word in _SIDES
    }
    return named.pop() if len(named) == 1 else None


def _labels(header: Dataset) -> Iterator[_Label]:
    """ACR labels in View Position, Patient Orientation and Series Description."""
    for keyword in ("ViewPosition", "PatientOrientation"):
        for value in words(header, keyword):
            if keyword == "PatientOrientation" and _ORIENTATION.match(value):
                continue
            if label := _label(re.sub(r"[\s_-]", "", value)):
                yield label
    found = [
        label
        for word in re.findall(r"[A-Z]+", text(header, "SeriesDescription"))
        if (label := _label(word)) and label.view
    ]
    if len({(label.side, label.view) for label in found}) == 1:
        yield found[0]


def _label(value: str) -> _Label | None:
    if match := _LABEL.match(value):
        side = {"R": Laterality.RIGHT, "L": Laterality.LEFT}.get(match["side"] or "")
        tail = {"D": Laterality.RIGHT, "E": Laterality.LEFT}.get(match["tail"] or "")
        marks = [match["before"] or "", *_SUFFIX.findall(match["after"])]
        return _Label(
            side or tail,
            ViewName(match["view"]),
            frozenset(LABEL_MODIFIERS[mark] for mark in marks if mark),
        )
    if match := _ALONE.match(value):
        side = {"R": Laterality.RIGHT, "L": Laterality.LEFT}.get(match["side"] or "")
        return _Label(side, None, frozenset({LABEL_MODIFIERS[match["modifier"]]}))
    return None


def _views(header: Dataset, labels: list[_Label]) -> Iterator[ViewName]:
    for item in items(header, "ViewCodeSequence"):
        if view := _coded(item):
            yield view
    for label in labels:
        if label.view:
            yield label.view


def _coded(item: Dataset) -> ViewName | None:
    if text(item, "CodingSchemeDesignator") in SCHEMES:
        return VIEWS.get(text(item, "CodeValue"))
    return MEANINGS.get(text(item, "CodeMeaning").lower())


def _most_special(views: list[ViewName]) -> ViewName | None:
    """The first; but a code CC beside a label XCCL or FB is the more special view."""
    if not views:
        return None
    of_cc = (ViewName.XCCL, ViewName.XCCM, ViewName.XCC, ViewName.FB)
    special = [view for view in views if view in of_cc]
    return special[0] if views[0] == ViewName.CC and special else views[0]


def _modifiers(header: Dataset, labels: list[_Label]) -> Iterator[Modifier]:
    for label in labels:
        yield from label.modifiers
    for holder in (header, *items(header, "ViewCodeSequence")):
        for item in items(holder, "ViewModifierCodeSequence"):
            modifier = MODIFIERS.get(text(item, "CodeValue"))
            if modifier and text(item, "CodingSchemeDesignator") in SCHEMES:
                yield modifier
    spoken = f"{description(header)} {text(header, 'PaddleDescription').lower()}"
    for modifier, pattern in _WORDS:
        if re.search(pattern, spoken):
            yield modifier
    factor = number(header, "EstimatedRadiographicMagnificationFactor")
    if factor is not None and factor >= MAGNIFIED_FROM:
        yield Modifier.MAGNIFICATION
