"""Pictures as pages draw them."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from gransk.core.application import Picture

BAR_MM = 10.0


@dataclass(frozen=True)
class View:
    """One picture of a finding, as the page draws it.

    Parameters
    ----------
    number : int
        Among the pictures that were sealed with it, from 0.
    columns, rows : int
    outlines : tuple of str
        Polygons as SVG's ``points``, in the picture's pixels.
    bar : float, optional
        Length of 10 mm in the picture's pixels.
    caption : str
    """

    number: int
    columns: int
    rows: int
    outlines: tuple[str, ...]
    bar: float | None
    caption: str


def png(picture: Picture) -> bytes:
    """The picture's pixels as a file, without outlines."""
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(picture.pixels, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def view_of(index: int, picture: Picture, language: str) -> View:
    """A picture with what is drawn over it."""
    rows, columns = np.asarray(picture.pixels).shape[:2]
    return View(
        number=index,
        columns=columns,
        rows=rows,
        outlines=tuple(
            " ".join(f"{column:.2f},{row:.2f}" for column, row in line) for line in picture.outlines
        ),
        bar=BAR_MM / picture.spacing_mm if picture.spacing_mm else None,
        caption=picture.caption.get(language, ""),
    )
