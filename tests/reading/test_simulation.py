"""Other policies on a past: known answers, bounds, and what is assumed."""

import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from past_exams import FREE, ILL, RECALL, past
from pydantic import BaseModel, ValidationError

from gransk.core.errors import InvalidValueError
from gransk.core.exam_facts import Round
from gransk.core.programme import Programme
from gransk.core.screening import Breast
from gransk.core.statistics.shares import proportion
from gransk.reading.outcomes import Found, Outcome
from gransk.reading.past import PastAi, PastRead
from gransk.reading.plan import Differing, PolicyKind
from gransk.reading.simulation import figures
from gransk.reading.simulation.figures import Assumption, simulate
from gransk.reading.simulation.worlds import Scenario, Unknown, World, as_it_was, course

DOUBLE = Scenario(kind=PolicyKind.DOUBLE_READING)
REPLACE = Scenario(kind=PolicyKind.REPLACE_READER, recall_from=8)
TRIAGE = Scenario(kind=PolicyKind.TRIAGE, double_from=10)
NET = Scenario(kind=PolicyKind.SAFETY_NET, recall_from=10)


def worlds(exam, scenario):
    return course(exam, scenario).worlds


def test_ai_in_place_of_the_second_reader():
    assert worlds(past(1, "nn", score=2), REPLACE) == {World(False, False, 1)}
    assert worlds(past(1, "rr", score=9), REPLACE) == {World(True, False, 1)}
    doubtful = course(past(1, "nn", score=9), REPLACE)
    assert doubtful.worlds == {World(False, True, 2), World(True, True, 2)}
    assert doubtful.unknown == {Unknown.ARBITER}
    assert worlds(past(1, "rr", score=2), REPLACE) == {World(False, True, 2), World(True, True, 2)}
    settled = course(past(1, "rn", "n", score=2), REPLACE)
    assert settled.worlds == {World(False, True, 2)}, "the past's arbiter decides the same"
    assert settled.kept_arbiter
    assert worlds(past(1, "nr", "r", score=2), REPLACE) == {World(False, False, 1)}


def test_two_people_read_where_the_ai_may_not_count():
    for exam in (
        past(1, "nr", "r", score=None),
        past(1, "nr", "r", score=2, humans_only=True),
        past(1, "nr", "r", ai=PastAi(score=2, in_time=False)),
        past(1, "nr", "r", ai=PastAi()),
    ):
        for scenario in (REPLACE, TRIAGE, NET):
            assert worlds(exam, scenario) == {as_it_was(exam)}


def test_triage():
    assert worlds(past(1, "nr", "r", score=9), TRIAGE) == {World(False, False, 1)}
    assert worlds(past(1, "nr", "r", score=10), TRIAGE) == {World(True, True, 3)}
    single = past(1, "r", score=10)
    found = course(single, TRIAGE)
    assert found.unknown == {Unknown.SECOND_READER, Unknown.ARBITER}
    assert found.worlds == {World(True, False, 2), World(True, True, 3), World(False, True, 3)}


def test_a_safety_net_objects_to_agreed_normal_alone():
    assert worlds(past(1, "nn", score=10), NET) == {World(False, True, 3), World(True, True, 3)}
    assert worlds(past(1, "rr", score=1), NET) == {World(True, False, 2)}
    assert worlds(past(1, "nn", score=9), NET) == {World(False, False, 2)}


def test_recalls_of_two_breasts_differ_where_the_site_says_so():
    reads = (
        PastRead(reader="a", verdict=RECALL, breasts=frozenset({Breast.LEFT})),
        PastRead(reader="b", verdict=RECALL, breasts=frozenset({Breast.RIGHT})),
    )
    exam = past(1, "rr").model_copy(update={"reads": reads})
    assert worlds(exam, DOUBLE) == {World(True, False, 2)}
    by_breast = DOUBLE.model_copy(update={"differing": Differing.BREAST})
    assert len(worlds(exam, by_breast)) == 2


def test_the_category_is_a_limit_too():
    by_category = Scenario(kind=PolicyKind.REPLACE_READER, recall_from="category")
    exam = past(1, "nn", ai=PastAi(score=10, high=False))
    assert worlds(exam, by_category) == {World(False, False, 1)}


@pytest.mark.parametrize(
    "wrong", [{"kind": "replace_reader"}, {"kind": "triage"}, {"kind": "triage", "double_from": 11}]
)
def test_scenarios_refuse_limits_that_do_not_fit(wrong):
    with pytest.raises(ValidationError):
        Scenario(**wrong)


def test_a_scenario_is_what_decides_of_a_policy():
    class Policy(BaseModel):
        name: str = "one"
        kind: PolicyKind = PolicyKind.REPLACE_READER
        recall_from: int | str = "category"
        differing: Differing = Differing.LESION
        waiting_minutes: int = 60

    assert Scenario.of(Policy()) == Scenario(
        kind=PolicyKind.REPLACE_READER, recall_from="category", differing=Differing.LESION
    )


