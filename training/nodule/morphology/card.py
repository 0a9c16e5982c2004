"""The text of the morphology model's card."""

from __future__ import annotations

import datetime
from typing import Any

from nodule.morphology import MODEL_ID, VIEW_SHAPE, WINDOW_HU
from training.nodule.card import LCTSC, LIDC
from training.nodule.export import FILE
from training.nodule.morphology.ratings import FEWEST_READERS, TEXTURES
from training.nodule.split import cases

VERSION = "0.2.0"
LIMITS = [
    "Research only: not a medical device, not for clinical decisions.",
    "Every output repeats how readers of LIDC-IDRI rated images. Malignancy is their suspicion, "
    "learned without pathology, growth, age or smoking: it is no probability of cancer.",
    "Calibrated on LIDC-IDRI nodules of at least 3 readers; false marks of a detector and nodules "
    "of another population are rated less truly.",
    "Calcified says that a pattern was seen, not which; a pattern off centre is no sign of a "
    "benign nodule. It ranks test nodules no better than their densest voxels do (AUC 0.94 against "
    "0.99 of the 95th percentile of HU).",
    "Suspicion ranks test nodules no better than their diameter does (AUC 0.94 against 0.96); of "
    "those under 10 mm only one was rated suspicious, so nothing is known there.",
    "Spiculated and lobulated rank test nodules no better than their diameter does (AUC 0.80 and "
    "0.74 against 0.81 and 0.78) and are under-called where they are likely: of 22 nodules each "
    "at 0.15 and more, 25 and 22 % were expected and 45 % so rated: a weak hint, not a feature to "
    "act on.",
    "Texture: part-solid was never the most probable kind on test nodules (all of 7 were taken for "
    "solid); 10 of 12 ground-glass and 155 of 159 solid nodules were recognised.",
    "Only the slices of the outline are seen, within 30 x 38 x 38 mm: larger nodules are cut, and "
    "a poor outline gives a poor reading.",
]
MEANINGS = {
    "calcified": "that at least half of the readers see calcification",
    "spiculated": "that the readers' median of spiculation is at least 3 of 5",
    "lobulated": "that the readers' median of lobulation is at least 3 of 5",
    "malignancy": "readers' expected suspicion, 0 (rated 1) to 1 (rated 5); not pathology",
}


def card(sha256: str, calibrated: int, outliner: str) -> dict[str, Any]:
    """Fields of ``card.yaml``.

    Parameters
    ----------
    sha256 : str
        Of ``model.onnx``.
    calibrated : int
        Nodules that the calibration was fitted to.
    outliner : str
        Version of the model that outlined the nodules.
    """
    low, high = WINDOW_HU
    fitted, tuned_on = cases("LIDC-IDRI", "train"), cases("LIDC-IDRI", "val")
    lidc = (
        f"{len(fitted)} patients fitted on, outlined by nodule-segmenter {outliner}; {calibrated} "
        f"nodules of at least {FEWEST_READERS} readers of {len(tuned_on)} others for calibration "
        "(Platt scaling baked in; for texture one temperature and a shift a kind)"
    )
    return {
        "id": MODEL_ID,
        "version": VERSION,
        "task": "Judges texture, calcification, spiculation, lobulation and readers' suspicion "
        "of a lung nodule on chest CT",
        "file": FILE,
        "sha256": sha256,
        "research": True,
        "inputs": [
            {
                "name": "views",
                "dtype": "float32",
                "shape": ["n", 2, *VIEW_SHAPE],
                "unit": "HU",
                "range": [low, high],
                "meaning": "HU and the outline's share (0 to 1) round its centre, steps of 2 mm "
                "across and 0.8 mm within slices; air beyond the outline's slices, (k, j, i)",
            }
        ],
        "outputs": [
            {
                "name": "texture",
                "dtype": "float32",
                "shape": ["n", len(TEXTURES)],
                "meaning": "probabilities of ground glass (rated 1 to 2), part-solid (to 3.5), "
                "solid; calibrated",
            },
            *(
                {"name": name, "dtype": "float32", "shape": ["n"], "meaning": f"{text}; calibrated"}
                for name, text in MEANINGS.items()
            ),
        ],
        "training_data": [
            {
                "name": f"LIDC-IDRI nodules: {lidc}",
                "source": "https://doi.org/10.7937/K9/TCIA.2015.LO9QL9SX",
                "licence": "CC-BY-3.0",
                "patients": len(fitted) + len(tuned_on),
                "attribution": LIDC,
            },
            {
                "name": "LCTSC scans that nodules were pasted into",
                "source": "https://doi.org/10.7937/K9/TCIA.2017.3R3FVZ08",
                "licence": "CC-BY-3.0",
                "patients": len(cases("LCTSC", "train")),
                "attribution": LCTSC,
            },
        ],
        "performance": [],
        "licence": "CC-BY-4.0",
        "limits": LIMITS,
        "created": datetime.date.today(),
    }
