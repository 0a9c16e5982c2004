"""Breast and view read from the image, where attributes do not tell them.

A small model sees the breast, chest wall to the left, and tells MLO from CC. The breast is told
by the side of the chest wall: most films and digital images are hung with the chest wall of a
right breast to the right. A mirrored image cannot be told from one of the other breast, except by
its marker, which is not read; and one of the four scanners of the training films gave all of its
films the other way. So the probability of a side is how often the rule holds in those films, the
same for every image, and the result says that it was read from the image.
"""

from __future__ import annotations

import numpy as np

from gransk.core.errors import RefusalError
from gransk.core.models import Model
from gransk.core.raster import resized
from gransk.core.reasons import Reason
from mammo.exam.choice import Look
from mammo.exam.familiar import NAMES, features
from mammo.image.grid import FloatArray, Prepared

MODEL_ID = "mammo-view"
SHAPE = (96, 64)
"""Rows and columns of what the network sees."""


class Recogniser:
    """Tells breast and view, and whether an image is a mammogram at all.

    Parameters
    ----------
    model : Model
        `MODEL_ID`.
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def look(self, prepared: Prepared) -> Look:
        """What is seen in an image."""
        outputs = self._run(prepared, thumbnail(prepared), np.zeros(len(NAMES), dtype=np.float32))
        return Look(right=outputs["right"], mlo=outputs["mlo"])

    def strangeness(self, prepared: Prepared) -> float:
        """0 for the most ordinary mammogram to 1; refused above `limit`."""
        seen = np.zeros(SHAPE, dtype=np.float32)
        return self._run(prepared, seen, features(prepared))["strangeness"]

    @property
    def limit(self) -> float:
        """The largest strangeness that is analysed."""
        return self._model.threshold

    def check(self, prepared: Prepared) -> None:
        """Refuse what does not look like the images that the models were made for.

        Raises
        ------
        RefusalError
            ``OUT_OF_DISTRIBUTION``.
        """
        strangeness = self.strangeness(prepared)
        if strangeness > self.limit:
            detail = f"strangeness {strangeness:.3f}, limit {self.limit:.3f}"
            raise RefusalError(Reason.OUT_OF_DISTRIBUTION, detail)

    def _run(self, prepared: Prepared, seen: FloatArray, described: FloatArray) -> dict[str, float]:
        """The model's outputs: breast and view depend on what is seen, the rest on features."""
        outputs = self._model.run(
            {
                "image": seen[None, None],
                "mirrored": np.array([prepared.mirrored], dtype=np.float32),
                "features": described[None],
            }
        )
        return {name: float(np.clip(value[0], 0, 1)) for name, value in outputs.items()}


def thumbnail(prepared: Prepared) -> FloatArray:
    """The breast, chest wall at the left, fitted into `SHAPE` without change of proportions.

    Its size in mm does not count, so that images without a pixel spacing are seen alike.
    """
    rows, columns = prepared.grey.shape
    ratio = min(SHAPE[0] / rows, SHAPE[1] / columns)
    size = (
        max(1, min(SHAPE[0], round(rows * ratio))),
        max(1, min(SHAPE[1], round(columns * ratio))),
    )
    seen = np.zeros(SHAPE, dtype=np.float32)
    top = (SHAPE[0] - size[0]) // 2
    seen[top : top + size[0], : size[1]] = resized(prepared.grey, size)
    return seen
