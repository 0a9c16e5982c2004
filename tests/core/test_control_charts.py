"""Run lengths of control charts against published tables, and limits against simulation.

The tables as the examples of the R package spc (S. Knoth) quote them, of `xcusum.arl` and
`xewma.arl`.
"""

from functools import partial

import numpy as np
import pytest

from gransk.core.errors import InvalidValueError
from gransk.core.statistics.control import (
    alarms_a_year,
    cusum_limit,
    cusum_run_length,
    deviation,
    ewma_limit,
    ewma_run_length,
    one_sided_run_length,
    reference_value,
    siegmund_run_length,
)

LUCAS_CROSIER_1982 = {
    0: 168, 0.25: 74.2, 0.5: 26.6, 0.75: 13.3, 1: 8.38, 1.5: 4.75, 2: 3.34, 2.5: 2.62, 3: 2.19,
    4: 1.71, 5: 1.31,
}  # fmt: skip
"""Table 1: two-sided, k = 0.5, h = 4."""
VANCE_1986 = {
    -0.25: 2071.51, -0.125: 400.28, 0: 124.66, 0.125: 59.30, 0.25: 36.71, 0.5: 20.37, 0.75: 14.06,
    1: 10.75,
}  # fmt: skip
"""Table 1: one-sided, k = 0, h = 10."""
WALDMANN_1986 = {-0.5: 1963, 0: 117.4, 0.5: 17.35}
"""Tables 3, 1 and 5: one-sided, k = 0.5, h = 3."""
CROWDER_1987 = {
    (0.5, 2): {0: 26.45, 0.25: 20.12, 0.5: 11.89, 0.75: 7.29, 1: 4.91, 2: 1.94, 3: 1.26, 4: 1.05},
    (0.05, 2): {0: 127.53, 0.25: 43.94, 0.5: 18.97, 0.75: 11.64, 1: 8.38, 2: 4.04, 4: 2.15},
}
"""Table 1, by weight and limit."""
LUCAS_SACCUCCI_1990 = {
    (0.5, 3.071): {0: 500, 0.25: 255, 0.5: 88.8, 0.75: 35.9, 1: 17.5, 2: 3.63, 4: 1.34},
    (0.03, 2.437): {0: 500, 0.25: 76.7, 0.5: 29.3, 0.75: 17.6, 1: 12.6, 2: 5.99, 4: 3.11},
}
"""Table 3, by weight and limit."""


@pytest.mark.parametrize(("shift", "length"), LUCAS_CROSIER_1982.items())
def test_two_sided_sums_run_as_published(shift, length):
    assert cusum_run_length(4, 0.5, shift) == pytest.approx(length, rel=0.005)


@pytest.mark.parametrize(("shift", "length"), VANCE_1986.items())
def test_one_sided_sums_run_as_published(shift, length):
    assert one_sided_run_length(10, 0, shift) == pytest.approx(length, rel=1e-3)


@pytest.mark.parametrize(("shift", "length"), WALDMANN_1986.items())
def test_sums_run_within_proven_bounds(shift, length):
    assert one_sided_run_length(3, 0.5, shift) == pytest.approx(length, rel=2e-3)


@pytest.mark.parametrize(("chart", "table"), CROWDER_1987.items())
def test_moving_averages_run_as_published(chart, table):
    weight, limit = chart
    for shift, length in table.items():
        assert ewma_run_length(limit, weight, shift) == pytest.approx(length, rel=0.005)


@pytest.mark.parametrize(("chart", "table"), LUCAS_SACCUCCI_1990.items())
def test_designs_of_moving_averages_run_as_published(chart, table):
    weight, limit = chart
    for shift, length in table.items():
        assert ewma_run_length(limit, weight, shift) == pytest.approx(length, rel=0.005)


def test_the_manuals_digits():
    """SAS/QC 1999: 11.154267016 and 4.1500826715."""
    assert ewma_run_length(3, 0.25, 1) == pytest.approx(11.154267016, abs=1e-8)
    assert cusum_run_length(8, 0.25, 2.5) == pytest.approx(4.1500826715, abs=2e-6)


def first_alarms(draws, k, h):
    """Where each row's two-sided sum is first above h; the length of a row where it never is."""
    count, length = draws.shape
    up, down = np.zeros(count), np.zeros(count)
    found = np.full(count, length)
    for n in range(length):
        up = np.maximum(0, up + draws[:, n] - k)
        down = np.maximum(0, down - draws[:, n] - k)
        found = np.where((found == length) & (np.maximum(up, down) > h), n, found)
    return found


def test_a_limit_gives_the_false_alarms_that_were_wanted():
    """With the reference's own error: each year has another reference."""
    rng = np.random.default_rng(5)
    cases, a_year, wanted, k = 400, 1000, 0.2, reference_value(0.2, 400)
    h = cusum_limit(k, cases, a_year, wanted)
    years = 1500
    draws = rng.normal(size=(years, a_year)) - rng.normal(size=(years, 1)) / np.sqrt(cases)
    share = np.mean(first_alarms(draws, k, h) < a_year)
    assert share == pytest.approx(wanted, abs=0.04)


@pytest.mark.parametrize("shift", [0, 0.05, 0.1, 0.2, 0.5])
def test_the_closed_form_is_near_the_integral_equation(shift):
    assert siegmund_run_length(20, 0.1, shift) == pytest.approx(
        cusum_run_length(20, 0.1, shift), rel=0.02
    )


def test_the_error_of_the_reference_is_averaged():
    """Without it fewer false alarms are expected than come."""
    known = alarms_a_year(partial(cusum, 0.1), 40, 10**9, 5000)
    estimated = alarms_a_year(partial(cusum, 0.1), 40, 1000, 5000)
    assert known == pytest.approx(5000 / cusum_run_length(40, 0.1), rel=0.3)
    assert estimated > 1.2 * known


def cusum(k, limit, shift):
    return siegmund_run_length(limit, k, shift)


def test_limits_follow_what_is_wanted():
    assert cusum_limit(0.1, 1000, 5000, 0.01) > cusum_limit(0.1, 1000, 5000, 0.1)
    assert cusum_limit(0.1, 1000, 5000, 0.1) > cusum_limit(0.1, 1000, 500, 0.1)
    assert cusum_limit(0.1, 1000, 5000, 0.1) > cusum_limit(0.1, 100_000, 5000, 0.1)
    assert ewma_limit(0.05, 1000, 5000, 0.01) > ewma_limit(0.05, 1000, 5000, 0.1)
    assert reference_value(0.2, 10_000) == 0.1
    assert reference_value(0.2, 100) == 0.3
    assert deviation(1) == 1


@pytest.mark.parametrize("bad", [(0, 0.1), (-1, 0.1), (4, -0.1)])
def test_what_is_no_chart_is_refused(bad):
    with pytest.raises(InvalidValueError):
        one_sided_run_length(*bad)
    with pytest.raises(InvalidValueError):
        ewma_run_length(min(bad[0], 0), 0.1)
    with pytest.raises(InvalidValueError):
        cusum_limit(0.1, 1000, 1000, 1.5)
