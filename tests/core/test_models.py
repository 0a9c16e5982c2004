"""A model that is not what its card says is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper

from gransk.core.errors import InferenceError, ModelError
from gransk.core.models import ModelLibrary


def _write(folder: Path, **changes: Any) -> ModelLibrary:
    """A model that doubles its input, and its card, with some keys changed."""
    node = helper.make_node("Add", ["x", "x"], ["y"])
    shape = ["n", 3]
    graph = helper.make_graph(
        [node],
        "double",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content = model.SerializeToString()
    place = folder / "double"
    place.mkdir()
    (place / "model.onnx").write_bytes(content)
    card = {
        "id": "double",
        "version": "1.0.0",
        "task": "Doubles three numbers.",
        "file": "model.onnx",
        "sha256": hashlib.sha256(content).hexdigest(),
        "research": True,
        "inputs": [{"name": "x", "dtype": "float32", "shape": ["n", 3]}],
        "outputs": [{"name": "y", "dtype": "float32", "shape": ["n", 3]}],
        "training_data": [],
        "performance": [],
        "licence": "CC-BY-4.0",
        "limits": ["Knows nothing of medicine."],
        "created": "2026-01-01",
        **changes,
    }
    (place / "card.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")
    return ModelLibrary(folder)


def test_a_model_runs_as_its_card_says(tmp_path: Path) -> None:
    library = _write(tmp_path)
    model = library.load("double")
    assert model is library.load("double")
    given = np.array([[1, 2, 3]], np.float32)
    np.testing.assert_array_equal(model.run({"x": given})["y"], given * 2)
    assert model.identity.sha256 == library.digest("double")


def test_a_failure_of_the_runtime_names_the_model(tmp_path: Path) -> None:
    model = _write(tmp_path).load("double")
    (three,) = model.card.inputs
    # What its graph does not take, and its card would let through.
    four = three.model_copy(update={"shape": ("n", 4)})
    model.card = model.card.model_copy(update={"inputs": (four,)})
    with pytest.raises(InferenceError, match=r"model double@1\.0\.0 failed: .*INVALID_ARGUMENT"):
        model.run({"x": np.zeros((1, 4), np.float32)})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"sha256": "0" * 64}, "SHA-256"),
        ({"inputs": [{"name": "z", "dtype": "float32", "shape": ["n", 3]}]}, "inputs"),
        ({"inputs": [{"name": "x", "dtype": "float16", "shape": ["n", 3]}]}, "inputs 'x'"),
        ({"inputs": [{"name": "x", "dtype": "float32", "shape": ["n", 4]}]}, "inputs 'x'"),
        ({"inputs": [{"name": "x", "dtype": "float32", "shape": [3]}]}, "inputs 'x'"),
        ({"outputs": [{"name": "q", "dtype": "float32", "shape": ["n", 3]}]}, "outputs 'q'"),
        ({"id": "treble"}, "treble"),
        ({"file": "../double/../../model.onnx"}, "own folder"),
        ({"file": "absent.onnx"}, "absent.onnx"),
        ({"limits": []}, "card is not valid"),
        ({"licence": None}, "card is not valid"),
        ({"colour": "blue"}, "colour"),
        ({"version": "first"}, "version"),
    ],
)
def test_what_differs_from_the_card_is_refused(
    tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(ModelError, match=named):
        _write(tmp_path, **changes).load("double")


def test_a_missing_card_is_refused(tmp_path: Path) -> None:
    library = _write(tmp_path)
    (tmp_path / "double" / "card.yaml").unlink()
    with pytest.raises(ModelError, match=r"no card\.yaml"):
        library.load("double")


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    library = _write(tmp_path)
    path = tmp_path / "double" / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    with pytest.raises(ModelError, match="SHA-256"):
        library.load("double")


def test_what_is_no_onnx_is_refused(tmp_path: Path) -> None:
    library = _write(tmp_path, sha256=hashlib.sha256(b"no onnx").hexdigest())
    (tmp_path / "double" / "model.onnx").write_bytes(b"no onnx")
    with pytest.raises(ModelError, match="cannot be loaded"):
        library.load("double")


@pytest.mark.parametrize(
    "inputs",
    [{}, {"x": np.zeros((1, 4), np.float32)}, {"x": np.zeros((1, 3), np.float64)}],
)
def test_inputs_that_break_the_contract_are_refused(tmp_path: Path, inputs: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="'x'"):
        _write(tmp_path).load("double").run(inputs)


def test_the_shipped_models_are_what_their_cards_say() -> None:
    from gransk.core.application import model_folder

    library = ModelLibrary(model_folder())
    assert library.ids()
    for model_id in library.ids():
        card = library.load(model_id).card
        assert card.training_data, model_id
        assert card.performance, model_id
        onnx.checker.check_model(str(model_folder() / model_id / card.file))
