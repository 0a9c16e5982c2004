"""Made pairs of exams are what they say: the bench of comparisons rests on their truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn import breast
from PIL import Image

from bench.mammo.made_pairs import Made, MadePair, made_pair
from mammo.image.grid import SPACING_MM
from mammo.marks.pairs import brightness
from training.mammo.films import Film

MASS = (320.0, 520.0, 7.0)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    folder: Path = tmp_path_factory.mktemp("film")
    pixels = breast(mass=MASS)
    down, across = np.mgrid[0:1000, 0:700]
    inside = np.hypot(across - MASS[0], down - MASS[1]) <= MASS[2] / SPACING_MM
    Image.fromarray((pixels / 4).astype(np.uint8)).save(folder / "film.png")
    Image.fromarray((inside * 255).astype(np.uint8)).save(folder / "mask.png")
    return Film(
        key="one", patient="P", exam="E", side="L", view="CC", density=2, assessment=4,
        malignant=True, shapes="", margins="", boxes=((285.0, 485.0, 355.0, 555.0),),
        shape=(1000, 700), spacing_mm=SPACING_MM, scanner="A",
        image=folder / "film.png", outlines=folder / "mask.png",
    )  # fmt: skip


def made(film: Film, what: Made, seed: int = 3) -> MadePair:
    pair = made_pair(film, what, seed)
    assert pair is not None
    return pair


def contrast(pair: MadePair, later: bool) -> float:
    exam = pair.later if later else pair.earlier
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1) * 6 / SPACING_MM
    return brightness(exam.prepared, around + exam.place)[0]


def test_an_unchanged_mass_lies_where_the_truth_says(film: Film) -> None:
    pair = made(film, Made.STABLE)
    assert pair.earlier.diameter_mm == pytest.approx(14, abs=0.5)
    assert pair.later.diameter_mm == pytest.approx(14, rel=0.12)
    column, row = (int(v) for v in pair.later.place)
    assert pair.later.mass[row, column]
    assert contrast(pair, later=True) > 0.5 * contrast(pair, later=False) > 0


def test_a_grown_mass_is_larger_and_a_shrunk_one_smaller(film: Film) -> None:
    for what, larger in ((Made.GROWN, True), (Made.SHRUNK, False)):
        pair = made(film, what)
        assert (pair.later.diameter_mm > 1.05 * pair.earlier.diameter_mm) is larger


def test_a_mass_is_taken_out_of_one_film_alone(film: Film) -> None:
    new, gone = made(film, Made.NEW), made(film, Made.GONE)
    assert not new.earlier.mass.any()
    assert not gone.later.mass.any()
    there = contrast(new, later=True)
    assert contrast(new, later=False) < 0.3 * there
    assert contrast(gone, later=True) < 0.3 * contrast(gone, later=False)


def test_landmarks_are_the_same_tissue(film: Film) -> None:
    pair = made(film, Made.STABLE)
    moved = np.hypot(*(pair.landmarks[:, 0] - pair.landmarks[:, 1]).T) * SPACING_MM
    assert np.median(moved) > 1
    # The mass is the landmark that can be seen: it lies where its neighbours do.
    near = np.argsort(np.hypot(*(pair.landmarks[:, 0] - pair.earlier.place).T))[:4]
    shift = (pair.landmarks[near, 1] - pair.landmarks[near, 0]).mean(axis=0)
    off = np.subtract(pair.later.place, pair.earlier.place) - shift
    assert np.hypot(*off) * SPACING_MM < 1.5
    rows, columns = np.nonzero(pair.later.mass)
    assert np.hypot(columns.mean() - pair.later.place[0], rows.mean() - pair.later.place[1]) < 5
