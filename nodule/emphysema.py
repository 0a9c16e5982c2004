"""The share of lung below -950 HU, which is offered to a person as a sign of emphysema.

The threshold is that of Gevenois 1995 (Am J Respir Crit Care Med 152:653), the only one of
eight whose areas did not differ from the emphysema of the resected lung, on thin slices of a
sharp kernel. Slice thickness (PMC12789179), kernel (Gallardo-Estrella 2016, Eur Radiol 26:478)
and noise change it, so that no limit is set and no answer follows from it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gransk.core.codes import PERCENT, Code
from gransk.core.errors import InvalidValueError
from gransk.core.findings import Measurement, Note
from nodule.kernels import kernel_class

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

NAME = "lung_below_950_hu_percent"
CONCEPT = Code(value="LUNG-BELOW-950", scheme="99GRANSK", meaning="Share of lung below -950 HU")
THRESHOLD_HU = -950.0
# Thicker slices hide small areas in the tissue beside them.
THICKEST_MM = 1.5
SHARP = ("lung", "bone")


def share_below(hu: FloatArray, lungs: BoolArray) -> float:
    """Share of the lungs below -950 HU, %; their large airways count as lung.

    Parameters
    ----------
    hu : ndarray of float32, shape (slices, rows, columns)
    lungs : ndarray of bool, same shape

    Raises
    ------
    InvalidValueError
        Where there are no lungs, or the shapes differ.
    """
    if hu.shape != lungs.shape or not lungs.any():
        raise InvalidValueError("lungs", lungs.shape, f"lungs in the shape {hu.shape}")
    below = total = 0
    for plane, inside in zip(hu, lungs, strict=True):
        below += int(np.count_nonzero(plane[inside] < THRESHOLD_HU))
        total += int(np.count_nonzero(inside))
    return 100 * below / total


def measurement(hu: FloatArray, lungs: BoolArray) -> Measurement:
    """The share as a measurement of the study."""
    return Measurement(
        name=NAME, concept=CONCEPT, unit=PERCENT, value=round(share_below(hu, lungs), 2),
        method="lungs with their large airways",
    )  # fmt: skip


def cautions(thickness_mm: float, kernel: str) -> tuple[Note, ...]:
    """What makes the share of a series doubtful.

    Parameters
    ----------
    thickness_mm : float
        Of a slice.
    kernel : str
        As the scanner wrote it.
    """
    found = []
    if thickness_mm > THICKEST_MM:
        values: dict[str, str | float | int] = {"thickness_mm": f"{thickness_mm:g}"}
        found.append(Note(code="emphysema_thick_slices", values=values))
    kind = kernel_class(kernel)
    if kind in SHARP:
        found.append(Note(code="emphysema_sharp_kernel"))
    elif kind == "unknown":
        found.append(Note(code="emphysema_kernel_unknown"))
    return tuple(found)
