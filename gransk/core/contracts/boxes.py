"""Boxes in a model's answer: read, checked, and the best of those that overlap kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from gransk.core.contracts.parts import Array, Part, Score, finite, output
from gransk.core.errors import RefusalError
from gransk.core.reasons import Reason


@dataclass(frozen=True)
class Box:
    """One box on the grid of a model's input.

    Parameters
    ----------
    low, high : tuple of float
        Corners along the spatial axes of the input; cell n reaches from n to n + 1.
    score : float
        0 to 1.
    word : str
        What its class is called.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    score: float
    word: str

    @property
    def centre(self) -> tuple[float, ...]:
        return tuple((a + b) / 2 for a, b in zip(self.low, self.high, strict=True))

    def moved(self, by: Sequence[float]) -> Box:
        """The same box on a grid whose first cell lies ``by`` cells before."""
        return replace(
            self,
            low=tuple(a + b for a, b in zip(self.low, by, strict=True)),
            high=tuple(a + b for a, b in zip(self.high, by, strict=True)),
        )


@dataclass(frozen=True)
class Grid:
    """The grid that boxes lie on.

    Parameters
    ----------
    shape : tuple of int
        Cells along the spatial axes of the input, padding among them.
    low, high : tuple of float
        Corners of the part that shows the image.
    spacing_mm : tuple of float
        Side of a cell.
    """

    shape: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    spacing_mm: tuple[float, ...]


