"""Windows of films with simulated clusters, each time another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from mammo.image.grid import SPACING_MM
from mammo.marks.calcifications import SPECK_STRIDE, STRIDE
from training.mammo.calcifications.insertion import Scene, generator, scene
from training.mammo.films import Film

CLUSTERS, LONE = 6, 4
"""In each training film."""
VISIBLE = 2.0
"""Contrast from which a cluster must be found; a fainter one is neither wanted nor wrong."""
SPECK = 0.015
"""Grey that a speck adds to be wanted in the map of specks."""
WINDOW = 128
NEAR = 0.7
REACH = 46


@dataclass(frozen=True)
class Example:
    """A film with simulated clusters, as training keeps it.

    Parameters
    ----------
    grey : Tensor of uint8, shape (rows, columns)
        On the prepared grid.
    specks : Tensor of uint8, same shape
        Grey that the specks added, times 255.
    ovals : ndarray, shape (n, 5)
        Of each cluster: column and row of its middle, half its extent across and down, contrast.
    """

    grey: Tensor
    specks: Tensor
    ovals: npt.NDArray[np.float64]


def examples(films: Iterable[Film], seed: int) -> dict[str, Example]:
    """One scene of each film, by its key; the same whichever other films there are."""
    return {
        film.key: kept(scene(film, CLUSTERS, LONE, generator(seed, film.key))) for film in films
    }


def kept(made: Scene) -> Example:
    """What training needs of a scene, as small as can be."""
    ovals = []
    for planted in made.planted:
        half = np.maximum(planted.places.std(axis=0) * 2, 1.0 / SPACING_MM)
        ovals.append((*planted.centre, *half, planted.shown))
    return Example(
        torch.from_numpy((made.prepared.grey * 255).round().astype(np.uint8)),
        torch.from_numpy((np.clip(made.specks, 0, 1) * 255).round().astype(np.uint8)),
        np.array(ovals, dtype=float).reshape(-1, 5),
    )


@dataclass(frozen=True)
class Batch:
    """Windows and their targets; see :class:`training.mammo.calcifications.network.Opinion`.

    ``counted`` is 0 where a cluster is too faint to be wanted.
    """

    films: Tensor
    centres: Tensor
    counted: Tensor
    specks: Tensor


def batch(drawn: list[Example], rng: np.random.Generator) -> Batch:
    """One varied window of each example."""
    made = [_one(example, rng) for example in drawn]
    films, centres, counted, specks = (torch.stack([m[part] for m in made]) for part in range(4))
    return Batch(_seen(films[:, None], rng), centres, counted, specks)


def _one(one: Example, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rows, columns = one.grey.shape
    if len(one.ovals) and rng.random() < NEAR:
        column, row = one.ovals[rng.integers(len(one.ovals)), :2] + rng.uniform(-REACH, REACH, 2)
    else:
        column, row = rng.uniform(0, 1, 2) * (columns, rows)
    top, left = int(row) - WINDOW // 2, int(column) - WINDOW // 2
    grey = _cut(one.grey, top, left).float() / 255
    specks = _cut(one.specks, top, left).float() / 255
    wanted = (max_pool2d(specks[None], SPECK_STRIDE)[0] > SPECK).float()
    centres, counted = _centres(one.ovals - (left, top, 0, 0, 0))
    turned = [grey, centres, counted, wanted]
    for axis in (0, 1):
        if rng.random() < 0.5:
            turned = [m.flip(axis) for m in turned]
    if rng.random() < 0.5:
        turned = [m.T for m in turned]
    return turned[0], turned[1], turned[2], turned[3]


def _cut(pixels: Tensor, top: int, left: int) -> Tensor:
    page = torch.zeros(WINDOW, WINDOW, dtype=pixels.dtype)
    piece = pixels[max(0, top) : max(0, top + WINDOW), max(0, left) : max(0, left + WINDOW)]
    down, across = max(0, -top), max(0, -left)
    page[down : down + piece.shape[0], across : across + piece.shape[1]] = piece
    return page


def _centres(ovals: npt.NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """Target of the heat map, and where it counts."""
    size = WINDOW // STRIDE
    down, across = np.mgrid[0:size, 0:size] + 0.5
    heat, counted = np.zeros((size, size)), np.ones((size, size))
    for column, row, half_x, half_y, contrast in ovals / (STRIDE, STRIDE, STRIDE, STRIDE, 1):
        sigma = np.maximum((half_x, half_y), 1.0) * 0.6
        far = ((across - column) / sigma[0]) ** 2 + ((down - row) / sigma[1]) ** 2
        if contrast < VISIBLE:
            counted[far < 9] = 0
            continue
        heat = np.maximum(heat, np.exp(-far / 2))
        if 0 <= column < size and 0 <= row < size:
            heat[int(row), int(column)] = 1
    return torch.from_numpy(heat).float(), torch.from_numpy(counted).float()


def _seen(films: Tensor, rng: np.random.Generator) -> Tensor:
    """Other curves, sharpness, contrast and noise, as other films and digital systems have."""
    count, where = len(films), films > 0
    films = films ** _each(np.exp(rng.uniform(-0.4, 0.4, count)))
    soft = avg_pool2d(films, 3, 1, 1, count_include_pad=False)
    films = films + (films - soft) * _each(rng.uniform(-0.3, 1.0, count))
    films = (films - 0.4) * _each(rng.uniform(0.75, 1.25, count)) + 0.4
    sigma = _each(rng.uniform(0, 0.01, count) * (rng.random(count) < 0.5))
    noise = torch.from_numpy(rng.standard_normal(tuple(films.shape), dtype=np.float32))
    return torch.where(where, (films + noise * sigma).clamp(0, 1), films.new_zeros(()))


def _each(values: npt.NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(np.asarray(values)).float().view(-1, 1, 1, 1)
