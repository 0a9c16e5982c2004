"""Kinds of DICOM object that a report can be written as."""

from __future__ import annotations

from enum import StrEnum


class ObjectKind(StrEnum):
    """A view of the one finding model as a DICOM object."""

    SR = "SR"
    """Structured report, TID 1500 (or text alone where nothing was found)."""
    SEG = "SEG"
    """Segmentation, where findings have masks."""
    SC = "SC"
    """Summary pages as Secondary Capture."""
    CAD = "CAD"
    """Mammography CAD SR (TID 4000) or Chest CAD SR (TID 4100)."""
    PR = "PR"
    """Grayscale Softcopy Presentation State: graphics and text over the images."""
    PDF = "PDF"
    """Encapsulated PDF of the report."""
    KO = "KO"
    """Key Object Selection of the images with findings."""
