"""Risk and advice joined to findings: courses walked through, what is unknown, who said what."""

from __future__ import annotations

import datetime
import json

import pytest
from follow_up_cases import (
    HEALTHY,
    answers,
    assess,
    comparison,
    day,
    finding,
    findings,
    matched,
    settings,
    sizes,
    unmatched,
)
from risk_vectors import profile as typed_profile

from gransk.core.codes import YES
from gransk.core.errors import UnreadableInputError
from gransk.core.findings import Change, Review, ReviewState
from gransk.core.followup import Outcome
from gransk.core.reasons import Reason
from nodule.application import NoduleApplication, NoduleSettings
from nodule.growth.dates import add_months
from nodule.risk.estimate import estimate
from nodule.risk.profile import inputs

INCIDENTAL = {**HEALTHY, "setting": "incidental", "fleischner_risk": "low"}
SCREENING = {**HEALTHY, "setting": "screening"}
BTS = settings(incidental="bts-2015")


def codes(assessment) -> list[str]:
    return [note.code for note in assessment.notes]


def rows(assessment) -> list[str | None]:
    return [one.row for one in assessment.advice]


def walk(courses: dict[int, tuple], profile, chosen=None, **looks):
    """Every scan of one nodule in turn, each with comparisons to all before; the advice of each."""
    told = {}
    for now, size in courses.items():
        before = [
            comparison(
                day(then),
                day(now),
                matched("1.2.1", day(then), day(now), sizes(*was), sizes(*size)),
            )
            for then, was in courses.items()
            if then < now
        ]
        found = findings(
            finding(1, *size[:2], solid_mm=size[2] if len(size) > 2 else None, **looks)
        )
        told[now] = assess(day(now), found, before, answers(profile), chosen)
    return told


# Whole courses


def test_a_fleischner_course_of_two_years_counts_from_its_first_scan():
    told = walk({0: (7.0, 180.0), 7: (7.1, 182.0), 20: (7.0, 181.0)}, INCIDENTAL)
    first, second, last = (one.most_pressing for one in told.values())
    assert (first.row, first.action) == ("solid-single-low-6-8", "ct")
    assert first.due == (add_months(day(0), 6), add_months(day(0), 12))
    assert second.due == (add_months(day(0), 18), add_months(day(0), 24))
    assert "first scan (2024-01-15)" in second.reason["en"]
    assert "7 måneder efter første skanning (15.01.2024)" in second.reason["da"]
    assert last.action == "end_of_follow_up"
    assert last.due is None
    assert told[20].growth == {"1.2.1": "no_growth"}


def test_an_early_control_leaves_its_step_open_and_a_missed_one_counts_for_all_before():
    early = walk({0: (7.0,), 3: (7.0,)}, INCIDENTAL)[3].most_pressing
    assert early.due == (add_months(day(0), 6), add_months(day(0), 12))
    missed = walk({0: (7.0,), 25: (7.0,)}, INCIDENTAL)[25].most_pressing
    assert missed.action == "end_of_follow_up"


def test_growth_by_two_millimetres_takes_fleischner_off_its_course():
    told = walk({0: (7.0,), 7: (9.0,)}, INCIDENTAL)[7]
    assert told.growth == {"1.2.1": "growth"}
    assert told.most_pressing.status == "guideline_silent"
    assert "a nodule that has grown" in told.most_pressing.text["en"]
    assert "A person must decide." in told.most_pressing.text["en"]
    below = walk({0: (7.0,), 7: (8.9,)}, INCIDENTAL)[7]
    assert below.growth == {"1.2.1": "below_threshold"}


def test_a_bts_course_by_volume_from_three_months_to_its_end():
    told = walk({0: (6.5, 150.0), 3: (6.5, 155.0), 12: (6.5, 152.0)}, INCIDENTAL, BTS)
    assert [one.most_pressing.action for one in told.values()] == ["ct", "ct", "end_of_follow_up"]
    assert told[0].most_pressing.due == (add_months(day(0), 3),) * 2
    assert told[3].most_pressing.due == (add_months(day(0), 12),) * 2
    fast = walk({0: (6.5, 150.0), 3: (7.5, 225.0)}, INCIDENTAL, BTS)[3]
    assert fast.growth == {"1.2.1": "growth"}
    assert fast.most_pressing.action == "further_work_up"
    assert "volume 225 mm³" in fast.most_pressing.reason["en"]


