"""DICOM images of research archives, by the reader of the application."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, dcmread

from gransk.core.errors import RefusalError
from gransk.core.study import Instance
from mammo.exam.attributes import said
from mammo.exam.view_codes import ViewName
from mammo.image.pixels import SpacingSource, displayed, pixel_spacing


def is_dicom(path: Path) -> bool:
    """By its name, as archives name their files."""
    return path.suffix.lower() in (".dcm", ".dicom")


def header(path: Path) -> Dataset:
    """Everything but the pixels."""
    return dcmread(path, stop_before_pixels=True)


def shown(path: Path) -> npt.NDArray[np.float32]:
    """Pixels as displayed, 0 to 1, dense tissue bright, as they lie in the file."""
    return displayed(Instance(header(path), lambda: dcmread(path)))


def size(dataset: Dataset) -> tuple[int, int]:
    """Rows and columns."""
    return int(dataset.Rows), int(dataset.Columns)


def spacing_mm(dataset: Dataset) -> float | None:
    """Between rows in the breast's plane, or None where the image does not tell it."""
    try:
        (down, _), source = pixel_spacing(dataset)
    except RefusalError:
        return None
    return None if source is SpacingSource.ASSUMED else down


def side_and_view(dataset: Dataset) -> tuple[str, str]:
    """``R`` or ``L``, and ``CC`` or ``MLO``; empty where it does not tell."""
    spoken = said(dataset)
    view = spoken.view if spoken.view in (ViewName.CC, ViewName.MLO) else None
    return str(spoken.laterality or ""), str(view or "")
