"""The free-response curve against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.nodule.curve import (
    CPM_RATES,
    Curve,
    Scored,
    Target,
    proportion_interval,
    rate_interval,
    score,
)
from bench.nodule.froc import COMMAND, performance
from bench.nodule.tables import kinds, report
from bench.nodule.truth import Nodule, Texture
from gransk.core.errors import InvalidValueError
from nodule.detector import Candidate


def nodule(x=0.0, diameter=10.0, counted=True, texture=Texture.SOLID):
    return Nodule((x, 0.0, 0.0), diameter, counted, texture)


def mark(x, probability):
    return Candidate((0.0, 0.0, 0.0), (x, 0.0, 0.0), 3.0, probability, None)


def scored(group, found, false):
    return Scored(group, tuple(Target(nodule(), p) for p in found), tuple(false))


def test_a_mark_hits_within_the_radius_and_not_beyond():
    nodules = [nodule(0), nodule(100)]
    result = score("a", [mark(5.0, 0.9), mark(105.1, 0.8)], nodules)
    assert [t.probability for t in result.targets] == [0.9, -1.0]
    assert result.false == (0.8,)


def test_two_marks_on_one_nodule_are_one_hit_and_no_false_mark():
    result = score("a", [mark(1, 0.4), mark(-1, 0.7)], [nodule()])
    assert [t.probability for t in result.targets] == [0.7]
    assert result.false == ()


def test_marks_on_nodules_of_few_readers_are_neither_hit_nor_false():
    result = score("a", [mark(100, 0.9), mark(50, 0.3)], [nodule(), nodule(100, counted=False)])
    assert [t.probability for t in result.targets] == [-1.0]
    assert result.false == (0.3,)


def test_sensitivity_at_each_rate_is_the_highest_with_at_most_so_many_false_marks():
    # Two scans: 1/8 and 1/4 of a mark a scan allow none, 1/2 one, 1 two, 2 all three.
    curve = Curve([scored("a", [0.95, 0.6], [0.9, 0.5]), scored("b", [0.8, 0.4], [0.7])])
    assert curve.sensitivities() == pytest.approx([0.25, 0.25, 0.5, 0.75, 1, 1, 1])
    assert curve.cpm() == pytest.approx((0.25 + 0.25 + 0.5 + 0.75 + 3) / 7)


def test_ties_are_all_in_or_all_out():
    # Of three false marks at 0.5 two would be allowed: then none is, nor the nodule at 0.5.
    curve = Curve([scored("a", [0.5, 0.6], [0.5, 0.5, 0.5])])
    assert curve.sensitivities(rates=[2.0]) == pytest.approx([0.5])
    assert curve.sensitivities(rates=[3.0]) == pytest.approx([1.0])


def test_a_nodule_without_a_mark_is_found_at_no_rate():
    curve = Curve([scored("a", [-1.0, 0.0], [])])
    assert curve.sensitivities() == pytest.approx([0.5] * len(CPM_RATES))
    assert curve.at(0.0) == pytest.approx((0.5, 0.0))


def test_the_operating_point_counts_marks_at_the_threshold():
    curve = Curve([scored("a", [0.8, 0.2], [0.8, 0.79]), scored("b", [], [0.9])])
    assert curve.at(0.8) == pytest.approx((0.5, 1.0))


def test_scans_without_nodules_count_for_false_marks():
    alone = Curve([scored("a", [0.5], [0.6])])
    with_empty = Curve([scored("a", [0.5], [0.6]), scored("b", [], [])])
    assert alone.sensitivities(rates=[0.5]) == pytest.approx([0.0])
    assert with_empty.sensitivities(rates=[0.5]) == pytest.approx([1.0])
    empty = Curve([scored("b", [], [0.3])])
    assert np.isnan(empty.cpm())
    assert "no nodule to be found; at 0.200: 1.00 false marks a scan" in report(
        [scored("b", [], [0.3])], 0.2
    )


def test_weights_count_a_group_as_often_as_it_was_drawn():
    scans = [scored("a", [0.9, 0.1], [0.5]), scored("b", [0.3], [0.8, 0.2])]
    twice = Curve([scans[0], scans[0], scans[1]])
    assert Curve(scans).sensitivities([2, 1]) == pytest.approx(twice.sensitivities())
    assert Curve(scans).at(0.5, [2, 1]) == pytest.approx(twice.at(0.5))
    assert Curve(scans).cpm([0, 1]) == pytest.approx(Curve(scans[1:]).cpm())


def test_the_bootstrap_repeats_by_seed_and_covers_the_value():
    rng = np.random.default_rng(3)
    scans = [scored(str(n), rng.uniform(size=3), rng.uniform(0, 0.7, 4)) for n in range(12)]
    curve = Curve(scans)

    def interval(seed):
        return curve.bootstrap(lambda w: np.array([curve.cpm(w), curve.at(0.5, w)[1]]), seed)

    first = interval(1)
    assert first == pytest.approx(interval(1))
    assert first != pytest.approx(interval(2))
    assert first.shape == (2, 2)
    assert first[0, 0] < curve.cpm() < first[1, 0]
    assert first[0, 1] < curve.at(0.5)[1] < first[1, 1]


def test_scans_of_one_patient_are_drawn_together():
    scans = [scored("a", [0.9], [0.1]), scored("a", [0.9], [0.1]), scored("b", [0.0], [0.5])]
    seen = set()
    curve = Curve(scans)
    curve.bootstrap(lambda w: seen.add(tuple(w)) or np.array([curve.cpm(w)]))
    assert seen == {(2, 0), (1, 1), (0, 2)}
    assert np.isnan(Curve(scans[:2]).bootstrap(lambda w: np.array([1.0]))).all()


def test_draws_without_a_nodule_are_left_out():
    curve = Curve([scored("a", [0.9], []), scored("b", [], [0.1])])
    low, high = curve.bootstrap(lambda w: np.array([curve.cpm(w)]))
    assert (low[0], high[0]) == (1.0, 1.0)


def test_exact_intervals():
    assert proportion_interval(10, 11) == pytest.approx((0.587, 0.998), abs=1e-3)
    assert proportion_interval(0, 5)[0] == 0
    assert proportion_interval(5, 5)[1] == 1
    low, high = rate_interval(6, 4)
    assert stats.poisson.sf(5, low * 4) == pytest.approx(0.025, abs=1e-4)
    assert stats.poisson.cdf(6, high * 4) == pytest.approx(0.025, abs=1e-4)
    assert rate_interval(0, 4)[0] == 0


def test_sizes_and_textures_part_the_nodules():
    found = [
        Target(nodule(diameter=5, texture=Texture.of(1.5)), 0.9),
        Target(nodule(diameter=6, texture=Texture.of(3)), 0.9),
        Target(nodule(diameter=70, texture=Texture.of(4.5)), 0.2),
        Target(nodule(diameter=70, texture=Texture.of(None)), 0.2),
    ]
    by_kind = {name: list(those) for name, those in kinds(Curve([Scored("a", tuple(found), ())]))}
    assert by_kind == {
        "3 to 6 mm": [True, False, False, False],
        "6 to 10 mm": [False, True, False, False],
        "60 mm and more": [False, False, True, True],
        "ground glass": [True, False, False, False],
        "part-solid": [False, True, False, False],
        "solid": [False, False, True, False],
        "texture not known": [False, False, False, True],
    }


@pytest.mark.parametrize("diameter", [0, -3, float("nan"), 2000])
def test_a_nodule_has_a_diameter(diameter):
    with pytest.raises(InvalidValueError, match="diameter"):
        nodule(diameter=diameter)


def test_the_report_names_its_numbers():
    text = report([scored("a", [0.9, 0.2], [0.3]), scored("b", [0.8], [0.7, 0.6])], 0.5)
    assert "operating point 0.500: sensitivity 2/3 = 0.67" in text
    assert "false marks a scan 1.00" in text
    assert "bootstrap (2 patients)" in text
    # No false mark is above 0.7: 2 of 3 at 1/8 to 1 mark a scan, all at 2 and more.
    assert (
        f"CPM (mean sensitivity at 1/8 to 8 false marks a scan) {(4 * 2 / 3 + 3) / 7:.3f}" in text
    )


def test_the_cards_figures_are_the_curves():
    scans = [scored("a", [0.9, 0.2], [0.3]), scored("b", [0.8], [0.7, 0.6])]
    found, false, at_one, cpm = performance(scans, 0.5)
    assert (found["value"], found["cases"], found["command"]) == (0.667, 3, COMMAND)
    assert found["interval"] == [0.094, 0.992]
    assert (false["value"], false["cases"]) == (1.0, 2)
    assert at_one["value"] == pytest.approx(2 / 3, abs=1e-3)
    assert cpm["value"] == pytest.approx(Curve(scans).cpm(), abs=1e-3)
    assert cpm["interval"][0] <= cpm["value"] <= cpm["interval"][1]
    assert "2 whole scans" in cpm["data"]
    assert "smallest 10.0 mm" in cpm["data"]