# Figures


EXAMS = [
    *(past(n, "nn", score=2) for n in range(80)),
    *(past(100 + n, "nn", score=9) for n in range(6)),
    *(past(200 + n, "rr", score=9, outcome=ILL) for n in range(4)),
    past(300, "rr", score=3, outcome=ILL),
    *(past(310 + n, "rn", "n", score=2) for n in range(5)),
    *(past(320 + n, "nr", "r", score=2) for n in range(2)),
    past(330, "nn", score=9, outcome=Outcome(cancer=True, found=Found.INTERVAL)),
    past(331, "nn", score=2, outcome=None),
]


def test_figures_of_a_past_counted_by_hand():
    found = simulate(EXAMS, "odense", "", REPLACE).rounds["later"]
    assert (found.exams, found.known, found.cancers) == (100, 99, 6)
    assert found.was.recall.low == found.was.recall.high == proportion(7, 100)
    # Sure: four cancers that all see. Doubtful: six normal and one ill that the AI alone recalls,
    # one cancer that it alone does not.
    assert found.would_be.recall.low == proportion(4, 100)
    assert found.would_be.recall.high == proportion(4 + 8, 100)
    assert found.would_be.detection.low == proportion(4, 99).times(1000)
    assert found.would_be.detection.high == proportion(6, 99).times(1000)
    assert found.would_be.arbitration.low == proportion(13, 100)
    assert found.would_be.arbitration.told
    assert found.was.arbitration.low == proportion(7, 100)
    assert found.would_be.readings.low.value == pytest.approx(1.13)
    assert found.was.readings.low.value == pytest.approx(2.07)
    assert found.change.readings.low.value == pytest.approx(-0.94 / 2.07)
    assert found.would_be.ppv.low == proportion(4, 4 + 6)
    assert found.would_be.ppv.high == proportion(6, 6)
    assert found.would_be.sensitivity.high == proportion(6, 6)
    assert found.would_be.specificity.low == proportion(93 - 6, 93)
    assumed = {one.what: one.exams for one in found.assumptions}
    assert assumed == {
        Assumption.SAME_ARBITER: 5,
        Assumption.ARBITER_UNKNOWN: 8,
        Assumption.ALONE: 100,
        Assumption.INTERVAL: 1,
        Assumption.MISSED: 1,
        Assumption.UNDIAGNOSED: 6,
        Assumption.UNKNOWN_OUTCOME: 1,
    }


def test_the_likely_figure_takes_people_as_they_were():
    """Arbiters of this past recalled two of seven women without cancer, and met no cancer."""
    found = simulate(EXAMS, "odense", "", REPLACE).rounds["later"].would_be
    assert found.recall.likely is None, "seven decisions are no habit"
    more = [past(400 + n, "nr", "r" if n < 6 else "n", score=2) for n in range(12)]
    ill = [past(500 + n, "nr", "r" if n < 9 else "n", score=2, outcome=ILL) for n in range(12)]
    result = simulate([*EXAMS, *more, *ill], "odense", "", REPLACE).rounds["later"]
    found = result.would_be
    free, cancer = 8 / 19, 9 / 12
    # Four sure recalls; six doubtful women without and two with cancer.
    recalled = 4 + 6 * free + 2 * cancer
    assert found.recall.likely == pytest.approx(recalled / 124)
    assert found.detection.likely == pytest.approx(1000 * (4 + 2 * cancer) / 123)
    assert found.ppv.likely == pytest.approx((4 + 2 * cancer) / recalled)
    assert found.specificity.likely == pytest.approx(1 - 6 * free / 105)
    assert found.recall.low.value < found.recall.likely < found.recall.high.value
    assert result.change.recall.likely == pytest.approx(recalled / 124 - result.was.recall.low[0])
    assumed = {one.what: one.exams for one in result.assumptions}
    assert assumed[Assumption.AS_USUAL] == 31


def test_second_readers_too_are_taken_as_they_were():
    double = [past(n, "nr" if n < 4 else "nn", "r" if n < 4 else "") for n in range(20)]
    settled = [past(50 + n, "rn", "n") for n in range(8)]
    single = [past(100, "r", score=10)]
    found = simulate([*double, *settled, *single], "odense", "", TRIAGE).rounds["later"].would_be
    second, arbiter = 4 / 28, 4 / 12
    alone = second + (1 - second) * arbiter
    # All but the last have low scores: their first readers decide.
    assert found.recall.likely == pytest.approx((8 + alone) / 29)


def test_rounds_units_programmes_and_models_stay_apart():
    others = [
        past(900, round=Round.FIRST),
        past(901, unit="vejle"),
        past(902, programme=Programme.CLINICAL),
        past(903, programme=None),
        past(904, "tt"),
        past(905, "nn", ai=PastAi(score=10, model="another")),
    ]
    found = simulate([*EXAMS, *others], "odense", "", REPLACE)
    assert set(found.rounds) == {"first", "later"}
    later = found.rounds["later"]
    assert later.exams == 101
    assert later.would_be.arbitration.high == proportion(13, 101), "another model's score is none"
    assert {one.what: one.exams for one in later.assumptions}[Assumption.LEFT_OUT] == 1
    with pytest.raises(InvalidValueError):
        simulate(EXAMS, "aarhus", "", REPLACE)


