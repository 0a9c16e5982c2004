"""Pictures as pages draw them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from gransk.core.application import Picture
from gransk.core.findings import Finding
from gransk.results.dicom.overview import number_of

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
    names : tuple of (float, float, str)
        What stands beside outlines, and where, in the picture's pixels.
    points : tuple of (float, float, str)
        Where people pointed, in the picture's pixels, and who.
    """

    number: int
    columns: int
    rows: int
    outlines: tuple[str, ...]
    bar: float | None
    caption: str
    names: tuple[tuple[float, float, str], ...] = ()
    points: tuple[tuple[float, float, str], ...] = ()


@dataclass(frozen=True)
class Hung:
    """A place of the application's layout; ``view`` is None where its image is not there."""

    role: str
    image: str = ""
    view: View | None = None


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
        outlines=tuple(_svg(line) for line in picture.outlines),
        bar=BAR_MM / picture.spacing_mm if picture.spacing_mm else None,
        caption=picture.caption.get(language, ""),
    )


def hung(
    layout: Sequence[Sequence[str]],
    pictures: Sequence[Picture],
    findings: Sequence[Finding],
    language: str,
) -> list[list[Hung]]:
    """Every place of a layout with its picture, and the findings over it; none without any."""
    found = {p.role: (n, p) for n, p in reversed(list(enumerate(pictures))) if p.placed}
    if not found:
        return []
    return [
        [
            _hung(role, *found[role], findings, language) if role in found else Hung(role)
            for role in row
        ]
        for row in layout
    ]


def _hung(
    role: str, index: int, picture: Picture, findings: Sequence[Finding], language: str
) -> Hung:
    placed = picture.placed
    if placed is None:
        return Hung(role)
    lines = [
        (finding, line)
        for finding in findings
        for region in finding.regions
        if (line := placed.outline(region))
    ]
    view = replace(
        view_of(index, picture, language),
        outlines=tuple(_svg(line) for _, line in lines),
        names=tuple(
            (max(x for x, _ in line), min(y for _, y in line), number_of(finding))
            for finding, line in lines
        ),
    )
    return Hung(role, placed.sop_instance_uid, view)


def _svg(line: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{column:.2f},{row:.2f}" for column, row in line)
