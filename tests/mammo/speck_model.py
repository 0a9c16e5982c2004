"""A finder of bright specks without training, as a model with its card."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

from mammo.marks.calcifications import MODEL_ID


def write_speck_model(folder: Path) -> Path:
    """Two members: what is brighter than around it, and half of that."""
    make = helper.make_node
    graph = helper.make_graph(
        [
            make("AveragePool", ["film"], ["around"], kernel_shape=[9, 9], pads=[4, 4, 4, 4]),
            make("Sub", ["film", "around"], ["fine"]),
            make("MaxPool", ["fine"], ["spots"], kernel_shape=[4, 4], strides=[4, 4]),
            make("Mul", ["spots", "gain"], ["strong"]),
            make("Clip", ["strong", "none", "one"], ["sharp"]),
            make("Reshape", ["sharp", "flat"], ["whole"]),
            make("Mul", ["whole", "half"], ["weak"]),
            make("Concat", ["whole", "weak"], ["specks"], axis=0),
            make(
                "AveragePool", ["sharp"], ["crowd"], kernel_shape=[8, 8], strides=[2, 2],
                pads=[3, 3, 3, 3],
            ),
            make("Mul", ["crowd", "rare"], ["many"]),
            make("Clip", ["many", "none", "one"], ["heat"]),
            make("Reshape", ["heat", "flat"], ["whole_heat"]),
            make("Mul", ["whole_heat", "half"], ["weak_heat"]),
            make("Concat", ["whole_heat", "weak_heat"], ["cluster"], axis=0),
        ],
        "specks",
        [helper.make_tensor_value_info("film", TensorProto.FLOAT, ["n", 1, "rows", "columns"])],
        [
            helper.make_tensor_value_info("cluster", TensorProto.FLOAT, [2, "n", "r8", "c8"]),
            helper.make_tensor_value_info("specks", TensorProto.FLOAT, [2, "n", "r4", "c4"]),
        ],
        [
            numpy_helper.from_array(np.array(6, np.float32), "gain"),
            numpy_helper.from_array(np.array(5, np.float32), "rare"),
            numpy_helper.from_array(np.array(0, np.float32), "none"),
            numpy_helper.from_array(np.array(1, np.float32), "one"),
            numpy_helper.from_array(np.array(0.5, np.float32), "half"),
            # One film has one channel: its axis stands for the member's.
            numpy_helper.from_array(np.array([0, 0, 0, 0], np.int64), "flat"),
        ],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    content = model.SerializeToString()
    place = folder / MODEL_ID
    place.mkdir(parents=True, exist_ok=True)
    (place / "specks.onnx").write_bytes(content)
    outputs = [
        {"name": name, "dtype": "float32", "shape": [2, "n", f"rows_{name}", f"columns_{name}"]}
        for name in ("cluster", "specks")
    ]
    card = {
        "id": MODEL_ID, "version": "0.0.1", "task": "specks, for tests", "file": "specks.onnx",
        "sha256": hashlib.sha256(content).hexdigest(), "research": True,
        "inputs": [{"name": "film", "dtype": "float32", "shape": ["n", 1, "rows", "columns"]}],
        "outputs": outputs,
        "operating_point": {"threshold": 0.4, "chosen_on": "nothing"},
        "training_data": [], "performance": [], "licence": "CC0-1.0",
        "limits": ["finds bright specks and nothing else"], "created": "2026-01-01",
    }  # fmt: skip
    (place / "card.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")
    return folder
