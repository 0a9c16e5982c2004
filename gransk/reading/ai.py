"""From sealed findings to the AI's opinion of an exam, by the one finding model.

Which application made them does not matter: an exam's score is the measurement ``exam_score``, its
probability ``malignancy_probability``, its side of the site's limit the property
``score_category``; marks say their breast, view and kind by code.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gransk.core.calibration import EXAM_SCORE
from gransk.core.codes import LEFT, RIGHT
from gransk.core.findings import Finding, Findings
from gransk.core.reasons import Reason
from gransk.core.screening import Breast, FindingType, View
from gransk.reading.opinions import (
    NOT_CALIBRATED,
    AiOpinion,
    AiSaid,
    Place,
    Suspect,
)

PROBABILITY = "malignancy_probability"
CATEGORY = "score_category"

BREASTS: Mapping[str, Breast] = {RIGHT.value: Breast.RIGHT, LEFT.value: Breast.LEFT}
VIEWS: Mapping[str, View] = {"399162004": View.CC, "399368009": View.MLO}
TYPES: Mapping[str, FindingType] = {
    "129788004": FindingType.MASS,
    "129769006": FindingType.CALCIFICATIONS,
    "129792006": FindingType.DISTORTION,
    "129790003": FindingType.ASYMMETRY,
}
"""SNOMED CT codes of PS3.16 CID 6022, 4014 and 6016."""

CATEGORIES: Mapping[str, Literal["low", "high"]] = {"SCORE-LOW": "low", "SCORE-HIGH": "high"}


@dataclass(frozen=True)
class Said:
    """What the AI says by a site's policy.

    Parameters
    ----------
    said : AiSaid
    reason : str
        Why it has no opinion; else empty.
    policy : str
    version : int
        Of the site's policies.
    """

    said: AiSaid
    reason: str = ""
    policy: str = ""
    version: int = 0


def category_of(findings: Findings) -> Literal["low", "high"] | None:
    """On which side of the site's limit findings lie; None without a calibrated limit."""
    code = findings.quality(CATEGORY)
    return None if code is None else CATEGORIES.get(code.value)


def opinion_of(
    findings: Findings, report_key: str, analysis_key: str, said: Said, at: datetime.datetime
) -> AiOpinion:
    """The opinion to be sealed; without a calibrated score there is none.

    Parameters
    ----------
    findings : Findings
    report_key, analysis_key : str
    said : Said
        By the policy.
    at : datetime
    """
    score = findings.measured(EXAM_SCORE)
    if score is None and said.said is not AiSaid.NO_OPINION:
        said = Said(AiSaid.NO_OPINION, NOT_CALIBRATED, said.policy, said.version)
    marks = (mark_of(finding) for finding in findings.standing)
    return AiOpinion(
        said=said.said,
        reason=said.reason,
        exam_score=score,
        category=category_of(findings),
        research=findings.research,
        probability=findings.measured(PROBABILITY),
        marks=tuple(mark for mark in marks if mark is not None),
        analysis_key=analysis_key,
        report_key=report_key,
        models={model.id: model.sha256 for model in findings.models},
        application=findings.application,
        application_version=findings.application_version,
        policy=said.policy,
        policy_version=said.version,
        sealed_at=at,
    )


def refused(application: str, reason: str, at: datetime.datetime) -> AiOpinion:
    """There is no opinion, for a reason of the closed list."""
    known = reason if reason in set(Reason) else Reason.INTERNAL_ERROR.value
    return AiOpinion(said=AiSaid.NO_OPINION, reason=known, application=application, sealed_at=at)


def mark_of(finding: Finding) -> Suspect | None:
    """A finding as a mark; None where it does not say which breast it is in."""
    side, view = finding.quality("laterality"), finding.quality("view")
    if side is None or side.value not in BREASTS:
        return None
    return Suspect(
        breast=BREASTS[side.value],
        view=None if view is None else VIEWS.get(view.value),
        finding_type=TYPES.get(finding.kind.value, FindingType.OTHER),
        place=_place(finding),
        lesion_uid=finding.lesion_uid or finding.tracking_uid,
    )


def _place(finding: Finding) -> Place | None:
    """Middle and half the greatest extent of its first region."""
    if not finding.regions:
        return None
    region = finding.regions[0]
    columns, rows = zip(*region.points, strict=True)
    width, height = max(columns) - min(columns), max(rows) - min(rows)
    return Place(
        sop_instance_uid=region.sop_instance_uid,
        centre_px=(min(columns) + width / 2, min(rows) + height / 2),
        radius_px=math.hypot(width, height) / 2,
    )
