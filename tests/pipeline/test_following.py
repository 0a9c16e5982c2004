"""What the child makes of a study's neighbours, as far as it is pure."""

import datetime

import pytest

from gransk.core import codes
from gransk.core.findings import Finding, Findings, FrameRef, Measurement
from gransk.core.followup import Comparison, Lesion, Outcome
from gransk.pipeline import protocol
from gransk.pipeline.following import (
    _carried,
    _named,
    _pairs,
    comparison_key,
    same_places,
)
from gransk.results.edits import Act
from gransk.results.tables import ActKind

NOW = datetime.datetime(2026, 1, 5, 12, tzinfo=datetime.UTC)


def finding(uid, x, diameter=6.0):
    return Finding(
        tracking_uid=uid,
        tracking_id=f"Nodule {uid}",
        kind=codes.NODULE,
        site=codes.LUNG,
        probability=0.9,
        centre_lps_mm=(x, 0.0, 0.0),
        measurements=(
            Measurement(
                name="mean_diameter_mm", concept=codes.MEAN_DIAMETER, unit=codes.MM, value=diameter
            ),
        ),
    )


def findings(*found):
    frame = FrameRef(sop_class_uid="1.2", sop_instance_uid="1.3", series_instance_uid="1.4")
    return Findings(
        application="nodule",
        application_version="1",
        models=(),
        study_instance_uid="1.5",
        series_instance_uids=("1.4",),
        frames=(frame,),
        findings=found,
    )


def neighbour(**changes):
    given = {
        "study_key": "s",
        "orthanc_id": "o",
        "study_instance_uid": "1.5",
        "study_date": NOW.date(),
        "analysis_key": "old",
        "findings": "file",
    }
    return protocol.Neighbour(**{**given, **changes})


def act(number, uid, lesion=None):
    return Act(
        number=number,
        kind=ActKind.CONFIRM,
        account="nurse",
        person="Nora Nurse",
        role="nurse",
        at=NOW,
        analysis_key="old",
        finding_uid=uid,
        lesion_uid=lesion or uid,
    )


def test_findings_at_one_place_are_paired_one_to_one():
    now = [finding("1.1", 0.0), finding("1.2", 3.0), finding("1.3", 100.0)]
    then = [finding("2.1", 2.5), finding("2.2", 0.5), finding("2.3", 60.0)]
    assert sorted(same_places(now, then)) == [("1.1", "2.2"), ("1.2", "2.1")]
    assert same_places(now, []) == []


@pytest.mark.parametrize(("distance", "paired"), [(4.9, True), (5.1, False)])
def test_a_place_is_the_same_within_five_millimetres(distance, paired):
    assert bool(same_places([finding("1.1", 0.0)], [finding("2.1", distance)])) is paired


def test_a_place_is_not_given_up_for_two_that_are_none():
    """4 mm and 16 mm apart are together more than 6 mm and 6 mm, of which none is one place."""
    now, then = [finding("1.1", 0.0), finding("1.2", 10.0)], [finding("2.1", 4.0)]
    assert same_places(now, [*then, finding("2.2", -6.0)]) == [("1.1", "2.1")]


def test_a_large_lesion_is_the_same_within_half_its_diameter():
    assert same_places([finding("1.1", 0.0, 30.0)], [finding("2.1", 14.0)])
    assert not same_places([finding("1.1", 0.0, 30.0)], [finding("2.1", 16.0)])


def test_acts_are_carried_to_the_finding_at_the_same_place():
    """An act names the finding of an older analysis still, or the lesion that it was."""
    neighbours = protocol.Neighbours(
        created=NOW,
        before=(neighbour(tracking={"2.1": "9.9"}),),
        acts=(act(1, "2.1"), act(2, "0.1", lesion="9.9"), act(3, "2.2"), act(4, "7.7")),
    )
    pairs = [
        protocol.Pair(uid="1.1", other_analysis="old", other_uid="2.1"),
        protocol.Pair(uid="1.2", other_analysis="old", other_uid="2.2"),
    ]
    carried = _carried(neighbours, pairs)
    assert [one.finding_uid for one in carried] == ["1.1", "1.1", "1.2", "7.7"]


def test_a_comparisons_key_follows_both_analyses_and_both_sides():
    one, two = findings(finding("1.1", 0.0)), findings(finding("2.1", 0.0))
    more = findings(finding("1.1", 0.0), finding("1.2", 50.0))
    keys = {
        comparison_key("a", "b", one, two),
        comparison_key("c", "b", one, two),
        comparison_key("a", "c", one, two),
        comparison_key("a", "b", more, two),
        comparison_key("a", "b", one, one),
    }
    assert len(keys) == 5
    assert comparison_key("a", "b", one, two) in keys


def test_matched_lesions_are_linked_and_named_most_certain_first():
    day = NOW.date()
    lesions = (
        Lesion(outcome=Outcome.MATCHED, current_uid="1.1", prior_uid="2.1", certainty=0.8),
        Lesion(outcome=Outcome.MATCHED, current_uid="1.2", prior_uid="2.2", certainty=0.9),
        Lesion(outcome=Outcome.NEW, current_uid="1.3"),
        Lesion(outcome=Outcome.UNCERTAIN, current_uid="1.4", candidates=("2.3",)),
    )
    comparison = Comparison(
        application="nodule", application_version="1", current_study="1.5", prior_study="1.6",
        current_date=day, prior_date=day, lesions=lesions,
    )  # fmt: skip
    prior = neighbour(analysis_key="b")
    assert [(p.uid, p.other_uid) for p in _pairs(prior, comparison)] == [
        ("1.2", "2.2"), ("1.1", "2.1"),
    ]  # fmt: skip
    tracks = protocol.Tracks(
        tracking={"1.1": "5.1", "1.2": "5.2", "1.3": "1.3", "1.4": "1.4"},
        others={"b": {"2.1": "5.1", "2.2": "5.2", "2.3": "5.3"}},
    )
    named = _named(comparison, tracks, "b")
    assert [(one.current_uid, one.prior_uid) for one in named.lesions] == [
        ("5.1", "5.1"), ("5.2", "5.2"), ("1.3", None), ("1.4", None),
    ]  # fmt: skip
    assert named.lesions[3].candidates == ("5.3",)
