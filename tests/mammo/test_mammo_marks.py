"""Peaks, outlines, kinds and scores."""

from __future__ import annotations

import numpy as np
import pytest

from gransk.core.errors import InvalidValueError
from mammo.detector import SIGNS, kind_of, page
from mammo.grid import SPACING_MM
from mammo.marks import Kind, Mark
from mammo.outlines import UNKNOWN_MM, outline_of
from mammo.peaks import peaks
from mammo.score import ViewEvidence, score
from mammo.view import Laterality, Projection, Source

RIGHT, LEFT = Laterality.RIGHT, Laterality.LEFT


def test_peaks_are_apart_and_strongest_first() -> None:
    heat = np.zeros((30, 20), np.float32)
    heat[10, 5], heat[11, 6], heat[20, 15] = 0.6, 0.5, 0.9
    found = peaks(heat, apart=3, least=0.1, limit=5)
    assert [round(value, 2) for _, _, value in found] == [0.9, 0.6]
    assert found[0][:2] == pytest.approx((15.5, 20.5))
    column, row, _ = found[1]
    assert 5.5 < column < 6.5
    assert 10.5 < row < 11.5
    assert peaks(heat, 3, 0.7, 5) == [found[0]]
    assert peaks(heat, 3, 0.1, 1) == [found[0]]


def _disk(radius_mm: float, cell_mm: float, centre_mm: tuple[float, float]) -> np.ndarray:
    down, across = np.mgrid[0:80, 0:60] + 0.5
    far = np.hypot(across * cell_mm - centre_mm[0], down * cell_mm - centre_mm[1])
    return (1 / (1 + np.exp((far - radius_mm) / 0.4))).astype(np.float32)


@pytest.mark.parametrize("radius", [4.0, 8.0, 20.0])
def test_an_outline_has_the_size_and_place_of_what_it_outlines(radius: float) -> None:
    inside = _disk(radius, 1.6, (48.0, 60.0))
    points, size = outline_of(inside, (48 / SPACING_MM, 60 / SPACING_MM), 1.6)
    assert size == pytest.approx(2 * radius, abs=1.2)
    middle = np.array(points).mean(axis=0) * SPACING_MM
    assert middle == pytest.approx((48, 60), abs=1.0)


def test_where_the_map_holds_nothing_the_outline_is_a_circle() -> None:
    points, size = outline_of(np.zeros((80, 60), np.float32), (100.0, 100.0), 1.6)
    assert size == UNKNOWN_MM
    assert len(points) == 24
    far = _disk(5, 1.6, (80.0, 110.0))
    assert outline_of(far, (100.0, 100.0), 1.6)[1] == UNKNOWN_MM


def test_an_outline_does_not_take_its_neighbour() -> None:
    inside = np.maximum(_disk(5, 1.6, (30.0, 60.0)), _disk(7, 1.6, (60.0, 60.0)))
    _, size = outline_of(inside, (30 / SPACING_MM, 60 / SPACING_MM), 1.6)
    assert size == pytest.approx(10, abs=1.2)


def test_pages_are_divisible_and_keep_their_corner() -> None:
    grey = np.random.default_rng(0).random((70, 33), dtype=np.float32)
    whole = page(grey)
    assert whole.shape == (96, 64)
    assert np.array_equal(whole[:70, :33], grey)
    assert whole.sum() == pytest.approx(grey.sum())


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"irregular": 0.7}, Kind.MASS),
        ({"irregular": 0.4, "distortion": 0.6}, Kind.DISTORTION),
        ({"round": 0.3, "asymmetry": 0.5, "distortion": 0.4}, Kind.ASYMMETRY),
        ({"distortion": 0.3, "lobulated": 0.4}, Kind.MASS),
    ],
)
def test_kinds_are_what_readers_would_say(said: dict[str, float], kind: Kind) -> None:
    assert kind_of({name: said.get(name, 0.0) for name in SIGNS}) is kind


def test_a_score_is_the_higher_breast_and_its_shares_are_whole() -> None:
    scores = score(
        [
            ViewEvidence(RIGHT, 0.2, (0.1,)),
            ViewEvidence(RIGHT, 0.3),
            ViewEvidence(LEFT, 0.8, (0.9, 0.4)),
            ViewEvidence(LEFT, 0.7, (0.6,)),
        ]
    )
    assert list(scores.breasts) == [RIGHT, LEFT]
    assert scores.exam == scores.breasts[LEFT] > 0.7 > scores.breasts[RIGHT]
    assert scores.shares[0] == (0.0,)
    assert scores.shares[1] == ()
    assert scores.shares[2][0] > scores.shares[2][1] > 0
    assert sum(map(sum, scores.shares)) + scores.rest == pytest.approx(1)
    assert scores.shares[3] == pytest.approx((0.25,))


def test_a_score_rises_with_any_evidence() -> None:
    def exam(opinion: float, mark: float) -> float:
        return score([ViewEvidence(LEFT, opinion, (mark,))]).exam

    assert exam(0.3, 0.3) < exam(0.4, 0.3)
    assert exam(0.3, 0.3) < exam(0.3, 0.5)
    assert score([ViewEvidence(LEFT, 0.3)]).exam == pytest.approx(0.3)
    assert 0 < exam(0.0, 0.0) < exam(1.0, 1.0) < 1


def test_no_view_has_no_score() -> None:
    with pytest.raises(InvalidValueError):
        score([])
    with pytest.raises(InvalidValueError):
        ViewEvidence(LEFT, 1.2)


def test_a_mark_refuses_what_cannot_be() -> None:
    outline = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))
    good = Mark(0, Kind.MASS, (0.5, 0.5), outline, 5.0, 0.5, 0.5)
    assert good.paired(3, 0.8).pair == 3
    for bad in ({"probability": 1.2}, {"malignancy": -0.1}, {"size_mm": 0.0}):
        values = {"probability": 0.5, "malignancy": 0.5, "size_mm": 5.0, **bad}
        with pytest.raises(InvalidValueError):
            Mark(0, Kind.MASS, (0.5, 0.5), outline, **values)


def test_names_are_those_of_the_reading_room() -> None:
    assert [p.value for p in Projection] == ["CC", "MLO"]
    assert {s.value for s in Source} == {"digital", "synthetic", "film"}
