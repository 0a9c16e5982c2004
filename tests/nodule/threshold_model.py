"""An outliner without training for tests: nodule is what is denser than -400 HU."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

from gransk.core.models import Model, ModelLibrary

MODEL_ID = "nodule-segmenter"
SHAPE = ["n", 1, 32, 32, 32]


def threshold_model(folder: Path, level_hu: float = -400.0) -> Model:
    """The model, written below a folder and loaded from there."""
    graph = helper.make_graph(
        [
            helper.make_node("Sub", ["cubes", "level"], ["above"]),
            helper.make_node("Div", ["above", "scale"], ["logit"]),
            helper.make_node("Sigmoid", ["logit"], ["share"]),
            helper.make_node("Squeeze", ["share", "axes"], ["nodule"]),
        ],
        "threshold",
        [helper.make_tensor_value_info("cubes", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("nodule", TensorProto.FLOAT, ["n", 32, 32, 32])],
        [
            numpy_helper.from_array(np.array(level_hu, np.float32), "level"),
            numpy_helper.from_array(np.array(30, np.float32), "scale"),
            numpy_helper.from_array(np.array([1], np.int64), "axes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    content = model.SerializeToString()
    place = folder / MODEL_ID
    place.mkdir(parents=True, exist_ok=True)
    (place / "model.onnx").write_bytes(content)
    card = {
        "id": MODEL_ID, "version": "0.0.1", "task": "outlines, for tests", "file": "model.onnx",
        "sha256": hashlib.sha256(content).hexdigest(), "research": True,
        "inputs": [{"name": "cubes", "dtype": "float32", "shape": SHAPE, "unit": "HU"}],
        "outputs": [{"name": "nodule", "dtype": "float32", "shape": ["n", 32, 32, 32]}],
        "training_data": [], "performance": [], "licence": "CC0-1.0",
        "limits": ["takes all that is dense"], "created": "2026-01-01",
    }  # fmt: skip
    (place / "card.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")
    return ModelLibrary(folder, 1).load(MODEL_ID)
