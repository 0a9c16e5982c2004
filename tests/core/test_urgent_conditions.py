"""When findings are urgent: each condition alone, and all of one finding."""

import datetime

import pytest
from pydantic import ValidationError

from gransk.core import codes
from gransk.core.codes import Code
from gransk.core.findings import (
    Finding,
    Findings,
    FrameRef,
    Measurement,
    ModelIdentity,
    Review,
    ReviewState,
)
from gransk.core.followup import (
    Advice,
    Assessment,
    Comparison,
    FollowUp,
    Lesion,
    Outcome,
    Risk,
)
from gransk.core.urgent import Conditions, hold

SIZES = {"diameter": "mean_diameter_mm", "volume": "volume_mm3"}
NOW, EARLIER = datetime.date(2026, 3, 2), datetime.date(2025, 3, 2)
AT = datetime.datetime(2026, 3, 2, tzinfo=datetime.UTC)


def finding(number=1, diameter=6.0, volume=113.0, malignancy=None, reviews=()):
    return Finding(
        tracking_uid=f"1.{number}", tracking_id=f"Nodule {number}", kind=codes.NODULE,
        site=codes.LUNG, probability=0.9, malignancy=malignancy, reviews=reviews,
        measurements=(
            Measurement(name="mean_diameter_mm", concept=codes.MEAN_DIAMETER, unit=codes.MM,
                        value=diameter),
            Measurement(name="volume_mm3", concept=codes.VOLUME, unit=codes.MM3, value=volume),
        ),
    )  # fmt: skip


def findings(*found, score=None):
    scored = () if score is None else (
        Measurement(name="exam_score", concept=codes.CERTAINTY, unit=codes.NO_UNITS, value=score),
    )  # fmt: skip
    return Findings(
        application="nodule", application_version="1",
        models=(ModelIdentity(id="m", version="1", sha256="a" * 64),),
        study_instance_uid="1.2", series_instance_uids=("1.2.1",),
        frames=(FrameRef(sop_class_uid="1.2.840", sop_instance_uid="1.2.3",
                         series_instance_uid="1.2.1"),),
        findings=found, measurements=scored,
    )  # fmt: skip


def compared(outcome=Outcome.MATCHED, days=None, prior=EARLIER, uid="1.1"):
    change = () if days is None else (
        Measurement(
            name="vdt_days", unit=codes.DAY, value=days,
            concept=Code(value="DOUBLING-TIME", scheme="99GRANSK", meaning="Doubling time"),
        ),
    )  # fmt: skip
    lesion = Lesion(
        outcome=outcome, current_uid=uid, changes=change,
        prior_uid="2.1" if outcome is Outcome.MATCHED else None,
    )  # fmt: skip
    return Comparison(
        application="nodule", application_version="1", current_study="1.2", prior_study="1.1",
        current_date=NOW, prior_date=prior, lesions=(lesion,),
    )  # fmt: skip


def advice(action, uid):
    words = {"da": "x", "en": "x"}
    return Advice(
        tracking_uid=uid, guideline="g", version="1", source_state="primary", status="advice",
        action=action, text=words, reason=words,
    )  # fmt: skip


def risk(model="brock-1a", least=0.1, most=0.3):
    return Risk(tracking_uid="1.1", model=model, version="1", probability=(least, most))


def holds(conditions, found=None, **told):
    found = findings(finding()) if found is None else found
    return hold(Conditions.model_validate(conditions), found, FollowUp(**told), SIZES)


@pytest.mark.parametrize(
    ("conditions", "least", "below"),
    [
        ({"diameter_mm_from": 8}, {"diameter": 8.0}, {"diameter": 7.9}),
        ({"volume_mm3_from": 300}, {"volume": 300.0}, {"volume": 299.0}),
        ({"suspicion_from": 0.5}, {"malignancy": 0.5}, {"malignancy": 0.4}),
        ({"suspicion_from": 0.5}, {"malignancy": 0.5}, {}),
    ],
)
def test_a_finding_s_own_numbers(conditions, least, below):
    assert holds(conditions, findings(finding(**least)))
    assert not holds(conditions, findings(finding(**below)))
    assert not holds(conditions, findings())


