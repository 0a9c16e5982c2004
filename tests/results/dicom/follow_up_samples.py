"""A follow-up of the sample findings: two earlier studies, growth, one new, one resolved."""

from __future__ import annotations

import datetime

from gransk.core import codes
from gransk.core.codes import Code
from gransk.core.findings import Findings, FrameRef, Measurement, Note, Region
from gransk.core.followup import (
    Advice,
    Assessment,
    Comparison,
    FollowUp,
    Lesion,
    Look,
    NotCompared,
    Outcome,
)
from gransk.core.keys import uid
from gransk.core.reasons import Reason

DAY = Code(value="d", scheme="UCUM", meaning="day")
CHANGE = Code(value="volume-change", scheme="99GRANSK", meaning="Change of volume")
DOUBLING = Code(value="vdt", scheme="99GRANSK", meaning="Volume doubling time")
CURRENT = datetime.date(2026, 3, 1)
PRIORS = (datetime.date(2025, 8, 30), datetime.date(2025, 2, 28))
ADVICE = {"en": "CT at 3 months.", "da": "CT efter 3 måneder."}


def prior_frame(number: int) -> FrameRef:
    return FrameRef(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        sop_instance_uid=uid("test", "prior image", str(number)),
        series_instance_uid=uid("test", "prior series", str(number)),
    )


def volume(mm3: float) -> Measurement:
    return Measurement(
        name="volume_mm3",
        concept=codes.VOLUME,
        unit=codes.MM3,
        value=mm3,
        interval=(mm3 * 0.8, mm3 * 1.25),
    )


def look(study: str, date: datetime.date, mm3: float, frame: FrameRef | None) -> Look:
    square = ((10.0, 10.0), (14.0, 10.0), (14.0, 14.0), (10.0, 14.0))
    return Look(
        study_instance_uid=study,
        series_instance_uid=uid("test", "series"),
        date=date,
        measurements=(volume(mm3),),
        frame=frame,
        region=frame and Region(sop_instance_uid=frame.sop_instance_uid, points=square),
    )


def prior_study(number: int) -> str:
    return uid("test", "prior study", str(number))


def comparison(findings: Findings, number: int, mm3: float, days: float) -> Comparison:
    """The first finding grown, the second new, a third gone."""
    first, second = findings.findings
    study = prior_study(number)
    changes = (
        Measurement(
            name="volume_change_percent",
            concept=CHANGE,
            unit=codes.PERCENT,
            value=100 * (188 - mm3) / mm3,
        ),
        Measurement(
            name="vdt_days", concept=DOUBLING, unit=DAY, value=days, interval=(days * 0.6, None)
        ),
    )
    return Comparison(
        application="nodule",
        application_version="1.2.3",
        current_study=findings.study_instance_uid,
        prior_study=study,
        current_date=CURRENT,
        prior_date=PRIORS[number],
        lesions=(
            Lesion(
                outcome=Outcome.MATCHED,
                current_uid=first.tracking_uid,
                prior_uid=first.tracking_uid,
                current=look(findings.study_instance_uid, CURRENT, 188.0, None),
                prior=look(study, PRIORS[number], mm3, prior_frame(number)),
                changes=changes,
            ),
            Lesion(outcome=Outcome.NEW, current_uid=second.tracking_uid),
            Lesion(
                outcome=Outcome.RESOLVED,
                prior_uid=uid("test", "gone"),
                prior=look(study, PRIORS[number], 60.0, prior_frame(number)),
            ),
        ),
        notes=(Note(code="thick", values={"mm": 3}),),
    )


def follow_up(findings: Findings) -> FollowUp:
    advice = Advice(
        tracking_uid=findings.findings[0].tracking_uid,
        guideline="bts-2015",
        version="1.0",
        source_state="secondary",
        status="advice",
        row="r1",
        action="ct",
        due=(datetime.date(2026, 6, 1), datetime.date(2026, 6, 1)),
        text=ADVICE,
        reason=ADVICE,
    )
    return FollowUp(
        comparisons=(comparison(findings, 0, 150.0, 560.0), comparison(findings, 1, 120.0, 563.0)),
        not_compared=(NotCompared(reason=Reason.PRIOR_IDENTITY_MISMATCH),),
        assessment=Assessment(advice=(advice,)),
    )
