"""Indicators: known counts, rounds apart, levels, what is lacking, CSV and charts."""

import csv
import datetime
import io
import xml.etree.ElementTree as ET

import pytest
from past_exams import FREE, ILL, NORMAL, RECALL, past
from pydantic import ValidationError

from gransk.core.errors import ConfigurationError, InvalidValueError
from gransk.core.exam_facts import Round
from gransk.core.programme import Programme
from gransk.core.statistics.agreement import kappa
from gransk.core.statistics.figure import Figure
from gransk.core.statistics.shares import proportion, ratio
from gransk.reading.groups import Dimension
from gransk.reading.indicators import texts
from gransk.reading.indicators.charts import funnel, trend
from gransk.reading.indicators.counting import (
    DANISH,
    OF_READERS,
    Indicator,
    Kind,
    Needs,
    Outside,
    Terms,
)
from gransk.reading.indicators.levels import Level, Reached, held, load, parse, shipped
from gransk.reading.indicators.svg import draw
from gransk.reading.indicators.table import as_csv, table
from gransk.reading.outcomes import Found, Outcome
from gransk.reading.past import PastAi


def ill(**more):
    return Outcome(cancer=True, **more)


EXAMS = [
    *(past(n, "nn") for n in range(90)),
    past(100, "rr", outcome=ill(invasive=True, size_mm=8, node_positive=False, stage="I",
                                surgery="conserving")),
    past(101, "rr", outcome=ill(invasive=True, size_mm=25, node_positive=True, stage="II",
                                surgery="mastectomy")),
    past(102, "rn", "r", outcome=ill(invasive=False, stage="0", surgery="conserving")),
    past(103, "rr", outcome=Outcome(cancer=False, follow_up_months=24, surgery="benign")),
    past(104, "nr", "r"),
    past(105, "rn", "n"),
    past(106, "nn", outcome=ill(found=Found.INTERVAL)),
    past(107, "tt"),
]  # fmt: skip
N = 98


def rows_of(exams=EXAMS, **more):
    return {(row.round, row.indicator, row.category): row for row in table(exams, **more)}


def one(indicator, exams=EXAMS, category="", **more):
    return rows_of(exams, **more)["later", indicator, category]


@pytest.mark.parametrize(
    ("indicator", "figure"),
    [
        (Indicator.RECALL, proportion(5, N)),
        (Indicator.DETECTION, proportion(3, N).times(1000)),
        (Indicator.PPV, proportion(3, 5)),
        (Indicator.FALSE_POSITIVES, proportion(2, N).times(1000)),
        (Indicator.INTERVAL_CANCERS, proportion(1, N).times(1000)),
        (Indicator.INVASIVE_SHARE, proportion(2, 3)),
        (Indicator.NODE_NEGATIVE, proportion(1, 2)),
        (Indicator.SMALL_INVASIVE, proportion(1, 2)),
        (Indicator.BENIGN_TO_MALIGNANT, ratio(1, 3)),
        (Indicator.BREAST_CONSERVING, proportion(1, 2)),
        (Indicator.TECHNICAL_RECALL, proportion(1, N)),
        (Indicator.ARBITRATION, proportion(3, N)),
        (Indicator.AGREEMENT, kappa([[91, 1], [2, 3]])),
        (Indicator.READINGS_SAVED, proportion(0, 2 * N)),
    ],
)
def test_counted_by_hand(indicator, figure):
    assert one(indicator).figure == pytest.approx(figure)


def test_means():
    found = one(Indicator.READINGS)
    assert found.figure.value == pytest.approx((2 * N + 3) / N)
    doses = [past(n, dose_mgy=1.0 + n) for n in range(3)]
    # Student's t with two degrees of freedom: 4.3027.
    reach = 4.302653 / 3**0.5
    expected = (2.0, 2.0 - reach, 2.0 + reach)
    assert one(Indicator.RADIATION_DOSE, doses).figure == pytest.approx(expected)


def test_sizes_and_stages_add_up():
    assert one(Indicator.CANCERS_BY_SIZE, category="<=10 mm").figure == proportion(1, 2)
    assert one(Indicator.CANCERS_BY_SIZE, category=">20 mm").figure == proportion(1, 2)
    assert one(Indicator.CANCERS_BY_STAGE, category="0").figure == proportion(1, 3)


