"""Windows of films, each time another: turned, stretched, and as other scanners show them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample

from mammo.image.grid import SPACING_MM
from training.mammo.films import Film
from training.mammo.network import OUTLINE_STRIDE, STRIDE


@dataclass(frozen=True)
class Example:
    """A film at the spacing that the network reads.

    Parameters
    ----------
    grey : Tensor of uint8, shape (rows, columns)
    inside : Tensor of uint8, same shape, or None
        255 inside its masses; None where nobody outlined them.
    boxes : ndarray, shape (n, 4)
        x0, y0, x1, y1 of its masses, pixels of ``grey``.
    malignant : bool, optional
    signs : tuple of bool
        Of `training.mammo.films.SIGNS`.
    marked, described : bool
        As in `training.mammo.films.Film`.
    """

    grey: Tensor
    inside: Tensor | None
    boxes: npt.NDArray[np.float64]
    malignant: bool | None
    signs: tuple[bool, ...]
    marked: bool = True
    described: bool = True


def example(film: Film, spacing_mm: float) -> Example:
    """Read, prepare and shrink one film."""
    prepared = film.prepared()
    outlined = film.outlined(prepared)
    grey = prepared.at(spacing_mm)
    inside = None
    if outlined is not None:
        coarse = _shrunk(outlined, grey.shape)
        inside = torch.from_numpy((coarse * 255).round().astype(np.uint8))
    boxes = np.array(film.boxes_on(prepared)).reshape(-1, 4) * (SPACING_MM / spacing_mm)
    return Example(
        torch.from_numpy((grey * 255).round().astype(np.uint8)),
        inside,
        boxes,
        film.malignant,
        film.signs,
        film.marked,
        film.described,
    )


def _shrunk(mask: npt.NDArray[np.bool_], shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    from mammo.image.grid import resized

    return resized(mask, (shape[0], shape[1]))


@dataclass(frozen=True)
class Batch:
    """Films and their targets; see :class:`training.mammo.network.Opinion` for the shapes.

    ``inside`` is the share of each cell at `OUTLINE_STRIDE` that lies in a mass; ``outlined``
    and ``shown`` tell, film by film, whether it is known and whether a mass lies in the window.
    ``known`` tells whether pathology is, ``marked`` whether places are, ``described`` whether
    signs are; ``told``, whether the window may teach what the whole film is: one of its masses
    lies in it, or nobody says where to look.
    """

    films: Tensor
    centres: Tensor
    inside: Tensor
    outlined: Tensor
    shown: Tensor
    malignant: Tensor
    signs: Tensor
    known: Tensor
    marked: Tensor
    described: Tensor
    told: Tensor


def batch(
    examples: list[Example], window: tuple[int, int], rng: np.random.Generator, strength: float
) -> Batch:
    """One varied window of each example.

    Parameters
    ----------
    examples : list of Example
    window : (int, int)
        Rows and columns, divisible by 32.
    rng : Generator
    strength : float
        0 for the films as they are, 1 for all of the variation.
    """
    made = [_one(one, window, rng, strength) for one in examples]
    films = torch.stack([m[0] for m in made])[:, None]
    return Batch(
        films=_seen(films, rng, strength),
        centres=torch.stack([m[1] for m in made]),
        inside=torch.stack([m[2] for m in made]),
        outlined=torch.tensor([e.inside is not None for e in examples]),
        shown=torch.tensor([bool(m[3]) for m in made]),
        malignant=torch.tensor([bool(e.malignant) for e in examples], dtype=torch.float32),
        signs=torch.tensor([e.signs for e in examples], dtype=torch.float32),
        known=torch.tensor([e.malignant is not None for e in examples]),
        marked=torch.tensor([e.marked for e in examples]),
        described=torch.tensor([e.described for e in examples]),
        told=torch.tensor(
            [
                e.malignant is not None and (bool(m[3]) or not len(e.boxes))
                for e, m in zip(examples, made, strict=True)
            ]
        ),
    )


def _one(
    one: Example, window: tuple[int, int], rng: np.random.Generator, strength: float
) -> tuple[Tensor, Tensor, Tensor, int]:
    rows, columns = window
    matrix, offset = _map(one, window, rng, strength)
    # From window pixels to film pixels: film = matrix @ (window - middle) + offset.
    shape = np.array([one.grey.shape[1], one.grey.shape[0]], dtype=float)
    half = np.array([columns, rows]) / 2
    theta = np.concatenate(
        [matrix * half / (shape[:, None] / 2), (offset / (shape / 2) - 1)[:, None]], axis=1
    )
    grid = affine_grid(
        torch.from_numpy(theta).float()[None], [1, 1, rows, columns], align_corners=False
    )
    grey = grid_sample(one.grey.float()[None, None] / 255, grid, align_corners=False)[0, 0]
    inside = torch.zeros(rows // OUTLINE_STRIDE, columns // OUTLINE_STRIDE)
    if one.inside is not None:
        mask = grid_sample(one.inside.float()[None, None] / 255, grid, align_corners=False)
        inside = avg_pool2d(mask, OUTLINE_STRIDE)[0, 0]
    centres, shown = _centres(one.boxes, np.linalg.inv(matrix), offset, window)
    return grey, centres, inside, shown


def _map(
    one: Example, window: tuple[int, int], rng: np.random.Generator, strength: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Turn, zoom, stretch and shear, and the film's point that the window's middle shows."""
    angle = np.deg2rad(rng.uniform(-15, 15)) * strength
    zoom = np.exp(rng.uniform(-0.2, 0.2) * strength)
    stretch = np.exp(rng.uniform(-0.08, 0.08, 2) * strength)
    shear = rng.uniform(-0.08, 0.08) * strength
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1, shear], [0, 1]]) @ np.diag(stretch) * zoom
    if strength and rng.random() < 0.5:
        matrix = matrix @ np.diag([1.0, -1.0])
    size = np.array([one.grey.shape[1], one.grey.shape[0]], dtype=float)
    reach = np.array([window[1], window[0]]) * zoom
    # Where the film is larger than the window, most windows hold one of its masses.
    if len(one.boxes):
        box = one.boxes[rng.integers(len(one.boxes))]
        aim = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    if rng.random() < 0.15 or not len(one.boxes):
        aim = rng.uniform(0, 1, 2) * size
    free = np.maximum(size - reach, 0)
    low = np.clip(aim - reach * 0.9, 0, free)
    high = np.clip(aim - reach * 0.1, 0, free)
    start = rng.uniform(low, np.maximum(high, low))
    # A small film lies anywhere in the window.
    spare = np.maximum(reach - size, 0)
    start = start - spare * np.array([0.25 * rng.random(), rng.random()])
    return matrix, start + reach / 2


