"""Running average of a network's weights."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def average(mean: nn.Module, net: nn.Module, keep: float) -> None:
    """Move the mean's weights towards the network's; counters are copied."""
    for kept, new in zip(mean.state_dict().values(), net.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1 - keep)
        else:
            kept.copy_(new)
