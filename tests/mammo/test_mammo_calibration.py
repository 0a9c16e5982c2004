"""Scores calibrated on a site's own exams: limits, categories, probabilities, refusals."""

import csv
import dataclasses
import datetime
import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import BaseModel, ConfigDict
from scipy import special

from gransk.core.calibration import Outcome, OwnExam, Wanted
from gransk.core.errors import InvalidValueError
from gransk.core.statistics.areas import auc
from gransk.core.statistics.logistic import brier, logistic, logit
from gransk.core.statistics.shares import proportion
from mammo.scores import command as calibration_command
from mammo.scores.calibrating import LEAST_CANCERS, NotCalibratedError, make
from mammo.scores.calibration import (
    LEAST_EXAMS,
    NOTE_TEXTS,
    CalibrationSetting,
    Category,
    in_force,
)

MODELS = {"mammo-detector": "a" * 64}
FIRST = datetime.date(2026, 1, 5)
WANTED = Wanted(datetime.date(2028, 6, 1), "a test", consecutive=True, follow_up_months=24)
INTERCEPT, SLOPE = -3.6, 0.8
"""Of the true log-odds of cancer on the network's, in the simulated screening."""


def screening(count, seed=0, days=300):
    """Exams whose true probability of cancer is a logistic function of the network's."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-3.0, 1.5, count)
    cancer = rng.random(count) < special.expit(INTERCEPT + SLOPE * odds)
    return [
        OwnExam(
            date=FIRST + datetime.timedelta(days=int(n * days / count)),
            score=float(special.expit(x)),
            version="1.0.0",
            models=MODELS | {"mammo-density": "d" * 64},
            outcome=Outcome(bool(sick), None if sick else 24.0),
        )
        for n, (x, sick) in enumerate(zip(odds, cancer, strict=True))
    ]


def made(exams, wanted=WANTED, version="1.0.0", models=MODELS):
    return make(exams, "mammo", version, models, wanted)


def wanting(limit, target):
    return dataclasses.replace(WANTED, limit=limit, target=target)


def refused(exams, wanted=WANTED, **others):
    with pytest.raises(NotCalibratedError) as error:
        made(exams, wanted, **others)
    for note in error.value.missing:
        assert all(calibration_command.text(note, language) for language in ("da", "en"))
    return {note.code: note.values for note in error.value.missing}


def changed(exams, change):
    """Exams, each changed by what ``change(number, exam)`` gives."""
    return [dataclasses.replace(exam, **change(n, exam)) for n, exam in enumerate(exams)]


@pytest.fixture(scope="module")
def large():
    """Enough exams and cancers for everything."""
    return screening(30_000)


@pytest.fixture(scope="module")
def whole(large):
    return made(large).calibration


# Statistics


def test_an_intercept_alone_is_the_log_odds_of_the_share():
    fit = logistic(np.arange(40) < 10)
    assert fit.coefficients[0] == pytest.approx(np.log(10 / 30))
    assert fit.errors[0] == pytest.approx(np.sqrt(1 / 10 + 1 / 30))


def test_a_slope_on_two_groups_is_their_log_odds_ratio():
    x = np.repeat([0.0, 1.0], [50, 60])
    disease = np.concatenate([np.arange(50) < 5, np.arange(60) < 30])
    fit = logistic(disease, x)
    assert fit.coefficients[1] == pytest.approx(np.log((30 / 30) / (5 / 45)))
    assert fit.errors[1] == pytest.approx(np.sqrt(1 / 5 + 1 / 45 + 1 / 30 + 1 / 30))
    low, high = fit.interval(1)
    assert high - low == pytest.approx(2 * 1.959964 * fit.errors[1])


def test_an_offset_is_added_with_coefficient_one():
    disease = np.arange(100) < 20
    assert logistic(disease, offset=logit(np.full(100, 0.5))).coefficients[0] == pytest.approx(
        np.log(0.25)
    )
    agreeing = logistic(disease, offset=logit(np.full(100, 0.2)))
    assert agreeing.coefficients[0] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("disease", [np.zeros(9, bool), np.ones(9, bool), np.arange(9) > 4])
def test_what_has_no_finite_maximum_is_no_fit(disease):
    assert logistic(disease, np.arange(9.0)) is None


def test_area_under_the_curve_by_counting_pairs():
    rng = np.random.default_rng(1)
    disease = rng.random(60) < 0.4
    score = np.round(rng.random(60) + 0.3 * disease, 1)
    yes, no = score[disease], score[~disease]
    wins = (yes[:, None] > no).astype(float) + 0.5 * (yes[:, None] == no)
    area, low, high = auc(score, disease)
    assert area == pytest.approx(wins.mean())
    variance = wins.mean(axis=1).var(ddof=1) / len(yes) + wins.mean(axis=0).var(ddof=1) / len(no)
    odds = special.logit(area)
    reach = 1.959964 * np.sqrt(variance) / (area * (1 - area))
    assert (low, high) == pytest.approx(tuple(special.expit([odds - reach, odds + reach])))


def test_proportions_have_exact_intervals():
    assert proportion(0, 10)[2] == pytest.approx(1 - 0.025 ** (1 / 10))
    assert proportion(5, 10)[1:] == pytest.approx((0.1871, 0.8129), abs=1e-4)
    with pytest.raises(InvalidValueError):
        proportion(1, 0)


def test_brier_is_the_mean_squared_difference():
    assert brier(np.array([0.2, 1.0]), np.array([False, True])) == pytest.approx(0.02)


# Real scores


def reader_study():
    path = Path(os.environ.get("GRANSK_DATA", "../shared/data")) / "screening/nyu_reader_study.csv"
    if not path.is_file():
        pytest.skip("the reader study is not at hand")
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def real_exams(count):
    rows = reader_study()
    drawn = np.random.default_rng(0).integers(len(rows), size=count)
    return [
        OwnExam(
            date=FIRST + datetime.timedelta(days=n // 20),
            score=float(rows[k]["AI_GMIC_top5_POM"]),
            version="1.0.0",
            models=MODELS,
        )
        for n, k in enumerate(drawn)
    ]


def test_a_reader_study_is_too_few_exams():
    assert refused(real_exams(1440)) == {"too_few_exams": {"count": 1440, "least": LEAST_EXAMS}}


def test_real_scores_are_parted_into_tenths():
    exams = real_exams(6000)
    found = made(exams)
    assert found.calibration.recalibration is None
    scores = [found.calibration.apply(exam.score).exam_score for exam in exams]
    shares = np.bincount(scores, minlength=11)[1:] / len(exams)
    assert shares == pytest.approx(np.full(10, 0.1), abs=0.01)


# Deciles


def test_the_least_number_keeps_every_limit_within_two_points():
    reach = 1.959964 * np.sqrt(0.25 / np.array([LEAST_EXAMS, LEAST_EXAMS - 2]))
    assert reach[0] <= 0.02 < reach[1]
    rng = np.random.default_rng(3)
    places = [-(-k * LEAST_EXAMS // 10) for k in range(1, 10)]
    off = [
        np.abs(np.sort(rng.random(LEAST_EXAMS))[places] - np.arange(1, 10) / 10) for _ in range(300)
    ]
    assert (np.array(off) <= 0.02).mean(axis=0).min() > 0.92


def test_scores_are_tenths_of_the_sites_own_exams(large, whole):
    scores = np.array([whole.apply(exam.score).exam_score for exam in large])
    assert set(np.bincount(scores)[1:]) == {3000}
    assert [decile.exams for decile in whole.deciles] == [3000] * 10
    probabilities = np.array([exam.score for exam in large])
    means = [probabilities[scores == score].mean() for score in range(1, 11)]
    assert means == sorted(means)
    assert whole.apply(0.0).exam_score == 1
    assert whole.apply(1.0).exam_score == 10
    assert whole.apply(whole.limits[8]).exam_score == 10
    assert whole.apply(float(np.nextafter(whole.limits[8], 0))).exam_score == 9


def test_tenths_hold_on_later_exams(whole):
    scores = [whole.apply(exam.score).exam_score for exam in screening(20_000, seed=9)]
    shares = np.bincount(scores, minlength=11)[1:] / 20_000
    assert shares == pytest.approx(np.full(10, 0.1), abs=0.01)


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_has_no_score(whole, probability):
    with pytest.raises(InvalidValueError):
        whole.apply(probability)


def test_counts_are_told(large, whole):
    cancers = sum(exam.outcome.disease for exam in large)
    assert (whole.exams, whole.known, whole.cancers) == (30_000, 30_000, cancers)
    assert sum(decile.cancers for decile in whole.deciles) == cancers
    assert whole.prevalence.value == pytest.approx(cancers / 30_000)
    assert whole.prevalence.low < whole.prevalence.value < whole.prevalence.high
    assert whole.deciles[9].observed.value > 10 * whole.deciles[2].observed.value
    assert (whole.first_exam, whole.last_exam) == (FIRST, FIRST + datetime.timedelta(days=299))


# Probabilities


def test_recalibration_finds_what_the_outcomes_were_drawn_from(large, whole):
    found = whole.recalibration
    assert found.slope == pytest.approx(SLOPE, abs=3 * found.slope_error)
    assert found.intercept == pytest.approx(INTERCEPT, abs=0.4)
    probabilities = np.array([whole.apply(exam.score).probability for exam in large])
    assert probabilities.mean() == pytest.approx(whole.prevalence.value, rel=1e-6)


def test_figures_tell_the_network_from_the_recalibrated(whole):
    network, again = whole.figures.network, whole.figures.recalibrated
    assert network.in_the_large.high < -1
    assert network.slope.low < SLOPE < network.slope.high < 1.1
    assert again.in_the_large.low < 0 < again.in_the_large.high
    assert again.slope.low < 1 < again.slope.high
    assert again.brier < whole.figures.brier_of_prevalence < network.brier
    assert whole.figures.auc.low < whole.figures.auc.value < whole.figures.auc.high


def test_the_interval_of_the_slope_holds_its_truth():
    inside = 0
    for seed in range(40):
        exams = screening(8000, seed=seed)
        odds = logit([exam.score for exam in exams])
        low, high = logistic(np.array([e.outcome.disease for e in exams]), odds).interval(1)
        inside += low < SLOPE < high
    assert inside >= 35


def test_too_few_cancers_leave_scores_and_no_probability():
    exams = screening(LEAST_EXAMS, seed=2)
    found = made(exams)
    cancers = sum(exam.outcome.disease for exam in exams)
    assert 0 < cancers < LEAST_CANCERS
    assert [note.code for note in found.missing] == ["too_few_cancers"]
    assert found.missing[0].values == {"cancers": cancers, "least": LEAST_CANCERS}
    told = found.calibration.apply(0.2)
    assert told.exam_score > 1
    assert (told.probability, told.category) == (None, None)
    assert found.calibration.figures is None


def test_outcomes_must_be_known_of_nearly_all(large):
    found = made(changed(large, lambda n, e: {"outcome": e.outcome if n % 10 else None}))
    assert "outcomes_unknown" in {note.code for note in found.missing}
    assert found.calibration.recalibration is None


def test_an_exam_that_was_followed_too_shortly_is_not_known(large):
    short = changed(large, lambda n, e: {"outcome": Outcome(e.outcome.disease, 23.9)})
    calibration = made(short).calibration
    assert calibration.known == calibration.cancers
    assert calibration.prevalence is None
    assert not [decile for decile in calibration.deciles if decile.observed is not None]
    year = dataclasses.replace(WANTED, follow_up_months=12)
    assert made(short, year).calibration.known == 30_000


def test_a_score_that_tells_nothing_gives_no_probability():
    others = np.random.default_rng(4).random(30_000)
    found = made(changed(screening(30_000), lambda n, e: {"score": float(others[n])}))
    assert {note.code for note in found.missing} & {"no_slope", "slope_imprecise"}
    assert found.calibration.recalibration is None
    assert found.calibration.figures.auc.low < 0.5 < found.calibration.figures.auc.high


# The site's limit


def test_a_limit_by_score(large):
    calibration = made(large, wanting("score", 9)).calibration
    told = [calibration.apply(exam.score) for exam in large]
    assert all((t.category is Category.HIGH) == (t.exam_score >= 9) for t in told)
    assert calibration.limit.high.value == pytest.approx(0.2)
    assert calibration.limit.sensitivity is not None
    without = made(changed(large, lambda n, e: {"outcome": None}), wanting("score", 9))
    assert without.calibration.limit.sensitivity is None
    assert without.calibration.limit.probability == calibration.limit.probability


@pytest.mark.parametrize("target", [0.5, 0.75, 0.9])
def test_the_highest_limit_that_reaches_a_sensitivity(large, target):
    limit = made(large, wanting("sensitivity", target)).calibration.limit
    yes = np.array([e.score for e in large if e.outcome.disease])
    no = np.array([e.score for e in large if not e.outcome.disease])
    assert (yes >= limit.probability).mean() >= target
    assert (yes > limit.probability).mean() < target
    assert limit.sensitivity.value == pytest.approx((yes >= limit.probability).mean())
    assert limit.specificity.value == pytest.approx((no < limit.probability).mean())
    assert limit.sensitivity.low < target < limit.sensitivity.high


@pytest.mark.parametrize("target", [0.6, 0.95])
def test_the_lowest_limit_that_reaches_a_specificity(large, target):
    limit = made(large, wanting("specificity", target)).calibration.limit
    no = np.array([e.score for e in large if not e.outcome.disease])
    every = np.array([e.score for e in large])
    assert (no < limit.probability).mean() >= target
    lower = every[every < limit.probability].max()
    assert (no < lower).mean() < target
    assert limit.high.value == pytest.approx((every >= limit.probability).mean())


def test_a_limit_by_sensitivity_needs_cancers():
    found = refused(screening(LEAST_EXAMS), wanting("sensitivity", 0.8))
    assert set(found) == {"limit_needs_outcomes", "too_few_cancers"}


@pytest.mark.parametrize(
    ("limit", "target"),
    [
        ("score", 1),
        ("score", 11),
        ("score", 8.5),
        ("score", None),
        ("sensitivity", 1.0),
        ("specificity", 0.0),
        (None, 9),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(limit, target):
    with pytest.raises(InvalidValueError):
        wanting(limit, target)


# Refusals


def test_everything_that_is_missing_is_told_at_once():
    undated = changed(screening(200, days=7000), lambda n, e: {"date": None} if n == 5 else {})
    assert set(refused(undated, dataclasses.replace(WANTED, consecutive=False))) == {
        "not_said_consecutive",
        "undated",
        "gap",
        "too_few_exams",
    }
    assert set(refused([])) == {"too_few_exams"}


def test_a_gap_in_time_is_no_period(large):
    cut = [e for e in large if not 100 <= (e.date - FIRST).days < 131]
    assert refused(cut) == {"gap": {"days": 32, "most": 31}}
    assert made([e for e in large if not 100 <= (e.date - FIRST).days < 130]).calibration


def test_exams_without_a_score_belong_to_the_period(large):
    def without(every):
        return [OwnExam(e.date) if n % every == 0 else e for n, e in enumerate(large)]

    assert refused(without(10)) == {"not_analysed": {"count": 3000, "exams": 30_000}}
    calibration = made(without(100)).calibration
    assert (calibration.exams, calibration.not_analysed) == (29_700, 300)


def test_enriched_exams_are_no_screening(large):
    cancers = [e for e in large if e.outcome.disease]
    others = [e for e in large if not e.outcome.disease][::6]
    assert set(refused(cancers + others)) == {"prevalence_too_high"}


def test_few_values_cannot_be_parted():
    rounded = changed(screening(3000), lambda n, e: {"score": round(e.score, 1)})
    assert refused(rounded) == {"too_few_values": {"distinct": len({e.score for e in rounded})}}
    half = changed(screening(3000), lambda n, e: {"score": 0.01} if n % 2 else {})
    assert set(refused(half)) == {"too_few_values"}


@pytest.mark.parametrize(
    "others",
    [
        {"models": {"mammo-detector": "b" * 64}},
        {"models": MODELS | {"other": "c" * 64}},
        {"version": "2.0.0"},
    ],
)
def test_exams_of_other_weights_or_version_count_for_nothing(large, others):
    found = refused(large[:3000], **others)
    assert found["other_weights"] == {"count": 3000}
    assert found["too_few_exams"]["count"] == 0


# As data


def test_a_calibration_for_other_weights_counts_as_none(whole):
    assert in_force(whole, "1.0.0", MODELS) == (whole, None)
    for calibration, version, models, code in (
        (None, "1.0.0", MODELS, "not_calibrated"),
        (whole, "1.0.0", {"mammo-detector": "b" * 64}, "calibration_other_models"),
        (whole, "1.0.0", {}, "calibration_other_models"),
        (whole, "1.1.0", MODELS, "calibration_other_version"),
    ):
        none, note = in_force(calibration, version, models)
        assert (none, note.code) == (None, code)
        assert all(NOTE_TEXTS[code][lang].format(**note.values) for lang in ("da", "en"))


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    calibration: CalibrationSetting = None


def test_settings_take_what_the_file_says(whole):
    held = yaml.safe_load(yaml.safe_dump(calibration_command.content(whole)))
    settings = Settings(calibration=held)
    assert settings.calibration == whole
    again = Settings.model_validate_json(settings.model_dump_json(), strict=True)
    assert again.calibration == whole
    assert Settings().calibration is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"limits": [0.5] * 9}, "limits that rise"),
        ({"exams": 100}, "exams: "),
        ({"exams": 30_001}, "add up"),
        ({"format": 2}, "format: "),
        ({"models": {"x": "short"}}, "models.x: "),
        ({"unknown": 1}, "unknown: "),
    ],
)
def test_a_calibration_that_does_not_hold_together_is_refused(whole, change, told):
    with pytest.raises(ValueError, match=told):
        Settings(calibration=calibration_command.content(whole) | change)


def test_a_calibration_cannot_be_changed(whole):
    with pytest.raises(ValueError, match="frozen"):
        whole.limits = ()


# In words


@pytest.mark.parametrize("language", ["da", "en"])
def test_the_report_tells_counts_prevalence_deciles_and_figures(large, language):
    told = calibration_command.calibrate(
        large, "mammo", "1.0.0", MODELS, wanting("sensitivity", 0.8), language
    )
    assert told.missing == ()
    text = "\n".join(told.report)
    assert "30000" in text
    assert len([line for line in told.report if line[:5].strip().isdigit()]) >= 10
    share = f"{told.content['prevalence']['value'] * 100:.2f}"
    assert (share.replace(".", ",") if language == "da" else share) in text
    assert ("rekalibreret" if language == "da" else "recalibrated") in text
    assert Settings(calibration=told.content).calibration.limit.target == 0.8


def test_a_refusal_holds_nothing(large):
    told = calibration_command.calibrate(large[:50], "mammo", "1.0.0", MODELS, WANTED, "en")
    assert told.content is None
    assert any("2401 are needed" in line for line in told.missing)
