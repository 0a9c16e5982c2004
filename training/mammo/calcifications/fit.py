"""Fitting the finder of clusters to the films of four folds."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import logsigmoid

from training.mammo.calcifications.network import Finder, Opinion
from training.mammo.calcifications.samples import Batch, Example, batch

STEPS = 2500
SIZE = 16
RATE = 3e-3
AVERAGE = 0.998
SPECK_WEIGHT = 4.0


def loss(seen: Opinion, truth: Batch) -> Tensor:
    """Penalty-reduced focal loss of centres (arXiv:1904.07850, equation 1), and of specks."""
    centre = (truth.centres == 1).float()
    share = seen.cluster.sigmoid()
    right = (1 - share) ** 2 * logsigmoid(seen.cluster) * centre
    wrong = (1 - truth.centres) ** 4 * share**2 * logsigmoid(-seen.cluster) * (1 - centre)
    heat = -((right + wrong) * truth.counted).sum() / max(1.0, float(centre.sum()))
    weight = seen.specks.new_tensor(SPECK_WEIGHT)
    return heat + 5 * bce(seen.specks, truth.specks, pos_weight=weight)


def fit(examples: Sequence[Example], steps: int, seed: int) -> Finder:
    """Fit from nothing; returns the averaged network."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = Finder().to(memory_format=torch.channels_last)
    averaged = copy.deepcopy(net).requires_grad_(False)
    optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=steps, pct_start=0.1
    )
    began, level = time.process_time(), math.nan
    for step in range(steps):
        drawn = [examples[n] for n in rng.integers(len(examples), size=SIZE)]
        truth = batch(drawn, rng)
        with torch.autocast("cpu", torch.bfloat16):
            seen = net(truth.films.contiguous(memory_format=torch.channels_last))
        value = loss(Opinion(seen.cluster.float(), seen.specks.float()), truth)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            keep = min(AVERAGE, step / (step + 20))
            for mine, theirs in zip(averaged.parameters(), net.parameters(), strict=True):
                mine.lerp_(theirs, 1 - keep)
        now = value.item()
        level = now if math.isnan(level) else 0.98 * level + 0.02 * now
        if step % 100 == 99:
            spent = time.process_time() - began
            print(f"step {step + 1} of {steps}, loss {level:.3f}, {spent:.0f} s", flush=True)
    return averaged.eval()
