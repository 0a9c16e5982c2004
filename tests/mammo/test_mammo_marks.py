"""Peaks, outlines, kinds and scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from drawn import breast

from gransk.core.errors import InvalidValueError
from mammo.image.grid import SPACING_MM, prepare
from mammo.marks.detector import SIGNS, Detector, Networks, kind_of, page
from mammo.marks.mark import Kind, Mark
from mammo.marks.outlines import UNKNOWN_MM, outline_of
from mammo.marks.peaks import peaks
from mammo.marks.signs import told
from mammo.scores.score import ViewEvidence, score
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


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"irregular": 0.7, "round": 0.6, "spiculated": 0.9}, ("irregular", "spiculated")),
        ({"lobulated": 0.5, "obscured": 0.49, "ill_defined": 0.3}, ("lobulated", None)),
        ({"distortion": 0.9, "circumscribed": 0.6}, (None, "circumscribed")),
        ({"irregular": 0.4}, (None, None)),
    ],
)
def test_shape_and_margin_are_told_where_they_are_likely(said, words) -> None:
    looks = told({name: said.get(name, 0.0) for name in SIGNS})
    assert (looks.get("shape"), looks.get("margin")) == words


def test_a_mass_bears_its_words_and_a_distortion_none() -> None:
    prepared = prepare(breast(), (SPACING_MM, SPACING_MM))

    def seen(*likely: str) -> tuple[Kind, str, str]:
        spot = Saying(likely)
        mark = Detector([Networks(spot, 0.4)]).detect(prepared, 0).marks[0]
        return mark.kind, mark.shape, mark.margin

    assert seen("lobulated", "obscured") == (Kind.MASS, "lobulated", "obscured")
    assert seen("distortion", "spiculated") == (Kind.DISTORTION, "", "")


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


def test_a_score_is_the_more_suspicious_breast_and_its_marks_make_all_of_it() -> None:
    scores = score(
        [
            ViewEvidence(RIGHT, (0.1,)),
            ViewEvidence(RIGHT),
            ViewEvidence(LEFT, (0.4, 0.9)),
            ViewEvidence(LEFT, (0.6,)),
        ]
    )
    assert list(scores.breasts) == [RIGHT, LEFT]
    assert scores.views == pytest.approx((0.1, 1e-4, 0.9, 0.6))
    assert scores.exam == scores.breasts[LEFT] == pytest.approx(0.786, abs=0.001)
    assert scores.breasts[RIGHT] < 0.01
    assert scores.shares == ((0.0,), (), (0.0, pytest.approx(0.6)), (pytest.approx(0.4),))


def test_a_score_rises_with_the_most_suspicious_mark_alone() -> None:
    def exam(*marks: float) -> float:
        return score([ViewEvidence(LEFT, marks), ViewEvidence(LEFT, (0.5,))]).exam

    assert exam(0.3) < exam(0.4) == exam(0.4, 0.3)
    assert exam() < exam(0.3)
    assert score([ViewEvidence(LEFT, (0.3,))]).exam == pytest.approx(0.3)
    assert 0 < exam(0.0) < exam(1.0) < 1


def test_without_any_mark_no_share_is_given() -> None:
    scores = score([ViewEvidence(LEFT), ViewEvidence(RIGHT)])
    assert scores.shares == ((), ())
    assert scores.exam == pytest.approx(1e-4)


def test_no_view_has_no_score() -> None:
    with pytest.raises(InvalidValueError):
        score([])
    with pytest.raises(InvalidValueError):
        ViewEvidence(LEFT, (1.2,))


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


class Spot:
    """Says a mass at one place of the breast, whatever is shown; the place is in mm."""

    def __init__(self, spacing_mm: float, place_mm: tuple[float, float], members: int = 1) -> None:
        self.cell_mm, self.place_mm, self.members = 8 * spacing_mm, place_mm, members

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        rows, columns = (n // 8 for n in inputs["film"].shape[-2:])
        found = {}
        for name, scale, depth in (
            ("mass", 1, 0), ("malignancy", 1, 0), ("inside", 2, 0), ("signs", 1, 12),
            ("look", 1, 64),
        ):  # fmt: skip
            down, across = np.indices((rows * scale, columns * scale)) + 0.5
            cell = self.cell_mm / scale
            far = np.hypot(across * cell - self.place_mm[0], down * cell - self.place_mm[1])
            odds = (8 - far).astype(np.float32)
            one = odds[None] if not depth else np.repeat(odds[None, None], depth, axis=1)
            # The second network is less sure.
            found[name] = np.stack([one - 2 * n for n in range(self.members)])
        return found


class Saying(Spot):
    """Says some of the signs, and of others that they are not there."""

    def __init__(self, likely: Sequence[str]) -> None:
        super().__init__(0.4, (40.0, 60.0))
        self.odds = np.where(np.isin(SIGNS, likely), 3.0, -3.0)[None, None, :, None, None]

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = super().run(inputs)
        return found | {"signs": 0 * found["signs"] + self.odds.astype(np.float32)}


def test_networks_of_two_spacings_agree_on_a_place() -> None:
    prepared = prepare(breast(), (SPACING_MM, SPACING_MM))
    place = (40.0, 60.0)
    coarse, fine = Networks(Spot(0.4, place), 0.4), Networks(Spot(0.3, place), 0.3)
    for networks in ([coarse], [fine], [coarse, fine]):
        first = Detector(networks).detect(prepared, 3).marks[0]
        assert np.array(first.centre) * SPACING_MM == pytest.approx(place, abs=1.5)
        assert first.view == 3
        assert first.probability > 0.99
        assert first.size_mm == pytest.approx(16, abs=2.5)


def test_members_are_averaged_in_log_odds() -> None:
    prepared = prepare(breast(), (SPACING_MM, SPACING_MM))
    odds = []
    for members in (1, 2):
        networks = [Networks(Spot(0.4, (40.0, 60.0), members=members), 0.4)]
        value = Detector(networks).detect(prepared, 0).marks[0].probability
        odds.append(np.log(value / (1 - value)))
    # The second says 2 less than the first.
    assert odds[0] - odds[1] == pytest.approx(1, abs=0.01)


def test_a_detector_needs_networks() -> None:
    with pytest.raises(InvalidValueError):
        Detector([])
