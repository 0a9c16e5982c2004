"""Synthetic nodules at sheets, and the regression on what was found round them."""

from __future__ import annotations

import numpy as np
import pytest
from nodule_synthetic import chest
from threshold_model import threshold_model

from nodule.fissure import COEFFICIENTS, Sheet
from nodule.segmenter import Segmenter
from training.nodule.fissure import AT_FISSURE, at_fissure, auc, fit, left_out, weights
from training.nodule.sheets import GAP_MM, PLACES, THICKNESS_MM, Drawn, draw


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    scan = chest(spacing=(2.0, 1.2, 1.2), size_mm=(240.0, 260.0, 320.0), arms=False)
    segmenter = Segmenter(threshold_model(tmp_path_factory.mktemp("models")), 0.5)
    return list(draw("A", scan, segmenter, 4, np.random.default_rng(0)))


def test_nodules_are_drawn_where_they_are_said_to_be(drawn):
    assert [d.place for d in drawn] == [p for p in PLACES for _ in range(4)]
    for d in drawn:
        with_sheet = d.place in ("fissure", "near")
        assert (d.thickness_mm > 0) == with_sheet
        assert not with_sheet or THICKNESS_MM[0] <= d.thickness_mm <= THICKNESS_MM[1]
        assert d.slice_mm == 2.0
    sizes = np.array([(d.measured.mean_diameter_mm, d.diameter_mm) for d in drawn])
    assert np.median(np.abs(sizes[:, 0] - sizes[:, 1])) < 1.0
    contact = {p: [d.measured.place.pleural_contact for d in drawn if d.place == p] for p in PLACES}
    assert min(contact["wall"]) > max(contact["inner"])


def test_the_search_finds_what_was_drawn_and_nothing_before(drawn):
    seen = {p: [d for d in drawn if d.place == p and d.sheet] for p in PLACES}
    at, near = seen["fissure"], seen["near"]
    assert np.median([d.sheet.gap_mm for d in at]) < 1
    assert np.median([d.sheet.gap_mm for d in near]) >= GAP_MM[0] - 0.5
    assert np.median([d.sheet.coverage for d in at + near]) > 0.7
    assert not any(d.doubtful for d in drawn)


def of(place: str, coverage: float, host: str, before: float = 0.0) -> Drawn:
    sheet = Sheet(coverage, 500 * coverage, 50.0, 1.5, 0.0, 3.0)
    earlier = Sheet(before, 500 * before, 50.0, 1.5, 0.0, 3.0) if before else None
    return Drawn(host, 1.0, place, 6.0, 0.2, None, sheet, earlier)


def test_a_place_where_a_sheet_was_before_is_doubtful():
    assert of("inner", 0.9, "A", 0.9).doubtful
    assert not of("inner", 0.9, "A", 0.5).doubtful
    assert not of("inner", 0.9, "A").doubtful


def test_places_weigh_what_they_should():
    drawn = [of("fissure", 0.9, "A")] * 5 + [of("inner", 0.4, "A")] * 20 + [of("wall", 0.3, "A")]
    weight, y = weights(drawn), at_fissure(drawn)
    assert weight.sum() == pytest.approx(len(drawn))
    assert weight[y].sum() / weight.sum() == pytest.approx(AT_FISSURE)
    assert weight[-1] == pytest.approx(weight[5:25].sum())


def test_a_regression_finds_what_made_the_data():
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (20000, 2))
    y = rng.random(20000) < 1 / (1 + np.exp(-(-1.0 + x @ [2.0, -0.5])))
    assert fit(x, y, np.ones(20000)) == pytest.approx([-1.0, 2.0, -0.5], abs=0.08)
    # Twice the weight is twice the data.
    heavy = np.where(y, 2.0, 1.0)
    assert fit(x, y, heavy)[0] == pytest.approx(-1.0 + np.log(2), abs=0.08)


def test_scans_are_scored_by_the_others():
    rng = np.random.default_rng(0)
    drawn = [
        of(place, float(rng.normal(0.9 if place == "fissure" else 0.4, 0.05)), host)
        for host in "ABC"
        for place in ("fissure", "inner")
        for _ in range(20)
    ]
    # One scan whose labels are wrong spoils only the others' scores.
    drawn += [of("inner" if d.place == "fissure" else "fissure", d.sheet.coverage, "D")
              for d in drawn if d.host == "A"]  # fmt: skip
    score, y = left_out(drawn), at_fissure(drawn)
    own = np.array([d.host == "D" for d in drawn])
    assert auc(score[~own], y[~own]) == 1
    assert auc(score[own], y[own]) == 0


def test_shipped_coefficients_reward_evidence():
    intercept, *rest = COEFFICIENTS
    assert intercept < 0
    assert min(rest) > 0
