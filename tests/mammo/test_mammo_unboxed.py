"""What films without boxes, without pathology or without a description teach the detector."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training.mammo.fit import loss
from training.mammo.network import OUTLINE_STRIDE, STRIDE, Opinion
from training.mammo.samples import Example, batch

WINDOW = (96, 64)
PARTS = ("mass", "malignant", "suspicion", "signs", "film")


def example(boxes: list[tuple[float, ...]], malignant: bool | None, **told: bool) -> Example:
    grey = torch.full(WINDOW, 120, dtype=torch.uint8)
    places = np.array(boxes, dtype=float).reshape(-1, 4)
    return Example(grey, None, places, malignant, (True,) + (False,) * 11, **told)


def opinion(seed: int, count: int) -> Opinion:
    torch.manual_seed(seed)
    rows, columns = WINDOW[0] // STRIDE, WINDOW[1] // STRIDE
    cells = (count, rows, columns)
    return Opinion(
        torch.randn(cells), torch.randn(cells), torch.randn(cells),
        torch.randn(count, WINDOW[0] // OUTLINE_STRIDE, WINDOW[1] // OUTLINE_STRIDE),
        torch.randn(count, 64, rows, columns), torch.randn(count, 12, rows, columns),
        torch.randn(count),
    )  # fmt: skip


def taught(*examples: Example) -> dict[str, bool]:
    """Which parts of the opinion the loss depends on."""
    truth = batch(list(examples), WINDOW, np.random.default_rng(1), 0.0)
    first = opinion(1, len(examples))
    other = opinion(2, len(examples))
    level = loss(first, truth)
    assert torch.isfinite(level)
    changed = {p: loss(replace(first, **{p: getattr(other, p)}), truth) for p in PARTS}
    return {part: not torch.equal(level, value) for part, value in changed.items()}


BOX = [(20.0, 30.0, 44.0, 60.0)]


def test_a_film_with_boxes_teaches_everything() -> None:
    assert taught(example(BOX, True)) == dict.fromkeys(PARTS, True)


def test_a_film_that_is_not_marked_teaches_its_malignancy_alone() -> None:
    only = dict.fromkeys(PARTS, False) | {"film": True}
    assert taught(example([], True, marked=False, described=False)) == only


def test_a_film_without_lesions_teaches_that_there_are_none() -> None:
    none = dict.fromkeys(PARTS, False) | {"film": True, "mass": True, "malignant": True}
    assert taught(example([], False, described=False)) == none


def test_unknown_pathology_teaches_places_and_no_malignancy() -> None:
    places = dict.fromkeys(PARTS, False) | {"mass": True, "signs": True}
    assert taught(example(BOX, None)) == places
    assert taught(example(BOX, None, described=False)) == places | {"signs": False}


def test_films_of_all_kinds_share_a_batch_and_each_counts_as_alone() -> None:
    kinds = [
        example(BOX, True),
        example([], True, marked=False, described=False),
        example(BOX, None, described=False),
    ]
    truth = batch(kinds, WINDOW, np.random.default_rng(1), 0.0)
    assert truth.told.tolist() == [True, True, False]
    assert truth.shown.tolist() == [True, False, True]
    first = opinion(1, 3)
    level = loss(first, truth)
    for part, row, counts in (("mass", 1, False), ("mass", 2, True), ("malignant", 2, False)):
        values = getattr(first, part).clone()
        values[row] += 1
        assert torch.equal(loss(replace(first, **{part: values}), truth), level) != counts
