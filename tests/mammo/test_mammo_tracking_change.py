"""Change of a diameter against what measuring twice explains."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from mammo.tracking.change import Growth, growth_of, told
from mammo.tracking.settings import TrackingSettings

SETTINGS = TrackingSettings(repeat_error=0.1)


@pytest.mark.parametrize(
    ("later", "growth"),
    [(10.0, Growth.STABLE), (12.1, Growth.STABLE), (12.3, Growth.GROWN), (8.1, Growth.SHRUNK)],
)
def test_the_limit_is_that_of_the_repeat_error(later: float, growth: Growth) -> None:
    assert growth_of(10.0, later, SETTINGS) is growth


def test_the_interval_is_of_the_later_diameter_over_the_earlier() -> None:
    (change,) = told(10.0, 14.0, SETTINGS).changes
    assert change.value == 4.0
    limit = math.exp(1.96 * 0.1)
    assert change.interval == (round(14 / limit - 10, 1), round(14 * limit - 10, 1))


def test_change_and_growth_agree() -> None:
    for later in (7.0, 9.0, 10.0, 11.5, 13.0):
        said = told(10.0, later, SETTINGS)
        low, high = said.changes[0].interval or (0.0, 0.0)
        holds_none = low <= 0 <= (high or 0)
        assert holds_none is (said.growth is Growth.STABLE)
        assert said.notes[0].code == f"mark_{said.growth}"


def test_limits_of_the_second_look_are_in_order() -> None:
    with pytest.raises(ValidationError):
        TrackingSettings(unseen_below=0.9, seen_from=0.5)
