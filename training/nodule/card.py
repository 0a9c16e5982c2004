"""The text of the detector's card."""

from __future__ import annotations

import datetime
from typing import Any

from nodule.detector import MODEL_ID
from training.nodule.export import FILE
from training.nodule.split import cases

VERSION = "0.1.0"
COMMAND = (
    "python -m training.nodule --data ../shared/data --scans ct_lung_segmentation/Dataset/Images "
    "--out onnx_models/nodule-detector"
)
LIDC = (
    "Armato SG III et al. 2015, Data From LIDC-IDRI, The Cancer Imaging Archive, "
    "doi 10.7937/K9/TCIA.2015.LO9QL9SX"
)
LCTSC = (
    "Yang J et al. 2017, Data from Lung CT Segmentation Challenge, The Cancer Imaging Archive, "
    "doi 10.7937/K9/TCIA.2017.3R3FVZ08"
)
LIMITS = [
    "Research only: not a medical device, not for clinical decisions.",
    "Finds spots first by their round shape; faint ground-glass nodules and nodules spread "
    "along vessels or pleura are missed there and never reach the network.",
    "The whole-scan test holds 11 nodules in 4 scans of 2.5 mm, the smallest 9.7 mm.",
    "Scans between nodules come from 9 radiotherapy patients of one challenge, 3 mm slices; "
    "their unmarked tumours count as false.",
    "Malignancy repeats how readers of LIDC-IDRI rated images, not pathology; it is not a risk.",
    "The probability ranks marks; it is not calibrated to how often a mark is a nodule.",
]


def card(sha256: str, threshold: float, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Fields of ``card.yaml``.

    Parameters
    ----------
    sha256 : str
        Of ``model.onnx``.
    threshold : float
        Operating point.
    rows : list of dict
        ``from_mm``, ``to_mm``, ``hits``, ``cases`` on pasted validation nodules.
    """
    lidc, lctsc = cases("LIDC-IDRI", "train"), cases("LCTSC", "train")
    return {
        "id": MODEL_ID,
        "version": VERSION,
        "task": "Tells lung nodules from vessels and walls at round spots of a chest CT",
        "file": FILE,
        "sha256": sha256,
        "research": True,
        "inputs": [
            {
                "name": "views",
                "dtype": "float32",
                "shape": ["n", 2, 32, 32, 32],
                "unit": "HU",
                "range": [-1000.0, 400.0],
                "meaning": "cubes of 32 and 64 mm round a spot, steps of 1 and 2 mm, (k, j, i)",
            }
        ],
        "outputs": [
            _share("probability", "that a nodule lies in the middle, 0 to 1, not calibrated"),
            _share("malignancy", "readers' suspicion of nodules that look alike, 0 to 1"),
        ],
        "operating_point": {
            "threshold": threshold,
            "chosen_on": "2 false marks a scan on 3 LCTSC validation scans, read twice each "
            "with other validation nodules of LIDC-IDRI pasted in",
        },
        "training_data": [
            _data("LIDC-IDRI nodules", "https://doi.org/10.7937/K9/TCIA.2015.LO9QL9SX", lidc, LIDC),
            _data("LCTSC scans", "https://doi.org/10.7937/K9/TCIA.2017.3R3FVZ08", lctsc, LCTSC),
        ],
        "performance": [_row(row) for row in rows],
        "licence": "CC-BY-4.0",
        "limits": LIMITS,
        "created": datetime.date.today(),
    }


def _share(name: str, meaning: str) -> dict[str, Any]:
    return {"name": name, "dtype": "float32", "shape": ["n"], "meaning": meaning}


def _data(name: str, source: str, patients: list[str], attribution: str) -> dict[str, Any]:
    return {
        "name": name,
        "source": source,
        "licence": "CC-BY-3.0",
        "patients": len(patients),
        "attribution": attribution,
    }


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "measure": f"sensitivity at the operating point, {row['from_mm']} to {row['to_mm']} mm",
        "value": round(row["hits"] / row["cases"], 3),
        "interval": None,
        "data": "semi-synthetic: validation nodules pasted into validation scans",
        "cases": row["cases"],
        "command": COMMAND,
    }