def test_lung_rads_remembers_its_categories_over_a_whole_course():
    told = walk({0: (6.5, 140.0), 6: (6.5, 141.0), 18: (6.6, 142.0)}, SCREENING)
    categories = [one.most_pressing.detail["en"]["options"][0]["category"] for one in told.values()]
    assert categories == ["3", "2", "2"]
    assert told[0].most_pressing.due == (add_months(day(0), 6),) * 2
    assert told[6].most_pressing.due == (add_months(day(6), 12),) * 2
    growing = walk({0: (6.5, 140.0), 6: (8.5, 300.0)}, SCREENING)[6].most_pressing
    assert growing.detail["en"]["options"][0]["category"] == "4B"


def test_lung_rads_4a_steps_down_after_three_months_only_when_it_was_in_time():
    told = walk({0: (9.0, 380.0), 3: (9.0, 382.0), 9: (9.0, 380.0)}, SCREENING)
    found = [one.most_pressing.detail["en"]["options"][0]["category"] for one in told.values()]
    assert found == ["4A", "3", "2"]
    early = walk({0: (9.0, 380.0), 1: (9.0, 382.0)}, SCREENING)[1].most_pressing
    assert early.detail["en"]["options"][0]["category"] == "4A"
    assert early.detail["en"]["options"][0]["counted_from"] == day(0).isoformat()


def test_a_ground_glass_nodule_is_followed_for_five_years():
    course = {0: (9.0,), 8: (9.0,), 24: (9.0,), 48: (9.0,), 60: (9.0,)}
    told = walk(course, INCIDENTAL, texture="ground_glass")
    assert told[8].most_pressing.due == (add_months(day(0), 24),) * 2
    assert told[24].most_pressing.due == (add_months(day(0), 48),) * 2
    assert told[60].most_pressing.action == "end_of_follow_up"


# New, uncertain, not covered, withheld


def test_a_new_nodule_is_judged_as_new():
    then, now = day(0), day(12)
    one = comparison(then, now, unmatched(Outcome.NEW, "1.2.1", now))
    told = assess(now, findings(finding(1, 6.5, 140.0)), [one], answers(SCREENING))
    assert told.most_pressing.detail["en"]["options"][0]["category"] == "4A"
    assert "new since an earlier scan" in told.most_pressing.reason["en"]
    brock = next(risk for risk in told.risks if risk.model == "brock-2b")
    assert brock.probability is None
    assert brock.refused.code == "new_or_growing"
    as_first = assess(now, findings(finding(1, 6.5, 140.0)), [], answers(SCREENING))
    assert as_first.most_pressing.detail["en"]["options"][0]["category"] == "3"


@pytest.mark.parametrize("outcome", [Outcome.UNCERTAIN, Outcome.NOT_COVERED])
def test_where_the_earlier_scan_cannot_tell_both_rows_stand(outcome):
    then, now = day(0), day(12)
    one = comparison(then, now, unmatched(outcome, "1.2.1", now))
    told = assess(now, findings(finding(1, 6.5, 140.0)), [one], answers(SCREENING)).most_pressing
    assert told.status == "open"
    assert {option["category"] for option in told.detail["en"]["options"]} == {"3", "4A"}
    assert (told.row, told.action) == (None, "ct")


def test_a_refused_comparison_leaves_open_whether_it_is_new_but_not_one_of_another_patient():
    now = day(12)
    found = findings(finding(1, 6.5, 140.0))
    for refused, status in (
        (Reason.REGISTRATION_FAILED, "open"),
        (Reason.PRIOR_IDENTITY_MISMATCH, "advice"),
    ):
        one = comparison(day(0), now, refused=refused)
        assert assess(now, found, [one], answers(SCREENING)).most_pressing.status == status


def test_new_at_an_earlier_scan_and_stable_since():
    now = day(15)
    course = [
        comparison(day(12), now, matched("1.2.1", day(12), now, sizes(6.5, 140.0),
                                         sizes(6.5, 141.0))),
        comparison(day(0), now, unmatched(Outcome.NEW, "1.2.1", now)),
    ]  # fmt: skip
    told = assess(now, findings(finding(1, 6.5, 141.0)), course, answers(SCREENING)).most_pressing
    assert told.detail["en"]["memory"]["baseline"] == day(12).isoformat()
    assert told.detail["en"]["options"][0]["category"] == "3"
    assert "earlier category 4A" in told.reason["en"]


