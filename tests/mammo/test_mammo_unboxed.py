"""What films without boxes, without pathology or without a description teach the detector."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training.mammo.fit import loss  # noqa: E402
from training.mammo.network import OUTLINE_STRIDE, STRIDE, Opinion  # noqa: E402
from training.mammo.samples import Example, Shelf, batch  # noqa: E402

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
    truth = batch(
        Shelf(examples, torch.device("cpu")),
        range(len(examples)),
        WINDOW,
        np.random.default_rng(1),
        0.0,
    )
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
    truth = batch(
        Shelf(kinds, torch.device("cpu")), range(3), WINDOW, np.random.default_rng(1), 0.0
    )
    assert truth.told.tolist() == [True, True, False]
    assert truth.shown.tolist() == [True, False, True]
    first = opinion(1, 3)
    level = loss(first, truth)
    for part, row, counts in (("mass", 1, False), ("mass", 2, True), ("malignant", 2, False)):
        values = getattr(first, part).clone()
        values[row] += 1
        assert torch.equal(loss(replace(first, **{part: values}), truth), level) != counts


@pytest.mark.parametrize("seed", range(12))
def test_a_turned_window_shows_the_mass_where_its_target_is(seed: int) -> None:
    grey = torch.full((200, 150), 60, dtype=torch.uint8)
    inside = torch.zeros((200, 150), dtype=torch.uint8)
    inside[90:130, 40:64] = 255
    one = Example(grey, inside, np.array([[40.0, 90.0, 64.0, 130.0]]), True, (True,) * 12)
    small = example(BOX, False)
    shelf = Shelf([small, one], torch.device("cpu"))
    truth = batch(shelf, [1, 0], (160, 128), np.random.default_rng(seed), 1.0)
    target = (truth.centres[0] == 1).nonzero()
    if not len(target):
        assert truth.inside[0].sum() < 40
        return
    shown = truth.inside[0]
    rows, columns = torch.meshgrid(*(torch.arange(n) + 0.5 for n in shown.shape), indexing="ij")
    middle = torch.stack([(rows * shown).sum(), (columns * shown).sum()]) / shown.sum()
    cut = shown[[0, -1]].sum() + shown[:, [0, -1]].sum()
    assert cut > 0 or (middle / 2 - (target[0] + 0.5)).abs().max() < 1
