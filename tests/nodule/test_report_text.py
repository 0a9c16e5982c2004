"""The plain report: what was found, compared, estimated and advised, in both languages."""

from __future__ import annotations

import re

import pytest
from follow_up_cases import (
    APPLICATION,
    HEALTHY,
    answers,
    assess,
    comparison,
    day,
    finding,
    findings,
    look,
    matched,
    scan,
    sizes,
    unmatched,
)

from gransk.core.codes import PERCENT, YES
from gransk.core.findings import Change, Measurement, Note, ReviewState
from gransk.core.followup import FollowUp, Lesion, NotCompared, Outcome
from gransk.core.reasons import Reason
from nodule.emphysema import CONCEPT, NAME
from nodule.report_words import _TEXTS, words

NOW = day(12)
GROWN = {
    "volume_change_percent": (25.3, (2.0, 54.0)),
    "diameter_change_mm": (0.5, None),
    "vdt_days": (1121.0, (560.0, None)),
}
BEFORE, AFTER = sizes(6.3, 150.0), sizes(6.8, 188.0)


def written(language="en", setting="incidental", found=None, compared=(), left_out=(), **patient):
    found = findings(finding(1, 6.8, 188.0)) if found is None else found
    profile = answers({**HEALTHY, "setting": setting, **patient})
    told = assess(NOW, found, compared, profile)
    follow_up = FollowUp(
        comparisons=tuple(compared), not_compared=left_out, assessment=told, profile=profile
    )
    return APPLICATION.report_text(scan(NOW), found, follow_up, language)


def grown(**more):
    return matched("1.2.1", day(0), NOW, BEFORE, AFTER, changes=GROWN, **more)


def test_a_compared_nodule_is_told_with_sizes_change_and_doubling_time():
    text = written(compared=[comparison(day(0), NOW, grown())])
    assert "CT of the chest 2025-01-15." in text
    assert "Nodule 1: right upper lobe (estimated), solid, 7.5 × 6.1 mm (mean 6.8 mm)" in text
    assert "Compared with the study of 2024-01-15 (366 days earlier)." in text
    assert "volume 150 → 188 mm³ (+25 %); mean diameter 6.3 → 6.8 mm (+0.5 mm)" in text
    assert "volume-doubling time 1121 days (95 % at least 560 days)" in text
    assert "by Fleischner 2017: change below the limit of growth" in text
    danish = written("da", compared=[comparison(day(0), NOW, grown())])
    assert "Sammenlignet med undersøgelsen fra 15.01.2024 (366 dage tidligere)." in danish
    assert "volumen 150 → 188 mm³ (+25 %); middeldiameter 6,3 → 6,8 mm (+0,5 mm)" in danish
    assert "volumenfordoblingstid 1121 dage (95 % mindst 560 dage)" in danish
    assert "efter Fleischner 2017: ændring under vækstgrænsen" in danish


def test_danish_has_danish_dates_numbers_and_words():
    text = written("da", compared=[comparison(day(0), NOW, grown())], smoking="former")
    assert not re.search(r"\d{4}-\d{2}-\d{2}", text)
    assert not re.search(r"\d\.\d(?!\d*\.\d{4})", re.sub(r"\d{2}\.\d{2}\.\d{4}", "", text))
    assert not re.search(r"\bthe\b|\bmonths\b|\bnodule\b", text)
    assert "rygning: tidligere (15.01.2024)" in text
    assert "Overvej CT" in text


def test_advice_names_guideline_version_row_measure_and_what_would_change_it():
    text = written(fleischner_risk="low")
    assert "Nodule 1: CT, 2025-07-15 - 2026-01-15 (6-12 months from the first scan)." in text
    assert "By Fleischner 2017 (table 1, row solid-single-low-6-8): mean diameter 7 mm" in text
    assert "risk: low" in text
    assert "Otherwise with:" in text
    changed = text.split("Otherwise with: ")[1].splitlines()[0]
    assert "size: <6 → no follow-up" in changed
    assert "CT, 2025-07-15 - 2026-01-15" not in changed


def test_a_proposal_stands_beside_the_advice_without_it():
    found = findings(finding(1, 6.8, 188.0, perifissural="yes"))
    text = written(found=found, fleischner_risk="low")
    assert "at a fissure (estimate)" in text
    standing, proposal = text.index("Nodule 1: CT,"), text.index("Nodule 1: proposal")
    assert standing < proposal
    assert "if a person confirms the morphology: No follow-up." in text
    said = finding(1, 6.8, 188.0, reviews=[ReviewState.RELABELLED], perifissural="yes")
    set_by_person = said.reviews[0].model_copy(
        update={"changes": (Change(name="perifissural", before=None, after=YES),)}
    )
    confirmed = findings(said.model_copy(update={"reviews": (set_by_person,)}))
    assert "proposal" not in written(found=confirmed, fleischner_risk="low")


