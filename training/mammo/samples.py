"""Windows of films, each time another: turned, stretched, and as other scanners show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample

from mammo.image.grid import SPACING_MM
from training.mammo.films import Film
from training.mammo.network import OUTLINE_STRIDE, STRIDE

FloatArray = npt.NDArray[np.float64]
Window = tuple[int, int]


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
    from gransk.core.raster import resized

    return resized(mask, (shape[0], shape[1]))


class Shelf:
    """All films of a fit on one device, each in the top left corner of one size.

    Parameters
    ----------
    examples : sequence of Example
    device : torch.device
    """

    def __init__(self, examples: Sequence[Example], device: torch.device) -> None:
        self.examples = tuple(examples)
        self.device = device
        rows = max(one.grey.shape[0] for one in examples)
        columns = max(one.grey.shape[1] for one in examples)
        self.size = np.array([columns, rows], dtype=float)
        self._grey = torch.zeros(len(examples), 2, rows, columns, dtype=torch.uint8)
        for place, one in zip(self._grey, examples, strict=True):
            height, width = one.grey.shape
            place[0, :height, :width] = one.grey
            if one.inside is not None:
                place[1, :height, :width] = one.inside
        self._grey = self._grey.to(device)

    def __len__(self) -> int:
        return len(self.examples)

    def windows(self, chosen: Sequence[int], thetas: FloatArray, window: Window) -> Tensor:
        """Windows of the chosen films and of what lies inside their masses.

        Parameters
        ----------
        chosen : sequence of int
        thetas : ndarray, shape (n, 2, 3)
            As of `torch.nn.functional.affine_grid`, on the shelf's one size.
        window : (int, int)

        Returns
        -------
        Tensor, shape (n, 2, rows, columns), 0 to 1
        """
        grid = affine_grid(
            torch.from_numpy(thetas).float().to(self.device),
            [len(chosen), 2, *window],
            align_corners=False,
        )
        films = self._grey[torch.as_tensor(chosen, device=self.device)]
        return grid_sample(films.float() / 255, grid, align_corners=False)


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
    shelf: Shelf, chosen: Sequence[int], window: Window, rng: np.random.Generator, strength: float
) -> Batch:
    """One varied window of each chosen film.

    Parameters
    ----------
    shelf : Shelf
    chosen : sequence of int
        Its examples.
    window : (int, int)
        Rows and columns, divisible by 32.
    rng : Generator
    strength : float
        0 for the films as they are, 1 for all of the variation.
    """
    examples = [shelf.examples[n] for n in chosen]
    maps = [_map(one, window, rng, strength) for one in examples]
    # From window pixels to film pixels: film = matrix @ (window - middle) + offset.
    half = np.array([window[1], window[0]]) / 2
    thetas = [
        np.concatenate(
            [
                matrix * half / (shelf.size[:, None] / 2),
                (offset / (shelf.size / 2) - 1)[:, None],
            ],
            axis=1,
        )
        for matrix, offset in maps
    ]
    pixels = shelf.windows(chosen, np.array(thetas), window)
    places = [_places(e.boxes, *m, window) for e, m in zip(examples, maps, strict=True)]
    shown = np.array([len(place) > 0 for place in places])
    known = np.array([e.malignant is not None for e in examples])
    boxless = np.array([not len(e.boxes) for e in examples])

    def told(values: npt.ArrayLike, kind: torch.dtype = torch.bool) -> Tensor:
        return torch.as_tensor(np.asarray(values), dtype=kind).to(shelf.device)

    return Batch(
        films=_seen(pixels[:, :1], rng, strength),
        centres=_centres(places, window, shelf.device),
        inside=avg_pool2d(pixels[:, 1], OUTLINE_STRIDE),
        outlined=told([e.inside is not None for e in examples]),
        shown=told(shown),
        malignant=told([bool(e.malignant) for e in examples], torch.float32),
        signs=told([e.signs for e in examples], torch.float32),
        known=told(known),
        marked=told([e.marked for e in examples]),
        described=told([e.described for e in examples]),
        told=told(known & (shown | boxless)),
    )


def _map(
    one: Example, window: Window, rng: np.random.Generator, strength: float
) -> tuple[FloatArray, FloatArray]:
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


def _places(
    boxes: FloatArray, matrix: FloatArray, offset: FloatArray, window: Window
) -> FloatArray:
    """Column, row, and their deviations, in cells, of each mass whose centre is in the window."""
    back = np.linalg.inv(matrix)
    rows, columns = window[0] // STRIDE, window[1] // STRIDE
    found = []
    for x0, y0, x1, y1 in boxes:
        middle = (back @ (np.array([(x0 + x1) / 2, (y0 + y1) / 2]) - offset)) / STRIDE
        column, row = middle + np.array([columns, rows]) / 2
        if not (0 <= column < columns and 0 <= row < rows):
            continue
        size = np.abs(back) @ np.array([x1 - x0, y1 - y0]) / STRIDE
        found.append([column, row, *np.maximum(0.8, 0.18 * size)])
    return np.array(found, dtype=float).reshape(-1, 4)


def _centres(places: Sequence[FloatArray], window: Window, device: torch.device) -> Tensor:
    """Target of the heat maps, 1 at the centre of each mass."""
    rows, columns = window[0] // STRIDE, window[1] // STRIDE
    most = max(1, *(len(place) for place in places))
    padded = np.zeros((len(places), most, 4), dtype=np.float32)
    padded[..., :2], padded[..., 2:] = -1000, 1
    for row, place in zip(padded, places, strict=True):
        row[: len(place)] = place
    spots = torch.from_numpy(padded).to(device)[:, :, None, None]
    down = torch.arange(rows, device=device)[:, None] + 0.5
    across = torch.arange(columns, device=device) + 0.5
    far = ((across - spots[..., 0]) / spots[..., 2]) ** 2
    far = far + ((down - spots[..., 1]) / spots[..., 3]) ** 2
    heat = torch.exp(-far / 2)
    own = (across - 0.5 == spots[..., 0].floor()) & (down - 0.5 == spots[..., 1].floor())
    return torch.where(own, heat.new_ones(()), heat).amax(1)


def _seen(films: Tensor, rng: np.random.Generator, strength: float) -> Tensor:
    """Other curves, contrast, sharpness and noise, as other films and digital systems have."""
    if not strength:
        return films
    count = len(films)
    where = films > 0

    def each(values: npt.ArrayLike) -> Tensor:
        return torch.as_tensor(np.asarray(values)).float().to(films.device).view(-1, 1, 1, 1)

    gamma = each(np.exp(rng.uniform(-0.5, 0.5, count) * strength))
    films = films.clamp(0, 1) ** gamma
    # A digital system takes out much of the slow course of thickness.
    slow = avg_pool2d(films, 65, 16, 32, count_include_pad=False)
    slow = torch.nn.functional.interpolate(
        slow, size=films.shape[-2:], mode="bilinear", align_corners=False
    )
    flat = each(rng.uniform(0, 0.6, count) * (rng.random(count) < 0.4) * strength)
    films = films - flat * (slow - slow.mean((2, 3), keepdim=True))
    soft = avg_pool2d(films, 3, 1, 1, count_include_pad=False)
    films = films + (films - soft) * each(rng.uniform(-0.8, 0.8, count) * strength)
    gain = each(1 + rng.uniform(-0.25, 0.25, count) * strength)
    films = (films - 0.4) * gain + 0.4 + each(rng.uniform(-0.1, 0.1, count) * strength)
    sigma = each(rng.uniform(0, 0.04, count) * (rng.random(count) < 0.5) * strength)
    dice = torch.Generator(films.device).manual_seed(int(rng.integers(2**62)))
    noise = torch.randn(films.shape, generator=dice, device=films.device)
    return torch.where(where, (films + noise * sigma).clamp(0, 1), films.new_zeros(()))
