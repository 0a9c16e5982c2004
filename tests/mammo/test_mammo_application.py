"""The application, with the models that ship, on drawn exams."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
from likely_exam import likely_exam
from pydicom import Dataset

from gransk.core.application import Application, Context, Examined, FollowsUp, model_folder
from gransk.core.calibration import Calibrates
from gransk.core.errors import RefusalError, UnreadableInputError
from gransk.core.findings import Findings
from gransk.core.models import ModelLibrary
from gransk.core.reasons import Reason
from gransk.core.study import Instance, Study
from mammo.application import MammoApplication, MammoSettings
from mammo.cad import failed
from mammo.exam.choice import ViewRules
from mammo.exam.recognise import MODEL_ID as VIEW_ID
from mammo.marks.detector import MODEL_IDS
from mammo.scores.calibration import LEAST_EXAMS, SCORES, Calibration, Recalibration
from mammo.view import STANDARD

MODELS = ModelLibrary(model_folder())
APPLICATION = MammoApplication()


def analysed(study: Study, settings: MammoSettings | None = None) -> Findings:
    settings = settings or MammoSettings()
    selection = APPLICATION.select(study, settings)
    return APPLICATION.analyse(study, selection, Context(MODELS, settings, analysis_key="key"))


@pytest.fixture(scope="module")
def exam() -> Study:
    return likely_exam()


@pytest.fixture(scope="module")
def findings(exam: Study) -> Findings:
    return analysed(exam, MammoSettings(operating_point=0.0))


def test_it_is_an_application_that_follows_up_and_is_calibrated() -> None:
    assert isinstance(APPLICATION, Application)
    assert isinstance(APPLICATION, FollowsUp)
    assert isinstance(APPLICATION, Calibrates)


def test_four_views_are_read_scored_and_told(exam: Study, findings: Findings) -> None:
    assert [frame.label for frame in findings.frames] == [f"{s} {v}" for s, v in STANDARD]
    told = APPLICATION.presentation.study_json(findings)
    assert told["incomplete"] is False
    assert [view["name"] for view in told["views"]] == ["R CC", "R MLO", "L CC", "L MLO"]
    assert [breast["laterality"] for breast in told["breasts"]] == ["R", "L"]
    assert told["probability"] == max(breast["probability"] for breast in told["breasts"])
    assert told["density"] in "abcd"
    assert told["score_calibrated"] is False
    assert told["exam_score"] is None
    assert told["category"] is None
    assert findings.research


def test_every_mark_lies_on_its_own_view(exam: Study, findings: Findings) -> None:
    labels = {frame.sop_instance_uid: frame.label for frame in findings.frames}
    shapes = {i.sop_instance_uid: (i.header.Columns, i.header.Rows) for i in exam.instances}
    assert findings.findings
    for finding in findings.findings:
        one = APPLICATION.presentation.finding_json(finding, findings.findings)
        assert labels[one["sop_instance_uid"]] == f"{one['laterality']} {one['view']}"
        points = np.array(one["outline_px"])
        assert (points >= -1).all()
        assert (points <= np.array(shapes[one["sop_instance_uid"]]) + 1).all()
        assert one["size_mm"] > 0


def test_candidates_tell_what_evaluation_needs(findings: Findings) -> None:
    wanted = {
        "sop_instance_uid", "laterality", "view", "kind", "outline_px", "centre_px", "size_mm",
        "pair", "probability", "malignancy",
    }  # fmt: skip
    assert all(wanted <= set(one) for one in findings.candidates)
    probabilities = [one["probability"] for one in findings.candidates]
    assert probabilities == sorted(probabilities, reverse=True)
    reported = {one["tracking_uid"] for one in findings.candidates if one["reported"]}
    assert reported == {finding.tracking_uid for finding in findings.findings}


def test_shares_of_the_score_are_at_most_all_of_it(findings: Findings) -> None:
    shares = [one["score_share"] for one in findings.candidates]
    assert sum(shares) == pytest.approx(100, abs=0.2)


def test_the_same_exam_gives_the_same_findings(exam: Study, findings: Findings) -> None:
    again = analysed(exam, MammoSettings(operating_point=0.0))
    assert again.model_dump(exclude={"seconds"}) == findings.model_dump(exclude={"seconds"})


def test_every_note_and_name_has_a_text(findings: Findings) -> None:
    for note in (*findings.notes, *findings.choice):
        for language in ("en", "da"):
            told = APPLICATION.presentation.text(note, language)
            assert told != note.code
            assert "{" not in told


def test_a_missing_view_is_told_and_the_rest_analysed() -> None:
    exam = likely_exam(STANDARD[:3])
    found = analysed(exam)
    assert [frame.label for frame in found.frames] == ["R CC", "R MLO", "L CC"]
    assert any(n.code == "exam_incomplete" and "L MLO" in n.values["missing"] for n in found.notes)
    assert APPLICATION.presentation.study_json(found)["incomplete"] is True
    assert not APPLICATION.ready(exam)


def test_one_breast_is_analysed() -> None:
    found = analysed(likely_exam(STANDARD[2:]))
    told = APPLICATION.presentation.study_json(found)
    assert [breast["laterality"] for breast in told["breasts"]] == ["L"]


def _name(instance: Instance) -> str:
    return f"{instance.header.ImageLaterality} {instance.header.ViewPosition}"


def _blank(instance: Instance) -> Dataset:
    image = copy.deepcopy(instance.load())
    image.PixelData = bytes(len(image.PixelData))
    return image


def _with(study: Study, change: dict[str, Dataset]) -> Study:
    """The study with some images replaced, by SOP Instance UID."""

    def one(instance: Instance) -> Instance:
        other = change.get(instance.sop_instance_uid)
        return instance if other is None else dataclasses.replace(instance, load=lambda: other)

    return Study.from_instances(map(one, study.instances))


def test_an_image_that_cannot_be_read_leaves_the_exam_incomplete(exam: Study) -> None:
    image = next(i for i in exam.instances if _name(i) == "L CC")
    found = analysed(_with(exam, {image.sop_instance_uid: _blank(image)}))
    assert [frame.label for frame in found.frames] == ["R CC", "R MLO", "L MLO"]
    codes = {note.code for note in found.notes}
    assert "image_left_out_no_breast" in codes
    assert failed(found) == (image.sop_instance_uid,)
    assert "exam_incomplete" in codes


def test_where_no_image_is_left_the_exam_is_refused(exam: Study) -> None:
    blank = {instance.sop_instance_uid: _blank(instance) for instance in exam.instances}
    with pytest.raises(RefusalError) as refused:
        analysed(_with(exam, blank))
    assert refused.value.reason is Reason.NO_BREAST


def calibration(digests: dict[str, str], version: str) -> Calibration:
    """One whose every tenth holds as many exams, limits spread evenly."""
    exams = LEAST_EXAMS - LEAST_EXAMS % SCORES + SCORES
    return Calibration.model_validate(
        {
            "format": 1,
            "application": "mammo",
            "application_version": version,
            "models": digests,
            "settings": {"views": ViewRules().model_dump(mode="json")},
            "made_on": "2026-01-31",
            "made_by": "test",
            "first_exam": "2026-01-01",
            "last_exam": "2026-01-30",
            "exams": exams,
            "not_analysed": 0,
            "known": 0,
            "cancers": 0,
            "follow_up_months": 24,
            "limits": [n / SCORES for n in range(1, SCORES)],
            "deciles": [
                {"exams": exams // SCORES, "known": 0, "cancers": 0} for _ in range(SCORES)
            ],
            "limit": {
                "probability": 0.4,
                "chosen": "score",
                "target": 5,
                "high": {"value": 0.6, "low": 0.58, "high": 0.62},
            },
        }
    )


def test_a_score_is_shown_only_by_a_calibration_for_these_weights(
    exam: Study, findings: Findings
) -> None:
    digests = {name: MODELS.digest(name) for name in (VIEW_ID, *MODEL_IDS)}
    mine = MammoSettings(calibration=calibration(digests, APPLICATION.version))
    told = APPLICATION.presentation.study_json(analysed(exam, mine))
    assert told["score_calibrated"] is True
    assert told["exam_score"] == 1 + int(told["probability"] * SCORES)
    assert told["category"] == ("high" if told["probability"] >= 0.4 else "low")
    assert APPLICATION.not_calibrated(mine, digests) is None
    other = MammoSettings(
        calibration=calibration(dict.fromkeys(digests, "0" * 64), APPLICATION.version)
    )
    found = analysed(exam, other)
    assert found.measured("exam_score") is None
    assert "calibration_other_models" in {note.code for note in found.notes}
    rules = mine.model_copy(update={"views": ViewRules(least_certainty=0.9)})
    why_not = APPLICATION.not_calibrated(rules, digests)
    assert why_not is not None
    assert why_not.code == "calibration_other_settings"
    marks = mine.model_copy(update={"operating_point": 0.9, "report_limit": 1})
    assert APPLICATION.not_calibrated(marks, digests) is None


def test_a_probability_of_screening_is_shown_where_the_site_has_cancers_enough(
    exam: Study, findings: Findings
) -> None:
    digests = {name: MODELS.digest(name) for name in (VIEW_ID, *MODEL_IDS)}
    without = calibration(digests, APPLICATION.version)
    fitted = Recalibration(intercept=-3.0, slope=0.8, slope_error=0.1)
    mine = MammoSettings(calibration=without.model_copy(update={"recalibration": fitted}))
    found = analysed(exam, mine)
    raw = found.measured("malignancy_probability")
    assert raw is not None
    told = found.measured("screening_probability")
    odds = np.log(raw / (1 - raw))
    # The network's own number is told with four decimals.
    assert told == pytest.approx(1 / (1 + np.exp(3.0 - 0.8 * odds)), abs=1e-4)
    assert APPLICATION.presentation.study_json(found)["screening_probability"] == told
    few = analysed(exam, MammoSettings(calibration=without))
    assert few.measured("screening_probability") is None
    assert few.measured("exam_score") is not None


def test_detectors_and_what_tells_views_make_the_score() -> None:
    digests = {name: name * 2 for name in APPLICATION.models(MammoSettings())}
    scoring = MammoSettings().models.scoring(digests)
    assert scoring == {name: name * 2 for name in (VIEW_ID, *MODEL_IDS)}


def test_an_exam_is_compared_with_itself_and_its_score_stays(
    exam: Study, findings: Findings
) -> None:
    settings = MammoSettings()
    context = Context(MODELS, settings)
    comparison = APPLICATION.compare(Examined(exam, findings), Examined(exam, findings), context)
    assessment = APPLICATION.assess(exam, findings, (comparison,), None, settings)
    assert assessment.risks == ()
    assert assessment.advice == ()


def test_no_risk_profile_is_asked_for() -> None:
    APPLICATION.check_profile({})
    with pytest.raises(UnreadableInputError, match="smoking"):
        APPLICATION.check_profile({"smoking": 1})
