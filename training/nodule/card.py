"""The text of the detector's card."""

from __future__ import annotations

import datetime
from typing import Any

from scipy import stats

from nodule.detector import MODEL_ID
from training.nodule.export import FILE
from training.nodule.split import cases

VERSION = "0.3.0"
COMMAND = (
    "python -m training.nodule --data ../shared/data --scans ct_lung_segmentation/Dataset/Images "
    "--more more_scans --out onnx_models/nodule-detector"
)
SEMI_SYNTHETIC = (
    "semi-synthetic: validation nodules of LIDC-IDRI (at least 3 readers) pasted into 4 "
    "validation scans, three times each; steps and threshold were chosen on them"
)
LIDC = (
    "Armato SG III et al. 2015, Data From LIDC-IDRI, The Cancer Imaging Archive, "
    "doi 10.7937/K9/TCIA.2015.LO9QL9SX"
)
LCTSC = (
    "Yang J et al. 2017, Data from Lung CT Segmentation Challenge, The Cancer Imaging Archive, "
    "doi 10.7937/K9/TCIA.2017.3R3FVZ08"
)
RADIOGENOMICS = (
    "Bakr S et al. 2017, Data for NSCLC Radiogenomics, The Cancer Imaging Archive, "
    "doi 10.7937/K9/TCIA.2017.7hs46erv"
)
CPTAC = (
    "National Cancer Institute Clinical Proteomic Tumor Analysis Consortium, CPTAC, "
    "The Cancer Imaging Archive"
)
LIMITS = [
    "Research only: not a medical device, not for clinical decisions.",
    "Judges only what the search proposes; what the search misses never reaches it.",
    "Inflamed lungs (pneumonia, COVID-19) are marked many times; ground glass and nodules at "
    "vessels are missed most.",
    "The whole-scan test holds 11 nodules in 4 scans of 2.5 mm, the smallest 9.7 mm.",
    "Scans between nodules come from 11 patients with tumours, 3 mm slices but one of 1 mm; what "
    "looked like their own lesions was left out by eye, without a radiologist.",
    "Malignancy repeats how readers of LIDC-IDRI rated images, not pathology; it is not a risk.",
    "The probability ranks marks; it is not calibrated to how often a mark is a nodule.",
]


def card(
    sha256: str,
    threshold: float,
    rows: list[dict[str, Any]],
    curve: tuple[float, tuple[float, float], int] | None = None,
) -> dict[str, Any]:
    """Fields of ``card.yaml``.

    Parameters
    ----------
    sha256 : str
        Of ``model.onnx``.
    threshold : float
        Operating point.
    rows : list of dict
        ``kind``, ``hits``, ``cases`` of pasted validation nodules at the operating point.
    curve : tuple, optional
        CPM, its 95 % interval, and the number of pasted nodules.
    """
    return {
        "id": MODEL_ID,
        "version": VERSION,
        "task": "Tells lung nodules from vessels and walls at places that the search proposes",
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
            "chosen_on": "0.5 false marks a scan on 4 validation scans (3 LCTSC, 1 CMB-CRC) with "
            "validation nodules of LIDC-IDRI pasted in",
        },
        "training_data": data_sources(),
        "performance": [_row(row) for row in rows] + ([_curve(*curve)] if curve else []),
        "licence": "CC-BY-4.0",
        "limits": LIMITS,
        "created": datetime.date.today(),
    }


def data_sources() -> list[dict[str, Any]]:
    """Entries of ``training_data``: the nodules, and the scans that they are pasted into."""
    return [
        _data("LIDC-IDRI", "LIDC-IDRI nodules", "2015.LO9QL9SX", LIDC),
        _data("LCTSC", "LCTSC scans", "2017.3R3FVZ08", LCTSC),
        _data("NSCLC-Radiogenomics", "NSCLC Radiogenomics R01-001", "2017.7hs46erv", RADIOGENOMICS),
        _data("CPTAC", "CPTAC C3N-00247", "", CPTAC),
    ]


def _share(name: str, meaning: str) -> dict[str, Any]:
    return {"name": name, "dtype": "float32", "shape": ["n"], "meaning": meaning}


def _data(split: str, name: str, doi: str, attribution: str) -> dict[str, Any]:
    home = (
        f"https://doi.org/10.7937/K9/TCIA.{doi}" if doi else "https://www.cancerimagingarchive.net"
    )
    return {
        "name": name,
        "source": home,
        "licence": "CC-BY-3.0",
        "patients": len(cases(split, "train")),
        "attribution": attribution,
    }


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "measure": f"sensitivity at the operating point, {row['kind']}",
        "value": round(row["hits"] / row["cases"], 3),
        "interval": [round(v, 3) for v in proportion(row["hits"], row["cases"])],
        "data": SEMI_SYNTHETIC,
        "cases": row["cases"],
        "command": COMMAND,
    }


def proportion(hits: int, cases: int) -> tuple[float, float]:
    """Clopper and Pearson's exact 95 % interval."""
    low = stats.beta.ppf(0.025, hits, cases - hits + 1) if hits else 0.0
    high = stats.beta.ppf(0.975, hits + 1, cases - hits) if hits < cases else 1.0
    return float(low), float(high)


def _curve(value: float, interval: tuple[float, float], cases: int) -> dict[str, Any]:
    return {
        "measure": "CPM: mean sensitivity at 1/8 to 8 false marks a scan",
        "value": round(value, 3),
        "interval": [round(v, 3) for v in interval],
        "data": SEMI_SYNTHETIC,
        "cases": cases,
        "command": COMMAND,
    }