def test_withheld_growth_is_told_and_leaves_both_rows_open():
    then, now = day(0), day(7)
    lesion = matched("1.2.1", then, now, sizes(7.0), sizes(9.5), withheld=["slice_thickness"])
    told = assess(now, findings(finding(1, 9.5)), [comparison(then, now, lesion)],
                  answers(INCIDENTAL))  # fmt: skip
    assert told.growth == {}
    assert [note.code for note in told.withheld["1.2.1"]] == ["slice_thickness"]
    assert told.most_pressing.status == "open"
    growths = [
        option["given"].get("growth") for option in told.most_pressing.detail["en"]["options"]
    ]
    assert ["growing"] in growths
    assert "If growth: stable" in told.most_pressing.text["en"]
    assert "Hvis vækst: stabil" in told.most_pressing.text["da"]


def test_a_persons_word_on_growth_counts_where_it_was_withheld():
    then, now = day(0), day(7)
    lesion = matched("1.2.1", then, now, sizes(7.0), sizes(9.5), withheld=["kernel_class"])
    one = comparison(then, now, lesion)
    said = answers(INCIDENTAL, nodules={"1.2.1": {"course": "stable"}})
    told = assess(now, findings(finding(1, 9.5)), [one], said).most_pressing
    assert told.detail["en"]["memory"]["growth"] == ["stable"]


def test_the_size_of_the_compared_pair_and_the_plane_of_the_guideline_count():
    then, now = day(0), day(7)
    before, after = sizes(7.0, greatest=7.6), sizes(7.2, greatest=9.7)
    one = comparison(then, now, matched("1.2.1", then, now, before, after))
    told = assess(now, findings(finding(1, 7.2, greatest=9.7)), [one], answers(INCIDENTAL))
    assert told.growth == {"1.2.1": "growth"}
    axial = matched("1.2.1", then, now, sizes(7.0), after)
    told = assess(now, findings(finding(1, 7.2, greatest=9.7)), [comparison(then, now, axial)],
                  answers(INCIDENTAL))  # fmt: skip
    assert told.growth == {"1.2.1": "below_threshold"}
    lung_rads = assess(now, findings(finding(1, 7.2, greatest=9.7)), [one], answers(SCREENING))
    assert lung_rads.growth == {"1.2.1": "below_threshold"}


def test_later_studies_and_those_of_the_same_day_are_left_out():
    now = day(7)
    later = comparison(day(12), now, matched("1.2.1", day(12), now, sizes(12.0), sizes(7.0)))
    same = comparison(now, now, matched("1.2.1", now, now, sizes(12.0), sizes(7.0)))
    told = assess(now, findings(finding()), [later, same], answers(INCIDENTAL))
    alone = assess(now, findings(finding()), [], answers(INCIDENTAL))
    assert told.advice == alone.advice
    assert codes(told) == ["later_study_left_out", "same_day_left_out"]


# The reason for the scan, and guidelines


def test_an_unknown_reason_for_the_scan_is_assumed_and_said():
    told = assess(day(0), findings(finding()), profile=answers(HEALTHY))
    assert "setting_assumed" in codes(told)
    assert told.most_pressing.guideline == "fleischner-2017"
    assert told.most_pressing.detail["assumed_setting"] is True
    assert "setting" in told.unknown
    notices = told.most_pressing.detail["en"]["notices"]
    assert ["setting"] in [
        one["about"] for one in notices if one["code"] == "applicability_unknown"
    ]
    known = assess(day(0), findings(finding()), profile=answers(INCIDENTAL))
    assert "setting_assumed" not in codes(known)
    assert known.most_pressing.detail["assumed_setting"] is False


def test_without_a_guideline_a_person_decides():
    told = assess(day(0), findings(finding()), profile=answers({"setting": "known_cancer"}))
    assert told.most_pressing.status == "no_guideline"
    assert "A person must decide" in told.most_pressing.text["en"]
    assert "kendt kræft" in told.most_pressing.reason["da"]
    assert told.growth == {}


