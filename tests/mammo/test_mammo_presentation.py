"""What is shown of an exam: one line, details, JSON, and never a score before calibration."""

from __future__ import annotations

import string

import pytest
from mammo_exam import drawn_exam, make_findings
from pydicom.sr._concepts_dict import concepts

from gransk.core.application import Presentation
from gransk.core.errors import InvalidValueError
from gransk.core.findings import Note, centroid
from mammo import coding, labels
from mammo.presentation import presentation
from mammo.texts import texts
from mammo.view import STANDARD


@pytest.fixture(scope="module")
def show() -> Presentation:
    return presentation()


@pytest.fixture(scope="module")
def exam(tmp_path_factory):
    return drawn_exam(tmp_path_factory.mktemp("exam"))


def test_before_calibration_no_score_and_no_category_anywhere(exam, show):
    told = show.study_json(exam.findings)
    assert (told["exam_score"], told["category"], told["score_calibrated"]) == (None, None, False)
    assert show.line(exam.findings, "en").startswith("Research · 3 marks, highest R CC 0.81")
    assert show.line(exam.findings, "da").startswith("Forskning · 3 markeringer, højest R CC 0,81")
    for language in ("en", "da"):
        said = " ".join(
            f"{label} {value}" for label, value in show.summary(exam.findings, language)
        )
        assert {"en": "not calibrated", "da": "ikke kalibreret"}[language] in said
        assert {"en": "research", "da": "forskning"}[language] in said
        assert "10" not in said


def test_a_calibrated_score_is_said_low_or_high_and_never_a_risk(tmp_path, show):
    findings = drawn_exam(tmp_path, calibrated=True).findings
    told = show.study_json(findings)
    assert (told["exam_score"], told["category"], told["score_calibrated"]) == (9.0, "high", True)
    assert show.line(findings, "en").startswith("AI score high (9)")
    assert show.line(findings, "da").startswith("AI-score høj (9)")
    assert show.summary(findings, "en")[:3] == [
        ("AI score", "9 of 10, high"),
        ("Probability of cancer in this site's screening", "2.1 %"),
        ("Probability of cancer, exam (research)", "0.81"),
    ]
    assert show.summary(findings, "da")[:3] == [
        ("AI-score", "9 af 10, høj"),
        ("Sandsynlighed for kræft i afdelingens screening", "2,1 %"),
        ("Sandsynlighed for kræft, undersøgelsen (forskning)", "0,81"),
    ]


@pytest.mark.parametrize(
    ("share", "told"), [(0.0004, "0.04 %"), (0.0149, "1.5 %"), (0.127, "13 %")]
)
def test_small_probabilities_keep_two_digits(exam, show, share, told):
    findings = exam.findings.model_copy(
        update={"measurements": (coding.measurement("screening_probability", share),)}
    )
    assert told in [value for _, value in show.summary(findings, "en")]


def test_no_text_says_high_risk():
    for code, by in texts().items():
        for text in by.values():
            assert not {"risk", "risiko"} & set(text.lower().split()), code


