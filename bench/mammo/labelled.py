"""Films whose tissues people outlined: `tiryakiv/Mammogram-segmentation`, to measure only.

66 right MLO films of DDSM in 960 x 480 pixels with background, fat, dense and pectoral labels
(Tiryaki and Kaplanoglu 2022, IRBM, doi 10.1016/j.irbm.2022.05.004). None of them is among the
training films by its name. Their native size is not told: 240 mm x 144 mm are assumed, the
film's height and the median shape of the training films.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from mammo.image.grid import BoolArray, Prepared, prepare

EXTENT_MM = (240.0, 144.0)
FAT, DENSE, PECTORAL = 128, 192, 255


@dataclass(frozen=True)
class Labelled:
    """One film on the prepared grid, and what people labelled there."""

    name: str
    prepared: Prepared = field(repr=False)
    labels: npt.NDArray[np.uint8] = field(repr=False)

    def mask(self, *labels: int) -> BoolArray:
        """Where one of these labels is."""
        return np.isin(self.labels, labels)


def labelled(folder: Path) -> Iterator[Labelled]:
    """Every film below a folder that holds ``fgt_seg`` and ``fgt_seg_labels``.

    Raises
    ------
    FileNotFoundError
        Where there is none.
    """
    found = sorted(folder.rglob("fgt_seg/*.png"))
    if not found:
        raise FileNotFoundError(f"no fgt_seg/*.png below {folder}: clone the repository there")
    for path in found:
        pixels = np.asarray(Image.open(path).convert("L"))
        other = path.parent.parent / "fgt_seg_labels" / f"{path.stem}_LI.png"
        stored = np.asarray(Image.open(other).convert("L"))
        spacing = (EXTENT_MM[0] / pixels.shape[0], EXTENT_MM[1] / pixels.shape[1])
        prepared = prepare(pixels, spacing)
        yield Labelled(path.stem, prepared, on_grid(stored, prepared))


def on_grid(stored: npt.NDArray[np.uint8], prepared: Prepared) -> npt.NDArray[np.uint8]:
    """Labels of the stored image on the prepared grid, nearest."""
    rows, columns = prepared.grey.shape
    across, down = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
    native = prepared.to_native(np.stack([across, down], axis=-1)).astype(int)
    row = np.clip(native[..., 1], 0, stored.shape[0] - 1)
    column = np.clip(native[..., 0], 0, stored.shape[1] - 1)
    return np.asarray(stored[row, column])


def dice(one: BoolArray, other: BoolArray) -> float:
    """Dice coefficient; 1 where both are empty."""
    total = int(one.sum() + other.sum())
    return 2 * int((one & other).sum()) / total if total else 1.0
