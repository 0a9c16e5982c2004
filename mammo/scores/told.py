"""What a calibration makes of an exam, as findings say it."""

from __future__ import annotations

from gransk.core.findings import Measurement, Quality
from mammo.coding import measurement, quality
from mammo.scores.calibration import Calibration

NUMBERS = ("exam_score", "screening_probability")
CATEGORY = "score_category"


def told(calibration: Calibration, probability: float) -> tuple[list[Measurement], list[Quality]]:
    """Score, probability and category of an exam.

    Parameters
    ----------
    calibration : Calibration
        In force.
    probability : float
        The network's, 0 to 1.
    """
    shown = calibration.apply(probability)
    numbers = [measurement("exam_score", shown.exam_score)]
    if shown.probability is not None:
        numbers.append(measurement("screening_probability", round(shown.probability, 5)))
    category = [] if shown.category is None else [quality(CATEGORY, shown.category)]
    return numbers, category
