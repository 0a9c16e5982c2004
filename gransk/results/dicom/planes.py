"""Where each analysed image lies in the patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom import Dataset


@dataclass(frozen=True)
class Plane:
    """The plane of one image or frame (PS3.3 C.7.6.2).

    Parameters
    ----------
    rows, columns : int
    position : (float, float, float)
        Centre of the top left pixel in mm, LPS.
    orientation : six floats
        Direction cosines of the rows and of the columns.
    spacing : (float, float)
        Between rows, between columns, in mm.
    thickness : float, optional
        In mm.
    """

    rows: int
    columns: int
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, float]
    thickness: float | None

    def to_image(self, lps_mm: tuple[float, float, float]) -> tuple[float, float, float]:
        """Column and row in DICOM image coordinates, and distance to the plane in mm."""
        delta = np.subtract(lps_mm, self.position)
        along_row, along_column = np.array(self.orientation[:3]), np.array(self.orientation[3:])
        return (
            float(delta @ along_row / self.spacing[1] + 0.5),
            float(delta @ along_column / self.spacing[0] + 0.5),
            float(abs(delta @ np.cross(along_row, along_column))),
        )


def plane(header: Dataset, frame: int | None = None) -> Plane | None:
    """Plane of an image, or of one frame (from 1) of a multi-frame image.

    Returns
    -------
    Plane or None
        None where the image does not say where it lies.
    """
    position = attribute(header, frame, "PlanePositionSequence", "ImagePositionPatient")
    orientation = attribute(header, frame, "PlaneOrientationSequence", "ImageOrientationPatient")
    spacing = attribute(header, frame, "PixelMeasuresSequence", "PixelSpacing")
    thickness = attribute(header, frame, "PixelMeasuresSequence", "SliceThickness")
    try:
        found = Plane(
            rows=int(header.Rows),
            columns=int(header.Columns),
            position=tuple(float(v) for v in position or ()),
            orientation=tuple(float(v) for v in orientation or ()),
            spacing=(float(spacing[0]), float(spacing[1])) if spacing else (0.0, 0.0),
            thickness=float(thickness) if thickness else None,
        )
    except (AttributeError, IndexError, TypeError, ValueError):
        return None
    complete = len(found.position) == 3 and len(found.orientation) == 6
    return found if complete and min(found.spacing) > 0 else None


def _groups(header: Dataset, frame: int | None) -> list[Dataset]:
    """Where an attribute may stand: the frame's groups, the shared ones, the top."""
    groups: list[Dataset] = []
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or []
    if frame is not None and 1 <= frame <= len(per_frame):
        groups.append(per_frame[frame - 1])
    groups.extend(header.get("SharedFunctionalGroupsSequence") or [])
    return [*groups, header]


def attribute(header: Dataset, frame: int | None, sequence: str, keyword: str) -> Any:
    """Value of an attribute of a frame, or what holds for the whole image; None without one.

    Parameters
    ----------
    sequence : str
        The functional group (PS3.3 C.7.6.16) that holds it in enhanced images.
    """
    for group in _groups(header, frame):
        for item in [*(group.get(sequence) or []), group]:
            if item.get(keyword) not in (None, ""):
                return item[keyword].value
    return None