class BoxOutput(Part):
    """Where boxes, scores and classes stand in the answer, and which are kept.

    Parameters
    ----------
    boxes : str
        Output that holds the boxes; leading sizes of 1 are left out.
    scores, labels : str, optional
        Outputs of the same number of rows, for the layout ``separate``. Scores have one column,
        or one a class; labels are numbers of classes.
    layout : str
        ``separate``: boxes, scores and labels each by themselves (torchvision). ``rows``: one
        row a box in one output, ``columns``: one column a box (Ultralytics YOLO); the box then
        begins at ``box_at``, scores at ``score_at``, up to the end or, with ``label_at``, one.
    format : str
        ``corners``: both corners one after the other (x1, y1, x2, y2); ``corners_by_axis``:
        axis by axis (x1, x2, y1, y2); ``centre_size``; ``corner_size``.
    coordinates : str
        ``as_axes``: in the order of the input's spatial axes; ``reversed``: the last axis first,
        so (x, y) of an image.
    frame : str
        ``cells`` of the model's input, or ``unit``: 0 to 1 along the whole input.
    whole_number_at : str
        ``corner``: the first cell reaches from 0 to 1; ``centre``: its middle is 0. For cells.
    score : Score
    classes : dict of int to str
        Classes that are kept, and what each shows.
    least : float
        Less probable boxes are left out before any check of their place.
    overlap : float, optional
        Of boxes whose intersection over union is larger, the less probable is left out; null
        where the model did that itself.
    most : int
        Boxes of one image that are kept.
    edge : float
        Boxes may reach so many cells beyond the image, and end at its edge then; farther, the
        analysis is refused.
    sides_mm : (float, float)
        Least and greatest side of a box; another one is in a wrong frame, and refused.
    """

    boxes: str
    scores: str | None = None
    labels: str | None = None
    layout: Literal["separate", "rows", "columns"] = "separate"
    box_at: int = Field(default=0, ge=0)
    score_at: int = Field(default=4, ge=0)
    label_at: int | None = Field(default=None, ge=0)
    format: Literal["corners", "corners_by_axis", "centre_size", "corner_size"] = "corners"
    coordinates: Literal["as_axes", "reversed"]
    frame: Literal["cells", "unit"] = "cells"
    whole_number_at: Literal["corner", "centre"] = "corner"
    score: Score = Score()
    classes: dict[int, str] = Field(min_length=1)
    least: float = Field(default=0.05, ge=0, le=1)
    overlap: float | None = Field(default=0.5, gt=0, lt=1)
    most: int = Field(default=100, ge=1)
    edge: float = Field(default=0.0, ge=0)
    sides_mm: tuple[float, float] = (1.0, 300.0)

    @model_validator(mode="after")
    def _check(self) -> BoxOutput:
        if (self.layout == "separate") != (self.scores is not None):
            raise ValueError("scores: an output of its own for the layout separate, and only there")
        if self.labels is not None and self.layout != "separate":
            raise ValueError("labels: for the layout separate alone; label_at for the others")
        if not 0 < self.sides_mm[0] < self.sides_mm[1]:
            raise ValueError("sides_mm: the shorter first, both above 0")
        return self

    def read(self, outputs: Mapping[str, npt.NDArray[Any]], grid: Grid) -> list[Box]:
        """Boxes that are kept, the most probable first.

        Raises
        ------
        RefusalError
            ``MODEL_OUTPUT_SHAPE``, ``MODEL_OUTPUT_NOT_FINITE``, ``MODEL_OUTPUT_SCORE``;
            ``MODEL_OUTPUT_PLACE`` for a box that is kept and lies outside the image, has no size
            or one that is impossible.
        """
        coordinates, scores, labels = self._tables(outputs, len(grid.shape))
        numbers, probabilities = self._classes(scores, labels)
        wanted = np.isin(numbers, list(self.classes)) & (probabilities >= self.least)
        found = []
        for n in np.flatnonzero(wanted):
            low, high = self._corners(coordinates[n], grid)
            low, high = self._placed(low, high, grid)
            word = self.classes[int(numbers[n])]
            found.append(Box(tuple(low), tuple(high), float(probabilities[n]), word))
        return self.apart(found)

    def apart(self, boxes: Sequence[Box]) -> list[Box]:
        """The most probable first, without those that overlap a more probable one."""
        kept: list[Box] = []
        for box in sorted(boxes, key=lambda b: -b.score):
            if self.overlap is None or all(shared(box, k) <= self.overlap for k in kept):
                kept.append(box)
            if len(kept) == self.most:
                break
        return kept

    def _tables(
        self, outputs: Mapping[str, npt.NDArray[Any]], axes: int
    ) -> tuple[Array, Array, npt.NDArray[np.int64] | None]:
        """Coordinates (n, 2 x axes), scores (n, classes), and labels (n,) where there are any."""
        table = _plane(output(outputs, self.boxes), self.boxes)
        if self.layout == "columns":
            table = table.T
        if self.layout == "separate":
            _wide(table, 2 * axes, self.boxes)
            scores = _rows(output(outputs, str(self.scores)), len(table), str(self.scores))
            if self.labels is None:
                return table, scores, None
            numbers = _rows(output(outputs, self.labels), len(table), self.labels)
            return table, scores, _whole(numbers[:, 0])
        last = max(self.box_at + 2 * axes, self.score_at + 1, (self.label_at or 0) + 1)
        if table.shape[1] < last:
            raise RefusalError(
                Reason.MODEL_OUTPUT_SHAPE, f"{self.boxes}: {table.shape[1]} values a box"
            )
        coordinates = table[:, self.box_at : self.box_at + 2 * axes]
        if self.label_at is None:
            return coordinates, table[:, self.score_at :], None
        return (
            coordinates,
            table[:, self.score_at : self.score_at + 1],
            _whole(table[:, self.label_at]),
        )

    def _classes(
        self, scores: Array, labels: npt.NDArray[np.int64] | None
    ) -> tuple[npt.NDArray[np.int64], Array]:
        """Of each box its class and the probability of it."""
        probabilities = self.score.probabilities(scores)
        if labels is not None:
            if probabilities.shape[1] != 1:
                raise RefusalError(
                    Reason.MODEL_OUTPUT_SHAPE, "labels beside scores of several classes"
                )
            return labels, np.asarray(probabilities[:, 0])
        kept = [n for n in self.classes if 0 <= n < probabilities.shape[1]]
        if not kept:
            raise RefusalError(
                Reason.MODEL_OUTPUT_SHAPE, f"scores of {probabilities.shape[1]} classes"
            )
        best = probabilities[:, kept].argmax(axis=1) if len(scores) else np.zeros(0, np.int64)
        numbers = np.asarray(kept, np.int64)[best]
        return numbers, probabilities[np.arange(len(scores)), numbers]

    def _corners(self, values: Array, grid: Grid) -> tuple[Array, Array]:
        axes = len(grid.shape)
        if self.format == "corners_by_axis":
            one, other = values[0::2], values[1::2]
        else:
            one, other = values[:axes], values[axes:]
        if self.format == "centre_size":
            one, other = one - other / 2, one + other / 2
        elif self.format == "corner_size":
            other = one + other
        if self.coordinates == "reversed":
            one, other = one[::-1], other[::-1]
        if self.frame == "unit":
            return one * grid.shape, other * grid.shape
        return (one + 0.5, other + 0.5) if self.whole_number_at == "centre" else (one, other)

    def _placed(self, low: Array, high: Array, grid: Grid) -> tuple[Array, Array]:
        sides = (high - low) * grid.spacing_mm
        least, most = self.sides_mm
        if sides.min() < least or sides.max() > most:
            told = " x ".join(f"{side:.1f}" for side in sides)
            raise RefusalError(Reason.MODEL_OUTPUT_PLACE, f"a box of {told} mm")
        beyond = max(float((grid.low - low).max()), float((high - grid.high).max()))
        if beyond > self.edge + 1e-3:
            raise RefusalError(
                Reason.MODEL_OUTPUT_PLACE, f"a box {beyond:.1f} cells outside the image"
            )
        low, high = np.maximum(low, grid.low), np.minimum(high, grid.high)
        if (high <= low).any():
            raise RefusalError(Reason.MODEL_OUTPUT_PLACE, "a box outside the image")
        return low, high


def shared(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    low, high = np.maximum(one.low, other.low), np.minimum(one.high, other.high)
    both = float(np.prod(np.maximum(high - low, 0)))
    sizes = [float(np.prod(np.subtract(b.high, b.low))) for b in (one, other)]
    return both / (sum(sizes) - both)


def _whole(values: Array) -> npt.NDArray[np.int64]:
    return np.asarray(np.rint(values), np.int64)


def _plane(array: npt.NDArray[Any], name: str) -> Array:
    """A table of numbers: two sizes, after leading sizes of 1."""
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2:
        raise RefusalError(Reason.MODEL_OUTPUT_SHAPE, f"{name}: {list(array.shape)}")
    return finite(array, name)


def _wide(table: Array, columns: int, name: str) -> None:
    if table.shape[1] != columns:
        raise RefusalError(
            Reason.MODEL_OUTPUT_SHAPE, f"{name}: {table.shape[1]} values a box, wants {columns}"
        )


def _rows(array: npt.NDArray[Any], count: int, name: str) -> Array:
    """A table of ``count`` rows."""
    if array.size == count:
        return finite(array, name).reshape(count, 1)
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2 or array.shape[0] != count:
        raise RefusalError(
            Reason.MODEL_OUTPUT_SHAPE, f"{name}: {list(array.shape)} for {count} boxes"
        )
    return finite(array, name)
