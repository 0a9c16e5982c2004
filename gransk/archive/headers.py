"""Orthanc's tags as a pydicom header, and which objects are input."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydicom import DataElement, Dataset, Sequence, config
from pydicom.datadict import dictionary_has_tag, dictionary_VM, dictionary_VR
from pydicom.dataset import FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import UID

from gransk.core.identity import MANUFACTURER

_CLASS = "1.2.840.10008.5.1.4.1.1."
SECONDARY_CAPTURE = (_CLASS + "7",)
NO_IMAGES = tuple(
    _CLASS + branch
    for branch in (
        "9",  # waveforms
        "11",  # presentation states
        "66",  # raw data, registration, fiducials, segmentation, surfaces
        "67",  # real world value mapping
        "68",  # surface scans
        "88",  # structured reports, dose reports, key objects
        "104",  # encapsulated documents
        "481",  # radiotherapy
    )
)
"""Branches of the storage classes that hold no image to analyse (PS3.4 B.5)."""

NO_INPUT_MODALITIES = frozenset({"SR", "SEG", "PR", "KO", "DOC"})

_DOSE_IMAGE_TYPES = frozenset({"SCREEN SAVE", "DOSE_INFO", "DOSE INFO", "CSA REPORT"})
_DOSE_DESCRIPTION = re.compile(
    r"\bdose (report|info|record|summary)|\bpatient protocol|\bdosisrapport", re.IGNORECASE
)
_BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_ONE_TEXT = frozenset({"LT", "ST", "UR", "UT"})
_NUMBERS = {"FL": float, "FD": float} | dict.fromkeys(("SL", "SS", "SV", "UL", "US", "UV"), int)
_JIS_X_0201 = frozenset({"ISO_IR 13", "ISO 2022 IR 13"})
_DEPTH = 12


def is_input(header: Dataset) -> bool:
    """May this object be input of an analysis?

    Never are structured reports, key objects, presentation states,
    segmentations and documents, pictures of a scanner's dose report, and what
    Gransk itself made.
    """
    sop_class = str(header.get("SOPClassUID", ""))
    if _within(sop_class, NO_IMAGES) or header.get("Modality", "") in NO_INPUT_MODALITIES:
        return False
    captured = _within(sop_class, SECONDARY_CAPTURE)
    if captured and str(header.get("Manufacturer", "")).strip() == MANUFACTURER:
        return False
    image_type = {str(value).upper() for value in _values(header.get("ImageType"))}
    if not captured and "DERIVED" not in image_type:
        return True
    return not (
        image_type & _DOSE_IMAGE_TYPES
        or _DOSE_DESCRIPTION.search(str(header.get("SeriesDescription", "")))
    )


Shared = dict[tuple[str, str], DataElement | None]
"""Elements by number and text: most are the same in every image of a study."""


def dataset(
    tags: Mapping[str, Any], transfer_syntax: str = "", shared: Shared | None = None
) -> Dataset:
    """A header from Orthanc's full tags (``/instances/{id}/tags``), to be read only.

    Binary values, private elements and values that do not fit their
    representation are left out.

    Parameters
    ----------
    tags : mapping
    transfer_syntax : str
        Written to the file meta information.
    shared : dict, optional
        Headers made with the same dict share their equal elements.
    """
    header = _dataset(_with_backslashes(tags), 0, {} if shared is None else shared)
    meta = FileMetaDataset()
    if transfer_syntax:
        meta.TransferSyntaxUID = UID(transfer_syntax)
    header.file_meta = meta
    return header


def _with_backslashes(tags: Mapping[str, Any]) -> Mapping[str, Any]:
    """Undo that Orthanc decodes what separates values in JIS X 0201 as a yen sign.

    There byte 5C, the separator in every character set, is drawn so (PS3.5 6.1.2.3).
    """
    entry = tags.get("0008,0005")
    names = entry.get("Value") if isinstance(entry, Mapping) else None
    first = re.split(r"[\\¥]", str(names))[0].strip()
    return _replaced(tags) if first in _JIS_X_0201 else tags


def _replaced(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("¥", "\\")
    if isinstance(value, list):
        return [_replaced(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _replaced(item) for key, item in value.items()}
    return value


def _dataset(tags: Mapping[str, Any], depth: int, shared: Shared) -> Dataset:
    result = Dataset()
    for number, entry in tags.items():
        element = _shared_element(number, entry, depth, shared)
        if element is not None:
            result.add(element)
    return result


def _shared_element(number: str, entry: Any, depth: int, shared: Shared) -> DataElement | None:
    value = entry.get("Value") if isinstance(entry, dict) else None
    if not isinstance(value, str):
        return _element(number, entry, depth, shared)
    key = (number, value)
    if key not in shared:
        shared[key] = _element(number, entry, depth, shared)
    return shared[key]


def _element(number: str, entry: Any, depth: int, shared: Shared) -> DataElement | None:
    try:
        tag = Tag(number.replace(",", ""))
        kind, value = entry["Type"], entry.get("Value")
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    if tag.is_private or not dictionary_has_tag(tag):
        return None
    representation = dictionary_VR(tag).split(" or ")[-1]
    if "US or SS" in dictionary_VR(tag):
        representation = "SS" if str(value or "").startswith("-") else "US"
    try:
        if kind == "Sequence" and representation == "SQ" and depth < _DEPTH:
            items = Sequence([_dataset(item, depth + 1, shared) for item in value])
            return DataElement(tag, "SQ", items)
        if kind != "String" or representation in _BINARY or representation == "SQ":
            return None
        parsed = _parsed(str(value), representation, dictionary_VM(tag))
        return DataElement(tag, representation, parsed, validation_mode=config.IGNORE)
    except (ValueError, TypeError, OverflowError, AttributeError):
        return None


def _parsed(text: str, representation: str, multiplicity: str) -> Any:
    if representation in _ONE_TEXT:
        return text
    parts: list[Any] = text.split("\\") if multiplicity != "1" else [text]
    if convert := _NUMBERS.get(representation):
        parts = [convert(part) for part in parts if part.strip()]
    elif representation == "AT":
        parts = [Tag(part.replace(",", "")) for part in parts if part.strip()]
    if not parts:
        return None
    return parts if len(parts) > 1 else parts[0]


def _within(uid: str, branches: tuple[str, ...]) -> bool:
    return any(uid == branch or uid.startswith(branch + ".") for branch in branches)


def _values(value: Any) -> list[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)
