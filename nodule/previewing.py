"""What other limits would have reported, from kept findings and what was left out below them."""

from __future__ import annotations

from dataclasses import dataclass

from gransk.core.application import Previewed, TakesImages
from gransk.core.findings import Findings

MORE = "more_not_reported"
"""Note of an analysis that found more than the most that it was to report."""


@dataclass(frozen=True)
class Limits:
    """What is reported: least probability, least mean diameter (mm), most findings."""

    probability: float
    smallest_mm: float
    most: int


def preview(findings: Findings, before: Limits, after: Limits) -> Previewed:
    """Nodules as they would be reported.

    What lies at or above both limits was measured and is told exactly. A candidate below the
    earlier least probability was never measured: whether it would be reported takes the images,
    since it may be too small, or part of another nodule.

    Parameters
    ----------
    findings : Findings
        As they were sealed.
    before, after : Limits
        Of that analysis, and the others.
    """
    reported = findings.findings
    wide = [
        one for one in reported if _width(one.measured("mean_diameter_mm")) >= after.smallest_mm
    ]
    kept = [one for one in wide if one.probability >= after.probability]
    left = [float(one["probability"]) for one in findings.candidates if not one["reported"]]
    unmeasured = sum(after.probability <= p < before.probability for p in left)
    # Measured and yet left out: too small, beyond the most, or part of another nodule.
    out = sum(p >= max(after.probability, before.probability) for p in left)
    beyond = any(note.code == MORE for note in findings.notes)
    moves_up = beyond and (after.most > before.most or len(wide) < len(reported))
    measured_out = out if after.smallest_mm < before.smallest_mm or moves_up else 0
    least = min(len(kept), after.most)
    most = min(len(kept) + unmeasured + measured_out, after.most)
    if measured_out or most > least:
        return Previewed(None, least, most, TakesImages.UNMEASURED)
    return Previewed.known(findings.model_copy(update={"findings": tuple(kept[: after.most])}))


def _width(value: float | None) -> float:
    return 0.0 if value is None else value
