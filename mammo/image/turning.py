"""Images that lie on their side or upside down: turned for analysis, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from gransk.core.errors import InvalidValueError

AXES = (frozenset("AP"), frozenset("RL"), frozenset("HF"))


@dataclass(frozen=True)
class Turn:
    """Quarter turns, then a flip upside down.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the stored image.
    quarters : int
        0 to 3 counterclockwise quarter turns.
    upside_down : bool
        The turned image is flipped about its horizontal middle.
    """

    shape: tuple[int, int]
    quarters: int = 0
    upside_down: bool = False

    def __post_init__(self) -> None:
        if self.quarters not in range(4) or min(self.shape) < 1:
            raise InvalidValueError("Turn", (self.shape, self.quarters), "0 to 3 of an image")

    @property
    def changes(self) -> bool:
        """Whether it does anything."""
        return self.quarters != 0 or self.upside_down

    def apply(self, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The turned image, contiguous."""
        turned = np.rot90(image, self.quarters)
        return np.ascontiguousarray(turned[::-1] if self.upside_down else turned)

    def to_native(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Stored (column, row) of turned ones, shape (..., 2)."""
        points = np.array(points, dtype=float)
        rows, columns = self.shape if self.quarters % 2 == 0 else self.shape[::-1]
        x, y = points[..., 0], points[..., 1]
        if self.upside_down:
            y = rows - y
        for _ in range(self.quarters):
            # Back by a quarter clockwise: the height of what was becomes the width.
            x, y = rows - y, x
            rows, columns = columns, rows
        return np.stack([x, y], axis=-1)

    def from_native(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Turned (column, row) of stored ones, shape (..., 2)."""
        points = np.array(points, dtype=float)
        rows, columns = self.shape
        x, y = points[..., 0], points[..., 1]
        for _ in range(self.quarters):
            x, y = y, columns - x
            rows, columns = columns, rows
        if self.upside_down:
            y = rows - y
        return np.stack([x, y], axis=-1)


UPRIGHT = Turn((1, 1))


def turn_of(header: Dataset, shape: tuple[int, int]) -> Turn:
    """How to turn an image by its Patient Orientation (0020,0020), PS3.3 C.7.6.1.1.1.

    The breast shall point to a side, and its top be up: the head's side in MLO, the lateral
    side in CC. Which side it points to is no matter here: `mammo.image.grid.prepare` mirrors.
    Patient Orientation describes the stored image, so that Field of View Rotation and
    Horizontal Flip (0018,7032 and 7034; PS3.3 C.8.11.4), which tell what the device has done
    already to what its detector saw, add nothing: upright images have 0, 90, 180 and 270.
    Where Patient Orientation is not valid, the image is taken as upright.
    """
    upright = Turn(shape)
    across, down = _directions(header)
    if not across or not down:
        return upright
    if down[0] in "AP":
        # The breast points up or down: a quarter turn lays its axis across.
        quarters, top_to_bottom = 1, _opposite(across)
    elif across[0] in "AP":
        quarters, top_to_bottom = 0, down
    else:
        return upright
    return Turn(shape, quarters, _is_up(top_to_bottom, header))


def _directions(header: Dataset) -> tuple[str, str]:
    """Patient directions of rows and of columns; empty where they are not valid."""
    value = header.get("PatientOrientation")
    if value is None or isinstance(value, str) or len(value) != 2:
        return "", ""
    across, down = (str(v).strip().upper() for v in value)
    for word in (across, down):
        axes = [axis for letter in word for axis in AXES if letter in axis]
        if not word or len(axes) != len(word) or len(set(axes)) != len(axes):
            return "", ""
    along = next(axis for axis in AXES if across[0] in axis)
    return ("", "") if down[0] in along else (across, down)


def _opposite(word: str) -> str:
    return word.translate(str.maketrans("APRLHF", "PALRFH"))


def _is_up(direction: str, header: Dataset) -> bool:
    """Does that direction, in which rows follow each other, lead to the breast's top?"""
    if "H" in direction or "F" in direction:
        return "H" in direction
    side = str(header.get("ImageLaterality") or header.get("Laterality") or "").strip().upper()
    # Lateral is the right in the right breast and the left in the left one.
    return side in ("R", "L") and side in direction
