"""Outlines against those that people drew, as the bench counts them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.mammo.outlines import against, figures
from mammo.image.grid import SPACING_MM
from mammo.marks.outlines import circle


def disk(radius_mm: float, centre: tuple[float, float]) -> np.ndarray:
    down, across = np.indices((200, 160)) + 0.5
    return np.hypot(across - centre[0], down - centre[1]) * SPACING_MM <= radius_mm


def test_an_outline_agrees_with_its_own_mass_and_its_size_is_told() -> None:
    centre = (80.0, 100.0)
    same, _ = circle(centre, 12.0)
    found = against(same, disk(6.0, centre))
    assert found.dice > 0.97
    assert found.log_size == pytest.approx(0, abs=0.02)
    half, _ = circle(centre, 6.0)
    small = against(half, disk(6.0, centre))
    assert small.dice == pytest.approx(2 * 0.25 / 1.25, abs=0.02)
    assert small.log_size == pytest.approx(math.log(0.5), abs=0.03)


def test_figures_are_of_all_outlines() -> None:
    centre = (80.0, 100.0)
    mass = disk(6.0, centre)
    found = [against(circle(centre, size)[0], mass) for size in (12.0, 6.0)]
    told = figures(["A", "B"], found)
    assert told.startswith("n 2, Dice 0.6")
    assert f"standard deviation {math.log(2) / 2:.2f}" in told
