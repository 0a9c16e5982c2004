"""The card of the finder of calcification clusters."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from typing import Any

from mammo.marks.calcifications import MODEL_ID
from training.mammo.calcifications.export import FILE
from training.mammo.calcifications.measures import OPERATING_RATE, Row

BENCH = "python -m bench.mammo.calcifications --data ../shared/data"
SIMULATED = (
    "simulated clusters in CBIS-DDSM mass training films, each film read by the network of the "
    "fold that never saw its patient; false marks on the same films without simulated clusters, "
    "where real calcifications and dust are labelled by nobody"
)


def card(
    digest: str, members: int, patients: int, threshold: float, rows: Sequence[Row], made: str
) -> dict[str, Any]:
    """The card as it is written.

    Parameters
    ----------
    digest : str
        SHA-256 of the file.
    members, patients : int
    threshold : float
    rows : sequence of Row
    made : str
        The day, ISO 8601.
    """
    return {
        "id": MODEL_ID,
        "version": "0.1.0",
        "task": "Finds clusters of calcifications on a mammogram; learnt from simulated ones",
        "file": FILE,
        "sha256": digest,
        "research": True,
        "inputs": [
            {
                "name": "film",
                "dtype": "float32",
                "shape": ["n", 1, "rows", "columns"],
                "range": [0.0, 1.0],
                "meaning": "breast image prepared by mammo.image.grid, pixels of 0.2 mm; rows and "
                "columns are multiples of 32",
            }
        ],
        "outputs": [
            {
                "name": "cluster",
                "dtype": "float32",
                "shape": [members, "n", "rows_by_8", "columns_by_8"],
                "meaning": "nearness to the middle of a cluster, 0 to 1, by each fold's network",
            },
            {
                "name": "specks",
                "dtype": "float32",
                "shape": [members, "n", "rows_by_4", "columns_by_4"],
                "meaning": "the cell holds a calcification, 0 to 1, by each fold's network",
            },
        ],
        "operating_point": {
            "threshold": round(threshold, 4),
            "chosen_on": f"simulated: {OPERATING_RATE:g} false marks a film on the training films "
            "without simulated clusters, out of fold",
        },
        "training_data": [
            {
                "name": "CBIS-DDSM mass training films with simulated clusters",
                "source": "https://doi.org/10.7937/K9/TCIA.2016.7O02S9CY",
                "licence": "CC-BY-3.0",
                "patients": patients,
                "attribution": "Lee RS et al. 2016, Curated Breast Imaging Subset of DDSM, The "
                "Cancer Imaging Archive, doi 10.7937/K9/TCIA.2016.7O02S9CY",
            }
        ],
        "performance": [
            {
                "measure": row.measure,
                "value": round(row.value, 3),
                "interval": [round(v, 3) for v in row.interval],
                "data": SIMULATED,
                "cases": row.cases,
                "command": BENCH,
            }
            for row in rows
            if not math.isnan(row.value)
        ],
        "licence": "CC-BY-4.0",
        "limits": [
            "Research only: not a medical device, not for clinical decisions.",
            "Every figure is of simulated clusters. No real calcification was labelled in any "
            "film that it learnt from or was measured on.",
            "It gives no estimate of malignancy.",
            "Its films were stored at about 0.19 x 0.32 mm: specks below some 0.2 mm, and faint "
            "amorphous ones, are not seen. It reads 0.2 mm whatever the image's own resolution.",
            "Contrast in the figures: median over a cluster's specks of the grey that they add "
            "after compression, in standard deviations of the fine structure around.",
            "Real calcifications and dust in the training films were taught as background.",
            networks(members),
        ],
        "created": datetime.date.fromisoformat(made),
    }


def networks(members: int) -> str:
    """What the file holds, and what the figures are of."""
    if members == 1:
        return (
            "One network, fitted to the films of four of five folds of patients; threshold and "
            "figures are of the films of the fifth."
        )
    return (
        f"{members} networks, each fitted to the films of four of five folds of patients; the "
        "program averages them, the figures are of one each on the fold that it never saw."
    )
