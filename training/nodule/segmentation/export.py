"""The trained network as ONNX, and the text of its card."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from nodule.segmenter import MODEL_ID, SIZE
from training.nodule.card import LCTSC, LIDC
from training.nodule.export import FILE, to_onnx
from training.nodule.segmentation.network import Exported, OutlineNet
from training.nodule.split import cases

VERSION = "0.2.0"
COMMAND = (
    "python -m training.nodule.segmentation --data ../shared/data "
    "--scans ct_lung_segmentation/Dataset/Images --out onnx_models/nodule-segmenter"
)
LIMITS = [
    "Research only: not a medical device, not for clinical decisions.",
    "Outlines what lies in the middle of the cube and does not tell whether it is a nodule.",
    "Nodules longer than about 47 mm do not fit the cube; the classical outline is used there.",
    "The cube of 25.6 mm misses the inside of nodules wider than about 20 mm; it takes the wide "
    "cube to outline them.",
    "It repeats how readers of LIDC-IDRI outlined, who often draw outside the edge at half "
    "density; volume is better taken by density at the edge. Volumes so measured lie 4 % under the "
    "readers' mean (median of 167 test nodules; 95 % of them 42 % under to 57 % over), in whole "
    "scans 18 % under (mean of 11).",
    "Training crops end where the nodule ends; surroundings below and above are air, continued "
    "slices or another patient's scan.",
    "Few ground-glass and part-solid nodules were seen in training: of test nodules mean Dice "
    "against half of the readers is 0.76 for 12 ground-glass ones, 0.81 for 22 part-solid ones, "
    "0.85 for 133 solid ones, and 0.79 for 17 whose surroundings are dense.",
]


def write_onnx(net: OutlineNet, folder: Path) -> str:
    """Write ``model.onnx``; returns its SHA-256."""
    axes = {name: {0: "n"} for name in ("cubes", "nodule")}
    return to_onnx(Exported(net), (2, 1, SIZE, SIZE, SIZE), axes, folder)


def card(sha256: str, threshold: float, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Fields of ``card.yaml``.

    Parameters
    ----------
    sha256 : str
        Of ``model.onnx``.
    threshold : float
        Operating point.
    rows : list of dict
        Entries of ``performance``.
    """
    return {
        "id": MODEL_ID,
        "version": VERSION,
        "task": "Outlines the lung nodule in the middle of a cube of a chest CT",
        "file": FILE,
        "sha256": sha256,
        "research": True,
        "inputs": [
            {
                "name": "cubes",
                "dtype": "float32",
                "shape": ["n", 1, SIZE, SIZE, SIZE],
                "unit": "HU",
                "range": [-1000.0, 400.0],
                "meaning": "25.6 or 51.2 mm round a point, steps of 0.8 or 1.6 mm, (k, j, i)",
            }
        ],
        "outputs": [
            {
                "name": "nodule",
                "dtype": "float32",
                "shape": ["n", SIZE, SIZE, SIZE],
                "meaning": "share of readers that would count the point as nodule, 0 to 1",
            }
        ],
        "operating_point": {
            "threshold": threshold,
            "chosen_on": "Dice and volume against the readers' majority on nodules of the "
            "validation patients of LIDC-IDRI, in their own slices and continued ones",
        },
        "training_data": [
            _data("LIDC-IDRI nodules", "https://doi.org/10.7937/K9/TCIA.2015.LO9QL9SX",
                  cases("LIDC-IDRI", "train"), LIDC),
            _data("LCTSC scans", "https://doi.org/10.7937/K9/TCIA.2017.3R3FVZ08",
                  cases("LCTSC", "train"), LCTSC),
        ],
        "performance": rows,
        "licence": "CC-BY-4.0",
        "limits": LIMITS,
        "created": datetime.date.today(),
    }  # fmt: skip


def _data(name: str, source: str, patients: list[str], attribution: str) -> dict[str, Any]:
    return {
        "name": name,
        "source": source,
        "licence": "CC-BY-3.0",
        "patients": len(patients),
        "attribution": attribution,
    }
