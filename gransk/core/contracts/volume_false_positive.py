"""Contract ``volume-false-positive``: a model that tells nodules from what only looks like one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, model_validator

from gransk.core.contracts.parts import Part, Score, output
from gransk.core.contracts.scan import Place, ScanInput
from gransk.core.errors import RefusalError
from gransk.core.reasons import Reason
from gransk.core.volume import Volume

if TYPE_CHECKING:
    from gransk.core.models import Model


class VolumeFalsePositive(Part):
    """A classifier of windows about candidates.

    Parameters
    ----------
    inputs : tuple of ScanInput
        One, or several of different size or scale; each with its ``patch``.
    output : str
        One number a candidate, or one for each class.
    score : Score
    nodule : int
        The class that says nodule, of several.
    """

    kind: Literal["volume-false-positive"]
    inputs: tuple[ScanInput, ...] = Field(min_length=1)
    output: str
    score: Score = Score()
    nodule: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _check(self) -> VolumeFalsePositive:
        if any(one.patch is None or one.lungs_margin_mm is not None for one in self.inputs):
            raise ValueError("inputs: each wants a patch, and none lungs_margin_mm")
        if len({one.name for one in self.inputs}) != len(self.inputs):
            raise ValueError("inputs: each has a name of its own")
        return self

    def scores(self, model: Model, volume: Volume, places: Sequence[Place]) -> list[float]:
        """Probability of a nodule at each place, (k, j, i) of the scan.

        Raises
        ------
        RefusalError
            ``MODEL_OUTPUT_SHAPE``, ``MODEL_OUTPUT_NOT_FINITE``, ``MODEL_OUTPUT_SCORE``.
        """
        return [self._score(model, volume, place) for place in places]

    def _score(self, model: Model, volume: Volume, place: Place) -> float:
        seen = {}
        for one in self.inputs:
            if one.patch is not None:
                frame = one.about(volume, place, one.patch)
                seen[one.name] = one.tensor(volume, frame, model.card)
        found = np.ravel(output(model.run(seen), self.output))
        if self.nodule >= found.size:
            raise RefusalError(Reason.MODEL_OUTPUT_SHAPE, f"{self.output}: {found.size} classes")
        return float(self.score.probabilities(found)[self.nodule])
