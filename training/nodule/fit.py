"""Fitting the network to the samples."""

from __future__ import annotations

import copy
import time

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from training.nodule.network import SpotNet
from training.nodule.samples import HIGH_HU, LOW_HU
from training.nodule.table import Table

POSITIVE_SHARE = 0.4
BATCH = 32
TOP_RATE = 2.5e-3
# What a sample that was judged right counts, beside 1 for one judged wrong.
EASY = 0.25
SMOOTHING = 0.02
# Rare kinds are drawn more often than they occur.
KIND_WEIGHTS = {"cutout": 0.6, "beside": 0.5, "synthetic": 1.0}


def to_hu(views: npt.NDArray[np.uint8]) -> Tensor:
    """HU of what :func:`training.nodule.samples.packed` made."""
    return torch.from_numpy(views).float() * ((HIGH_HU - LOW_HU) / 255) + LOW_HU


def _varied(views: Tensor, rng: np.random.Generator) -> Tensor:
    """Turned, mirrored, zoomed, with another kernel or slice thickness, HU and noise."""
    count = len(views)
    flips = [axis for axis in (2, 3, 4) if rng.random() < 0.5]
    views = _turned(torch.flip(views, flips) if flips else views, rng)
    if rng.random() < 0.5:
        # Smoother or sharper, as kernels are.
        soft = avg_pool2d(views.flatten(1, 2), 3, 1, 1, count_include_pad=False).view_as(views)
        views = torch.lerp(views, soft, _each(rng.uniform(-0.6, 0.6, count)))
    else:
        # Thicker slices.
        thick = views.clone()
        thick[:, :, 1:-1] = (views[:, :, :-2] + views[:, :, 1:-1] + views[:, :, 2:]) / 3
        views = torch.lerp(views, thick, _each(rng.uniform(-0.2, 1, count).clip(0)))
    views = views * _each(rng.normal(1, 0.04, count)) + _each(rng.uniform(-40, 40, count))
    sigma = _each(rng.uniform(0, 40, count) * (rng.random(count) < 0.5))
    return views + torch.randn_like(views) * sigma


def _each(values: npt.NDArray[np.floating]) -> Tensor:
    """One value for each sample of a batch."""
    return torch.from_numpy(values).float().view(-1, 1, 1, 1, 1)


def _turned(views: Tensor, rng: np.random.Generator) -> Tensor:
    """Turned about the body's long axis by any angle and a little zoomed in the plane."""
    count = len(views)
    angle = rng.uniform(0, 2 * np.pi, count)
    zoom = rng.uniform(0.87, 1.15, count)
    matrix = np.zeros((count, 2, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = np.cos(angle) * zoom
    matrix[:, 0, 1], matrix[:, 1, 0] = -np.sin(angle) * zoom, np.sin(angle) * zoom
    # Slices of both views share their middle, so that one matrix turns all alike.
    plane = views.flatten(1, 2)
    where = affine_grid(torch.from_numpy(matrix).float(), list(plane.shape), align_corners=False)
    turned = grid_sample(plane, where, padding_mode="border", align_corners=False)
    return turned.view_as(views)


def _weights(table: Table) -> npt.NDArray[np.float64]:
    weight = np.array([KIND_WEIGHTS.get(k, 1.0) for k in table.kind])
    for positive, share in ((True, POSITIVE_SHARE), (False, 1 - POSITIVE_SHARE)):
        group = table.nodule == positive
        weight[group] *= share / weight[group].sum()
    return weight


def fit(train: Table, steps: int, seed: int, threads: int) -> SpotNet:
    """Train for a number of batches, deterministic for a seed and a number of threads.

    Samples that were judged wrong when last seen are drawn more often, so that
    the hard negatives of the training scans are mined on the way.

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
    error = np.ones(len(train))
    began, total = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        chance = weight * (EASY + error)
        rows = np.sort(rng.choice(len(train), BATCH, p=chance / chance.sum()))
        views = _varied(to_hu(train.views[rows]), rng)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = net(views).float()
        loss = _loss(logits, train, rows)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        given = torch.sigmoid(logits[:, 0].detach()).numpy()
        error[rows] = np.abs(given - train.nodule[rows])
        total += float(loss.detach())
        _average(mean, net, min(0.995, step / (step + 10)))
        if step % 100 == 0 or step == steps:
            took = time.monotonic() - began
            last = (step - 1) % 100 + 1
            print(f"step {step}/{steps}  loss {total / last:.4f}  {took:.0f} s", flush=True)
            total = 0.0
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
