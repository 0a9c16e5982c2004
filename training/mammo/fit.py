"""Fitting the detector of masses to the films of four folds."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits, logsigmoid

from training.mammo.network import OUTLINE_STRIDE, STRIDE, Detector, Opinion
from training.mammo.samples import Batch, Example, Shelf, batch

CPU = torch.device("cpu")
SAID = 100
"""Steps between two lines of the log."""


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
    size : int
        Films of a step.
    decay : float
        Of weights.
    strength : float
        Of variation, see `training.mammo.samples.batch`.
    average : float
        Share that the averaged weights keep at each step.
    """

    spacing_mm: float
    window: tuple[int, int]
    epochs: float = 20
    rate: float = 1.5e-3
    size: int = 16
    decay: float = 0.02
    strength: float = 1.0
    average: float = 0.996


def focal(logits: Tensor, target: Tensor, films: Tensor) -> Tensor:
    """Penalty-reduced focal loss of centres (Zhou et al., arXiv:1904.07850, equation 1)."""
    counted = films.float()[:, None, None]
    centre = (target == 1).float() * counted
    share = logits.sigmoid()
    right = (1 - share) ** 2 * logsigmoid(logits) * centre
    wrong = (1 - target) ** 4 * share**2 * logsigmoid(-logits) * (counted - centre)
    return -(right.sum() + wrong.sum()) / centre.sum().clamp(min=1)


def loss(seen: Opinion, truth: Batch) -> Tensor:
    """All parts of the loss.

    Parts that nobody can say of a film are weighed by nothing rather than left out, so that a GPU
    never waits for a count.
    """
    malignant = truth.malignant
    total = focal(seen.mass, truth.centres, truth.marked)
    bad = truth.centres * malignant[:, None, None]
    total = total + focal(seen.malignant, bad, truth.marked & truth.known)
    # Inside a mass: its outline, else the cells around its centre.
    pooled = avg_pool2d(truth.inside[:, None], STRIDE // OUTLINE_STRIDE)[:, 0]
    near = torch.maximum(pooled, truth.centres) * (truth.shown[:, None, None])
    soft = malignant * 0.9 + 0.05
    weight = near.flatten(1).sum(1)
    kept = weight > 0.5
    held = weight.clamp(min=1e-3)
    opinion = (seen.suspicion * near).flatten(1).sum(1) / held
    total = total + 0.7 * _mean(_bce(opinion, soft), kept & truth.known)
    signs = (seen.signs * near[:, None]).flatten(2).sum(2) / held[:, None]
    of_signs = _bce(signs, truth.signs * 0.9 + 0.05).mean(1)
    total = total + 0.7 * _mean(of_signs, kept & truth.described)
    total = total + 0.7 * _mean(_bce(seen.film, soft), truth.told)
    inside, share = truth.inside, seen.outline.sigmoid()
    both = (share * inside).flatten(1).sum(1)
    dice = (2 * both + 1) / (share.flatten(1).sum(1) + inside.flatten(1).sum(1) + 1)
    outline = 0.5 * (1 - dice) + 4 * _bce(seen.outline, inside).flatten(1).mean(1)
    return total + _mean(outline, truth.outlined)


def _bce(logits: Tensor, target: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(logits, target, reduction="none")


def _mean(values: Tensor, films: Tensor) -> Tensor:
    """Of the chosen films; nothing where none is."""
    counted = films.float()
    return (values * counted).sum() / counted.sum().clamp(min=1)


def fit(
    examples: Sequence[Example], plan: Plan, seed: int, weights: Path, device: torch.device
) -> Detector:
    """Fit from ImageNet's weights; returns the averaged network.

    The norms of the encoder stay as ImageNet left them, all else learns. A GPU computes in an
    order of its own only where told to: here the same seed gives the same weights.
    """
    torch.manual_seed(seed)
    torch.backends.cudnn.deterministic = True
    rng = np.random.default_rng(seed)
    net = Detector()
    net.encoder.load_imagenet(weights)
    net = net.to(device, memory_format=torch.channels_last)
    shelf = Shelf(examples, device)
    averaged = copy.deepcopy(net).requires_grad_(False)
    learned = list(net.parameters())
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
    kept = list(averaged.parameters())
    began, total = time.perf_counter(), torch.zeros((), device=device)
    for step in range(steps):
        while len(order) < plan.size:
            order += rng.permutation(len(examples)).tolist()
        drawn = [order.pop() for _ in range(plan.size)]
        truth = batch(shelf, drawn, plan.window, rng, plan.strength)
        films = truth.films.to(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
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
            torch._foreach_lerp_(kept, list(net.parameters()), 1 - keep)
        total += value.detach()
        if step % SAID == SAID - 1:
            rate = (step + 1) / (time.perf_counter() - began)
            mean = float(total) / SAID
            print(f"step {step + 1} of {steps}, loss {mean:.3f}, {rate:.2f}/s", flush=True)
            total.zero_()
    return averaged.to(CPU).eval()
