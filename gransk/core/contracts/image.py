"""An image on the way into a model, and places on the way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from gransk.core.contracts.boxes import Grid
from gransk.core.contracts.parts import FloatArray, Intensity, Part, Window
from gransk.core.errors import ModelError
from gransk.core.raster import resized

if TYPE_CHECKING:
    from gransk.core.models import Card, Tensor

Positive = Annotated[float, Field(gt=0)]
Size = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Shown:
    """An upright image of a breast, and what of it decides how a model sees it.

    Parameters
    ----------
    image : ndarray of float32, shape (rows, columns)
        As displayed, 0 to 1, dense tissue bright.
    spacing_mm : (float, float)
        Between rows and between columns.
    wall_at_right : bool
        The chest wall is at the right.
    middle_row : float
        Row of the breast's middle.
    """

    image: FloatArray
    spacing_mm: tuple[float, float]
    wall_at_right: bool = False
    middle_row: float | None = None


class ImageInput(Part):
    """How a displayed image becomes a tensor.

    Parameters
    ----------
    name : str
        The model's input. Its shape in the card says how many channels; all show the same.
    layout : str
        ``NCHW`` or ``NHWC``.
    chest_wall : str
        Images are mirrored so that the chest wall lies ``left`` or ``right``, or left
        ``as_shown``.
    tissue : str
        Dense tissue ``bright``, or ``dark`` (MONOCHROME1).
    pixel_mm : (float, float), optional
        Rows, columns: side of the model's pixels; the image's own where absent.
    size : (int, int), optional
        Rows and columns of the input; as large as the image where absent.
    fit : str
        How the image gets into ``size``: ``place`` at its scale, cut or with a border;
        ``contain``: as large as fits with its proportions (letterbox); ``stretch`` each axis.
    rows, columns : str
        Where the image lies in a larger input, or the part that is cut out: at the ``start``,
        in the ``middle``; rows about the ``breast``; columns from the ``chest_wall``.
    multiple : int
        Without ``size``: a border at the end, up to a multiple.
    border : float
        What borders show, 0 to 1 as displayed.
    intensity : Window, Standardised or Extremes
        Of displayed values, 0 to 1.
    """

    name: str
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    chest_wall: Literal["left", "right", "as_shown"] = "as_shown"
    tissue: Literal["bright", "dark"] = "bright"
    pixel_mm: tuple[Positive, Positive] | None = None
    size: tuple[Size, Size] | None = None
    fit: Literal["place", "contain", "stretch"] = "place"
    rows: Literal["start", "middle", "breast"] = "start"
    columns: Literal["start", "middle", "chest_wall"] = "start"
    multiple: Size = 1
    border: float = Field(default=0.0, ge=0, le=1)
    intensity: Intensity = Window(low=0.0, high=1.0)

    @model_validator(mode="after")
    def _check(self) -> ImageInput:
        if self.size is None and self.fit != "place":
            raise ValueError("fit: contain and stretch want a size")
        if self.size is not None and self.multiple != 1:
            raise ValueError("multiple: only without a size")
        if self.fit != "place" and self.pixel_mm is not None:
            raise ValueError("pixel_mm: only where the image is placed at its scale")
        return self

    def frame(self, shown: Shown) -> ImageFrame:
        """Where the image will lie in the tensor."""
        count = shown.image.shape
        wanted = self.size
        if self.fit == "stretch" and wanted is not None:
            scaled = wanted
        elif self.fit == "contain" and wanted is not None:
            ratio = min(w / n for w, n in zip(wanted, count, strict=True))
            scaled = (
                min(wanted[0], max(1, round(count[0] * ratio))),
                min(wanted[1], max(1, round(count[1] * ratio))),
            )
        else:
            of = self.pixel_mm or shown.spacing_mm
            sides = [
                max(1, round(n * s / p))
                for n, s, p in zip(count, shown.spacing_mm, of, strict=True)
            ]
            scaled = (sides[0], sides[1])
        shape = wanted or (
            -(-scaled[0] // self.multiple) * self.multiple,
            -(-scaled[1] // self.multiple) * self.multiple,
        )
        mirrored = self.chest_wall != "as_shown" and (self.chest_wall == "right") != (
            shown.wall_at_right
        )
        middle = count[0] / 2 if shown.middle_row is None else shown.middle_row
        wall_at_end = shown.wall_at_right != mirrored
        first = (
            _start(self.rows, shape[0], scaled[0], middle * scaled[0] / count[0]),
            shape[1] - scaled[1]
            if self.columns == "chest_wall" and wall_at_end
            else _start(self.columns, shape[1], scaled[1], scaled[1] / 2),
        )
        return ImageFrame(
            shape, (int(count[0]), int(count[1])), scaled, first, mirrored, shown.spacing_mm
        )

    def tensor(self, shown: Shown, card: Card) -> tuple[npt.NDArray[np.generic], ImageFrame]:
        """The input of the model and where the image lies in it.

        Raises
        ------
        ModelError
            Where the card states another number of sizes, or channels by a name.
        """
        stated = tensor_of(card, self.name)
        if len(stated.shape) != 4:
            raise ModelError(
                f"model {card.id}: input {self.name!r} wants four sizes, {self.layout}"
            )
        channels = stated.shape[1 if self.layout == "NCHW" else 3]
        if not isinstance(channels, int):
            raise ModelError(f"model {card.id}: input {self.name!r}: channels must be a number")
        frame = self.frame(shown)
        seen = self.intensity.applied(self._laid(shown.image, frame), channels)
        if self.layout == "NHWC":
            seen = np.moveaxis(seen, 0, -1)
        return np.ascontiguousarray(seen[None]).astype(stated.dtype), frame

    def _laid(self, image: FloatArray, frame: ImageFrame) -> FloatArray:
        """The image on the tensor's grid, 0 to 1."""
        turned = image[:, ::-1] if frame.mirrored else image
        scaled = (
            np.asarray(turned, np.float32)
            if frame.scaled == frame.image
            else resized(turned, frame.scaled)
        )
        page = np.full(frame.shape, self.border, np.float32)
        (top, left), (rows, columns) = frame.first, frame.scaled
        into = (
            slice(max(0, top), min(frame.shape[0], top + rows)),
            slice(max(0, left), min(frame.shape[1], left + columns)),
        )
        page[into] = scaled[
            into[0].start - top : into[0].stop - top, into[1].start - left : into[1].stop - left
        ]
        return 1 - page if self.tissue == "dark" else page


