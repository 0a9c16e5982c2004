"""Fitting the detector of masses to the films of four folds."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, logsigmoid
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from training.mammo.network import OUTLINE_STRIDE, STRIDE, Detector, Opinion
from training.mammo.samples import Batch, Example, batch


@dataclass(frozen=True)
class Plan:
    """How long and how to fit.

    Parameters
    ----------
    spacing_mm : float
        Of the network's pixels.
    window : (int, int)
        Rows and columns.
    epochs : float
    rate : float
        Highest learning rate of the heads; the encoder learns at a third of it.
    frozen : int
        Blocks of the encoder that stay as ImageNet left them.
    """

    spacing_mm: float = 0.4
    window: tuple[int, int] = (512, 288)
    epochs: float = 14
    rate: float = 1.2e-3
    frozen: int = 3
    size: int = 8
    decay: float = 0.02
    strength: float = 1.0
    average: float = 0.998
    seed: int = 0


def focal(logits: Tensor, target: Tensor) -> Tensor:
    """Penalty-reduced focal loss of centres (Zhou et al., arXiv:1904.07850, equation 1)."""
    centre = (target == 1).float()
    share = logits.sigmoid()
    right = (1 - share) ** 2 * logsigmoid(logits) * centre
    wrong = (1 - target) ** 4 * share**2 * logsigmoid(-logits) * (1 - centre)
    return -(right.sum() + wrong.sum()) / max(1.0, float(centre.sum()))


def loss(seen: Opinion, truth: Batch) -> Tensor:
    """All parts of the loss."""
    malignant = truth.malignant
    total = focal(*_of(truth.marked, seen.mass, truth.centres))
    bad = truth.centres * malignant[:, None, None]
    total = total + focal(*_of(truth.marked & truth.known, seen.malignant, bad))
    # Inside a mass: its outline, else the cells around its centre.
    pooled = avg_pool2d(truth.inside[:, None], STRIDE // OUTLINE_STRIDE)[:, 0]
    near = torch.maximum(pooled, truth.centres) * (truth.shown[:, None, None])
    soft = malignant * 0.9 + 0.05
    weight = near.flatten(1).sum(1)
    kept = weight > 0.5
    known, described = kept & truth.known, kept & truth.described
    if known.any():
        opinion = (seen.suspicion * near).flatten(1).sum(1) / weight.clamp(min=1e-3)
        total = total + 0.7 * bce(opinion[known], soft[known])
    if described.any():
        signs = (seen.signs * near[:, None]).flatten(2).sum(2) / weight.clamp(min=1e-3)[:, None]
        total = total + 0.7 * bce(signs[described], truth.signs[described] * 0.9 + 0.05)
    if truth.told.any():
        total = total + 0.7 * bce(seen.film[truth.told], soft[truth.told])
    if truth.outlined.any():
        logits, inside = seen.outline[truth.outlined], truth.inside[truth.outlined]
        share = logits.sigmoid()
        both = (share * inside).flatten(1).sum(1)
        dice = (2 * both + 1) / (share.flatten(1).sum(1) + inside.flatten(1).sum(1) + 1)
        total = total + 0.5 * (1 - dice).mean() + 4 * bce(logits, inside)
    return total


def _of(films: Tensor, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Those of the chosen films: as they are where all are."""
    return (logits, target) if films.all() else (logits[films], target[films])


def fit(
    examples: Sequence[Example], plan: Plan, seed: int, weights: Path, start: Detector | None = None
) -> Detector:
    """Fit from ImageNet's weights, or go on from ``start``; returns the averaged network."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = Detector() if start is None else start
    if start is None:
        net.encoder.load_imagenet(weights)
    net.encoder.freeze(plan.frozen)
    net = net.to(memory_format=torch.channels_last)
    averaged = copy.deepcopy(net).requires_grad_(False)
    learned = [p for p in net.parameters() if p.requires_grad]
    inner = {id(p) for p in net.encoder.parameters()}
    groups = [
        {"params": [p for p in learned if id(p) in inner], "lr": plan.rate / 3},
        {"params": [p for p in learned if id(p) not in inner], "lr": plan.rate},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=plan.decay)
    steps = int(plan.epochs * len(examples) / plan.size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [g["lr"] for g in groups], total_steps=steps, pct_start=0.15
    )
    order: list[int] = []
    began, seen_loss = time.perf_counter(), math.nan
    for step in range(steps):
        while len(order) < plan.size:
            order += rng.permutation(len(examples)).tolist()
        drawn = [examples[order.pop()] for _ in range(plan.size)]
        truth = batch(drawn, plan.window, rng, plan.strength)
        films = truth.films.to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            seen = net(films)
        seen = Opinion(**{name: value.float() for name, value in vars(seen).items()})
        value = loss(seen, truth)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(learned, 5.0)
        optimizer.step()
        schedule.step()
        keep = min(plan.average, step / (step + 20))
        with torch.no_grad():
            for mine, theirs in zip(averaged.parameters(), net.parameters(), strict=True):
                mine.lerp_(theirs, 1 - keep)
        now = value.item()
        seen_loss = now if math.isnan(seen_loss) else 0.98 * seen_loss + 0.02 * now
        if step % 60 == 59:
            rate = (step + 1) / (time.perf_counter() - began)
            print(f"step {step + 1} of {steps}, loss {seen_loss:.3f}, {rate:.2f}/s", flush=True)
    return averaged.eval()
