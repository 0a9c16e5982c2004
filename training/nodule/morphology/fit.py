"""Fitting the morphology network to readers' ratings."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import avg_pool3d, cross_entropy
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training.nodule.morphology.network import KINDS, LUNG_HU, MorphologyNet
from training.nodule.morphology.ratings import TRAITS
from training.nodule.morphology.samples import Sample

FloatArray = npt.NDArray[np.float64]

BATCH = 32
TOP_RATE = 3e-3
SMOOTHING = 0.02
# Medians of few readers are less sure.
READER_WEIGHTS = {1: 0.4, 2: 0.6}
# Nodules that readers found neither likely nor unlikely say little of suspicion.
UNDECIDED, UNDECIDED_WEIGHT = 0.125, 0.3
# Spicules end where a pasted nodule was cut out.
PASTED_SHAPE_WEIGHT = 0.2
# How much oftener than a plain solid nodule a kind is drawn.
DRAWN = {"ground_glass": 3.0, "part_solid": 4.0, "calcified": 1.5, "spiculated": 2.0,
         "lobulated": 1.0, "suspicious": 1.0}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Samples as arrays, one row each.

    Parameters
    ----------
    views : ndarray of float16, shape (n, 2, 15, 48, 48)
    texture : ndarray of int64
    traits : ndarray of float32, shape (n, 3)
    suspicion : ndarray of float32
    weight : ndarray of float32
        By the number of readers.
    pasted : ndarray of bool
    """

    views: npt.NDArray[np.float16]
    texture: npt.NDArray[np.int64]
    traits: npt.NDArray[np.float32]
    suspicion: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]
    pasted: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, samples: list[Sample]) -> Table:
        return cls(
            np.stack([s.view for s in samples]),
            np.array([s.ratings.kind for s in samples]),
            np.array([s.ratings.traits for s in samples], np.float32),
            np.array([s.ratings.suspicion for s in samples], np.float32),
            np.array([READER_WEIGHTS.get(s.readers, 1.0) for s in samples], np.float32),
            np.array([s.pasted for s in samples]),
        )

    def drawn(self) -> FloatArray:
        """Chance of each row to be drawn: rare kinds more often than they occur."""
        share = np.ones(len(self.views))
        share += DRAWN["ground_glass"] * (self.texture == 0)
        share += DRAWN["part_solid"] * (self.texture == 1)
        share += self.traits @ np.array([DRAWN[name] for name in TRAITS])
        share += DRAWN["suspicious"] * (self.suspicion >= 0.75)
        return share / share.sum()


def varied(views: Tensor, rng: np.random.Generator) -> Tensor:
    """Turned, mirrored, shifted, with other HU, kernel and noise; air beyond the slices stays."""
    views = torch.rot90(views, int(rng.integers(4)), (3, 4))
    flips = [axis for axis in (2, 3, 4) if rng.random() < 0.5]
    views = torch.flip(views, flips) if flips else views
    views = torch.roll(views, (int(rng.integers(-1, 2)), int(rng.integers(-1, 2))), (3, 4))
    count, wide = len(views), (-1, 1, 1, 1, 1)

    def drawn(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, count)).float().view(wide)

    hu, mask = views[:, :1], views[:, 1:]
    known = hu.amax((3, 4), keepdim=True) > LUNG_HU
    blurred = avg_pool3d(hu, (1, 3, 3), stride=1, padding=(0, 1, 1), count_include_pad=False)
    hu = hu + drawn(-0.5, 0.8) * (blurred - hu)
    hu = (hu + 1000) * drawn(0.96, 1.04) - 1000 + drawn(-25, 25)
    hu = hu + torch.randn_like(hu) * drawn(-25, 25).clamp(min=0)
    return torch.cat([torch.where(known, hu, torch.full_like(hu, LUNG_HU)), mask], 1)


def loss_of(logits: Tensor, table: Table, rows: npt.NDArray[np.int64]) -> Tensor:
    """Cross-entropy of texture, traits and suspicion, weighted by readers."""
    weight = torch.from_numpy(table.weight[rows])
    texture = cross_entropy(
        logits[:, :KINDS], torch.from_numpy(table.texture[rows]), reduction="none"
    )
    traits = torch.from_numpy(table.traits[rows]) * (1 - 2 * SMOOTHING) + SMOOTHING
    seen = torch.ones_like(traits)
    seen[torch.from_numpy(table.pasted[rows]), 1:] = PASTED_SHAPE_WEIGHT
    shape = bce(logits[:, KINDS:-1], traits, weight=seen, reduction="none").sum(1)
    suspicion = torch.from_numpy(table.suspicion[rows])
    sure = torch.where((suspicion - 0.5).abs() <= UNDECIDED, UNDECIDED_WEIGHT, 1.0)
    worry = bce(logits[:, -1], suspicion, weight=2 * sure, reduction="none")
    return ((texture + shape + worry) * weight).sum() / weight.sum()


def fit(train: Table, steps: int, seed: int, threads: int) -> MorphologyNet:
    """Train for a number of batches, deterministic for a seed and a number of threads.

    Returns
    -------
    MorphologyNet
        Running average of the weights, in evaluation mode.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    rng = np.random.default_rng(seed)
    net = MorphologyNet()
    net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    mean = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.99), use_buffers=True)
    optimiser = torch.optim.AdamW(net.parameters(), lr=TOP_RATE, weight_decay=0.03)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, TOP_RATE, total_steps=steps)
    chance = train.drawn()
    began, total = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        rows = np.sort(rng.choice(len(chance), BATCH, p=chance))
        views = varied(torch.from_numpy(train.views[rows]).float(), rng)
        loss = loss_of(net(views), train, rows)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        mean.update_parameters(net)
        total += float(loss.detach())
        if step % 50 == 0 or step == steps:
            took = time.monotonic() - began
            print(f"step {step}/{steps}  loss {total / 50:.4f}  {took:.0f} s", flush=True)
            total = 0.0
    fitted: MorphologyNet = mean.module
    return fitted.eval()


def logits_of(net: MorphologyNet, table: Table) -> FloatArray:
    """Logits of every row, shape (n, 7)."""
    out = []
    with torch.no_grad():
        for start in range(0, len(table.views), 64):
            out.append(net(torch.from_numpy(table.views[start : start + 64]).float()))
    stacked: FloatArray = torch.cat(out).numpy().astype(np.float64)
    return stacked
