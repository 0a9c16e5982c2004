"""VinDr-Mammo (PhysioNet, doi 10.13026/br2v-7517) as it ships.

Layout and columns as its description says (Nguyen et al., Scientific Data 2023, doi
10.1038/s41597-023-02100-7; listed again in github.com/KP-AROB/AROB-VINDR-IMG)::

    breast-level_annotations.csv   study_id, series_id, image_id, laterality, view_position,
                                   height, width, breast_birads, breast_density, split
    finding_annotations.csv        the same, and finding_categories, finding_birads,
                                   xmin, ymin, xmax, ymax
    images/<study_id>/<image_id>.dicom

``breast_birads`` is ``BI-RADS 1`` to ``BI-RADS 5``, ``breast_density`` is ``DENSITY A`` to
``DENSITY D``, ``finding_categories`` is a list in Python's writing, ``split`` is ``training`` or
``test``. Readers boxed findings that were not benign (BI-RADS 3 to 5).

There is no pathology. Malignant is said by the breast's BI-RADS: true for 5 (95 % and more), false
for 1 and 2 (none), unknown for 3 and 4. It is an opinion of readers, not a diagnosis.
"""

from __future__ import annotations

import ast
import csv
from pathlib import Path

from mammo.marks.mark import Kind
from training.mammo.dicom_images import header, spacing_mm
from training.mammo.films import Box, Film

_KINDS = {
    "Mass": Kind.MASS,
    "Architectural Distortion": Kind.DISTORTION,
    "Asymmetry": Kind.ASYMMETRY,
    "Focal Asymmetry": Kind.ASYMMETRY,
    "Global Asymmetry": Kind.ASYMMETRY,
    "Suspicious Calcification": Kind.CALCIFICATIONS,
}
_MALIGNANT = {1: False, 2: False, 5: True}
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def vindr_mammo(folder: Path, split: str = "training") -> list[Film]:
    """Films of one split, in the order of ``breast-level_annotations.csv``.

    Raises
    ------
    FileNotFoundError
        Where a table or an image is not there.
    ValueError
        Where the split has no image, or an image does not tell its spacing.
    """
    found: dict[str, list[tuple[Box, Kind]]] = {}
    for row in _rows(folder / "finding_annotations.csv", split):
        found.setdefault(row["image_id"], []).extend(_boxes(row))
    films = [
        _film(folder, row, found.get(row["image_id"], []))
        for row in _rows(folder / "breast-level_annotations.csv", split)
    ]
    if not films:
        raise ValueError(f"VinDr-Mammo has no images of the split {split!r}: training or test")
    return films


def _rows(table: Path, split: str) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as stream:
        return [row for row in csv.DictReader(stream) if row["split"] == split]


def _boxes(row: dict[str, str]) -> list[tuple[Box, Kind]]:
    """A box for each kind that is said of it; none for findings of skin, nipple and nodes."""
    if not all(row[corner] for corner in _CORNERS):
        return []
    x0, y0, x1, y1 = (float(row[corner]) for corner in _CORNERS)
    # Some boxes reach over the image's edge.
    box = (max(0.0, x0), max(0.0, y0), min(float(row["width"]), x1), min(float(row["height"]), y1))
    said = ast.literal_eval(row["finding_categories"])
    return [(box, kind) for kind in dict.fromkeys(_KINDS[s] for s in said if s in _KINDS)]


def _film(folder: Path, row: dict[str, str], found: list[tuple[Box, Kind]]) -> Film:
    image = folder / "images" / row["study_id"] / f"{row['image_id']}.dicom"
    told = header(image)
    spacing = spacing_mm(told)
    if spacing is None:
        raise ValueError(f"VinDr-Mammo image {row['image_id']} does not tell its pixel spacing")
    assessment = int(row["breast_birads"].split()[-1])
    return Film(
        key=row["image_id"],
        patient=row["study_id"],
        exam=row["study_id"],
        side=row["laterality"],
        view=row["view_position"],
        density="ABCD".index(row["breast_density"].split()[-1]) + 1,
        assessment=assessment,
        malignant=_MALIGNANT.get(assessment),
        shapes="",
        margins="",
        boxes=tuple(box for box, _ in found),
        shape=(int(row["height"]), int(row["width"])),
        spacing_mm=spacing,
        scanner=str(told.get("Manufacturer", ""))[:1],
        image=image,
        kinds=tuple(str(kind) for _, kind in found),
    )
