"""A lesion's course as points and ticks."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gransk.core.followup import Point
from gransk.results.curve import curve

START = datetime.date(2024, 1, 1)


def point(days, value, interval=None):
    return Point(date=START + datetime.timedelta(days), value=value, interval=interval)


def test_steady_doubling_is_a_straight_line():
    drawn = curve([point(0, 100.0), point(100, 200.0), point(200, 400.0), point(300, 800.0)])
    steps = [(b.x - a.x, b.y - a.y) for a, b in zip(drawn.dots, drawn.dots[1:], strict=False)]
    for step in steps[1:]:
        assert step == pytest.approx(steps[0])
    assert [text for _, text in drawn.ticks] == ["100", "200", "500"]


def test_one_date_or_no_size_draws_nothing():
    assert curve([]) is None
    assert curve([point(0, 100.0)]) is None
    assert curve([point(0, 100.0), point(5, 0.0)]) is None


def test_an_open_end_stays_at_the_value():
    drawn = curve([point(0, 100.0, (80.0, None)), point(90, 150.0, (120.0, 190.0))])
    assert drawn.dots[0].high == drawn.dots[0].y > drawn.dots[0].low
    assert drawn.dots[1].high > drawn.dots[1].y


@given(
    st.lists(
        st.tuples(st.integers(0, 3000), st.floats(0.5, 1e5), st.floats(1.0, 3.0)),
        min_size=2,
        max_size=8,
        unique_by=lambda one: one[0],
    )
)
def test_everything_lies_within_the_picture(values):
    points = [point(d, v, (v / f, v * f)) for d, v, f in sorted(values)]
    drawn = curve(points)
    for dot in drawn.dots:
        assert 0 <= dot.x <= 1
        assert 0 <= dot.low <= dot.y <= dot.high <= 1
    heights = [height for height, _ in drawn.ticks]
    assert heights == sorted(heights)
    assert heights
    assert all(0 <= height <= 1 for height in heights)
    assert [d.x for d in drawn.dots] == sorted(d.x for d in drawn.dots)
