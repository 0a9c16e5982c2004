"""The Chinese Mammography Database (TCIA, doi 10.7937/tcia.eqde-4b16) as it ships.

``CMMD_clinicaldata_revision.xlsx`` has a row for each breast with a lesion: ``ID1`` (the DICOM
Patient ID, ``D1-0001`` or ``D2-0001``), ``LeftRight`` (``L``, ``R``), ``Age``, ``number``,
``abnormality`` (``mass``, ``calcification``, ``both``), ``classification`` (``Benign``,
``Malignant``, by biopsy), ``subtype``. Images lie below ``CMMD/``, in folders that the retriever
names; side and view stand in Image Laterality and View Code Sequence. Columns and layout were read
in public programs that use it, among them
``fuseimg/datasets/cmmd.py`` of github.com/BiomedSciAI/fuse-med-ml.

There are no boxes: a film tells whether its breast has a malignant lesion, not where. A film trains
the opinion of the whole film alone. Breasts without a row are left out: nobody said what they are.
"""

from __future__ import annotations

import csv
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

from mammo.marks.mark import Kind
from training.mammo.dicom_images import header, side_and_view, size, spacing_mm
from training.mammo.films import Film

TABLE = "CMMD_clinicaldata_revision"
_KINDS = {
    "mass": (str(Kind.MASS),),
    "calcification": (str(Kind.CALCIFICATIONS),),
    "both": (str(Kind.MASS), str(Kind.CALCIFICATIONS)),
}
_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def cmmd(folder: Path, untold_spacing_mm: float | None = None) -> list[Film]:
    """Films of breasts with a biopsy, in the order of their paths.

    Parameters
    ----------
    folder : Path
        Holds the table (``.xlsx``, or saved as ``.csv``) and the images at any depth.
    untold_spacing_mm : float, optional
        Of images that do not tell.

    Raises
    ------
    FileNotFoundError
        Where the table is not there.
    ValueError
        Where an image does not tell its spacing and none is given.
    """
    known = {(row["ID1"].strip(), row["LeftRight"].strip()): row for row in _table(folder)}
    films = []
    for path in sorted(folder.rglob("*.dcm")):
        told = header(path)
        patient = str(told.get("PatientID", "")).strip()
        side, view = side_and_view(told)
        row = known.get((patient, side))
        if row is None or not view:
            continue
        spacing = spacing_mm(told) or untold_spacing_mm
        if spacing is None:
            raise ValueError(f"CMMD: {path.name} of {patient} tells no spacing: give one")
        films.append(
            Film(
                key=f"{patient}_{side}_{view}_{path.stem}",
                patient=patient,
                exam=str(told.get("StudyInstanceUID", patient)),
                side=side,
                view=view,
                density=0,
                assessment=0,
                malignant=row["classification"].strip() == "Malignant",
                shapes="",
                margins="",
                boxes=(),
                shape=size(told),
                spacing_mm=spacing,
                scanner=str(told.get("Manufacturer", ""))[:1],
                image=path,
                kinds=_KINDS[row["abnormality"].strip().lower()],
                marked=False,
            )
        )
    return films


def _table(folder: Path) -> list[dict[str, str]]:
    for path in (folder / f"{TABLE}.xlsx", folder / f"{TABLE}.csv"):
        if path.is_file():
            return _sheet(path) if path.suffix == ".xlsx" else _csv(path)
    raise FileNotFoundError(f"{TABLE}.xlsx is not in the folder: TCIA ships it beside the images")


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def _sheet(path: Path) -> list[dict[str, str]]:
    """Rows of the first sheet by the names in its first row (ECMA-376 part 1, 18.3)."""
    with zipfile.ZipFile(path) as book:
        shared: list[str] = []
        if "xl/sharedStrings.xml" in book.namelist():
            root = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
            shared = [_text(item) for item in root.iter(f"{_SHEET}si")]
        sheets = sorted(
            n for n in book.namelist() if re.fullmatch(r"xl/worksheets/sheet\d+.xml", n)
        )
        root = ElementTree.fromstring(book.read(sheets[0]))
    rows = []
    for row in root.iter(f"{_SHEET}row"):
        cells = {}
        for cell in row.iter(f"{_SHEET}c"):
            column = re.sub(r"\d", "", cell.get("r", ""))
            cells[column] = _value(cell, shared)
        rows.append(cells)
    names = rows[0]
    return [
        {name: row.get(column, "") for column, name in names.items()} for row in rows[1:] if row
    ]


def _value(cell: ElementTree.Element, shared: list[str]) -> str:
    if cell.get("t") == "inlineStr":
        return _text(cell)
    value = cell.findtext(f"{_SHEET}v", "")
    return shared[int(value)] if cell.get("t") == "s" else value


def _text(element: ElementTree.Element) -> str:
    return "".join(part.text or "" for part in element.iter(f"{_SHEET}t"))
