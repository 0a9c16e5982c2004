"""The figures of a place at a fissure, from nodules to what is printed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from nodule_synthetic import Ball, block, index_of

from bench.nodule.fissure import calibration, interval, rank, read_unseen, report
from bench.nodule.speed import write_series
from gransk.core.errors import InvalidValueError
from nodule.fissure import Perifissural, Sheet, Unassessed, probability
from nodule.measurement import measure
from nodule.segmentation import segment
from training.nodule.sheets import PLACES, Drawn


@pytest.fixture(scope="module")
def measured():
    scan = block(Ball((0, 0, 0), 8), (1.25, 0.8, 0.8))
    return measure(scan, segment(scan, index_of(scan, Ball((0, 0, 0), 8))))


@pytest.fixture(scope="module")
def drawn(measured):
    """Forty nodules a place in four scans; sheets are told at once where they were drawn."""
    rng = np.random.default_rng(0)
    out = []
    for place in PLACES:
        for n in range(40):
            coverage = float(np.clip(rng.normal(0.9 if place == "fissure" else 0.5, 0.1), 0, 1))
            sheet = Sheet(coverage, 500 * coverage, 60.0, 1.5, 0.0, 3.0)
            found = (
                Perifissural(probability(sheet), None, sheet)
                if coverage > 0.7
                else Perifissural(None, Unassessed.NO_FISSURE_SEEN, sheet)
            )
            own = replace(measured, perifissural=found)
            out.append(Drawn(f"scan {n % 4}", 1.25, place, 8.0, 0.1, own, sheet, None))
    return out


def test_ranks_and_their_intervals(drawn):
    value, low, high = (
        float(t.strip("()")) for t in rank(drawn, ["inner"]).split()[:4] if t != "to"
    )
    assert 0.95 < low <= value <= high <= 1
    assert rank(drawn, ["inner"]).endswith("n = 40 and 40")
    assert rank([d for d in drawn if d.place == "inner"], ["inner"]) == "not known"


def test_an_interval_counts_scans_not_rows():
    values = np.repeat([0.0, 1.0], 50)
    apart = interval(np.repeat(["A", "B"], 50), lambda rows: float(values[rows].mean()))
    mixed = interval(np.tile(["A", "B"], 50), lambda rows: float(values[rows].mean()))
    assert apart == (0, 1)
    assert 0.35 < mixed[0] < 0.5 < mixed[1] < 0.65


def test_calibration_holds_assessed_nodules_alone(drawn):
    lines = calibration(drawn)
    count = sum(int(line.split(":")[1].split()[0]) for line in lines)
    assert count == sum(d.measured.perifissural.probability is not None for d in drawn)
    shares = [float(line.split("at a sheet ")[1].split(";")[0]) for line in lines]
    assert shares == sorted(shares)
    assert shares[-1] > 0.9


def test_every_thickness_and_doubtful_places_have_their_rows(drawn):
    sheet = Sheet(0.9, 450.0, 60.0, 1.5, 0.0, 3.0)
    doubtful = [replace(d, before=sheet) for d in drawn if d.place == "inner"][:3]
    thick = [replace(d, slice_mm=3.0) for d in drawn]
    text = report([*drawn, *doubtful, *thick])
    assert text.count("at: fissure") == 2
    assert "slices thin" in text
    assert "the application tells nothing" in text
    assert "slices 2 mm" not in text
    row = next(line for line in text.splitlines() if line.startswith("at: a sheet before"))
    assert row.split()[4] == "3"


def test_scans_that_the_fit_saw_are_refused(tmp_path):
    scan = block(Ball((0, 0, 0), 8), (2.5, 2.0, 2.0))
    for name in ("Case_009", "Case_000"):
        (tmp_path / name).mkdir()
        write_series(scan, tmp_path / name)
    ((name, read),) = read_unseen([tmp_path / "Case_009"])
    assert (name, read.hu.shape) == ("Case_009", scan.hu.shape)
    with pytest.raises(InvalidValueError):
        list(read_unseen([tmp_path / "Case_000"]))
