"""How an image says that its pixels are shown: what a presentation state has to repeat."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.filewriter import correct_ambiguous_vr

from gransk.results.dicom.planes import attribute

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
"""VOI LUT Function (PS3.3 C.11.2.1.3)."""


@dataclass(frozen=True)
class Display:
    """Display of a grey image or frame.

    Parameters
    ----------
    modality : Dataset
        The Modality LUT (PS3.3 C.11.1): a table, or rescale; empty where the image has none.
    voi : Dataset, optional
        The first table or window (C.11.2); None where the image has none.
    inverse : bool
        The smallest value is white (MONOCHROME1).
    common : tuple
        Equal in images that one presentation state can show.
    """

    modality: Dataset
    voi: Dataset | None
    inverse: bool
    common: tuple[Any, ...]


def display(header: Dataset, frame: int | None = None) -> Display | None:
    """How an image or one of its frames (from 1) is shown; None where it is not grey."""
    grey = str(header.get("PhotometricInterpretation", ""))
    if grey not in ("MONOCHROME1", "MONOCHROME2"):
        return None
    modality = _modality(header, frame)
    common = (
        int(header.Rows),
        int(header.Columns),
        grey,
        modality.to_json(),
        pixel_spacing(header, frame),
    )
    return Display(modality, _voi(header, frame), grey == "MONOCHROME1", common)


def pixel_spacing(header: Dataset, frame: int | None = None) -> tuple[float, float] | None:
    """Between rows and between columns in mm, in the patient or at the detector, if it is told."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        found = _numbers(attribute(header, frame, "PixelMeasuresSequence", keyword))
        if len(found) == 2 and min(found) > 0:
            return found[0], found[1]
    return None


def _modality(header: Dataset, frame: int | None) -> Dataset:
    made = Dataset()
    table = _table(header, header.get("ModalityLUTSequence"))
    if table is not None:
        made.ModalityLUTSequence = [table]
        return made
    group = "PixelValueTransformationSequence"
    slope = _numbers(attribute(header, frame, group, "RescaleSlope"))
    intercept = _numbers(attribute(header, frame, group, "RescaleIntercept"))
    if slope and intercept and slope[0]:
        made.RescaleIntercept, made.RescaleSlope = _written(intercept[0]), _written(slope[0])
        unit = str(attribute(header, frame, group, "RescaleType") or "")
        made.RescaleType = unit or ("HU" if header.get("Modality") == "CT" else "US")
    return made


def _voi(header: Dataset, frame: int | None) -> Dataset | None:
    made = Dataset()
    table = _table(header, header.get("VOILUTSequence"))
    if table is not None:
        made.VOILUTSequence = [_widened(table)]
        return made
    group = "FrameVOILUTSequence"
    centre = _numbers(attribute(header, frame, group, "WindowCenter"))
    width = _numbers(attribute(header, frame, group, "WindowWidth"))
    if not centre or not width or width[0] <= 0:
        return None
    made.WindowCenter, made.WindowWidth = _written(centre[0]), _written(width[0])
    function = str(attribute(header, frame, group, "VOILUTFunction") or "")
    if function in FUNCTIONS:
        made.VOILUTFunction = function
    return made


def _table(header: Dataset, tables: Any) -> Dataset | None:
    """The first table of a sequence, its values as the image's pixels are."""
    if not tables:
        return None
    alone = Dataset()
    alone.PixelRepresentation = header.get("PixelRepresentation", 0)
    alone.VOILUTSequence = [copy.deepcopy(tables[0])]
    correct_ambiguous_vr(alone, is_little_endian=True)
    table = Dataset()
    for keyword in ("LUTDescriptor", "LUTExplanation", "ModalityLUTType", "LUTData"):
        if keyword in alone.VOILUTSequence[0]:
            table.add(alone.VOILUTSequence[0][keyword])
    return table if "LUTDescriptor" in table and "LUTData" in table else None


def _widened(table: Dataset) -> Dataset:
    """The same curve in 16 bits: beside 8, what a presentation state's table may have."""
    count, first, bits = (int(n) for n in table.LUTDescriptor)
    if bits in (8, 16):
        return table
    data = table.LUTData
    stored = np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.array(data)
    wide = np.rint(stored * (65535 / (2**bits - 1))).clip(0, 65535).astype("<u2")
    table["LUTDescriptor"].value = [count, first, 16]
    table.add_new("LUTData", "OW", wide.tobytes())
    return table


def _numbers(value: Any) -> list[float]:
    """Numbers of one or several values; empty where one is none."""
    given = [value] if isinstance(value, (str, float, int)) else list(value or ())
    try:
        return [float(one) for one in given]
    except (TypeError, ValueError):
        return []


def _written(number: float) -> str:
    """As Decimal String (PS3.5 6.2), 16 bytes at most."""
    return f"{number:.10g}"
