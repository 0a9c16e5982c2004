"""Cards of the example models, each with its contract."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from onnxruntime import InferenceSession

from bench.contracts import graphs

HU: dict[str, Any] = {"kind": "window", "low": -1000.0, "high": 400.0}
FREE = 64
"""Cells along an axis that may have any size, in golden cases."""
VOLUME = {"name": "image", "dtype": "float32", "shape": [1, 1, "a", "b", "c"]}


@dataclass(frozen=True)
class Example:
    """One example: how its weights are made, and its card without their hash."""

    content: Callable[[], bytes]
    card: dict[str, Any]


def _card(
    name: str,
    task: str,
    inputs: list[Any],
    outputs: list[Any],
    contract: dict[str, Any],
    **more: Any,
) -> dict[str, Any]:
    return {
        "id": name,
        "version": "1.0.0",
        "task": task,
        "file": "model.onnx",
        "research": True,
        "inputs": inputs,
        "outputs": outputs,
        **more,
        "contract": contract,
        "training_data": [],
        "performance": [],
        "licence": "CC0-1.0",
        "limits": ["An example of a contract: finds what is bright, and nothing else."],
        "created": "2026-11-26",
    }


def _float(name: str, *shape: int | str) -> dict[str, Any]:
    return {"name": name, "dtype": "float32", "shape": list(shape)}


def _view(view: str) -> dict[str, Any]:
    return {
        "view": view,
        "image": {
            "name": view.replace("R ", "R-").replace("L ", "L-"),
            "chest_wall": "left",
            "pixel_mm": [graphs.EXAM_MM, graphs.EXAM_MM],
            "size": list(graphs.EXAM),
            "rows": "breast",
            "columns": "chest_wall",
            "intensity": {"kind": "window", "low": 0.0, "high": 1.0},
        },
    }


def _point(threshold: float) -> dict[str, Any]:
    return {"threshold": threshold, "chosen_on": "drawn phantoms"}


EXAMPLES: dict[str, Example] = {
    "mammo-exam-four-views": Example(
        graphs.mammo_exam,
        _card(
            "example-mammo-exam",
            "Scores an exam by its four views",
            [_float(f"{s}-{p}", 1, 1, *graphs.EXAM) for s in ("L", "R") for p in ("CC", "MLO")],
            [_float("cc", 1, 4, 2), _float("mlo", 1, 4, 2)],
            {
                "kind": "mammo-exam-four-views",
                "views": [_view(view) for view in ("L CC", "R CC", "L MLO", "R MLO")],
                "outputs": [
                    {"of": side, "name": name, "index": [0, label, 1]}
                    for side, label in (("L", 2), ("R", 3))
                    for name in ("cc", "mlo")
                ],
                "score": {"activation": "exp"},
            },
        ),
    ),
    "image-boxes": Example(
        graphs.image_boxes,
        _card(
            "example-image-boxes",
            "Marks masses on one mammogram",
            [_float("images", 1, 3, graphs.SIDE, graphs.SIDE)],
            [_float("output0", 1, 5, graphs.KEPT)],
            {
                "kind": "image-boxes",
                "input": {
                    "name": "images",
                    "chest_wall": "right",
                    "pixel_mm": [graphs.CELL_MM, graphs.CELL_MM],
                    "size": [graphs.SIDE, graphs.SIDE],
                    "rows": "breast",
                    "columns": "chest_wall",
                    "border": 0.0,
                    "intensity": {"kind": "window", "low": 0.0, "high": 1.0},
                },
                "output": {
                    "boxes": "output0",
                    "layout": "columns",
                    "format": "centre_size",
                    "coordinates": "reversed",
                    "classes": {0: "mass"},
                    "least": 0.1,
                    "overlap": 0.3,
                    "edge": 16.0,
                },
                "outline": "drawn",
                "malignancy": "score",
            },
            operating_point=_point(0.5),
        ),
    ),
    "volume-boxes": Example(
        graphs.volume_boxes,
        _card(
            "example-volume-boxes",
            "Finds nodules in a chest CT by itself",
            [VOLUME],
            [
                _float("boxes", graphs.KEPT, 6),
                _float("scores", graphs.KEPT),
                {"name": "labels", "dtype": "int64", "shape": [graphs.KEPT]},
            ],
            {
                "kind": "volume-boxes",
                "input": {
                    "name": "image",
                    "orientation": "RAS",
                    "voxel_mm": [2.5, 2.5, 3.0],
                    "intensity": HU,
                    "outside_hu": -1024.0,
                    "multiple": [16, 16, 8],
                    "lungs_margin_mm": 15.0,
                },
                "output": {
                    "boxes": "boxes",
                    "scores": "scores",
                    "labels": "labels",
                    "format": "corners",
                    "coordinates": "as_axes",
                    "whole_number_at": "centre",
                    "classes": {0: "nodule"},
                    "least": 0.1,
                    "overlap": 0.22,
                    "edge": 4.0,
                    "sides_mm": [2.0, 100.0],
                },
            },
            operating_point=_point(0.5),
        ),
    ),
    "volume-segmenter": Example(
        graphs.volume_segmenter,
        _card(
            "example-volume-segmenter",
            "Outlines a nodule in a window about it",
            [VOLUME],
            [_float("logits", 1, 2, "a", "b", "c")],
            {
                "kind": "volume-segmenter",
                "input": {
                    "name": "image",
                    "orientation": "RAS",
                    "voxel_mm": [0.8, 0.8, 1.0],
                    "intensity": HU,
                    "patch": [64, 64, 48],
                },
                "of": "place",
                "output": "logits",
                "score": {"activation": "softmax"},
                "channel": 1,
                "threshold": 0.5,
            },
        ),
    ),
    "volume-segmenter-labels": Example(
        graphs.volume_labels,
        _card(
            "example-volume-labels",
            "Labels the whole scan, nodules among it",
            [VOLUME],
            [{"name": "labels", "dtype": "int64", "shape": [1, 1, "a", "b", "c"]}],
            {
                "kind": "volume-segmenter",
                "input": {
                    "name": "image",
                    "orientation": "SPL",
                    "voxel_mm": [1.5, 1.5, 1.5],
                    "intensity": HU,
                    "patch": [96, 96, 96],
                    "overlap": 0.25,
                    "lungs_margin_mm": 15.0,
                },
                "of": "scan",
                "output": "labels",
                "labels": [1, 2],
            },
        ),
    ),
    "volume-false-positive": Example(
        graphs.volume_false_positive,
        _card(
            "example-volume-false-positive",
            "Tells dense nodules from other candidates",
            [_float("patch", 1, 1, 20, 36, 36)],
            [_float("classes", 1, 2)],
            {
                "kind": "volume-false-positive",
                "inputs": [
                    {
                        "name": "patch",
                        "orientation": "SPL",
                        "voxel_mm": [1.25, 0.7, 0.7],
                        "intensity": HU,
                        "patch": [20, 36, 36],
                    }
                ],
                "output": "classes",
                "score": {"activation": "softmax"},
                "nodule": 1,
            },
            operating_point=_point(0.5),
        ),
    ),
}


def write(folder: Path, name: str) -> str:
    """Write one example as ``<id>/card.yaml``, weights and golden case below a folder; its id."""
    example = EXAMPLES[name]
    content = example.content()
    card = example.card | {"sha256": hashlib.sha256(content).hexdigest()}
    place = folder / str(card["id"])
    place.mkdir(parents=True, exist_ok=True)
    (place / str(card["file"])).write_bytes(content)
    card["golden"] = _golden(place, card, content)
    text = yaml.safe_dump(card, sort_keys=False, width=100)
    (place / "card.yaml").write_text(text, encoding="utf-8")
    return str(card["id"])


def _golden(place: Path, card: dict[str, Any], content: bytes) -> dict[str, Any]:
    """Write what the model makes of noise; the card's ``golden``."""
    noise = np.random.default_rng(1)
    given = {
        one["name"]: noise.random([FREE if isinstance(n, str) else n for n in one["shape"]], "f4")
        for one in card["inputs"]
    }
    names = [one["name"] for one in card["outputs"]]
    made = dict(zip(names, InferenceSession(content).run(names, given), strict=True))
    golden: dict[str, Any] = {"absolute": 1e-3}
    for kind, arrays in (("inputs", given), ("outputs", made)):
        path = place / f"{kind}.npz"
        np.savez_compressed(path, allow_pickle=False, **arrays)
        golden[kind] = path.name
        golden[f"{kind}_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return golden
