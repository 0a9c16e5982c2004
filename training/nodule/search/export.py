"""The search network as ONNX, and the text of its card."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from nodule.search import MODEL_ID, SLICES
from training.nodule.card import data_sources
from training.nodule.export import FILE, to_onnx
from training.nodule.search.network import Exported, SearchNet

VERSION = "0.1.0"
COMMAND = (
    "python -m training.nodule.search --data ../shared/data "
    "--scans ct_lung_segmentation/Dataset/Images --more more_scans --out onnx_models/nodule-search"
)
LIMITS = [
    "Research only: not a medical device, not for clinical decisions.",
    "Proposes places for a second network to judge; most are no nodules.",
    "Learnt from nodules pasted into scans of 11 patients with tumours, 3 mm slices but one of "
    "1 mm; what looked like their own lesions was left out by eye, without a radiologist.",
]


def write_onnx(net: SearchNet, folder: Path) -> str:
    """Write ``model.onnx``; returns its SHA-256."""
    free = {0: "n", 1: "half_rows", 2: "half_columns"}
    slabs = {0: "n", 2: "rows", 3: "columns"}
    axes = {"slabs": slabs, "nodule": free, "radius_mm": free}
    return to_onnx(Exported(net), (2, SLICES, 64, 64), axes, folder)


def card(sha256: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Fields of ``card.yaml``.

    Parameters
    ----------
    sha256 : str
        Of ``model.onnx``.
    rows : list of dict
        Entries of ``performance``.
    """
    answer = ["n", "half_rows", "half_columns"]
    return {
        "id": MODEL_ID,
        "version": VERSION,
        "task": "Proposes places in the lungs of a chest CT that may hold a nodule",
        "file": FILE,
        "sha256": sha256,
        "research": True,
        "inputs": [
            {
                "name": "slabs",
                "dtype": "float32",
                "shape": ["n", SLICES, "rows", "columns"],
                "unit": "HU",
                "range": [-1000.0, 400.0],
                "meaning": "seven slices 2 mm apart, steps of 1 mm, the answer is for the middle "
                "one; rows and columns are multiples of 16",
            }
        ],
        "outputs": [
            {
                "name": "nodule",
                "dtype": "float32",
                "shape": list(answer),
                "meaning": "nearness to a nodule's centre, 0 to 1, at every second point",
            },
            {
                "name": "radius_mm",
                "dtype": "float32",
                "shape": list(answer),
                "meaning": "rough radius of the nodule there, mm",
            },
        ],
        "training_data": data_sources(),
        "performance": rows,
        "licence": "CC-BY-4.0",
        "limits": LIMITS,
        "created": datetime.date.today(),
    }