def _centres(
    boxes: npt.NDArray[np.float64],
    back: npt.NDArray[np.float64],
    offset: npt.NDArray[np.float64],
    window: tuple[int, int],
) -> tuple[Tensor, int]:
    """Target of the heat maps, 1 at the centre of each mass, and how many are in the window."""
    rows, columns = window[0] // STRIDE, window[1] // STRIDE
    down, across = np.mgrid[0:rows, 0:columns]
    heat, shown = np.zeros((rows, columns)), 0
    for x0, y0, x1, y1 in boxes:
        middle = (back @ (np.array([(x0 + x1) / 2, (y0 + y1) / 2]) - offset)) / STRIDE
        column, row = middle + np.array([columns, rows]) / 2
        if not (0 <= column < columns and 0 <= row < rows):
            continue
        shown += 1
        size = np.abs(back) @ np.array([x1 - x0, y1 - y0]) / STRIDE
        sigma = np.maximum(0.8, 0.18 * size)
        far = ((across + 0.5 - column) / sigma[0]) ** 2 + ((down + 0.5 - row) / sigma[1]) ** 2
        heat = np.maximum(heat, np.exp(-far / 2))
        heat[int(row), int(column)] = 1
    return torch.from_numpy(heat).float(), shown


def _seen(films: Tensor, rng: np.random.Generator, strength: float) -> Tensor:
    """Other curves, contrast, sharpness and noise, as other films and digital systems have."""
    if not strength:
        return films
    count = len(films)
    where = films > 0
    gamma = _each(np.exp(rng.uniform(-0.5, 0.5, count) * strength))
    films = films.clamp(0, 1) ** gamma
    # A digital system takes out much of the slow course of thickness.
    slow = avg_pool2d(films, 65, 16, 32, count_include_pad=False)
    slow = torch.nn.functional.interpolate(
        slow, size=films.shape[-2:], mode="bilinear", align_corners=False
    )
    flat = _each(rng.uniform(0, 0.6, count) * (rng.random(count) < 0.4) * strength)
    films = films - flat * (slow - slow.mean((2, 3), keepdim=True))
    soft = avg_pool2d(films, 3, 1, 1, count_include_pad=False)
    films = films + (films - soft) * _each(rng.uniform(-0.8, 0.8, count) * strength)
    gain = _each(1 + rng.uniform(-0.25, 0.25, count) * strength)
    films = (films - 0.4) * gain + 0.4 + _each(rng.uniform(-0.1, 0.1, count) * strength)
    sigma = _each(rng.uniform(0, 0.04, count) * (rng.random(count) < 0.5) * strength)
    noise = torch.from_numpy(rng.standard_normal(tuple(films.shape), dtype=np.float32))
    return torch.where(where, (films + noise * sigma).clamp(0, 1), films.new_zeros(()))


def _each(values: npt.NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(np.asarray(values)).float().view(-1, 1, 1, 1)
