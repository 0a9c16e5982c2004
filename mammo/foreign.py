"""Models that are not ours: they see images as displayed and give boxes or the exam's score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gransk.core.contracts.boxes import Box
from gransk.core.contracts.image import ImageFrame, Shown
from gransk.core.contracts.image_boxes import ImageBoxes, corners
from gransk.core.contracts.mammo_exam import ExamScores, MammoExam
from gransk.core.errors import RefusalError
from gransk.core.models import Model
from gransk.core.reasons import Reason
from mammo.image.grid import SPACING_MM, Prepared
from mammo.image.pixels import Pixels
from mammo.marks.calcifications import NOT_ESTIMATED
from mammo.marks.mark import Kind, Mark, Point
from mammo.marks.outlines import longest_mm
from mammo.marks.outlining import outlined
from mammo.view import View

LEAST_SHARED = 0.25
"""An outline whose own box shares less with the model's box outlines something else."""


@dataclass(frozen=True)
class Displayed:
    """One view as it is displayed, and the breast in it."""

    view: View
    pixels: Pixels
    prepared: Prepared

    @property
    def shown(self) -> Shown:
        """As a model is shown it."""
        prepared = self.prepared
        middle = prepared.offset_px[1] + prepared.grey.shape[0] / 2
        return Shown(
            image=self.pixels.image,
            spacing_mm=self.pixels.spacing_mm,
            wall_at_right=prepared.mirrored,
            middle_row=middle * SPACING_MM / self.pixels.spacing_mm[0],
        )

    def to_prepared(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Prepared coordinates of (column, row) of the upright image."""
        return self.prepared.from_native(self.pixels.turn.to_native(points))


@dataclass(frozen=True)
class Foreign:
    """The models that are not ours, by what they do.

    Parameters
    ----------
    detectors : tuple of Model
        Of the contract ``image-boxes``.
    exam : Model, optional
        Of the contract ``mammo-exam-four-views``.
    """

    detectors: tuple[Model, ...] = ()
    exam: Model | None = None

    @classmethod
    def of(cls, models: Mapping[str, Model]) -> Foreign:
        """Of the models by role."""
        boxes = tuple(m for m in models.values() if isinstance(m.card.contract, ImageBoxes))
        return cls(boxes, models.get("exam"))

    def marks(self, displayed: Displayed, number: int) -> tuple[Mark, ...]:
        """Marks of every detector on one view, the most probable first.

        Raises
        ------
        RefusalError
            Where a model's answer is not what its card says.
        """
        found = [
            mark
            for model in self.detectors
            if isinstance(model.card.contract, ImageBoxes)
            for mark in _marks(model.card.contract, model, displayed, number)
        ]
        return tuple(sorted(found, key=lambda mark: -mark.probability))

    def score(self, displayed: Sequence[Displayed]) -> ExamScores | None:
        """What the exam's model says; None where there is none.

        Raises
        ------
        RefusalError
            ``VIEWS_MISSING`` where not all four views are there; as `marks` otherwise.
        """
        if self.exam is None or not isinstance(self.exam.card.contract, MammoExam):
            return None
        shown = {one.view.name: one.shown for one in displayed}
        return self.exam.card.contract.judge(self.exam, shown)


def _marks(contract: ImageBoxes, model: Model, displayed: Displayed, number: int) -> list[Mark]:
    boxes, frame = contract.find(model, displayed.shown)
    return [_mark(contract, box, frame, displayed, number) for box in boxes]


def _mark(
    contract: ImageBoxes, box: Box, frame: ImageFrame, displayed: Displayed, number: int
) -> Mark:
    kind = Kind(box.word)
    around = displayed.to_prepared(corners(box, frame))
    _check_on_breast(around, displayed.prepared)
    drawn = contract.outline == "drawn" and kind is not Kind.CALCIFICATIONS
    outline, size_mm = _outline(around, displayed.prepared if drawn else None)
    estimated = contract.malignancy == "score" and kind is not Kind.CALCIFICATIONS
    x, y = around.mean(axis=0)
    return Mark(
        view=number,
        kind=kind,
        centre=(float(x), float(y)),
        outline=outline,
        size_mm=size_mm,
        probability=box.score,
        malignancy=box.score if estimated else NOT_ESTIMATED,
        estimated=estimated,
    )


def _check_on_breast(around: npt.NDArray[np.float64], prepared: Prepared) -> None:
    """Refuse a box that shows nothing of the breast: a label, a marker or a wrong frame.

    Raises
    ------
    RefusalError
        ``MODEL_OUTPUT_PLACE``.
    """
    low = np.maximum(np.floor(around.min(axis=0)).astype(int), 0)
    high = np.maximum(np.ceil(around.max(axis=0)).astype(int), low)
    if not prepared.breast[low[1] : high[1], low[0] : high[0]].any():
        raise RefusalError(Reason.MODEL_OUTPUT_PLACE, "a box outside the breast")


def _outline(
    around: npt.NDArray[np.float64], prepared: Prepared | None
) -> tuple[tuple[Point, ...], float]:
    """The outline and the longest diameter in mm: drawn in the image where given, else the box.

    A box's diameter is its longer side.
    """
    box = tuple((float(x), float(y)) for x, y in around)
    sides = np.ptp(around, axis=0)
    by_box = box, float(sides.max()) * SPACING_MM
    if prepared is None:
        return by_box
    x, y = (float(v) for v in around.mean(axis=0))
    try:
        drawn = outlined(prepared, (x, y))
    except RefusalError:
        return by_box
    points = np.asarray(drawn)
    low = np.maximum(points.min(axis=0), around.min(axis=0))
    high = np.minimum(points.max(axis=0), around.max(axis=0))
    both = float(np.prod(np.maximum(high - low, 0)))
    either = float(np.prod(sides)) + float(np.prod(np.ptp(points, axis=0))) - both
    return (drawn, longest_mm(points)) if both >= LEAST_SHARED * either else by_box