def test_a_guideline_that_is_not_for_the_patient_says_why():
    told = assess(day(0), findings(finding()),
                  profile=answers({**INCIDENTAL, "known_primary_cancer": True,
                                   "extrathoracic_cancer": "within_5_years"}))  # fmt: skip
    assert told.most_pressing.status == "not_applicable"
    assert "a primary cancer is known" in told.most_pressing.text["en"]
    young = assess(day(0), findings(finding()), profile=answers(INCIDENTAL),
                   PatientBirthDate="19900101")  # fmt: skip
    assert "under 35" in young.most_pressing.text["en"]


def test_without_findings_the_guidelines_own_answer_for_none():
    screened = assess(day(0), findings(), profile=answers(SCREENING))
    assert [one.tracking_uid for one in screened.advice] == [None]
    assert screened.most_pressing.detail["en"]["options"][0]["category"] == "1"
    assert screened.most_pressing.due == (add_months(day(0), 12),) * 2
    assert assess(day(0), findings(), profile=answers(INCIDENTAL)).advice == ()
    rejected = findings(finding(reviews=[ReviewState.REJECTED]))
    assert assess(day(0), rejected, profile=answers(INCIDENTAL)).advice == ()
    assert assess(day(0), rejected, profile=answers(INCIDENTAL)).risks == ()


def test_the_most_pressing_advice_comes_first():
    found = findings(finding(1, 5.0), finding(2, 9.0, 400.0), finding(3, 6.6))
    told = assess(day(0), found, profile=answers(SCREENING))
    assert [one.tracking_uid for one in told.advice] == ["1.2.2", "1.2.3", "1.2.1"]
    several = assess(day(0), found, profile=answers(INCIDENTAL))
    assert all("multiple" in one.row for one in several.advice)


# Morphology


def test_a_discharge_by_morphology_is_a_proposal_beside_the_advice_without_it():
    seen = finding(1, 7.0, perifissural="yes")
    told = assess(day(0), findings(seen), profile=answers(INCIDENTAL))
    standing, proposal = told.advice
    assert (standing.proposal, standing.row) == (False, "solid-single-low-6-8")
    assert standing.due is not None
    assert (proposal.proposal, proposal.action) == (True, "no_follow_up")
    assert told.most_pressing is standing
    assert "perifissural" in proposal.reason["en"]
    agreed = assess(day(0), findings(labelled(seen, "perifissural")), profile=answers(INCIDENTAL))
    assert [(one.proposal, one.action) for one in agreed.advice] == [(False, "no_follow_up")]


@pytest.mark.parametrize("state", [ReviewState.CONFIRMED, ReviewState.ADDED])
def test_who_confirms_a_nodule_does_not_confirm_its_looks(state):
    seen = finding(1, 7.0, reviews=[state], perifissural="yes")
    for one in (seen, labelled(seen, "lobe"), labelled(seen, "texture")):
        told = assess(day(0), findings(one), profile=answers(INCIDENTAL))
        assert [one.proposal for one in told.advice] == [False, True]


def labelled(seen, name):
    """The finding after a person said what is seen of a property."""
    review = Review(
        state=ReviewState.RELABELLED,
        by="Rita Reader",
        role="radiologist",
        at=datetime.datetime(2026, 1, 5, 12, tzinfo=datetime.UTC),
        changes=(Change(name=name, before=None, after=YES),),
    )
    return seen.model_copy(update={"reviews": (*seen.reviews, review)})


def test_spiculation_counts_once_a_person_said_it():
    seen = finding(1, 12.0, spiculated="yes")
    by_model, by_person = (
        assess(day(0), findings(one), profile=answers(INCIDENTAL)).risks
        for one in (seen, labelled(seen, "spiculated"))
    )
    assert {r.model: r.calculated_by for r in by_model}["brock-2b"] == "brock-2a"
    brock = next(r for r in by_person if r.model == "brock-2b")
    assert brock.calculated_by in ("", "brock-2b")
    assert any(part.input == "spiculated" for part in brock.contributions)


