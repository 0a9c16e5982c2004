"""Archives as they ship: tables and folders of that layout, with drawn breasts in them."""

from __future__ import annotations

import argparse
import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from archive_objects import write_image, write_sheet
from drawn import breast

from mammo.marks.mark import Kind
from training.mammo import archives
from training.mammo.archives import cbis_ddsm, cmmd, of_kinds, vindr_mammo
from training.mammo.films import Film, folds

SHAPE = (1000, 700)
MASS = ["abnormality id", "abnormality type", "mass shape", "mass margins"]
CALC = ["abnormality id", "abnormality type", "calc type", "calc distribution"]
PATHS = ["image file path", "cropped image file path", "ROI mask file path"]


@cache
def pixels(right: bool = False) -> np.ndarray:
    return breast(SHAPE, 0.24, right=right).astype(np.uint16)


def write_table(path: Path, names: list[str], rows: list[list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(names)
        writer.writerows(rows)


class Cbis:
    """A CBIS-DDSM folder that grows lesion by lesion."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: dict[str, list[list[object]]] = {}

    def lesion(
        self,
        kind: str,
        part: str,
        patient: str,
        number: int,
        box: tuple[int, int, int, int],
        pathology: str = "MALIGNANT",
        swapped: bool = False,
    ) -> None:
        word = {"train": "Training", "test": "Test"}[part]
        case = f"{kind.capitalize()}-{word}_{patient}_RIGHT_MLO"
        root = self.folder / "CBIS-DDSM"
        film = root / case / "08-07-2016-DDSM-1" / "1.000000-full mammogram images-2" / "1-1.dcm"
        if not film.exists():
            write_image(film, pixels(right=True), PatientID=case)
        x0, y0, x1, y1 = box
        mask = np.zeros(SHAPE, np.uint8)
        mask[y0:y1, x0:x1] = 255
        crop = pixels(right=True)[y0 - 20 : y1 + 20, x0 - 20 : x1 + 20]
        inner = root / f"{case}_{number}" / "07-21-2016-DDSM-3" / "1.000000-ROI mask images-4"
        names = ("1-2.dcm", "1-1.dcm") if swapped else ("1-1.dcm", "1-2.dcm")
        write_image(inner / names[0], np.ascontiguousarray(crop))
        write_image(inner / names[1], mask)
        kinds = ["mass", "IRREGULAR", "SPICULATED"]
        if kind == "calc":
            kinds = ["calcification", "PLEOMORPHIC", "CLUSTERED"]
        uids = "1.3.6.1.4.1.9590.1/1.3.6.1.4.1.9590.2"
        self.rows.setdefault(f"{kind}_{part}", []).append(
            [
                *(patient, 3, "RIGHT", "MLO", number, *kinds, 4, pathology, 5),
                *(f"{case}/{uids}/000000.dcm", f"{case}_{number}/{uids}/000000.dcm"),
                # Some paths of the real tables end with a line break.
                f"{case}_{number}/{uids}/000001.dcm\n",
            ]
        )

    def write(self) -> Path:
        for name, rows in self.rows.items():
            kind, part = name.split("_")
            density = "breast density" if kind == "calc" else "breast_density"
            first = ["patient_id", density, "left or right breast", "image view"]
            middle = CALC if kind == "calc" else MASS
            names = [*first, *middle, "assessment", "pathology", "subtlety", *PATHS]
            write_table(self.folder / f"{kind}_case_description_{part}_set.csv", names, rows)
        return self.folder


@pytest.fixture
def cbis(tmp_path: Path) -> Cbis:
    made = Cbis(tmp_path)
    made.lesion("mass", "train", "P_00001", 1, (400, 300, 460, 380))
    made.lesion("mass", "train", "P_00001", 2, (500, 500, 540, 530), "BENIGN", swapped=True)
    made.lesion("calc", "train", "P_00001", 1, (420, 600, 500, 650), "BENIGN_WITHOUT_CALLBACK")
    made.lesion("calc", "train", "P_00005", 1, (450, 400, 500, 440))
    made.lesion("mass", "test", "P_00016", 1, (400, 300, 460, 380))
    made.lesion("calc", "train", "P_00016", 1, (400, 300, 460, 380))
    made.write()
    return made


def test_cbis_films_have_all_their_lesions_and_native_boxes(cbis: Cbis, tmp_path: Path) -> None:
    films = cbis_ddsm(cbis.folder, outlines=tmp_path / "outlines")
    assert [film.key for film in films] == ["P_00001_RIGHT_MLO", "P_00005_RIGHT_MLO"]
    first, second = films
    boxes = {(400, 300, 460, 380), (500, 500, 540, 530), (420, 600, 500, 650)}
    assert set(first.boxes) == boxes
    assert sorted(first.kinds) == ["calcifications", "mass", "mass"]
    assert first.malignant is True
    assert first.shapes == "IRREGULAR|IRREGULAR"
    assert first.signs[0]
    assert first.density == 3
    assert first.shape == SHAPE
    assert first.spacing_mm == pytest.approx(0.24)
    assert second.boxes == ((450, 400, 500, 440),)
    assert not second.described


def test_cbis_boxes_and_outlines_lie_on_the_prepared_grid(cbis: Cbis, tmp_path: Path) -> None:
    film = cbis_ddsm(cbis.folder, lesions=("mass",), outlines=tmp_path / "outlines")[0]
    prepared = film.prepared()
    assert prepared.mirrored
    inside = film.outlined(prepared)
    assert inside is not None
    for x0, y0, x1, y1 in film.boxes_on(prepared):
        part = inside[round(y0) : round(y1), round(x0) : round(x1)]
        assert part.mean() > 0.97
    area = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in film.boxes) * 0.24**2
    assert inside.sum() * 0.2**2 == pytest.approx(area, rel=0.03)


def test_patients_of_the_test_films_train_nothing(cbis: Cbis) -> None:
    assert "P_00016" not in {film.patient for film in cbis_ddsm(cbis.folder)}
    assert [f.patient for f in cbis_ddsm(cbis.folder, "test", ("mass",))] == ["P_00016"]


def test_cbis_without_a_table_or_a_film_says_which(cbis: Cbis) -> None:
    with pytest.raises(FileNotFoundError, match="calc_case_description_test_set"):
        cbis_ddsm(cbis.folder, "test")
    for path in (cbis.folder / "CBIS-DDSM" / "Mass-Test_P_00016_RIGHT_MLO").rglob("*.dcm"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match="Mass-Test_P_00016_RIGHT_MLO"):
        cbis_ddsm(cbis.folder, "test", ("mass",))


def test_boxes_of_one_kind_leave_films_that_tell_of_malignancy_alone(cbis: Cbis) -> None:
    masses = of_kinds(cbis_ddsm(cbis.folder))
    assert [len(film.boxes) for film in masses] == [2, 0]
    assert masses[1].malignant is True
    specks = of_kinds(cbis_ddsm(cbis.folder), (Kind.CALCIFICATIONS,))
    assert [film.kinds for film in specks] == [("calcifications",)] * 2


CLINICAL = [
    ["ID1", "LeftRight", "Age", "number", "abnormality", "classification", "subtype"],
    ["D1-0001", "R", "44", "2", "calcification", "Benign", ""],
    ["D2-0007", "L", "51", "2", "both", "Malignant", "Luminal A"],
]


def write_cmmd(folder: Path, table: str, spacing: list[float] | None) -> None:
    told = {"PixelSpacing": spacing} if spacing else {}
    for patient, side, view, name in (
        ("D1-0001", "R", "CC", "1-1"),
        ("D1-0001", "L", "CC", "1-2"),
        ("D2-0007", "L", "MLO", "1-1"),
    ):
        path = folder / "CMMD" / patient / "07-18-2010-NA-70244" / "1.000000-NA-70244"
        write_image(
            path / f"{name}.dcm",
            pixels(),
            PatientID=patient,
            ImageLaterality=side,
            view=view,
            **told,
        )
    if table == "xlsx":
        write_sheet(folder / "CMMD_clinicaldata_revision.xlsx", CLINICAL)
    else:
        write_table(folder / "CMMD_clinicaldata_revision.csv", CLINICAL[0], list(CLINICAL[1:]))


@pytest.mark.parametrize("table", ["xlsx", "csv"])
def test_cmmd_films_tell_of_malignancy_and_not_of_places(tmp_path: Path, table: str) -> None:
    write_cmmd(tmp_path, table, [0.094, 0.094])
    films = cmmd(tmp_path)
    # The left breast of the first woman has no row: nobody said what it is.
    assert [(f.patient, f.side, f.view, f.malignant) for f in films] == [
        ("D1-0001", "R", "CC", False),
        ("D2-0007", "L", "MLO", True),
    ]
    assert [f.kinds for f in films] == [("calcifications",), ("mass", "calcifications")]
    assert all(not f.marked and f.boxes == () and f.spacing_mm == 0.094 for f in films)


def test_cmmd_images_without_spacing_are_refused_unless_one_is_given(tmp_path: Path) -> None:
    write_cmmd(tmp_path, "csv", None)
    with pytest.raises(ValueError, match="spacing"):
        cmmd(tmp_path)
    assert cmmd(tmp_path, 0.24)[0].prepared().grey.shape[0] > 500
    with pytest.raises(FileNotFoundError, match="CMMD_clinicaldata_revision"):
        cmmd(tmp_path / "CMMD")


LEVEL = [
    "study_id", "series_id", "image_id", "laterality", "view_position", "height", "width",
    "breast_birads", "breast_density", "split",
]  # fmt: skip
FINDING = [*LEVEL, "finding_categories", "finding_birads", "xmin", "ymin", "xmax", "ymax"]


@pytest.fixture
def vindr(tmp_path: Path) -> Path:
    images = [
        ["s1", "e1", "i1", "L", "CC", 1000, 700, "BI-RADS 5", "DENSITY C", "training"],
        ["s1", "e1", "i2", "R", "CC", 1000, 700, "BI-RADS 1", "DENSITY B", "training"],
        ["s2", "e2", "i3", "L", "MLO", 1000, 700, "BI-RADS 4", "DENSITY D", "training"],
        ["s3", "e3", "i4", "L", "MLO", 1000, 700, "BI-RADS 2", "DENSITY A", "test"],
    ]
    findings = [
        [*images[0], "['Mass']", "BI-RADS 5", -3.5, 200.0, 260.25, 300.0],
        [*images[0], "['Suspicious Calcification', 'Mass']", "BI-RADS 4", 200, 400, 260, 460],
        [*images[0], "['Skin Thickening']", "BI-RADS 4", 300, 100, 360, 140],
        [*images[1], "['No Finding']", "", "", "", "", ""],
        [*images[2], "['Focal Asymmetry']", "BI-RADS 4", 100, 500, 200, 620],
    ]
    write_table(tmp_path / "breast-level_annotations.csv", LEVEL, images)
    write_table(tmp_path / "finding_annotations.csv", FINDING, findings)
    for study, _, image, side, *_ in images:
        write_image(
            tmp_path / "images" / str(study) / f"{image}.dicom",
            pixels().max() - pixels(right=side == "R"),
            PhotometricInterpretation="MONOCHROME1",
            ImagerPixelSpacing=[0.24, 0.24],
            Manufacturer="SIEMENS",
        )
    return tmp_path


def test_vindr_boxes_by_kind_and_malignancy_by_assessment(vindr: Path) -> None:
    first, second, third = vindr_mammo(vindr)
    assert first.boxes[0] == (0.0, 200.0, 260.25, 300.0)
    assert first.kinds == ("mass", "calcifications", "mass")
    assert (first.malignant, second.malignant, third.malignant) == (True, False, None)
    assert second.boxes == ()
    assert second.marked
    assert third.kinds == ("asymmetry",)
    assert [f.density for f in (first, second, third)] == [3, 2, 4]
    assert [f.patient for f in vindr_mammo(vindr, "test")] == ["s3"]
    with pytest.raises(ValueError, match="validation"):
        vindr_mammo(vindr, "validation")


def test_inverted_images_are_shown_with_dense_tissue_bright(vindr: Path) -> None:
    for film in vindr_mammo(vindr)[:2]:
        prepared = film.prepared()
        assert prepared.mirrored == (film.side == "R")
        assert prepared.breast.mean() > 0.5
        # The drawn mass is the brightest thing.
        row, column = np.unravel_index(np.argmax(prepared.grey), prepared.grey.shape)
        native = prepared.to_native((float(column), float(row)))
        at = (700 - native[0], native[1]) if film.side == "R" else tuple(native)
        assert np.hypot(at[0] - 320, at[1] - 520) < 60


def film(patient: str, malignant: bool | None = True) -> Film:
    return Film(
        patient, patient, "", "R", "CC", 1, 4, malignant, "OVAL", "", ((1, 1, 5, 5),),
        (10, 10), 0.1, "A", Path(patient),
    )  # fmt: skip


def test_archives_never_move_a_patient_of_the_base_to_another_fold(cbis: Cbis) -> None:
    base = [film(f"P_{n:05d}", malignant=n % 3 == 0) for n in range(40)]
    parser = argparse.ArgumentParser()
    archives.add_arguments(parser)
    assert archives.from_arguments(parser.parse_args([]), base) == base
    named = parser.parse_args(["--cbis-ddsm", str(cbis.folder)])
    taught = archives.from_arguments(named, base)
    of = archives.assigned([*taught, *(film(f"new{n}", None) for n in range(20))], base)
    assert {name: of[name] for name in folds(base)} == folds(base)
    assert set(of.values()) == set(range(5))
    assert sum(len(f.boxes) for f in taught if f.patient == "P_00001") == 1 + 2
