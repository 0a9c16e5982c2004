"""Studies, findings and comparisons for tests of what follows from them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from chest_series import chest_series, study

from gransk.core.codes import LUNG, MEAN_DIAMETER, MM, MM3, NODULE, PERCENT, VOLUME
from gransk.core.findings import (
    Finding,
    Findings,
    FrameRef,
    Measurement,
    Note,
    Quality,
    Review,
    ReviewState,
)
from gransk.core.followup import Assessment, Comparison, Lesion, Look, Outcome
from gransk.core.reasons import Reason
from gransk.core.study import Study
from nodule.application import NoduleApplication, NoduleSettings
from nodule.coding import PROPERTIES
from nodule.follow_up_settings import FollowUpSettings
from nodule.growth.dates import add_months
from nodule.guidelines.choice import GuidelineChoice

START = datetime.date(2024, 1, 15)
APPLICATION = NoduleApplication()
HEALTHY = {
    "known_primary_cancer": False,
    "immunosuppressed": False,
    "extrathoracic_cancer": "none",
    "earlier_lung_cancer": False,
}


def day(months: int, days: int = 0) -> datetime.date:
    """Some months and days after the first scan of a course."""
    return add_months(START, months) + datetime.timedelta(days)


def scan(date: datetime.date | None, **changes: Any) -> Study:
    """A chest CT of a woman born in 1959, of a day; two images are enough for its headers."""
    told = {
        "PatientBirthDate": "19590301",
        "PatientSex": "F",
        "StudyDate": "" if date is None else date.strftime("%Y%m%d"),
        **changes,
    }
    return study(chest_series("s", length_mm=5, **told))


def sizes(
    mm: float,
    mm3: float | None = None,
    solid_mm: float | None = None,
    greatest: float | None = None,
) -> tuple[Measurement, ...]:
    """Mean diameter, volume and what goes with them."""

    def length(name: str, value: float) -> Measurement:
        return Measurement(name=name, concept=MEAN_DIAMETER, unit=MM, value=value)

    found = [
        length("mean_diameter_mm", mm),
        length("maximum_transverse_diameter_mm", round(mm * 1.1, 2)),
        length("long_axis_mm", round(mm * 1.1, 2)),
        length("short_axis_mm", round(mm * 0.9, 2)),
    ]
    if greatest is not None:
        found.append(length("greatest_plane_mean_diameter_mm", greatest))
    if solid_mm is not None:
        found.append(length("solid_part_mean_diameter_mm", solid_mm))
    if mm3 is not None:
        found.append(Measurement(name="volume_mm3", concept=VOLUME, unit=MM3, value=mm3))
    return tuple(found)


def finding(
    number: int = 1,
    mm: float = 7.0,
    mm3: float | None = None,
    reviews: Sequence[ReviewState] = (),
    solid_mm: float | None = None,
    greatest: float | None = None,
    **looks: str,
) -> Finding:
    """A solid nodule of an upper lobe unless ``looks`` say otherwise."""
    seen = {"texture": "solid", "upper_lobe": "yes", "side": "right", "lobe": "upper", **looks}
    return Finding(
        tracking_uid=f"1.2.{number}",
        tracking_id=f"Nodule {number}",
        kind=NODULE,
        site=LUNG,
        probability=0.9,
        measurements=sizes(mm, mm3, solid_mm, greatest),
        qualities=tuple(
            Quality(name=name, concept=PROPERTIES[name][0], value=PROPERTIES[name][1][value])
            for name, value in seen.items()
        ),
        reviews=tuple(
            Review(state=state, by="Anna", at=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))
            for state in reviews
        ),
    )


def findings(*found: Finding) -> Findings:
    """What an analysis of the current study found."""
    return Findings(
        application="nodule",
        application_version="1",
        models=(),
        study_instance_uid="1.2",
        series_instance_uids=("1.2.3",),
        frames=(FrameRef(sop_class_uid="1", sop_instance_uid="2", series_instance_uid="1.2.3"),),
        findings=found,
    )


def look(date: datetime.date, measured: Sequence[Measurement]) -> Look:
    return Look(
        study_instance_uid="1.2",
        series_instance_uid="1.2.3",
        date=date,
        measurements=tuple(measured),
    )


def matched(
    uid: str,
    prior: datetime.date,
    now: datetime.date,
    before: Sequence[Measurement],
    after: Sequence[Measurement],
    withheld: Sequence[str] = (),
    changes: Mapping[str, tuple[float, tuple[float, float | None] | None]] | None = None,
) -> Lesion:
    """A lesion that both studies show."""
    return Lesion(
        outcome=Outcome.MATCHED,
        current_uid=uid,
        prior_uid=uid,
        certainty=0.9,
        prior=look(prior, before),
        current=look(now, after),
        withheld=tuple(Note(code=code) for code in withheld),
        changes=tuple(
            Measurement(name=name, concept=VOLUME, unit=PERCENT, value=value, interval=interval)
            for name, (value, interval) in (changes or {}).items()
        ),
    )


def unmatched(outcome: Outcome, uid: str, now: datetime.date, mm: float = 7.0) -> Lesion:
    return Lesion(outcome=outcome, current_uid=uid, current=look(now, sizes(mm)))


def comparison(
    prior: datetime.date,
    now: datetime.date,
    *lesions: Lesion,
    refused: Reason | None = None,
    notes: Sequence[Note] = (),
) -> Comparison:
    return Comparison(
        application="nodule",
        application_version="1",
        current_study="1.2",
        prior_study="1.1",
        current_date=now,
        prior_date=prior,
        lesions=lesions,
        refused=refused,
        notes=tuple(notes),
    )


def answers(
    patient: Mapping[str, Any] | None = None,
    nodules: Mapping[str, Mapping[str, Any]] | None = None,
    nodule: Mapping[str, Any] | None = None,
    date: str = "2024-01-15",
) -> dict[str, Any]:
    """A profile of a person's answers."""

    def told(given: Mapping[str, Any] | None) -> dict[str, Any]:
        return {
            name: {"value": value, "source": "person", "date": date}
            for name, value in (given or {}).items()
        }

    return {
        "patient": told(patient),
        "nodule": told(nodule),
        "nodules": [{"tracking_uid": uid, **told(one)} for uid, one in (nodules or {}).items()],
    }


def settings(models: Sequence[str] | None = None, **guidelines: str | None) -> NoduleSettings:
    chosen: dict[str, Any] = {"guidelines": GuidelineChoice(**guidelines)}
    if models is not None:
        chosen["risk_models"] = tuple(models)
    return NoduleSettings(follow_up=FollowUpSettings(**chosen))


def assess(
    date: datetime.date | None,
    found: Findings,
    comparisons: Sequence[Comparison] = (),
    profile: Mapping[str, Any] | None = None,
    chosen: NoduleSettings | None = None,
    **header: Any,
) -> Assessment:
    return APPLICATION.assess(
        scan(date, **header), found, comparisons, profile, chosen or NoduleSettings()
    )
