"""The trained network as ONNX with its card."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
import yaml

from gransk.core.models import Card
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


def write_card(card: dict[str, Any], folder: Path) -> Card:
    """Write ``card.yaml`` after checking it.

    Raises
    ------
    pydantic.ValidationError
        Where a field is missing or unknown.
    """
    checked = Card.model_validate(card)
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=96)
    (folder / "card.yaml").write_text(text, encoding="utf-8")
    return checked
