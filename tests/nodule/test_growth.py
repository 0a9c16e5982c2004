"""Change between two scans: doubling time, its interval, growth class, what is withheld."""

from __future__ import annotations

import datetime
import math

import numpy as np
import pytest

from gransk.core.errors import ConfigurationError, InvalidValueError
from nodule.growth import reasons
from nodule.growth.change import Sized, compare
from nodule.growth.classes import (
    Classed,
    GrowthClass,
    GrowthRule,
    change_json,
    classify,
    rounded,
)
from nodule.growth.dates import add_months, months_between
from nodule.growth.reasons import Noted, Withheld
from nodule.growth.rules import RULES, growth_rules

DAY = datetime.date(2024, 1, 31)
THIN = {"thickness_mm": 1.0, "kernel": "medium", "contrast": False}

# Days between the scans; VDT at exactly +25 %; what a true VDT of 200, 400 and 600 days is
# seen as (95 %), None for "shrinks".
TABLE = [
    (91, 283, {200: (117, 684), 400: (166, None), 600: (192, None)}),
    (182, 565, {200: (148, 309), 400: (234, 1368), 600: (291, None)}),
    (365, 1134, {200: (170, 243), 400: (296, 618), 600: (392, 1274)}),
]
VOLUME_25 = GrowthRule(measure="volume_percent", at_least=25, compared_with="baseline")
OVER_15 = GrowthRule(
    measure="diameter_mm", above=1.5, decimals=1, within_months=12, compared_with="previous"
)


def sized(days: int = 0, volume: float | None = None, mm: float | None = None, **more) -> Sized:
    date = DAY + datetime.timedelta(days)
    return Sized(date, volume, mm, **{**THIN, **more})


def change(days: int, before: float, now: float, **more):
    return compare(sized(0, before, **more), sized(days, now, **more))


@pytest.mark.parametrize(("days", "at_25", "seen"), TABLE)
def test_the_table_of_doubling_times(days, at_25, seen):
    assert change(days, 100, 125).vdt_days == pytest.approx(at_25, abs=0.5)
    for true, (low, high) in seen.items():
        found = change(days, 100, 100 * 2 ** (days / true))
        assert found.vdt_days == pytest.approx(true)
        assert found.vdt_interval_days[0] == pytest.approx(low, abs=0.5)
        if high is None:
            assert found.vdt_interval_days[1] is None
        else:
            assert found.vdt_interval_days[1] == pytest.approx(high, abs=0.5)


def test_no_growth_is_never_a_negative_doubling_time():
    fell = change(182, 200, 150)
    assert fell.no_growth is True
    assert fell.vdt_days is None
    assert fell.vdt_interval_days is None
    same = change(182, 200, 200)
    assert (same.no_growth, same.vdt_days) == (True, None)
    assert same.vdt_interval_days == (pytest.approx(182 * math.log(2) / math.log(1.25)), None)
    assert classify(fell, VOLUME_25).growth is GrowthClass.NO_GROWTH


def test_changes_are_raw():
    found = compare(sized(0, 100, 5.5), sized(91, 124.9, 6.1))
    assert found.volume_percent == pytest.approx(24.9)
    assert found.diameter_mm == pytest.approx(0.6)
    assert found.days == 91
    assert compare(sized(0, mm=5), sized(9, 100)).volume_percent is None
    assert compare(sized(0, mm=5), sized(9, mm=6)).vdt_interval_days is None


def test_two_scans_repeat_within_the_stated_limits():
    """A same-day repeat of a free solid nodule: 95 % within -20 % and +25 %."""
    rng = np.random.default_rng(1)
    limit = change(91, 100, 125).log_limit
    assert limit == pytest.approx(math.log(1.25))
    seen = np.exp(rng.normal(0, limit / 1.96, 20000))
    assert np.mean((seen > 1 / 1.25) & (seen < 1.25)) == pytest.approx(0.95, abs=0.005)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(2)
    true = 300.0
    ratio = 2 ** (182 / true)
    noise = np.exp(rng.normal(0, change(182, 100, 125).log_limit / 1.96, 4000))
    held = 0
    for factor in noise:
        interval = change(182, 100, 100 * ratio * factor).vdt_interval_days
        held += interval is not None and interval[0] <= true <= (interval[1] or math.inf)
    assert held / 4000 == pytest.approx(0.95, abs=0.012)


@pytest.mark.parametrize(
    "worse",
    [
        {"spacing_mm": (1.0, 0.7, 0.7)},
        {"subsolid": True},
        {"attached": True},
    ],
)
def test_voxels_texture_and_pleura_widen_the_interval(worse):
    plain = change(182, 60, 120).log_limit
    assert change(182, 60, 120, **worse).log_limit > plain * 1.01


