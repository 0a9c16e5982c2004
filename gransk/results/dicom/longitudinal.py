"""Earlier studies in the structured report: previous findings, change, time points.

TID 1500 takes earlier values as measurement groups of their own (TID 1501) with a time point
(TID 1502). They stand in a container of previous findings (121068, DCM), outside the imaging
measurements of this study: viewers merge every group of one tracking UID there and would draw
the earlier numbers as today's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from highdicom.sr import (
    CodedConcept,
    ContentSequence,
    LongitudinalTemporalOffsetFromEvent,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TimePointContext,
    TrackingIdentifier,
    UIDRefContentItem,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes

from gransk.core import findings as model
from gransk.core.followup import Comparison, FollowUp, Lesion, Look, Outcome
from gransk.core.keys import uid
from gransk.results.dicom.common import PRIVATE_SCHEME
from gransk.results.dicom.items import container, measurement

CONTAINS = RelationshipTypeValues.CONTAINS
DAY = CodedConcept("d", "UCUM", "day")
OUTCOME = CodedConcept("111049", "DCM", "Qualitative Difference")
OUTCOMES = {
    Outcome.MATCHED: CodedConcept("matched", PRIVATE_SCHEME, "Seen on the earlier study too"),
    Outcome.NEW: CodedConcept("new", PRIVATE_SCHEME, "New since the earlier study"),
    Outcome.RESOLVED: CodedConcept("resolved", PRIVATE_SCHEME, "No longer seen"),
    Outcome.NOT_COVERED: CodedConcept(
        "not_covered", PRIVATE_SCHEME, "Place not shown by one of the studies"
    ),
    Outcome.UNCERTAIN: CodedConcept(
        "uncertain", PRIVATE_SCHEME, "Correspondence to earlier findings uncertain"
    ),
}
COMPARED_STUDY = CodedConcept("compared_study", PRIVATE_SCHEME, "Compared study")


def time_point(follow_up: FollowUp, study: str) -> TimePointContext | None:
    """Where a study stands among those that were compared (TID 1502); None for one alone."""
    dates = {one.prior_study: one.prior_date for one in follow_up.comparisons}
    dates |= {one.current_study: one.current_date for one in follow_up.comparisons}
    if study not in dates:
        return None
    order = sorted(dates, key=lambda key: (dates[key], key))
    offset = (dates[study] - dates[order[0]]).days
    return TimePointContext(
        time_point=dates[study].isoformat(),
        time_point_order=order.index(study) + 1,
        temporal_offset_from_event=LongitudinalTemporalOffsetFromEvent(
            value=float(offset), unit=DAY, event_type=codes.DCM.Baseline
        ),
    )


def outcomes(follow_up: FollowUp, tracking_uid: str) -> list[QualitativeEvaluation]:
    """What became of a finding since each compared study."""
    made = []
    for comparison in follow_up.comparisons:
        lesion = comparison.of(tracking_uid)
        if lesion is not None:
            item = QualitativeEvaluation(OUTCOME, OUTCOMES[lesion.outcome])
            item[0].ContentSequence = ContentSequence([_compared(comparison)])
            made.append(item)
    return made


def changes(follow_up: FollowUp, tracking_uid: str) -> list[Measurement]:
    """Change and doubling time since the latest compared study, for the finding's own group."""
    for comparison in follow_up.comparisons:
        lesion = comparison.of(tracking_uid)
        if lesion is not None and lesion.changes:
            return [_change(tracking_uid, comparison, one) for one in lesion.changes]
    return []


def previous_findings(follow_up: FollowUp) -> Dataset | None:
    """Every lesion as it was on the compared studies; None where none was compared."""
    made = container(codes.DCM.PreviousFindings)
    for comparison in follow_up.comparisons:
        for lesion in comparison.lesions:
            made.ContentSequence.extend(_group(follow_up, comparison, lesion))
    return made if made.ContentSequence else None


def evidence(follow_up: FollowUp | None) -> Iterator[tuple[str, model.FrameRef]]:
    """Study Instance UID and image of every earlier look that the report refers to."""
    for comparison in follow_up.comparisons if follow_up else ():
        for lesion in comparison.lesions:
            if lesion.prior is not None and lesion.prior.frame is not None:
                yield lesion.prior.study_instance_uid, lesion.prior.frame


def _group(follow_up: FollowUp, comparison: Comparison, lesion: Lesion) -> Sequence[Dataset]:
    """One lesion on one earlier study (TID 1501); nothing where it was not there."""
    tracking = lesion.prior_uid if lesion.current_uid is None else lesion.current_uid
    look = lesion.prior
    if look is None or tracking is None:
        return []
    images = [_image(look)] if look.frame is not None else None
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(tracking, "previous"),
        time_point_context=time_point(follow_up, comparison.prior_study),
        measurements=[measurement(tracking, one) for one in look.measurements] or None,
        qualitative_evaluations=[QualitativeEvaluation(OUTCOME, OUTCOMES[lesion.outcome])],
        source_images=images,
    )
    content = group[0].ContentSequence
    content.append(UIDRefContentItem(COMPARED_STUDY, comparison.prior_study, CONTAINS))
    for one in lesion.changes:
        content.extend(_change(tracking, comparison, one))
    return group


def _image(look: Look) -> SourceImageForMeasurementGroup:
    frame = look.frame
    if frame is None:
        raise ValueError("a look without an image")
    numbers = None if frame.frame is None else [frame.frame]
    return SourceImageForMeasurementGroup(frame.sop_class_uid, frame.sop_instance_uid, numbers)


def _change(tracking: str, comparison: Comparison, one: model.Measurement) -> Measurement:
    """A change, its tracking identifier naming the study that it counts from."""
    made = measurement(uid(tracking, "change", comparison.prior_study), one)
    made[0].ContentSequence.append(_compared(comparison))
    return made


def _compared(comparison: Comparison) -> UIDRefContentItem:
    return UIDRefContentItem(
        COMPARED_STUDY, comparison.prior_study, RelationshipTypeValues.HAS_PROPERTIES
    )
