"""Which marks of two analyses are one place: on views, where the depth is unknown."""

from __future__ import annotations

import sys
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reading"))

from reading_site import findings, mark

from gransk.core.findings import Finding, FrameRef, Region
from gransk.oversight.comparing import compare_study, matched

SIZE = 20.0


def at(name: str, column: float, row: float, image: str = "1.2.3", size: float = SIZE) -> Finding:
    """A square mark around a middle."""
    half = size / 2
    points = [(column + x * half, row + y * half) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    region = Region(sop_instance_uid=image, points=tuple(points))
    return mark().model_copy(update={"tracking_uid": f"1.{name}", "regions": (region,)})


@pytest.mark.parametrize(
    ("column", "row", "one"),
    [
        (100, 100, True),
        (114, 100, True),  # half the diagonal of 20 is 14.14
        (100, 115, False),
        (110, 110, True),  # 14.14 apart: at the limit
        (111, 110, False),
    ],
)
def test_a_middle_within_the_extent_of_the_other_is_one_place(
    column: float, row: float, one: bool
) -> None:
    pairs = matched([at("1", 100, 100)], [at("2", column, row)])
    assert pairs == ([("1.1", "1.2")] if one else [])


def test_the_larger_of_two_marks_says_how_far() -> None:
    small, large = at("1", 100, 100, size=4), at("2", 130, 100, size=60)
    assert matched([small], [large]) == [("1.1", "1.2")]
    assert matched([large], [small]) == [("1.2", "1.1")]


def test_the_same_pixel_of_another_view_is_another_place() -> None:
    assert matched([at("1", 100, 100)], [at("2", 100, 100, image="1.2.4")]) == []


def test_each_mark_is_paired_once_and_the_distances_are_the_least() -> None:
    """Greedily 1 would take 4, and leave 2 nothing that is near enough."""
    mine = [at("1", 100, 100), at("2", 109, 100)]
    theirs = [at("4", 101, 100), at("5", 88, 100)]
    assert matched(mine, theirs) == [("1.1", "1.5"), ("1.2", "1.4")]
    assert matched(mine, [*theirs, at("6", 101, 101)])[0][0] == "1.1"
    assert matched([], theirs) == matched(mine, []) == []


def test_random_marks_are_paired_as_by_trying_every_way() -> None:
    """As many pairs within reach as any way to pair them has."""
    rng = np.random.default_rng(7)
    for _ in range(60):
        sides = [
            [at(f"{side}{n}", *rng.uniform(0, 60, 2)) for n in range(rng.integers(1, 5))]
            for side in (1, 2)
        ]
        pairs = matched(*sides)
        assert len({one for one, _ in pairs}) == len({other for _, other in pairs}) == len(pairs)
        near = np.array([[bool(matched([a], [b])) for b in sides[1]] for a in sides[0]])
        if near.shape[0] > near.shape[1]:
            near = near.T
        ways = permutations(range(near.shape[1]), near.shape[0])
        best = max(int(sum(near[i, j] for i, j in enumerate(way))) for way in ways)
        assert len(pairs) == best


def test_an_exam_counts_what_both_found() -> None:
    frames = tuple(
        FrameRef(
            sop_class_uid="1.2.840.10008.5.1.4.1.1.1.2", sop_instance_uid=image,
            series_instance_uid="1.2.1",
        )
        for image in ("1.2.3", "1.2.4")
    )  # fmt: skip
    active = findings(3.0, at("1", 100, 100), at("2", 300, 100))
    own = findings(8.0, at("3", 104, 100), at("4", 300, 100, image="1.2.4"))
    found = compare_study(*(one.model_copy(update={"frames": frames}) for one in (active, own)))
    assert (found.active, found.own, found.matched) == (2, 2, 1)