def test_both_scans_err_alike_beyond_their_repeatability():
    """Equal scans cancel all but a fifth of what they add; unlike scans cancel less."""
    alone = growth_rules().model_copy(update={"error_correlation": 0.0})
    kinds = {"spacing_mm": (2.5, 0.7, 0.7), "subsolid": True, "attached": True}
    prior, current = sized(0, 60, **kinds), sized(182, 60, **kinds)
    pair = math.log(1.25) ** 2
    added = compare(prior, current, alone).log_limit ** 2 - pair
    assert compare(prior, current).log_limit ** 2 - pair == pytest.approx(0.2 * added)
    other = sized(182, 60, spacing_mm=(0.7, 0.7, 0.7))
    apart = compare(prior, other).log_limit ** 2 - pair
    assert apart > 0.25 * (compare(prior, other, alone).log_limit ** 2 - pair)


def test_contrast_in_one_scan_alone_widens_the_interval():
    same = compare(sized(0, 100, contrast=True), sized(182, 130, contrast=True)).log_limit
    differs = compare(sized(0, 100, contrast=True), sized(182, 130, contrast=False)).log_limit
    assert same == pytest.approx(math.log(1.25))
    assert differs == pytest.approx(math.hypot(same, 1.96 * math.log(1.06)))


def test_small_nodules_and_thick_slices_are_less_certain():
    thin, thick = (0.7, 0.7, 0.7), (2.5, 0.7, 0.7)
    limits = [change(182, v, v, spacing_mm=s).log_limit for v in (500, 50) for s in (thin, thick)]
    assert limits == sorted(limits)
    assert limits[-1] > 1.05 * limits[0]


@pytest.mark.parametrize(
    ("before", "now", "code"),
    [
        ({"thickness_mm": 1.0}, {"thickness_mm": 5.0}, Withheld.SLICE_THICKNESS),
        ({"thickness_mm": 3.0}, {"thickness_mm": 3.0}, Withheld.SLICE_THICKNESS),
        ({"thickness_mm": 1.0}, {"thickness_mm": 2.1}, Withheld.SLICE_THICKNESS),
        ({"thickness_mm": None}, {}, Withheld.THICKNESS_UNKNOWN),
        ({"kernel": "lung"}, {"kernel": "soft"}, Withheld.KERNEL_CLASS),
        ({"kernel": "unknown"}, {"kernel": "unknown"}, Withheld.KERNEL_UNKNOWN),
    ],
)
def test_an_unsound_comparison_withholds_time_and_class_alone(before, now, code):
    pair = (sized(0, 100, 6, **before), sized(91, 200, 7, **now))
    found = compare(*pair)
    assert found.withheld == (code,)
    assert (found.vdt_days, found.vdt_interval_days) == (None, None)
    assert classify(found, VOLUME_25) == Classed(None, (code,))
    assert found.volume_percent == pytest.approx(100)
    told = change_json(found, VOLUME_25)
    assert (told["prior_volume_mm3"], told["growth_class"]) == (100, None)
    assert (told["withheld"], told["withheld_codes"]) == (code.value, [code.value])
    allowing = growth_rules().model_copy(update={"allowed": (code,)})
    allowed = compare(*pair, allowing)
    assert allowed.withheld == ()
    assert Noted(f"allowed_{code}") in allowed.noted
    assert allowed.vdt_days == pytest.approx(91)


def test_the_json_of_a_change():
    told = change_json(compare(sized(0, 100, 6), sized(91, 200, 7.5)), VOLUME_25)
    assert told["vdt_interval_days"] == [
        pytest.approx(68.8, abs=0.1),
        pytest.approx(134.2, abs=0.1),
    ]
    assert {k: told[k] for k in ("vdt_days", "days", "growth_class", "withheld", "no_growth")} == {
        "vdt_days": pytest.approx(91),
        "days": 91,
        "growth_class": "growth",
        "withheld": None,
        "no_growth": False,
    }
    assert told["diameter_change_mm"] == 1.5
    fell = change_json(compare(sized(0, 200), sized(91, 195)), VOLUME_25)
    assert (fell["growth_class"], fell["vdt_days"]) == ("no_growth", None)
    assert fell["vdt_interval_days"] == [pytest.approx(319, abs=1), None]


def test_alike_series_are_compared():
    found = change(91, 100, 200, thickness_mm=2.5, spacing_mm=(2.0, 0.7, 0.7))
    assert (found.withheld, found.noted) == ((), ())
    edge = compare(sized(0, 100, thickness_mm=1.5), sized(91, 200, thickness_mm=2.5))
    assert edge.withheld == ()


def test_scans_of_one_day_have_no_doubling_time():
    found = change(0, 100, 200)
    assert found.withheld == (Withheld.SAME_DAY,)
    assert (found.vdt_days, found.vdt_interval_days) == (None, None)
    with pytest.raises(InvalidValueError):
        change(-1, 100, 200)


