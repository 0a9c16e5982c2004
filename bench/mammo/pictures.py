"""Folders of pictures and DICOM images, prepared as the analysis prepares them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from gransk.core.decode import read_dataset
from gransk.core.errors import GranskError
from gransk.core.study import Instance
from mammo.image.grid import Prepared, prepare
from mammo.image.pixels import FILM_HEIGHT_MM, read_pixels

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp"})


def files_of(folder: Path) -> list[Path]:
    """Pictures and DICOM files below a folder, in order."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in PICTURES or path.suffix.lower() == ".dcm"
    ]


def spread(paths: Sequence[Path], most: int) -> list[Path]:
    """At most so many of the files, evenly spread over their order; all where ``most`` is 0."""
    if not most or len(paths) <= most:
        return list(paths)
    return [paths[n * len(paths) // most] for n in range(most)]


def prepared(path: Path, quarters: int = 0) -> Prepared:
    """One image on the grid of the networks.

    Parameters
    ----------
    path : Path
        DICOM, or a picture, which is taken for a film of usual height.
    quarters : int
        Counterclockwise quarter turns of a picture.

    Raises
    ------
    RefusalError
        Where no breast is found, or it cannot be read.
    """
    if path.suffix.lower() == ".dcm":
        with path.open("rb") as stream:
            dataset = read_dataset(stream)
        return read_pixels(Instance(dataset, lambda: dataset)).prepared()
    pixels = np.rot90(np.asarray(Image.open(path).convert("L")), quarters)
    return of_film(pixels)


def of_film(pixels: npt.NDArray[np.generic]) -> Prepared:
    """Pixels without a size, taken for a film of usual height."""
    spacing = FILM_HEIGHT_MM / pixels.shape[0]
    return prepare(pixels, (spacing, spacing))


def all_prepared(paths: list[Path], quarters: int = 0) -> Iterator[tuple[Path, Prepared | None]]:
    """Each image, None where it is refused before it is looked at."""
    for path in paths:
        try:
            yield path, prepared(path, quarters)
        except GranskError:
            yield path, None
