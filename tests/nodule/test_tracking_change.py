"""What is told of a change of size."""

from __future__ import annotations

import datetime
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodule.growth.change import Sized
from nodule.growth.rules import growth_rules
from nodule.tracking.change import told
from nodule.tracking.texts import TEXTS

START = datetime.date(2025, 1, 6)
NAMES = ("volume_change_percent", "diameter_change_mm", "vdt_days")


def sized(volume: float, days: int = 0, **values) -> Sized:
    return Sized(
        date=START + datetime.timedelta(days), volume_mm3=volume,
        mean_diameter_mm=2 * (3 * volume / (4 * math.pi)) ** (1 / 3),
        **{"thickness_mm": 1.0, "kernel": "medium", "contrast": False,
           "spacing_mm": (1.0, 0.7, 0.7)} | values,
    )  # fmt: skip


def changes(earlier, later):
    found = told(earlier, later, growth_rules())
    return {m.name: m for m in found.changes}, found


def test_a_doubled_nodule():
    by_name, found = changes(sized(200), sized(400, 182))
    assert tuple(by_name) == NAMES
    assert by_name["volume_change_percent"].value == 100
    assert by_name["vdt_days"].value == 182
    low, high = by_name["vdt_days"].interval
    assert 100 < low < 182 < high < 400
    assert (by_name["vdt_days"].unit.value, by_name["volume_change_percent"].unit.value) == (
        "d", "%",
    )  # fmt: skip
    assert found.withheld == ()
    assert found.notes == ()


def test_a_little_growth_has_an_open_end():
    by_name, _ = changes(sized(200), sized(210, 182))
    assert by_name["vdt_days"].interval[1] is None


def test_a_fall_is_no_growth():
    by_name, found = changes(sized(400), sized(200, 182))
    assert "vdt_days" not in by_name
    assert [n.code for n in found.notes] == ["no_growth"]
    _, slight = changes(sized(205), sized(200, 182))
    assert [n.code for n in slight.notes] == ["no_growth_but"]
    assert slight.notes[0].values["days"] > 182


@pytest.mark.parametrize(
    ("later", "code"),
    [
        ({"thickness_mm": 3.0}, "slice_thickness"),
        ({"thickness_mm": None}, "thickness_unknown"),
        ({"kernel": "lung"}, "kernel_class"),
        ({"kernel": "unknown"}, "kernel_unknown"),
        ({"days": 0}, "same_day"),
    ],
)
def test_what_withholds_time_and_not_sizes(later, code):
    by_name, found = changes(sized(200), sized(400, **{"days": 182} | later))
    assert tuple(by_name) == NAMES[:2]
    assert [n.code for n in found.withheld] == [code]
    assert set(TEXTS[code]) == {"en", "da"}
    assert found.notes == ()


def test_contrast_is_a_warning_alone():
    by_name, found = changes(sized(200), sized(400, 182, contrast=True))
    assert "vdt_days" in by_name
    assert [n.code for n in found.notes] == ["contrast_differs"]


def test_no_size_no_change():
    found = told(None, sized(200, 182), growth_rules())
    assert (found.changes, [n.code for n in found.withheld]) == ((), ["no_size"])


@given(st.floats(20, 5000), st.floats(20, 5000), st.integers(1, 2000))
def test_intervals_hold_their_value(before, now, days):
    by_name, found = changes(sized(before), sized(now, days))
    low, high = by_name["volume_change_percent"].interval
    assert low <= by_name["volume_change_percent"].value <= high
    if "vdt_days" in by_name:
        low, high = by_name["vdt_days"].interval
        assert low <= by_name["vdt_days"].value
        assert high is None or by_name["vdt_days"].value <= high
    else:
        assert found.notes[0].code.startswith("no_growth")
