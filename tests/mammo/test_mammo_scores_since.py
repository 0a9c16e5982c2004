"""Code that changes a score says so: the way from pixels to score, by networks of one rule."""

from __future__ import annotations

import numpy as np
import pytest
from likely_exam import likely_exam

from mammo.application import MammoApplication, MammoSettings
from mammo.exam.choice import ViewRules
from mammo.marks.detector import Detector, Networks
from mammo.reading import read_exam
from mammo.scores.score import ViewEvidence, score
from mammo.scores.scored_by import SCORES_SINCE

SCORES = {"0.1.0": {"R": 0.72397, "L": 0.64016}}
"""Of each breast of the drawn exam, by the version that `SCORES_SINCE` names."""


class Bright:
    """Networks that find bright what is bright."""

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        film = inputs["film"][:, 0]
        n, rows, columns = film.shape

        def cells(size: int) -> np.ndarray:
            blocks = film.reshape(n, rows // size, size, columns // size, size)
            return (8 * blocks.mean((2, 4)) - 6).astype(np.float32)

        mass = cells(8)
        return {
            "mass": mass[None],
            "malignancy": mass[None] - 1,
            "inside": cells(4)[None],
            "signs": np.repeat(mass[:, None], 12, axis=1)[None],
            "look": np.repeat(mass[:, None], 64, axis=1)[None],
        }


class Anything:
    """Takes every image for a mammogram and marks nothing on it."""

    def check(self, prepared: object) -> None:
        return None

    def detect(self, prepared: object, view: int) -> tuple[()]:
        return ()


def test_who_changes_a_score_raises_scores_since() -> None:
    detector = Detector([Networks(Bright(), 0.4), Networks(Bright(), 0.3)])
    chosen = MammoApplication().select(likely_exam(), MammoSettings()).instances
    read = read_exam(chosen, Anything(), detector, Anything(), ViewRules())  # type: ignore[arg-type]
    told = score(
        [ViewEvidence(v.view.laterality, tuple(m.malignancy for m in v.marks)) for v in read.views]
    )
    found = {side.value: value for side, value in told.breasts.items()}
    assert found == pytest.approx(SCORES[SCORES_SINCE], rel=1e-3), (
        "a score has changed: raise mammo.scores.scored_by.SCORES_SINCE to the version that ships, "
        "and give it here with its scores"
    )