@dataclass(frozen=True)
class ImageFrame:
    """Where an image lies in a tensor.

    Coordinates are (column, row) with the corner of the first pixel at (0, 0), on both sides.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the tensor.
    image : (int, int)
        Of the image.
    scaled : (int, int)
        Of the image on the tensor's grid.
    first : (int, int)
        Row and column of the tensor where the scaled image begins; negative where it is cut.
    mirrored : bool
    spacing_mm : (float, float)
        Of the image.
    """

    shape: tuple[int, int]
    image: tuple[int, int]
    scaled: tuple[int, int]
    first: tuple[int, int]
    mirrored: bool
    spacing_mm: tuple[float, float]

    @property
    def _scale(self) -> npt.NDArray[np.float64]:
        """Tensor's pixels from one of the image's to the next, columns and rows."""
        return np.array([self.scaled[1] / self.image[1], self.scaled[0] / self.image[0]])

    def to_image(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """(column, row) of the image, of those of the tensor, shape (..., 2)."""
        found = (np.asarray(points, float) - self.first[::-1]) / self._scale
        return self._mirrored(found)

    def from_image(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """(column, row) of the tensor, of those of the image, shape (..., 2)."""
        found = self._mirrored(np.asarray(points, float)) * self._scale
        return np.asarray(found + self.first[::-1])

    def _mirrored(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        if not self.mirrored:
            return points
        return np.stack([self.image[1] - points[..., 0], points[..., 1]], axis=-1)

    @property
    def grid(self) -> Grid:
        """As boxes are checked on it: rows first."""
        low = tuple(float(max(0, f)) for f in self.first)
        high = tuple(
            float(min(n, f + s))
            for n, f, s in zip(self.shape, self.first, self.scaled, strict=True)
        )
        spacing = tuple(
            s * n / m for s, n, m in zip(self.spacing_mm, self.image, self.scaled, strict=True)
        )
        return Grid(self.shape, low, high, spacing)


def tensor_of(card: Card, name: str) -> Tensor:
    """An input of a card by its name.

    Raises
    ------
    ModelError
        Where it states none of that name.
    """
    for tensor in card.inputs:
        if tensor.name == name:
            return tensor
    raise ModelError(f"model {card.id}: its contract names an input {name!r}, its card has none")


def _start(where: str, room: int, length: int, middle: float) -> int:
    """First place of something of a length in a room, or of the room in it where it is longer.

    ``middle`` is the place of its middle in it; nothing that would fit is cut.
    """
    if where in ("start", "chest_wall"):
        return 0
    first = round(room / 2 - middle)
    return min(max(first, min(0, room - length)), max(0, room - length))
