"""Figures with intervals: against brute force, other routes and published numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gransk.core.errors import InvalidValueError
from gransk.core.statistics.agreement import kappa
from gransk.core.statistics.areas import areas, auc, difference, mean_area
from gransk.core.statistics.bootstrap import Draws, interval, ratio_interval
from gransk.core.statistics.curve import (
    area,
    curve,
    hybrid,
    hybrid_areas,
    limit_at_sensitivity,
    limit_at_specificity,
    point,
)
from gransk.core.statistics.limits import band
from gransk.core.statistics.logistic import agreement, bins
from gransk.core.statistics.shares import proportion, rate, ratio


def drawn(seed=0, count=60, tests=3):
    rng = np.random.default_rng(seed)
    disease = np.arange(count) < count // 3
    common = rng.normal(size=count) + disease
    return [np.round(common + rng.normal(size=count), 1) for _ in range(tests)], disease


def kernels(score, disease):
    """Each pair of a diseased row and another: 1 above, half equal, 0 below."""
    yes, no = score[disease][:, None], score[~disease][None, :]
    return (yes > no) + 0.5 * (yes == no)


# Areas


def test_areas_and_covariance_are_those_of_all_pairs():
    scores, disease = drawn()
    found = areas(scores, disease)
    pairs = [kernels(score, disease) for score in scores]
    for one, value in zip(pairs, found.values, strict=True):
        assert value == pytest.approx(one.mean())
    m, n = pairs[0].shape
    for i, one in enumerate(pairs):
        for j, other in enumerate(pairs):
            a, b = one - one.mean(), other - other.mean()
            expected = (a.mean(1) @ b.mean(1)) / (m - 1) / m + (a.mean(0) @ b.mean(0)) / (n - 1) / n
            assert found.covariance[i, j] == pytest.approx(expected)


def test_area_is_mann_whitneys():
    scores, disease = drawn(1)
    u = stats.mannwhitneyu(scores[0][disease], scores[0][~disease]).statistic
    assert auc(scores[0], disease).value == pytest.approx(u / (20 * 40))


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=4, max_size=60))
def test_curve_and_ranks_give_one_area(rows):
    score = np.array([row[0] for row in rows], float)
    disease = np.array([row[1] for row in rows])
    if disease.all() or not disease.any():
        with pytest.raises(InvalidValueError):
            curve(score, disease)
        return
    assert curve(score, disease).area == pytest.approx(area(score, disease))
    assert area(-score, disease) == pytest.approx(1 - area(score, disease))
    assert area(score**3, disease) == pytest.approx(area(score, disease))


def test_a_difference_is_paired():
    scores, disease = drawn(2)
    found = areas(scores, disease)
    value, low, high = difference(found, 0, 1)
    assert value == pytest.approx(auc(scores[0], disease)[0] - auc(scores[1], disease)[0])
    spread = found.covariance
    alone = 2 * 1.959964 * np.sqrt(spread[0, 0] + spread[1, 1])
    assert high - low < alone, "scores of one person rise together"
    assert difference(areas([scores[0]] * 2, disease)).p == 1.0


def test_difference_of_one_in_twenty_is_found_where_there_is_none():
    rng = np.random.default_rng(5)
    disease = np.arange(100) < 40
    below = 0
    for _ in range(600):
        common = rng.normal(size=100) + disease
        both = [common + rng.normal(size=100) for _ in range(2)]
        below += difference(areas(both, disease)).p < 0.05
    low, high = stats.binomtest(below, 600).proportion_ci(0.999)
    assert low < 0.05 < high


def test_rows_counted_twice_tell_nothing_more_of_the_people():
    scores, disease = drawn(3)
    once = areas(scores, disease)
    who = [str(n) for n in range(len(disease))]
    assert areas(scores, disease, who).covariance == pytest.approx(once.covariance)
    twice = areas([np.tile(s, 2) for s in scores], np.tile(disease, 2), who * 2)
    assert twice.values == pytest.approx(once.values)
    assert twice.covariance == pytest.approx(once.covariance)


def test_draws_by_kind_are_those_of_every_row():
    rng = np.random.default_rng(1)
    who = [f"p{n}" for n in rng.integers(200, size=300)]
    kinds = rng.integers(4, size=300)
    above, below = np.array([0.0, 1.0, 1.0, 2.0])[kinds], np.array([1.0, 1.0, 2.0, 2.0])[kinds]

    def figure(rows):
        return above[rows].sum() / below[rows].sum()

    rowwise = interval(who, figure)
    draws = Draws(who, kinds)
    assert draws.ratio(above, below) == pytest.approx(rowwise, rel=1e-12)
    assert ratio_interval(who, above, below) == pytest.approx(rowwise, rel=1e-12)
    assert draws.ratio(above, np.ones(300)) == pytest.approx(
        interval(who, lambda rows: above[rows].mean()), rel=1e-12
    )
    assert ratio_interval(who, above, below, seed=1) != pytest.approx(rowwise, rel=1e-12)


@pytest.mark.parametrize(
    ("hits", "cases"), [(0, 1), (1, 1), (0, 40), (3, 40), (40, 40), (70, 9999)]
)
def test_exact_intervals_are_those_of_the_binomial(hits, cases):
    found = stats.binomtest(hits, cases).proportion_ci(0.95, method="exact")
    assert proportion(hits, cases)[1:] == pytest.approx((found.low, found.high), abs=1e-10)


def test_people_with_both_kinds_agree_with_the_bootstrap():
    rng = np.random.default_rng(4)
    people = np.repeat(np.arange(150), 2)
    # Mostly both breasts are alike, in every fifth person not.
    disease = np.repeat(rng.random(150) < 0.4, 2) ^ (np.arange(300) % 10 == 0)
    score = rng.normal(size=150)[people] * 1.5 + disease + rng.normal(size=300)
    who = [str(n) for n in people]
    error = np.sqrt(areas([score], disease, who).covariance[0, 0])
    low, high = interval(who, lambda rows: area(score[rows], disease[rows]))
    assert error == pytest.approx((high - low) / (2 * 1.96), rel=0.08)
    naive = np.sqrt(areas([score], disease).covariance[0, 0])
    assert abs(error - naive) / naive > 0.1, "the case tells both apart"


def test_mean_of_readers():
    scores, disease = drawn(6, tests=4)
    # Readers whose skill differs: less and less of the truth is left.
    skilled = [score - n * disease / 2 for n, score in enumerate(scores)]
    found = areas(skilled, disease)
    these = mean_area(found)
    assert these.value == pytest.approx(found.values.mean())
    everybody = mean_area(found, of_all_readers=True)
    assert everybody.high - everybody.low > these.high - these.low
    alike = mean_area(areas([scores[0]] * 4, disease), of_all_readers=True)
    alone = np.sqrt(areas([scores[0]], disease).covariance[0, 0])
    assert (alike.high - alike.low) / 2 == pytest.approx(1.959964 * alone)


def test_too_few_of_a_kind_have_no_area():
    with pytest.raises(InvalidValueError):
        auc(np.array([1.0, 2, 3]), np.array([True, False, False]))
    with pytest.raises(InvalidValueError, match="two people"):
        auc(np.arange(4.0), np.array([True, True, False, False]), ["a", "a", "b", "c"])


def test_intervals_reach_their_level():
    rng = np.random.default_rng(8)
    truth = stats.norm.cdf(1 / np.sqrt(2))
    disease = np.arange(120) < 40
    held = 0
    for _ in range(500):
        found = auc(rng.normal(size=120) + disease, disease)
        held += found.low <= truth <= found.high
    low, high = stats.binomtest(held, 500).proportion_ci(0.999)
    assert low < 0.95 < high


# Points on the curve


def test_operating_points():
    score = np.array([0.1, 0.2, 0.2, 0.6, 0.7, 0.9])
    disease = np.array([False, False, True, False, True, True])
    assert limit_at_sensitivity(score, disease, 0.6) == 0.7
    assert limit_at_sensitivity(score, disease, 1.0) == 0.2
    assert limit_at_specificity(score, disease, 0.66) == 0.6
    assert limit_at_specificity(score, disease, 1.0) == 0.7
    assert limit_at_specificity(np.ones(6), disease, 0.5) == np.inf
    found = point(score >= 0.7, disease)
    assert found.sensitivity == proportion(2, 3)
    assert found.specificity == proportion(3, 3)
    assert found.positive == proportion(2, 6)


def test_hybrid_ends_are_reader_and_network():
    scores, disease = drawn(7, tests=2)
    ends = hybrid_areas(*scores, disease, (0.0, 0.5, 1.0))
    assert ends[[0, 2]] == pytest.approx([area(s, disease) for s in scores])
    assert ends[1] == pytest.approx(area(scores[0] + scores[1], disease))
    with pytest.raises(InvalidValueError):
        hybrid(*scores, 1.5)


# Shares and rates


def test_rates_have_garwoods_interval():
    # Limits of Poisson counts as tabled by Ulm 1990 (Am J Epidemiol 131:373).
    assert rate(10, 1000)[1:] == pytest.approx((4.795, 18.390), abs=1e-3)
    assert rate(0, 500) == pytest.approx((0, 0, 2 * 3.6889), abs=1e-3)
    low, high = rate(7, 1, per=1)[1:]
    assert stats.poisson.sf(6, low) == pytest.approx(0.025)
    assert stats.poisson.cdf(7, high) == pytest.approx(0.025)
    with pytest.raises(InvalidValueError):
        rate(1, 0)


def test_a_ratio_has_the_odds_of_a_share():
    low, high = proportion(1, 4)[1:]
    assert ratio(1, 3) == pytest.approx((1 / 3, low / (1 - low), high / (1 - high)))
    assert ratio(0, 5).low == 0
    with pytest.raises(InvalidValueError):
        ratio(1, 0)


# Agreement


def by_delta(table, step=1e-6):
    """Kappa's standard error by numeric derivatives over the multinomial's covariance."""
    share = np.asarray(table, float).ravel()
    total = share.sum()
    share = share / total
    side = int(np.sqrt(len(share)))

    def value(p):
        grid = p.reshape(side, side)
        chance = grid.sum(1) @ grid.sum(0)
        return (np.trace(grid) - chance) / (1 - chance)

    slope = np.array(
        [(value(share + step * e) - value(share - step * e)) / (2 * step) for e in np.eye(side**2)]
    )
    spread = np.diag(share) - np.outer(share, share)
    return value(share), np.sqrt(slope @ spread @ slope / total)


@pytest.mark.parametrize("table", [[[20, 5], [10, 15]], [[900, 20], [15, 30]], np.eye(3) * 9 + 2])
def test_kappa_has_the_error_of_its_derivatives(table):
    value, error = by_delta(table)
    found = kappa(table)
    assert found.value == pytest.approx(value)
    assert (found.high - found.low) / (2 * 1.959964) == pytest.approx(error, rel=1e-5)


def test_kappa_of_known_tables():
    assert kappa([[20, 5], [10, 15]]).value == pytest.approx(0.4)
    assert kappa([[5, 0], [0, 5]]).value == 1
    for wrong in ([[9, 0], [0, 0]], [[0, 0], [0, 0]], [[1, 2]]):
        with pytest.raises(InvalidValueError):
            kappa(wrong)


# Probabilities


def test_probabilities_that_are_right_agree():
    rng = np.random.default_rng(9)
    probability = rng.beta(1, 6, 20_000)
    disease = rng.random(20_000) < probability
    right = agreement(probability, disease)
    assert right.in_the_large.low < 0 < right.in_the_large.high
    assert right.slope.low < 1 < right.slope.high
    assert right.brier < right.brier_of_prevalence
    doubled = 1 / (1 + ((1 - probability) / probability) ** 2)
    assert agreement(doubled, disease).slope.value == pytest.approx(right.slope.value / 2, rel=1e-3)


def test_bins_hold_every_row_and_part_no_equals():
    probability = np.array([0.1] * 50 + [0.2] * 30 + [0.9] * 20)
    disease = np.arange(100) >= 90
    found = bins(probability, disease, 10)
    assert [one.rows for one in found] == [50, 30, 20]
    assert [one.said for one in found] == pytest.approx([0.1, 0.2, 0.9])
    assert found[2].came == proportion(10, 20)


# Limits by chance


@settings(max_examples=60)
@given(st.floats(0.005, 0.5), st.integers(50, 3000))
def test_limits_leave_within_what_they_say(target, cases):
    low, high = band(target, cases)
    assert low <= target <= high
    counts = np.arange(cases + 1)
    mass = stats.binom.pmf(counts, cases, target)
    within = mass[(counts / cases >= low - 1e-12) & (counts / cases <= high + 1e-12)].sum()
    # Interpolated limits lie within one step of the exact ones.
    step = mass.max()
    assert 0.95 - 2 * step <= within <= 0.95 + 2 * step


def test_limits_of_many_cases_are_the_normal_ones():
    low, high = band(0.03, 200_000)
    reach = 1.959964 * np.sqrt(0.03 * 0.97 / 200_000)
    assert (0.03 - low, high - 0.03) == pytest.approx((reach, reach), rel=0.02)
    assert band(0.03, 1000, 0.998).high > band(0.03, 1000).high
    with pytest.raises(InvalidValueError):
        band(0.1, 0)


def test_drawing_sums_of_people_is_drawing_their_rows():
    rng = np.random.default_rng(11)
    who = [str(n) for n in rng.integers(40, size=120)]
    above, below = rng.random(120), rng.random(120) + 1
    rows = interval(who, lambda drawn: above[drawn].sum() / below[drawn].sum())
    assert ratio_interval(who, above, below) == pytest.approx(rows)
