"""Charts of drift: in control they keep still, out of control they say what and since when."""

from __future__ import annotations

import numpy as np
import pytest

from gransk.oversight.drift.charts import (
    Design,
    Statistic,
    chart_categories,
    chart_numbers,
    is_number,
)

DESIGN = Design(shift=0.2, false_alarms=0.05, a_year=5000, batch=100)


def charted(reference, values, statistic=Statistic.CUSUM, per_day=20, design=DESIGN):
    def days(n):
        return [k // per_day for k in range(n)]

    return chart_numbers(
        reference, values, days(len(reference)), days(len(values)), statistic, design
    )


@pytest.mark.parametrize("statistic", [Statistic.CUSUM, Statistic.EWMA])
def test_what_does_not_move_does_not_alarm(statistic):
    rng = np.random.default_rng(11)
    chart = charted(rng.gamma(0.5, size=1000), rng.gamma(0.5, size=4000), statistic)
    assert chart.episodes == ()
    assert max(abs(point.of_limit) for point in chart.points) < 1
    assert len(chart.points) == 200


@pytest.mark.parametrize("statistic", [Statistic.CUSUM, Statistic.EWMA])
@pytest.mark.parametrize("up", [True, False])
def test_a_shift_is_found_and_dated(statistic, up):
    rng = np.random.default_rng(2)
    moved = rng.normal(size=3000)
    size = 0.5 if statistic is Statistic.CUSUM else 1.0
    moved[1000:] += size if up else -size
    chart = charted(rng.normal(size=2000), moved, statistic)
    (episode,) = chart.episodes
    assert episode.up is up
    assert 1000 < episode.signal < 1400
    assert abs(episode.since - 1000) < 150
    assert chart.alarm == episode


def test_an_alarm_ends_when_it_is_well_again():
    rng = np.random.default_rng(3)
    moved = rng.normal(size=4000)
    moved[500:1500] += 0.6
    chart = charted(rng.normal(size=2000), moved)
    (episode,) = chart.episodes
    assert 500 < episode.signal < 900
    assert 1500 < episode.until < 2600
    assert chart.alarm is None


def test_the_shape_of_a_distribution_alarms_by_itself_no_more_than_a_normal_one():
    """Heavy tails on one side: normal deviates of ranks have none."""
    rng = np.random.default_rng(4)
    alarms = sum(
        len(charted(rng.pareto(1.1, size=1000), rng.pareto(1.1, size=2500)).episodes)
        for _ in range(20)
    )
    assert alarms <= 3


def test_days_that_differ_do_not_alarm():
    """Each day has a level of its own, as where another group is invited every day."""
    rng = np.random.default_rng(6)

    def days(count):
        return rng.normal(size=count) + np.repeat(rng.normal(scale=0.4, size=count // 20), 20)

    alarms = sum(len(charted(days(2000), days(3000)).episodes) for _ in range(10))
    assert alarms <= 1


def test_the_same_values_make_the_same_chart():
    rng = np.random.default_rng(7)
    reference, values = rng.normal(size=500), rng.normal(size=500)
    one, other = charted(reference, values), charted(reference, values)
    assert one.points == other.points
    assert one.limit == other.limit


def test_few_values_are_categories():
    assert not is_number(["a", "b"])
    assert not is_number([1.0, 1.25, 5.0] * 100)
    assert is_number([n / 100 for n in range(100)])


def categories(reference, values, per_week=60, design=DESIGN):
    def weeks(n):
        return [k // per_week for k in range(n)]

    return chart_categories(reference, values, weeks(len(reference)), weeks(len(values)), design)


def drawn(rng, shares, count):
    return list(rng.choice(sorted(shares), p=[shares[k] for k in sorted(shares)], size=count))


def test_categories_that_keep_their_shares_do_not_alarm():
    rng = np.random.default_rng(8)
    shares = {"a": 0.6, "b": 0.3, "c": 0.1}
    chart = categories(drawn(rng, shares, 1000), drawn(rng, shares, 4000))
    assert chart.episodes == ()


def test_a_category_that_was_never_there_alarms_by_its_name():
    rng = np.random.default_rng(9)
    before, after = {"a": 0.7, "b": 0.3}, {"a": 0.6, "b": 0.25, "new": 0.15}
    values = drawn(rng, before, 600) + drawn(rng, after, 600)
    chart = categories(drawn(rng, before, 1000), values)
    assert chart.alarm is not None
    assert chart.alarm.since >= 480
    assert chart.points[-1].named == "new"
    assert chart.points[-1].psi > 0.2
    assert set(np.asarray(values)[chart.weights > 0]) == {"new"}


def test_a_scanner_in_use_on_some_weeks_does_not_alarm():
    """Whole weeks of one machine: shares by week vary far more than by chance."""
    rng = np.random.default_rng(10)

    def weeks(count):
        found = []
        for share in rng.uniform(0.2, 0.8, size=count):
            found += drawn(rng, {"a": share, "b": 1 - share}, 60)
        return found

    assert categories(weeks(40), weeks(60)).episodes == ()


def test_a_week_that_is_not_over_waits():
    assert categories(["a"] * 200, ["b"] * 110, per_week=200).points == ()
