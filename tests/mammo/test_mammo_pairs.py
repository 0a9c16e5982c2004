"""Pairing of marks in CC and MLO: which are one, which have no partner, how surely."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import breast

from gransk.core.errors import InvalidValueError
from mammo.image.grid import SPACING_MM, prepare
from mammo.marks.mark import Kind, Mark
from mammo.marks.pairs import (
    PairRules,
    Shown,
    Traits,
    assigned,
    brightness,
    differences,
    pair,
    pair_traits,
    shipped,
    traits,
)


def seen(nipple_mm: float, size_mm: float = 12.0, contrast: float = 0.15) -> Traits:
    return Traits(nipple_mm, size_mm, contrast, 0.2, 0.5)


def mark_at(column: float, row: float, radius_mm: float = 6.0) -> Mark:
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    points = [
        (column + radius_mm / 0.2 * np.cos(a), row + radius_mm / 0.2 * np.sin(a)) for a in angles
    ]
    outline = tuple((float(x), float(y)) for x, y in points)
    return Mark(0, Kind.MASS, (column, row), outline, 2 * radius_mm, 0.8, 0.5)


def test_the_lesion_at_the_same_distance_is_the_partner() -> None:
    pairs = pair_traits([seen(40), seen(75)], [seen(76), seen(20), seen(41)])
    assert {(i, j) for i, j, _ in pairs} == {(0, 2), (1, 0)}
    assert all(0.5 <= certainty <= 1 for _, _, certainty in pairs)


def test_no_mark_is_paired_twice() -> None:
    pairs = pair_traits([seen(50), seen(51)], [seen(50)])
    assert len(pairs) <= 1


def test_two_partners_that_fit_alike_make_the_pair_less_certain() -> None:
    ((_, _, alone),) = pair_traits([seen(50)], [seen(50)])
    assert assigned([[2.0, 2.0]])[0][2] == pytest.approx(0.5)
    rivals = pair_traits([seen(50)], [seen(50), seen(50.5)])
    assert all(certainty < alone for _, _, certainty in rivals)


def test_far_apart_has_no_partner() -> None:
    assert pair_traits([seen(20)], [seen(110)]) == []
    assert pair_traits([], [seen(20)]) == []


def test_another_size_and_brightness_speak_against_it() -> None:
    rules = shipped()
    like = differences(seen(50), seen(50))
    assert all(value == 0 for name, value in like.items() if name != "weakest")
    unlike = differences(seen(50), seen(50, size_mm=48, contrast=0.9))
    assert sum(rules.weights.get(n, 0) * v for n, v in unlike.items()) < sum(
        rules.weights.get(n, 0) * v for n, v in like.items()
    )


def test_looks_count_where_they_have_a_weight() -> None:
    rules = PairRules(constant=1.0, weights={"look": -4.0}, look_mean=(0.5, 0.5), least=0.5)
    first = Traits(50, 12, 0.1, 0.2, 0.5, look=(1.0, 0.0))
    same = Traits(50, 12, 0.1, 0.2, 0.5, look=(1.0, 0.0))
    other = Traits(50, 12, 0.1, 0.2, 0.5, look=(0.0, 1.0))
    assert pair_traits([first], [other, same], rules)[0][:2] == (0, 1)
    assert pair_traits([first], [other], rules) == []


def test_the_sum_of_all_pairs_decides() -> None:
    # Greedily 0-0 would be taken first, and 1 would be left alone.
    pairs = assigned([[5.0, 4.0], [4.5, -3.0]])
    assert [(i, j) for i, j, _ in pairs] == [(0, 1), (1, 0)]
    with pytest.raises(InvalidValueError):
        assigned([[np.nan]])


def test_marks_are_measured_in_their_views() -> None:
    prepared = prepare(breast(mass=(320.0, 520.0, 7.0)), (SPACING_MM, SPACING_MM))
    column, row = prepared.from_native((320.0, 520.0))
    shown = Shown(prepared, (float(column) + 200, float(row)))
    on, beside = mark_at(column, row, 7.0), mark_at(column - 150, row - 100, 7.0)
    measured = traits(on, shown)
    assert measured.nipple_mm == pytest.approx(200 * SPACING_MM)
    assert measured.contrast > 0.2 > abs(brightness(prepared, beside.outline)[0])
    ((i, j, certainty),) = pair([beside, on], [on], shown, shown)
    assert (i, j) == (1, 0)
    assert certainty > 0.5
