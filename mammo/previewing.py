"""What other settings would have reported of an exam, from its kept marks and probability."""

from __future__ import annotations

from collections.abc import Mapping

from gransk.core.application import Previewed, TakesImages
from gransk.core.findings import Findings, Note
from mammo.scores.calibration import Calibration
from mammo.scores.told import CATEGORY, NUMBERS, told

PROBABILITY = "malignancy_probability"
CALIBRATION_NOTES = (
    "not_calibrated", "calibration_other_models", "calibration_other_settings",
    "calibration_other_version",
)  # fmt: skip


def preview(
    findings: Findings,
    thresholds: Mapping[str, float],
    most: int,
    calibration: Calibration | None,
    why_not: Note | None,
) -> Previewed:
    """Marks and score as they would be reported.

    Every mark was kept with its probability, so how many would be reported is known; one that
    was left out then has no finding of its own to show.

    Parameters
    ----------
    findings : Findings
        As they were sealed.
    thresholds : mapping of str to float
        Least probability by kind of mark.
    most : int
        Most marks of one exam.
    calibration : Calibration, optional
    why_not : Note, optional
        Why there is none.
    """
    likely = [
        str(one["tracking_uid"])
        for one in findings.candidates
        if float(one["probability"]) >= thresholds[str(one["kind"])]
    ][:most]
    shown = [one for one in findings.findings if one.tracking_uid in likely]
    scored = _scored(findings, calibration, why_not)
    if len(shown) < len(likely):
        return Previewed(None, len(likely), len(likely), TakesImages.UNMEASURED)
    return Previewed.known(scored.model_copy(update={"findings": tuple(shown)}))


def _scored(findings: Findings, calibration: Calibration | None, why_not: Note | None) -> Findings:
    probability = findings.measured(PROBABILITY)
    numbers = [one for one in findings.measurements if one.name not in NUMBERS]
    qualities = [one for one in findings.qualities if one.name != CATEGORY]
    notes = [one for one in findings.notes if one.code not in CALIBRATION_NOTES]
    if calibration is not None and probability is not None:
        more, category = told(calibration, probability)
        numbers, qualities = [*numbers, *more], [*qualities, *category]
    elif why_not is not None:
        notes.append(why_not)
    changed = {
        "measurements": tuple(numbers),
        "qualities": tuple(qualities),
        "notes": tuple(notes),
    }
    return findings.model_copy(update=changed)