def test_the_exam_s_score():
    assert holds({"exam_score_from": 9}, findings(score=9))
    assert not holds({"exam_score_from": 9}, findings(score=8))
    assert not holds({"exam_score_from": 9}, findings()), "not calibrated: no score, no urgency"


def test_conditions_are_of_one_finding():
    both = {"diameter_mm_from": 8, "suspicion_from": 0.5}
    apart = findings(finding(1, diameter=9.0), finding(2, malignancy=0.9))
    assert not holds(both, apart)
    assert holds(both, findings(finding(1), finding(2, diameter=9.0, malignancy=0.9)))


def test_what_a_person_rejected_counts_for_nothing():
    said = Review(state=ReviewState.REJECTED, by="A", at=AT)
    assert not holds({"diameter_mm_from": 8}, findings(finding(diameter=20.0, reviews=(said,))))


def test_a_size_that_the_application_lacks_never_holds():
    conditions = Conditions(volume_mm3_from=1)
    assert not hold(conditions, findings(finding()), None, {"diameter": "mean_diameter_mm"})


def test_the_doubling_time_since_the_latest_earlier_study():
    fast = {"doubling_days_below": 400}
    assert holds(fast, comparisons=(compared(days=399.0),))
    assert not holds(fast, comparisons=(compared(days=400.0),))
    assert not holds(fast, comparisons=(compared(days=-200.0),)), "it shrinks"
    assert not holds(fast, comparisons=(compared(),))
    assert not holds(fast)
    later = compared(days=100.0, prior=datetime.date(2027, 1, 1))
    assert not holds(fast, comparisons=(later,)), "a later study is no earlier one"
    assert not holds(fast, comparisons=(compared(days=900.0), compared(days=100.0)))


def test_what_became_of_a_finding():
    new = {"outcomes": ["new"], "diameter_mm_from": 6}
    assert holds(new, comparisons=(compared(Outcome.NEW),))
    assert not holds(new, comparisons=(compared(),))
    assert not holds(new, comparisons=(compared(Outcome.NEW, uid="1.9"),))


def test_growth_and_risk_by_a_named_model():
    assessed = Assessment(growth={"1.1": "growth"}, risks=(risk(),))
    assert holds({"growth": ["growth"]}, assessment=assessed)
    assert not holds({"growth": ["no_growth"]}, assessment=assessed)
    assert holds({"risk": {"model": "brock-1a", "least": 0.1}}, assessment=assessed)
    assert not holds({"risk": {"model": "brock-1a", "least": 0.2}}, assessment=assessed)
    assert not holds({"risk": {"model": "mayo", "least": 0.01}}, assessment=assessed)
    refused = Assessment(risks=(Risk(tracking_uid="1.1", model="brock-1a", version="1"),))
    assert not holds({"risk": {"model": "brock-1a", "least": 0.1}}, assessment=refused)
    assert not holds({"growth": ["growth"]})


def test_advice_for_a_finding_or_the_study():
    sampled = Assessment(advice=(advice("biopsy", "1.1"),))
    assert holds({"advice": ["biopsy", "pet_ct"]}, assessment=sampled)
    assert not holds({"advice": ["ct"]}, assessment=sampled)
    whole = Assessment(advice=(advice("biopsy", None),))
    assert holds({"advice": ["biopsy"]}, findings(), assessment=whole)
    of_other = Assessment(advice=(advice("biopsy", "1.7"),))
    assert not holds({"advice": ["biopsy"], "diameter_mm_from": 1}, assessment=of_other)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"diameter_mm_from": 0},
        {"suspicion_from": 1.2},
        {"outcomes": ["bigger"]},
        {"risk": {"model": "brock-1a"}},
        {"heavier": 1},
    ],
)
def test_wrong_conditions_are_refused(wrong):
    with pytest.raises(ValidationError):
        Conditions.model_validate(wrong)
