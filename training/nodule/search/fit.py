"""Fitting the search network to scenes."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from nodule.search import SLICES, STEPS_MM, STRIDE
from training.nodule.average import average
from training.nodule.fit import to_hu
from training.nodule.search.network import SearchNet
from training.nodule.search.scenes import Scene

BATCH = 24
TOP_RATE = 2e-3
POSITIVE_SHARE = 0.65
# Points along an edge that the network sees; they are cut out wider, to be turned.
SIZE, CUT = 96, 144
# The heat of a nodule falls like a Gaussian of this share of its radius, in mm.
HEAT_SHARE, NARROWEST_MM, WIDEST_MM = 0.45, 1.3, 4.0
HOT = 30.0
RADIUS_WEIGHT = 0.05
AVERAGING = 0.998


class Draw:
    """Batches of slabs with the nodules in them."""

    def __init__(self, scenes: Sequence[Scene], rng: np.random.Generator) -> None:
        self._scenes = scenes
        self._rng = rng
        self._nodules = [(n, m) for n, s in enumerate(scenes) for m in range(len(s.nodules))]

    def __call__(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Slabs in HU, heat, log radius and what counts, the last three by every second point."""
        slabs, truths, ignored = [], [], []
        for _ in range(BATCH):
            scene, middle = self._place()
            slab, origin = self._cut(scene, middle)
            slabs.append(slab)
            truths.append(scene.nodules - [*origin, 0])
            ignored.append(scene.ignored - [*origin, 0])
        hu, matrices = self._turned(to_hu(np.stack(slabs)))
        maps = [
            _maps(_turned_back(t, m), _turned_back(i, m))
            for t, i, m in zip(truths, ignored, matrices, strict=True)
        ]
        heat, radius, known = (torch.from_numpy(np.stack(part)) for part in zip(*maps, strict=True))
        return self._varied(hu), heat, radius, known

    def _place(self) -> tuple[Scene, npt.NDArray[np.float64]]:
        """A scene and the middle of a cut, often near a nodule."""
        rng = self._rng
        if rng.random() < POSITIVE_SHARE:
            number, row = self._nodules[rng.integers(len(self._nodules))]
            scene = self._scenes[number]
            ball = scene.nodules[row]
            spread = ball[3] / STEPS_MM[0] * rng.uniform(-1, 1) * (rng.random() < 0.4)
            aside = rng.uniform(-SIZE / 2.7, SIZE / 2.7, 2)
            return scene, np.add(ball[:3], (spread, *aside))
        scene = self._scenes[rng.integers(len(self._scenes))]
        return scene, scene.inside[rng.integers(len(scene.inside))].astype(float)

    def _cut(
        self, scene: Scene, middle: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
        """Slices round a point, the edge repeated, and the point that is their middle."""
        k, j, i = np.round(middle).astype(int)
        k = int(np.clip(k, 0, len(scene.hu) - 1))
        reach = np.arange(SLICES) - SLICES // 2
        backward = self._rng.random() < 0.5
        at = np.clip(k + (reach[::-1] if backward else reach), 0, len(scene.hu) - 1)
        span = np.arange(CUT) - CUT // 2
        rows = np.clip(j + span, 0, scene.hu.shape[1] - 1)
        columns = np.clip(i + span, 0, scene.hu.shape[2] - 1)
        return scene.hu[np.ix_(at, rows, columns)], np.array([k, j, i], float)

    def _turned(self, hu: Tensor) -> tuple[Tensor, npt.NDArray[np.float64]]:
        """Turned, mirrored and zoomed about the middle; the matrices from new to old mm."""
        rng, count = self._rng, len(hu)
        angle = rng.uniform(0, 2 * np.pi, count)
        zoom = rng.uniform(0.8, 1.25, count)
        flip = rng.choice([-1.0, 1.0], count)
        matrix = np.zeros((count, 2, 2))
        matrix[:, 0, 0], matrix[:, 0, 1] = np.cos(angle) * zoom, -np.sin(angle) * zoom
        matrix[:, 1, 0], matrix[:, 1, 1] = np.sin(angle) * zoom, np.cos(angle) * zoom
        matrix[:, :, 0] *= flip[:, None]
        share = np.concatenate([matrix * SIZE / CUT, np.zeros((count, 2, 1))], 2)
        # Point n lies at n - CUT / 2 in the cut: the middle of the grid is half a point off.
        share[:, :, 2] = (1 / CUT) - (matrix * SIZE / CUT).sum(2) / SIZE
        where = affine_grid(torch.from_numpy(share).float(), [count, 1, SIZE, SIZE],
                            align_corners=False)  # fmt: skip
        out = grid_sample(hu, where, padding_mode="border", align_corners=False)
        return out, matrix

    def _varied(self, hu: Tensor) -> Tensor:
        """Another kernel, slice thickness, HU and noise."""
        rng, count = self._rng, len(hu)
        soft = avg_pool2d(hu, 3, 1, 1, count_include_pad=False)
        thick = hu.clone()
        thick[:, 1:-1] = (hu[:, :-2] + hu[:, 1:-1] + hu[:, 2:]) / 3
        hu = hu + _each(rng.uniform(-0.6, 0.7, count)) * (soft - hu)
        hu = hu + _each(rng.uniform(-0.6, 0.8, count).clip(0)) * (thick - hu)
        hu = hu * _each(rng.normal(1, 0.04, count)) + _each(rng.uniform(-40, 40, count))
        sigma = _each(rng.uniform(0, 60, count) * (rng.random(count) < 0.5))
        noise = torch.randn_like(hu)
        smooth = avg_pool2d(noise, 3, 1, 1) * 3
        share = _each((rng.random(count) < 0.5).astype(float))
        return hu + sigma * (share * noise + (1 - share) * smooth)


def _each(values: npt.NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(values).float().view(-1, 1, 1, 1)


def _turned_back(
    balls: npt.NDArray[np.float64], matrix: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Balls of the cut in the turned frame; ``matrix`` maps (column, row) from new to old."""
    out = balls.copy()
    place = np.linalg.solve(matrix, balls[:, [2, 1]].T).T
    out[:, 2], out[:, 1] = place[:, 0], place[:, 1]
    out[:, 3] /= np.sqrt(abs(np.linalg.det(matrix)))
    return out


def _maps(
    nodules: npt.NDArray[np.float64], ignored: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float32], ...]:
    """Heat, log radius and what counts in the middle slice, shape (SIZE / 2, SIZE / 2)."""
    span = (np.arange(0, SIZE, STRIDE) - SIZE / 2) * STEPS_MM[1]
    heat = np.zeros((len(span), len(span)), np.float32)
    radius, known = np.zeros_like(heat), np.ones_like(heat)
    for k, j, i, r in nodules:
        square = (span[:, None] - j) ** 2 + (span - i) ** 2 + (k * STEPS_MM[0]) ** 2
        width = np.clip(HEAT_SHARE * r, NARROWEST_MM, WIDEST_MM)
        mine = np.exp(-square / (2 * width**2)).astype(np.float32)
        radius = np.where(mine > heat, np.log(r), radius).astype(np.float32)
        heat = np.maximum(heat, mine)
    for k, j, i, r in ignored:
        square = (span[:, None] - j) ** 2 + (span - i) ** 2 + (k * STEPS_MM[0]) ** 2
        known[square <= (1.2 * r + 2) ** 2] = 0
    return heat, radius, known


def loss_of(out: Tensor, heat: Tensor, radius: Tensor, known: Tensor) -> Tensor:
    """Quality focal loss (Li et al. 2020) of the heat and L1 of log radius where it is hot."""
    given = torch.sigmoid(out[:, 0])
    weight = (given - heat).abs() ** 2 * (1 + HOT * heat**2) * known
    total = (weight.detach() * bce(out[:, 0], heat, reduction="none")).sum()
    away = ((out[:, 1] - radius).abs() * (heat > 0.3) * heat * known).sum()
    return (total + RADIUS_WEIGHT * HOT * away) / (1 + (heat * known).sum())


def fit(scenes: Sequence[Scene], steps: int, seed: int, threads: int) -> SearchNet:
    """Train for a number of batches, deterministic for a seed and a number of threads.

    Returns
    -------
    SearchNet
        Running average of the weights, in evaluation mode.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    rng = np.random.default_rng(seed)
    draw = Draw(scenes, rng)
    net = SearchNet()
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    mean = copy.deepcopy(net).eval()
    optimiser = torch.optim.AdamW(net.parameters(), lr=TOP_RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, TOP_RATE, total_steps=steps)
    began, total = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        slabs, heat, radius, known = draw()
        slabs = slabs.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = net(slabs)
        loss = loss_of(out.float(), heat, radius, known)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        total += float(loss.detach())
        average(mean, net, min(AVERAGING, step / (step + 10)))
        if step % 100 == 0 or step == steps:
            took, last = time.monotonic() - began, (step - 1) % 100 + 1
            print(f"step {step}/{steps}  loss {total / last:.4f}  {took:.0f} s", flush=True)
            total = 0.0
    return mean.eval()
