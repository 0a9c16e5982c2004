"""Trained networks as ONNX."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from training.nodule.network import Exported, SpotNet

FILE = "model.onnx"


def to_onnx(
    net: nn.Module, shape: Sequence[int], axes: dict[str, dict[int, str]], folder: Path
) -> str:
    """Write ``model.onnx``; returns its SHA-256.

    Parameters
    ----------
    net : Module
        As it ships.
    shape : sequence of int
        Of an input to trace with, in HU.
    axes : dict
        The input's name, then the outputs', each with its axes that may vary.
    folder : Path
        The model's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    seen, *given = axes
    torch.onnx.export(
        net.eval(), (torch.full(tuple(shape), -800.0),), str(path), input_names=[seen],
        output_names=given, dynamic_axes=axes, opset_version=17, dynamo=False,
    )  # fmt: skip
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_onnx(net: SpotNet, folder: Path) -> str:
    """Write the detector's ``model.onnx``; returns its SHA-256."""
    axes = {name: {0: "n"} for name in ("views", "probability", "malignancy")}
    return to_onnx(Exported(net), (2, 2, 32, 32, 32), axes, folder)