def test_every_text_is_in_both_languages_with_the_same_places():
    def places(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for code, by in texts().items():
        assert set(by) == {"en", "da"}, code
        assert places(by["en"]) == places(by["da"]), code


def test_every_label_value_and_rejection_has_a_text(show):
    known = show.texts
    for name, values in show.labels.items():
        assert name in known
        assert {f"{name}_{value}" for value in values} <= known.keys()
    assert {f"rejected_{code}" for code in show.rejections} <= known.keys()
    for name, values in show.codes.items():
        assert {f"{name}_{value}" for value in values} <= known.keys(), name
    assert "laterality" not in labels.LABELS


def test_the_exam_as_json(exam, show):
    told = show.study_json(exam.findings)
    assert [v["name"] for v in told["views"]] == ["R CC", "R MLO", "L CC", "L MLO"]
    assert told["views"][1] == {
        "name": "R MLO",
        "laterality": "R",
        "view": "MLO",
        "sop_instance_uid": exam.images["R MLO"],
        "series_instance_uid": exam.findings.frames[1].series_instance_uid,
        "probability": 0.78,
        "certainty": 1.0,
        "read_from_image": False,
    }
    assert (told["incomplete"], told["missing"], told["probability"]) == (False, [], 0.81)
    assert (told["density"], told["percent_density"]) == ("b", 31.0)
    assert told["breasts"] == [
        {"laterality": "R", "probability": 0.81, "percent_density": 31.0},
        {"laterality": "L", "probability": 0.22, "percent_density": 31.0},
    ]


def test_a_missing_view_is_said(tmp_path, show):
    findings = drawn_exam(tmp_path, STANDARD[:3]).findings
    told = show.study_json(findings)
    assert (told["incomplete"], told["missing"]) == (True, ["L MLO"])
    assert show.line(findings, "da").endswith("ufuldstændig, mangler L MLO")
    assert ("Missing", "L MLO") in show.summary(findings, "en")
    assert any("L MLO" in show.text(note, "en") for note in findings.notes)


def test_a_view_read_from_the_image_says_how_sure(exam, show):
    note = Note(code="view_from_image", values={"view": "L CC", "percent": 93})
    findings = exam.findings.model_copy(update={"notes": (note,)})
    views = {view["name"]: view for view in show.study_json(findings)["views"]}
    assert (views["L CC"]["certainty"], views["L CC"]["read_from_image"]) == (0.93, True)
    assert views["R CC"]["certainty"] == 1.0


def test_a_mark_as_json_names_its_partner_in_the_other_view(exam, show):
    first, second, third = exam.findings.findings
    told = show.finding_json(first, exam.findings.findings)
    assert told["pair"] == second.tracking_uid
    assert show.finding_json(second, exam.findings.findings)["pair"] == first.tracking_uid
    assert show.finding_json(third, exam.findings.findings)["pair"] is None
    assert (told["laterality"], told["view"], told["kind"]) == ("R", "CC", "mass")
    assert told["sop_instance_uid"] == exam.images["R CC"]
    assert told["centre_px"] == pytest.approx([298, 250])
    assert told["outline_px"][0] == pytest.approx([324, 250])
    assert (told["size_mm"], told["quadrant"], told["depth"]) == (13.0, "outer", "middle")


def test_a_rejected_mark_counts_no_more(exam, show):
    findings = make_findings(exam.study.uid, exam.findings.frames, (), 0.25, calibrated=False)
    assert show.line(findings, "en") == "Research · no marks · density b"
    assert show.line(findings, "da") == "Forskning · ingen markeringer · densitet b"


def test_details_in_danish(exam, show):
    assert show.details(exam.findings.findings[0], "da")[:4] == [
        ("Projektion", "R CC"),
        ("Type", "masse"),
        ("Største diameter", "13 mm"),
        ("Kvadrant", "laterale halvdel"),
    ]


def test_centre_is_that_of_the_area():
    assert centroid(((0, 0), (4, 0), (4, 1), (4, 2), (0, 2))) == pytest.approx((2, 1))
    assert centroid(((0, 0), (1, 0), (2, 0))) == (1, 0)


def test_every_code_is_that_of_the_dictionary_or_our_own():
    known = {
        (value, scheme): meaning.lower()
        for scheme, names in concepts.items()
        for values in names.values()
        for value, (meaning, _) in values.items()
        if "(" not in meaning
    }
    used = [concept for concept, _ in coding.PROPERTIES.values()]
    used += [code for _, values in coding.PROPERTIES.values() for code in values.values()]
    used += [concept for concept, _, _ in coding.MEASUREMENTS.values()]
    used += list(coding.BREASTS.values())
    for code in used:
        if code.scheme != coding.SCHEME:
            assert known[code.value, code.scheme] == code.meaning.lower()


def test_unknown_names_are_refused():
    with pytest.raises(InvalidValueError):
        coding.quality("depth", "deep")
    with pytest.raises(InvalidValueError):
        coding.quality("colour", "red")
    with pytest.raises(InvalidValueError):
        coding.measurement("risk", 1.0)
