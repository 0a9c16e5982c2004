"""The calibrated network as ONNX."""

from __future__ import annotations

from pathlib import Path

import torch

from nodule.morphology import VIEW_SHAPE
from training.nodule.export import to_onnx
from training.nodule.morphology.calibrate import Calibration
from training.nodule.morphology.network import OUTPUTS, Exported, MorphologyNet


def write_onnx(net: MorphologyNet, calibration: Calibration, folder: Path) -> str:
    """Write ``model.onnx``; returns its SHA-256."""
    scale, shift = (torch.from_numpy(v).float() for v in (calibration.scale, calibration.shift))
    axes = {name: {0: "n"} for name in ("views", "texture", *OUTPUTS)}
    return to_onnx(Exported(net, scale, shift), (2, 2, *VIEW_SHAPE), axes, folder)
