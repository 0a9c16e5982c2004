"""Fitting the network to the samples."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from training.nodule.network import SpotNet
from training.nodule.samples import HIGH_HU, LOW_HU, Sample

POSITIVE_SHARE = 0.4
BATCH = 64
TOP_RATE = 3e-3
SMOOTHING = 0.02
# Rare kinds are drawn more often than they occur.
KIND_WEIGHTS = {"cutout": 0.6, "beside": 0.5, "synthetic": 1.0}


@dataclass(frozen=True)
class Table:
    """Samples as arrays."""

    views: npt.NDArray[np.uint8]
    nodule: npt.NDArray[np.bool_]
    malignancy: npt.NDArray[np.float32]
    diameter_mm: npt.NDArray[np.float32]
    kind: list[str]
    source: list[str]

    @classmethod
    def of(cls, samples: list[Sample]) -> Table:
        return cls(
            np.stack([s.view for s in samples]),
            np.array([s.nodule for s in samples]),
            np.array([s.malignancy for s in samples], np.float32),
            np.array([s.diameter_mm for s in samples], np.float32),
            [s.kind for s in samples],
            [s.source for s in samples],
        )


def _to_hu(views: npt.NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(views).float() * ((HIGH_HU - LOW_HU) / 255) + LOW_HU


def _varied(views: Tensor, rng: np.random.Generator) -> Tensor:
    """Turned, mirrored, shifted in HU, noisier."""
    views = torch.rot90(views, int(rng.integers(4)), (3, 4))
    flips = [axis for axis in (2, 3, 4) if rng.random() < 0.5]
    views = torch.flip(views, flips) if flips else views
    count = len(views)
    scale = torch.from_numpy(rng.normal(1, 0.04, count)).float()
    shift = torch.from_numpy(rng.uniform(-40, 40, count)).float()
    sigma = torch.from_numpy(rng.uniform(0, 25, count) * (rng.random(count) < 0.5)).float()
    wide = (-1, 1, 1, 1, 1)
    views = views * scale.view(wide) + shift.view(wide)
    return views + torch.randn_like(views) * sigma.view(wide)


def _weights(table: Table) -> npt.NDArray[np.float64]:
    weight = np.array([KIND_WEIGHTS.get(k, 1.0) for k in table.kind])
    for positive, share in ((True, POSITIVE_SHARE), (False, 1 - POSITIVE_SHARE)):
        group = table.nodule == positive
        weight[group] *= share / weight[group].sum()
    return weight


def fit(train: Table, val: Table, steps: int, seed: int, threads: int) -> SpotNet:
    """Train for a number of batches, deterministic for a seed and a number of threads.

    Returns
    -------
    SpotNet
        Running average of the weights, in evaluation mode.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    rng = np.random.default_rng(seed)
    net = SpotNet()
    net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    mean = copy.deepcopy(net).eval()
    optimiser = torch.optim.AdamW(net.parameters(), lr=TOP_RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, TOP_RATE, total_steps=steps)
    weight = _weights(train)
    began, total = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        rows = np.sort(rng.choice(len(weight), BATCH, p=weight))
        loss = _loss(net(_varied(_to_hu(train.views[rows]), rng)), train, rows)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        total += float(loss.detach())
        _average(mean, net, min(0.995, step / (step + 10)))
        if step % 100 == 0 or step == steps:
            took = time.monotonic() - began
            print(f"step {step}/{steps}  loss {total / 100:.4f}  {took:.0f} s", flush=True)
            total = 0.0
        if step % 300 == 0 or step == steps:
            print("  val", summary(val, scores(mean, val)[0]), flush=True)
    return mean


def _loss(logits: Tensor, table: Table, rows: npt.NDArray[np.int64]) -> Tensor:
    target = torch.from_numpy(table.nodule[rows]).float()
    loss = bce(logits[:, 0], target * (1 - 2 * SMOOTHING) + SMOOTHING)
    worry = torch.from_numpy(table.malignancy[rows])
    known = ~torch.isnan(worry)
    if known.any():
        loss = loss + 0.3 * bce(logits[known, 1], worry[known])
    return loss


def _average(mean: SpotNet, net: SpotNet, keep: float) -> None:
    with torch.no_grad():
        pairs = zip(mean.state_dict().values(), net.state_dict().values(), strict=True)
        for slow, fast in pairs:
            if slow.is_floating_point():
                slow.mul_(keep).add_(fast, alpha=1 - keep)
            else:
                slow.copy_(fast)


def scores(net: SpotNet, table: Table) -> npt.NDArray[np.float32]:
    """Probability of nodule and malignancy score, shape (2, n)."""
    out = []
    with torch.no_grad():
        for start in range(0, len(table.views), 128):
            out.append(torch.sigmoid(net(_to_hu(table.views[start : start + 128]))))
    stacked: npt.NDArray[np.float32] = torch.cat(out).numpy().T
    return stacked


def auc(positive: npt.NDArray[np.float32], negative: npt.NDArray[np.float32]) -> float:
    """Chance that a positive scores above a negative, ties half."""
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left")
    equal = np.searchsorted(ordered, positive, "right") - below
    return float((below + equal / 2).mean() / len(negative))


def summary(table: Table, probability: npt.NDArray[np.float32]) -> str:
    """AUC of pasted nodules against a scan's spots, and of cutouts against their like."""
    kind = np.array(table.kind)
    parts = []
    for yes, no in (("pasted nodule", "spot"), ("pasted nodule", "pasted spot"),
                    ("cutout", "beside")):  # fmt: skip
        if (kind == yes).any() and (kind == no).any():
            value = auc(probability[kind == yes], probability[kind == no])
            parts.append(f"{yes}/{no} {value:.4f}")
    return ", ".join(parts)
