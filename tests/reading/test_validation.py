"""Local validation: what is counted, what is missing, what small numbers keep back."""

import numpy as np
import pytest
from past_exams import FREE, ILL, past

from gransk.core.errors import InvalidValueError
from gransk.core.exam_facts import Round
from gransk.core.programme import Programme
from gransk.core.statistics.shares import proportion
from gransk.reading.groups import age_band, shown
from gransk.reading.past import Density, PastAi
from gransk.reading.policy import Minimum
from gransk.reading.validation.report import Missing, validate

MINIMUM = Minimum(exams=400, cancers=50)
MODEL = "mammo 1.0"


def shadow(count=600, seed=0):
    """Exams read by two people while a model's scores were kept as shadow."""
    rng = np.random.default_rng(seed)
    exams = []
    for n in range(count):
        ill = n % 10 == 0
        probability = float(1 / (1 + np.exp(3 - 2.5 * ill - rng.normal())))
        reads = "rr" if ill and n % 30 else "nn"
        exams.append(
            past(
                n,
                reads,
                outcome=ILL if ill else FREE,
                ai=PastAi(
                    score=min(10, 1 + int(10 * probability)), probability=probability, model=MODEL
                ),
                age=50 + n % 20,
                density=list(Density)[n % 4] if n % 7 else None,
                equipment="A" if n % 50 else "rare",
            )
        )
    return exams


@pytest.fixture(scope="module")
def report():
    return validate(shadow(), "odense", MODEL, MINIMUM, recall_from=5)


def test_counts(report):
    assert report.counts.model_dump() == {
        "exams": 600, "without_opinion": 0, "unknown": 0, "counted": 600, "cancers": 60,
        "interval": 20,
    }  # fmt: skip
    assert report.suffices
    assert sum(row.exams for row in report.scores) == 600
    assert sum(row.cancers for row in report.scores) == 60


def test_figures_are_those_of_the_exams(report):
    exams = shadow()
    score = np.array([exam.ai.score for exam in exams])
    cancer = np.array([exam.cancer for exam in exams])
    pairs = score[cancer][:, None] - score[~cancer][None, :]
    assert report.area.value == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    assert report.area.low < report.area.value < report.area.high
    at_five = next(one for one in report.limits if one.name == "5")
    assert at_five.sensitivity == proportion(int((score[cancer] >= 5).sum()), 60)
    assert at_five.positive == proportion(int((score >= 5).sum()), 600)
    people = {one.name: one for one in report.people}
    assert people["decision"].sensitivity == proportion(40, 60)
    assert people["first_reader"].specificity == proportion(540, 540)
    assert report.calibration.slope.value > 0.5
    assert sum(row.exams for row in report.calibration.bins) == 600


def test_the_curve_is_by_probability_and_ends_where_all_are_positive(report):
    assert len(report.curve) == 400
    assert report.curve[-1][1:] == (1.0, 1.0)
    assert list(report.curve) == sorted(report.curve, key=lambda row: -row[0])


def test_other_units_programmes_and_models_are_left_out():
    others = [
        past(1000, unit="vejle"),
        past(1001, programme=Programme.CLINICAL),
        past(1002, programme=None),
        past(1003, ai=PastAi(score=3, model="another")),
    ]
    unread = [past(1100 + n, score=None) for n in range(5)]
    unknown = [past(1200, outcome=None, ai=PastAi(score=3, model=MODEL))]
    found = validate([*shadow(), *others, *unread, *unknown], "odense", MODEL, MINIMUM, 5).counts
    assert (found.exams, found.without_opinion, found.unknown, found.counted) == (606, 5, 1, 600)


def lacking(exams, minimum=MINIMUM):
    return {lack.what for lack in validate(exams, "odense", MODEL, minimum, 5).missing}


def test_what_is_missing_is_named_all_at_once():
    assert lacking([]) == set(Missing)
    assert lacking(shadow(), Minimum(exams=601, cancers=61)) == {
        Missing.TOO_FEW_EXAMS,
        Missing.TOO_FEW_CANCERS,
    }
    exams = shadow()
    found_by_readers = [exam for exam in exams if not exam.interval_cancer]
    assert lacking(found_by_readers, Minimum(exams=1, cancers=1)) == {Missing.NO_INTERVAL_CANCERS}
    unknown = [
        exam.model_copy(update={"outcome": None}) if n % 10 == 1 else exam
        for n, exam in enumerate(exams)
    ]
    assert lacking(unknown) == {Missing.OUTCOMES_UNKNOWN}
    refused = [past(2000 + n, score=None) for n in range(200)]
    assert lacking([*exams, *refused]) == {Missing.WITHOUT_OPINION}


def test_few_exams_have_no_figures():
    found = validate(shadow(9), "odense", MODEL, MINIMUM, 5)
    assert (found.area, found.limits, found.subgroups) == (None, (), ())


def test_subgroups_by_small_numbers(report):
    rows = {(row.by, row.name): row for row in report.subgroups}
    assert {by for by, _ in rows} == {"round", "age", "density", "equipment"}
    assert rows["equipment", "rare"].sensitivity is None, "twelve exams have no figure"
    assert rows["equipment", "rare"].exams == 12
    assert rows["density", "unknown"].area is None
    assert rows["age", "50-54"].sensitivity is not None
    with_first = [
        exam.model_copy(update={"round": Round.FIRST}) if n < 3 else exam
        for n, exam in enumerate(shadow())
    ]
    apart = validate(with_first, "odense", MODEL, MINIMUM, 5)
    counts = [(r.name, r.exams, r.cancers) for r in apart.subgroups if r.by == "round"]
    assert counts == [("first", None, None), ("later", None, None)]


def test_a_single_small_count_hides_another():
    assert shown([3, 100, 20, 0]) == (None, 100, None, 0)
    assert shown([3, 4, 20]) == (None, None, 20)
    assert shown([5, 0, 9]) == (5, 0, 9)
    assert shown([2, 0]) == (None, 0)


def test_age_bands():
    assert [age_band(age) for age in (49, 50, 69, 70, None)] == [
        "under 50", "50-54", "65-69", "70 and over", "unknown",
    ]  # fmt: skip


def test_a_report_survives_json(report):
    assert type(report).model_validate_json(report.model_dump_json()) == report


def test_a_limit_is_a_score():
    with pytest.raises(InvalidValueError):
        validate(shadow(50), "odense", MODEL, MINIMUM, 0)


def test_women_with_several_exams_widen_the_interval():
    exams = shadow()
    twice = [exam.model_copy(update={"exam": f"{exam.exam}x"}) for exam in exams]
    once = validate(exams, "odense", MODEL, MINIMUM, 5).area
    again = validate([*exams, *twice], "odense", MODEL, MINIMUM, 5).area
    assert again == pytest.approx(once)
