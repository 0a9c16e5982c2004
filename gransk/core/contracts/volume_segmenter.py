"""Contract ``volume-segmenter``: a model that says of every voxel whether it is a nodule."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from gransk.core.contracts.parts import FloatArray, Part, Score, finite, output
from gransk.core.contracts.scan import BoolArray, Place, ScanFrame, ScanInput, spatial
from gransk.core.errors import RefusalError
from gransk.core.reasons import Reason
from gransk.core.volume import Volume

if TYPE_CHECKING:
    from gransk.core.models import Model


class VolumeSegmenter(Part):
    """A model that outlines.

    Parameters
    ----------
    input : ScanInput
    of : str
        ``scan``: the whole scan, or the lungs' box, in windows where there is a ``patch``;
        ``place``: one window of the size ``patch`` about each nodule.
    output : str
        Has the spatial sizes of the input, a channel for each class or none.
    score : Score
        Of a voxel; ``softmax`` is over the channels.
    channel : int
        The channel that says nodule.
    labels : tuple of int, optional
        The output is a map of labels, and these are nodule; no score then.
    threshold : float
        Least probability of a voxel of the nodule; a label map's is half.
    """

    kind: Literal["volume-segmenter"]
    input: ScanInput
    of: Literal["scan", "place"]
    output: str
    score: Score = Score()
    channel: int = Field(default=0, ge=0)
    labels: tuple[int, ...] | None = None
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5

    @model_validator(mode="after")
    def _check(self) -> VolumeSegmenter:
        if self.of == "place" and self.input.patch is None:
            raise ValueError("of place: input.patch says the window's size")
        if self.labels is not None and (self.threshold, self.score) != (0.5, Score()):
            raise ValueError("labels have neither threshold nor score")
        return self

    def at(self, model: Model, volume: Volume, index: Place) -> tuple[FloatArray, ScanFrame]:
        """Probabilities in a window about a place.

        Raises
        ------
        RefusalError
            ``MODEL_OUTPUT_SHAPE``, ``MODEL_OUTPUT_NOT_FINITE``, ``MODEL_OUTPUT_SCORE``.
        """
        patch = self.input.patch
        if patch is None:
            raise RefusalError(Reason.MODEL_OUTPUT_SHAPE, "a window without a size")
        frame = self.input.about(volume, index, patch)
        return self._seen(model, volume, frame), frame

    def whole(
        self,
        model: Model,
        volume: Volume,
        lungs: BoolArray | None = None,
        progress: Callable[[float], None] = lambda _: None,
    ) -> tuple[FloatArray, ScanFrame]:
        """Probabilities over the scan: the mean where windows overlap.

        Raises
        ------
        RefusalError
            As `at`.
        """
        frame = self.input.whole(volume, lungs)
        windows = list(self.input.windows(frame))
        if len(windows) == 1:
            return self._seen(model, volume, frame), frame
        total = np.zeros(frame.shape, np.float32)
        count = np.zeros(frame.shape, np.uint16)
        for number, (first, window) in enumerate(windows, 1):
            box = tuple(slice(a, a + n) for a, n in zip(first, window.shape, strict=True))
            total[box] += self._seen(model, volume, window)
            count[box] += 1
            progress(number / len(windows))
        return (total / np.maximum(count, 1)).astype(np.float32), frame

    def _seen(self, model: Model, volume: Volume, frame: ScanFrame) -> FloatArray:
        seen = self.input.tensor(volume, frame, model.card)
        outputs = model.run({self.input.name: seen})
        found = spatial(output(outputs, self.output), frame.shape, self.output)
        if self.labels is not None:
            if found.shape[0] != 1:
                raise RefusalError(
                    Reason.MODEL_OUTPUT_SHAPE, f"{self.output}: labels in {found.shape[0]} channels"
                )
            numbers = finite(found[0], self.output)
            return np.isin(numbers, self.labels).astype(np.float32)
        if self.channel >= found.shape[0]:
            raise RefusalError(
                Reason.MODEL_OUTPUT_SHAPE, f"{self.output}: {found.shape[0]} channels"
            )
        shares = self.score.probabilities(found, axis=0)[self.channel]
        return np.asarray(shares, np.float32)
