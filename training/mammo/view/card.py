"""The card of the model that recognises views."""

from __future__ import annotations

import datetime
from typing import Any

from scipy.stats import binomtest

from mammo.exam.familiar import NAMES
from mammo.exam.recognise import MODEL_ID, SHAPE

COMMAND = "python -m training.mammo.view --data ../shared/data --out onnx_models/mammo-view"
FILMS = "CBIS-DDSM mass training films, five folds by patient"
MEASURES = {
    "view": "share of films whose view (CC or MLO) is read right",
    "view, at least 0.9 certain": "share read right among films read with probability >= 0.9",
    "breast": "share of films whose breast is told by the side of the chest wall",
    "refused": "share of unseen films above the limit of strangeness, which was chosen so",
}


def card_of(
    digest: str,
    limit: float,
    measured: dict[str, tuple[int, int]],
    patients: int,
    created: datetime.date,
) -> dict[str, Any]:
    """Content of ``card.yaml``."""
    return {
        "id": MODEL_ID,
        "version": "0.1.0",
        "task": "Tells breast and view of a mammogram where attributes do not, and whether an "
        "image looks like a mammogram",
        "file": "model.onnx",
        "sha256": digest,
        "research": True,
        "inputs": [
            _tensor("image", ["n", 1, *SHAPE], "the breast, chest wall at the left, fitted", 1.0),
            _tensor("mirrored", ["n"], "1 where the chest wall is at the right of the image", 1.0),
            _tensor("features", ["n", len(NAMES)], "look of the image: " + ", ".join(NAMES)),
        ],
        "outputs": [
            _tensor("right", ["n"], "probability of a right breast, from the chest wall's side"),
            _tensor("mlo", ["n"], "probability of MLO, not CC"),
            _tensor("strangeness", ["n"], "distance from ordinary films, as distance by distance "
                    "and median distance"),
        ],
        "operating_point": {
            "threshold": round(limit, 5),
            "chosen_on": "strangeness that 0.5 % of unseen training films exceed",
        },
        "training_data": [
            {
                "name": "CBIS-DDSM mass training films",
                "source": "https://doi.org/10.7937/K9/TCIA.2016.7O02S9CY",
                "licence": "CC-BY-3.0",
                "patients": patients,
                "attribution": "Lee RS et al. 2016, Curated Breast Imaging Subset of DDSM, The "
                "Cancer Imaging Archive, doi 10.7937/K9/TCIA.2016.7O02S9CY",
            }
        ],
        "performance": [
            {
                "measure": MEASURES[name],
                "value": round(count / of, 4),
                "interval": list(interval(count, of)),
                "data": FILMS,
                "cases": of,
                "command": COMMAND,
            }
            for name, (count, of) in measured.items()
        ],
        "licence": "CC-BY-4.0",
        "limits": [
            "The breast is told by the side of the chest wall alone: a mirrored image is read as "
            "the other breast, with the same certainty. The rule held in all films of three "
            "scanners and in none of the fourth",
            "Trained on scanned films; digital images were few",
            "Views other than CC and MLO are read as one of these",
            "An image that looks ordinary may still be unlike the training films in what matters",
        ],
        "created": created,
    }  # fmt: skip


def interval(count: int, of: int) -> tuple[float, float]:
    """Exact 95 % interval of a share."""
    low, high = binomtest(count, of).proportion_ci(method="exact")
    return round(float(low), 4), round(float(high), 4)


def _tensor(
    name: str, shape: list[int | str], meaning: str, top: float | None = None
) -> dict[str, Any]:
    tensor: dict[str, Any] = {"name": name, "dtype": "float32", "shape": shape}
    if top is not None:
        tensor["range"] = [0.0, top]
    return tensor | {"meaning": meaning}