@pytest.mark.parametrize(
    ("looks", "counts"),
    [
        ({"calcification": "popcorn"}, True),
        ({"calcification": "other"}, False),
        ({"fat": "present"}, True),
        ({"fat": "not_assessed"}, False),
        ({"perifissural": "uncertain"}, False),
        ({"juxtapleural": "yes"}, True),
    ],
)
def test_which_looks_are_called_benign(looks, counts):
    told = assess(day(0), findings(finding(1, 7.0, **looks)), profile=answers(INCIDENTAL),
                  chosen=BTS)  # fmt: skip
    assert any(one.proposal for one in told.advice) is counts


def test_a_persons_spiculation_cancels_a_benign_morphology():
    seen = findings(finding(1, 7.0, perifissural="yes"))
    said = answers(INCIDENTAL, nodules={"1.2.1": {"spiculated": True}})
    assert not any(one.proposal for one in assess(day(0), seen, profile=said).advice)


# Answers and risk


def test_age_and_sex_come_from_dicom_unless_a_person_answers():
    found = findings(finding(1, 10.0))
    said = {"family_history_lung_cancer": True, "emphysema": False, "smoking": "former"}
    told = assess(day(0), found, profile=answers(said, {"1.2.1": {"course": "first"}}))
    brock = next(one for one in told.risks if one.model == "brock-2b")
    by_name = {one.input: one for one in brock.contributions}
    assert by_name["age_years"].value == 64
    assert by_name["sex"].value == "female"
    assert by_name["maximum_transverse_diameter_mm"].value == pytest.approx(11.0)
    assert by_name["upper_lobe"].value == "yes"
    assert by_name["nodule_count"].value == 1
    assert brock.calculated_by == "brock-2a"
    assert [note.code for note in brock.warnings] == ["another_model"]
    typed = typed_profile(
        age_years=64, sex="female", **said, maximum_transverse_diameter_mm=11.0,
        texture="solid", upper_lobe=True, nodule_count=1, course="first",
    )  # fmt: skip
    assert brock.probability == estimate("brock-2b", typed).probability
    older = answers({**said, "age_years": 80}, {"1.2.1": {"course": "first"}})
    found_older = assess(day(0), found, profile=older).risks[0]
    assert found_older.probability[0] > brock.probability[0]


@pytest.mark.parametrize(
    ("header", "age"),
    [
        ({"PatientBirthDate": "19600115"}, 64.0),
        ({"PatientBirthDate": "19600116"}, 63.0),
        ({"PatientBirthDate": "", "PatientAge": "063Y"}, 63.0),
        ({"PatientBirthDate": "", "PatientAge": "600M"}, 50.0),
        ({"PatientBirthDate": "", "PatientAge": ""}, None),
        ({"PatientBirthDate": "20300101"}, None),
    ],
)
def test_the_age_at_the_scan(header, age):
    told = assess(day(0), findings(finding()), **header)
    brock = told.risks[0]
    if age is None:
        assert brock.refused.code == "input_missing"
        assert "age_years" in told.unknown
        return
    assert next(one for one in brock.contributions if one.input == "age_years").value == age


def test_what_is_unknown_widens_the_risk_and_is_named():
    told = assess(day(0), findings(finding()), PatientSex="O")
    brock = told.risks[0]
    assert brock.probability[0] < brock.probability[1]
    about = next(note for note in brock.warnings if note.code == "range").values
    assert "emphysema" in about["detail_en"]
    assert "køn" in about["detail_da"]
    assert set(told.unknown) == {
        "sex", "smoking", "family_history_lung_cancer", "emphysema", "extrathoracic_cancer",
        "earlier_lung_cancer", "known_primary_cancer", "immunosuppressed", "fleischner_risk",
        "setting", "spiculated",
    }  # fmt: skip


def test_spiculation_is_a_persons_answer_alone():
    found = findings(finding())
    unknown = assess(day(0), found).risks[0]
    said = assess(day(0), found, profile=answers(nodules={"1.2.1": {"spiculated": True}})).risks[0]
    assert unknown.calculated_by == "brock-2a"
    assert said.calculated_by == ""
    assert "spiculated" in {one.input for one in said.contributions}


