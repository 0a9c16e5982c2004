"""Contract ``image-boxes``: a detector that gives boxes on one image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from gransk.core.contracts.boxes import Box, BoxOutput
from gransk.core.contracts.image import ImageFrame, ImageInput, Shown
from gransk.core.contracts.parts import Part

if TYPE_CHECKING:
    from gransk.core.models import Model


class ImageBoxes(Part):
    """A detector of boxes on one image.

    Parameters
    ----------
    input : ImageInput
    output : BoxOutput
        ``classes`` name findings of the application: for mammography ``mass``, ``distortion``,
        ``asymmetry`` and ``calcifications``.
    outline : str
        ``drawn``: the outline is drawn about the box's middle where that finds something of the
        box's extent, the box elsewhere; ``box``: always the box.
    malignancy : str
        ``score``: the score is one of malignancy too; ``none``: nothing is said of it.
    """

    kind: Literal["image-boxes"]
    input: ImageInput
    output: BoxOutput
    outline: Literal["drawn", "box"] = "drawn"
    malignancy: Literal["score", "none"]

    def find(self, model: Model, shown: Shown) -> tuple[list[Box], ImageFrame]:
        """Boxes on the model's grid, rows first, and where the image lies in it.

        Raises
        ------
        RefusalError
            As `BoxOutput.read`.
        """
        tensor, frame = self.input.tensor(shown, model.card)
        outputs = model.run({self.input.name: tensor})
        return self.output.read(outputs, frame.grid), frame


def corners(box: Box, frame: ImageFrame) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """The four corners of a box in the image, (column, row), shape (4, 2)."""
    (top, left), (bottom, right) = box.low, box.high
    around = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    return frame.to_image(around)
