"""A detector without training for tests: bright in the middle, dark around."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

MODEL_ID = "nodule-detector"
SHIPPED = Path(__file__).parents[2] / "onnx_models"


def write_spot_model(folder: Path) -> Path:
    """Write ``nodule-detector`` with its card below a folder of models, and return the folder."""
    reach = np.arange(32) - 15.5
    k, j, i = np.meshgrid(reach, reach, reach, indexing="ij", sparse=True)
    away = np.sqrt(k**2 + j**2 + i**2)
    middle, around = away < 2.2, (away > 9) & (away < 12)
    weight = np.zeros((1, 2, 32, 32, 32), np.float32)
    weight[0, 0] = middle / middle.sum() - around / around.sum()
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["views", "weight"], ["products"]),
            helper.make_node("ReduceSum", ["products", "axes"], ["contrast"], keepdims=0),
            helper.make_node("Sub", ["contrast", "half"], ["above"]),
            helper.make_node("Div", ["above", "scale"], ["logit"]),
            helper.make_node("Sigmoid", ["logit"], ["probability"]),
        ],
        "spot",
        [helper.make_tensor_value_info("views", TensorProto.FLOAT, ["n", 2, 32, 32, 32])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n"])],
        [
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(np.array([1, 2, 3, 4], np.int64), "axes"),
            numpy_helper.from_array(np.array(600, np.float32), "half"),
            numpy_helper.from_array(np.array(80, np.float32), "scale"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    content = model.SerializeToString()
    place = folder / MODEL_ID
    place.mkdir(parents=True, exist_ok=True)
    (place / "spot.onnx").write_bytes(content)
    shape = ["n", 2, 32, 32, 32]
    card = {
        "id": MODEL_ID, "version": "0.0.1", "task": "spots, for tests", "file": "spot.onnx",
        "sha256": hashlib.sha256(content).hexdigest(), "research": True,
        "inputs": [{"name": "views", "dtype": "float32", "shape": shape, "unit": "HU"}],
        "outputs": [{"name": "probability", "dtype": "float32", "shape": ["n"]}],
        "operating_point": {"threshold": 0.5, "chosen_on": "nothing"},
        "training_data": [], "performance": [], "licence": "CC0-1.0",
        "limits": ["finds bright spots and nothing else"], "created": "2026-01-01",
    }  # fmt: skip
    (place / "card.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")
    return folder


def write_models(folder: Path) -> Path:
    """The spot detector beside the shipped models that search, outline and judge."""
    for name in ("nodule-search", "nodule-segmenter", "nodule-morphology"):
        shutil.copytree(SHIPPED / name, folder / name)
    return write_spot_model(folder)
