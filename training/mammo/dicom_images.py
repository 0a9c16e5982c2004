"""DICOM images of research archives: pixels as displayed, size, side and view.

Archives are read with fewer doubts than a site's images are (`mammo`): their files are known.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, dcmread
from pydicom.pixels import apply_modality_lut, apply_voi_lut

FILM_HEIGHT_MM = 240.0
"""Of the smaller film, 18 cm x 24 cm: where a scanned film does not tell its spacing."""
_VIEWS = {"399162004": "CC", "R-10242": "CC", "399368009": "MLO", "R-10226": "MLO"}


def is_dicom(path: Path) -> bool:
    """By its name, as archives name their files."""
    return path.suffix.lower() in (".dcm", ".dicom")


def header(path: Path) -> Dataset:
    """Everything but the pixels."""
    return dcmread(path, stop_before_pixels=True)


def shown(path: Path) -> npt.NDArray[np.float32]:
    """Pixels as displayed, dense tissue bright; any range."""
    dataset = dcmread(path)
    values = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset)
    pixels = np.asarray(values, dtype=np.float32)
    return pixels.max() - pixels if dataset.PhotometricInterpretation == "MONOCHROME1" else pixels


def size(dataset: Dataset) -> tuple[int, int]:
    """Rows and columns."""
    return int(dataset.Rows), int(dataset.Columns)


def spacing_mm(dataset: Dataset) -> float | None:
    """Of its pixels (PS3.3 10.7.1), or None where it does not tell."""
    for keyword in ("ImagerPixelSpacing", "PixelSpacing", "NominalScannedPixelSpacing"):
        value = dataset.get(keyword)
        if value:
            return float(value[0])
    return None


def side_and_view(dataset: Dataset) -> tuple[str, str]:
    """``R`` or ``L``, and ``CC`` or ``MLO``; empty where it does not tell."""
    side = str(dataset.get("ImageLaterality") or dataset.get("Laterality") or "").strip().upper()
    view = str(dataset.get("ViewPosition") or "").strip().upper()
    for item in dataset.get("ViewCodeSequence") or ():
        view = _VIEWS.get(str(item.get("CodeValue", "")), view)
    return side if side in ("R", "L") else "", view if view in ("CC", "MLO") else ""
