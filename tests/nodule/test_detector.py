import json
import os
from pathlib import Path

import numpy as np
import pytest
from nodule_synthetic import Ball, chest, index_of

from gransk.core.errors import InvalidValueError
from gransk.core.models import ModelLibrary
from nodule.detector import MODEL_ID, Detector
from nodule.lungs import segment_lungs

MODELS = Path(__file__).parents[2] / "onnx_models"
DATA = Path(os.environ.get("GRANSK_DATA", Path(__file__).parents[2] / "../shared/data"))
BALLS = [
    Ball((20.0, 10.0, 95.0), 6),
    Ball((-50.0, 10.0, 70.0), 8),
    Ball((60.0, 0.0, 70.0), 10),
    Ball((10.0, -30.0, -70.0), 14),
    Ball((-40.0, 20.0, -70.0), 20),
]


@pytest.fixture(scope="module")
def model():
    return ModelLibrary(MODELS, threads=2).load(MODEL_ID)


@pytest.fixture(scope="module")
def phantom():
    volume = chest(BALLS, vessels=4)
    return volume, segment_lungs(volume)


@pytest.fixture(scope="module")
def everything(search, model, phantom):
    """Every candidate of the phantom, and what progress was told."""
    told = []
    return Detector(search, model, threshold=0).detect(*phantom, told.append), told


@pytest.mark.parametrize("ball", BALLS, ids=lambda b: f"{b.diameter_mm} mm")
def test_a_solid_ball_away_from_vessels_is_found_once(search, model, phantom, everything, ball):
    centre = phantom[0].geometry.to_lps(index_of(phantom[0], ball))
    hits = [
        c
        for c in everything[0]
        if c.probability >= Detector(search, model).threshold
        and np.linalg.norm(np.subtract(c.centre_lps_mm, centre)) <= ball.diameter_mm / 2
    ]
    assert len(hits) == 1
    assert hits[0].malignancy is not None
    assert 0 <= hits[0].malignancy <= 1


def test_candidates_fall_in_probability_and_progress_rises(everything):
    found, told = everything
    assert [c.probability for c in found] == sorted((c.probability for c in found), reverse=True)
    assert told == sorted(told)
    assert told[-1] == 1


def test_a_higher_threshold_gives_a_part_of_the_same_candidates(search, model, phantom, everything):
    few = Detector(search, model, threshold=0.6).detect(*phantom)
    assert few == [c for c in everything[0] if c.probability >= 0.6]


def test_wrong_lungs_and_thresholds_are_refused(search, model, phantom):
    volume, lungs = phantom
    with pytest.raises(InvalidValueError):
        Detector(search, model, threshold=1.5)
    with pytest.raises(InvalidValueError):
        Detector(search, model).detect(volume, lungs[1:])
    with pytest.raises(InvalidValueError):
        Detector(search, model).detect(volume, lungs & False)


def test_nodules_of_a_real_scan_are_among_its_first_twenty_marks(search, model):
    nodules = DATA / "ct" / "nodules.json"
    if not nodules.exists():
        pytest.skip(f"no LIDC-IDRI scans in {DATA} (set GRANSK_DATA)")
    from training.nodule.scans import load

    entry = next(
        e
        for e in json.loads(nodules.read_text(encoding="utf-8"))
        if e["patient"] == "LIDC-IDRI-0003"
    )
    scan = load(DATA / "ct" / entry["patient"])
    found = Detector(search, model, threshold=0).detect(scan, segment_lungs(scan))[:20]
    for nodule in entry["nodules"]:
        if nodule["readers"] >= 3:
            away = [
                np.linalg.norm(np.subtract(c.centre_lps_mm, nodule["centre_lps_mm"])) for c in found
            ]
            assert min(away) < nodule["longest_axial_mm"][0] / 2