def test_time_and_interval():
    exams = [past(1, working_days=10), past(2, working_days=11), past(3)]
    assert one(Indicator.TIME_TO_RESULT, exams).figure == proportion(1, 2)
    assert one(Indicator.TIME_TO_RESULT, exams, terms=Terms(result_days=11)).figure.value == 1
    date = datetime.date(2026, 3, 1)
    spaced = [
        past(n, date=date, previous_on=date - datetime.timedelta(days=days))
        for n, days in enumerate((730, 700, 900, 600))
    ]
    assert one(Indicator.SCREENING_INTERVAL, spaced).figure == proportion(2, 4)


def test_who_was_right_where_they_differed():
    def with_ai(n, reads, said, outcome):
        return past(n, reads, outcome=outcome, ai=PastAi(score=5, said=said))

    exams = [
        with_ai(1, "nn", RECALL, FREE),
        with_ai(2, "nn", RECALL, ill(found=Found.INTERVAL)),
        with_ai(3, "rr", NORMAL, ILL),
        with_ai(4, "rr", NORMAL, FREE),
        with_ai(5, "nn", NORMAL, FREE),
        with_ai(6, "rr", NORMAL, None),
    ]
    assert one(Indicator.AI_RIGHT, exams).figure == proportion(2, 4)
    assert one(Indicator.AI_RIGHT_IN_CANCER, exams).figure == proportion(1, 2)
    assert one(Indicator.AI_AGREEMENT, exams).figure == kappa([[1, 2], [3, 0]])


def test_what_is_lacking_is_said():
    bare = [past(n, "rr" if n < 4 else "n", outcome=None, score=None) for n in range(20)]
    listed = (*OF_READERS, Indicator.CANCERS_BY_SIZE, Indicator.CANCERS_BY_STAGE)
    others = [indicator for indicator in Indicator if indicator not in listed]
    found = {indicator: one(indicator, bare).needs for indicator in others}
    lacking = {indicator: needs for indicator, needs in found.items() if needs is not None}
    assert lacking == {
        Indicator.RADIATION_DOSE: Needs.DOSE,
        Indicator.PARTICIPATION: Needs.INVITED,
        Indicator.TIME_TO_RESULT: Needs.RESULT_DATES,
        Indicator.SCREENING_INTERVAL: Needs.EARLIER_SCREENING,
        Indicator.INTERVAL_CANCERS: Needs.FOLLOW_UP,
        Indicator.INVASIVE_SHARE: Needs.PATHOLOGY,
        Indicator.NODE_NEGATIVE: Needs.PATHOLOGY,
        Indicator.SMALL_INVASIVE: Needs.PATHOLOGY,
        Indicator.BENIGN_TO_MALIGNANT: Needs.SURGERY,
        Indicator.BREAST_CONSERVING: Needs.SURGERY,
        Indicator.DETECTION: Needs.OUTCOMES,
        Indicator.PPV: Needs.OUTCOMES,
        Indicator.FALSE_POSITIVES: Needs.OUTCOMES,
        Indicator.AGREEMENT: Needs.TWO_READERS,
        Indicator.AI_AGREEMENT: Needs.AI,
        Indicator.AI_RIGHT: Needs.FOLLOW_UP,
        Indicator.AI_RIGHT_IN_CANCER: Needs.FOLLOW_UP,
    }
    assert one(Indicator.READINGS_SAVED, bare).figure == proportion(16, 40)


def test_participation_needs_the_invited_and_counts_no_group():
    outside = {"later": Outside(invited=200)}
    assert one(Indicator.PARTICIPATION, outside=outside).figure == proportion(N, 200)
    apart = table(EXAMS, [Dimension.UNIT], outside=outside)
    assert all(r.figure is None for r in apart if r.indicator is Indicator.PARTICIPATION)


def test_rounds_and_programmes_are_never_put_together():
    first = [past(500 + n, "rr", round=Round.FIRST, outcome=FREE) for n in range(5)]
    untold = [past(510, round=None)]
    other = [past(520, programme=Programme.CLINICAL), past(521, programme=None)]
    found = rows_of([*EXAMS, *first, *untold, *other])
    assert found["later", Indicator.RECALL, ""].cases == N
    assert found["first", Indicator.RECALL, ""].figure == proportion(5, 5)
    assert found["unknown", Indicator.RECALL, ""].cases == 1


