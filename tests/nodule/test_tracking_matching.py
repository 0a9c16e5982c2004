"""Pairing nodules of two scans: properties that hold for any of them, and cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gransk.core.errors import InvalidValueError
from nodule.measurement import Texture
from nodule.tracking.matching import Spot, log_odds, match

LEAST = 0.8

places = st.tuples(*[st.floats(-150, 150, width=32)] * 3)
textures = st.sampled_from([None, *Texture])


def spots(prefix: str) -> st.SearchStrategy[list[Spot]]:
    one = st.tuples(places, st.floats(10, 5000), textures)
    return st.lists(one, max_size=5).map(
        lambda found: [Spot(f"{prefix}{n}", *values) for n, values in enumerate(found)]
    )


def partners(answers):
    return {a.uid: a.partner for a in answers}


@given(spots("1."), spots("2."))
@settings(max_examples=150, deadline=None)
def test_pairing_is_one_to_one_and_says_the_same_on_both_sides(first, second):
    one, other = match(first, second, LEAST)
    assert [a.uid for a in one] == [s.uid for s in first]
    assert [a.uid for a in other] == [s.uid for s in second]
    pairs = {(a.uid, a.partner) for a in one if a.partner}
    assert pairs == {(a.partner, a.uid) for a in other if a.partner}
    assert len({b for _, b in pairs}) == len(pairs)
    certainty = {a.uid: a.certainty for a in (*one, *other)}
    for a, b in pairs:
        assert certainty[a] == pytest.approx(certainty[b], abs=1e-6)
    for answer in (*one, *other):
        assert 0.5 - 1e-9 <= answer.certainty <= 1
        assert answer.partner is None or answer.likely[0] == answer.partner


@given(spots("1."), spots("2."), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_nodules_does_not_matter(first, second, random):
    one, other = match(first, second, LEAST)
    shuffled = [random.sample(s, len(s)) for s in (first, second)]
    again = match(*shuffled, LEAST)
    for before, after in zip((one, other), again, strict=True):
        by_uid = {a.uid: a for a in after}
        for answer in before:
            same = by_uid[answer.uid]
            assert same.certainty == pytest.approx(answer.certainty, abs=1e-6)
            if answer.certainty > 0.501:
                assert same.partner == answer.partner
                assert set(same.likely) == set(answer.likely)


@given(spots("1."), spots("2."))
@settings(max_examples=100, deadline=None)
def test_swapping_the_scans_swaps_the_answer(first, second):
    one, other = match(first, second, LEAST)
    back_other, back_one = match(second, first, LEAST)
    for here, there in ((one, back_one), (other, back_other)):
        for a, b in zip(here, there, strict=True):
            assert a.certainty == pytest.approx(b.certainty, abs=1e-6)
            if a.certainty > 0.501:
                assert a.partner == b.partner


@given(spots("1."), st.tuples(*[st.floats(-1.5, 1.5)] * 3), st.floats(0.6, 2))
@settings(max_examples=80, deadline=None)
def test_far_apart_nodules_find_themselves_again(found, shift, growth):
    first = [s for n, s in enumerate(found)
             if all(math.dist(s.place_mm, o.place_mm) > 60 for o in found[:n])]  # fmt: skip
    second = [
        Spot(s.uid.replace("1.", "2."), tuple(np.add(s.place_mm, shift)), s.volume_mm3 * growth)
        for s in first
    ]
    one, _ = match(first, second, LEAST)
    assert partners(one) == {s.uid: s.uid.replace("1.", "2.") for s in first}
    assert all(a.certainty > 0.99 for a in one)


def test_a_nodule_with_no_other_near_stands_alone():
    one, other = match([Spot("1.1", (0, 0, 0), 100)], [Spot("2.1", (60, 0, 0), 100)], LEAST)
    assert (one[0].partner, other[0].partner) == (None, None)
    assert one[0].certainty > 0.99
    assert one[0].likely == ()


def test_two_pairings_as_likely_are_left_open():
    one, other = match(
        [Spot("1.1", (0, 0, 0), 100)],
        [Spot("2.1", (-4, 0, 0), 100), Spot("2.2", (4, 0, 0), 100)],
        LEAST,
    )
    assert one[0].certainty < LEAST
    assert set(one[0].likely) == {"2.1", "2.2"}
    assert all(a.certainty < LEAST for a in other)


def test_a_grey_distance_is_left_open():
    certainties = [
        match([Spot("1.1", (0, 0, 0), 100)], [Spot("2.1", (d, 0, 0), 100)], LEAST)[0][0]
        for d in range(0, 40)
    ]
    grey = [d for d, a in enumerate(certainties) if a.certainty < LEAST]
    assert grey
    assert 8 <= grey[0] <= grey[-1] <= 20
    assert all(a.partner == "2.1" for a in certainties[: grey[0]])
    assert all(a.partner is None for a in certainties[grey[-1] + 1 :])


def test_size_and_texture_tell_neighbours_apart():
    first = [Spot("1.1", (0, 0, 0), 60, Texture.GROUND_GLASS), Spot("1.2", (6, 0, 0), 900)]
    second = [
        Spot("2.1", (3, 1, 0), 950),
        Spot("2.2", (3, -1, 0), 70, Texture.GROUND_GLASS),
    ]
    one, _ = match(first, second, LEAST)
    assert partners(one) == {"1.1": "2.2", "1.2": "2.1"}
    solid = Spot("1.1", (0, 0, 0), 60, Texture.SOLID)
    assert log_odds(solid, second[1], 1e-6) < log_odds(first[0], second[1], 1e-6)


def test_an_outline_that_failed_does_not_part_a_nodule_from_itself():
    one, _ = match([Spot("1.1", (0, 0, 0), 617)], [Spot("2.1", (1, 0, 0), 2)], LEAST)
    assert one[0].partner == "2.1"
    assert one[0].certainty > 0.9


def test_what_cannot_be_matched_is_refused():
    with pytest.raises(InvalidValueError):
        Spot("1.1", (0, 0, 0), 0)
    with pytest.raises(InvalidValueError):
        match([Spot("1.1", (0, 0, 0), 9)] * 2, [], LEAST)
