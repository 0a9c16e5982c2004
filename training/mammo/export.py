"""The five networks as one ONNX file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from training.mammo.curves import Curves
from training.mammo.network import Detector, Opinion

FILE = "model.onnx"
OUTPUTS = ("mass", "malignancy", "inside", "signs", "look")
LEAST_PACKED = 2048


class Exported(nn.Module):
    """Every network's maps as log-odds, the network first."""

    def __init__(self, members: Sequence[Detector], curves: Curves) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.curves = curves

    def forward(self, film: Tensor) -> tuple[Tensor, ...]:
        told: list[tuple[Tensor, ...]] = []
        for member in self.members:
            seen = member(film)
            mass, bad = self.curves.mass, self.curves.malignancy
            told.append(
                (
                    seen.mass * mass[0] + mass[1],
                    malignancy(seen) * bad[0] + bad[1],
                    seen.outline,
                    seen.signs,
                    seen.look,
                )
            )
        return tuple(torch.stack(parts) for parts in zip(*told, strict=True))


def malignancy(seen: Opinion) -> Tensor:
    """Log-odds of a malignant mass: the opinion of one twice, and those of a mass and of its looks.

    The weights were chosen on the first two folds.
    """
    mass, bad, looks = seen.mass.sigmoid(), seen.malignant.sigmoid(), seen.suspicion.sigmoid()
    share = (mass * bad * bad * looks) ** 0.25
    return torch.logit(share.clamp(1e-6, 1 - 1e-6))


def write_onnx(members: Sequence[Detector], curves: Curves, folder: Path) -> str:
    """Write ``model.onnx`` with its weights in 8 bits; returns its SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    net = Exported([m.float().eval() for m in members], curves)
    axes = {"film": {0: "n", 2: "rows", 3: "columns"}}
    for name in OUTPUTS:
        rows = 3 if name in ("signs", "look") else 2
        axes[name] = {1: "n", rows: f"{name}_rows", rows + 1: f"{name}_columns"}
    torch.onnx.export(
        net, (torch.rand(2, 1, 256, 192),), str(path), input_names=["film"],
        output_names=list(OUTPUTS), dynamic_axes=axes, opset_version=17, dynamo=False,
    )  # fmt: skip
    pack(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pack(path: Path) -> None:
    """Keep large weights as 8-bit integers with a scale for each of their first axis.

    The runtime unfolds them once, when it loads the file.
    """
    model = onnx.load(str(path))
    graph = model.graph
    nodes = []
    kept = []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < LEAST_PACKED or values.ndim < 2:
            kept.append(weight)
            continue
        axes = tuple(range(1, values.ndim))
        scale = np.maximum(np.abs(values).max(axis=axes, keepdims=True), 1e-12) / 127
        whole = np.clip(np.round(values / scale), -127, 127).astype(np.int8)
        name = weight.name
        kept.append(numpy_helper.from_array(whole, f"{name}.whole"))
        kept.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}.scale"))
        nodes.append(
            helper.make_node("Cast", [f"{name}.whole"], [f"{name}.real"], to=TensorProto.FLOAT)
        )
        nodes.append(helper.make_node("Mul", [f"{name}.real", f"{name}.scale"], [name]))
    del graph.initializer[:]
    graph.initializer.extend(kept)
    for place, node in enumerate(nodes):
        graph.node.insert(place, node)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
