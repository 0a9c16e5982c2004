"""Training films with their truth, and the five folds by patient."""

from __future__ import annotations

import csv
import json
import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from mammo.image.grid import BoolArray, Prepared, prepare
from training.mammo.dicom_images import is_dicom, shown

FOLDS = 5
SIGNS = (
    "irregular", "round", "lobulated", "distortion", "asymmetry",
    "spiculated", "ill_defined", "obscured", "microlobulated", "circumscribed",
    "suspicious", "highly_suggestive",
)  # fmt: skip
"""What readers said of a mass: shape, margin, and BI-RADS from 4 and 5."""
_WORDS = {
    "round": ("ROUND", "OVAL"), "distortion": ("ARCHITECTURAL_DISTORTION",),
    "asymmetry": ("ASYMMETRIC_BREAST_TISSUE", "FOCAL_ASYMMETRIC_DENSITY"),
}  # fmt: skip
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Film:
    """One film and what is known of it.

    Parameters
    ----------
    key, patient : str
    exam : str
        Equal in films of one examination.
    side, view : str
        ``R`` or ``L``; ``CC`` or ``MLO``.
    density : int
        1 to 4; 0 where nobody said.
    assessment : int
        BI-RADS, 0 to 5.
    malignant : bool, optional
        By pathology: the worst of the film's lesions. None where nobody knows.
    shapes, margins : str
        BI-RADS words of its lesions.
    boxes : tuple of (x0, y0, x1, y1)
        Of its lesions, native pixels.
    shape : (int, int)
        Native rows and columns.
    spacing_mm : float
        Of native pixels.
    scanner : str
        First letter of the DDSM name.
    image, outlines : Path
        Both may be squashed to other sizes than native; outlines may be absent.
    kinds : tuple of str
        Of each box, a `mammo.marks.mark.Kind`; every box is a mass where none is given. Of the film
        where it has no boxes.
    marked : bool
        Every lesion that readers reported has its box. A film that is not marked tells of
        malignancy alone, not of places.
    """

    key: str
    patient: str
    exam: str
    side: str
    view: str
    density: int
    assessment: int
    malignant: bool | None
    shapes: str
    margins: str
    boxes: tuple[Box, ...]
    shape: tuple[int, int]
    spacing_mm: float
    scanner: str
    image: Path = field(repr=False)
    outlines: Path | None = field(repr=False, default=None)
    kinds: tuple[str, ...] = ()
    marked: bool = True

    @property
    def breast(self) -> str:
        """The breast in its examination."""
        return f"{self.patient}_{self.side}"

    @property
    def signs(self) -> tuple[bool, ...]:
        """Each of `SIGNS`: did readers say it of any of its lesions?"""
        words = set(f"{self.shapes}-{self.margins}".replace("|", "-").split("-"))
        said = {
            name: any(word in words for word in _WORDS.get(name, (name.upper(),)))
            for name in SIGNS[:-2]
        }
        return (*said.values(), self.assessment >= 4, self.assessment == 5)

    @property
    def described(self) -> bool:
        """Did readers say anything of shape or margin?"""
        return bool(self.shapes or self.margins)

    def pixels(self) -> tuple[npt.NDArray[np.generic], tuple[float, float]]:
        """The image, dense tissue bright, and the mm between its rows and its columns."""
        if is_dicom(self.image):
            pixels = shown(self.image)
        else:
            pixels = np.asarray(Image.open(self.image).convert("L"))
        rows, columns = pixels.shape
        mm = self.spacing_mm
        return pixels, (self.shape[0] * mm / rows, self.shape[1] * mm / columns)

    def prepared(self) -> Prepared:
        """The film on the grid that networks read."""
        return prepare(*self.pixels())

    def outlined(self, like: Prepared) -> BoolArray | None:
        """Its lesions on the prepared grid, or None where nobody outlined them."""
        if self.outlines is None:
            return None
        mask = np.asarray(Image.open(self.outlines).convert("L")) > 0
        rows, columns = like.grey.shape
        across, down = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
        native = like.to_native(np.stack([across, down], axis=-1))
        # `like` was made from the stored pixels, which have the mask's shape.
        column = native[..., 0] * mask.shape[1] / like.native_shape[1]
        row = native[..., 1] * mask.shape[0] / like.native_shape[0]
        inside = (
            np.clip(row.astype(int), 0, mask.shape[0] - 1),
            np.clip(column.astype(int), 0, mask.shape[1] - 1),
        )
        return np.asarray(mask[inside], dtype=bool)

    def boxes_on(self, like: Prepared) -> list[Box]:
        """Its boxes on the prepared grid."""
        scale = (like.native_shape[1] / self.shape[1], like.native_shape[0] / self.shape[0])
        found = []
        for box in self.boxes:
            corners = np.array(box).reshape(2, 2) * scale
            (x0, y0), (x1, y1) = like.from_native(corners)
            found.append((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)))
        return found


def cbis_mass(folder: Path) -> list[Film]:
    """The CBIS-DDSM mass training films of ``films.csv``, squashed to 800 x 800.

    Raises
    ------
    FileNotFoundError
        Where the folder is not there.
    """
    films = []
    with (folder / "films.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            shape = (int(row["native_height"]), int(row["native_width"]))
            boxes = np.array(json.loads(row["boxes_x0y0x1y1"]), dtype=float).reshape(-1, 4)
            boxes *= np.array([shape[1], shape[0]] * 2) / 800
            films.append(
                Film(
                    key=row["key"],
                    patient=row["patient_id"],
                    exam=row["ddsm"].split(".")[0],
                    side=row["side"][0],
                    view=row["view"],
                    density=int(row["breast_density"]),
                    assessment=int(row["assessment"]),
                    malignant=row["pathology"] == "MALIGNANT",
                    shapes=row["shapes"],
                    margins=row["margins"],
                    boxes=tuple(tuple(box) for box in boxes.tolist()),
                    shape=shape,
                    spacing_mm=float(row["native_spacing_mm"]),
                    scanner=row["ddsm"][0],
                    image=folder / "films" / f"{row['key']}.jpg",
                    outlines=folder / "masks" / f"{row['key']}.png" if row["mask"] == "1" else None,
                )
            )
    return films


def folds(films: Iterable[Film], seed: int = 1) -> dict[str, int]:
    """Fold of each patient, 0 to 4, balanced by malignancy and scanner."""
    kinds: dict[str, set[tuple[bool, str]]] = defaultdict(set)
    for film in films:
        kinds[film.patient].add((bool(film.malignant), film.scanner))
    groups: dict[tuple[bool, str], list[str]] = defaultdict(list)
    for patient, seen in kinds.items():
        groups[max(seen)].append(patient)
    dice = random.Random(seed)
    fold, place = {}, 0
    for group in sorted(groups):
        patients = sorted(groups[group])
        dice.shuffle(patients)
        for patient in patients:
            fold[patient] = place % FOLDS
            place += 1
    return fold