def test_contrast_alone_is_a_warning():
    for before, now, noted in (
        (True, False, [Noted.CONTRAST_DIFFERS]),
        (True, None, [Noted.CONTRAST_UNKNOWN]),
        (True, True, []),
    ):
        spacing = (1.0, 0.7, 0.7)
        found = compare(
            sized(0, 100, contrast=before, spacing_mm=spacing),
            sized(91, 200, contrast=now, spacing_mm=spacing),
        )
        assert found.withheld == ()
        assert list(found.noted) == noted
        assert found.vdt_days == pytest.approx(91)


@pytest.mark.parametrize(
    ("before", "now", "growth"),
    [
        (100, 124.9, GrowthClass.BELOW_THRESHOLD),
        (100, 125, GrowthClass.GROWTH),
        (110, 137.5, GrowthClass.GROWTH),
        (100, 100.1, GrowthClass.BELOW_THRESHOLD),
        (100, 99, GrowthClass.NO_GROWTH),
    ],
)
def test_growth_by_volume(before, now, growth):
    assert classify(change(91, before, now), VOLUME_25) == Classed(growth)


@pytest.mark.parametrize(
    ("before", "now", "growth"),
    [
        (6.1, 7.6, GrowthClass.BELOW_THRESHOLD),
        (6.1, 7.7, GrowthClass.GROWTH),
        (6.14, 7.65, GrowthClass.GROWTH),
        (6.05, 7.64, GrowthClass.BELOW_THRESHOLD),
        (6.1, 6.1, GrowthClass.NO_GROWTH),
    ],
)
def test_growth_by_diameter_must_exceed_and_is_rounded_first(before, now, growth):
    found = compare(sized(0, mm=before), sized(300, mm=now))
    assert classify(found, OVER_15) == Classed(growth)


def test_a_rule_within_a_time_does_not_class_a_longer_one():
    long = compare(sized(0, mm=6), sized(367, mm=8))
    assert classify(long, OVER_15) == Classed(None, (Withheld.LONG_INTERVAL,))
    assert classify(compare(sized(0, mm=6), sized(366, mm=8)), OVER_15).growth is GrowthClass.GROWTH
    slight = compare(sized(0, mm=6), sized(367, mm=7))
    assert classify(slight, OVER_15) == Classed(GrowthClass.BELOW_THRESHOLD)
    assert classify(slight, VOLUME_25) == Classed(None, (Withheld.NO_SIZE,))


@pytest.mark.parametrize(
    "bad",
    [
        {"volume": 0.0},
        {"volume": -1.0},
        {"volume": math.inf},
        {"mm": math.nan},
        {},
        {"mm": 5, "thickness_mm": 0.0},
        {"mm": 5, "kernel": "sharpish"},
    ],
)
def test_bad_sizes_are_refused(bad):
    with pytest.raises(InvalidValueError):
        sized(0, **bad)
    with pytest.raises(InvalidValueError):
        Classed(None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("repeatability_percent: 25", "repeatability_percent: 0"),
        ("allowed: []", "allowed: [same_day]"),
        ("allowed: []", "allowed: [bad_day]"),
        ("error_correlation: 0.8", "error_correlation: 1.1"),
        ("contrast_percent: 6", "contrast_percent: -6"),
        ('version: "2"', ""),
        ("id: growth", "shoe: 4"),
    ],
)
def test_wrong_rules_are_refused(tmp_path, old, new):
    path = tmp_path / "rules.yaml"
    text = RULES.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"rules\.yaml"):
        growth_rules(path)


def test_a_growth_rule_has_one_threshold():
    for wrong in ({}, {"at_least": 2, "above": 2}):
        with pytest.raises(ValueError, match="at_least or above"):
            GrowthRule(measure="diameter_mm", compared_with="previous", **wrong)


def test_months():
    day = datetime.date
    assert add_months(day(2024, 1, 31), 1) == day(2024, 2, 29)
    assert add_months(day(2024, 2, 29), 12) == day(2025, 2, 28)
    assert add_months(day(2024, 11, 15), 3) == day(2025, 2, 15)
    assert months_between(day(2024, 1, 31), day(2024, 2, 29)) == 1
    assert months_between(day(2024, 1, 15), day(2025, 1, 14)) == 11
    assert months_between(day(2024, 1, 15), day(2024, 1, 15)) == 0
    with pytest.raises(InvalidValueError):
        months_between(day(2024, 1, 2), day(2024, 1, 1))


def test_people_round_halves_up():
    assert [rounded(v, 0) for v in (5.49, 5.5, 6.5, 8.5)] == [5, 6, 7, 9]
    assert [rounded(v, 1) for v in (5.95, 1.05, 2.449)] == [6.0, 1.1, 2.4]


@pytest.mark.parametrize("language", ["en", "da"])
def test_every_code_has_a_text(language):
    assert all(reasons.text(code, language) for code in (*Withheld, *Noted))