def test_double_reading_gives_the_past_again():
    found = simulate(EXAMS, "odense", "", DOUBLE).rounds["later"]
    assert found.would_be == found.was
    assert found.change.recall.low == (0, 0, 0)


def test_a_result_survives_json():
    found = simulate(EXAMS, "odense", "", REPLACE)
    assert type(found).model_validate_json(found.model_dump_json()) == found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([REPLACE, TRIAGE, NET]))
def test_what_would_have_happened_lies_within_the_bounds(seed, scenario):
    """Readers and arbiters are drawn whole; the past keeps what a double reading shows of them."""
    rng = np.random.default_rng(seed)
    exams, recalled, arbitrated, found = [], 0, 0, 0
    for n in range(60):
        ill = rng.random() < 0.3
        first, second, arbiter = ("r" if rng.random() < (0.8 if ill else 0.2) else "n"
                                  for _ in range(3))  # fmt: skip
        score = int(rng.integers(1, 11))
        settled = arbiter if first != second else ""
        exams.append(past(n, first + second, settled, score, ILL if ill else FREE))
        ai = score >= (scenario.recall_from or 11)
        opinions = {
            PolicyKind.REPLACE_READER: first + ("r" if ai else "n"),
            PolicyKind.TRIAGE: first + (second if score >= 10 else ""),
            PolicyKind.SAFETY_NET: first + second,
        }[scenario.kind]
        settle = len(set(opinions)) > 1
        if scenario.kind is PolicyKind.SAFETY_NET and set(opinions) == {"n"}:
            settle = ai
        decided = (arbiter if settle else opinions[0]) == "r"
        recalled, arbitrated = recalled + decided, arbitrated + settle
        found += decided and ill
    result = simulate(exams, "odense", "", scenario).rounds["later"].would_be
    assert result.recall.low.value * 60 - 1e-9 <= recalled <= result.recall.high.value * 60 + 1e-9
    assert result.arbitration.told
    assert result.arbitration.low.value * 60 == pytest.approx(arbitrated)
    least, most = result.detection.low.value * 0.06, result.detection.high.value * 0.06
    assert least - 1e-9 <= found <= most + 1e-9


def test_exams_of_one_woman_are_drawn_together():
    apart = simulate(EXAMS, "odense", "", REPLACE).rounds["later"].change.recall.low
    twice = [
        exam.model_copy(update={"exam": f"{exam.exam}x", "date": datetime.date(2024, 3, 1)})
        for exam in EXAMS
    ]
    together = simulate([*EXAMS, *twice], "odense", "", REPLACE).rounds["later"].change.recall.low
    assert together == pytest.approx(apart), "the same women twice tell nothing more"


def test_exams_alike_are_counted_together_as_each_by_itself(monkeypatch):
    rng = np.random.default_rng(3)
    people = [("nn", ""), ("rr", ""), ("nr", "n"), ("rn", "r"), ("n", ""), ("tt", "")]
    outcomes = [FREE, ILL, Outcome(cancer=True, found=Found.INTERVAL), None]
    exams = []
    for n in range(400):
        reads, arbiter = people[rng.integers(len(people))]
        side = frozenset({Breast.LEFT if rng.random() < 0.5 else Breast.RIGHT})
        ai = PastAi(score=float(rng.integers(1, 11)), breasts=side, in_time=rng.random() < 0.9)
        exams.append(
            past(n, reads, arbiter, outcome=outcomes[rng.choice(4, p=[0.8, 0.1, 0.05, 0.05])],
                 ai=ai if rng.random() < 0.9 else None, woman=f"w{rng.integers(300)}",
                 round=Round.FIRST if rng.random() < 0.3 else Round.LATER,
                 humans_only=bool(rng.random() < 0.1), marks_shown=bool(rng.random() < 0.5))
        )  # fmt: skip
    scenarios = [REPLACE, TRIAGE, NET, DOUBLE]
    together = [simulate(exams, "odense", "", scenario) for scenario in scenarios]
    monkeypatch.setattr(figures, "decisive", lambda exam, _scenario: exam.exam)
    for scenario, found in zip(scenarios, together, strict=True):
        alone = simulate(exams, "odense", "", scenario)
        assert numbers(found) == pytest.approx(numbers(alone), rel=1e-12, nan_ok=True)
        for name, result in found.rounds.items():
            assert result.assumptions == alone.rounds[name].assumptions


def numbers(value):
    """Every number of a result, in order."""
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [number for one in value for number in numbers(one)]
    return [float(value)] if isinstance(value, int | float) else []
