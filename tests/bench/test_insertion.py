"""Inserted nodules: true volume and axes, place, density, and repeatability."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from nodule_synthetic import Ball, block, chest

from bench.nodule import inserted, pasted
from bench.nodule.inserted import A_SCAN, SIZES_MM, Planted, Result, limits, plan, row, table
from bench.nodule.truth import Nodule, Texture
from gransk.core.errors import InvalidValueError
from nodule.lungs import segment_lungs
from training.nodule.cutouts import Cutout
from training.nodule.insertion import (
    GLASS_HU,
    KINDS,
    SOLID_HU,
    Inserted,
    Scanner,
    Shape,
    Sheet,
    coverage,
    even_directions,
    insert,
)
from training.nodule.places import PLACES, Ground

LUNG = -850.0


def ball(diameter):
    return Shape(diameter, np.zeros((1, 3)), np.zeros(1), 0.0)


@pytest.mark.parametrize("diameter", [3.0, 8.0, 20.0])
@pytest.mark.parametrize("spacing", [(0.5, 0.4, 0.4), (2.5, 0.7, 0.7)])
def test_the_drawn_volume_is_the_true_one_within_one_percent(diameter, spacing):
    rng = np.random.default_rng(0)
    shape = Shape.drawn(diameter, 0.3, rng)
    size = np.ceil(1.5 * diameter / np.array(spacing)).astype(int) + 4
    share = coverage(
        shape, size / 2 + rng.uniform(-0.5, 0.5, 3), np.zeros(3, int), size, np.array(spacing)
    )
    assert share.sum() * np.prod(spacing) == pytest.approx(shape.volume_mm3, rel=0.01)
    assert share.max() == pytest.approx(1.0) if diameter > 3 else share.max() > 0.5


def test_a_ball_has_its_diameter_as_axes_and_others_have_longer_ones():
    assert ball(10.0).axes_mm == pytest.approx((10.0, 10.0), abs=0.1)
    assert ball(10.0).volume_mm3 == pytest.approx(523.6, abs=0.1)
    uneven = Shape(10.0, np.array([[0.0, 0.0, 2.0]]), np.array([0.0]), 0.5)
    long_axis, short_axis = uneven.axes_mm
    assert long_axis > 1.1 * short_axis
    # Along the wave's axis the radius is least: cos(2) < 1.
    radius = uneven.radius_mm(np.array([[0.0, 0, 1], [0.0, 1, 0]]))
    assert long_axis == pytest.approx(2 * radius[1], abs=0.2)
    assert radius[0] < radius[1]


def test_directions_are_even_unit_vectors():
    points = even_directions(500)
    assert np.linalg.norm(points, axis=1) == pytest.approx(np.ones(500))
    assert points.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-2)


@pytest.mark.parametrize(("diameter", "roughness"), [(0, 0.1), (5, 1.0), (5, -0.1)])
def test_wrong_shapes_are_refused(diameter, roughness):
    with pytest.raises(InvalidValueError):
        Shape(diameter, np.zeros((1, 3)), np.zeros(1), roughness)


@pytest.mark.parametrize(
    ("kind", "middle", "beside"),
    [
        ("solid", SOLID_HU, SOLID_HU),
        ("part-solid", SOLID_HU, GLASS_HU),
        ("ground glass", GLASS_HU, GLASS_HU),
    ],
)
def test_density_by_kind_and_no_change_far_away(kind, middle, beside):
    hu = np.full((40, 60, 60), LUNG, np.float32)
    one = Inserted((20.0, 30.0, 30.0), ball(16.0), kind, "inner")
    insert(hu, (1.0, 0.8, 0.8), one, Scanner(0.5, 0.0), np.random.default_rng(0))
    assert hu[20, 30, 30] == pytest.approx(middle, abs=2)
    assert hu[20, 30, 38] == pytest.approx(beside, abs=25)
    # Half way at the edge: 8 mm are 10 pixels.
    assert hu[20, 30, 40] == pytest.approx((LUNG + beside) / 2, abs=60)
    assert (hu[20, 30, :14] == LUNG).all()
    assert (hu[:8] == LUNG).all()


def test_the_mass_of_a_blurred_solid_nodule_is_that_of_its_volume():
    hu = np.full((30, 50, 50), LUNG, np.float32)
    one = Inserted((15.2, 25.3, 24.6), ball(9.0), "solid", "inner")
    insert(hu, (1.0, 0.7, 0.7), one, Scanner(0.7, 0.0), np.random.default_rng(0))
    share = ((hu - LUNG) / (SOLID_HU - LUNG)).sum(dtype=float)
    assert share * 0.49 == pytest.approx(one.shape.volume_mm3, rel=0.01)


def test_a_fissure_is_a_sheet_that_touches_the_nodule():
    with_sheet = np.full((60, 60, 60), LUNG, np.float32)
    without = with_sheet.copy()
    for place, hu in (("fissure", with_sheet), ("inner", without)):
        one = Inserted((30.0, 30.0, 30.0), ball(8.0), "solid", place)
        insert(hu, (1.0, 0.8, 0.8), one, Scanner(0.5, 0.0), np.random.default_rng(0))
    extra = np.argwhere(with_sheet > without + 100) - 30
    assert len(extra) > 500
    depth = extra * [1.0, 0.8, 0.8] @ [0.8, 0.6, 0.0]
    assert depth.min() > 4.0 - 2
    assert depth.max() < 4.0 + 2.5


@pytest.mark.parametrize("thickness", [0.1, 0.4])
@pytest.mark.parametrize("normal", [(0.8, -0.6, 0.0), (1.0, 0.0, 0.0)])
def test_a_sheet_thinner_than_a_voxel_has_its_mass(thickness, normal):
    size = np.array([40, 60, 60])
    sheet = Sheet(normal, 3.0, thickness, reach_mm=10.0)
    share = coverage(ball(6.0), size / 2, np.zeros(3, int), size, np.array([1.25, 0.8, 0.8]),
                     sheet=sheet)  # fmt: skip
    assert share.sum() * 0.8 == pytest.approx(np.pi * 100 * thickness, rel=0.05)


def test_a_bent_sheet_leaves_its_plane_as_the_bend_says():
    sheet = Sheet((1.0, 0.0, 0.0), 3.0, 0.5, reach_mm=12.0, bend_per_mm=1 / 50)
    for aside, height in ((0.0, 3.0), (10.0, 4.0)):
        assert sheet.share(np.array([height, aside, 0.0]), (0.1, 0.1, 0.1)) == 1
        assert sheet.share(np.array([height + 0.5, aside, 0.0]), (0.1, 0.1, 0.1)) == 0
    assert sheet.share(np.array([3.0 + 144.5 / 100, 12.1, 0.0]), (0.1, 0.1, 0.1)) == 0


@pytest.mark.parametrize("values", [((1.0, 1.0, 0.0), 3.0), ((1.0, 0.0, 0.0), 3.0, 0.0)])
def test_a_sheet_that_cannot_be_is_refused(values):
    with pytest.raises(InvalidValueError):
        Sheet(*values)


def test_noise_inside_a_nodule_is_the_scans():
    rng = np.random.default_rng(1)
    hu = (LUNG + rng.normal(0, 20, (40, 60, 60))).astype(np.float32)
    one = Inserted((20.0, 30.0, 30.0), ball(20.0), "solid", "inner")
    insert(hu, (1.0, 0.8, 0.8), one, Scanner(0.5, 20.0), rng)
    assert hu[17:24, 25:36, 25:36].std() == pytest.approx(20, rel=0.25)


@pytest.fixture(scope="module")
def ground():
    scan = chest(noise_hu=15)
    lungs = segment_lungs(scan)
    return scan, lungs, Ground.of(scan, lungs)


def test_blur_and_noise_of_a_scan_are_estimated(ground):
    scan, lungs, _ = ground
    estimate = Scanner.of(scan, lungs)
    assert estimate.noise_hu == pytest.approx(15, rel=0.25)
    noisier = replace(
        scan,
        hu=scan.hu + np.random.default_rng(0).normal(0, 30, scan.hu.shape).astype(np.float32),
    )
    assert Scanner.of(noisier, lungs).noise_hu > 1.5 * estimate.noise_hu


def test_wall_nodules_touch_the_wall_and_inner_ones_do_not(ground):
    scan, _, places = ground
    spacing = np.array(scan.geometry.spacing)
    rng = np.random.default_rng(0)
    shape = ball(8.0)
    for place in ("wall", "inner"):
        for _ in range(5):
            centre = places.find(place, shape, [], rng)
            assert centre is not None
            points = centre + even_directions(2000) * 5.5 / spacing
            at = np.round(points).astype(int)
            tissue = scan.hu[tuple(at.T)] > -400
            assert tissue.any() if place == "wall" else tissue.mean() < 0.1
            near = centre + even_directions(2000) * 3.0 / spacing
            at = np.round(near).astype(int)
            assert (scan.hu[tuple(at.T)] > -400).mean() < 0.02


def test_filling_repeats_by_seed_and_keeps_nodules_apart(ground):
    scan, lungs, _ = ground
    wanted = [(10.0, "solid", "inner"), (6.0, "ground glass", "wall"), (5.0, "solid", "inner")]
    one, planted = inserted.fill(scan, lungs, wanted, np.random.default_rng(5))
    two, again = inserted.fill(scan, lungs, wanted, np.random.default_rng(5))
    assert np.array_equal(one.hu, two.hu)
    assert [p.nodule for p in planted] == [p.nodule for p in again]
    assert len(planted) == 3
    centres = np.array([p.nodule.centre_lps_mm for p in planted])
    for a in range(3):
        k, j, i = np.round(scan.geometry.to_index(centres[a])).astype(int)
        assert one.hu[k, j, i] > scan.hu[k, j, i] + 150
        for b in range(a):
            assert np.linalg.norm(centres[a] - centres[b]) > 25


def test_every_size_kind_and_place_comes_once_before_any_comes_twice():
    plans = list(islice(plan(6, np.random.default_rng(0)), 6))
    assert [len(p) for p in plans] == [A_SCAN] * 6
    every = [w for p in plans for w in p]
    assert len(set(every)) == len(SIZES_MM) * len(KINDS) * len(PLACES) == len(every)


def result(size, kind, probability, error, slice_mm=1.0):
    one = Inserted((0.0, 0.0, 0.0), ball(size), kind, "inner")
    planted = Planted(Nodule((0.0, 0.0, 0.0), size), one)
    return Result(planted, slice_mm, probability, error, 0.5)


def test_bias_and_limits():
    assert limits([1.0, 3.0]) == pytest.approx((2.0, 2 - 1.96 * 2**0.5, 2 + 1.96 * 2**0.5))
    assert np.isnan(limits([1.0])).all()
    results = [result(8.0, "solid", 0.9, 0.1), result(8.0, "solid", 0.2, 0.3),
               result(8.0, "solid", -1.0, float("nan"))]  # fmt: skip
    text = row("solid", results, 0.5)
    assert " 3  0.33 (0.01 to 0.91)" in text
    assert " 2   +20.0 (-7.7 to +47.7)" in text
    whole = table([*results, result(4.0, "solid", 0.9, 0.1, 2.5)], 0.5)
    assert [line.split("  ")[0] for line in whole.splitlines()[1:3]] == ["all", "solid"]
    (thin,) = [line for line in whole.splitlines() if "slices <=" in line]
    assert thin.split()[8] == "3"
    assert "slices >" not in whole


def test_the_place_of_a_pasted_nodule(ground):
    scan, lungs, places = ground
    rng = np.random.default_rng(2)
    inner, wall = (places.find(p, ball(8.0), [], rng) for p in ("inner", "wall"))
    assert pasted.place_of(scan, lungs, wall, 4.0) == "wall"
    assert pasted.place_of(scan, lungs, inner, 4.0) == "inner"
    crossed = scan.hu.copy()
    _, j, i = np.round(inner).astype(int)
    crossed[:, j - 3 : j + 4, i - 3 : i + 4] = 40
    assert pasted.place_of(replace(scan, hu=crossed), lungs, inner, 4.0) == "vessel"


def cutout(number):
    scan = block(Ball((0.0, 0.0, 0.0), 8.0), (2.5, 0.7, 0.7))
    return Cutout(f"n{number}", "P", scan, scan.hu > -400, 4, 8.0, 3.0, texture=5.0)


def test_pasted_nodules_are_where_they_are_said_to_be_and_repeat_by_seed(ground):
    scan, lungs, _ = ground
    nodules = [cutout(n) for n in range(4)]
    one, pasted_in = pasted.fill(scan, lungs, nodules, np.random.default_rng(1))
    two, again = pasted.fill(scan, lungs, nodules, np.random.default_rng(1))
    assert np.array_equal(one.hu, two.hu)
    assert pasted_in == again
    assert len(pasted_in) > 1
    assert "wall" in {n.place for n in pasted_in}
    for number, nodule in enumerate(pasted_in):
        assert (nodule.texture, nodule.diameter_mm, nodule.counted) == (Texture.SOLID, 8.0, True)
        assert nodule.place in ("wall", "inner", "vessel")
        k, j, i = np.round(scan.geometry.to_index(nodule.centre_lps_mm)).astype(int)
        assert one.hu[k, j, i] > -200
        for other in pasted_in[:number]:
            away = np.subtract(nodule.centre_lps_mm, other.centre_lps_mm)
            assert np.linalg.norm(away) >= 8 + 8 + 15


@pytest.mark.parametrize("place", ["wall", "vessel", "inner"])
def test_places_offered_reach_the_wall_a_vessel_or_neither(ground, place):
    scan, lungs, _ = ground
    spacing = np.array(scan.geometry.spacing)
    offered = pasted.Offers.of(scan, lungs).at(place, 6.0, np.random.default_rng(0))
    assert len(offered) > 20
    for centre in offered[:20]:
        near, far = (
            tuple(np.round(centre + even_directions(2000) * mm / spacing).astype(int).T)
            for mm in (5.0, 8.0)
        )
        if place == "wall":
            assert (~lungs[far]).any()
            continue
        assert lungs[near].all()
        if place == "vessel":
            assert (scan.hu[near] > -300).any() or (scan.hu[far] > -300).any()
        else:
            assert (scan.hu[near] > -300).mean() < 0.01
