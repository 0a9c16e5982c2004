"""Whole chest CT scans from folders of DICOM files, for training and benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom

from gransk.core.errors import InvalidValueError
from gransk.core.volume import Geometry, Volume


def load(folder: Path) -> Volume:
    """Read one axial series, sorted feet to head, in HU.

    Parameters
    ----------
    folder : Path
        Holds the files of one series.

    Raises
    ------
    InvalidValueError
        Where the folder holds fewer than two images.
    """
    images = [pydicom.dcmread(f) for f in sorted(folder.glob("*.dcm"))]
    images = [d for d in images if "ImagePositionPatient" in d]
    if len(images) < 2:
        raise InvalidValueError("folder", str(folder), "a series of CT images")
    images.sort(key=lambda d: float(d.ImagePositionPatient[2]))
    hu = np.stack(
        [
            d.pixel_array * np.float32(d.RescaleSlope) + np.float32(d.RescaleIntercept)
            for d in images
        ]
    )
    hu = np.maximum(hu, np.float32(-1024)).astype(np.float32)
    z = [float(d.ImagePositionPatient[2]) for d in images]
    row, column = (float(v) for v in images[0].PixelSpacing)
    x, y, _ = (float(v) for v in images[0].ImagePositionPatient)
    spacing = (float(np.median(np.diff(z))), row, column)
    return Volume(hu, Geometry((hu.shape[0], hu.shape[1], hu.shape[2]), (x, y, z[0]), spacing))