def test_groups_hold_every_exam():
    for dimension in Dimension:
        if dimension is not Dimension.READER:
            found = table(EXAMS, [dimension])
            assert sum(r.cases for r in found if r.indicator is Indicator.RECALL) == N
    crossed = table(EXAMS, [Dimension.QUARTER, Dimension.UNIT])
    assert {r.group[0] for r in crossed} == {"2026-Q1", "2026-Q2"}


def test_readers_own_opinions():
    rows = [row for row in table(EXAMS, [Dimension.READER]) if row.group == ("reader0",)]
    first = {row.indicator: row for row in rows}
    # Technical opinions are left out: 97 each. First reader's recalls: 100 to 103, and 105.
    assert first[Indicator.READER_RECALL].figure == proportion(5, 97)
    assert first[Indicator.READER_DETECTION].figure == proportion(3, 97).times(1000)
    assert first[Indicator.READER_PPV].figure == proportion(3, 4)
    assert first[Indicator.READER_MISSED].figure == proportion(1, 4)
    assert first[Indicator.READER_UPHELD].figure == proportion(1, 3)


# Levels


def test_european_levels_by_round():
    eu = shipped()

    def at(indicator, name, value, background=None):
        figure = Figure(value, value, value)
        return held([eu], indicator, name, figure, background)[0]

    assert at(Indicator.RECALL, "first", 0.06).reached is Reached.ACCEPTABLE
    assert at(Indicator.RECALL, "later", 0.06).reached is Reached.NEITHER
    assert at(Indicator.RECALL, "later", 0.05).reached is Reached.NEITHER, "below five percent"
    assert at(Indicator.RECALL, "later", 0.029).reached is Reached.DESIRABLE
    assert at(Indicator.SMALL_INVASIVE, "first", 0.25).reached is Reached.DESIRABLE
    assert at(Indicator.BENIGN_TO_MALIGNANT, "first", 0.5).reached is Reached.ACCEPTABLE
    assert at(Indicator.DETECTION, "later", 5.0).reached is None
    later = at(Indicator.DETECTION, "later", 5.0, background=3.0)
    assert (later.reached, later.verified) == (Reached.ACCEPTABLE, False)
    assert at(Indicator.DETECTION, "first", 5.0, background=3.0).reached is Reached.NEITHER
    assert held([eu], Indicator.ARBITRATION, "first", Figure(0, 0, 0)) == ()


def test_a_level_is_certain_where_the_whole_interval_reaches_it():
    eu = shipped()
    assert held([eu], Indicator.RECALL, "later", Figure(0.02, 0.01, 0.029))[0].certain
    assert not held([eu], Indicator.RECALL, "later", Figure(0.02, 0.01, 0.031))[0].certain


def test_a_sites_own_levels(tmp_path):
    path = tmp_path / "targets.yaml"
    path.write_text(
        'id: odense\nversion: "2"\nsource: the unit\ndate: "2026"\nlevels:\n'
        "  - {indicator: time_to_result, better: higher, acceptable: 0.9}\n"
    )
    site = load(path)
    exams = [past(1, working_days=3)]
    row = one(Indicator.TIME_TO_RESULT, exams, levels=[shipped(), site])
    assert [level.table for level in row.held] == ["odense 2"]
    with pytest.raises(ConfigurationError, match="levels"):
        parse(path.read_text().replace("acceptable", "wished"), "t")
    with pytest.raises(ConfigurationError):
        load(tmp_path / "none.yaml")
    with pytest.raises(ValidationError, match="as good"):
        Level(indicator="recall", better="lower", acceptable=0.03, desirable=0.05)


# CSV


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_keeps_small_counts_back():
    rows = table(EXAMS, levels=[shipped()])
    whole = {r["indicator"]: r for r in read(as_csv(rows, keep_back_small=False))}
    assert (whole["recall"]["hits"], whole["recall"]["cases"]) == ("5", "98")
    assert whole["recall"]["level"] == "eu-2006 1"
    kept = {r["indicator"]: r for r in read(as_csv(rows))}
    assert kept["recall"]["hits"] == "5"
    for small in ("detection", "ppv", "node_negative", "interval_cancers"):
        assert kept[small]["kept_back"] == "yes"
        assert [kept[small][name] for name in ("hits", "cases", "value", "low", "reached")] == [
            ""
        ] * 5
    assert kept["participation"]["needs"] == "invited"


