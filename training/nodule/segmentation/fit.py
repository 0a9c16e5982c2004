"""Fitting the network to readers' shares."""

from __future__ import annotations

import copy
import time

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from training.nodule.average import average
from training.nodule.segmentation.crops import (
    BLANK,
    CONTINUED,
    PASTED,
    Outlined,
    Scene,
    draw,
)
from training.nodule.segmentation.network import OutlineNet

BATCH = 8
TOP_RATE = 4e-3
KINDS, KIND_SHARES = (BLANK, CONTINUED, PASTED), (0.3, 0.4, 0.3)
# Voxels added to each nodule's size, so that small ones do not outweigh all others.
LEAST_VOXELS = 150.0
AVERAGING = 0.99


def _varied(hu: Tensor, rng: np.random.Generator) -> Tensor:
    """Shifted and stretched in HU, noisier, softer."""
    count = len(hu)
    wide = (-1, 1, 1, 1, 1)
    scale = torch.from_numpy(rng.normal(1, 0.04, count)).float().view(wide)
    shift = torch.from_numpy(rng.uniform(-40, 40, count)).float().view(wide)
    sigma = torch.from_numpy(rng.uniform(0, 40, count) * (rng.random(count) < 0.5)).float()
    return hu * scale + shift + torch.randn_like(hu) * sigma.view(wide)


def _loss(logits: Tensor, share: Tensor, known: Tensor) -> Tensor:
    """Cross entropy for each nodule by its size, and one minus Dice for shares."""
    axes = (1, 2, 3, 4)
    size = (share * known).sum(axes)
    entropy = (bce(logits, share, reduction="none") * known).sum(axes) / (size + LEAST_VOXELS)
    found = torch.sigmoid(logits) * known
    both, squares = (found * share).sum(axes), (found**2).sum(axes) + (share**2 * known).sum(axes)
    dice = (2 * both + 1) / (squares + 1)
    return (0.3 * entropy + 1 - dice).mean()


def _weights(nodules: list[Outlined]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Large nodules and those of more readers are drawn more often than they occur."""
    weight = np.array(
        [
            (0.5 if n.cutout.readers < 3 else 1.0)
            * float(np.clip(n.cutout.diameter_mm / 8, 0.8, 2.0))
            for n in nodules
        ]
    )
    normed: np.ndarray[tuple[int], np.dtype[np.float64]] = weight / weight.sum()
    return normed


def _batch(
    nodules: list[Outlined],
    weight: np.ndarray[tuple[int], np.dtype[np.float64]],
    scenes: list[Scene],
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    views = [
        draw(nodules[n], scenes, str(rng.choice(KINDS, p=KIND_SHARES)), rng)
        for n in rng.choice(len(nodules), BATCH, p=weight)
    ]
    stacks = (
        np.stack([v.hu for v in views]),
        np.stack([v.share for v in views]),
        np.stack([v.known for v in views]).astype(np.float32),
    )
    hu, share, known = (torch.from_numpy(s[:, None]) for s in stacks)
    return hu, share, known


def fit(
    nodules: list[Outlined], scenes: list[Scene], steps: int, seed: int, threads: int
) -> OutlineNet:
    """Train for a number of batches, deterministic for a seed and a number of threads.

    Returns
    -------
    OutlineNet
        Running average of the weights, in evaluation mode.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    rng = np.random.default_rng(seed)
    net = OutlineNet()
    net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    mean = copy.deepcopy(net).eval()
    optimiser = torch.optim.AdamW(net.parameters(), lr=TOP_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, TOP_RATE, total_steps=steps)
    weight = _weights(nodules)
    began, total = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        hu, share, known = _batch(nodules, weight, scenes, rng)
        hu = _varied(hu, rng).to(memory_format=torch.channels_last_3d)
        # Half the time of float32 on processors that have it.
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = net(hu)
        loss = _loss(logits.float(), share, known)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        average(mean, net, min(AVERAGING, step / (step + 10)))
        total += float(loss.detach())
        if step % 50 == 0:
            print(
                f"step {step}: loss {total / 50:.4f}, {time.monotonic() - began:.0f} s", flush=True
            )
            total = 0.0
    return mean.eval()
