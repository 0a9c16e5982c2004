"""The networks as one ONNX file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from training.mammo.calcifications.network import Exported, Finder

FILE = "model.onnx"


def write_onnx(nets: list[Finder], folder: Path) -> str:
    """Write ``model.onnx``; returns its SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    axes = {
        "film": {0: "n", 2: "rows", 3: "columns"},
        "cluster": {1: "n", 2: "rows_by_8", 3: "columns_by_8"},
        "specks": {1: "n", 2: "rows_by_4", 3: "columns_by_4"},
    }
    torch.onnx.export(
        Exported(nets).eval(), (torch.zeros(1, 1, 192, 160),), str(path), input_names=["film"],
        output_names=["cluster", "specks"], dynamic_axes=axes, opset_version=17, dynamo=False,
    )  # fmt: skip
    return hashlib.sha256(path.read_bytes()).hexdigest()
