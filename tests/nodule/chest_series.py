"""Small chest series: 48 x 48 pixels of 7 mm, lungs in the middle of the scan."""

from __future__ import annotations

from typing import Any

import numpy as np
from ct_images import ct_slice
from pydicom import Dataset

from gransk.core.keys import uid
from gransk.core.study import Instance, Study

SIZE, PIXEL_MM = 48, 7.0


def chest_pixels(lungs: bool = True) -> np.ndarray:
    """Stored values with intercept -1024: air, a body, and two lungs where wanted."""
    at = (np.arange(SIZE) - (SIZE - 1) / 2) * PIXEL_MM
    x, y = at[None, :], at[:, None]
    hu = np.full((SIZE, SIZE), -1000.0)
    hu[(x / 155) ** 2 + (y / 110) ** 2 < 1] = 40
    if lungs:
        for side in (-1, 1):
            hu[((x - 65 * side) / 45) ** 2 + (y / 70) ** 2 < 1] = -850
    return (hu + 1024).astype(np.uint16)


def chest_series(
    name: str,
    number: int = 2,
    length_mm: float = 200,
    spacing: float = 2.5,
    lungs: bool = True,
    start_mm: float = 0,
    **changes: Any,
) -> list[Dataset]:
    """A series whose slices all show the same."""
    pixels = chest_pixels(lungs)
    changes = {"SliceThickness": spacing, "PixelSpacing": [PIXEL_MM, PIXEL_MM],
               "SeriesNumber": number, "SeriesDescription": name} | changes  # fmt: skip
    return [
        ct_slice(k, z=start_mm + spacing * k, pixels=pixels, series=name, **changes)
        for k in range(round(length_mm / spacing))
    ]


def study(*series: list[Dataset]) -> Study:
    return Study.from_instances(Instance(ds, lambda ds=ds: ds) for one in series for ds in one)


def series_uid(name: str) -> str:
    return uid("test series", name)