def test_new_resolved_not_covered_and_uncertain_are_told():
    found = findings(finding(1, 6.8), finding(2, 7.0), finding(3, 5.0))
    before = look(day(0), sizes(4.0, 60.0))
    one = comparison(
        day(0), NOW,
        unmatched(Outcome.NEW, "1.2.1", NOW),
        unmatched(Outcome.UNCERTAIN, "1.2.2", NOW),
        unmatched(Outcome.NOT_COVERED, "1.2.3", NOW),
        Lesion(outcome=Outcome.RESOLVED, prior_uid="9.1", prior=before),
        Lesion(outcome=Outcome.NOT_COVERED, prior_uid="9.2", prior=before),
    )  # fmt: skip
    text = written(found=found, compared=[one])
    assert "Nodule 1: new." in text
    assert "Nodule 2: cannot be paired with certainty." in text
    assert "Nodule 3: its place is not on the earlier study." in text
    assert "No longer seen: 1 (earlier 60 mm³)." in text
    assert "Earlier nodules whose place this study does not show: 1 (earlier 60 mm³)." in text


def test_what_was_not_compared_says_why():
    nothing = written()
    assert "Not compared with any earlier study." in nothing
    assert "Der er ikke sammenlignet med tidligere undersøgelser." in written("da")
    refused = comparison(day(0), NOW, refused=Reason.REGISTRATION_FAILED)
    left_out = (NotCompared(study_date=day(-60), reason=Reason.PRIOR_TOO_OLD),)
    text = written(compared=[refused], left_out=left_out)
    assert "Not compared with the study of 2024-01-15: The two studies could not be laid" in text
    assert "Not compared with the study of 2019-01-15: The earlier study is older" in text
    assert "any earlier study" not in text


def test_withheld_growth_and_no_growth_are_told():
    withheld = comparison(day(0), NOW, grown(withheld=["slice_thickness"]))
    assert "no doubling time (Withheld: the slices are too thick" in written(compared=[withheld])
    smaller = matched(
        "1.2.1", day(0), NOW, AFTER, BEFORE,
        changes={"volume_change_percent": (-20.2, None), "diameter_change_mm": (-0.5, None)},
    )  # fmt: skip
    text = written(compared=[comparison(day(0), NOW, smaller)])
    assert "(-20 %)" in text
    assert "the volume has not risen; by Fleischner 2017: no growth" in text


def test_notes_that_several_nodules_share_are_told_once():
    found = findings(finding(1, 6.8, 188.0), finding(2, 6.8, 188.0))
    note = Note(code="contrast_differs")
    lesions = [
        matched(f"1.2.{n}", day(0), NOW, BEFORE, AFTER).model_copy(update={"notes": (note,)})
        for n in (1, 2)
    ]
    text = written(found=found, compared=[comparison(day(0), NOW, *lesions)])
    assert text.count("contrast adds volume") == 1
    assert "Nodule 1, Nodule 2: One scan is with contrast medium" in text


def test_risk_is_a_range_where_answers_are_unknown_and_names_them():
    text = written(smoking="former")
    assert re.search(r"Brock 2b \d+\.\d-\d+\.\d % \(calculated by Brock 2a, because", text)
    assert "Unknown: lung cancer in the family, emphysema" in text
    new = comparison(day(0), NOW, unmatched(Outcome.NEW, "1.2.1", NOW))
    assert "Brock 2b: not offered for new or growing nodules" in written(compared=[new])
    known = written(smoking="former", family_history_lung_cancer=False, emphysema=False)
    assert re.search(r"Mayo \d+\.\d-\d+\.\d %", known)
    assert "Answers:" in known


def test_the_measured_share_of_low_attenuation_is_offered_and_not_used():
    share = Measurement(name=NAME, concept=CONCEPT, unit=PERCENT, value=12.34)
    found = findings(finding(1, 6.8, 188.0)).model_copy(update={"measurements": (share,)})
    assert "Lung below -950 HU: 12.3 % (measured; not used in the risk" in written(found=found)
    assert "Lunge under -950 HU: 12,3 % (målt; indgår ikke" in written("da", found=found)
    assert "950" not in written()


def test_rejected_findings_are_counted_and_left_out():
    found = findings(finding(1, 6.8), finding(2, 9.0, reviews=[ReviewState.REJECTED]))
    text = written(found=found)
    assert "Nodule 2" not in text
    assert "a person rejected and that are left out here: 1" in text


def test_a_study_without_nodules_and_one_without_advice():
    screened = written(found=findings(), setting="screening")
    assert "No nodules were marked. That does not rule nodules out." in screened
    assert "The study: Category 1: CT, 2026-01-15" in screened
    assert "No guideline gives advice for this study." in written(found=findings())


@pytest.mark.parametrize("language", ["en", "da"])
def test_every_report_says_that_it_is_for_research(language):
    said = {"en": "Not a medical device.", "da": "Ikke medicinsk udstyr."}[language]
    assert said in written(language)


def test_every_word_has_both_languages_with_the_same_places():
    for key, (english, danish) in _TEXTS.items():
        places = [sorted(re.findall(r"\{(\w+)\}", text)) for text in (english, danish)]
        assert places[0] == places[1], key
    assert words("da")("nodule") == "Nodulus"