def test_herder_is_asked_only_where_a_person_entered_the_uptake():
    found = findings(finding(1), finding(2, 9.0))
    said = answers({**HEALTHY, "smoking": "former"}, {"1.2.2": {"pet_uptake": "intense"}})
    risks = assess(day(0), found, profile=said).risks
    assert [one.tracking_uid for one in risks if one.model == "herder"] == ["1.2.2"]
    assert {one.model for one in risks} == {"brock-2b", "mayo", "herder"}
    every = settings(models=["brock-1a", "brock-1b", "brock-2a"])
    told = assess(day(0), found, profile=said, chosen=every)
    assert [one.model for one in told.risks] == ["brock-1a", "brock-1b", "brock-2a"] * 2


def test_growing_nodules_have_no_brock_and_stable_ones_a_warning():
    for size, code in ((9.5, None), (7.0, "not_first_scan")):
        told = walk({0: (7.0,), 7: (size,)}, INCIDENTAL)[7].risks[0]
        if code is None:
            assert told.refused.code == "new_or_growing"
        else:
            assert code in [note.code for note in told.warnings]


def test_brock_and_herder_decide_in_bts():
    found = findings(finding(1, 9.0, 400.0))
    low = answers({**INCIDENTAL, "family_history_lung_cancer": False, "emphysema": False},
                  {"1.2.1": {"spiculated": False, "course": "first"}})  # fmt: skip
    told = assess(day(0), found, profile=low, chosen=BTS)
    brock = told.risks[0].probability
    assert brock[0] == brock[1]
    assert told.most_pressing.action == ("ct_surveillance" if brock[0] < 0.1 else "pet_ct")
    hot = answers({**INCIDENTAL, "smoking": "current"},
                  {"1.2.1": {"pet_uptake": "intense", "spiculated": True}})  # fmt: skip
    with_pet = assess(day(0), found, profile=hot, chosen=BTS)
    assert next(one for one in with_pet.risks if one.model == "herder").probability[0] > 0.5
    assert with_pet.most_pressing.action in ("biopsy", "excision")


def test_a_cancer_within_five_years_of_an_old_answer_is_one_of_more_than_five_years_ago():
    found = findings(finding())
    said = {"extrathoracic_cancer": "within_5_years", "smoking": "former"}

    def mayo(date):
        told = assess(day(0), found, profile=answers(said, date=date)).risks
        return next(one for one in told if one.model == "mayo")

    assert mayo("2023-01-01").refused.code == "cancer_within_5_years"
    old = mayo("2019-01-15")
    cancer = next(one for one in old.contributions if one.input == "extrathoracic_cancer")
    assert cancer.value == "over_5_years"


def test_contradicting_answers_of_different_times_are_unknown_and_told():
    said = answers({**HEALTHY, "smoking": "former", "known_primary_cancer": True})
    told = assess(day(0), findings(finding()), profile=said)
    assert "profile_contradicts" in codes(told)
    assert {"extrathoracic_cancer", "earlier_lung_cancer", "known_primary_cancer"} <= set(
        told.unknown
    )
    assert "smoking" not in told.unknown
    assert told.advice
    with pytest.raises(UnreadableInputError, match="contradicts"):
        NoduleApplication().check_profile(said)


def test_a_cancer_that_fhir_dates_after_the_scan_was_none_then():
    for date, refused in (("2024-01-14", True), ("2024-01-16", False)):
        said = answers({"extrathoracic_cancer": "within_5_years", "smoking": "former"}, date=date)
        said["patient"]["extrathoracic_cancer"]["source"] = "fhir"
        told = assess(day(0), findings(finding()), profile=said)
        mayo = next(one for one in told.risks if one.model == "mayo")
        assert (mayo.refused is not None) is refused
        assert ("extrathoracic_cancer" in told.unknown) is not refused


def test_a_guideline_without_a_table_says_so():
    told = assess(day(0), findings(finding()), profile=answers(INCIDENTAL),
                  chosen=settings(incidental="dlcg"))  # fmt: skip
    assert (told.most_pressing.status, told.most_pressing.row) == ("not_available", None)
    assert "not available until the site adds it" in told.most_pressing.text["en"]
    assert "A person must decide" in told.most_pressing.text["en"]


