"""The calibrated network as ONNX."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from nodule.morphology import VIEW_SHAPE
from training.nodule.morphology.calibrate import Calibration
from training.nodule.morphology.network import OUTPUTS, Exported, MorphologyNet

FILE = "model.onnx"


def write_onnx(net: MorphologyNet, calibration: Calibration, folder: Path) -> str:
    """Write ``model.onnx``; returns its SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    scale, shift = (torch.from_numpy(v).float() for v in (calibration.scale, calibration.shift))
    names = ["texture", *OUTPUTS]
    torch.onnx.export(
        Exported(net, scale, shift).eval(),
        (torch.full((2, 2, *VIEW_SHAPE), -800.0),),
        str(path),
        input_names=["views"],
        output_names=names,
        dynamic_axes={name: {0: "n"} for name in ["views", *names]},
        opset_version=17,
        dynamo=False,
    )
    return hashlib.sha256(path.read_bytes()).hexdigest()
