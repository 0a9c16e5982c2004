"""CBIS-DDSM (TCIA, doi 10.7937/K9/TCIA.2016.7O02S9CY) as it ships.

Tables ``{mass,calc}_case_description_{train,test}_set.csv``, a row for each lesion on a film:
``patient_id``, ``breast_density`` (mass) or ``breast density`` (calc), ``left or right breast``,
``image view``, ``abnormality id``, ``abnormality type``, ``mass shape`` and ``mass margins``, or
``calc type`` and ``calc distribution``, ``assessment``, ``pathology`` (``MALIGNANT``, ``BENIGN``,
``BENIGN_WITHOUT_CALLBACK``), ``subtlety``, ``image file path``, ``cropped image file path``,
``ROI mask file path``. A path begins with the case's folder, ``Mass-Training_P_00001_LEFT_CC`` for
the film and ``Mass-Training_P_00001_LEFT_CC_1`` for the first lesion, then come Study and Series
Instance UID. The retriever names the inner folders otherwise
(``08-07-2016-DDSM-23157/1.000000-full mammogram images-38548/1-1.dcm``), so a file is looked for
below the case's folder, and the mask told from the cropped image by its size, which is the film's:
file names of the two are swapped in some cases. Layouts and columns were read in public programs
and notebooks that use the archive.

Films do not tell their spacing; a height of 24 cm is taken. By the native spacing that is known for
the mass training films, their heights are 222 to 253 mm in the median of each scanner, and 197 to
297 mm from the lowest to the highest tenth: sizes may be wrong by a fifth.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

from mammo.image.pixels import FILM_HEIGHT_MM
from mammo.marks.mark import Kind
from training.mammo.dicom_images import header, shown, size, spacing_mm
from training.mammo.films import Box, Film

Row = dict[str, str]

_KINDS = {"mass": Kind.MASS, "calcification": Kind.CALCIFICATIONS}
_TABLES = {"mass": "mass", "calcification": "calc"}


def cbis_ddsm(
    folder: Path,
    part: str = "train",
    lesions: tuple[str, ...] = ("mass", "calcification"),
    outlines: Path | None = None,
) -> list[Film]:
    """Films of one part, one for each film, with all its lesions.

    Parameters
    ----------
    folder : Path
        Holds the tables, and the cases' folders at any depth.
    part : str
        ``train``; ``test`` are the official test films: never to train or tune on.
    lesions : tuple of str
        ``mass``, ``calcification``.
    outlines : Path, optional
        A folder to which each film's outlines are written as one PNG, from its masks.

    Raises
    ------
    FileNotFoundError
        Where a table, a film or a mask is not there.
    """
    films: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    kept_back = _patients(folder, "test") if part == "train" else set[str]()
    for lesion in lesions:
        for row in _rows(_table(folder, lesion, part)):
            # Patients of the official test films train nothing, whichever table they are in.
            if row["patient_id"] not in kept_back:
                films[row["patient_id"], row["side"], row["view"]].append(row)
    if not films:
        raise FileNotFoundError(f"CBIS-DDSM: no film of the part {part!r} in the tables")
    cases = _cases(folder)
    return [_film(rows, cases, outlines) for _, rows in sorted(films.items())]


def _table(folder: Path, lesion: str, part: str) -> Path:
    name = f"{_TABLES[lesion]}_case_description_{part}_set.csv"
    found = sorted(folder.rglob(name))
    if not found:
        raise FileNotFoundError(f"CBIS-DDSM: {name} is not in the folder; TCIA ships it apart")
    return found[0]


def _patients(folder: Path, part: str) -> set[str]:
    """Of the tables that are there."""
    return {
        row["patient_id"]
        for name in _TABLES.values()
        for table in folder.rglob(f"{name}_case_description_{part}_set.csv")
        for row in _rows(table)
    }


def _rows(table: Path) -> list[Row]:
    """Rows with one name for each column, and paths without the line breaks that some have."""
    rows = []
    with table.open(encoding="utf-8", newline="") as stream:
        for told in csv.DictReader(stream):
            row = {name.strip(): (value or "").strip() for name, value in told.items()}
            row["density"] = row.get("breast_density") or row.get("breast density") or "0"
            row["side"], row["view"] = row["left or right breast"], row["image view"]
            rows.append(row)
    return rows


def _cases(folder: Path) -> dict[str, list[Path]]:
    """Files of each case's folder."""
    cases: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*.dcm")):
        for parent in path.relative_to(folder).parts[:-1]:
            if parent.startswith(("Mass-", "Calc-")):
                cases[parent].append(path)
                break
    return cases


def _film(rows: list[Row], cases: dict[str, list[Path]], outlines: Path | None) -> Film:
    first = rows[0]
    key = f"{first['patient_id']}_{first['side']}_{first['view']}"
    image = _files(cases, first["image file path"])[0]
    told = header(image)
    shape = size(told)
    boxes, kinds = [], []
    whole = np.zeros(shape, dtype=bool)
    for row in rows:
        inside = _mask(_files(cases, row["ROI mask file path"]), shape)
        if not inside.any():
            raise FileNotFoundError(
                f"CBIS-DDSM: no mask for lesion {row['abnormality id']} of {key}"
            )
        boxes.append(_box(inside))
        kinds.append(str(_KINDS[row["abnormality type"]]))
        whole |= inside
    masses = [row for row in rows if row["abnormality type"] == "mass"]
    return Film(
        key=key,
        patient=first["patient_id"],
        exam=first["patient_id"],
        side=first["side"][0],
        view=first["view"],
        density=int(first["density"]),
        assessment=max(int(row["assessment"]) for row in rows),
        malignant=any(row["pathology"] == "MALIGNANT" for row in rows),
        shapes="|".join(row["mass shape"] for row in masses),
        margins="|".join(row["mass margins"] for row in masses),
        boxes=tuple(boxes),
        shape=shape,
        spacing_mm=spacing_mm(told) or FILM_HEIGHT_MM / shape[0],
        scanner="",
        image=image,
        outlines=_written(whole, outlines / f"{key}.png") if outlines else None,
        kinds=tuple(kinds),
    )


def _files(cases: dict[str, list[Path]], told: str) -> list[Path]:
    """Files of the case that a path of the table begins with."""
    case = told.split("/")[0]
    if not cases.get(case):
        raise FileNotFoundError(f"CBIS-DDSM: no DICOM file below a folder {case}")
    return cases[case]


def _mask(files: list[Path], shape: tuple[int, int]) -> np.ndarray:
    """The lesion in the film's pixels: of the lesion's files, the one of the film's size."""
    sizes = {path: np.array(size(header(path))) for path in files}
    near = min(files, key=lambda path: int(np.abs(sizes[path] - shape).sum()))
    mask = shown(near) > 0
    if mask.shape != shape:
        # A few masks are a little smaller or larger than their film.
        pixels = Image.fromarray(mask).resize((shape[1], shape[0]), Image.Resampling.NEAREST)
        mask = np.asarray(pixels)
    return mask


def _box(inside: np.ndarray) -> Box:
    rows, columns = np.nonzero(inside.any(axis=1))[0], np.nonzero(inside.any(axis=0))[0]
    return (
        float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1),
    )  # fmt: skip


def _written(inside: np.ndarray, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(inside.astype(np.uint8) * 255).save(path)
    return path
