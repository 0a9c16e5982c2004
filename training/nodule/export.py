"""The trained network as ONNX."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from training.nodule.card_file import write_card as write_card
from training.nodule.network import Exported, SpotNet

FILE = "model.onnx"


def write_onnx(net: SpotNet, folder: Path) -> str:
    """Write ``model.onnx``; returns its SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    torch.onnx.export(
        Exported(net).eval(),
        (torch.full((2, 2, 32, 32, 32), -800.0),),
        str(path),
        input_names=["views"],
        output_names=["probability", "malignancy"],
        dynamic_axes={"views": {0: "n"}, "probability": {0: "n"}, "malignancy": {0: "n"}},
        opset_version=17,
        dynamo=False,
    )
    return hashlib.sha256(path.read_bytes()).hexdigest()
