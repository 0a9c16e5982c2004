"""What an outcome tells beside its row, and what is refused."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

import pytest
from guideline_cases import BASELINE, look, situation
from pydantic import ValidationError
from risk_vectors import profile

from gransk.core.errors import ConfigurationError, InvalidValueError
from nodule.growth.reasons import Withheld
from nodule.guidelines import codes
from nodule.guidelines.__main__ import markdown
from nodule.guidelines.choice import GuidelineChoice
from nodule.guidelines.codes import Noticed, Status
from nodule.guidelines.engine import Memory, Outcome, advise
from nodule.guidelines.report import name_of, option_text, outcome_json
from nodule.guidelines.situation import Look, Morphology, Situation
from nodule.guidelines.table import (
    FEATURES,
    FOLDER,
    Guideline,
    Range,
    guidelines,
    load_guideline,
)
from nodule.risk.profile import Profile, Setting

DOCS = Path(__file__).parents[2] / "docs" / "guidelines.md"


def ask(name: str, nodule: str, course: str, **changed) -> Outcome:
    given = dataclasses.replace(situation(name, nodule, course), **changed)
    return advise(guidelines()[name], given)


def rows(outcome: Outcome) -> list[str]:
    return [option.name for option in outcome.options]


def noticed(outcome: Outcome) -> list[Noticed]:
    return [notice.code for notice in outcome.notices]


@pytest.mark.parametrize("name", ["dlcg", "esti-2025"])
def test_a_missing_table_is_told_and_gives_nothing(name):
    outcome = ask(name, "solid", "0:7")
    assert outcome.status is Status.NOT_AVAILABLE
    assert outcome.options == ()
    assert outcome_json(outcome)["source_state"] == "not_available"


def test_a_site_may_add_a_missing_table(tmp_path):
    text = (FOLDER / "eu-2017.yaml").read_text(encoding="utf-8").replace("eu-2017", "dlcg")
    (tmp_path / "dlcg.yaml").write_text(text, encoding="utf-8")
    site = guidelines(tmp_path)
    assert rows(advise(site["dlcg"], situation("eu-2017", "solid", "0:v301"))) == [
        "baseline-above-300"
    ]


@pytest.mark.parametrize("name", ["bts-2015", "nelson", "eu-2017"])
def test_a_secondary_source_is_told(name):
    assert Noticed.SECONDARY in noticed(ask(name, "solid", "0:v100"))
    assert Noticed.SECONDARY not in noticed(ask("fleischner-2017", "solid single low", "0:7"))


def test_the_measure_that_chose_the_row_is_named_and_the_other_told():
    outcome = ask("fleischner-2017", "solid single low", "0:6.4v90")
    assert (outcome.measure, outcome.size) == ("mm", 6.0)
    assert rows(outcome) == ["solid-single-low-6-8"]
    assert [option.name for option in outcome.other] == ["solid-single-low-below-6"]
    assert ("mm",) in [notice.about for notice in outcome.notices]
    by_volume = ask("bts-2015", "solid", "0:8.2v280")
    assert (by_volume.measure, by_volume.size) == ("mm3", 280.0)
    assert [option.name for option in by_volume.other] == ["solid-from-8"]


def test_a_discharge_by_morphology_is_a_proposal_with_the_advice_without_it():
    outcome = ask("bts-2015", "solid perifissural", "0:v200")
    assert outcome.proposal
    assert rows(outcome) == ["discharge-morphology"]
    assert outcome.without is not None
    assert rows(outcome.without) == ["solid-6-to-8"]
    assert not outcome.without.proposal
    confirmed = ask("bts-2015", "solid perifissural confirmed", "0:v200")
    assert (confirmed.proposal, confirmed.without) == (False, None)
    assert not ask("bts-2015", "solid perifissural", "0:4").proposal


def test_why_a_benign_morphology_does_not_count_is_told():
    outcome = ask("fleischner-2017", "solid single low perifissural spiculated", "0:7")
    notice = next(n for n in outcome.notices if n.code is Noticed.MORPHOLOGY_CANCELLED)
    assert notice.about == ("spiculated",)
    known = ask("fleischner-2017", "solid single low perifissural", "0:7", spiculated=False)
    assert Noticed.MORPHOLOGY_CANCELLED not in noticed(known)


@pytest.mark.parametrize(
    ("spiculated", "displaced", "cancers", "unsure"),
    [
        (None, None, {}, ("spiculated", "fissure_displaced", "cancer_history")),
        (False, False, {"extrathoracic_cancer": "none"}, ("cancer_history",)),
        (False, False, {"earlier_lung_cancer": False}, ("cancer_history",)),
        (False, False, {"extrathoracic_cancer": "none", "earlier_lung_cancer": False}, None),
        (True, None, {}, None),
    ],
)
def test_what_may_cancel_a_benign_morphology_and_is_unknown_is_told(
    spiculated, displaced, cancers, unsure
):
    outcome = ask(
        "fleischner-2017", "solid single low perifissural confirmed", "0:7",
        spiculated=spiculated, fissure_displaced=displaced,
        profile=profile(age_years=60, known_primary_cancer=False, **cancers),
    )  # fmt: skip
    told = [n.about for n in outcome.notices if n.code is Noticed.MORPHOLOGY_UNSURE]
    assert told == ([] if unsure is None else [unsure])


def test_what_would_have_changed_it():
    outcome = ask("fleischner-2017", "solid single low", "0:7 9:7")
    changing = {(one.input, one.value): one for one in outcome.changing}
    assert changing["size", "<6"].to.name == "solid-single-low-below-6"
    assert changing["size", "<6"].limit == Range(below=6)
    assert changing["size", ">8"].limit == Range(above=8)
    assert changing["risk", "high"].to.name == "solid-single-high-6-8-second"
    assert changing["growth", "growing"].to.lacks == "after_growth"
    assert changing["count", "multiple"].to.name == "solid-multiple-low-6-8-second"
    assert changing["morphology", "perifissural"].to.name == "solid-perifissural-or-juxtapleural"
    assert ("morphology", "fat") not in changing
    herder = ask("bts-2015", "solid brock=30 herder=50", "0:v400")
    changing = {(one.input, one.value): one for one in herder.changing}
    assert changing["herder", "high"].limit == Range(above=70)
    assert changing["brock", "low"].to.name == "solid-from-8-brock-low"
    assert advise(guidelines()["bts-2015"], situation("bts-2015", "solid", "0:7"), False) != ask(
        "bts-2015", "solid", "0:7"
    )


def test_an_unknown_texture_shows_every_row_with_what_leads_there():
    outcome = ask("fleischner-2017", "single low", "0:7")
    assert outcome.status is Status.OPEN
    led = {option.name: option.given for option in outcome.options}
    assert led == {
        "solid-single-low-6-8": {"texture": ("solid",)},
        "ground-glass-single-from-6": {"texture": ("ground_glass",)},
        "part-solid-single-from-6": {"texture": ("part_solid",)},
    }


def test_what_is_unknown_and_does_not_matter_opens_nothing():
    outcome = ask("fleischner-2017", "ground_glass single", "0:5")
    assert outcome.status is Status.ADVICE
    assert outcome.options[0].given == {}


def test_a_range_of_risk_that_spans_a_limit_shows_both_rows():
    outcome = ask("bts-2015", "solid", "0:v400", brock=(8.0, 12.0))
    assert rows(outcome) == ["solid-from-8-brock-low", "solid-from-8-brock-high"]
    assert outcome.options[0].given == {"brock": ("low",)}
    assert rows(ask("bts-2015", "solid", "0:v400", brock=(8.0, 9.0))) == ["solid-from-8-brock-low"]


def test_an_unsound_comparison_leaves_growth_open():
    thick = look("3:v260")
    thick = dataclasses.replace(thick, sized=dataclasses.replace(thick.sized, thickness_mm=5.0))
    given = situation("bts-2015", "solid", "0:v200 3:v260")
    given = dataclasses.replace(given, looks=(given.looks[0], thick))
    outcome = advise(guidelines()["bts-2015"], given)
    assert "growth-fast" in rows(outcome)
    assert "solid-6-to-8-second" in rows(outcome)
    allowing = given.rules.model_copy(update={"allowed": (Withheld.SLICE_THICKNESS,)})
    assert rows(advise(guidelines()["bts-2015"], dataclasses.replace(given, rules=allowing))) == [
        "growth-fast"
    ]
    judged = dataclasses.replace(given, clear_growth=False)
    assert rows(advise(guidelines()["bts-2015"], judged)) == ["solid-6-to-8-second"]


def test_what_is_not_detected_is_said_to_be_not_assessed():
    outcome = ask("lung-rads-2022", "solid", "0:7")
    assert Noticed.AIRWAY_NOT_ASSESSED in noticed(outcome)
    assert Noticed.ATYPICAL_CYST_NOT_ASSESSED in noticed(outcome)
    assert Noticed.SUSPICIOUS_NOT_ASSESSED in noticed(outcome)
    seen = ask(
        "lung-rads-2022", "solid", "0:7", airway=False, atypical_cyst=False, suspicious=False
    )
    assert noticed(seen) == []
    spiculated = ask("lung-rads-2022", "solid spiculated", "0:7")
    assert Noticed.SUSPICIOUS_NOT_ASSESSED not in noticed(spiculated)
    small = ask("lung-rads-2022", "solid", "0:5")
    assert Noticed.SUSPICIOUS_NOT_ASSESSED not in noticed(small)
    assert Noticed.AIRWAY_NOT_ASSESSED not in noticed(ask("bts-2015", "solid", "0:5"))


@pytest.mark.parametrize(
    ("nodule", "course", "category"),
    [
        ("solid suspicious", "0:5", "2"),
        ("solid suspicious", "0:7", "4X"),
        ("solid suspicious", "0:9", "4X"),
        ("solid suspicious", "0:16", "4X"),
        ("solid suspicious significant", "0:16", "4XS"),
        ("solid significant", "0:9", "4AS"),
    ],
)
def test_suspicious_features_raise_3_and_4_and_other_findings_are_marked(nodule, course, category):
    option = ask("lung-rads-2022", nodule, course).options[0]
    assert option.category == category
    if category.startswith("4X"):
        assert option.step is not None
        assert option.step.actions == ("further_work_up",)


def test_whether_it_applies_may_be_unknown():
    outcome = ask("fleischner-2017", "solid single low", "0:7", profile=Profile())
    notice = next(n for n in outcome.notices if n.code is Noticed.APPLICABILITY_UNKNOWN)
    assert notice.about == ("age_years", "known_primary_cancer", "setting", "immunosuppressed")
    assert outcome.status is Status.OPEN


def test_the_course_is_remembered():
    outcome = ask("fleischner-2017", "solid single low", "0:7 4:7 9-14d:7")
    assert outcome.memory == Memory(
        BASELINE, (datetime.date(2024, 5, 15), datetime.date(2024, 10, 1)), 9, ("stable",)
    )
    told = outcome_json(outcome)["memory"]
    assert (told["baseline"], told["controls"][1]) == ("2024-01-15", "2024-10-01")
    assert ask("lung-rads-2022", "", "").memory is None
    crossed = ask("lung-rads-2022", "solid previous=2", "0:5.5 12:6.5").memory
    assert crossed is not None
    assert crossed.growth == ("stable",)
    late = ask("lung-rads-2022", "solid previous=2", "0:5 13:12")
    assert late.memory is not None
    assert late.memory.growth == ("stable", "growing")
    assert Noticed.LIMIT_CROSSED not in noticed(late)


@pytest.mark.parametrize("language", ["en", "da"])
def test_every_code_has_a_text(language):
    for kind in (codes.Action, codes.Excluded, codes.Lacks):
        assert all(codes.text(code, language) for code in kind)
    assert all(codes.text(code, language, what="x") for code in codes.Strength)
    assert all(codes.text(code, language, about="x") for code in Noticed)
    if language == "da":
        assert name_of("ground_glass", language) == "matglas"
        assert name_of("size", language) == "størrelse"


def test_an_advice_is_told_in_both_languages_with_its_dates():
    option = ask("fleischner-2017", "solid single low", "0:7 9:7").options[0]
    assert option_text(option, "en") == (
        "Consider CT, 2025-07-15 - 2026-01-15 (18-24 months from the first scan)."
    )
    assert option_text(option, "da") == (
        "Overvej CT, 15.07.2025 - 15.01.2026 (18-24 måneder fra første skanning)."
    )
    large = ask("fleischner-2017", "solid single low", "0:9").options[0]
    assert option_text(large, "en") == (
        "Consider CT, PET-CT or tissue sampling, 2024-04-15 (3 months from the first scan)."
    )
    silent = ask("fleischner-2017", "solid single low", "0:9 3:9").options[0]
    assert option_text(silent, "da").startswith("Retningslinjen er tavs: kilden mangler et skridt")
    early = ask("lung-rads-2022", "solid previous=3", "0:7 4:7").options[0]
    assert option_text(early, "en") == (
        "Category 3: CT, 2024-07-15 (6 months from the scan that gave the category)."
    )


def test_the_json_of_an_outcome():
    told = outcome_json(ask("bts-2015", "solid fat", "0:8.2v280"), "da")
    assert (told["guideline"], told["version"], told["status"]) == ("bts-2015", "1", "advice")
    assert told["chosen_by"] == {"measure": "mm3", "text": "volumen", "value": 280.0}
    assert told["options"][0]["row"] == "discharge-morphology"
    assert told["options"][0]["actions"] == ["discharge"]
    assert told["proposal"].startswith("et forslag")
    without = told["without_morphology"]
    assert without["options"][0]["due"] == ["2024-04-15", "2024-04-15"]
    assert without["options"][0]["counted_from"] == "2024-01-15"
    assert without["other_measure"][0]["row"] == "solid-from-8"
    smaller = next(c for c in without["changed_by"] if c["value"] == "<5")
    assert smaller["limit"] == {"below": 80.0}
    assert smaller["row"] == "discharge-small"
    assert {"code": "secondary", "about": []}.items() <= told["notices"][0].items()
    excluded = outcome_json(ask("fleischner-2017", "solid single low age_years=30", "0:7"))
    assert excluded["excluded"] == [{"code": "age_under_35", "text": "The patient is under 35."}]


def test_a_site_chooses_a_guideline_for_each_reason_of_a_scan():
    shipped = GuidelineChoice()
    assert shipped.guideline(Setting.INCIDENTAL).id == "fleischner-2017"
    assert shipped.guideline(Setting.SCREENING).id == "lung-rads-2022"
    assert shipped.guideline(Setting.KNOWN_CANCER) is None
    assert GuidelineChoice(incidental="bts-2015").guideline(Setting.INCIDENTAL).id == "bts-2015"
    with pytest.raises(ValidationError, match="no guideline 'fleischner'"):
        GuidelineChoice(incidental="fleischner")


@pytest.mark.parametrize(
    "bad",
    [
        {"looks": (look("3:7"), look("0:7"))},
        {"looks": (look("0:7"), look("0:7"))},
        {"exam": BASELINE + datetime.timedelta(1)},
        {"count": 0},
        {"brock": (12.0, 8.0)},
        {"herder": (5.0, 101.0)},
        {"previous_category": "5"},
        {"category_since": BASELINE},
    ],
)
def test_impossible_situations_are_refused(bad):
    with pytest.raises(InvalidValueError):
        Situation(**{"exam": BASELINE, "looks": (look("0:7"),), **bad})


def test_a_solid_part_is_no_larger_than_its_nodule():
    whole = look("0:7v180").sized
    for part in ({"solid_mm": 7.1}, {"solid_mm3": 181.0}, {"solid_mm": -1.0}):
        with pytest.raises(InvalidValueError):
            Look(whole, **part)
    assert Look(whole, 7.0, 180.0).measured("solid_mm3") == 180.0


def test_every_morphology_has_its_value_in_the_tables():
    assert tuple(one.value for one in Morphology) == FEATURES["morphology"]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("mm3: {below: 100}", "mm3: {below: 90}", "overlap or leave a gap"),
        ("at_most: 8}", "below: 8}", "overlap or leave a gap"),
        ('">8": {mm: {above: 8}', '">8": {mm: {above: 8, below: 90}', "end at 90"),
        ("actions: [no_follow_up]", "actions: [wait]", "actions"),
        ("risk: low", "risk: medium", "not among"),
        ("texture: solid, count", "colour: blue, count", "no such input"),
        ("months: {below: 12}", "months: soon", "range of months"),
        ("id: solid-single-high-below-6-end", "id: solid-single-high-below-6", "two rows"),
        ("at_least: 2, ", "", "at_least or above"),
        ("state: primary", "state: not_available", "only there"),
        ("from: 6, to: 12", "from: 12, to: 6", "to lies before from"),
        ("below: 35", 'is: ["35"]', "is for choices"),
        ("benign: [perifissural", "benign: [odd", "no such morphology"),
        ("benign: [perifissural, juxtapleural]", "benign: [perifissural]", "is not benign"),
        ("lacks: after_growth", "lacks: courage", "lacks"),
    ],
)
def test_a_wrong_table_is_refused_when_loaded(tmp_path, old, new, fault):
    text = (FOLDER / "fleischner-2017.yaml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "fleischner-2017.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=fault):
        load_guideline(path)


def test_a_guideline_is_called_as_its_file(tmp_path):
    text = (FOLDER / "eu-2017.yaml").read_text(encoding="utf-8")
    (tmp_path / "other.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="its id is 'eu-2017'"):
        guidelines(tmp_path)


def test_two_rows_for_one_input_are_never_passed_over():
    found = guidelines()["eu-2017"].model_dump(by_alias=True)
    twice = {**found["rows"][0], "id": "again"}
    guideline = Guideline.model_validate({**found, "rows": [*found["rows"], twice]})
    with pytest.raises(ConfigurationError, match="baseline-above-300, again"):
        advise(guideline, situation("eu-2017", "solid", "0:v301"))


def test_the_docs_list_the_silent_regions():
    text = DOCS.read_text(encoding="utf-8")
    listed = text.split("<!-- python -m nodule.guidelines -->\n")[1].split("<!-- end -->")[0]
    assert listed.strip() == markdown().strip()