def test_csv_of_groups_hides_a_second_group():
    exams = [
        past(n, "rr" if n % 10 < spread else "nn", unit=unit, outcome=FREE)
        for unit, base, spread in (("a", 0, 4), ("b", 100, 2), ("c", 200, 3))
        for n in range(base, base + (60 if unit != "b" else 10))
    ]
    rows = [r for r in table(exams, [Dimension.UNIT]) if r.indicator is Indicator.RECALL]
    kept = {r["group"]: r["kept_back"] for r in read(as_csv(rows))}
    assert kept == {"a": "no", "b": "yes", "c": "yes"}


def test_csv_is_no_formula():
    rows = table([past(1, unit="=cmd()")], [Dimension.UNIT])
    assert {r["group"] for r in read(as_csv(rows))} == {"'=cmd()"}


# Charts


def units(recalled, cases=1000):
    exams = [
        past(n + 10_000 * k, "rr" if n < hits else "nn", unit=f"unit{k}", outcome=FREE)
        for k, hits in enumerate(recalled)
        for n in range(cases)
    ]
    return [r for r in table(exams, [Dimension.UNIT]) if r.indicator is Indicator.RECALL]


def test_a_funnel_shows_who_lies_out():
    found = funnel(units([30, 31, 29, 80], 500), target=0.06)
    assert [mark.outside for mark in found.marks] == ["", "", "", "outer"]
    pooled = funnel(units([30, 31, 29, 80], 500))
    assert pooled.target == pytest.approx(170 / 2000)
    low, high = found.marks[0].inner
    reach = 1.96 * (0.06 * 0.94 / 500) ** 0.5
    assert (0.06 - low, high - 0.06) == pytest.approx((reach, reach), rel=0.12)
    assert found.lines[0][2] > found.lines[-1][2], "wide for few, narrow for many"


def test_a_trend_shows_runs():
    exams = [
        past(n, "rr" if n % 100 < (3 if month < 9 else 5) else "nn", outcome=FREE,
             date=datetime.date(2025, month, 1))
        for month in range(1, 11)
        for n in range(month * 1000, month * 1000 + 300)
    ]  # fmt: skip
    rows = [r for r in table(exams, [Dimension.MONTH]) if r.indicator is Indicator.RECALL]
    found = trend(rows)
    assert [mark.run for mark in found.marks] == [True] * 8 + [False] * 2
    assert found.marks[0].name == "2025-01"


def test_charts_refuse_what_they_cannot_draw():
    rows = table(EXAMS)
    with pytest.raises(InvalidValueError):
        funnel(rows)
    with pytest.raises(InvalidValueError, match="mean"):
        trend([r for r in rows if r.kind is Kind.MEAN and r.indicator is Indicator.READINGS])


def test_a_drawing_is_told_in_words_and_escaped():
    rows = units([30, 31, 90], 500)
    hostile = [
        row.model_copy(update={"group": ("<script>&",)}) if row.group == ("unit2",) else row
        for row in rows
    ]
    for language, word in (("en", "outside the limits"), ("da", "uden for grænserne")):
        drawn = draw(funnel(hostile, target=0.06), language)
        tree = ET.fromstring(drawn)
        space = "{http://www.w3.org/2000/svg}"
        assert tree.get("role") == "img"
        assert texts.text("indicator", "recall", language) in tree.find(f"{space}title").text
        assert f"{word}: <script>&" in tree.find(f"{space}desc").text
        assert len(tree.findall(f"{space}circle")) == 2
        assert len(tree.findall(f"{space}rect")) == 1
        assert "<script>" not in drawn


# Names


def test_every_code_has_a_text_in_both_languages():
    for section, codes in (
        ("indicator", Indicator), ("kind", Kind), ("needs", Needs), ("reached", Reached),
        ("round", Round),
    ):  # fmt: skip
        assert set(codes) <= texts.codes(section)
        for code in texts.codes(section):
            assert all(texts.text(section, code, language) for language in texts.LANGUAGES)


def test_the_danish_eleven():
    assert len(DANISH) == 11
    assert (DANISH[0], DANISH[-1]) == (Indicator.RADIATION_DOSE, Indicator.BREAST_CONSERVING)
