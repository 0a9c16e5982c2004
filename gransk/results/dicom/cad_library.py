"""Image library of a CAD report: images with what tells how they lie (PS3.16 TID 4020)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pydicom import Dataset

from gransk.core.cad import Cad, CadReport
from gransk.core.codes import MM, Code
from gransk.core.findings import FrameRef
from gransk.results.dicom import cad_codes as terms
from gransk.results.dicom.cad_tree import (
    ACQ,
    CONTAINS,
    MOD,
    Node,
    Relation,
    code,
    date,
    holder,
    image,
    number,
    refer,
    text,
    time,
)
from gransk.results.dicom.common import Report

VIEWS = {CadReport.MAMMOGRAPHY: (4014, 4015), CadReport.CHEST: (4010, 4011)}
"""Context groups of views and of what modifies them."""


class Library:
    """Images of the study, each once, in the order given.

    Parameters
    ----------
    report : Report
    cad : Cad
    frames : iterable of FrameRef
        All that the rest of the tree refers to.
    """

    def __init__(self, report: Report, cad: Cad, frames: Iterable[FrameRef]) -> None:
        self._report, self._cad = report, cad
        self._entries: dict[tuple[str, int | None], Node] = {}
        self._sides: dict[tuple[str, int | None], str] = {}
        self.node = holder(CONTAINS, terms.IMAGE_LIBRARY)
        for frame in frames:
            key = _key(frame)
            if key not in self._entries:
                self._entries[key] = self._entry(frame)
                self.node.add(self._entries[key])

    def refer(self, relation: Relation, frame: FrameRef) -> Node:
        """The entry of an image, by reference."""
        return refer(relation, self._entries[_key(frame)])

    def side(self, frame: FrameRef) -> str:
        """Code value of the side that an image shows; empty where nobody knows it."""
        return self._sides.get(_key(frame), "")

    def _entry(self, frame: FrameRef) -> Node:
        header = self._report.by_uid[frame.sop_instance_uid].header
        shown = self._cad.shows(frame)
        side = shown.side or _side(header, self._cad.report)
        self._sides[_key(frame)] = "" if side is None else side.value
        return image(CONTAINS, frame).add(
            None if side is None else code(ACQ, terms.IMAGE_SIDE, side),
            _view(header, shown.view, *VIEWS[self._cad.report]),
            *_when(header),
            *_spacing(header),
            *(_slice(header) if self._cad.report is CadReport.CHEST else ()),
        )


def _key(frame: FrameRef) -> tuple[str, int | None]:
    return frame.sop_instance_uid, frame.frame


def _side(header: Dataset, report: CadReport) -> Code | None:
    letter = str(header.get("ImageLaterality", "") or "")
    return (terms.BREASTS if report is CadReport.MAMMOGRAPHY else terms.SIDES).get(letter)


def _view(header: Dataset, shown: Code | None, views: int, modifiers: int) -> Node | None:
    """The view that an image was analysed as, else as its attributes tell it, with modifiers."""
    item = next(iter(header.get("ViewCodeSequence") or []), None)
    view = shown or _code(item, views)
    if view is None:
        return None
    said = [] if item is None else item.get("ViewModifierCodeSequence") or []
    made = (_code(one, modifiers) for one in said)
    below = [code(MOD, terms.IMAGE_VIEW_MODIFIER, one) for one in made if one is not None]
    return code(ACQ, terms.IMAGE_VIEW, view).add(*below)


def _code(item: Dataset | None, group: int) -> Code | None:
    """A code of a header as the context group has it, else as it stands; None where broken."""
    if item is None:
        return None
    value, scheme, meaning = (
        str(item.get(name, "") or "").strip()
        for name in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
    )
    if not (0 < len(value) <= 16 and 0 < len(scheme) <= 16 and 0 < len(meaning) <= 64):
        return None
    given = Code(value=value, scheme=scheme, meaning=meaning)
    return terms.known(given, group) or given


def _when(header: Dataset) -> Iterator[Node | None]:
    """How the image lies, and when it was made."""
    row, column = _texts(header, "PatientOrientation", 2) or ("", "")
    if row and column:
        yield text(ACQ, terms.ORIENTATION_ROW, row)
        yield text(ACQ, terms.ORIENTATION_COLUMN, column)
    yield date(ACQ, terms.STUDY_DATE, str(header.get("StudyDate", "") or ""))
    yield time(ACQ, terms.STUDY_TIME, str(header.get("StudyTime", "") or ""))
    yield date(ACQ, terms.CONTENT_DATE, str(header.get("ContentDate", "") or ""))
    yield time(ACQ, terms.CONTENT_TIME, str(header.get("ContentTime", "") or ""))


def _spacing(header: Dataset) -> Iterator[Node]:
    """Of the detector where it is told (0018,1164), else of the image (0028,0030), in mm."""
    spacing = _numbers(header, "ImagerPixelSpacing", 2) or _numbers(header, "PixelSpacing", 2)
    if spacing and min(spacing) > 0:
        yield number(ACQ, terms.HORIZONTAL_SPACING, spacing[1], MM)
        yield number(ACQ, terms.VERTICAL_SPACING, spacing[0], MM)


def _slice(header: Dataset) -> Iterator[Node]:
    """Where a slice lies in the patient.

    The frame of reference is left out: a Chest CAD SR has no UID in the acquisition context of
    an image (PS3.3 table A.35.6-2).
    """
    thickness = _numbers(header, "SliceThickness", 1)
    if thickness:
        yield number(ACQ, terms.SLICE_THICKNESS, thickness[0], MM)
    for name, concepts, unit in (
        ("ImagePositionPatient", terms.POSITION, MM),
        ("ImageOrientationPatient", terms.ORIENTATION, terms.COSINE),
    ):
        for concept, value in zip(concepts, _numbers(header, name, len(concepts)), strict=False):
            yield number(ACQ, concept, value, unit)
    size = [*_numbers(header, "Rows", 1), *_numbers(header, "Columns", 1)]
    if len(size) == 2:
        yield number(ACQ, terms.ROWS, size[0], terms.PIXELS)
        yield number(ACQ, terms.COLUMNS, size[1], terms.PIXELS)


def _texts(header: Dataset, keyword: str, count: int) -> list[str]:
    """Values of an attribute; nothing where there are not so many."""
    value = header.get(keyword)
    several = isinstance(value, Sequence) and not isinstance(value, str)
    values = list(value) if several else [value]
    return [str(one) for one in values] if value is not None and len(values) == count else []


def _numbers(header: Dataset, keyword: str, count: int) -> list[float]:
    try:
        return [float(one) for one in _texts(header, keyword, count)]
    except ValueError:
        return []