def test_answers_about_the_nodule_count_where_there_is_one():
    said = answers(HEALTHY | {"smoking": "former"}, nodule={"pet_uptake": "faint"})
    one = assess(day(0), findings(finding()), profile=said)
    assert "herder" in [risk.model for risk in one.risks]
    assert "profile_nodule_not_assigned" not in codes(one)
    two = assess(day(0), findings(finding(1), finding(2)), profile=said)
    assert "herder" not in [risk.model for risk in two.risks]
    assert "profile_nodule_not_assigned" in codes(two)
    rejected = findings(finding(1), finding(2, reviews=[ReviewState.REJECTED]))
    assert "herder" in [risk.model for risk in assess(day(0), rejected, profile=said).risks]


def test_what_was_measured_comes_before_typed_sizes_and_a_person_before_the_texture_seen():
    said = answers(nodules={"1.2.1": {
        "maximum_transverse_diameter_mm": 30.0, "nodule_count": 9, "texture": "part_solid",
        "upper_lobe": False,
    }})  # fmt: skip
    brock = assess(day(0), findings(finding(1, 7.0)), profile=said).risks[0]
    found = {one.input: one.value for one in brock.contributions}
    assert found["maximum_transverse_diameter_mm"] == pytest.approx(7.7)
    assert found["nodule_count"] == 1
    assert (found["texture"], found["upper_lobe"]) == ("part_solid", "no")


def test_answers_about_strange_nodules_are_told():
    said = answers(nodules={"9.9": {"pet_uptake": "faint"}})
    assert "profile_nodules_not_here" in codes(assess(day(0), findings(finding()), profile=said))


def test_a_profile_that_does_not_fit_is_refused_without_its_values():
    with pytest.raises(UnreadableInputError, match=r"patient\.age_years\.value") as caught:
        assess(day(0), findings(), profile=answers({"age_years": 131}))
    assert "131" not in str(caught.value)
    twice = answers(nodules={"1.2.1": {}})
    twice["nodules"] *= 2
    with pytest.raises(UnreadableInputError, match="tracking UID stands at two"):
        assess(day(0), findings(), profile=twice)


def test_a_study_without_a_date_has_no_assessment():
    undated = {"AcquisitionDate": "", "SeriesDate": "", "ContentDate": ""}
    told = assess(None, findings(finding()), **undated)
    assert (told.advice, told.risks) == ((), ())
    assert codes(told) == ["assessment_without_date"]
    acquired = assess(None, findings(finding()), **undated | {"AcquisitionDate": "20240115"})
    assert acquired.advice


def test_a_nodule_without_size_and_a_word_without_scan_are_told():
    bare = finding().model_copy(update={"measurements": ()})
    assert "no_size_no_advice" in codes(assess(day(0), findings(bare)))
    said = answers(INCIDENTAL, nodules={"1.2.1": {"course": "growing"}})
    told = assess(day(0), findings(finding()), profile=said)
    assert "course_without_scan" in codes(told)
    assert told.risks[0].refused.code == "new_or_growing"


def test_settings_of_risk_and_advice_change_no_analysis_key():
    chosen = settings(incidental="bts-2015")
    assert chosen.model_dump(mode="json") == NoduleSettings().model_dump(mode="json")
    with pytest.raises(ValueError, match="no risk model"):
        settings(models=["brock-3"])
    with pytest.raises(ValueError, match="no guideline"):
        settings(incidental="nowhere")


def test_every_note_has_a_text_in_both_languages():
    application = NoduleApplication()
    found = findings(finding(1), finding(2).model_copy(update={"measurements": ()}))
    told = assess(day(0), found, profile=answers(nodule={"spiculated": True}))
    notes = [*told.notes, *(note for risk in told.risks for note in risk.warnings)]
    notes += [risk.refused for risk in told.risks if risk.refused]
    assert len(notes) > 3
    for note in notes:
        for language in ("en", "da"):
            said = application.presentation.text(note, language)
            assert said != note.code
            assert "{" not in said


def test_the_profile_schema_names_every_answer():
    schema = NoduleApplication.profile_schema
    assert set(schema["properties"]) == {"patient", "nodule", "nodules"}
    named = schema["$defs"]["NamedNodule"]["properties"]
    assert "tracking_uid" in named
    assert set(schema["$defs"]["Patient"]["properties"]) | set(named) == {*inputs(), "tracking_uid"}
    json.dumps(dict(schema))
